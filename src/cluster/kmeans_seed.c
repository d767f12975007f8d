#include "kmeans.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/sum.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many valid rows all of them are candidates, which is k-means++ proper. */
enum { ALL_ROWS_UP_TO = 4096, ROUNDS = 5 };

/* Rows for centres to be chosen from, in the order of rounds and rows, the same on every rank. */
typedef struct candidates {
    int64_t n;
    float *rows;     /* [n, cols] */
    double *weight;  /* [n] rows nearer to this one than to the others */
    float *distance; /* [count] squared, of this rank's rows to the nearest candidate so far */
    int64_t *which;  /* [count] that candidate */
    int64_t *marked; /* [count] rows that a round draws */
    double *target;  /* [room TILE, cols] candidates that rows are measured against */
} candidates;

static void free_candidates(candidates *c)
{
    free(c->rows);
    free(c->weight);
    free(c->distance);
    free(c->which);
    free(c->marked);
    free(c->target);
}

static tt_status allocate(const kmeans *m, candidates *c)
{
    int64_t count = m->points->x->count;
    TT_TRY(tt_alloc(count, sizeof *c->distance, "seeding", &c->distance));
    TT_TRY(tt_alloc(count, sizeof *c->which, "seeding", &c->which));
    TT_TRY(tt_alloc(count, sizeof *c->marked, "seeding", &c->marked));
    TT_TRY(tt_alloc(m->room * TILE * m->cols, sizeof *c->target, "seeding", &c->target));
    for (int64_t i = 0; i < count; i++) c->distance[i] = FLT_MAX;
    return TT_OK;
}

/* Append all ranks' marked rows [n] (local numbers), in global order. Collective. */
static tt_status append_rows(const kmeans *m, const int64_t *marked, int64_t n, candidates *c)
{
    const tt_matrix *x = m->points->x;
    const tt_comm *comm = x->comm;
    int64_t total = tt_sum_i64(comm, n);
    int *counts = NULL, mine = 0, all;
    float *sent = NULL;
    tt_status s = tt_int(total * m->cols, "elements of all candidates", &all);
    if (s == TT_OK) s = tt_int(n * m->cols, "elements of candidates", &mine);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *counts, "seeding", &counts);
    if (s == TT_OK) s = tt_alloc(n * m->cols, sizeof *sent, "seeding", &sent);
    if (s == TT_OK)
        s = tt_grow(c->n * m->cols, (c->n + total) * m->cols, sizeof *c->rows, "seeding", &c->rows);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        int *offset = counts + comm->size;
        for (int64_t i = 0; i < n; i++)
            memcpy(sent + i * m->cols, m->points->data + marked[i] * m->cols, (size_t)m->cols * sizeof *sent);
        MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, comm->mpi);
        for (int r = 1; r < comm->size; r++) offset[r] = offset[r - 1] + counts[r - 1];
        MPI_Allgatherv(sent, mine, MPI_FLOAT, c->rows + c->n * m->cols, counts, offset, MPI_FLOAT, comm->mpi);
        c->n += total;
    }
    free(sent);
    free(counts);
    return s;
}

/* Rows that are nearer to one of n candidates from `first` on than to those before. */
static void take_nearer(const kmeans *near, candidates *c, int64_t first)
{
    const tt_points *p = near->points;
    for (int64_t i = 0; i < p->x->count; i++) {
        int32_t label = near->label[i];
        if (label < 0) continue;
        float square =
            (float)kmeans_distance(p->data + i * near->cols, near->centre + label * near->cols, near->cols);
        if (!(square < c->distance[i])) continue;
        c->distance[i] = square;
        c->which[i] = first + label;
    }
}

/* Measure this rank's rows against candidates from `first` on: as iterations do, with the candidates as
 * centres. The distances are rounded to float32, which is enough for chances to be drawn. */
static void measure_local(const kmeans *m, candidates *c, int64_t first)
{
    for (int64_t t = first; t < c->n; t += m->room * TILE) {
        int64_t n = tt_smaller(c->n - t, m->room * TILE);
        for (int64_t e = 0; e < n * m->cols; e++) c->target[e] = (double)c->rows[t * m->cols + e];
        kmeans near = *m;
        near.k = (int)n;
        near.panels = tt_ceil_div(n, TILE);
        near.centre = c->target;
        near.local = NULL;
        near.beyond = c->distance;
        kmeans_reset(&near);
        kmeans_assign_local(&near);
        take_nearer(&near, c, t);
    }
}

