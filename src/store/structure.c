#include "store/internal.h"

#include "tutti/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Take the space now: a full disk shows in the first second, not in the fifth hour.
 * File systems that cannot promise space (NFS 3) say so, and get the file with holes. */
static tt_status reserve(int fd, const char *part, int64_t from, int64_t to)
{
    if (ftruncate(fd, to) != 0) return tt_fail_errno("write", part);
    if (to <= from) return TT_OK;
    int r;
    do r = fallocate(fd, 0, from, to - from);
    while (r != 0 && errno == EINTR);
    if (r == 0 || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return TT_OK;
    return tt_fail(TT_ERR_IO, "cannot reserve %.1f MB for %s: %s", (double)(to - from) / 1e6, part,
                   strerror(errno));
}

/** A file in memory that stands for a real one. */
typedef struct shadow {
    int fd;
    char path[64]; /**< by which HDF5 can open it */
} shadow;

enum { STRUCTURE_BYTES = 1 << 20 }; /* more than headers and attributes take */

/* The detour over the largest size meets a limit on files here, where it is an error, rather than within
 * HDF5. */
static tt_status shadow_open(shadow *s, int64_t bytes, int64_t growth, const char *part)
{
    s->fd = memfd_create("structure", MFD_CLOEXEC);
    if (s->fd < 0)
        return tt_fail(TT_ERR_MEMORY, "no memory for the structure of %s: %s", part, strerror(errno));
    snprintf(s->path, sizeof s->path, "/proc/self/fd/%d", s->fd);
    if (ftruncate(s->fd, bytes + growth + STRUCTURE_BYTES) != 0 || ftruncate(s->fd, bytes) != 0)
        return tt_fail_errno("write", part);
    return TT_OK;
}

static int64_t file_bytes(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 ? info.st_size : 0;
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
    attribute algorithm = {.object = (char *)CHECKSUM_GROUP, .name = (char *)"algorithm", .n_texts = 1};
    algorithm.texts = (char *[]){(char *)"XXH3 64 bits, per block of rows; 0: not written"};
    TT_TRY(attribute_write(file, part, &algorithm));
    for (int i = 0; i < n_columns; i++) TT_TRY(column_create(file, part, &columns[i]));
    return write_origin(file, part, provenance);
}

/* By HDF5's stdio driver: the others look up the true path of a file, and one in memory has none. */
static hid_t shadow_file(const shadow *s, bool create)
{
    hid_t access = h5_access(NULL), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_stdio(access);
    H5Pset_attr_phase_change(creation, 64, 32); /* provenance stays in the header of the root group */
    hid_t file =
        create ? H5Fcreate(s->path, H5F_ACC_TRUNC, creation, access) : H5Fopen(s->path, H5F_ACC_RDWR, access);
    h5_close(creation);
    h5_close(access);
    return file;
}

static tt_status close_written(hid_t file, const char *part, tt_status s)
{
    if (H5Fclose(file) < 0 && s == TT_OK) s = h5_fail(TT_ERR_IO, "cannot write the structure of %s", part);
    return s;
}

static tt_status sync_and_close(int fd, const char *path, tt_status s)
{
    if (s == TT_OK && fsync(fd) != 0) s = tt_fail_errno("write", path);
    if (fd >= 0 && close(fd) != 0 && s == TT_OK) s = tt_fail_errno("write", path);
    return s;
}

/* Bring a new shadow to the disk under another name, so that a .part is never half a structure. */
static tt_status install(const shadow *from, const char *part)
{
    char *new_path;
    TT_TRY(tt_format(&new_path, "%s.new", part));
    int64_t bytes = file_bytes(from->fd);
    ranges all = {&(tt_range){0, bytes}, 1};
    int fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    tt_status s = fd < 0 ? tt_fail_errno("create", part) : reserve(fd, part, 0, bytes);
    if (s == TT_OK) s = ranges_copy(&all, from->fd, fd, part);
    s = sync_and_close(fd, part, s);
    if (s == TT_OK) {
        unlink(part); /* before its undo: a .part in the middle of a change is never alone */
        undo_drop(part);
        if (rename(new_path, part) != 0) s = tt_fail_errno("create", part);
    }
    if (s != TT_OK) unlink(new_path);
    free(new_path);
    return s;
}

static int64_t data_bytes(const tt_column *columns, int n)
{
    int64_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += column_bytes(&columns[i]);
    return bytes;
}

tt_status structure_create(const char *part, const tt_provenance *provenance, const tt_column *columns,
                           int n_columns)
{
    shadow shade;
    tt_status s = shadow_open(&shade, 0, data_bytes(columns, n_columns), part);
    hid_t file = s == TT_OK ? shadow_file(&shade, true) : H5I_INVALID_HID;
    if (s == TT_OK && file < 0) s = h5_fail(TT_ERR_INTERNAL, "cannot make the structure of %s", part);
    if (file >= 0) s = close_written(file, part, write_structure(file, part, provenance, columns, n_columns));
    if (s == TT_OK) s = install(&shade, part);
    if (shade.fd >= 0) close(shade.fd);
    return s;
}

/** What a change of structure does to the bytes of a file. */
typedef struct change {
    const char *part;
    int fd;
    shadow shade;
    int64_t old_bytes, new_bytes;
    ranges data; /**< of datasets, before */
    ranges kept; /**< of these, what stays as and where it is */
} change;

/* Closes the file. */
static tt_status find_data(hid_t file, const char *part, ranges *out)
{
    if (file < 0) return h5_fail(TT_ERR_IO, "cannot open %s", part);
    tt_status s = ranges_of_data(file, part, out);
    h5_close(file);
    return s;
}

/* The shadow as the file is, all but its data. */
static tt_status cast_shadow(change *c, int64_t growth)
{
    ranges structure = {0};
    c->old_bytes = file_bytes(c->fd);
    TT_TRY(shadow_open(&c->shade, c->old_bytes, growth, c->part));
    TT_TRY(find_data(h5_open_alone(c->part), c->part, &c->data));
    tt_status s = ranges_between(&c->data, c->old_bytes, &structure);
    if (s == TT_OK) s = ranges_copy(&structure, c->fd, c->shade.fd, c->part);
    free(structure.v);
    return s;
}

static tt_status change_shadow(change *c, structure_change *f, void *context)
{
    ranges data = {0};
    hid_t file = shadow_file(&c->shade, false);
    if (file < 0) return h5_fail(TT_ERR_IO, "cannot open %s", c->part);
    TT_TRY(close_written(file, c->part, f(file, context)));
    tt_status s = find_data(shadow_file(&c->shade, false), c->part, &data);
    if (s == TT_OK) s = ranges_common(&c->data, &data, &c->kept);
    c->new_bytes = file_bytes(c->shade.fd);
    free(data.v);
    return s;
}

static tt_status write_change(const change *c)
{
    ranges changed = {0};
    tt_status s = ranges_between(&c->kept, c->new_bytes, &changed);
    if (s == TT_OK) s = reserve(c->fd, c->part, c->old_bytes, c->new_bytes);
    if (s == TT_OK) s = ranges_copy(&changed, c->shade.fd, c->fd, c->part);
    if (s == TT_OK && fsync(c->fd) != 0) s = tt_fail_errno("write", c->part);
    free(changed.v);
    return s;
}

/* From here on the disk changes: what is overwritten is kept until all is there. */
static tt_status apply(const change *c)
{
    ranges overwritten = {0};
    tt_status s = ranges_between(&c->kept, c->old_bytes, &overwritten);
    if (s == TT_OK) s = undo_save(c->part, c->fd, &overwritten, c->old_bytes);
    free(overwritten.v);
    TT_TRY(s);
    s = write_change(c);
    if (s == TT_OK) {
        undo_drop(c->part);
        return TT_OK;
    }
    char *why = NULL;
    tt_copy_text(tt_message(), &why);
    undo_restore(c->part); /* where this fails too, the undo stays for whoever resumes */
    if (why) tt_fail(s, "%s", why);
    free(why);
    return s;
}

tt_status structure_edit(const char *part, int64_t growth, structure_change *f, void *context)
{
    change c = {.part = part, .shade.fd = -1};
    c.fd = open(part, O_RDWR | O_CLOEXEC);
    if (c.fd < 0) return tt_fail_errno("open", part);
    tt_status s = cast_shadow(&c, growth);
    if (s == TT_OK) s = change_shadow(&c, f, context);
    if (s == TT_OK) s = apply(&c);
    free(c.data.v);
    free(c.kept.v);
    if (c.shade.fd >= 0) close(c.shade.fd);
    if (close(c.fd) != 0 && s == TT_OK) s = tt_fail_errno("write", part);
    return s;
}
