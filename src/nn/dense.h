/* The fully connected layer: y = activation(x w^T + b), forward and backward. Not collective. */
#ifndef TUTTI_NN_DENSE_H
#define TUTTI_NN_DENSE_H

#include "nn/net.h"

typedef enum tt_activation { TT_LINEAR, TT_RELU, TT_TANH } tt_activation;

typedef struct tt_dense {
    int64_t in, out;
    tt_activation activation;
    int64_t weight, bias; /**< offsets in a parameter block: [out, in] and [out] */
} tt_dense;

/** Append the layer "NAME" to a net, its tensors "NAME.weight" and "NAME.bias" to the table. Initial weights
 *  are normal of variance gain / in (He et al. 2015 derive 2 for a ReLU), biases 0; element (o, i) depends on
 *  (seed, the layer's place in the block, o, i) alone. @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_dense_add(tt_params *params, tt_net *net, const char *name, int64_t in, int64_t out,
                       tt_activation activation, double gain);

#endif
