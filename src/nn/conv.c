#include "nn/conv.h"

#include "nn/bfloat.h"
#include "nn/bias.h"
#include "nn/conv_single.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 9, PART_BYTES = 1 << 20 };

typedef struct conv {
    tt_image in, out;
    bool up; /* transposed: from the coarse image to the fine one */
    tt_activation activation;
    int64_t weight, bias; /* offsets in a parameter block */
} conv;

int64_t tt_image_size(tt_image image)
{
    return image.height * image.width * image.channels;
}

tt_image tt_image_coarse(tt_image fine, int64_t channels)
{
    return (tt_image){tt_conv_coarse(fine.height), tt_conv_coarse(fine.width), channels};
}

static int64_t coarse_channels(const conv *layer)
{
    return layer->up ? layer->in.channels : layer->out.channels;
}

static int64_t fine_channels(const conv *layer)
{
    return layer->up ? layer->out.channels : layer->in.channels;
}

static tt_status add_tensors(tt_params *params, const char *name, conv *layer)
{
    char full[TT_TENSOR_NAME + 8];
    int weight, bias;
    snprintf(full, sizeof full, "%s.weight", name);
    TT_TRY(tt_params_add(params, full, 4, (int64_t[]){coarse_channels(layer), fine_channels(layer), 3, 3},
                         &weight));
    snprintf(full, sizeof full, "%s.bias", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){layer->out.channels}, &bias));
    layer->weight = params->tensor[weight].offset;
    layer->bias = params->tensor[bias].offset;
    return TT_OK;
}

/* On the way up every fourth tap meets a pixel. */
static void init(const void *description, uint64_t seed, double gain, float *block)
{
    const conv *layer = description;
    tt_stream s = {seed, TT_FOR_WEIGHTS, (uint64_t)layer->weight};
    int64_t n = fine_channels(layer) * TAPS;
    double products = (double)(layer->in.channels * TAPS) / (layer->up ? 4 : 1);
    float scale = (float)sqrt(gain / products);
    for (int64_t o = 0; o < coarse_channels(layer); o++) {
        float *row = block + layer->weight + o * n;
        tt_random_normals(s, (uint64_t)o, n, row);
        for (int64_t i = 0; i < n; i++) row[i] *= scale;
    }
    memset(block + layer->bias, 0, (size_t)layer->out.channels * sizeof *block);
}

/* A layer in a run. Products take bfloat16 where the precision says so, whatever the neighbours speak:
 * `x_half` and `y_half` stand for what those have in float. The way up to one channel has a kernel of its
 * own, which writes float. */
typedef struct conv_state {
    conv layer;
    tt_conv_shape shape; /* of a part of a lane: rows that pass together */
    int64_t parts;       /* of a lane */
    bool bf16, half_in, half_out, single;
    tt_dnnl_conv *conv;
    const float *block;
    uint16_t *x_half; /* [lanes, parts, rows, in], where bf16 and not half_in */
    uint16_t *y_half; /* [rows, out] of one part, where bf16 and not half_out */
    float *scratch;   /* of the kernel for one channel */
    int64_t size;     /* floats in a gradient by the weights, as oneDNN lays it out */
    float *sum;       /* [levels, size + out.channels] gradients by weights and bias: subtrees of lanes */
    float *part;      /* [size] gradient by the weights of a part, where there are several */
} conv_state;

static void close_conv(void *state)
{
    conv_state *s = state;
    if (!s) return;
    tt_dnnl_conv_free(s->conv);
    free(s->x_half);
    free(s->y_half);
    free(s->scratch);
    free(s->sum);
    free(s->part);
    free(s);
}

/* Values of a part. */
static int64_t in_size(const conv_state *s)
{
    return s->shape.rows * tt_image_size(s->layer.in);
}

static int64_t out_size(const conv_state *s)
{
    return s->shape.rows * tt_image_size(s->layer.out);
}

static tt_status allocate(conv_state *s, int64_t lanes)
{
    int64_t levels = 1;
    while (INT64_C(1) << (levels - 1) < lanes) levels++;
    s->size = tt_dnnl_conv_gradient_size(s->conv);
    if (s->bf16 && !s->half_in)
        TT_TRY(tt_alloc(lanes * s->parts * in_size(s), sizeof *s->x_half, "a convolution", &s->x_half));
    if (s->bf16 && !s->half_out)
        TT_TRY(tt_alloc(out_size(s), sizeof *s->y_half, "a convolution", &s->y_half));
    if (s->single)
        TT_TRY(tt_alloc(tt_conv_single_scratch(&s->shape), sizeof(float), "a convolution", &s->scratch));
    if (s->parts > 1) TT_TRY(tt_alloc(s->size, sizeof(float), "a convolution", &s->part));
    return tt_alloc(levels * (s->size + s->layer.out.channels), sizeof(float), "a convolution", &s->sum);
}

