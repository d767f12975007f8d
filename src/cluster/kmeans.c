#include "kmeans.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "tutti/sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE = 16 }; /* floats in the widest vector: k_wide has no remainder loop */

static int64_t sums_length(const kmeans *m)
{
    return m->k * (m->cols + 1) + 1;
}

static tt_status allocate(kmeans *m)
{
    int64_t centres = m->k * m->cols, count = m->points->x->count;
    int length;
    TT_TRY(tt_int(sums_length(m), "elements of all centroids", &length));
    TT_TRY(tt_alloc(centres, sizeof *m->centre, "centroids", &m->centre));
    TT_TRY(tt_alloc(centres, sizeof *m->next, "centroids", &m->next));
    TT_TRY(tt_alloc(m->cols, sizeof *m->grid, "a grid", &m->grid));
    TT_TRY(tt_alloc(length, sizeof *m->local, "sums of clusters", &m->local));
    TT_TRY(tt_alloc(length, sizeof *m->sums, "sums of clusters", &m->sums));
    TT_TRY(tt_alloc(m->k_wide * m->cols, sizeof *m->columns, "centroids", &m->columns));
    TT_TRY(tt_alloc(m->k_wide, sizeof *m->norm, "centroids", &m->norm));
    TT_TRY(tt_alloc(m->k_wide, sizeof *m->low, "centroids", &m->low));
    TT_TRY(tt_alloc(m->k, sizeof *m->moved, "centroids", &m->moved));
    TT_TRY(tt_alloc(count, sizeof *m->label, "labels", &m->label));
    TT_TRY(tt_alloc(count, sizeof *m->upper, "bounds", &m->upper));
    TT_TRY(tt_alloc(count, sizeof *m->lower, "bounds", &m->lower));
    TT_TRY(tt_alloc(TT_BLOCK_ROWS * m->k_wide, sizeof *m->tile, "a distance tile", &m->tile));
    return tt_alloc(TT_BLOCK_ROWS * m->cols, sizeof *m->packed, "packed rows", &m->packed);
}

/* Per column the power of two q at which all rows' sum is below 2^52 q, as the number that rounds to it. */
static void choose_grid(kmeans *m)
{
    const tt_matrix *x = m->points->x;
    for (int64_t i = 0; i < x->count; i++)
        for (int64_t j = 0; j < m->cols; j++) {
            double size = fabs((double)m->points->data[i * m->cols + j]);
            if (size > m->grid[j]) m->grid[j] = size;
        }
    MPI_Allreduce(MPI_IN_PLACE, m->grid, (int)m->cols, MPI_DOUBLE, MPI_MAX, x->comm->mpi);
    for (int64_t j = 0; j < m->cols; j++) {
        int exponent;
        frexp(m->grid[j] * (double)x->n_valid, &exponent);
        m->grid[j] = m->grid[j] > 0 ? ldexp(1.5, exponent) : 0.0; /* 1.5 x 2^52 q */
    }
}

tt_status kmeans_init(kmeans *m, const tt_points *points, int k)
{
    *m = (kmeans){.points = points, .k = k, .cols = points->x->cols};
    m->k_wide = ((int64_t)k + WIDE - 1) / WIDE * WIDE;
    TT_TRY(tt_agree(points->x->comm, allocate(m)));
    choose_grid(m);
    return TT_OK;
}

void kmeans_clear(kmeans *m)
{
    free(m->centre);
    free(m->next);
    free(m->grid);
    free(m->local);
    free(m->sums);
    free(m->columns);
    free(m->norm);
    free(m->low);
    free(m->moved);
    free(m->label);
    free(m->upper);
    free(m->lower);
    free(m->tile);
    free(m->packed);
    *m = (kmeans){0};
}

void kmeans_reset(kmeans *m)
{
    memset(m->local, 0, (size_t)sums_length(m) * sizeof *m->local);
    for (int64_t i = 0; i < m->points->x->count; i++) {
        m->label[i] = -1;
        m->upper[i] = INFINITY;
        m->lower[i] = 0;
    }
}

void kmeans_reduce(kmeans *m)
{
    MPI_Allreduce(m->local, m->sums, (int)sums_length(m), MPI_DOUBLE, MPI_SUM, m->points->x->comm->mpi);
}

/* Lloyd's iterations from m->centre; m->label fits m->centre at the end. `tolerance` is absolute. */
static tt_status lloyd(kmeans *m, int max_iter, double tolerance, tt_progress *progress, int *iterations)
{
    const tt_comm *comm = m->points->x->comm;
    const double *changed = m->sums + m->k * (m->cols + 1);
    bool settled = false;
    kmeans_reset(m);
    for (*iterations = 0; *iterations < max_iter && !settled;) {
        TT_TRY(tt_stop_agree(comm));
        TT_TRY(tt_agree(comm, kmeans_assign_local(m)));
        kmeans_reduce(m);
        bool relocated = false, stays = *changed == 0;
        TT_TRY(kmeans_fill_empty(m, &relocated));
        double way = kmeans_move(m);
        ++*iterations;
        tt_progress_add(progress, 1);
        settled = stays && !relocated;
        if (!settled && way <= tolerance) break;
    }
    return settled ? TT_OK : tt_agree(comm, kmeans_assign_local(m));
}

