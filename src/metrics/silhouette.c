/* Exact silhouette of rows sorted by cluster: a cluster is one run of rows, so that a row needs the sum over
 * the present run alone, not one sum per cluster, and memory stays O(n / P) for any number of clusters. The
 * tour shows every rank all blocks in ascending order: every sum is formed in one order on any number of
 * ranks. Rousseeuw (1987); definitions as sklearn.metrics.silhouette_samples. */
#include "metrics/internal.h"

#include "tutti/distance.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "tutti/simd.h"
#include "tutti/sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = TT_BLOCK_ROWS, GROUP = 64, LANES = 8 };

/* Squared distances below this share of both norms are measured again by differences: what float32 loses to
 * cancellation in the others is below 1e-5 of a distance, random, and averaged over the cluster. */
static const float near_share = 1.0f / 64;

/* Sums of one row of this rank. */
typedef struct row_state {
    double run;     /* distances to the rows seen of the present cluster */
    double own;     /* mean distance to the others of its own cluster */
    double nearest; /* smallest mean distance to another cluster */
    int64_t cluster;
} row_state;

typedef struct work {
    const sorted_rows *rows;
    tt_metric metric;
    tt_points points;
    row_state *state; /* [count] */
    float *tile;      /* [BLOCK, BLOCK] distances */
} work;

TT_KERNEL static int count_near(int64_t n, const float *square, float norm, const float *norms)
{
    int near = 0;
    for (int64_t j = 0; j < n; j++) near += square[j] < near_share * (norm + norms[j]);
    return near;
}

TT_KERNEL static void roots(int64_t n, float *x)
{
    for (int64_t j = 0; j < n; j++) x[j] = sqrtf(x[j]);
}

typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/* Sum of x [n] in double over fixed lanes: the order is the same for every instruction set. */
TT_KERNEL static double sum_floats(int64_t n, const float *x)
{
    doubles lane[2] = {{0}};
    double sum = 0;
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        floats part[2];
        memcpy(part, x + i, sizeof part);
        lane[0] += __builtin_convertvector(part[0], doubles);
        lane[1] += __builtin_convertvector(part[1], doubles);
    }
    lane[0] += lane[1];
    for (int l = 0; l < LANES; l++) sum += lane[0][l];
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

/* Distances of this rank's row `at` to the rows of a block, from their squares in `row` [BLOCK]. */
static void measure_row(const work *w, int64_t at, const tt_block *block, float *row)
{
    int64_t cols = w->rows->x.cols;
    const float *own = w->points.data + at * cols;
    float norm = w->points.norm[at];
    for (int64_t j = 0; j < BLOCK; j += GROUP) {
        if (count_near(GROUP, row + j, norm, block->targets.norm + j) == 0) continue;
        for (int64_t k = j; k < j + GROUP; k++)
            if (row[k] < near_share * (norm + block->targets.norm[k]))
                row[k] = (float)tt_distance(own, block->rows + k * cols, cols);
    }
    if (w->metric == TT_EUCLIDEAN)
        roots(BLOCK, row); /* cosine: twice the distance, which the ratio does not feel */
}

/* Add the distances to rows [begin, end) of a block, which are of one cluster and start at `row` [., BLOCK].
 */
static void add_run(row_state *state, int64_t rows, const float *row, int64_t n)
{
    for (int64_t i = 0; i < rows; i++) state[i].run += sum_floats(n, row + i * BLOCK);
}

/* All rows of cluster c, `size` of them, have been added. */
static void finish_cluster(row_state *state, int64_t rows, int64_t c, int64_t size)
{
    for (int64_t i = 0; i < rows; i++) {
        row_state *r = &state[i];
        if (r->cluster == c)
            r->own = size > 1 ? r->run / (double)(size - 1) : 0;
        else if (r->run / (double)size < r->nearest)
            r->nearest = r->run / (double)size;
        r->run = 0;
    }
}

