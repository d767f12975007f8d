/* The convolution and the transposed convolution: y = activation(w * x + b), 3 x 3 taps, stride 2, one pixel
 * of zeros around. Not collective.
 *
 * Images lie channels last, [rows, height, width, channels]. The coarse image has half the fine one's height
 * and width, rounded up, so that the way back up has its exact size again and no image is padded or cropped.
 * Definitions and weights are PyTorch's Conv2d and ConvTranspose2d (whose output_padding is 1 where the fine
 * side is even). */
#ifndef TUTTI_NN_CONV_H
#define TUTTI_NN_CONV_H

#include "nn/dense.h"
#include "nn/dnnl_conv.h"

typedef struct tt_image {
    int64_t height, width, channels;
} tt_image;

typedef struct tt_conv {
    tt_image in, out;
    bool up;                  /**< transposed: from the coarse image to the fine one */
    tt_activation activation; /**< TT_LINEAR or TT_RELU */
    int64_t weight, bias;     /**< offsets in a parameter block: [coarse channels, fine channels, 3, 3] and
                                 [out.channels] */
} tt_conv;

/** Add "NAME.weight" and "NAME.bias" to the table, down to half the size.
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_conv_new(tt_params *params, const char *name, tt_image in, int64_t channels,
                      tt_activation activation, tt_conv *layer);

/** Likewise up to `out`, whose coarse height and width are those of `in`. */
tt_status tt_deconv_new(tt_params *params, const char *name, tt_image in, tt_image out,
                        tt_activation activation, tt_conv *layer);

/** Normal weights of variance gain / (products in one sum), biases 0; keyed as tt_dense_init() does. */
void tt_conv_init(const tt_conv *layer, uint64_t seed, double gain, float *block);

/** The layer at work on `rows` rows at one precision. Free with tt_conv_work_free(). */
typedef struct tt_conv_work {
    const tt_conv *layer; /**< not owned */
    int64_t rows;
    bool bf16;
    tt_dnnl_conv *conv;
    const float *weights, *bias;
    bool single; /**< up to one channel: a kernel of our own, which gives and takes float whatever `bf16` */
    float *scratch;     /**< of that kernel, owned */
    uint16_t *narrowed; /**< [rows, out] in bfloat16, what that kernel's gradient is turned into, owned */
} tt_conv_work;

tt_status tt_conv_work_new(const tt_conv *layer, int64_t rows, bool bf16, tt_conv_work *out);
void tt_conv_work_free(tt_conv_work *work);

/** Take this layer's weights from a parameter block, which has to stay. */
tt_status tt_conv_work_weights(tt_conv_work *work, const float *block);

/** @param x       [rows, in.height, in.width, in.channels] of the precision of the work
 *  @param[out] y  [rows, out.height, out.width, out.channels] likewise, float if `single` */
tt_status tt_conv_forward(const tt_conv_work *work, const void *x, void *y);

/** @param x, y           as they were in the forward pass
 *  @param[in,out] dy      gradient by y, of its precision; becomes the gradient before the activation
 *  @param[out] gradient   block; this layer's tensors are overwritten
 *  @param[out] dx         gradient by x, or NULL if nobody asks */
tt_status tt_conv_backward(const tt_conv_work *work, const void *x, const void *y, void *dy, float *gradient,
                           void *dx);

#endif
