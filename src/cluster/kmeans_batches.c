/* Mini-batches: Sculley, "Web-scale k-means clustering" (2010). */
#include "kmeans.h"

#include "tutti/memory.h"
#include "tutti/random.h"

#include <stdlib.h>
#include <string.h>

/* This rank's valid rows by the batch that each is in: every row is once in a pass, in a batch drawn for it.
 */
typedef struct deal {
    int64_t batches;
    int64_t *begin; /* [batches + 1] */
    int64_t *row;   /* [valid rows] */
    int64_t *of;    /* [count] */
} deal;

static void deal_free(deal *d)
{
    free(d->begin);
    free(d->row);
    free(d->of);
}

static tt_status deal_new(const kmeans *m, int mini_batch, deal *d)
{
    const tt_matrix *x = m->points->x;
    *d = (deal){.batches = (x->n_valid + mini_batch - 1) / mini_batch};
    TT_TRY(tt_alloc(d->batches + 1, sizeof *d->begin, "random batches", &d->begin));
    TT_TRY(tt_alloc(x->count, sizeof *d->row, "random batches", &d->row));
    return tt_alloc(x->count, sizeof *d->of, "random batches", &d->of);
}

static void deal_rows(const kmeans *m, uint64_t seed, deal *d)
{
    const tt_matrix *x = m->points->x;
    tt_stream stream = {seed, TT_FOR_SHUFFLE, (uint64_t)m->place[AT_PASS]};
    memset(d->begin, 0, (size_t)(d->batches + 1) * sizeof *d->begin);
    for (int64_t i = 0; i < x->count; i++) {
        uint64_t row = (uint64_t)(x->first + i), start = (uint64_t)m->place[AT_RESTART];
        d->of[i] = (int64_t)tt_random_below(stream, row, start, (uint64_t)d->batches);
        if (x->valid[i]) d->begin[d->of[i] + 1]++;
    }
    for (int64_t b = 0; b < d->batches; b++) d->begin[b + 1] += d->begin[b];
    for (int64_t i = x->count; i-- > 0;) /* the last of each batch first */
        if (x->valid[i]) d->row[--d->begin[d->of[i] + 1]] = i;
    for (int64_t b = 0; b < d->batches; b++) d->begin[b] = d->begin[b + 1];
    d->begin[d->batches] = 0;
    for (int64_t i = 0; i < x->count; i++) d->begin[d->batches] += x->valid[i];
}

/* Each centre goes to the mean of all rows that it has seen. */
static void step(kmeans *m)
{
    const double *count = m->sums + m->k * m->cols;
    for (int64_t c = 0; c < m->k; c++) {
        m->weight[c] += count[c];
        for (int64_t j = 0; count[c] > 0 && j < m->cols; j++) {
            double *centre = &m->centre[c * m->cols + j];
            *centre += (m->sums[c * m->cols + j] - count[c] * *centre) / m->weight[c];
        }
    }
}

/* One pass; the squared ways of the centres over it. Collective. */
static double pass(kmeans *m, const deal *d)
{
    double total = 0;
    int64_t elements = m->k * m->cols;
    memcpy(m->next, m->centre, (size_t)elements * sizeof *m->next);
    for (int64_t b = 0; b < d->batches; b++) {
        memset(m->local, 0, (size_t)(elements + m->k) * sizeof *m->local);
        kmeans_assign_rows(m, d->row + d->begin[b], d->begin[b + 1] - d->begin[b]);
        kmeans_reduce(m);
        step(m);
    }
    for (int64_t e = 0; e < elements; e++) total += (m->centre[e] - m->next[e]) * (m->centre[e] - m->next[e]);
    return total;
}

tt_status kmeans_batches(kmeans *m, const tt_kmeans_params *params, uint64_t seed, double tolerance,
                         tt_progress *progress)
{
    deal d;
    tt_status s = tt_agree(m->points->x->comm, deal_new(m, params->mini_batch, &d));
    bool settled = m->place[AT_ITERATION] > 0;
    while (s == TT_OK && !settled && m->place[AT_PASS] < params->max_iter) {
        deal_rows(m, seed, &d);
        double way = pass(m, &d);
        m->place[AT_PASS]++;
        tt_progress_add(progress, 1);
        settled = way <= tolerance;
        if (!settled) s = kmeans_pause(m, params);
    }
    deal_free(&d);
    return s;
}
