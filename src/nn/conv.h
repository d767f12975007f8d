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

typedef struct tt_image {
    int64_t height, width, channels;
} tt_image;

/** Values of one row. */
int64_t tt_image_size(tt_image image);

/** The coarse image under a fine one. */
tt_image tt_image_coarse(tt_image fine, int64_t channels);

/** Append the layer "NAME" to a net, its tensors "NAME.weight" [coarse channels, fine channels, 3, 3] and
 *  "NAME.bias" [out channels] to the table: from `in` down to the coarse image under it. Initial weights are
 * normal of variance gain / (products in a sum), keyed as those of dense layers; biases 0.
 *  @param activation  TT_LINEAR or TT_RELU
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_conv_add(tt_params *params, tt_net *net, const char *name, tt_image in, int64_t channels,
                      tt_activation activation, double gain);

/** Likewise transposed, up to `out`, under which `in` is the coarse image. */
tt_status tt_deconv_add(tt_params *params, tt_net *net, const char *name, tt_image in, tt_image out,
                        tt_activation activation, double gain);

#endif
