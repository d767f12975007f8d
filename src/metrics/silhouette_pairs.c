/* Sums of distances from each row to the rows of each cluster, every pair of rows measured once: a tile of
 * two blocks serves the rows of both. Every partial sum is rounded to one grid, so coarse that the sum over
 * all rows is exact in a double, hence free of order: the same bits on any number of ranks. */
#include "metrics/internal.h"

#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = TT_BLOCK_ROWS, LANES = 8 };

typedef struct pairs {
    const sorted_rows *rows;
    const tt_points *points;
    bool roots;     /* of the squares that tiles hold */
    double grid;    /* (x + grid) - grid is x on the grid */
    double *sums;   /* [count, clusters] of this rank's rows */
    double *theirs; /* [blocks of a chunk * BLOCK, clusters] of the rows of the chunk that is visited */
    int64_t theirs_size;
    double *column; /* [BLOCK] sums over rows of one cluster for the rows of the block that is visited */
    float *cells;   /* [BLOCK / TT_CELL, cols, TT_CELL] that block */
    float *tile;    /* [TT_CELL_ROWS, BLOCK] distances */
} pairs;

typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/* ---- a tile ---- */

/* Roots of a tile's four rows in place; their sums per column are added to `column`. */
TT_KERNEL static void take_roots(float *restrict a, float *restrict b, float *restrict c, float *restrict d,
                                 double *restrict column)
{
    for (int j = 0; j < BLOCK; j++) {
        a[j] = sqrtf(a[j]);
        b[j] = sqrtf(b[j]);
        c[j] = sqrtf(c[j]);
        d[j] = sqrtf(d[j]);
        column[j] += (double)((a[j] + b[j]) + (c[j] + d[j]));
    }
}

TT_KERNEL static void take_squares(const float *restrict a, const float *restrict b, const float *restrict c,
                                   const float *restrict d, double *restrict column)
{
    for (int j = 0; j < BLOCK; j++) column[j] += (double)((a[j] + b[j]) + (c[j] + d[j]));
}

/* Sum of x [n] over fixed lanes: the order is the same for every instruction set. */
TT_KERNEL static double sum_of_run(int64_t n, const float *x)
{
    doubles lane = {0};
    double sum = 0;
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        floats u, v;
        memcpy(&u, x + i, sizeof u);
        memcpy(&v, x + i + LANES, sizeof v);
        lane += __builtin_convertvector(u + v, doubles);
    }
    for (int l = 0; l < LANES; l++) sum += lane[l];
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

static double on_grid(const pairs *p, double x)
{
    return (x + p->grid) - p->grid;
}

/* Distances of `n` local rows from `at`, at most TT_CELL_ROWS of one cluster, to those of the block. */
static void measure(const pairs *p, int64_t at, int64_t n, const tt_block *block)
{
    int64_t cols = p->rows->x.cols;
    const float *row[TT_CELL_ROWS];
    for (int64_t r = 0; r < TT_CELL_ROWS; r++) row[r] = p->points->data + (at + (r < n ? r : 0)) * cols;
    for (int64_t j = 0; j < block->count; j += TT_CELL)
        tt_distance_cell(row, 1, p->cells + j * cols, cols, p->tile + j, BLOCK);
    memset(p->tile + n * BLOCK, 0, (size_t)((TT_CELL_ROWS - n) * BLOCK) * sizeof *p->tile);
    float *a = p->tile, *b = a + BLOCK, *c = b + BLOCK, *d = c + BLOCK;
    if (p->roots)
        take_roots(a, b, c, d, p->column);
    else
        take_squares(a, b, c, d, p->column);
}

/* What `n` local rows from `at` see of the block, cluster by cluster. */
static void add_rows(const pairs *p, int64_t at, int64_t n, const tt_block *block)
{
    const int64_t *start = p->rows->start, end = block->first + block->count;
    int64_t c = cluster_at(p->rows, block->first);
    for (int64_t from = block->first; from < end; from = start[++c]) {
        int64_t to = start[c + 1] < end ? start[c + 1] : end;
        for (int64_t r = 0; r < n; r++)
            p->sums[(at + r) * p->rows->clusters + c] +=
                on_grid(p, sum_of_run(to - from, p->tile + r * BLOCK + (from - block->first)));
    }
}

/* What the block's rows see of local rows of cluster c, into theirs [BLOCK, clusters]. */
static void add_columns(const pairs *p, int64_t c, const tt_block *block, double *theirs)
{
    for (int64_t j = 0; j < block->count; j++) theirs[j * p->rows->clusters + c] += on_grid(p, p->column[j]);
}

/* The block of local rows from `at` and the visited one; theirs is NULL where the two are the same. */
static void visit(const pairs *p, int64_t at, const tt_block *block, double *theirs)
{
    const tt_matrix *x = &p->rows->x;
    const int64_t *start = p->rows->start;
    int64_t end = x->count - at < BLOCK ? x->count : at + BLOCK, c = cluster_at(p->rows, x->first + at);
    for (int64_t from = at; from < end; c++) {
        int64_t to = start[c + 1] - x->first < end ? start[c + 1] - x->first : end;
        memset(p->column, 0, BLOCK * sizeof *p->column);
        for (; from < to; from += TT_CELL_ROWS) {
            int64_t n = to - from < TT_CELL_ROWS ? to - from : TT_CELL_ROWS;
            measure(p, from, n, block);
            add_rows(p, from, n, block);
        }
        if (theirs) add_columns(p, c, block, theirs);
        from = to;
    }
}