/* The sum of the distances of all rows. Collective. */
static tt_status potential(const kmeans *m, const candidates *c, double *out)
{
    const tt_matrix *x = m->points->x;
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new(1, x->first / TT_BLOCK_ROWS, &sum);
    for (int64_t first = 0; s == TT_OK && first < x->count; first += TT_BLOCK_ROWS) {
        double partial = 0;
        for (int64_t i = first; i < first + TT_BLOCK_ROWS && i < x->count; i++)
            if (x->valid[i]) partial += (double)c->distance[i];
        s = tt_blocksum_push(sum, &partial);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, out);
    tt_blocksum_free(sum);
    return s;
}

/* The valid row number `nth` of all, as a candidate. Collective. */
static tt_status append_nth(const kmeans *m, int64_t nth, candidates *c)
{
    const tt_matrix *x = m->points->x;
    int64_t valid = 0, marked = 0, n = 0;
    for (int64_t i = 0; i < x->count; i++) valid += x->valid[i];
    nth -= tt_prefix_i64(x->comm, valid);
    for (int64_t i = 0; nth >= 0 && nth < valid && i < x->count; i++)
        if (x->valid[i] && nth-- == 0) {
            marked = i;
            n = 1;
        }
    return append_rows(m, &marked, n, c);
}

/* Four rows share the words of one call; a rank begins with a whole block of rows. */
static double uniform_of_row(tt_stream stream, int64_t row, int round, uint64_t words[4])
{
    enum { ROWS = 4 };
    if (row % ROWS == 0) tt_random_words(stream, (uint64_t)(row / ROWS), (uint64_t)round, words);
    return tt_random_unit(words[row % ROWS]);
}

/* One round of k-means||: every row is drawn with chance k distance / potential, by its own random number. */
static tt_status draw_round(const kmeans *m, tt_stream stream, int round, double phi, candidates *c)
{
    const tt_matrix *x = m->points->x;
    int64_t n = 0, first = c->n;
    uint64_t words[4] = {0};
    for (int64_t i = 0; i < x->count; i++) {
        double u = uniform_of_row(stream, x->first + i, round, words);
        if (x->valid[i] && u * phi < (double)m->k * (double)c->distance[i]) c->marked[n++] = i;
    }
    TT_TRY(append_rows(m, c->marked, n, c));
    measure_local(m, c, first);
    return TT_OK;
}

/* Rows that each candidate stands for: whole numbers, so that any order of adding gives the same. */
static tt_status weigh(const kmeans *m, candidates *c)
{
    const tt_matrix *x = m->points->x;
    TT_TRY(tt_agree(x->comm, tt_alloc(c->n, sizeof *c->weight, "seeding", &c->weight)));
    for (int64_t i = 0; i < x->count; i++)
        if (x->valid[i]) c->weight[c->which[i]] += 1;
    MPI_Allreduce(MPI_IN_PLACE, c->weight, (int)c->n, MPI_DOUBLE, MPI_SUM, x->comm->mpi);
    return TT_OK;
}

static tt_status draw_candidates(const kmeans *m, tt_stream stream, candidates *c)
{
    TT_TRY(tt_agree(m->points->x->comm, allocate(m, c)));
    uint64_t valid = (uint64_t)m->points->x->n_valid;
    TT_TRY(append_nth(m, (int64_t)tt_random_below(stream, UINT64_MAX, 0, valid), c));
    measure_local(m, c, 0);
    for (int round = 0; round < ROUNDS; round++) {
        double phi;
        TT_TRY(potential(m, c, &phi));
        if (phi <= 0) break;
        TT_TRY(draw_round(m, stream, round, phi, c));
    }
    return weigh(m, c);
}

static tt_status all_candidates(const kmeans *m, candidates *c)
{
    const tt_matrix *x = m->points->x;
    int64_t *marked = NULL, n = 0;
    TT_TRY(tt_agree(x->comm, tt_alloc(x->count, sizeof *marked, "seeding", &marked)));
    for (int64_t i = 0; i < x->count; i++)
        if (x->valid[i]) marked[n++] = i;
    tt_status s = append_rows(m, marked, n, c);
    free(marked);
    if (s == TT_OK) s = tt_agree(x->comm, tt_alloc(c->n, sizeof *c->weight, "seeding", &c->weight));
    for (int64_t i = 0; s == TT_OK && i < c->n; i++) c->weight[i] = 1;
    return s;
}

/* Where a share u in [0, 1) of the mass weight x distance falls; the heaviest by number if there is none. */
static int64_t draw(const candidates *c, const double *distance, double total, double u)
{
    double left = u * total;
    int64_t last = 0;
    for (int64_t i = 0; i < c->n; i++) {
        double mass = c->weight[i] * distance[i];
        if (mass <= 0) continue;
        last = i;
        if (left < mass) return i;
        left -= mass;
    }
    return last;
}

