/* Lists of texts: NUL-terminated, one after the other in a buffer. */
#include "tracks.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status buffer_add(buffer *b, const void *data, int64_t n)
{
    if (b->n + n > b->room) {
        int64_t room = 2 * b->room > b->n + n ? 2 * b->room : b->n + n + 256;
        TT_TRY(tt_grow(b->n, room, 1, "the corpus list", &b->data));
        b->room = room;
    }
    if (n > 0) memcpy(b->data + b->n, data, (size_t)n);
    b->n += n;
    return TT_OK;
}

int64_t texts_count(const char *data, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += data[i] == '\0';
    return count;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

tt_status texts_sort(const char *data, int64_t n, const char ***out, int64_t *count)
{
    *count = texts_count(data, n);
    TT_TRY(tt_alloc(*count, sizeof **out, "the corpus list", out));
    for (int64_t k = 0; k < *count; k++, data += strlen(data) + 1) (*out)[k] = data;
    if (*count > 1) qsort(*out, (size_t)*count, sizeof **out, by_text);
    return TT_OK;
}

tt_status texts_tidy(buffer *b)
{
    const char **v;
    int64_t n;
    buffer kept = {0};
    TT_TRY(texts_sort(b->data, b->n, &v, &n));
    tt_status s = TT_OK;
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        if (i == 0 || strcmp(v[i - 1], v[i]) != 0) s = buffer_add(&kept, v[i], (int64_t)strlen(v[i]) + 1);
    free(v);
    free(b->data);
    *b = kept;
    return s;
}