static tt_status sum_inertia(const kmeans *m, tt_blocksum *sum)
{
    const tt_matrix *x = m->points->x;
    for (int64_t first = 0; first < x->count; first += TT_BLOCK_ROWS) {
        double partial = 0;
        for (int64_t i = first; i < first + TT_BLOCK_ROWS && i < x->count; i++)
            if (m->label[i] >= 0)
                partial += kmeans_distance(m->points->data + i * m->cols, m->centre + m->label[i] * m->cols,
                                           m->cols);
        TT_TRY(tt_blocksum_push(sum, &partial));
    }
    return TT_OK;
}

static tt_status measure_inertia(const kmeans *m, double *inertia)
{
    const tt_matrix *x = m->points->x;
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new(1, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = sum_inertia(m, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, inertia);
    tt_blocksum_free(sum);
    return s;
}

static void keep_result(const kmeans *m, double inertia, int iterations, tt_kmeans *out)
{
    const tt_matrix *x = m->points->x;
    out->inertia = inertia;
    out->iterations = iterations;
    for (int64_t c = 0; c < m->k; c++)
        for (int64_t j = 0; j < m->cols; j++) {
            int64_t e = c * m->cols + j;
            out->centroids[e] = m->centre[e] + ((double)m->points->origin[j] + x->shift[j]);
        }
    memcpy(out->label, m->label, (size_t)x->count * sizeof *out->label);
}

static tt_status check_params(const tt_matrix *x, const tt_kmeans_params *p, int n_init)
{
    if (p->k < 1) return tt_fail(TT_ERR_CONFIG, "cluster.kmeans.k is %d; it must be at least 1", p->k);
    if (n_init < 1)
        return tt_fail(TT_ERR_CONFIG, "cluster.kmeans.n_init is %d; it must be at least 1", n_init);
    if (p->max_iter < 1)
        return tt_fail(TT_ERR_CONFIG, "cluster.kmeans.max_iter is %d; it must be at least 1", p->max_iter);
    if (!(p->tol >= 0))
        return tt_fail(TT_ERR_CONFIG, "cluster.kmeans.tol is %g; it must be 0 or more", p->tol);
    if (x->n_valid == 0)
        return tt_fail(TT_ERR_INPUT, "%s has no valid rows to cluster (%lld rows in all)", x->name,
                       (long long)x->rows);
    if (p->k > x->n_valid)
        return tt_fail(TT_ERR_INPUT, "cluster.kmeans.k is %d but %s has only %lld valid rows", p->k, x->name,
                       (long long)x->n_valid);
    return TT_OK;
}

/* tol times the mean variance of the columns, as scikit-learn scales it. */
static double absolute_tolerance(const tt_points *p, double tol)
{
    double sum = 0;
    for (int64_t j = 0; j < p->x->cols; j++) sum += p->deviation[j] * p->deviation[j];
    return tol * sum / (double)p->x->cols;
}

static void take_centroids(kmeans *m, const double *centroids)
{
    const tt_points *p = m->points;
    for (int64_t c = 0; c < m->k; c++)
        for (int64_t j = 0; j < m->cols; j++)
            m->centre[c * m->cols + j] = centroids[c * m->cols + j] - p->x->shift[j] - (double)p->origin[j];
}

static tt_status run(kmeans *m, const tt_kmeans_params *params, int n_init, uint64_t seed,
                     const double *centroids, tt_kmeans *out)
{
    double tolerance = absolute_tolerance(m->points, params->tol);
    tt_progress progress;
    int64_t total = (int64_t)n_init * params->max_iter;
    tt_progress_start(&progress, "k-means", "iterations", total, total);
    tt_status s = TT_OK;
    for (int r = 0; s == TT_OK && r < n_init; r++) {
        double inertia = 0;
        int iterations = 0;
        if (centroids)
            take_centroids(m, centroids);
        else
            s = kmeans_seed(m, seed, (uint64_t)r);
        if (s == TT_OK) s = lloyd(m, params->max_iter, tolerance, &progress, &iterations);
        if (s == TT_OK) s = measure_inertia(m, &inertia);
        if (s == TT_OK && (r == 0 || inertia < out->inertia)) keep_result(m, inertia, iterations, out);
        tt_progress_skip(&progress, params->max_iter - iterations);
    }
    tt_progress_end(&progress);
    return s;
}

static tt_status fit(const tt_matrix *x, const tt_kmeans_params *params, int n_init, uint64_t seed,
                     const double *centroids, tt_kmeans *out)
{
    *out = (tt_kmeans){.k = params->k, .cols = x->cols};
    TT_TRY(check_params(x, params, n_init)); /* the same on every rank */
    tt_points points;
    kmeans m = {0};
    TT_TRY(tt_points_new(x, &points));
    tt_status s = tt_alloc(params->k * x->cols, sizeof *out->centroids, "centroids", &out->centroids);
    if (s == TT_OK) s = tt_alloc(x->count, sizeof *out->label, "labels", &out->label);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = kmeans_init(&m, &points, params->k);
    if (s == TT_OK) s = run(&m, params, n_init, seed, centroids, out);
    kmeans_clear(&m);
    tt_points_free(&points);
    if (s != TT_OK) tt_kmeans_free(out);
    return s;
}

tt_status tt_kmeans_fit(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed, tt_kmeans *out)
{
    return fit(x, params, params->n_init, seed, NULL, out);
}

tt_status tt_kmeans_from(const tt_matrix *x, const tt_kmeans_params *params, const double *centroids,
                         tt_kmeans *out)
{
    return fit(x, params, 1, 0, centroids, out);
}

void tt_kmeans_free(tt_kmeans *fit_)
{
    free(fit_->centroids);
    free(fit_->label);
    fit_->centroids = NULL;
    fit_->label = NULL;
}
