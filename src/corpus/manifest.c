/* manifest.h5: written column by column, each dealt from the list's partition to the store's whole blocks. */
#include "tracks.h"

#include "tutti/memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BLOCK = 65536 }; /* rows of /lyrics/text are bytes */

/* Columns that hold a text or a number of tt_track as it is. */
typedef struct layout {
    const char *name;
    size_t field;
    tt_type type;
} layout;

static const layout columns[] = {
    {"/track/id", offsetof(tt_track, id), TT_TEXT},
    {"/track/path", offsetof(tt_track, path), TT_TEXT},
    {"/track/shard", offsetof(tt_track, shard), TT_TEXT},
    {"/track/genre", offsetof(tt_track, genre), TT_TEXT},
    {"/track/language", offsetof(tt_track, language), TT_TEXT},
    {"/track/split", offsetof(tt_track, split), TT_TEXT},
    {"/track/offset", offsetof(tt_track, offset), TT_I64},
    {"/track/bytes", offsetof(tt_track, bytes), TT_I64},
    {"/track/modified", offsetof(tt_track, modified), TT_I64},
    {"/track/seconds", offsetof(tt_track, seconds), TT_F64},
    {"/track/sample_rate", offsetof(tt_track, sample_rate), TT_I32},
    {"/track/channels", offsetof(tt_track, channels), TT_I32},
    {"/track/status", offsetof(tt_track, status), TT_I32},
};

enum {
    COLUMNS = sizeof columns / sizeof *columns,
    FORMAT = COLUMNS, /* a text within tt_track */
    LYRICS,           /* where the text is in /lyrics/text */
    TEXT,
    ALL
};

static const char format_name[] = "/track/format", lyrics_name[] = "/track/lyrics",
                  text_name[] = "/lyrics/text", width_name[] = "bytes"; /* attribute of text columns */

static int64_t number_bytes(tt_type type)
{
    return type == TT_I32 ? 4 : 8;
}

static void *field_of(const tt_track *t, size_t field)
{
    return (char *)t + field;
}

/* Bytes per row of a column: as many as the longest text of all ranks needs. */
static int64_t column_width(const tt_comm *comm, const tt_tracks *tracks, const layout *c)
{
    int64_t most = 1;
    if (c->type != TT_TEXT) return number_bytes(c->type);
    for (int64_t i = 0; i < tracks->n; i++) {
        int64_t n = (int64_t)strlen(*(char **)field_of(&tracks->v[i], c->field));
        if (n > most) most = n;
    }
    return tt_max_i64(comm, most);
}

static int64_t lyrics_bytes(const tt_tracks *tracks)
{
    int64_t n = 0;
    for (int64_t i = 0; i < tracks->n; i++) n += (int64_t)strlen(tracks->v[i].lyrics);
    return n;
}

static void describe(const tt_comm *comm, const tt_tracks *tracks, tt_column out[ALL])
{
    for (int i = 0; i < COLUMNS; i++) {
        int64_t width = column_width(comm, tracks, &columns[i]);
        out[i] = (tt_column){
            .name = columns[i].name, .type = columns[i].type, .n_dims = 1, .dims = {tracks->total}};
        if (columns[i].type == TT_TEXT) out[i].text_bytes = width;
    }
    out[FORMAT] = (tt_column){.name = format_name,
                              .type = TT_TEXT,
                              .n_dims = 1,
                              .dims = {tracks->total},
                              .text_bytes = sizeof tracks->v->format};
    out[LYRICS] = (tt_column){.name = lyrics_name, .type = TT_I64, .n_dims = 2, .dims = {tracks->total, 2}};
    out[TEXT] = (tt_column){.name = text_name,
                            .type = TT_U8,
                            .n_dims = 1,
                            .dims = {tt_sum_i64(comm, lyrics_bytes(tracks))},
                            .block_rows = TEXT_BLOCK};
}

/* Write rows [first, first + n) of this rank. Collective; `status` is its own so far. Frees data. */
static tt_status write_rows(const tt_comm *comm, tt_store *store, const tt_column *c, int64_t row_bytes,
                            void *data, int64_t first, int64_t n, tt_status status)
{
    status = tt_store_write_dealt(comm, store, c, row_bytes, data, first, n, status);
    free(data);
    return status;
}

