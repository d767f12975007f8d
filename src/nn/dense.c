#include "nn/dense.h"

#include "nn/bias.h"
#include "nn/gemm.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_status add_tensors(tt_params *params, const char *name, tt_dense *layer)
{
    char full[TT_TENSOR_NAME + 8];
    int weight, bias;
    snprintf(full, sizeof full, "%s.weight", name);
    TT_TRY(tt_params_add(params, full, 2, (int64_t[]){layer->out, layer->in}, &weight));
    snprintf(full, sizeof full, "%s.bias", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){layer->out}, &bias));
    layer->weight = params->tensor[weight].offset;
    layer->bias = params->tensor[bias].offset;
    return TT_OK;
}

static void init(const void *description, uint64_t seed, double gain, float *block)
{
    const tt_dense *layer = description;
    tt_stream s = {seed, TT_FOR_WEIGHTS, (uint64_t)layer->weight};
    float scale = (float)sqrt(gain / (double)layer->in);
    for (int64_t o = 0; o < layer->out; o++) {
        float *row = block + layer->weight + o * layer->in;
        tt_random_normals(s, (uint64_t)o, layer->in, row);
        for (int64_t i = 0; i < layer->in; i++) row[i] *= scale;
    }
    memset(block + layer->bias, 0, (size_t)layer->out * sizeof *block);
}

/* tanh in plain arithmetic, which every vector width computes to the same few 1e-7: 1 - 2 / (exp(2 v) + 1),
 * with exp as a power of two (the exponent's bits) times the Taylor polynomial of 2^f over |f| <= 1/2. Beyond
 * 9 it is 1 in float32. A NaN stays one. */
__attribute__((always_inline)) static inline float hyperbolic_tangent(float v)
{
    const float round = 12582912.0F; /* 1.5 x 2^23: adding it rounds to a whole number, in the low bits */
    v = v < -9 ? -9 : v;
    v = v > 9 ? 9 : v;
    float t = v * 2.88539008F, shifted = t + round, f = (t - (shifted - round)) * 0.693147181F;
    float p = 1 + f * (1 + f * (0.5F + f * (1.0F / 6 + f * (1.0F / 24 + f * (1.0F / 120 + f / 720)))));
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000U;
    float power;
    memcpy(&power, &bits, sizeof power);
    return 1 - 2 / (p * power + 1);
}

TT_KERNEL static void add_bias_tanh(int64_t rows, int64_t n, const float *restrict b, float *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * n + i] = hyperbolic_tangent(y[r * n + i] + b[i]);
}

TT_KERNEL static void tanh_sum_rows(int64_t rows, int64_t n, const float *restrict y, float *restrict dy,
                                    float *restrict db)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float d = dy[r * n + i] * (1 - y[r * n + i] * y[r * n + i]);
            dy[r * n + i] = d;
            db[i] += d;
        }
}

/* A layer in a run. */
typedef struct dense_state {
    tt_dense layer;
    int64_t rows; /* of a lane */
    const float *block;
    tt_precision precision;
    float *room; /* [tt_gemm_room()] of the products */
    float *sum;  /* [levels, out] of the gradient by the bias: subtrees of lanes */
} dense_state;

static void close_dense(void *state)
{
    dense_state *s = state;
    if (!s) return;
    free(s->room);
    free(s->sum);
    free(s);
}

static tt_status open_dense(const void *layer, const tt_batch_shape *shape, void **state)
{
    dense_state *s;
    TT_TRY(tt_alloc(1, sizeof *s, "a layer", state));
    s = *state;
    s->layer = *(const tt_dense *)layer;
    s->rows = shape->rows;
    s->precision = shape->precision;
    int64_t levels = 1;
    while (INT64_C(1) << (levels - 1) < shape->lanes) levels++;
    TT_TRY(tt_alloc(levels * s->layer.out, sizeof(float), "a layer", &s->sum));
    return tt_alloc(tt_gemm_room(shape->lanes * s->rows, s->layer.out), sizeof(float), "a layer", &s->room);
}

static tt_status weights(void *state, const float *block)
{
    ((dense_state *)state)->block = block;
    return TT_OK;
}

static tt_status forward(void *state, int64_t lanes, const void *x, void *y)
{
    const dense_state *s = state;
    const tt_dense *l = &s->layer;
    const float *bias = s->block + l->bias;
    int64_t rows = lanes * s->rows;
    tt_gemm_forward(s->precision, rows, l->in, l->out, x, s->block + l->weight, s->room, y);
    if (l->activation == TT_TANH)
        add_bias_tanh(rows, l->out, bias, y);
    else
        tt_bias_add(rows, l->out, l->activation == TT_RELU, bias, y);
    return TT_OK;
}

/* The gradient before the activation, and its sum over the rows of one lane. */
static void close_lane(const tt_dense *l, int64_t rows, const float *y, float *dy, float *db)
{
    memset(db, 0, (size_t)l->out * sizeof *db);
    if (l->activation == TT_TANH)
        tanh_sum_rows(rows, l->out, y, dy, db);
    else
        tt_bias_back(rows, l->out, l->activation == TT_RELU ? y : NULL, dy, db);
}

/* As tt_gemm_backward_weight() adds over lanes. */
static void bias_gradient(const dense_state *s, int64_t lanes, const float *y, float *dy, float *db)
{
    const tt_dense *l = &s->layer;
    int64_t n = 0, size = s->rows * l->out;
    for (int64_t lane = 0; lane < lanes; lane++) {
        close_lane(l, s->rows, y + lane * size, dy + lane * size, s->sum + n++ * l->out);
        for (int64_t whole = lane + 1; whole % 2 == 0; whole /= 2) {
            n--;
            tt_bias_add(1, l->out, false, s->sum + n * l->out, s->sum + (n - 1) * l->out);
        }
    }
    memcpy(db, s->sum, (size_t)l->out * sizeof *db);
}

static tt_status backward(void *state, int64_t lanes, const void *x, const void *y, void *dy, float *gradient,
                          void *dx)
{
    const dense_state *s = state;
    const tt_dense *l = &s->layer;
    int64_t rows = lanes * s->rows;
    bias_gradient(s, lanes, y, dy, gradient + l->bias);
    tt_gemm_backward_weight(s->precision, lanes, s->rows, l->in, l->out, dy, x, s->room,
                            gradient + l->weight);
    if (dx) tt_gemm_backward_input(s->precision, rows, l->in, l->out, dy, s->block + l->weight, s->room, dx);
    return TT_OK;
}

static const tt_layer_kind dense = {.lanes = true,
                                    .init = init,
                                    .open = open_dense,
                                    .close = close_dense,
                                    .weights = weights,
                                    .forward = forward,
                                    .backward = backward};

tt_status tt_dense_add(tt_params *params, tt_net *net, const char *name, int64_t in, int64_t out,
                       tt_activation activation, double gain)
{
    tt_dense layer = {.in = in, .out = out, .activation = activation};
    TT_TRY(add_tensors(params, name, &layer));
    return tt_net_add(net, &dense, in, out, gain, &layer, sizeof layer);
}
