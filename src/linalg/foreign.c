#include "foreign.h"

#include "tutti/corpus.h"
#include "tutti/half.h"
#include "tutti/memory.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where rows come from: a dataset, or the bytes of an array. */
typedef struct source {
    const char *spec;
    tt_store *store; /* NULL for .npy */
    char *dataset;
    tt_column ids; /* of the texts that name the rows; no name if there are none */
    int fd;
    int64_t rows, cols, data_at;
    int element; /* bytes of one number in a .npy */
} source;

enum { NPY_HEAD = 10, NPY_TEXT_MAX = 65535 };

/* "'shape': (3, 4)" and the like, in the text of the header. */
static const char *npy_field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? at + strlen(name) + strspn(at + strlen(name), "': ") : "";
}

static tt_status npy_shape(source *s, const char *text)
{
    const char *type = npy_field(text, "'descr'"), *shape = npy_field(text, "'shape'");
    char *end = NULL;
    s->element = strncmp(type, "<f", 2) == 0 ? type[2] - '0' : 0;
    if ((s->element != 2 && s->element != 4 && s->element != 8) ||
        strncmp(npy_field(text, "'fortran_order'"), "False", 5) != 0 || shape[0] != '(')
        return tt_fail(TT_ERR_INPUT,
                       "%s: expected a matrix of little-endian float16, float32 or float64 in C order",
                       s->spec);
    s->rows = strtoll(shape + 1, &end, 10);
    s->cols = *end == ',' ? strtoll(end + 1, &end, 10) : 0;
    if (s->rows < 0 || s->cols < 1 || *end != ')')
        return tt_fail(TT_ERR_INPUT, "%s: expected two dimensions, rows first", s->spec);
    return TT_OK;
}

/* NumPy's format, version 1: magic, version, bytes of the text, the text; version 2 has four bytes for them.
 */
static tt_status npy_open(source *s)
{
    unsigned char head[NPY_HEAD + 2];
    char *text;
    s->fd = open(s->spec, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) return tt_fail_errno("open lyrics.embedding_file", s->spec);
    if (pread(s->fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, "\x93NUMPY", 6) != 0)
        return tt_fail(TT_ERR_INPUT, "%s is no NumPy array", s->spec);
    int64_t bytes = head[8] | head[9] << 8, at = NPY_HEAD;
    if (head[6] > 1) {
        bytes |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
        at += 2;
    }
    if (bytes > NPY_TEXT_MAX) return tt_fail(TT_ERR_INPUT, "%s: its header is too long", s->spec);
    TT_TRY(tt_alloc(bytes + 1, 1, "a header", &text));
    tt_status status = pread(s->fd, text, (size_t)bytes, at) == bytes
                           ? npy_shape(s, text)
                           : tt_fail(TT_ERR_INPUT, "%s ends within its header", s->spec);
    s->data_at = at + bytes;
    free(text);
    return status;
}

static tt_status npy_rows(const source *s, int64_t first, int64_t n, float *to)
{
    int64_t elements = n * s->cols, bytes = elements * s->element, done = 0;
    char *raw;
    TT_TRY(tt_alloc(bytes, 1, "rows", &raw));
    while (done < bytes) {
        ssize_t got = pread(s->fd, raw + done, (size_t)(bytes - done),
                            s->data_at + first * s->cols * s->element + done);
        if (got <= 0) break;
        done += got;
    }
    if (done == bytes && s->element == 2) tt_half_unpack(elements, (const uint16_t *)(const void *)raw, to);
    if (done == bytes && s->element == 4) memcpy(to, raw, (size_t)bytes);
    for (int64_t i = 0; done == bytes && s->element == 8 && i < elements; i++)
        to[i] = (float)((const double *)(const void *)raw)[i];
    free(raw);
    return done == bytes ? TT_OK
                         : tt_fail(TT_ERR_INPUT, "%s ends before row %lld", s->spec, (long long)(first + n));
}

/* A column of texts with a row per row of the embedding. Collective. */
static tt_status find_ids(source *s)
{
    static const char *const name[] = {"/id", "/track/id"};
    for (int i = 0; i < 2 && !s->ids.name; i++) {
        bool found;
        TT_TRY(tt_store_column(s->store, name[i], &s->ids, &found));
        bool fits = found && s->ids.type == TT_TEXT && s->ids.n_dims == 1 && s->ids.dims[0] == s->rows;
        s->ids.name = fits ? name[i] : NULL;
    }
    return TT_OK;
}

static tt_status h5_open(const tt_comm *comm, source *s)
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_open_spec(comm, s->spec, "/x", &s->store, &s->dataset));
    TT_TRY(tt_store_column(s->store, s->dataset, &column, &found));
    if (!found || column.type == TT_TEXT || column.n_dims != 2 || column.dims[1] < 1)
        return tt_fail(TT_ERR_INPUT, "%s: no matrix of numbers %s", s->spec, s->dataset);
    s->rows = column.dims[0];
    s->cols = column.dims[1];
    return find_ids(s);
}

static tt_status open_source(const tt_comm *comm, const char *spec, source *s)
{
    size_t n = strlen(spec);
    *s = (source){.spec = spec, .fd = -1};
    if (n > 4 && strcmp(spec + n - 4, ".npy") == 0) return tt_agree(comm, npy_open(s));
    return h5_open(comm, s);
}

