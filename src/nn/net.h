/* A chain of layers over one table of parameters, and what it takes to run it.
 *
 * A net says what the layers are; a run holds their primitives and activations for batches of one shape, at
 * one precision. Rows are dealt in lanes: gradients are summed within a lane and then over lanes in a fixed
 * tree, so that the lanes, never the ranks that own them, shape the bits. Not collective. */
#ifndef TUTTI_NN_NET_H
#define TUTTI_NN_NET_H

#include "nn/params.h"
#include "nn/precision.h"

#include <stdbool.h>
#include <stddef.h>

/** How rows arrive: at most `lanes` lanes (a power of two) of `rows` rows each, one after the other. */
typedef struct tt_batch_shape {
    int64_t lanes, rows;
    tt_precision precision;
    bool half_in, half_out; /**< bfloat16 rather than float: what a layer reads (and gives back as dx), and
                               what it writes (and gets as dy) */
} tt_batch_shape;

/** What a kind of layer does. `layer` is its description, `state` what open() made of it for one run. */
typedef struct tt_layer_kind {
    bool half;  /**< can read and write bfloat16 */
    bool lanes; /**< sums gradients over several lanes by itself; otherwise it gets one at a time */
    /** Initial weights of variance gain / (products in a sum), keyed by seed. NULL without parameters. */
    void (*init)(const void *layer, uint64_t seed, double gain, float *block);
    tt_status (*open)(const void *layer, const tt_batch_shape *shape, void **state);
    void (*close)(void *state);
    /** Take the weights from a parameter block, which stays where it is until the next call. */
    tt_status (*weights)(void *state, const float *block);
    /** Over the first `lanes` of the shape's lanes. */
    tt_status (*forward)(void *state, int64_t lanes, const void *x, void *y);
    /** @param x, y          as they were in the forward pass
     *  @param[in,out] dy    gradient by y, may be overwritten
     *  @param[out] gradient block; this layer's tensors are overwritten
     *  @param[out] dx       gradient by x, or NULL if nobody asks */
    tt_status (*backward)(void *state, int64_t lanes, const void *x, const void *y, void *dy, float *gradient,
                          void *dx);
} tt_layer_kind;

typedef struct tt_layer {
    const tt_layer_kind *kind;
    int64_t in, out; /**< values of a row */
    double gain;     /**< of the initial weights */
    void *layer;     /**< owned description */
} tt_layer;

typedef struct tt_net {
    int n;
    tt_layer *layer; /**< [n] owned */
} tt_net;

/** Append a layer, whose description of `bytes` bytes is copied. @return TT_OK, TT_ERR_MEMORY, or
 *  TT_ERR_INTERNAL if it does not take what the last one gives */
tt_status tt_net_add(tt_net *net, const tt_layer_kind *kind, int64_t in, int64_t out, double gain,
                     const void *layer, size_t bytes);
void tt_net_free(tt_net *net);

/** Initial weights of all layers, keyed by seed. */
void tt_net_init(const tt_net *net, uint64_t seed, float *block);

/** How many of so many lanes of `rows` rows one run of this net takes: a power of two; one where a layer
 * cannot sum over lanes, or where more would have activations of over 64 MB. */
int64_t tt_net_lanes(const tt_net *net, int64_t lanes, int64_t rows);

typedef struct tt_run tt_run;

/** A run that trains holds the activations of all layers for all rows, and the two widest once more; another
 * one takes rows through the layers in runs of as many as 64 MB of activations are for (at least one), and
 * holds those and the output.
 *  @param shape  lanes, rows and precision; lanes at most tt_net_lanes()
 *  @param train  whether it will go backward
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL. Free with tt_run_free(). */
tt_status tt_run_new(const tt_net *net, const tt_batch_shape *shape, bool train, tt_run **out);
void tt_run_free(tt_run *run);

/** Take the weights; call after each change of them. */
tt_status tt_run_weights(tt_run *run, const float *block);

/** @param lanes   a power of two, at most those of the shape
 *  @param x       [lanes * rows, in]; has to stay until the way back
 *  @param[out] y  [lanes * rows, out] in the run */
tt_status tt_run_forward(tt_run *run, int64_t lanes, const float *x, const float **y);

/** After tt_run_forward() over as many lanes.
 *  @param[in,out] dy  [lanes * rows, out] gradient by y; overwritten
 *  @param gradient    block; the tensors of this net are overwritten
 *  @param[out] dx     gradient by x [lanes * rows, in] in the run, or NULL if nobody asks */
tt_status tt_run_backward(tt_run *run, int64_t lanes, float *dy, float *gradient, float **dx);

#endif
