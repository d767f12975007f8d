/* Exact silhouette of rows sorted by cluster. Where clusters are few, a row has a sum for each, and pairs of
 * rows are measured once (silhouette_pairs.c). Where they are many, they are measured twice: a cluster is one
 * run of rows, so that a row needs the sum over the present run alone, and memory stays O(n / P) for any
 * number of clusters. The tour shows every rank all blocks in ascending order: every sum is formed in one
 * order on any number of ranks. Rousseeuw (1987); definitions as sklearn.metrics.silhouette_samples. */
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

enum { BLOCK = TT_BLOCK_ROWS, LANES = 8, FEW_CLUSTERS = 32 };

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
    float *cells;     /* [BLOCK / TT_CELL, cols, TT_CELL] the block that is visited */
    float *tile;      /* [TT_CELL_ROWS, BLOCK] squared distances */
} work;

typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/* Sum of the roots of x [n] in double over fixed lanes: the order is the same for every instruction set. */
TT_KERNEL static double sum_roots(int64_t n, const float *x)
{
    doubles lane = {0};
    double sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        floats part = {0};
        for (int l = 0; l < LANES; l++) part[l] = sqrtf(x[i + l]);
        lane += __builtin_convertvector(part, doubles);
    }
    for (int l = 0; l < LANES; l++) sum += lane[l];
    for (; i < n; i++) sum += (double)sqrtf(x[i]);
    return sum;
}

/* Likewise of x itself: under TT_COSINE the square is twice the distance, which the ratio does not feel. */
TT_KERNEL static double sum_floats(int64_t n, const float *x)
{
    doubles lane = {0};
    double sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        floats part = {0};
        memcpy(&part, x + i, sizeof part);
        lane += __builtin_convertvector(part, doubles);
    }
    for (int l = 0; l < LANES; l++) sum += lane[l];
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

static void pack_cells(const work *w, const tt_block *block)
{
    int64_t cols = w->rows->x.cols;
    for (int64_t c = 0; c < BLOCK; c += TT_CELL)
        tt_distance_transpose(block->rows + c * cols, TT_CELL, cols, w->cells + c * cols);
}

/* Squared distances of this rank's rows from `at` to those of the block. */
static void measure(const work *w, int64_t at, const tt_block *block)
{
    int64_t cols = w->rows->x.cols;
    const float *row[TT_CELL_ROWS];
    for (int64_t r = 0; r < TT_CELL_ROWS; r++)
        row[r] = w->points.data + (at + r) * cols; /* zeros at the end */
    for (int64_t c = 0; c < block->count; c += TT_CELL)
        tt_distance_cell(row, 1, w->cells + c * cols, cols, w->tile + c, BLOCK);
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

/* The block seen by `rows` rows of this rank from `at`, run by run. */
static void add_runs(work *w, int64_t at, int64_t rows, const tt_block *block)
{
    const int64_t *start = w->rows->start;
    int64_t end = block->first + block->count, c = cluster_at(w->rows, block->first);
    for (int64_t from = block->first; from < end; c++) {
        int64_t to = start[c + 1] < end ? start[c + 1] : end;
        for (int64_t r = 0; r < rows; r++) {
            const float *square = w->tile + r * BLOCK + (from - block->first);
            w->state[at + r].run +=
                w->metric == TT_EUCLIDEAN ? sum_roots(to - from, square) : sum_floats(to - from, square);
        }
        if (to == start[c + 1]) finish_cluster(w->state + at, rows, c, start[c + 1] - start[c]);
        from = to;
    }
}

static void visit(work *w, const tt_block *block)
{
    int64_t count = w->rows->x.count;
    pack_cells(w, block);
    for (int64_t at = 0; at < count; at += TT_CELL_ROWS) {
        measure(w, at, block);
        add_runs(w, at, count - at < TT_CELL_ROWS ? count - at : TT_CELL_ROWS, block);
    }
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
        for (int64_t b = 0; b < chunk.n; b++) visit(w, &chunk.block[b]);
        s = tt_stop_agree(x->comm);
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

/* Whether sums for all clusters need no more than a few times the rows' own memory. */
static bool few_clusters(const sorted_rows *rows)
{
    return rows->clusters <= FEW_CLUSTERS || rows->clusters <= rows->x.cols;
}

static void take_sums(const work *w, const double *sums)
{
    const int64_t *start = w->rows->start, n = w->rows->clusters;
    for (int64_t i = 0; i < w->rows->x.count; i++)
        for (int64_t c = 0; c < n; c++) {
            w->state[i].run = sums[i * n + c];
            finish_cluster(&w->state[i], 1, c, start[c + 1] - start[c]);
        }
}

/* Every pair once. Collective. */
static tt_status measure_pairs(const work *w)
{
    const tt_matrix *x = &w->rows->x;
    double *sums = NULL;
    tt_status s = tt_alloc(x->count * w->rows->clusters, sizeof *sums, "the silhouette", &sums);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = silhouette_sums(w->rows, &w->points, w->metric, sums);
    if (s == TT_OK) take_sums(w, sums);
    free(sums);
    return s;
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
    if (s == TT_OK) s = tt_alloc(TT_CELL_ROWS * BLOCK, sizeof *w.tile, "the silhouette", &w.tile);
    if (s == TT_OK) s = tt_alloc(BLOCK * rows->x.cols, sizeof *w.cells, "the silhouette", &w.cells);
    s = tt_agree(rows->x.comm, s);
    for (int64_t i = 0; s == TT_OK && i < rows->x.count; i++)
        w.state[i] = (row_state){.nearest = INFINITY, .cluster = cluster_at(rows, rows->x.first + i)};
    if (s == TT_OK) s = few_clusters(rows) ? measure_pairs(&w) : visit_all(&w);
    if (s == TT_OK) s = mean_of(&w, out, each);
    free(w.cells);
    free(w.tile);
    free(w.state);
    tt_points_free(&w.points);
    return s;
}
