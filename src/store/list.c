/* What a file holds, by name. */
#include "store/internal.h"

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