static void close_source(source *s)
{
    if (s->fd >= 0) close(s->fd);
    tt_store_close(s->store);
    free(s->dataset);
}

static tt_status read_rows(const source *s, int64_t first, int64_t n, float *to)
{
    if (!s->store) return npy_rows(s, first, n, to);
    return tt_store_read(s->store, s->dataset, first, n, TT_F32, to);
}

/* This rank's tracks by their ids. */
typedef struct by_id {
    const char *id;
    int64_t row;
} by_id;

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const by_id *)a)->id, ((const by_id *)b)->id);
}

/* Give the rows of one block to the tracks of their ids. */
static tt_status match_block(const source *s, int64_t first, int64_t n, const char *ids, const by_id *tracks,
                             float *rows, tt_matrix *out)
{
    bool here = false;
    for (int64_t i = 0; i < n; i++) {
        char id[4096];
        int64_t bytes = s->ids.text_bytes < (int64_t)sizeof id ? s->ids.text_bytes : (int64_t)sizeof id - 1;
        memcpy(id, ids + i * s->ids.text_bytes, (size_t)bytes);
        id[bytes] = '\0';
        const by_id key = {id, 0},
                    *track = bsearch(&key, tracks, (size_t)out->count, sizeof key, compare_ids);
        if (!track) continue;
        if (out->valid[track->row])
            return tt_fail(TT_ERR_INPUT, "%s: %s has more than one row for track %s", s->spec, s->ids.name,
                           id);
        if (!here) TT_TRY(read_rows(s, first, n, rows));
        here = true;
        out->valid[track->row] = 1;
        memcpy(out->data + track->row * s->cols, rows + i * s->cols, (size_t)s->cols * sizeof *rows);
    }
    return TT_OK;
}

/* Go through the file's ids; only blocks with a track of this rank are read. */
static tt_status match_rows(const source *s, const by_id *tracks, tt_matrix *out)
{
    char *ids = NULL;
    float *rows = NULL;
    memset(out->valid, 0, (size_t)out->count);
    tt_status status = tt_alloc(TT_BLOCK_ROWS, (size_t)s->ids.text_bytes, "ids", &ids);
    if (status == TT_OK) status = tt_alloc(TT_BLOCK_ROWS * s->cols, sizeof *rows, "rows", &rows);
    for (int64_t at = 0; status == TT_OK && out->count > 0 && at < s->rows; at += TT_BLOCK_ROWS) {
        int64_t n = s->rows - at < TT_BLOCK_ROWS ? s->rows - at : TT_BLOCK_ROWS;
        status = tt_store_read(s->store, s->ids.name, at, n, TT_TEXT, ids);
        if (status == TT_OK) status = match_block(s, at, n, ids, tracks, rows, out);
    }
    free(rows);
    free(ids);
    return status;
}

static tt_status read_matched(const source *s, tt_store *manifest, tt_matrix *out)
{
    tt_tracks tracks;
    by_id *ids = NULL;
    TT_TRY(tt_manifest_read(manifest, out->first, out->count, false, &tracks));
    tt_status status = tt_alloc(out->count, sizeof *ids, "ids", &ids);
    for (int64_t i = 0; status == TT_OK && i < out->count; i++) ids[i] = (by_id){tracks.v[i].id, i};
    if (status == TT_OK && out->count > 1) qsort(ids, (size_t)out->count, sizeof *ids, compare_ids);
    if (status == TT_OK) status = match_rows(s, ids, out);
    free(ids);
    tt_tracks_free(&tracks);
    return status;
}

static tt_status fill(const source *s, tt_store *manifest, tt_matrix *out)
{
    if (s->ids.name)
        TT_TRY(read_matched(s, manifest, out));
    else if (out->count > 0)
        TT_TRY(read_rows(s, out->first, out->count, out->data));
    for (int64_t i = 0; i < out->count * out->cols; i++)
        if (!isfinite(out->data[i]))
            return tt_fail(TT_ERR_INPUT, "%s: column %lld of track %lld is not finite", s->spec,
                           (long long)(i % out->cols), (long long)(out->first + i / out->cols));
    return TT_OK;
}

tt_status foreign_embedding(const tt_comm *comm, const char *spec, tt_store *manifest, tt_matrix *out)
{
    source s;
    int64_t tracks, n = 0;
    *out = (tt_matrix){0};
    TT_TRY(tt_manifest_tracks(manifest, &tracks));
    tt_status status = open_source(comm, spec, &s);
    if (status == TT_OK && !s.ids.name && s.rows != tracks)
        status =
            tt_fail(TT_ERR_INPUT, "%s has %lld rows for %lld tracks and no texts /id that say whose they are",
                    spec, (long long)s.rows, (long long)tracks);
    if (status == TT_OK) status = tt_matrix_new(comm, spec, tracks, s.cols, out);
    if (status == TT_OK) status = tt_agree(comm, fill(&s, manifest, out));
    for (int64_t i = 0; status == TT_OK && i < out->count; i++) n += out->valid[i];
    if (status == TT_OK) out->n_valid = tt_sum_i64(comm, n);
    if (status == TT_OK && s.ids.name && out->n_valid == 0)
        status = tt_fail(TT_ERR_INPUT,
                         "%s: none of the %lld texts %s is the id of a track; ids are in "
                         "/track/id of the manifest",
                         spec, (long long)s.rows, s.ids.name);
    close_source(&s);
    return status;
}