/* ---- all tiles ---- */

/* Of two blocks the rank of one measures both: which, alternates, so that every rank has half of its rows'.
 */
static bool is_mine(int64_t mine, int64_t other)
{
    return mine < other ? (mine + other) % 2 == 0 : (mine + other) % 2 == 1;
}

static void visit_block(const pairs *p, const tt_block *block, double *theirs)
{
    const tt_matrix *x = &p->rows->x;
    for (int64_t c = 0; c < BLOCK; c += TT_CELL)
        tt_distance_transpose(block->rows + c * x->cols, TT_CELL, x->cols, p->cells + c * x->cols);
    for (int64_t at = 0; at < x->count; at += BLOCK) {
        int64_t mine = (x->first + at) / BLOCK, other = block->first / BLOCK;
        if (mine == other)
            visit(p, at, block, NULL);
        else if (is_mine(mine, other))
            visit(p, at, block, theirs);
    }
}

/* All ranks' sums for the rows of the chunk go to their owner. Collective. */
static tt_status give_back(const pairs *p, const tt_chunk *chunk)
{
    const tt_matrix *x = &p->rows->x;
    const tt_block *last = &chunk->block[chunk->n - 1];
    int64_t first = chunk->block[0].first, n = (last->first + last->count - first) * p->rows->clusters;
    int owner = tt_owner(x->rows, BLOCK, x->comm->size, first), length;
    bool own = owner == x->comm->rank;
    TT_TRY(tt_int(n, "sums of rows", &length)); /* the same everywhere */
    MPI_Reduce(own ? MPI_IN_PLACE : p->theirs, p->theirs, length, MPI_DOUBLE, MPI_SUM, owner, x->comm->mpi);
    double *sums = own ? p->sums + (first - x->first) * p->rows->clusters : NULL;
    for (int64_t e = 0; own && e < n; e++) sums[e] += p->theirs[e];
    return TT_OK;
}

static tt_status visit_chunk(pairs *p, const tt_chunk *chunk)
{
    int64_t width = p->rows->clusters, size = chunk->n * BLOCK * width;
    if (size > p->theirs_size) { /* the same on every rank: the first chunk of a rank is its longest */
        free(p->theirs);
        p->theirs = NULL;
        p->theirs_size = size;
        TT_TRY(tt_agree(p->rows->x.comm, tt_alloc(size, sizeof *p->theirs, "the silhouette", &p->theirs)));
    }
    memset(p->theirs, 0, (size_t)size * sizeof *p->theirs);
    for (int64_t b = 0; b < chunk->n; b++) visit_block(p, &chunk->block[b], p->theirs + b * BLOCK * width);
    return give_back(p, chunk);
}

static tt_status visit_all(pairs *p)
{
    const tt_matrix *x = &p->rows->x;
    tt_tour *tour;
    tt_chunk chunk;
    tt_progress progress;
    TT_TRY(tt_tour_new(p->points, NULL, 0, &tour));
    tt_progress_start(&progress, "silhouette", "rows", x->rows, x->rows);
    tt_status s = TT_OK;
    while (s == TT_OK && tt_tour_next(tour, &chunk)) {
        s = visit_chunk(p, &chunk);
        if (s == TT_OK) s = tt_stop_agree(x->comm);
        for (int64_t b = 0; b < chunk.n; b++) tt_progress_add(&progress, chunk.block[b].count);
    }
    tt_progress_end(&progress);
    tt_tour_free(tour);
    return s;
}

/* The grid on which the sum of the distances to all rows is exact. No row is farther from another than twice
 * the longest, but for rounding. Collective. */
static void choose_grid(pairs *p)
{
    const tt_matrix *x = &p->rows->x;
    double longest = 0;
    int exponent;
    for (int64_t i = 0; i < x->count; i++) longest = fmax(longest, (double)p->points->norm[i]);
    MPI_Allreduce(MPI_IN_PLACE, &longest, 1, MPI_DOUBLE, MPI_MAX, x->comm->mpi);
    double farthest = (p->roots ? 2 * sqrt(longest) : 4 * longest) * 1.001;
    frexp(farthest * (double)x->rows, &exponent);
    p->grid = farthest > 0 ? ldexp(1.5, exponent) : 0;
}

tt_status silhouette_sums(const sorted_rows *rows, const tt_points *points, tt_metric metric, double *sums)
{
    pairs p = {.rows = rows, .points = points, .roots = metric == TT_EUCLIDEAN, .sums = sums};
    tt_status s = tt_alloc(TT_CELL_ROWS * BLOCK, sizeof *p.tile, "the silhouette", &p.tile);
    if (s == TT_OK) s = tt_alloc(BLOCK, sizeof *p.column, "the silhouette", &p.column);
    if (s == TT_OK) s = tt_alloc(BLOCK * rows->x.cols, sizeof *p.cells, "the silhouette", &p.cells);
    s = tt_agree(rows->x.comm, s);
    if (s == TT_OK) {
        choose_grid(&p);
        s = visit_all(&p);
    }
    free(p.theirs);
    free(p.cells);
    free(p.column);
    free(p.tile);
    return s;
}
