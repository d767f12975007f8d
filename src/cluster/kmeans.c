#include "kmeans.h"

#include "tutti/integer.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"
#include "tutti/sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double seconds_between_checkpoints = 120;

/* Shares of the rows, as measured: bounds begin when fewer have two centres so near that the next step could
 * make the farther one the nearer, and end when more than the other share had to be measured in full. Each
 * for rows in float32 and in bytes. */
static const double bounds_begin_below[] = {0.7, 0.1}, bounds_end_above[] = {0.6, 0.1};

static int64_t sums_length(const kmeans *m)
{
    return m->k * (m->cols + 1) + KMEANS_TAIL;
}

static tt_status allocate_centres(kmeans *m)
{
    int64_t centres = m->k * m->cols;
    int length;
    TT_TRY(tt_int(sums_length(m), "elements of all centroids", &length));
    TT_TRY(tt_alloc(centres, sizeof *m->centre, "centroids", &m->centre));
    TT_TRY(tt_alloc(centres, sizeof *m->next, "centroids", &m->next));
    TT_TRY(tt_alloc(centres, sizeof *m->best, "centroids", &m->best));
    TT_TRY(tt_alloc(m->k, sizeof *m->weight, "centroids", &m->weight));
    TT_TRY(tt_alloc(m->cols, sizeof *m->grid, "a grid", &m->grid));
    TT_TRY(tt_alloc(length, sizeof *m->local, "sums of clusters", &m->local));
    TT_TRY(tt_alloc(length, sizeof *m->sums, "sums of clusters", &m->sums));
    TT_TRY(tt_alloc(m->cols * TILE, sizeof *m->packed, "a tile of rows", &m->packed));
    TT_TRY(tt_alloc(m->room * m->cols * TILE, sizeof *m->columns, "centroids", &m->columns));
    TT_TRY(tt_alloc(m->room * TILE, sizeof *m->low, "centroids", &m->low));
    TT_TRY(tt_alloc(m->room * TILE * kmeans_tile_width(m->cols), sizeof *m->rows, "centroids", &m->rows));
    return tt_alloc(m->k, sizeof *m->path, "centroids", &m->path);
}

static tt_status allocate_rows(kmeans *m)
{
    int64_t count = m->points->x->count;
    TT_TRY(tt_alloc(count, sizeof *m->label, "labels", &m->label));
    TT_TRY(tt_alloc(count, sizeof *m->bounds.upper, "bounds", &m->bounds.upper));
    TT_TRY(tt_alloc(count, sizeof *m->bounds.second, "bounds", &m->bounds.second));
    TT_TRY(tt_alloc(count, sizeof *m->bounds.rest, "bounds", &m->bounds.rest));
    TT_TRY(tt_alloc(count * KMEANS_LIST, sizeof *m->bounds.list, "bounds", &m->bounds.list));
    return tt_alloc(1, sizeof *m->span, "a span of rows", &m->span);
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
    *m = (kmeans){.points = points, .k = k, .cols = points->x->cols, .saved_at = tt_now()};
    m->panels = tt_ceil_div(k, TILE);
    m->room = 2 * m->panels;
    tt_status s = allocate_centres(m);
    if (s == TT_OK) s = allocate_rows(m);
    if (s == TT_OK) s = kmeans_filter_init(&m->filter, points, m->room);
    TT_TRY(tt_agree(points->x->comm, s));
    choose_grid(m);
    return TT_OK;
}

void kmeans_clear(kmeans *m)
{
    kmeans_bounds *b = &m->bounds;
    void *owned[] = {m->centre, m->next,    m->best,  m->weight, m->grid, m->local,
                     m->sums,   m->columns, m->rows,  m->low,    m->path, m->span,
                     m->packed, m->label,   b->upper, b->second, b->rest, b->list};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    kmeans_filter_clear(&m->filter);
    *m = (kmeans){0};
}

void kmeans_reset(kmeans *m)
{
    if (m->local) {
        memset(m->local, 0, (size_t)sums_length(m) * sizeof *m->local);
        memset(m->path, 0, (size_t)m->k * sizeof *m->path);
    }
    m->drift = 0;
    m->way = INFINITY;
    for (int64_t i = 0; i < m->points->x->count; i++) m->label[i] = -1;
    m->bounded = false;
    m->filtered = m->filter.rows != NULL;
    m->fresh = true;
}

