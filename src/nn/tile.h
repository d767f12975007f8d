/* A tile of a matrix product in registers: 24 vectors of 16 floats, and 3 more of the right operand. Not
 * collective. */
#ifndef TUTTI_NN_TILE_H
#define TUTTI_NN_TILE_H

#include "nn/precision.h"

#include <stdint.h>

enum { TT_TILE_ROWS = 8, TT_TILE_COLS = 48 };

typedef struct tt_tile {
    float sum[TT_TILE_ROWS][TT_TILE_COLS] __attribute__((aligned(64)));
} tt_tile;

/** Rows of the left operand: element (r, k) is row[r][k * step], a float or two bfloat16 in its place. */
typedef struct tt_tile_left {
    const float *row[TT_TILE_ROWS];
    int64_t step;
} tt_tile_left;

/** out = a b over so many steps of the inner index, one step after the other.
 *  @param precision  bfloat16 only where tt_precision_possible() grants it
 *  @param b          [steps, TT_TILE_COLS] on a 64-byte boundary, floats or pairs of bfloat16 */
void tt_tile_multiply(tt_precision precision, int64_t steps, const tt_tile_left *a, const float *b,
                      tt_tile *out);

#endif
