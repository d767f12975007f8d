#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

tt_status sync_folder_of(const char *path)
{
    char *copy;
    TT_TRY(tt_copy_text(path, &copy));
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tt_status s = TT_OK;
    /* Some file systems cannot sync a folder and say EINVAL: there is nothing more to do then. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) s = tt_fail_errno("sync the folder of", path);
    if (fd >= 0) close(fd);
    free(copy);
    return s;
}

static tt_status sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    tt_status s = fd < 0 || fsync(fd) != 0 ? tt_fail_errno("sync", path) : TT_OK;
    if (fd >= 0) close(fd);
    return s;
}

static tt_status write_origin(hid_t file, const char *part, const tt_provenance *p)
{
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    const char *text[][2] = {{"tutti_version", TT_VERSION},   {"stage", p->stage},
                             {"fingerprint", p->fingerprint}, {"config", p->config},
                             {"inputs", p->inputs},           {"created", created}};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        TT_TRY(attribute_write_text(file, part, text[i][0], text[i][1] ? text[i][1] : ""));
    return attribute_write_integer(file, part, "seed", p->seed);
}

static tt_status write_structure(hid_t file, const char *part, const tt_provenance *provenance,
                                 const tt_column *columns, int n_columns)
{
    hid_t group = H5Gcreate2(file, CHECKSUM_GROUP, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0) return h5_fail(TT_ERR_IO, "cannot write %s", part);
    h5_close(group);
    attribute of = {.object = (char *)CHECKSUM_GROUP, .name = (char *)"algorithm", .n_texts = 1};
    of.texts = (char *[]){(char *)"XXH3 64 bits, per block of rows; 0: not written"};
    TT_TRY(attribute_write(file, part, &of));
    for (int i = 0; i < n_columns; i++) TT_TRY(column_create(file, part, &columns[i]));
    return write_origin(file, part, provenance);
}

/* HDF5 may fail to close a file that it could not write; tell why the write failed. */
static tt_status close_written(hid_t file, const char *path, tt_status s)
{
    if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 && s == TT_OK) s = h5_fail(TT_ERR_IO, "cannot write %s", path);
    if (H5Fclose(file) < 0 && s == TT_OK) s = h5_fail(TT_ERR_IO, "cannot write %s", path);
    return s;
}

static hid_t create_file(const char *path)
{
    hid_t access = h5_access(NULL), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_attr_phase_change(creation, 64, 32); /* provenance stays in the header of the root group */
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    h5_close(creation);
    h5_close(access);
    return file;
}

static tt_status build(const char *path, const tt_provenance *provenance, const tt_column *columns,
                       int n_columns)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0666); /* for the system's own word if it cannot be */
    if (fd < 0) return tt_fail_errno("create", path);
    close(fd);
    hid_t file = create_file(path);
    if (file < 0) return h5_fail(TT_ERR_IO, "cannot create %s", path);
    TT_TRY(close_written(file, path, write_structure(file, path, provenance, columns, n_columns)));
    return structure_reserve(path);
}

tt_status structure_reserve(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        tt_status s = tt_fail_errno("open", path);
        if (fd >= 0) close(fd);
        return s;
    }
    int r;
    do r = info.st_size > 0 ? fallocate(fd, 0, 0, info.st_size) : 0;
    while (r != 0 && errno == EINTR);
    int why = errno;
    close(fd);
    if (r == 0 || why == EOPNOTSUPP || why == ENOSYS || why == EINVAL) return TT_OK;
    return tt_fail(TT_ERR_IO, "cannot reserve %.3f GB for %s: %s", (double)info.st_size / 1e9, path,
                   strerror(why));
}

void structure_remove(const char *part)
{
    unlink(part); /* before its undo: a .part in the middle of a change is never alone */
    undo_drop(part);
}

tt_status structure_create(const char *part, const tt_provenance *provenance, const tt_column *columns,
                           int n_columns)
{
    char *new_path;
    TT_TRY(tt_format(&new_path, "%s.new", part));
    tt_status s = build(new_path, provenance, columns, n_columns);
    if (s == TT_OK) structure_remove(part);
    if (s == TT_OK && rename(new_path, part) != 0) s = tt_fail_errno("rename", new_path);
    if (s != TT_OK) unlink(new_path);
    free(new_path);
    return s;
}

static bool same_text(hid_t file, const char *part, const char *name, const char *expected)
{
    char *text;
    bool same =
        attribute_read_text(file, part, "/", name, &text) == TT_OK && text && strcmp(text, expected) == 0;
    free(text);
    return same;
}

/* All columns are there, alike, and the file reaches as far as their data. */
static bool same_columns(hid_t file, const char *part, int64_t bytes, const tt_column *columns, int n_columns)
{
    bool same = true;
    for (int i = 0; i < n_columns && same; i++) {
        column c;
        if (column_open(file, part, columns[i].name, &c) != TT_OK) return false;
        haddr_t at = H5Dget_offset(c.data);
        same = c.check >= 0 && column_same(&c.shape, &columns[i]) &&
               (at == HADDR_UNDEF || (int64_t)(at + H5Dget_storage_size(c.data)) <= bytes);
        column_close(&c);
    }
    return same;
}

