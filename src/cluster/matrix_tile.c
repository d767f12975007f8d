#include "cluster/matrix_tile.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = TT_BLOCK_ROWS };

/* Heights are to be within 1e-5: squares whose error could exceed twice that are measured again, but not
 * those above a quarter of both norms, where rounding errors of many columns average out. */
static const double square_error = 2e-5, again_below = 0.25;

typedef struct filler {
    const tt_matrix *x;
    tt_points points;
    tt_metric metric;
    float share;    /* of both norms below which a square is measured again */
    float *columns; /* [cols, BLOCK] */
    float *tile;    /* [BLOCK, BLOCK] */
    float *cell;
} filler;

TT_KERNEL static void mark_below(const float *restrict square, float share, float norm,
                                 const float *restrict norms, unsigned char *restrict mark)
{
    for (int64_t j = 0; j < BLOCK; j++) mark[j] = square[j] < share * (norm + norms[j]);
}

TT_KERNEL static void square_roots(int64_t n, float *x)
{
    for (int64_t j = 0; j < n; j++) x[j] = sqrtf(x[j]);
}

/* A block of rows on one side of a tile. */
typedef struct side {
    const float *rows, *rest, *norm; /* rest is NULL if there is none */
} side;

/* Of row i of a and row j of b, which differ by little: of doubles, where that is what they are. */
static double exact_square(const side *a, int64_t i, const side *b, int64_t j, int64_t cols)
{
    const float *u = a->rows + i * cols, *v = b->rows + j * cols;
    if (!a->rest) return tt_distance(u, v, cols);
    const float *s = a->rest + i * cols, *t = b->rest + j * cols;
    double sum = 0;
    for (int64_t c = 0; c < cols; c++) {
        double d = ((double)u[c] - (double)v[c]) + ((double)s[c] - (double)t[c]);
        sum += d * d;
    }
    return sum;
}

/* Measure again what is small in row i of a tile. */
static void measure_again(const filler *f, const side *a, int64_t i, const side *b)
{
    unsigned char mark[BLOCK];
    float *square = f->tile + i * BLOCK;
    mark_below(square, f->share, a->norm[i], b->norm, mark);
    for (int64_t from = 0; from < BLOCK; from += 8) {
        uint64_t any;
        memcpy(&any, mark + from, sizeof any);
        for (int64_t j = from; any && j < from + 8; j++)
            if (mark[j]) square[j] = (float)exact_square(a, i, b, j, f->x->cols);
    }
}

/* Distances from the squares of the tile of two blocks, of which the first comes first in the matrix. */
static void finish_tile(filler *f, const side *a, const side *b)
{
    for (int64_t i = 0; i < BLOCK; i++) measure_again(f, a, i, b);
    if (f->metric == TT_EUCLIDEAN) square_roots((int64_t)BLOCK * BLOCK, f->tile);
    for (int64_t i = 0; f->metric == TT_COSINE && i < (int64_t)BLOCK * BLOCK; i++) f->tile[i] *= 0.5f;
}

/* A block that comes after this rank's rows from `at`, or is the same: the tile as it is; of a block with
 * itself what is above the diagonal, twice. */
static void store_tile(const filler *f, int64_t at, const tt_block *block)
{
    int64_t n = tt_smaller(f->x->count - at, BLOCK), width = f->x->rows;
    bool same = block->first == f->x->first + at;
    for (int64_t i = 0; i < n; i++) {
        float *cell = f->cell + (at + i) * width + block->first;
        for (int64_t j = same ? i : 0; j < block->count; j++) cell[j] = f->tile[i * BLOCK + j];
        for (int64_t j = 0; same && j < i; j++) cell[j] = f->tile[j * BLOCK + i];
    }
}

/* A block that comes before: the tile lies across. */
static void store_across(const filler *f, int64_t at, const tt_block *block)
{
    enum { SIDE = 16 };
    int64_t n = tt_smaller(f->x->count - at, BLOCK), width = f->x->rows;
    for (int64_t from = 0; from < n; from += SIDE)
        for (int64_t j = 0; j < block->count; j++)
            for (int64_t i = from; i < tt_smaller(from + SIDE, n); i++)
                f->cell[(at + i) * width + block->first + j] = f->tile[j * BLOCK + i];
}

/* Every tile has the rows of the earlier block, on whichever rank it is formed: the same bits. */
static tt_status fill_block(filler *f, int64_t at, const tt_block *block)
{
    int64_t cols = f->x->cols;
    const float *rows = f->points.data + at * cols, *norm = f->points.norm + at, *rest = f->x->rest;
    const side mine = {rows, rest ? rest + at * cols : NULL, norm},
               other = {block->rows, rest ? block->extra : NULL, block->targets.norm};
    if (block->first >= f->x->first + at) {
        TT_TRY(tt_distance_tile(rows, norm, cols, &block->targets, f->tile));
        finish_tile(f, &mine, &other);
        store_tile(f, at, block);
        return TT_OK;
    }
    tt_targets own = {.n = BLOCK, .columns = f->columns, .norm = norm};
    tt_distance_transpose(rows, BLOCK, cols, f->columns);
    TT_TRY(tt_distance_tile(block->rows, block->targets.norm, cols, &own, f->tile));
    finish_tile(f, &other, &mine);
    store_across(f, at, block);
    return TT_OK;
}

/* All rows of this rank against the blocks of a chunk, or up to a signal: pages of a large matrix can take
 * long to come. */
static tt_status fill_chunk(filler *f, const tt_chunk *chunk)
{
    for (int64_t at = 0; at < f->x->count && !tt_stop_asked(); at += BLOCK)
        for (int64_t b = 0; b < chunk->n; b++) TT_TRY(fill_block(f, at, &chunk->block[b]));
    return TT_OK;
}

static tt_status fill(filler *f)
{
    const tt_matrix *x = f->x;
    tt_tour *tour;
    tt_chunk chunk;
    tt_progress progress;
    size_t extra = x->rest ? (size_t)x->cols * sizeof *x->rest : 0;
    TT_TRY(tt_tour_new(&f->points, x->rest, extra, &tour));
    tt_progress_start(&progress, "distances", "rows", x->rows, x->rows);
    tt_status s = TT_OK;
    while (s == TT_OK && tt_tour_next(tour, &chunk)) {
        int64_t rows = 0;
        for (int64_t b = 0; b < chunk.n; b++) rows += chunk.block[b].count;
        s = tt_agree(x->comm, fill_chunk(f, &chunk));
        if (s == TT_OK) s = tt_stop_agree(x->comm);
        tt_progress_add(&progress, rows);
    }
    tt_progress_end(&progress);
    tt_tour_free(tour);
    return s;
}

tt_status matrix_fill(const tt_matrix *x, tt_metric metric, float *cell)
{
    filler f = {.x = x, .metric = metric, .cell = cell};
    f.share = (float)fmin(tt_distance_slack(x->cols) / square_error, again_below);
    TT_TRY(tt_points_new(x, &f.points)); /* rows at length 1 already, under TT_COSINE */
    tt_status s = tt_alloc(BLOCK * x->cols, sizeof *f.columns, "transposed rows", &f.columns);
    if (s == TT_OK) s = tt_alloc((int64_t)BLOCK * BLOCK, sizeof *f.tile, "a tile", &f.tile);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = fill(&f);
    free(f.columns);
    free(f.tile);
    tt_points_free(&f.points);
    return s;
}
