/* The fully connected layer: y = activation(x w^T + b), forward and backward. Not collective. */
#ifndef TUTTI_NN_DENSE_H
#define TUTTI_NN_DENSE_H

#include "nn/params.h"

typedef enum tt_activation { TT_LINEAR, TT_RELU, TT_TANH } tt_activation;

typedef struct tt_dense {
    int64_t in, out;
    tt_activation activation;
    int64_t weight, bias; /**< offsets in a parameter block: [out, in] and [out] */
} tt_dense;

/** Add "NAME.weight" and "NAME.bias" to the table. @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_dense_new(tt_params *params, const char *name, int64_t in, int64_t out, tt_activation activation,
                       tt_dense *layer);

/** Normal weights of variance gain / in (He et al. 2015 derive 2 for a ReLU), biases 0.
 *  Element (o, i) depends on (seed, the layer's place in the block, o, i) alone. */
void tt_dense_init(const tt_dense *layer, uint64_t seed, double gain, float *block);

/** @param x  [rows, in]
 *  @param[out] y  [rows, out] */
void tt_dense_forward(const tt_dense *layer, const float *block, int64_t rows, const float *x, float *y);

/** @param x, y           as they were in the forward pass
 *  @param[in,out] dy      [rows, out] gradient by y; becomes the gradient before the activation
 *  @param[out] gradient   block; this layer's tensors are overwritten
 *  @param[out] dx         [rows, in] gradient by x, or NULL if nobody asks */
void tt_dense_backward(const tt_dense *layer, const float *block, int64_t rows, const float *x,
                       const float *y, float *dy, float *gradient, float *dx);

#endif