static const char *why_not(hid_t file, const char *part, int64_t bytes, const tt_provenance *provenance,
                           const tt_column *columns, int n_columns)
{
    if (file < 0) return "it cannot be read";
    if (!same_text(file, part, "tutti_version", TT_VERSION)) return "another version made it";
    if (!same_text(file, part, "fingerprint", provenance->fingerprint))
        return "settings or inputs have changed";
    if (!same_columns(file, part, bytes, columns, n_columns)) return "its datasets differ";
    return NULL;
}

tt_status structure_matches(const char *part, const tt_provenance *provenance, const tt_column *columns,
                            int n_columns, bool *matches)
{
    struct stat info;
    *matches = false;
    if (stat(part, &info) != 0) return errno == ENOENT ? TT_OK : tt_fail_errno("open", part);
    if (undo_restore(part) != TT_OK) {
        tt_info("%s: starting afresh (%s)", part, tt_message());
        return TT_OK;
    }
    if (stat(part, &info) != 0) return tt_fail_errno("open", part);
    hid_t file = h5_open_alone(part, false);
    const char *why = why_not(file, part, info.st_size, provenance, columns, n_columns);
    h5_close(file);
    *matches = why == NULL;
    if (why) tt_info("%s: starting afresh, %s", part, why);
    return TT_OK;
}

/* Blocks behind the end of the file, so that a full disk shows before the structure is touched. */
static tt_status reserve_tail(const char *part)
{
    struct stat info;
    int fd = open(part, O_RDWR | O_CLOEXEC);
    tt_status s = TT_OK;
    if (fd < 0 || fstat(fd, &info) != 0)
        s = tt_fail_errno("open", part);
    else if (fallocate(fd, FALLOC_FL_KEEP_SIZE, info.st_size, 1 << 20) != 0 && errno != EOPNOTSUPP &&
             errno != ENOSYS && errno != EINVAL)
        s = tt_fail_errno("write", part);
    if (fd >= 0) close(fd);
    return s;
}

tt_status structure_edit(const char *part, structure_change *f, void *context)
{
    TT_TRY(reserve_tail(part));
    TT_TRY(undo_save(part));
    hid_t file = h5_open_alone(part, true);
    tt_status s = file < 0 ? h5_fail(TT_ERR_IO, "cannot open %s", part) : f(file, context);
    if (file >= 0) s = close_written(file, part, s);
    if (s == TT_OK) s = sync_file(part);
    if (s == TT_OK) {
        undo_drop(part);
        return TT_OK;
    }
    char *message = NULL; /* the reason, not what the restoring may say */
    if (tt_copy_text(tt_message(), &message) != TT_OK) return s;
    undo_restore(part);
    tt_fail(s, "%s", message);
    free(message);
    return s;
}

/* Datasets that an earlier attempt added late: their number or size may differ this time. */
typedef struct leftovers {
    const char *part;
    const tt_column *columns;
    int n_columns;
    char (*name)[1024];
    int n;
    tt_status status;
} leftovers;

static herr_t note_leftover(hid_t file, const char *name, const H5L_info_t *info, void *context)
{
    leftovers *l = context;
    char full[1024];
    H5O_info_t object;
    (void)info;
    if (H5Oget_info_by_name(file, name, &object, H5P_DEFAULT) < 0 || object.type != H5O_TYPE_DATASET)
        return 0;
    snprintf(full, sizeof full, "/%s", name);
    for (int i = 0; i < l->n_columns; i++)
        if (strcmp(full, l->columns[i].name) == 0) return 0;
    l->status = tt_grow(l->n, l->n + 1, sizeof *l->name, "names", &l->name);
    if (l->status != TT_OK) return -1;
    memcpy(l->name[l->n++], full, sizeof full);
    return 0;
}

static tt_status drop_leftovers(hid_t file, void *context)
{
    const leftovers *l = context;
    for (int i = 0; i < l->n; i++) {
        char check[1100];
        snprintf(check, sizeof check, CHECKSUM_GROUP "%s", l->name[i]);
        if (H5Ldelete(file, check, H5P_DEFAULT) < 0 ||
            (h5_exists(file, l->name[i]) && H5Ldelete(file, l->name[i], H5P_DEFAULT) < 0))
            return h5_fail(TT_ERR_IO, "cannot remove %s from %s", l->name[i], l->part);
    }
    return TT_OK;
}

tt_status structure_settle(const char *part, const tt_column *columns, int n_columns)
{
    leftovers l = {.part = part, .columns = columns, .n_columns = n_columns};
    hid_t file = h5_open_alone(part, false);
    if (file < 0) return h5_fail(TT_ERR_IO, "cannot open %s", part);
    hid_t group = H5Gopen2(file, CHECKSUM_GROUP, H5P_DEFAULT);
    tt_status s = TT_OK;
    if (group < 0 || H5Lvisit(group, H5_INDEX_NAME, H5_ITER_INC, note_leftover, &l) < 0)
        s = l.status != TT_OK ? l.status : h5_fail(TT_ERR_IO, "cannot list %s", part);
    h5_close(group);
    h5_close(file);
    if (s == TT_OK && l.n > 0) s = structure_edit(part, drop_leftovers, &l);
    free(l.name);
    return s == TT_OK ? structure_reserve(part) : s;
}