void kmeans_reduce(kmeans *m)
{
    const tt_comm *comm = m->points->x->comm;
    double *tail = m->local + m->k * (m->cols + 1);
    tail[TAIL_STOP] = tt_stop_status() != TT_OK;
    tail[TAIL_SAVE] = comm->rank == 0 && tt_now() - m->saved_at > seconds_between_checkpoints;
    tail[TAIL_WORK] = m->work;
    MPI_Allreduce(m->local, m->sums, (int)sums_length(m), MPI_DOUBLE, MPI_SUM, comm->mpi);
    double share = (m->bounded ? bounds_end_above : bounds_begin_below)[m->filtered];
    m->bounded = m->sums[m->k * (m->cols + 1) + TAIL_WORK] < share * (double)m->points->x->n_valid;
}

/* End the run, leaving a checkpoint where it has one. Collective. */
static tt_status stop(kmeans *m, const tt_kmeans_params *params)
{
    tt_status s = tt_stop_agree(m->points->x->comm);
    if (s != TT_STOPPED) return s; /* nothing, or not even a checkpoint may be written */
    TT_TRY(kmeans_checkpoint_write(m, params));
    return tt_fail(TT_STOPPED, "k-means stopped in start %d, iteration %d%s", (int)m->place[AT_RESTART] + 1,
                   (int)(m->place[AT_PASS] + m->place[AT_ITERATION]),
                   params->checkpoint ? ", with a checkpoint" : "");
}

tt_status kmeans_pause(kmeans *m, const tt_kmeans_params *params)
{
    const double *tail = m->sums + m->k * (m->cols + 1);
    if (tail[TAIL_STOP] > 0) return stop(m, params);
    return tail[TAIL_SAVE] > 0 ? kmeans_checkpoint_write(m, params) : TT_OK;
}

