/* A tile of a matrix product in registers: 8 rows of 3 vectors of 16 floats, or of 2 where that leaves fewer
 * columns over, and one row of vectors of the right operand. Not collective. */
#ifndef TUTTI_NN_TILE_H
#define TUTTI_NN_TILE_H

#include "nn/precision.h"

#include <stdbool.h>
#include <stdint.h>

enum { TT_TILE_ROWS = 8, TT_TILE_COLS = 48, TT_TILE_NARROW = 32, TT_TILE_SQUARE = 16 };

/** c = left * right over so many steps of the inner index, one after the other. A step is a float, or two
 *  bfloat16 in its place. */
typedef struct tt_tile {
    tt_precision precision; /**< bfloat16 only where tt_precision_possible() grants it */
    const float *row[TT_TILE_ROWS];
    int64_t step;         /**< element (r, k) on the left is row[r][k * step] */
    const float *right;   /**< [steps, width] on a 64-byte boundary */
    int64_t steps, width; /**< TT_TILE_COLS or TT_TILE_NARROW columns */
    float *c;             /**< [TT_TILE_ROWS, width] of rows `stride` floats apart */
    int64_t stride;
    bool more; /**< add to what c holds, once the sum is formed */
} tt_tile;

void tt_tile_multiply(const tt_tile *tile);

/** out[i] = the pair (x[2 i], x[2 i + 1]), rounded to bfloat16, of n floats; the last one of an odd n comes
 *  with a zero. As tt_tile_multiply(), only where bfloat16 is granted, like the next. */
void tt_tile_pair_along(int64_t n, const float *x, uint32_t *out);

/** out[i] = the pair (x[i], y[i]), i < n; a zero for y[i] where y is NULL. */
void tt_tile_pair_across(int64_t n, const float *x, const float *y, uint32_t *out);

/** Transpose TT_TILE_SQUARE x TT_TILE_SQUARE floats, or what is as long. Strides in floats. */
void tt_tile_transpose(const float *from, int64_t stride, float *to, int64_t to_stride);

#endif