/* Distances to the nearest centre if candidate `pick` became one; returns their weighted sum. */
static double try_centre(const kmeans *m, const candidates *c, const double *distance, int64_t pick,
                         double *out)
{
    double total = 0;
    for (int64_t i = 0; i < c->n; i++) {
        double d = tt_distance(c->rows + i * m->cols, c->rows + pick * m->cols, m->cols);
        out[i] = d < distance[i] ? d : distance[i];
        total += c->weight[i] * out[i];
    }
    return total;
}

/* Greedy k-means++ (Arthur, Vassilvitskii 2007) over the weighted candidates: 2 + log k draws per centre, of
 * which the best stays, as scikit-learn does. Every rank does the same.
 * @param[in,out] work  [3, n]: distances now, of the best draw and of this draw */
static void choose_centres(const kmeans *m, tt_stream stream, const candidates *c, double *work)
{
    double *distance = work, *best = work + c->n, *trial = work + 2 * c->n, total = 0;
    int trials = 2 + (int)log((double)m->k);
    for (int64_t i = 0; i < c->n; i++) distance[i] = 1;
    for (int64_t i = 0; i < c->n; i++) total += c->weight[i];
    for (int k = 0; k < m->k; k++) {
        double best_total = INFINITY;
        int64_t chosen = 0;
        for (int t = 0; t < (k == 0 ? 1 : trials); t++) {
            double u = tt_random_uniform(stream, UINT64_MAX - 1 - (uint64_t)k, (uint64_t)t);
            int64_t pick = draw(c, distance, total, u);
            if (k == 0)
                for (int64_t i = 0; i < c->n; i++) distance[i] = INFINITY;
            double sum = try_centre(m, c, distance, pick, trial);
            if (!(sum < best_total)) continue;
            double *swap = best;
            best = trial;
            trial = swap;
            best_total = sum;
            chosen = pick;
        }
        double *swap = distance;
        distance = best;
        best = swap;
        total = best_total;
        for (int64_t j = 0; j < m->cols; j++)
            m->centre[k * m->cols + j] = (double)c->rows[chosen * m->cols + j];
    }
}

/* k-means||, or greedy k-means++ over all rows where these are few. Collective. */
static tt_status seed_parallel(kmeans *m, tt_stream stream)
{
    const tt_comm *comm = m->points->x->comm;
    candidates c = {0};
    double *work = NULL;
    tt_status s =
        m->points->x->n_valid <= ALL_ROWS_UP_TO ? all_candidates(m, &c) : draw_candidates(m, stream, &c);
    if (s == TT_OK) s = tt_agree(comm, tt_alloc(3 * c.n, sizeof *work, "seeding", &work));
    if (s == TT_OK) choose_centres(m, stream, &c, work);
    free(work);
    free_candidates(&c);
    return s;
}

/* k rows at random, in the order of the rows. Collective. */
static tt_status seed_random(kmeans *m, tt_stream stream)
{
    const tt_matrix *x = m->points->x;
    candidates c = {0};
    int64_t *marked = NULL, valid = 0, n = 0;
    unsigned char *taken = NULL; /* [valid] */
    for (int64_t i = 0; i < x->count; i++) valid += x->valid[i];
    int64_t before = tt_prefix_i64(x->comm, valid);
    tt_status s = tt_alloc(valid, 1, "seeding", &taken);
    if (s == TT_OK) s = tt_alloc(valid < m->k ? valid : m->k, sizeof *marked, "seeding", &marked);
    s = tt_agree(x->comm, s);
    for (int k = 0; s == TT_OK && k < m->k; k++) {
        int64_t nth = (int64_t)tt_random_permute(stream, (uint64_t)k, (uint64_t)x->n_valid) - before;
        if (nth >= 0 && nth < valid) taken[nth] = 1;
    }
    for (int64_t i = 0, nth = 0; s == TT_OK && i < x->count; i++)
        if (x->valid[i] && taken[nth++]) marked[n++] = i;
    if (s == TT_OK) s = append_rows(m, marked, n, &c);
    for (int64_t e = 0; s == TT_OK && e < m->k * m->cols; e++) m->centre[e] = (double)c.rows[e];
    free(taken);
    free(marked);
    free_candidates(&c);
    return s;
}

tt_status kmeans_seed(kmeans *m, const char *init, uint64_t seed, uint64_t restart)
{
    tt_stream stream = {seed, TT_FOR_SEEDING, restart};
    if (init && strcmp(init, "random") == 0) return seed_random(m, stream);
    if (init && strcmp(init, "k-means++") == 0) return kmeans_seed_greedy(m, stream);
    return seed_parallel(m, stream);
}
