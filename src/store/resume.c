#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* Late datasets have checksums like all others: that is where they are found. */
static tt_status find_leftovers(const char *part, hid_t file, leftovers *l)
{
    hid_t group = H5Gopen2(file, CHECKSUM_GROUP, H5P_DEFAULT);
    tt_status s = TT_OK;
    if (group < 0 || H5Lvisit(group, H5_INDEX_NAME, H5_ITER_INC, note_leftover, l) < 0)
        s = l->status != TT_OK ? l->status : h5_fail(TT_ERR_IO, "cannot list %s", part);
    h5_close(group);
    return s;
}

tt_status resume_part(const char *part, const tt_provenance *provenance, const tt_column *columns,
                      int n_columns, bool *resumed)
{
    struct stat info;
    leftovers l = {.part = part, .columns = columns, .n_columns = n_columns};
    *resumed = false;
    if (stat(part, &info) != 0) return errno == ENOENT ? TT_OK : tt_fail_errno("open", part);
    if (undo_restore(part) != TT_OK) {
        tt_info("%s: starting afresh, %s", part, tt_message());
        return TT_OK;
    }
    if (stat(part, &info) != 0) return tt_fail_errno("open", part);
    hid_t file = h5_open_alone(part);
    const char *why = why_not(file, part, info.st_size, provenance, columns, n_columns);
    if (!why && find_leftovers(part, file, &l) != TT_OK) why = "it cannot be read";
    h5_close(file);
    if (why) tt_info("%s: starting afresh, %s", part, why);
    tt_status s = !why && l.n > 0 ? structure_edit(part, 0, drop_leftovers, &l) : TT_OK;
    free(l.name);
    *resumed = why == NULL;
    return s;
}
