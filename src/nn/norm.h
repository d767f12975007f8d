/* Group normalisation of images that lie channels last: Wu, He (2018), as PyTorch's GroupNorm computes it.
 *
 * Every row is normalised by its own mean and variance, group of channels by group, so that no result depends
 * on which rows share a batch, a lane or a rank. One group is layer normalisation. Not collective. */
#ifndef TUTTI_NN_NORM_H
#define TUTTI_NN_NORM_H

#include "nn/dense.h"

typedef struct tt_norm_shape {
    int64_t pixels, channels;
    int64_t groups; /**< of channels / groups neighbouring channels; divides channels */
} tt_norm_shape;

/** Doubles of scratch that both passes want. */
int64_t tt_norm_scratch(const tt_norm_shape *shape);

/** y = gamma (x - mean) / sqrt(variance + 1e-5) + beta for one row.
 *  @param x, y          [pixels, channels], may be the same
 *  @param gamma, beta   [channels]
 *  @param[out] moments  [groups, 2]: mean and 1 / deviation, for the way back */
void tt_norm_forward(const tt_norm_shape *shape, const float *x, const float *gamma, const float *beta,
                     float *moments, double *scratch, float *y);

/** @param x, moments          as they were in the forward pass
 *  @param dy                  [pixels, channels] gradient by y
 *  @param[in,out] dgamma, dbeta  [channels]: this row's gradients are added
 *  @param[out] dx             [pixels, channels], may be dy */
void tt_norm_backward(const tt_norm_shape *shape, const float *x, const float *gamma, const float *moments,
                      const float *dy, double *scratch, float *dgamma, float *dbeta, float *dx);

/** Append the layer "NAME" to a net: the norm, then the activation (TT_LINEAR or TT_RELU). Its tensors are
 *  "NAME.weight" and "NAME.bias" [channels], gamma and beta, which start as 1 and 0.
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_norm_add(tt_params *params, tt_net *net, const char *name, const tt_norm_shape *shape,
                      tt_activation activation);

#endif
