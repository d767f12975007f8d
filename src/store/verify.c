#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct names {
    char *text; /**< NUL-ended, one after the other */
    int64_t bytes, n;
    tt_status status;
} names;

static tt_status add_name(names *list, const char *slash, const char *name)
{
    int64_t n = (int64_t)(strlen(slash) + strlen(name)) + 1;
    TT_TRY(tt_grow(list->bytes, list->bytes + n, 1, "names", &list->text));
    char *to = list->text + list->bytes;
    memcpy(to, slash, strlen(slash));
    memcpy(to + strlen(slash), name, strlen(name) + 1);
    list->bytes += n;
    list->n++;
    return TT_OK;
}

static herr_t visit_object(hid_t file, const char *name, const H5O_info_t *info, void *context)
{
    names *list = context;
    size_t skip = strlen(CHECKSUM_GROUP) - 1;
    (void)file;
    if (info->type != H5O_TYPE_DATASET) return 0;
    if (strncmp(name, &CHECKSUM_GROUP[1], skip) == 0 && name[skip] == '/') return 0;
    list->status = add_name(list, "/", name);
    return list->status == TT_OK ? 0 : -1;
}

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    names *list = context;
    (void)object;
    (void)info;
    list->status = add_name(list, "", name);
    return list->status == TT_OK ? 0 : -1;
}

/* Pointers and characters in one block. */
static tt_status to_block(names *list, char ***out, int *n)
{
    char **block = NULL;
    tt_status s = tt_int(list->n, "names", n);
    int64_t head = list->n * (int64_t)sizeof(char *);
    if (s == TT_OK) s = tt_alloc(head + list->bytes, 1, "names", &block);
    if (s == TT_OK) {
        char *text = (char *)block + head;
        if (list->bytes > 0) memcpy(text, list->text, (size_t)list->bytes);
        for (int i = 0; i < *n; i++, text += strlen(text) + 1) block[i] = text;
    }
    free(list->text);
    *out = block;
    return s;
}

tt_status tt_store_list(tt_store *store, char ***out, int *n)
{
    names list = {0};
    *out = NULL;
    *n = 0;
    if (H5Ovisit(store->file, H5_INDEX_NAME, H5_ITER_INC, visit_object, &list) < 0) {
        free(list.text);
        return list.status != TT_OK ? list.status
                                    : h5_fail(TT_ERR_INPUT, "cannot list %s", store_file(store));
    }
    return to_block(&list, out, n);
}

tt_status tt_store_attributes(tt_store *store, const char *object, char ***out, int *n)
{
    names list = {0};
    hsize_t at = 0;
    *out = NULL;
    *n = 0;
    if (H5Aiterate_by_name(store->file, object, H5_INDEX_NAME, H5_ITER_INC, &at, visit_attribute, &list,
                           H5P_DEFAULT) < 0) {
        free(list.text);
        return list.status != TT_OK ? list.status
                                    : h5_fail(TT_ERR_INPUT, "cannot list the attributes of %s in %s", object,
                                              store_file(store));
    }
    return to_block(&list, out, n);
}

/* A run of blocks that are not sound, told as one line. */
typedef struct report {
    const tt_store *store;
    const column *column;
    int64_t from, to; /**< blocks; none if equal */
    block_state state;
    int64_t bad;
} report;

static void tell(report *r)
{
    int64_t rows = r->column->shape.block_rows, end = r->to * rows;
    if (end > r->column->shape.dims[0]) end = r->column->shape.dims[0];
    if (r->from < r->to)
        tt_error("%s: %s rows %lld to %lld are %s", store_file(r->store), r->column->shape.name,
                 (long long)(r->from * rows), (long long)end - 1,
                 r->state == BLOCK_ABSENT ? "missing (never written)" : "damaged (checksum differs)");
    r->from = r->to = 0;
}

static bool note_block(void *context, int64_t block, block_state state)
{
    report *r = context;
    if (state != BLOCK_SOUND && r->from < r->to && r->to == block && r->state == state) {
        r->to++;
    } else {
        tell(r);
        if (state != BLOCK_SOUND) {
            r->from = block;
            r->to = block + 1;
            r->state = state;
        }
    }
    r->bad += state != BLOCK_SOUND;
    return true;
}

static tt_status verify_column(tt_store *store, column *c, int64_t *blocks, int64_t *damaged)
{
    tt_range mine = tt_partition(c->blocks, 1, store->comm.size, store->comm.rank);
    report r = {.store = store, .column = c};
    tt_status s = blocks_check(store, c, mine.begin, mine.end, note_block, &r);
    tell(&r);
    *blocks += mine.end - mine.begin;
    *damaged += r.bad;
    return s;
}

tt_status tt_store_verify(tt_store *store, int64_t *blocks, int64_t *damaged)
{
    char **list;
    int n;
    int64_t mine = 0, bad = 0;
    tt_status s = tt_store_list(store, &list, &n);
    for (int i = 0; i < n && s == TT_OK; i++) {
        column *c;
        s = column_find(store, list[i], &c);
        /* what is neither number nor text has no checksums either */
        if (s == TT_ERR_INPUT)
            s = TT_OK;
        else if (s == TT_OK && c && c->check >= 0)
            s = verify_column(store, c, &mine, &bad);
    }
    free(list);
    TT_TRY(tt_agree(&store->comm, s));
    *blocks = tt_sum_i64(&store->comm, mine);
    *damaged = tt_sum_i64(&store->comm, bad);
    return TT_OK;
}
