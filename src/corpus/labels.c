#include "tracks.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

enum { READ_ROWS = 16 * TT_BLOCK_ROWS };

/* A set of texts: NUL-terminated, one after the other; sorted, each once, after set_tidy(). */
typedef struct text_set {
    buffer text;
    int64_t tidy; /* bytes when it was last tidied */
} text_set;

static tt_status set_tidy(text_set *set)
{
    TT_TRY(texts_tidy(&set->text));
    set->tidy = set->text.n;
    return TT_OK;
}

static tt_status set_add(text_set *set, const char *text, int64_t n)
{
    TT_TRY(buffer_add(&set->text, text, n));
    TT_TRY(buffer_add(&set->text, "", 1));
    return set->text.n > 2 * set->tidy + 65536 ? set_tidy(set) : TT_OK;
}

static tt_status add_rows(tt_store *manifest, const char *name, tt_range rows, int64_t width, text_set *set)
{
    char *data;
    TT_TRY(tt_alloc(READ_ROWS, (size_t)width, "labels", &data));
    tt_status s = TT_OK;
    for (int64_t at = rows.begin; s == TT_OK && at < rows.end; at += READ_ROWS) {
        int64_t n = rows.end - at < READ_ROWS ? rows.end - at : READ_ROWS;
        s = tt_store_read(manifest, name, at, n, TT_TEXT, data);
        for (int64_t i = 0; s == TT_OK && i < n; i++) {
            const char *cell = data + i * width;
            int64_t bytes = (int64_t)strnlen(cell, (size_t)width);
            bool again = i > 0 && strncmp(cell, cell - width, (size_t)width) == 0; /* runs are common */
            if (bytes > 0 && !again) s = set_add(set, cell, bytes);
        }
    }
    free(data);
    return s == TT_OK ? set_tidy(set) : s;
}

/* Pointers and texts in one block. */
static tt_status make_block(const buffer *b, char ***labels, int *n)
{
    int64_t count = texts_count(b->data, b->n);
    char *block;
    TT_TRY(tt_int(count, "labels", n));
    TT_TRY(tt_alloc(count * (int64_t)sizeof(char *) + b->n, 1, "labels", &block));
    *labels = (char **)(void *)block;
    char *text = block + count * (int64_t)sizeof(char *);
    if (b->n > 0) memcpy(text, b->data, (size_t)b->n);
    for (int64_t i = 0; i < count; i++, text += strlen(text) + 1) (*labels)[i] = text;
    return TT_OK;
}

tt_status tt_manifest_labels(const tt_comm *comm, tt_store *manifest, const char *column, char ***labels,
                             int *n)
{
    char *name;
    tt_column c = {0};
    bool found = false;
    text_set mine = {0}, all = {0};
    *labels = NULL;
    *n = 0;
    TT_TRY(tt_agree(comm, tt_format(&name, "/track/%s", column)));
    tt_status s = tt_store_column(manifest, name, &c, &found);
    if (s == TT_OK && (!found || c.type != TT_TEXT))
        s = tt_fail(TT_ERR_INPUT, "%s: is not a manifest: it has no labels %s", tt_store_path(manifest),
                    name);
    if (s == TT_OK) {
        tt_range rows = tt_partition(c.dims[0], TT_BLOCK_ROWS, comm->size, comm->rank);
        s = tt_agree(comm, add_rows(manifest, name, rows, c.text_bytes, &mine));
    }
    if (s == TT_OK) s = gather_bytes(comm, mine.text.data, mine.text.n, &all.text.data, &all.text.n);
    if (s == TT_OK) s = set_tidy(&all);
    if (s == TT_OK) s = make_block(&all.text, labels, n);
    free(mine.text.data);
    free(all.text.data);
    free(name);
    s = tt_agree(comm, s);
    if (s == TT_OK) return TT_OK;
    free(*labels);
    *labels = NULL;
    *n = 0;
    return s;
}

void tt_classes_free(tt_classes *classes)
{
    free(classes->label);
    free(classes->name);
    *classes = (tt_classes){0};
}
