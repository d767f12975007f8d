/* Greedy k-means++ over all rows: Arthur, Vassilvitskii (2007), with 2 + log k draws per centre of which the
 * best stays, as scikit-learn does.
 *
 * A row is drawn with chance weight / total by a race: every row runs for -log(u) / weight, u its own random
 * number, and the first one wins (Efraimidis, Spirakis 2006). The winner needs neither the total nor an order
 * of the rows, so that it does not depend on the rank count. */
#include "kmeans.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/signal.h"
#include "tutti/sum.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A runner; the owner's rank decides between equals, which is the lowest row. */
typedef struct runner {
    double time;
    int rank;
} runner;

typedef struct greedy {
    int trials;
    float *distance; /* [count] squared, to the nearest centre so far */
    float *trial;    /* [trials, count] the same if that row became a centre */
    float *rows;     /* [trials, cols] the rows that were drawn */
    double *sums;    /* [trials] */
} greedy;

static void greedy_free(greedy *g)
{
    free(g->distance);
    free(g->trial);
    free(g->rows);
    free(g->sums);
}

static tt_status greedy_new(const kmeans *m, greedy *g)
{
    int64_t count = m->points->x->count;
    *g = (greedy){.trials = 2 + (int)log((double)m->k)};
    TT_TRY(tt_alloc(count, sizeof *g->distance, "seeding", &g->distance));
    TT_TRY(tt_alloc(count * g->trials, sizeof *g->trial, "seeding", &g->trial));
    TT_TRY(tt_alloc(m->cols * g->trials, sizeof *g->rows, "seeding", &g->rows));
    TT_TRY(tt_alloc(g->trials, sizeof *g->sums, "seeding", &g->sums));
    for (int64_t i = 0; i < count; i++) g->distance[i] = 1.0f;
    return TT_OK;
}

/* Draw one row for trial t. Collective. */
static void draw(const kmeans *m, greedy *g, tt_stream stream, int centre, int t)
{
    const tt_matrix *x = m->points->x;
    runner mine = {INFINITY, x->comm->rank}, winner;
    int64_t best = 0;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        uint64_t index = (uint64_t)centre * (uint64_t)g->trials + (uint64_t)t;
        double u = 1.0 - tt_random_uniform(stream, (uint64_t)(x->first + i), index); /* above 0 */
        double weight = (double)g->distance[i], time = weight > 0 ? -log(u) / weight : DBL_MAX;
        if (time >= mine.time) continue;
        mine.time = time;
        best = i;
    }
    MPI_Allreduce(&mine, &winner, 1, MPI_DOUBLE_INT, MPI_MINLOC, x->comm->mpi);
    float *row = g->rows + t * m->cols;
    if (winner.rank == x->comm->rank && x->count > 0)
        memcpy(row, m->points->data + best * m->cols, (size_t)m->cols * sizeof *row);
    MPI_Bcast(row, (int)m->cols, MPI_FLOAT, winner.rank, x->comm->mpi);
}

/* Distances to the nearest centre if the row of trial t became one. */
static void try_row(const kmeans *m, greedy *g, bool first, int t)
{
    const tt_matrix *x = m->points->x;
    float *trial = g->trial + t * x->count;
    for (int64_t i = 0; i < x->count; i++) {
        float d = (float)tt_distance(m->points->data + i * m->cols, g->rows + t * m->cols, m->cols);
        trial[i] = first || d < g->distance[i] ? d : g->distance[i];
    }
}

/* Sums of all trials over all rows into g->sums. Collective. */
static tt_status sum_trials(const kmeans *m, greedy *g, int trials)
{
    const tt_matrix *x = m->points->x;
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new(trials, x->first / TT_BLOCK_ROWS, &sum);
    for (int64_t first = 0; s == TT_OK && first < x->count; first += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_next(sum);
        if (!partial) {
            s = TT_ERR_MEMORY;
            break;
        }
        for (int t = 0; t < trials; t++)
            for (int64_t i = first; i < first + TT_BLOCK_ROWS && i < x->count; i++)
                if (x->valid[i]) partial[t] += (double)g->trial[t * x->count + i];
        tt_blocksum_commit(sum);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, g->sums);
    tt_blocksum_free(sum);
    return s;
}

static tt_status choose_centre(kmeans *m, greedy *g, tt_stream stream, int centre)
{
    int64_t count = m->points->x->count;
    int trials = centre == 0 ? 1 : g->trials, best = 0;
    for (int t = 0; t < trials; t++) draw(m, g, stream, centre, t);
    for (int t = 0; t < trials; t++) try_row(m, g, centre == 0, t);
    TT_TRY(sum_trials(m, g, trials));
    for (int t = 1; t < trials; t++)
        if (g->sums[t] < g->sums[best]) best = t;
    memcpy(g->distance, g->trial + best * count, (size_t)count * sizeof *g->distance);
    for (int64_t j = 0; j < m->cols; j++)
        m->centre[centre * m->cols + j] = (double)g->rows[best * m->cols + j];
    return TT_OK;
}

tt_status kmeans_seed_greedy(kmeans *m, tt_stream stream)
{
    greedy g;
    tt_status s = tt_agree(m->points->x->comm, greedy_new(m, &g));
    for (int k = 0; s == TT_OK && k < m->k; k++) {
        s = tt_stop_agree(m->points->x->comm);
        if (s == TT_OK) s = choose_centre(m, &g, stream, k);
    }
    greedy_free(&g);
    return s;
}
