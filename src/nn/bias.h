/* What follows a product, over [rows, n]: biases and the cut at zero (ReLU), and their way back. In float, or
 * in bfloat16 with the biases and their gradients in float. Not collective. */
#ifndef TUTTI_NN_BIAS_H
#define TUTTI_NN_BIAS_H

#include <stdbool.h>
#include <stdint.h>

/** y = y + bias, below zero cut to zero if `relu`; what is not a number stays so. */
void tt_bias_add(int64_t rows, int64_t n, bool relu, const float *bias, float *y);
void tt_bias_add_bf16(int64_t rows, int64_t n, bool relu, const float *bias, uint16_t *y);

/** The gradient before the activation, in the place of the one behind it, and its sum over the rows.
 *  @param y          what came of the forward pass if it was cut, NULL if not
 *  @param[in,out] dy
 *  @param[in,out] dbias  [n]: the sum is added */
void tt_bias_back(int64_t rows, int64_t n, const float *y, float *dy, float *dbias);
void tt_bias_back_bf16(int64_t rows, int64_t n, const uint16_t *y, uint16_t *dy, float *dbias);

#endif
