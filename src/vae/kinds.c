#include "vae/kinds.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Names of columns, `stride` bytes each, which need not end in a NUL. */
typedef struct name_list {
    char *text;
    int64_t stride;
} name_list;

/* Length of NAME in NAME_NN_STATISTIC, NAME_STATISTIC, NAME_NN or NAME. */
static int64_t kind_length(const char *name, int64_t stride)
{
    int64_t end = (int64_t)strnlen(name, (size_t)stride), cut = end;
    while (cut > 0 && name[cut - 1] != '_') cut--;
    if (cut < 2) return end;
    int64_t digits = cut - 1;
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
    return digits > 1 && digits < cut - 1 && name[digits - 1] == '_' ? digits - 1 : cut - 1;
}

static void number_kinds(const name_list *names, int64_t cols, int32_t *kind)
{
    static const char lyrics[] = "lyrics";
    for (int64_t j = 0; j < cols; j++) {
        const char *name = names->text + j * names->stride;
        int64_t length = kind_length(name, names->stride), first = 0;
        for (; first < j; first++) {
            const char *other = names->text + first * names->stride;
            if (kind_length(other, names->stride) == length && memcmp(name, other, (size_t)length) == 0)
                break;
        }
        bool of_lyrics = length == sizeof lyrics - 1 && memcmp(name, lyrics, sizeof lyrics - 1) == 0;
        kind[j] = of_lyrics ? -1 : (int32_t)first;
    }
}

/* From the attribute, as a table. */
static tt_status read_attribute(tt_store *store, const char *dataset, int64_t cols, name_list *out)
{
    char **list = NULL;
    int n = 0;
    TT_TRY(tt_store_get_names(store, dataset, "names", &list, &n));
    tt_status s = TT_OK;
    for (int j = 0; list && n == cols && j < n; j++)
        if ((int64_t)strlen(list[j]) > out->stride) out->stride = (int64_t)strlen(list[j]);
    if (out->stride > 0) s = tt_alloc(cols, (size_t)out->stride, "names of columns", &out->text);
    for (int64_t j = 0; out->text && j < cols; j++)
        memcpy(out->text + j * out->stride, list[j], strlen(list[j]));
    free(list);
    return s;
}

static tt_status read_local(tt_store *store, const char *dataset, const tt_column *column, int64_t cols,
                            int32_t **kind)
{
    name_list names = {0};
    tt_status s = TT_OK;
    if (column->text_bytes > 0) {
        names.stride = column->text_bytes;
        s = tt_alloc(cols, (size_t)names.stride, "names of columns", &names.text);
        if (s == TT_OK) s = tt_store_read(store, "/names", 0, cols, TT_TEXT, names.text);
    } else {
        s = read_attribute(store, dataset, cols, &names);
    }
    if (s == TT_OK && names.text) s = tt_alloc(cols, sizeof **kind, "kinds of columns", kind);
    if (s == TT_OK && names.text) number_kinds(&names, cols, *kind);
    free(names.text);
    return s;
}

tt_status tt_column_kinds(const tt_comm *comm, tt_store *store, const char *dataset, int64_t cols,
                          int32_t **kind)
{
    tt_column column;
    bool found;
    *kind = NULL;
    TT_TRY(tt_store_column(store, "/names", &column, &found));
    if (!found || column.type != TT_TEXT || column.n_dims != 1 || column.dims[0] != cols)
        column.text_bytes = 0;
    return tt_agree(comm, read_local(store, dataset, &column, cols, kind));
}