/* Lloyd's iterations from m->centre; m->label fits m->centre at the end. `tolerance` is absolute. */
static tt_status lloyd(kmeans *m, const tt_kmeans_params *params, int max_iter, double tolerance,
                       tt_progress *progress)
{
    double *iteration = &m->place[AT_ITERATION];
    kmeans_reset(m);
    while (*iteration < max_iter) {
        kmeans_assign_local(m);
        kmeans_reduce(m);
        TT_TRY(kmeans_fill_empty(m));
        double way = kmeans_move(m);
        ++*iteration;
        tt_progress_add(progress, 1);
        if (way == 0) return TT_OK; /* the labels fit the centres, which stay */
        if (way <= tolerance) break;
        TT_TRY(kmeans_pause(m, params));
    }
    kmeans_assign_local(m);
    return TT_OK;
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

/* Centroids into the frame of the input. */
static void keep_result(const kmeans *m, tt_kmeans *out)
{
    const tt_matrix *x = m->points->x;
    out->inertia = m->place[AT_BEST_INERTIA];
    out->iterations = (int)m->place[AT_BEST_ITERATIONS];
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

/* From seeds, or from where a checkpoint was, to the end of one start. Collective. */
static tt_status run_start(kmeans *m, const tt_kmeans_params *params, uint64_t seed, const double *centroids,
                           double tolerance, tt_progress *progress)
{
    int max_iter = params->mini_batch > 0 ? 1 : params->max_iter;
    bool begun = m->place[AT_PASS] + m->place[AT_ITERATION] > 0;
    if (!begun && centroids)
        take_centroids(m, centroids);
    else if (!begun)
        TT_TRY(kmeans_seed(m, params->init, seed, (uint64_t)m->place[AT_RESTART]));
    if (!begun) memset(m->weight, 0, (size_t)m->k * sizeof *m->weight);
    if (params->mini_batch > 0) TT_TRY(kmeans_batches(m, params, seed, tolerance, progress));
    return lloyd(m, params, max_iter, tolerance, progress);
}

/* Keep a start that is better than those before, and be at the beginning of the next. Collective. */
static tt_status end_start(kmeans *m, bool *best)
{
    double inertia, *place = m->place;
    TT_TRY(measure_inertia(m, &inertia));
    *best = place[AT_HAS_BEST] == 0 || inertia < place[AT_BEST_INERTIA];
    if (*best) {
        memcpy(m->best, m->centre, (size_t)(m->k * m->cols) * sizeof *m->best);
        place[AT_BEST_INERTIA] = inertia;
        place[AT_BEST_ITERATIONS] = place[AT_PASS] + place[AT_ITERATION];
        place[AT_HAS_BEST] = 1;
    }
    place[AT_RESTART]++;
    place[AT_PASS] = place[AT_ITERATION] = 0;
    return TT_OK;
}

/* Iterations and passes of one start, at most and so far. */
static int64_t steps_of_start(const tt_kmeans_params *params)
{
    return (int64_t)params->max_iter + (params->mini_batch > 0);
}

static int64_t steps_done(const kmeans *m)
{
    return (int64_t)(m->place[AT_PASS] + m->place[AT_ITERATION]);
}

static tt_status run_starts(kmeans *m, const tt_kmeans_params *params, int n_init, uint64_t seed,
                            const double *centroids, tt_progress *progress)
{
    double tolerance = absolute_tolerance(m->points, params->tol);
    bool last_is_best = false;
    while (m->place[AT_RESTART] < n_init) {
        tt_status s = run_start(m, params, seed, centroids, tolerance, progress);
        if (s == TT_STOPPED && m->place[AT_PASS] + m->place[AT_ITERATION] == 0) s = stop(m, params);
        TT_TRY(s);
        tt_progress_skip(progress, steps_of_start(params) - steps_done(m));
        TT_TRY(end_start(m, &last_is_best));
    }
    if (last_is_best) return TT_OK;
    memcpy(m->centre, m->best, (size_t)(m->k * m->cols) * sizeof *m->best);
    kmeans_reset(m);
    kmeans_assign_local(m);
    return TT_OK;
}

static tt_status run(kmeans *m, const tt_kmeans_params *params, int n_init, uint64_t seed,
                     const double *centroids, tt_kmeans *out)
{
    bool found;
    tt_progress progress;
    int64_t total = n_init * steps_of_start(params);
    TT_TRY(kmeans_checkpoint_read(m, params, &found));
    if (found)
        tt_info("k-means: going on from the checkpoint at start %d, iteration %d",
                (int)m->place[AT_RESTART] + 1, (int)(m->place[AT_PASS] + m->place[AT_ITERATION]));
    tt_progress_start(&progress, "k-means", "iterations", total, total);
    tt_progress_skip(&progress, (int64_t)m->place[AT_RESTART] * steps_of_start(params) + steps_done(m));
    tt_status s = run_starts(m, params, n_init, seed, centroids, &progress);
    tt_progress_end(&progress);
    if (s == TT_OK) keep_result(m, out);
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

/* Centroids of a file, the same on every rank. Collective. Free *out. */
static tt_status read_centroids(const tt_matrix *x, const tt_kmeans_params *params, double **out)
{
    const tt_comm *comm = x->comm;
    char *dataset = NULL;
    tt_store *store = NULL;
    tt_column c = {0};
    bool found = false;
    tt_status s = tt_agree(comm, tt_alloc(params->k * x->cols, sizeof **out, "centroids", out));
    if (s == TT_OK) s = tt_store_open_spec(comm, params->init, "/kmeans/centroids", &store, &dataset);
    if (s == TT_OK) s = tt_store_column(store, dataset, &c, &found);
    if (s == TT_OK && (!found || c.n_dims != 2 || c.dims[0] != params->k || c.dims[1] != x->cols))
        s = tt_fail(TT_ERR_INPUT, "%s is not a dataset of %d centroids (cluster.kmeans.k) in %lld columns",
                    params->init, params->k, (long long)x->cols);
    if (s == TT_OK && comm->rank == 0) s = tt_store_read(store, dataset, 0, params->k, TT_F64, *out);
    s = tt_agree(comm, s);
    tt_store_close(store);
    free(dataset);
    return s == TT_OK ? tt_broadcast(comm, *out, params->k * x->cols * (int64_t)sizeof **out, 0) : s;
}

tt_status tt_kmeans_fit(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed, tt_kmeans *out)
{
    double *centroids = NULL;
    if (!params->init || !strstr(params->init, ":/")) return fit(x, params, params->n_init, seed, NULL, out);
    *out = (tt_kmeans){0};
    tt_status s = read_centroids(x, params, &centroids);
    if (s == TT_OK) s = fit(x, params, 1, seed, centroids, out);
    free(centroids);
    return s;
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
