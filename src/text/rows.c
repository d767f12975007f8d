/* Rows of TF-IDF: terms of a text counted, weighed and scaled to length 1. */
#include "internal.h"

#include "tutti/memory.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a row is formed with. */
typedef struct row {
    int32_t *count;        /* [terms] how often each column occurs in the text; zeros between texts */
    int32_t *found, *swap; /* its columns, in the order met, then ascending */
    double *idf;           /* [terms] */
    int64_t n, room;
    int digits; /* bytes of the largest column */
} row;

static void free_row(row *r)
{
    free(r->count);
    free(r->found);
    free(r->swap);
    free(r->idf);
}

static void add_column(row *r, int32_t column)
{
    if (column == NO_TERM) return;
    if (r->count[column]++ == 0) r->found[r->n++] = column;
}

/* Radix sort by bytes, the lowest first. */
static void sort_columns(row *r)
{
    for (int d = 0; d < r->digits; d++) {
        int64_t at[257] = {0};
        int shift = 8 * d;
        for (int64_t i = 0; i < r->n; i++) at[(r->found[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) at[b + 1] += at[b];
        for (int64_t i = 0; i < r->n; i++) r->swap[at[r->found[i] >> shift & 255]++] = r->found[i];
        int32_t *sorted = r->swap;
        r->swap = r->found;
        r->found = sorted;
    }
}

/* The columns of a text, ascending, in r->found [r->n]. */
static void find_columns(row *r, const documents *d, int64_t text, const level *levels, int n,
                         const column_set *columns)
{
    r->n = 0;
    for (int l = 0; l < n; l++) {
        int64_t last = d->begin[text + 1] - levels[l].k + 1;
        for (int64_t p = d->begin[text]; p < last; p++)
            if (levels[l].seen[p] != NO_TERM) add_column(r, columns_find(&columns[l], levels[l].seen[p]));
    }
    sort_columns(r);
}

/* Weights of the columns found, into value [r->n]; r->count is zeroed. */
static void weigh(row *r, bool sublinear, float *value)
{
    double square = 0;
    for (int64_t i = 0; i < r->n; i++) {
        int32_t c = r->found[i];
        double tf = sublinear ? 1.0 + log(r->count[c]) : r->count[c], w = tf * r->idf[c];
        square += w * w;
    }
    double scale = square > 0 ? 1.0 / sqrt(square) : 0.0;
    for (int64_t i = 0; i < r->n; i++) {
        int32_t c = r->found[i];
        double tf = sublinear ? 1.0 + log(r->count[c]) : r->count[c];
        value[i] = (float)(tf * r->idf[c] * scale);
        r->count[c] = 0;
    }
}

/* Every rank's idf on every rank: the weights need them all. Collective. */
static tt_status gather_idf(const tt_tfidf *t, double *idf)
{
    const tt_comm *comm = t->comm;
    int *count = NULL, mine = (int)t->n_terms,
        first = (int)t->first_term; /* both below t->terms <= INT_MAX */
    TT_TRY(tt_agree(comm, tt_alloc(2 * comm->size, sizeof *count, "terms", &count)));
    MPI_Allgather(&mine, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
    MPI_Allgather(&first, 1, MPI_INT, count + comm->size, 1, MPI_INT, comm->mpi);
    MPI_Allgatherv(t->idf, mine, MPI_DOUBLE, idf, count, count + comm->size, MPI_DOUBLE, comm->mpi);
    free(count);
    return TT_OK;
}

static tt_status new_row(const tt_tfidf *t, const documents *d, int levels, row *r)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < t->count; i++)
        if (d->begin[i + 1] - d->begin[i] > longest) longest = d->begin[i + 1] - d->begin[i];
    for (r->digits = 1; r->digits < 4 && t->terms > (int64_t)1 << (8 * r->digits);) r->digits++;
    r->room = longest * levels < t->terms ? longest * levels : t->terms;
    TT_TRY(tt_alloc(t->terms, sizeof *r->count, "a row of terms", &r->count));
    TT_TRY(tt_alloc(t->terms, sizeof *r->idf, "a row of terms", &r->idf));
    TT_TRY(tt_alloc(r->room, sizeof *r->found, "a row of terms", &r->found));
    return tt_alloc(r->room, sizeof *r->swap, "a row of terms", &r->swap);
}

static tt_status fill_rows(const tt_lyrics_params *params, tt_tfidf *t, const documents *d,
                           const level *levels, int n, const column_set *columns, row *r)
{
    int64_t room = 0, used = 0;
    for (int64_t i = 0; i < t->count; i++) {
        find_columns(r, d, i, levels, n, columns);
        if (used + r->n > room) {
            int64_t more = room + room / 2 + r->n + 4096;
            TT_TRY(tt_grow(used, more, sizeof *t->index, "TF-IDF", &t->index));
            TT_TRY(tt_grow(used, more, sizeof *t->value, "TF-IDF", &t->value));
            room = more;
        }
        if (r->n > 0) memcpy(t->index + used, r->found, (size_t)r->n * sizeof *t->index);
        weigh(r, params->sublinear_tf, t->value + used);
        used += r->n;
        t->begin[i + 1] = used;
    }
    return TT_OK;
}

tt_status rows_make(const tt_lyrics_params *params, tt_tfidf *t, const documents *d, const level *levels,
                    int n, const column_set *columns)
{
    row r = {0};
    tt_status s = new_row(t, d, n, &r);
    if (s == TT_OK) s = tt_alloc(t->count + 1, sizeof *t->begin, "TF-IDF", &t->begin);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = gather_idf(t, r.idf);
    if (s == TT_OK) s = tt_agree(t->comm, fill_rows(params, t, d, levels, n, columns, &r));
    if (s == TT_OK) t->nonzeros = tt_sum_i64(t->comm, t->begin[t->count]);
    free_row(&r);
    return s;
}