/* Rows of a part: as many as keep both images in the second level of the cache, since three passes over them
 * follow on the way back, but enough to outweigh the gradient that each part adds. */
static int64_t choose_rows(const conv *layer, int64_t rows, bool bf16)
{
    int64_t row = (tt_image_size(layer->in) + tt_image_size(layer->out)) * (bf16 ? 2 : 4), part = rows;
    int64_t gradient = coarse_channels(layer) * fine_channels(layer) * TAPS * (int64_t)sizeof(float);
    for (int64_t n = 2; n <= rows; n++)
        if (rows % n == 0 && part * row > PART_BYTES && rows / n * row >= gradient) part = rows / n;
    return part;
}

static tt_status open_conv(const void *description, const tt_batch_shape *shape, void **state)
{
    const conv *layer = description;
    tt_image fine = layer->up ? layer->out : layer->in;
    tt_conv_end end = layer->activation == TT_RELU ? TT_CONV_BIAS_RELU : TT_CONV_BIAS;
    conv_state *s;
    bool bf16 = tt_precision_possible(shape->precision) == TT_PRECISION_BF16;
    int64_t rows = choose_rows(layer, shape->rows, bf16);
    TT_TRY(tt_alloc(1, sizeof *s, "a layer", state));
    s = *state;
    *s = (conv_state){.layer = *layer,
                      .shape = {rows, fine.height, fine.width, fine.channels, coarse_channels(layer)},
                      .parts = shape->rows / rows,
                      .bf16 = bf16,
                      .half_in = shape->half_in,
                      .half_out = shape->half_out,
                      .single = layer->up && fine.channels == 1 && !shape->half_out};
    TT_TRY(tt_dnnl_conv_new(&s->shape, s->bf16, layer->up ? TT_CONV_PLAIN : end, &s->conv));
    return allocate(s, shape->lanes);
}

static tt_status weights(void *state, const float *block)
{
    conv_state *s = state;
    s->block = block;
    return tt_dnnl_conv_weights(s->conv, block + s->layer.weight, s->layer.up ? NULL : block + s->layer.bias);
}

/* Values of part `part` of an array of `n` values a part. */
static void *at_part(const void *values, bool half, int64_t n, int64_t part)
{
    size_t bytes = (size_t)(part * n) * (half ? sizeof(uint16_t) : sizeof(float));
    return (void *)((uintptr_t)values + bytes);
}

static int64_t pixels(const conv_state *s)
{
    return s->shape.rows * s->layer.out.height * s->layer.out.width;
}

/* Both directions, in the precision of the products. */
static tt_status products(const conv_state *s, const void *x, void *y)
{
    const conv *l = &s->layer;
    bool relu = l->activation == TT_RELU;
    if (!l->up) return tt_dnnl_conv_down(s->conv, x, y);
    TT_TRY(tt_dnnl_conv_up(s->conv, x, y));
    if (s->bf16)
        tt_bias_add_bf16(pixels(s), l->out.channels, relu, s->block + l->bias, y);
    else
        tt_bias_add(pixels(s), l->out.channels, relu, s->block + l->bias, y);
    return TT_OK;
}

static void single(const conv_state *s, const void *x, float *y)
{
    const conv *l = &s->layer;
    tt_conv_single_up(&s->shape, s->block + l->weight, s->block[l->bias], s->bf16, x, s->scratch, y);
    for (int64_t i = 0; l->activation == TT_RELU && i < pixels(s); i++) y[i] = y[i] < 0 ? 0 : y[i];
}

/* What the products read of x. */
static const void *halved_x(const conv_state *s, const void *x)
{
    return s->x_half ? s->x_half : x;
}

static tt_status forward(void *state, int64_t lanes, const void *x, void *y)
{
    const conv_state *s = state;
    if (s->x_half) tt_bfloat_pack(lanes * s->parts * in_size(s), x, s->x_half);
    for (int64_t part = 0; part < lanes * s->parts; part++) {
        const void *from = at_part(halved_x(s, x), s->bf16, in_size(s), part);
        void *to = at_part(y, s->half_out, out_size(s), part);
        if (s->single) {
            single(s, from, to);
            continue;
        }
        TT_TRY(products(s, from, s->y_half ? s->y_half : to));
        if (s->y_half) tt_bfloat_unpack(out_size(s), s->y_half, to);
    }
    return TT_OK;
}

