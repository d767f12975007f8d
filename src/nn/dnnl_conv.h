/* The convolution of oneDNN: 3 x 3 taps, stride 2, one pixel of zeros around, between a fine image and a
 * coarse one of half its height and width (rounded up), in both directions, and the gradient by its weights.
 *
 * Images lie channels last, [rows, height, width, channels], on which oneDNN's kernels are as fast as on
 * blocked layouts and which no neighbour has to reorder. The direction up, which is the backward pass of the
 * direction down, is the forward pass of a transposed convolution: oneDNN's own deconvolution is that too,
 * but adds biases element by element and takes four to fourteen times as long. Not collective. */
#ifndef TUTTI_NN_DNNL_CONV_H
#define TUTTI_NN_DNNL_CONV_H

#include "tutti/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct tt_conv_shape {
    int64_t rows;
    int64_t height, width; /**< of the fine image */
    int64_t fine_channels, coarse_channels;
} tt_conv_shape;

/** Its height or width from that of the fine image. */
int64_t tt_conv_coarse(int64_t fine);

/** What down() does to its sums before it writes them. */
typedef enum tt_conv_end { TT_CONV_PLAIN, TT_CONV_BIAS, TT_CONV_BIAS_RELU } tt_conv_end;

typedef struct tt_dnnl_conv tt_dnnl_conv;

enum { TT_DNNL_VERSION = 32 };

/** The version of oneDNN that runs: "2.6.3". */
void tt_dnnl_version(char text[TT_DNNL_VERSION]);

/** @param shape  [rows, height, width, fine_channels] and [rows, coarse height, coarse width,
 * coarse_channels]
 *  @param bf16   images and weights in bfloat16, else in float
 *  @param end    of down(); up() and the gradient are plain
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL (what oneDNN refuses). Free with tt_dnnl_conv_free(). */
tt_status tt_dnnl_conv_new(const tt_conv_shape *shape, bool bf16, tt_conv_end end, tt_dnnl_conv **out);
void tt_dnnl_conv_free(tt_dnnl_conv *conv);

/** Take the weights.
 *  @param weight  [coarse_channels, fine_channels, 3, 3]
 *  @param bias    [coarse_channels] read by down(): it has to stay; NULL where none is added */
tt_status tt_dnnl_conv_weights(tt_dnnl_conv *conv, const float *weight, const float *bias);

tt_status tt_dnnl_conv_down(tt_dnnl_conv *conv, const void *fine, void *coarse);
tt_status tt_dnnl_conv_up(tt_dnnl_conv *conv, const void *coarse, void *fine);

/** The gradient by the weights, where one of the images is data and the other a gradient.
 *  @param[out] dweight  [tt_dnnl_conv_gradient_size()] in the layout that oneDNN likes, to be summed as it is
 */
tt_status tt_dnnl_conv_gradient(tt_dnnl_conv *conv, const void *fine, const void *coarse, float *dweight);
int64_t tt_dnnl_conv_gradient_size(const tt_dnnl_conv *conv);

/** The same gradient as the weights lie. @param[out] plain  [coarse_channels, fine_channels, 3, 3] */
tt_status tt_dnnl_conv_plain(tt_dnnl_conv *conv, const float *dweight, float *plain);

#endif
