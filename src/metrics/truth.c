#include "metrics/internal.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096 }; /* manifest rows read at a time */

/* ---- from a manifest ---- */

static int compare_texts(const void *key, const void *at)
{
    return strcmp(key, *(char *const *)at);
}

/* Code of each of tracks [first, first + count) into code [count]. Not collective. */
static tt_status code_tracks(tt_store *manifest, const char *dataset, int64_t width, int64_t first,
                             int64_t count, char **labels, int n_labels, int32_t *code)
{
    char *text = NULL, *one = NULL;
    tt_status s = tt_alloc(PIECE, (size_t)width, "labels of tracks", &text);
    if (s == TT_OK) s = tt_alloc(width + 1, 1, "labels of tracks", &one);
    for (int64_t at = 0; s == TT_OK && at < count; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        s = tt_store_read(manifest, dataset, first + at, n, TT_TEXT, text);
        for (int64_t i = 0; s == TT_OK && i < n; i++) {
            memcpy(one, text + i * width, (size_t)width);
            char **found = bsearch(one, labels, (size_t)n_labels, sizeof *labels, compare_texts);
            code[at + i] = found ? (int32_t)(found - labels) : -1;
        }
    }
    free(one);
    free(text);
    return s;
}

/* The run of tracks that this rank's rows belong to. */
static tt_status span_of(const char *rows_file, int64_t tracks, int64_t count, const int64_t *track,
                         tt_range *span)
{
    *span = (tt_range){0, 0};
    for (int64_t i = 0; i < count; i++) {
        if (track[i] < 0 || track[i] >= tracks)
            return tt_fail(TT_ERR_INPUT,
                           "%s:/clip/track names track %lld, but the manifest has %lld tracks: are they of "
                           "one run?",
                           rows_file, (long long)track[i], (long long)tracks);
        if (i == 0 || track[i] < span->begin) span->begin = track[i];
        if (track[i] >= span->end) span->end = track[i] + 1;
    }
    return TT_OK;
}

/* This rank's part of FILE:/clip/track, or the numbers of the rows themselves where there is none.
 * Collective. */
static tt_status read_tracks(const tt_comm *comm, const char *rows_file, int64_t tracks, int64_t *rows,
                             int64_t *count, int64_t **track)
{
    tt_store *store;
    tt_column column;
    bool found;
    TT_TRY(tt_store_open(comm, rows_file, &store));
    tt_status s = tt_store_column(store, "/clip/track", &column, &found);
    if (s == TT_OK) {
        *rows = found ? column.dims[0] : tracks;
        tt_range mine = tt_partition(*rows, TT_BLOCK_ROWS, comm->size, comm->rank);
        *count = mine.end - mine.begin;
        s = tt_alloc(*count, sizeof **track, "tracks of rows", track);
        if (s == TT_OK && found) s = tt_store_read(store, "/clip/track", mine.begin, *count, TT_I64, *track);
        for (int64_t i = 0; s == TT_OK && !found && i < *count; i++) (*track)[i] = mine.begin + i;
    }
    tt_store_close(store);
    return tt_agree(comm, s);
}

static tt_status label_rows(tt_store *manifest, const char *dataset, int64_t width, tt_range span,
                            char **labels, int n_labels, int64_t count, const int64_t *track, int32_t **label)
{
    int32_t *code = NULL;
    tt_status s = tt_alloc(span.end - span.begin, sizeof *code, "labels of tracks", &code);
    if (s == TT_OK) s = tt_alloc(count, sizeof **label, "labels of rows", label);
    if (s == TT_OK)
        s = code_tracks(manifest, dataset, width, span.begin, span.end - span.begin, labels, n_labels, code);
    for (int64_t i = 0; s == TT_OK && i < count; i++) (*label)[i] = code[track[i] - span.begin];
    free(code);
    return s;
}

/* Collective. */
static tt_status truth_of(const tt_comm *comm, tt_store *manifest, const char *rows_file, const char *column,
                          tt_classes *out)
{
    char dataset[64];
    int64_t tracks = 0, count = 0, *track = NULL;
    tt_column text = {0};
    bool found = false;
    tt_range span;
    snprintf(dataset, sizeof dataset, "/track/%s", column);
    tt_status s = tt_store_column(manifest, dataset, &text, &found);
    if (s == TT_OK && (!found || text.type != TT_TEXT))
        s = tt_fail(TT_ERR_INPUT, "%s has no text dataset %s: not a manifest?", tt_store_path(manifest),
                    dataset);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_manifest_tracks(manifest, &tracks);
    if (s == TT_OK) s = tt_manifest_labels(comm, manifest, column, &out->name, &out->n);
    if (s == TT_OK) s = read_tracks(comm, rows_file, tracks, &out->rows, &count, &track);
    if (s == TT_OK) {
        s = span_of(rows_file, tracks, count, track, &span);
        if (s == TT_OK)
            s = label_rows(manifest, dataset, text.text_bytes, span, out->name, out->n, count, track,
                           &out->label);
        s = tt_agree(comm, s);
    }
    free(track);
    return s;
}