static tt_status write_column(const tt_comm *comm, tt_store *store, const tt_column *c, const layout *l,
                              const tt_tracks *tracks)
{
    int64_t width = l->type == TT_TEXT ? c->text_bytes : number_bytes(l->type);
    char *data;
    tt_status s = tt_alloc(tracks->n, (size_t)width, "the manifest", &data);
    for (int64_t i = 0; s == TT_OK && i < tracks->n; i++) {
        const void *field = field_of(&tracks->v[i], l->field);
        if (l->type == TT_TEXT) field = *(char *const *)field;
        memcpy(data + i * width, field, l->type == TT_TEXT ? strlen(field) : (size_t)width);
    }
    return write_rows(comm, store, c, width, data, tracks->first, tracks->n, s);
}

static tt_status write_format(const tt_comm *comm, tt_store *store, const tt_column *c,
                              const tt_tracks *tracks)
{
    char *data;
    size_t width = sizeof tracks->v->format;
    tt_status s = tt_alloc(tracks->n, width, "the manifest", &data);
    for (int64_t i = 0; s == TT_OK && i < tracks->n; i++)
        memcpy(data + (size_t)i * width, tracks->v[i].format, strnlen(tracks->v[i].format, width));
    return write_rows(comm, store, c, (int64_t)width, data, tracks->first, tracks->n, s);
}

static tt_status write_lyrics(const tt_comm *comm, tt_store *store, const tt_column *c,
                              const tt_tracks *tracks)
{
    int64_t bytes = lyrics_bytes(tracks), first = tt_prefix_i64(comm, bytes), at = 0, *where;
    char *text = NULL;
    tt_status s = tt_alloc(tracks->n, 2 * sizeof *where, "the manifest", &where);
    if (s == TT_OK) s = tt_alloc(bytes, 1, "the manifest", &text);
    for (int64_t i = 0; s == TT_OK && i < tracks->n; i++) {
        int64_t n = (int64_t)strlen(tracks->v[i].lyrics);
        memcpy(text + at, tracks->v[i].lyrics, (size_t)n);
        where[2 * i] = tracks->v[i].has_lyrics ? first + at : -1;
        where[2 * i + 1] = n;
        at += n;
    }
    s = write_rows(comm, store, &c[LYRICS], 2 * sizeof *where, where, tracks->first, tracks->n, s);
    return write_rows(comm, store, &c[TEXT], 1, text, first, bytes, s);
}

static tt_status write_all(const tt_comm *comm, tt_store *store, const tt_column c[ALL],
                           const tt_tracks *tracks)
{
    TT_TRY(tt_store_set_number(store, "/", "tracks", (double)tracks->total));
    for (int i = 0; i < FORMAT; i++)
        if (columns[i].type == TT_TEXT)
            TT_TRY(tt_store_set_number(store, columns[i].name, width_name, (double)c[i].text_bytes));
    for (int i = 0; i < FORMAT; i++) TT_TRY(write_column(comm, store, &c[i], &columns[i], tracks));
    TT_TRY(write_format(comm, store, &c[FORMAT], tracks));
    return write_lyrics(comm, store, c, tracks);
}

tt_status tt_manifest_write(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                            const tt_tracks *tracks, const tt_phases *phases)
{
    tt_column c[ALL];
    tt_store *store;
    describe(comm, tracks, c);
    TT_TRY(tt_store_create(comm, path, provenance, c, ALL, &store));
    return tt_store_publish(store, phases, write_all(comm, store, c, tracks));
}

static tt_status text_width(tt_store *store, const char *name, int64_t *width)
{
    double value;
    bool found;
    TT_TRY(tt_store_get_number(store, name, width_name, &value, &found));
    if (!found || !(value >= 1 && value <= 1e9))
        return tt_fail(TT_ERR_INPUT, "%s: is not a manifest: %s has no attribute `%s`", tt_store_path(store),
                       name, width_name);
    *width = (int64_t)value;
    return TT_OK;
}

static tt_status read_column(tt_store *store, const layout *l, int64_t first, tt_tracks *out)
{
    int64_t width = number_bytes(l->type);
    if (l->type == TT_TEXT) TT_TRY(text_width(store, l->name, &width));
    char *data;
    TT_TRY(tt_alloc(out->n, (size_t)width, "the manifest", &data));
    tt_status s = tt_store_read(store, l->name, first, out->n, l->type, data);
    for (int64_t i = 0; s == TT_OK && i < out->n; i++) {
        void *field = field_of(&out->v[i], l->field);
        if (l->type == TT_TEXT)
            s = set_text(field, data + i * width, (int64_t)strnlen(data + i * width, (size_t)width));
        else
            memcpy(field, data + i * width, (size_t)width);
    }
    free(data);
    return s;
}

