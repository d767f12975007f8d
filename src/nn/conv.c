#include "nn/conv.h"

#include "nn/bfloat.h"
#include "nn/bias.h"
#include "nn/conv_single.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 9 };

static tt_status add_tensors(tt_params *params, const char *name, int64_t coarse, int64_t fine,
                             tt_conv *layer)
{
    char full[TT_TENSOR_NAME + 8];
    int weight, bias;
    snprintf(full, sizeof full, "%s.weight", name);
    TT_TRY(tt_params_add(params, full, 4, (int64_t[]){coarse, fine, 3, 3}, &weight));
    snprintf(full, sizeof full, "%s.bias", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){layer->out.channels}, &bias));
    layer->weight = params->tensor[weight].offset;
    layer->bias = params->tensor[bias].offset;
    return TT_OK;
}

tt_status tt_conv_new(tt_params *params, const char *name, tt_image in, int64_t channels,
                      tt_activation activation, tt_conv *layer)
{
    tt_image out = {tt_conv_coarse(in.height), tt_conv_coarse(in.width), channels};
    *layer = (tt_conv){.in = in, .out = out, .activation = activation};
    return add_tensors(params, name, channels, in.channels, layer);
}

tt_status tt_deconv_new(tt_params *params, const char *name, tt_image in, tt_image out,
                        tt_activation activation, tt_conv *layer)
{
    *layer = (tt_conv){.in = in, .out = out, .up = true, .activation = activation};
    if (tt_conv_coarse(out.height) != in.height || tt_conv_coarse(out.width) != in.width)
        return tt_fail(
            TT_ERR_INTERNAL, "layer %s: no transposed convolution makes %lld x %lld of %lld x %lld", name,
            (long long)out.height, (long long)out.width, (long long)in.height, (long long)in.width);
    return add_tensors(params, name, in.channels, out.channels, layer);
}

/* On the way up every fourth tap meets a pixel. */
void tt_conv_init(const tt_conv *layer, uint64_t seed, double gain, float *block)
{
    tt_stream s = {seed, TT_FOR_WEIGHTS, (uint64_t)layer->weight};
    int64_t coarse = layer->up ? layer->in.channels : layer->out.channels;
    int64_t fine = layer->up ? layer->out.channels : layer->in.channels;
    double products = (double)(layer->in.channels * TAPS) / (layer->up ? 4 : 1);
    float scale = (float)sqrt(gain / products);
    for (int64_t o = 0; o < coarse; o++) {
        float *row = block + layer->weight + o * fine * TAPS;
        tt_random_normals(s, (uint64_t)o, fine * TAPS, row);
        for (int64_t i = 0; i < fine * TAPS; i++) row[i] *= scale;
    }
    memset(block + layer->bias, 0, (size_t)layer->out.channels * sizeof *block);
}

static tt_conv_shape shape_of(const tt_conv *layer, int64_t rows)
{
    tt_image fine = layer->up ? layer->out : layer->in;
    return (tt_conv_shape){rows, fine.height, fine.width, fine.channels,
                           layer->up ? layer->in.channels : layer->out.channels};
}

static int64_t pixels(const tt_conv_work *work)
{
    return work->rows * work->layer->out.height * work->layer->out.width;
}

tt_status tt_conv_work_new(const tt_conv *layer, int64_t rows, bool bf16, tt_conv_work *out)
{
    tt_conv_shape shape = shape_of(layer, rows);
    tt_conv_end down = layer->activation == TT_RELU ? TT_CONV_BIAS_RELU : TT_CONV_BIAS;
    *out = (tt_conv_work){
        .layer = layer, .rows = rows, .bf16 = bf16, .single = layer->up && layer->out.channels == 1};
    if (out->single)
        TT_TRY(tt_alloc(tt_conv_single_scratch(&shape), sizeof(float), "a convolution", &out->scratch));
    if (out->single && bf16) TT_TRY(tt_alloc(pixels(out), sizeof(uint16_t), "a convolution", &out->narrowed));
    return tt_dnnl_conv_new(&shape, bf16, layer->up ? TT_CONV_PLAIN : down, &out->conv);
}

void tt_conv_work_free(tt_conv_work *work)
{
    tt_dnnl_conv_free(work->conv);
    free(work->scratch);
    free(work->narrowed);
    *work = (tt_conv_work){0};
}

tt_status tt_conv_work_weights(tt_conv_work *work, const float *block)
{
    const tt_conv *layer = work->layer;
    work->weights = block + layer->weight;
    work->bias = block + layer->bias;
    return tt_dnnl_conv_weights(work->conv, work->weights, layer->up ? NULL : work->bias);
}

static tt_status forward_up(const tt_conv_work *work, const void *x, void *y)
{
    int64_t n = work->layer->out.channels;
    bool relu = work->layer->activation == TT_RELU;
    TT_TRY(tt_dnnl_conv_up(work->conv, x, y));
    if (work->bf16)
        tt_bias_add_bf16(pixels(work), n, relu, work->bias, y);
    else
        tt_bias_add(pixels(work), n, relu, work->bias, y);
    return TT_OK;
}

static tt_status forward_single(const tt_conv_work *work, const void *x, float *y)
{
    const tt_conv_shape shape = shape_of(work->layer, work->rows);
    tt_conv_single_up(&shape, work->weights, work->bias[0], work->bf16, x, work->scratch, y);
    for (int64_t i = 0; work->layer->activation == TT_RELU && i < pixels(work); i++)
        y[i] = y[i] < 0 ? 0 : y[i];
    return TT_OK;
}

tt_status tt_conv_forward(const tt_conv_work *work, const void *x, void *y)
{
    if (work->single) return forward_single(work, x, y);
    return work->layer->up ? forward_up(work, x, y) : tt_dnnl_conv_down(work->conv, x, y);
}

/* The gradient before the activation, in the precision that products take it in. */
static const void *back_through_end(const tt_conv_work *work, const void *y, void *dy, float *dbias)
{
    int64_t n = work->layer->out.channels;
    const void *cut = work->layer->activation == TT_RELU ? y : NULL;
    memset(dbias, 0, (size_t)n * sizeof *dbias);
    if (work->bf16 && !work->single) {
        tt_bias_back_bf16(pixels(work), n, cut, dy, dbias);
        return dy;
    }
    tt_bias_back(pixels(work), n, cut, dy, dbias);
    if (!work->bf16) return dy;
    tt_bfloat_pack(pixels(work), dy, work->narrowed);
    return work->narrowed;
}

tt_status tt_conv_backward(const tt_conv_work *work, const void *x, const void *y, void *dy, float *gradient,
                           void *dx)
{
    const tt_conv *layer = work->layer;
    const void *d = back_through_end(work, y, dy, gradient + layer->bias);
    TT_TRY(tt_dnnl_conv_gradient(work->conv, layer->up ? d : x, layer->up ? x : d, gradient + layer->weight));
    if (!dx) return TT_OK;
    return layer->up ? tt_dnnl_conv_down(work->conv, d, dx) : tt_dnnl_conv_up(work->conv, d, dx);
}
