/* The matrix products of the dense layers.
 *
 * Row-major, float, on one thread. An element of a result is one chain of fused products and sums in
 * the order of the inner index, in pieces of 256 steps: its bits do not depend on how many rows are asked for
 * at once. Sums over rows are formed lane by lane and added over lanes in a binary tree, in cache. Not
 * collective. */
#ifndef TUTTI_NN_GEMM_H
#define TUTTI_NN_GEMM_H

#include "nn/precision.h"

#include <stdint.h>

/** Most lanes that tt_gemm_backward_weight() adds at once: 4,096 rows of 64, whose activations are small
 * beside what is gained. */
enum { TT_GEMM_LANES_MAX = 64 };

/** Floats of scratch, on a 64-byte boundary, that the products of a layer want for so many rows in all. */
int64_t tt_gemm_room(int64_t rows, int64_t out);

/** y = x w^T: x [rows, in], w [out, in], y [rows, out]. */
void tt_gemm_forward(tt_precision precision, int64_t rows, int64_t in, int64_t out, const float *x,
                     const float *w, float *room, float *y);

/** dx = dy w: dy [rows, out], w [out, in], dx [rows, in]. */
void tt_gemm_backward_input(tt_precision precision, int64_t rows, int64_t in, int64_t out, const float *dy,
                            const float *w, float *room, float *dx);

/** dw = dy^T x: dy [lanes * lane_rows, out], x [lanes * lane_rows, in], dw [out, in].
 *  @param lanes  a power of two, at most TT_GEMM_LANES_MAX */
void tt_gemm_backward_weight(tt_precision precision, int64_t lanes, int64_t lane_rows, int64_t in,
                             int64_t out, const float *dy, const float *x, float *room, float *dw);

#endif