tt_status tt_classes_from_manifest(const tt_comm *comm, const char *manifest, const char *rows_file,
                                   const char *column, tt_classes *out)
{
    tt_store *store;
    *out = (tt_classes){0};
    TT_TRY(tt_store_open(comm, manifest, &store));
    tt_status s = truth_of(comm, store, rows_file, column, out);
    tt_store_close(store);
    if (s != TT_OK) tt_classes_free(out);
    return s;
}

/* The labels alone. */
static tt_status keep_labels(tt_status s, tt_classes *classes, int32_t **label, int64_t *rows)
{
    *label = classes->label;
    *rows = classes->rows;
    classes->label = NULL;
    tt_classes_free(classes);
    return s;
}

tt_status tt_truth_from_manifest(const tt_comm *comm, const char *manifest, const char *rows_file,
                                 const char *column, int32_t **label, int64_t *rows)
{
    tt_classes classes;
    return keep_labels(tt_classes_from_manifest(comm, manifest, rows_file, column, &classes), &classes, label,
                       rows);
}

/* ---- from a plain dataset: keys of `width` bytes that memcmp() sorts ---- */

static int compare_keys(const void *a, const void *b, void *width)
{
    return memcmp(a, b, *(size_t *)width);
}

/* Sort keys [*n] and drop repeated ones. */
static void make_distinct(unsigned char *key, int64_t *n, size_t width)
{
    int64_t k = 0;
    qsort_r(key, (size_t)*n, width, compare_keys, &width);
    for (int64_t i = 0; i < *n; i++)
        if (k == 0 || memcmp(key + (size_t)(k - 1) * width, key + (size_t)i * width, width) != 0)
            memmove(key + (size_t)k++ * width, key + (size_t)i * width, width);
    *n = k;
}

/* Take in the distinct keys of rank `from` on rank 0. Collective. */
static tt_status take_keys(const tt_comm *comm, int from, size_t width, unsigned char **key, int64_t *n)
{
    int64_t arriving = 0;
    int bytes = 0;
    if (comm->rank == from) MPI_Send(n, 1, MPI_INT64_T, 0, 0, comm->mpi);
    if (comm->rank == 0) MPI_Recv(&arriving, 1, MPI_INT64_T, from, 0, comm->mpi, MPI_STATUS_IGNORE);
    if (comm->rank == from) arriving = *n;
    tt_status s = tt_int(arriving * (int64_t)width, "bytes of distinct labels", &bytes);
    if (s == TT_OK && comm->rank == 0) s = tt_grow(*n, *n + arriving, width, "distinct labels", key);
    s = tt_agree(comm, s);
    if (s == TT_OK && comm->rank == from) MPI_Send(*key, bytes, MPI_BYTE, 0, 1, comm->mpi);
    if (s == TT_OK && comm->rank == 0) {
        MPI_Recv(*key + (size_t)*n * width, bytes, MPI_BYTE, from, 1, comm->mpi, MPI_STATUS_IGNORE);
        *n += arriving;
        make_distinct(*key, n, width);
    }
    return s;
}

/* The sorted distinct keys of all ranks, on every rank. *key is replaced. Collective. */
static tt_status share_distinct(const tt_comm *comm, size_t width, unsigned char **key, int64_t *n)
{
    tt_status s = TT_OK;
    make_distinct(*key, n, width);
    for (int r = 1; s == TT_OK && r < comm->size; r++) s = take_keys(comm, r, width, key, n);
    if (s != TT_OK) return s;
    MPI_Bcast(n, 1, MPI_INT64_T, 0, comm->mpi);
    if (comm->rank != 0) {
        free(*key);
        *key = NULL;
        s = tt_alloc(*n, width, "distinct labels", key);
    }
    TT_TRY(tt_agree(comm, s));
    return tt_broadcast(comm, *key, *n * (int64_t)width, 0);
}

/* Integers as big-endian keys; negative ones are unknown, of unsigned ones none. Text as it is; "" is
 * unknown. */
static tt_status read_keys(tt_store *store, const char *dataset, const tt_column *column, int64_t first,
                           int64_t count, size_t width, unsigned char *key, unsigned char *known)
{
    if (column->type == TT_TEXT) {
        TT_TRY(tt_store_read(store, dataset, first, count, TT_TEXT, key));
        for (int64_t i = 0; i < count; i++) known[i] = key[(size_t)i * width] != 0;
        return TT_OK;
    }
    int64_t *value;
    TT_TRY(tt_alloc(count, sizeof *value, "labels", &value));
    bool high = column->type == TT_U64; /* as TT_I64 all values from 2^63 on would read as one */
    tt_status s = tt_store_read(store, dataset, first, count, high ? TT_U64 : TT_I64, value);
    for (int64_t i = 0; s == TT_OK && i < count; i++) {
        known[i] = high || value[i] >= 0;
        for (int b = 0; b < 8; b++) key[8 * i + b] = (unsigned char)((uint64_t)value[i] >> (56 - 8 * b));
    }
    free(value);
    return s;
}