/* Block `block` of the tour seen by this rank's rows from `at`. */
static tt_status visit(work *w, int64_t at, const tt_block *block)
{
    const tt_matrix *x = &w->rows->x;
    const int64_t *start = w->rows->start;
    int64_t rows = x->count - at < BLOCK ? x->count - at : BLOCK, end = block->first + block->count;
    TT_TRY(tt_distance_tile(w->points.data + at * x->cols, w->points.norm + at, x->cols, &block->targets,
                            w->tile));
    for (int64_t i = 0; i < rows; i++) measure_row(w, at + i, block, w->tile + i * BLOCK);
    int64_t c = cluster_at(w->rows, block->first);
    for (int64_t from = block->first; from < end; c++) {
        int64_t to = start[c + 1] < end ? start[c + 1] : end;
        add_run(w->state + at, rows, w->tile + (from - block->first), to - from);
        if (to == start[c + 1]) finish_cluster(w->state + at, rows, c, start[c + 1] - start[c]);
        from = to;
    }
    return TT_OK;
}

static tt_status visit_all(work *w)
{
    const tt_matrix *x = &w->rows->x;
    tt_tour *tour;
    tt_chunk chunk;
    tt_progress progress;
    TT_TRY(tt_tour_new(&w->points, NULL, 0, &tour));
    tt_progress_start(&progress, "silhouette", "rows", x->rows, x->rows);
    tt_status s = TT_OK;
    while (s == TT_OK && tt_tour_next(tour, &chunk)) {
        tt_status mine = TT_OK;
        for (int64_t at = 0; mine == TT_OK && at < x->count; at += BLOCK)
            for (int64_t b = 0; mine == TT_OK && b < chunk.n; b++) mine = visit(w, at, &chunk.block[b]);
        s = tt_agree(x->comm, mine);
        if (s == TT_OK) s = tt_stop_agree(x->comm);
        for (int64_t b = 0; b < chunk.n; b++) tt_progress_add(&progress, chunk.block[b].count);
    }
    tt_progress_end(&progress);
    tt_tour_free(tour);
    return s;
}

static double silhouette_of(const row_state *r, int64_t size)
{
    double larger = fmax(r->own, r->nearest);
    return size > 1 && larger > 0 ? (r->nearest - r->own) / larger : 0;
}

/* Mean over all rows, and over each cluster's (`each` [clusters] or NULL), by blocks. */
static tt_status mean_of(const work *w, double *out, double *each)
{
    const tt_matrix *x = &w->rows->x;
    const int64_t *start = w->rows->start;
    int64_t m = 1 + (each ? w->rows->clusters : 0);
    double *total = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(m, sizeof *total, "the silhouette", &total);
    if (s == TT_OK) s = tt_blocksum_new(m, x->first / BLOCK, &sum);
    for (int64_t at = 0; s == TT_OK && at < x->count; at += BLOCK) {
        double *part = tt_blocksum_next(sum);
        if (!part) s = TT_ERR_MEMORY;
        for (int64_t i = at; s == TT_OK && i < x->count && i < at + BLOCK; i++) {
            int64_t c = w->state[i].cluster;
            double value = silhouette_of(&w->state[i], start[c + 1] - start[c]);
            part[0] += value;
            if (each) part[1 + c] += value;
        }
        if (s == TT_OK) tt_blocksum_commit(sum);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, total);
    if (s == TT_OK) *out = total[0] / (double)x->rows;
    for (int64_t c = 0; s == TT_OK && each && c < w->rows->clusters; c++)
        each[c] = total[1 + c] / (double)(start[c + 1] - start[c]);
    tt_blocksum_free(sum);
    free(total);
    return s;
}

tt_status silhouette_mean(const sorted_rows *rows, tt_metric metric, double *out, double *each)
{
    work w = {.rows = rows, .metric = metric};
    TT_TRY(tt_points_of(&rows->x, metric, &w.points));
    tt_status s = tt_alloc(rows->x.count, sizeof *w.state, "the silhouette", &w.state);
    if (s == TT_OK) s = tt_alloc(BLOCK * BLOCK, sizeof *w.tile, "the silhouette", &w.tile);
    s = tt_agree(rows->x.comm, s);
    for (int64_t i = 0; s == TT_OK && i < rows->x.count; i++)
        w.state[i] = (row_state){.nearest = INFINITY, .cluster = cluster_at(rows, rows->x.first + i)};
    if (s == TT_OK) s = visit_all(&w);
    if (s == TT_OK) s = mean_of(&w, out, each);
    free(w.tile);
    free(w.state);
    tt_points_free(&w.points);
    return s;
}
