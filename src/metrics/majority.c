/* One label per track: what most of its rows have. */
#include "metrics/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Rows of one track that have one label. */
typedef struct vote {
    int64_t track, rows;
    int32_t label, unused;
} vote;

static int compare_votes(const void *a, const void *b)
{
    const vote *x = a, *y = b;
    if (x->track != y->track) return x->track < y->track ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Sort votes [*n] and add up those of one track and label. */
static void add_votes(vote *votes, int64_t *n)
{
    int64_t k = 0;
    qsort(votes, (size_t)*n, sizeof *votes, compare_votes);
    for (int64_t i = 0; i < *n; i++) {
        if (k > 0 && compare_votes(&votes[k - 1], &votes[i]) == 0)
            votes[k - 1].rows += votes[i].rows;
        else
            votes[k++] = votes[i];
    }
    *n = k;
}

/* This rank's votes, sorted, which is also by owner; count[r] gets the bytes for rank r. */
static tt_status form_votes(const tt_comm *comm, const row_tracks *rows, const int32_t *label, int64_t *count,
                            vote **votes)
{
    int64_t n = 0;
    TT_TRY(tt_alloc(rows->count, sizeof **votes, "labels of tracks", votes));
    for (int64_t i = 0; i < rows->count; i++)
        if (label[i] >= 0) (*votes)[n++] = (vote){rows->track[i], 1, label[i], 0};
    add_votes(*votes, &n);
    for (int64_t i = 0; i < n; i++)
        count[tt_owner(rows->tracks, TT_BLOCK_ROWS, comm->size, (*votes)[i].track)] +=
            (int64_t)sizeof **votes;
    return TT_OK;
}

tt_status majority_labels(const tt_comm *comm, const row_tracks *rows, const int32_t *label, int32_t *out)
{
    tt_range mine = tt_partition(rows->tracks, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t *count = NULL, n = 0, most = 0;
    vote *votes = NULL, *got = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "labels of tracks", &count);
    if (s == TT_OK) s = form_votes(comm, rows, label, count, &votes);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, votes, count, &got, count + comm->size);
    for (int r = 0; s == TT_OK && r < comm->size; r++) n += count[comm->size + r] / (int64_t)sizeof *got;
    for (int64_t i = 0; i < mine.end - mine.begin; i++) out[i] = -1;
    if (s == TT_OK) add_votes(got, &n);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        if (i == 0 || got[i].track != got[i - 1].track) most = 0;
        if (got[i].rows <= most) continue;
        most = got[i].rows;
        out[got[i].track - mine.begin] = got[i].label;
    }
    free(got);
    free(votes);
    free(count);
    return s;
}

/* The column as this rank's part of the matrix; negative tracks are an error. */
static tt_status read_column(tt_store *store, const tt_matrix *x, row_tracks *out, int64_t *largest)
{
    *largest = -1;
    TT_TRY(tt_alloc(x->count, sizeof *out->track, "tracks of rows", &out->track));
    TT_TRY(tt_store_read(store, "/clip/track", x->first, x->count, TT_I64, out->track));
    for (int64_t i = 0; i < x->count; i++) {
        if (out->track[i] < 0)
            return tt_fail(TT_ERR_INPUT, "%s: /clip/track row %lld is %lld; tracks count from 0",
                           tt_store_path(store), (long long)(x->first + i), (long long)out->track[i]);
        if (out->track[i] > *largest) *largest = out->track[i];
    }
    return TT_OK;
}

tt_status row_tracks_read(const tt_matrix *x, const char *spec, row_tracks *out)
{
    tt_store *store = NULL;
    tt_column column;
    bool found = false;
    int64_t largest;
    *out = (row_tracks){.count = x->count};
    tt_status s = tt_store_open_spec(x->comm, spec, "/x", &store, NULL);
    if (s == TT_OK) s = tt_store_column(store, "/clip/track", &column, &found);
    if (s == TT_OK && found && column.type != TT_TEXT && column.n_dims == 1 && column.dims[0] == x->rows) {
        s = tt_agree(x->comm, read_column(store, x, out, &largest));
        if (s == TT_OK) out->tracks = tt_max_i64(x->comm, largest) + 1;
    }
    tt_store_close(store);
    return s;
}