/* Index of a key among distinct [n], which has it. */
static int64_t find_key(const unsigned char *key, const unsigned char *distinct, int64_t n, size_t width)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (memcmp(distinct + (size_t)middle * width, key, width) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Distinct keys as texts, pointers and texts in one block: text as it is, integers in decimal. */
static tt_status name_keys(const unsigned char *key, int n, size_t width, tt_type type, char ***names)
{
    size_t bytes = type == TT_TEXT ? width + 1 : 24;
    char *block;
    TT_TRY(tt_alloc(n, sizeof(char *) + bytes, "names of labels", &block));
    *names = (char **)(void *)block;
    for (int i = 0; i < n; i++) {
        char *name = block + (size_t)n * sizeof(char *) + (size_t)i * bytes;
        (*names)[i] = name;
        uint64_t value = 0;
        for (int b = 0; type != TT_TEXT && b < 8; b++) value = value << 8 | key[8 * i + b];
        if (type == TT_TEXT)
            memcpy(name, key + (size_t)i * width, width);
        else
            snprintf(name, bytes, "%llu", (unsigned long long)value);
    }
    return TT_OK;
}

/* Collective. */
static tt_status code_keys(const tt_comm *comm, int64_t count, size_t width, tt_type type,
                           const unsigned char *key, const unsigned char *known, tt_classes *out)
{
    unsigned char *distinct = NULL;
    int64_t n = 0;
    TT_TRY(tt_agree(comm, tt_alloc(count, width, "distinct labels", &distinct)));
    for (int64_t i = 0; i < count; i++)
        if (known[i]) memcpy(distinct + (size_t)n++ * width, key + (size_t)i * width, width);
    tt_status s = share_distinct(comm, width, &distinct, &n);
    if (s == TT_OK) s = tt_int(n, "distinct labels", &out->n);
    if (s == TT_OK) s = name_keys(distinct, out->n, width, type, &out->name);
    for (int64_t i = 0; s == TT_OK && i < count; i++) {
        out->label[i] = -1;
        if (!known[i]) continue;
        out->label[i] = (int32_t)find_key(key + (size_t)i * width, distinct, n, width);
    }
    free(distinct);
    return tt_agree(comm, s);
}

/* Shape of a dataset of labels. */
static tt_status labels_shape(tt_store *store, const char *dataset, tt_column *column)
{
    bool found;
    const char *file = tt_store_path(store);
    TT_TRY(tt_store_column(store, dataset, column, &found));
    if (!found) return tt_fail(TT_ERR_INPUT, "%s has no dataset %s", file, dataset);
    if (column->type == TT_F16 || column->type == TT_F32 || column->type == TT_F64)
        return tt_fail(TT_ERR_INPUT, "%s:%s holds real numbers; labels are integers or text", file, dataset);
    for (int i = 1; i < column->n_dims; i++)
        if (column->dims[i] != 1)
            return tt_fail(TT_ERR_INPUT, "%s:%s has %d dimensions; labels are one value per row", file,
                           dataset, column->n_dims);
    return TT_OK;
}

/* Collective. */
static tt_status truth_in(const tt_comm *comm, tt_store *store, const char *dataset, tt_classes *out)
{
    tt_column column;
    unsigned char *key = NULL, *known = NULL;
    TT_TRY(tt_agree(comm, labels_shape(store, dataset, &column)));
    out->rows = column.dims[0];
    size_t width = column.type == TT_TEXT ? (size_t)column.text_bytes : sizeof(int64_t);
    tt_range mine = tt_partition(out->rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t count = mine.end - mine.begin;
    tt_status s = tt_alloc(count, width, "labels", &key);
    if (s == TT_OK) s = tt_alloc(count, 1, "labels", &known);
    if (s == TT_OK) s = tt_alloc(count, sizeof *out->label, "labels", &out->label);
    if (s == TT_OK) s = read_keys(store, dataset, &column, mine.begin, count, width, key, known);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = code_keys(comm, count, width, column.type, key, known, out);
    free(known);
    free(key);
    return s;
}

tt_status tt_classes_from_dataset(const tt_comm *comm, const char *spec, tt_classes *out)
{
    char *dataset = NULL;
    tt_store *store = NULL;
    *out = (tt_classes){0};
    tt_status s = tt_store_open_spec(comm, spec, "/y", &store, &dataset);
    if (s == TT_OK) s = truth_in(comm, store, dataset, out);
    tt_store_close(store);
    free(dataset);
    if (s != TT_OK) tt_classes_free(out);
    return s;
}