static tt_status read_format(tt_store *store, int64_t first, tt_tracks *out)
{
    char *data;
    size_t width = sizeof out->v->format;
    TT_TRY(tt_alloc(out->n, width, "the manifest", &data));
    tt_status s = tt_store_read(store, format_name, first, out->n, TT_TEXT, data);
    for (int64_t i = 0; s == TT_OK && i < out->n; i++) {
        memcpy(out->v[i].format, data + (size_t)i * width, width);
        out->v[i].format[width - 1] = '\0';
    }
    free(data);
    return s;
}

/* Where the texts of n rows begin and end, which stand one after the other; false if they do not. A row
 * without has the offset -1 and no bytes. */
static bool find_span(const int64_t *where, int64_t n, int64_t *begin, int64_t *end)
{
    *begin = *end = -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = where[2 * i], bytes = where[2 * i + 1];
        if (offset == -1 && bytes == 0) continue;
        if (offset < 0 || bytes < 0 || bytes > INT64_MAX - offset || (*end >= 0 && offset != *end))
            return false;
        if (*begin < 0) *begin = offset;
        *end = offset + bytes;
    }
    return true;
}

static tt_status read_texts(tt_store *store, const int64_t *where, tt_tracks *out)
{
    int64_t n = out->n, begin, end;
    if (!find_span(where, n, &begin, &end))
        return tt_fail(TT_ERR_INPUT, "%s: %s is not in order", tt_store_path(store), lyrics_name);
    char *text;
    TT_TRY(tt_alloc(end - begin, 1, "lyrics", &text));
    tt_status s = end > begin ? tt_store_read(store, text_name, begin, end - begin, TT_U8, text) : TT_OK;
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        if (where[2 * i] >= 0)
            s = set_text(&out->v[i].lyrics, text + (where[2 * i] - begin), where[2 * i + 1]);
    free(text);
    return s;
}

static tt_status read_lyrics_of(tt_store *store, int64_t first, tt_tracks *out)
{
    int64_t *where;
    TT_TRY(tt_alloc(out->n, 2 * sizeof *where, "lyrics", &where));
    tt_status s = tt_store_read(store, lyrics_name, first, out->n, TT_I64, where);
    if (s == TT_OK) s = read_texts(store, where, out);
    free(where);
    return s;
}

static tt_status read_all(tt_store *store, int64_t first, bool lyrics, tt_tracks *out)
{
    for (int i = 0; i < FORMAT; i++) TT_TRY(read_column(store, &columns[i], first, out));
    TT_TRY(read_format(store, first, out));
    if (lyrics) TT_TRY(read_lyrics_of(store, first, out));
    for (int64_t i = 0; i < out->n; i++) TT_TRY(track_complete(&out->v[i]));
    return TT_OK;
}

tt_status tt_manifest_read(tt_store *manifest, int64_t first, int64_t count, bool lyrics, tt_tracks *out)
{
    double total;
    bool found;
    *out = (tt_tracks){.first = first};
    TT_TRY(tt_store_get_number(manifest, "/", "tracks", &total, &found));
    if (!found)
        return tt_fail(TT_ERR_INPUT, "%s: is not a manifest: it has no attribute `tracks`",
                       tt_store_path(manifest));
    out->total = (int64_t)total;
    if (count == 0) return TT_OK;
    TT_TRY(tt_alloc(count, sizeof *out->v, "tracks", &out->v));
    out->n = count;
    tt_status s = read_all(manifest, first, lyrics, out);
    if (s != TT_OK) tt_tracks_free(out);
    return s;
}

tt_status tt_manifest_tracks(tt_store *manifest, int64_t *tracks)
{
    tt_column c;
    bool found;
    *tracks = 0;
    TT_TRY(tt_store_column(manifest, "/track/status", &c, &found));
    if (!found)
        return tt_fail(TT_ERR_INPUT, "%s: is not a manifest: it has no /track/status",
                       tt_store_path(manifest));
    *tracks = c.dims[0];
    return TT_OK;
}