/* The gradient before the activation, as the products take it; its sum over the pixels is added. */
static const void *back_through_end(const conv_state *s, const void *y, void *dy, float *dbias)
{
    int64_t n = s->layer.out.channels;
    const void *cut = s->layer.activation == TT_RELU ? y : NULL;
    if (s->half_out) {
        tt_bias_back_bf16(pixels(s), n, cut, dy, dbias);
        return dy;
    }
    tt_bias_back(pixels(s), n, cut, dy, dbias);
    if (!s->y_half) return dy;
    tt_bfloat_pack(out_size(s), dy, s->y_half);
    return s->y_half;
}

static tt_status gradient_by_x(const conv_state *s, const void *dy, int64_t part, void *dx)
{
    void *to = at_part(s->x_half ? s->x_half : dx, s->bf16, in_size(s), part);
    TT_TRY(s->layer.up ? tt_dnnl_conv_down(s->conv, dy, to) : tt_dnnl_conv_up(s->conv, dy, to));
    if (s->x_half) tt_bfloat_unpack(in_size(s), to, at_part(dx, false, in_size(s), part));
    return TT_OK;
}

TT_KERNEL static void conv_add(int64_t n, const float *restrict from, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* Gradients of one part, of which the first of a lane overwrites `sum`; dx takes the place of x where that
 * had to be halved. */
static tt_status part_backward(const conv_state *s, int64_t part, const void *x, const void *y, void *dy,
                               float *sum, void *dx)
{
    float *own = part % s->parts > 0 ? s->part : sum;
    const void *from = at_part(halved_x(s, x), s->bf16, in_size(s), part);
    const void *d = back_through_end(s, at_part(y, s->half_out, out_size(s), part),
                                     at_part(dy, s->half_out, out_size(s), part), sum + s->size);
    TT_TRY(s->layer.up ? tt_dnnl_conv_gradient(s->conv, d, from, own)
                       : tt_dnnl_conv_gradient(s->conv, from, d, own));
    if (own != sum) conv_add(s->size, own, sum);
    return dx ? gradient_by_x(s, d, part, dx) : TT_OK;
}

/* Parts of a lane are added one after the other, lanes in pairs, and pairs of pairs. */
static tt_status backward(void *state, int64_t lanes, const void *x, const void *y, void *dy, float *gradient,
                          void *dx)
{
    const conv_state *s = state;
    int64_t n = 0, channels = s->layer.out.channels, size = s->size + channels;
    for (int64_t lane = 0; lane < lanes; lane++) {
        float *sum = s->sum + n++ * size;
        memset(sum + s->size, 0, (size_t)channels * sizeof *sum);
        for (int64_t i = 0; i < s->parts; i++)
            TT_TRY(part_backward(s, lane * s->parts + i, x, y, dy, sum, dx));
        for (int64_t whole = lane + 1; whole % 2 == 0; whole /= 2) {
            n--;
            conv_add(size, s->sum + n * size, s->sum + (n - 1) * size);
        }
    }
    memcpy(gradient + s->layer.bias, s->sum + s->size, (size_t)channels * sizeof *gradient);
    return tt_dnnl_conv_plain(s->conv, s->sum, gradient + s->layer.weight);
}

static const tt_layer_kind kind = {.half = true,
                                   .lanes = true,
                                   .init = init,
                                   .open = open_conv,
                                   .close = close_conv,
                                   .weights = weights,
                                   .forward = forward,
                                   .backward = backward};

static tt_status add(tt_params *params, tt_net *net, const char *name, conv layer, double gain)
{
    TT_TRY(add_tensors(params, name, &layer));
    return tt_net_add(net, &kind, tt_image_size(layer.in), tt_image_size(layer.out), gain, &layer,
                      sizeof layer);
}

tt_status tt_conv_add(tt_params *params, tt_net *net, const char *name, tt_image in, int64_t channels,
                      tt_activation activation, double gain)
{
    conv layer = {.in = in, .out = tt_image_coarse(in, channels), .activation = activation};
    return add(params, net, name, layer, gain);
}

tt_status tt_deconv_add(tt_params *params, tt_net *net, const char *name, tt_image in, tt_image out,
                        tt_activation activation, double gain)
{
    conv layer = {.in = in, .out = out, .up = true, .activation = activation};
    tt_image coarse = tt_image_coarse(out, in.channels);
    if (coarse.height != in.height || coarse.width != in.width)
        return tt_fail(
            TT_ERR_INTERNAL, "layer %s: no transposed convolution makes %lld x %lld of %lld x %lld", name,
            (long long)out.height, (long long)out.width, (long long)in.height, (long long)in.width);
    return add(params, net, name, layer, gain);
}
