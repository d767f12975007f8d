/* The way up to a fine image of one channel: y = w * x + b as tt_dnnl_conv_up() computes it, which on so
 * narrow an image works for sixteen channels and keeps one. Not collective. */
#ifndef TUTTI_NN_CONV_SINGLE_H
#define TUTTI_NN_CONV_SINGLE_H

#include "nn/dnnl_conv.h"

/** Floats of scratch that a pass wants. */
int64_t tt_conv_single_scratch(const tt_conv_shape *shape);

/** @param weight  [coarse_channels, 1, 3, 3]
 *  @param x       [rows, coarse height, coarse width, coarse_channels], bfloat16 if `bf16`, else float
 *  @param[out] y  [rows, height, width] */
void tt_conv_single_up(const tt_conv_shape *shape, const float *weight, float bias, bool bf16, const void *x,
                       float *scratch, float *y);

#endif
