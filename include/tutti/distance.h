/* Squared Euclidean, Euclidean and cosine distances in tiles: the kernel that clustering and scores share.
 * Tiles hold squared Euclidean distances; cosine ones are half of those between rows scaled to length 1.
 *
 * A tile is a block of TT_BLOCK_ROWS rows of this rank against a set of points, by one GEMM of a shape that
 * does not depend on the rank count, |a|^2 - 2 a.b + |b|^2 in float32 with a proven error bound; who must
 * decide between near values measures those again by tt_distance(). A tour shows every rank all rows of the
 * matrix, block by block in ascending order, so that sums over it have one order on any rank count. */
#ifndef TUTTI_DISTANCE_H
#define TUTTI_DISTANCE_H

#include "tutti/matrix.h"

typedef enum tt_metric { TT_SQEUCLIDEAN, TT_EUCLIDEAN, TT_COSINE } tt_metric;

/** "sqeuclidean", "euclidean" or "cosine". @return whether `text` is one of them */
bool tt_metric_parse(const char *text, tt_metric *out);
const char *tt_metric_name(tt_metric metric);

/** The distance that a squared Euclidean one (of tt_points_of() of that metric) stands for, and back. */
double tt_metric_value(tt_metric metric, double square);
double tt_metric_square(tt_metric metric, double value);

/** The rows of a matrix made ready for tiles. Where a column's mean is large beside its spread (more than
 * four deviations) the mean is taken off, rounded to float32, since the expansion above would cancel.
 * Free with tt_points_free(). */
typedef struct tt_points {
    const tt_matrix *x; /**< not owned; must outlive this */
    float *origin;      /**< [cols] what was taken off x->data; owned, the same on every rank */
    const float *data;  /**< [count, cols] rows, zeros up to a whole block; x->data itself if origin is 0 */
    float *norm;        /**< [count] squared lengths, zeros up to a whole block; owned */
    float *centred;     /**< owned rows behind `data`, NULL if data is x->data */
    double *mean;       /**< [cols] tt_matrix_moments() of x; owned */
    double *deviation;  /**< [cols] likewise, in the same allocation */
} tt_points;

/** Collective. @return TT_OK, TT_ERR_INPUT (a row so long that its square overflows float32) or
 * TT_ERR_MEMORY, the same on every rank */
tt_status tt_points_new(const tt_matrix *x, tt_points *out);

/** As tt_points_new() for distances of `metric`: under TT_COSINE rows are scaled to length 1 (of the values
 * that they stand for, shift added) and rounded to float32, and nothing is taken off. Collective.
 *  @return also TT_ERR_INPUT (a valid row of zeros has no direction, naming it) */
tt_status tt_points_of(const tt_matrix *x, tt_metric metric, tt_points *out);

void tt_points_free(tt_points *points);

/** Points on the other side of a tile, transposed for the GEMM. */
typedef struct tt_targets {
    int64_t n;            /**< columns of the tile */
    const float *columns; /**< [cols, n] */
    const float *norm;    /**< [n] squared lengths */
} tt_targets;

/** Transpose points [n, cols] into columns [cols, n]. Not collective. */
void tt_distance_transpose(const float *points, int64_t n, int64_t cols, float *columns);

/** Squared distances of TT_BLOCK_ROWS rows to n targets, not below 0. Not collective.
 *  @param[in]  rows, norm  [TT_BLOCK_ROWS, cols] and [TT_BLOCK_ROWS]
 *  @param[out] tile        [TT_BLOCK_ROWS, n]
 *  |tile - true| <= tt_distance_slack(cols) * (norm of the row + norm of the target) */
tt_status tt_distance_tile(const float *rows, const float *norm, int64_t cols, const tt_targets *targets,
                           float *tile);

/** The GEMM alone: tile = -2 a.b, to which who looks for the nearest target adds the targets' norms. */
tt_status tt_distance_products(const float *rows, int64_t cols, const tt_targets *targets, float *tile);

/** Bound on the error of a tile, relative to the sum of both norms. */
double tt_distance_slack(int64_t cols);

/** Squared distance of two points by their differences, in double: the same bits for (a, b) and (b, a).
 * What decides between pairs that a tile cannot tell apart. */
double tt_distance(const float *a, const float *b, int64_t cols);

enum { TT_CELL = 32, TT_CELL_ROWS = 4 };

/** Squared distances of TT_CELL_ROWS rows to the TT_CELL rows of a cell, as sums of squared differences in
 * float32: unlike those of a tile they err in proportion to themselves, by less than (cols + 3) 2^-24 but for
 * underflow, wherever the rows lie; and what looks at each once need not read a tile again. Not collective.
 *  @param[in]  row     value j of row r is row[r][j * stride]
 *  @param[in]  cell    [cols, TT_CELL], aligned to 64 bytes
 *  @param[out] square  [TT_CELL_ROWS, out_stride] of which TT_CELL are written, likewise; out_stride is a
 *                      multiple of 16 */
void tt_distance_cell(const float *const row[TT_CELL_ROWS], int64_t stride, const float *cell, int64_t cols,
                      float *square, int64_t out_stride);

/** One block of global rows, seen on a tour. */
typedef struct tt_block {
    int64_t first;              /**< global row; a multiple of TT_BLOCK_ROWS */
    int64_t count;              /**< rows that exist, at most TT_BLOCK_ROWS; the rest are zeros */
    const float *rows;          /**< [TT_BLOCK_ROWS, cols] */
    tt_targets targets;         /**< the same rows: n is TT_BLOCK_ROWS */
    const unsigned char *valid; /**< [TT_BLOCK_ROWS] */
    const void *extra;          /**< [TT_BLOCK_ROWS] what the caller sent along, zeros for missing rows */
} tt_block;

/** A run of blocks, as many as fit a megabyte or two: go through the rank's own rows once per chunk. */
typedef struct tt_chunk {
    int64_t n;
    const tt_block *block; /**< [n] */
} tt_chunk;

typedef struct tt_tour tt_tour;

/** Start a tour: each rank's rows are broadcast in turn, the next chunk while this one is worked on. Memory
 * per rank does not grow with n. Every rank calls tt_tour_next() until it gives false, or tt_tour_free() at
 * the same point everywhere. Collective.
 *  @param extra        [count] of this rank's rows, `extra_bytes` each, sent along (labels); NULL if 0 bytes
 *  @return TT_OK or TT_ERR_MEMORY, the same on every rank */
tt_status tt_tour_new(const tt_points *points, const void *extra, size_t extra_bytes, tt_tour **out);

/** The next chunk, valid until the next call; false at the end. Collective. */
bool tt_tour_next(tt_tour *tour, tt_chunk *chunk);

void tt_tour_free(tt_tour *tour);

#endif
