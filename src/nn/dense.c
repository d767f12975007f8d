#include "nn/dense.h"

#include "nn/gemm.h"
#include "tutti/random.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

tt_status tt_dense_new(tt_params *params, const char *name, int64_t in, int64_t out, tt_activation activation,
                       tt_dense *layer)
{
    char full[TT_TENSOR_NAME + 8];
    int weight, bias;
    *layer = (tt_dense){.in = in, .out = out, .activation = activation};
    TT_TRY(tt_gemm_check(1, in, out));
    snprintf(full, sizeof full, "%s.weight", name);
    TT_TRY(tt_params_add(params, full, 2, (int64_t[]){out, in}, &weight));
    snprintf(full, sizeof full, "%s.bias", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){out}, &bias));
    layer->weight = params->tensor[weight].offset;
    layer->bias = params->tensor[bias].offset;
    return TT_OK;
}

void tt_dense_init(const tt_dense *layer, uint64_t seed, double gain, float *block)
{
    tt_stream s = {seed, TT_FOR_WEIGHTS, (uint64_t)layer->weight};
    float scale = (float)sqrt(gain / (double)layer->in);
    for (int64_t o = 0; o < layer->out; o++) {
        float *row = block + layer->weight + o * layer->in;
        tt_random_normals(s, (uint64_t)o, layer->in, row);
        for (int64_t i = 0; i < layer->in; i++) row[i] *= scale;
    }
    memset(block + layer->bias, 0, (size_t)layer->out * sizeof *block);
}

TT_KERNEL static void add_bias(int64_t rows, int64_t n, const float *restrict b, float *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * n + i] += b[i];
}

/* The comparison keeps a NaN a NaN, so that the guard of the training loop sees it. */
TT_KERNEL static void add_bias_relu(int64_t rows, int64_t n, const float *restrict b, float *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float v = y[r * n + i] + b[i];
            y[r * n + i] = v < 0 ? 0 : v;
        }
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

TT_KERNEL static void sum_rows(int64_t rows, int64_t n, const float *restrict dy, float *restrict db)
{
    memset(db, 0, (size_t)n * sizeof *db);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) db[i] += dy[r * n + i];
}

TT_KERNEL static void relu_sum_rows(int64_t rows, int64_t n, const float *restrict y, float *restrict dy,
                                    float *restrict db)
{
    memset(db, 0, (size_t)n * sizeof *db);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float d = y[r * n + i] > 0 ? dy[r * n + i] : 0;
            dy[r * n + i] = d;
            db[i] += d;
        }
}

TT_KERNEL static void tanh_sum_rows(int64_t rows, int64_t n, const float *restrict y, float *restrict dy,
                                    float *restrict db)
{
    memset(db, 0, (size_t)n * sizeof *db);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float d = dy[r * n + i] * (1 - y[r * n + i] * y[r * n + i]);
            dy[r * n + i] = d;
            db[i] += d;
        }
}

void tt_dense_forward(const tt_dense *layer, const float *block, int64_t rows, const float *x, float *y)
{
    tt_gemm_forward(rows, layer->in, layer->out, x, block + layer->weight, y);
    if (layer->activation == TT_RELU)
        add_bias_relu(rows, layer->out, block + layer->bias, y);
    else if (layer->activation == TT_TANH)
        add_bias_tanh(rows, layer->out, block + layer->bias, y);
    else
        add_bias(rows, layer->out, block + layer->bias, y);
}

void tt_dense_backward(const tt_dense *layer, const float *block, int64_t rows, const float *x,
                       const float *y, float *dy, float *gradient, float *dx)
{
    float *db = gradient + layer->bias;
    if (layer->activation == TT_RELU)
        relu_sum_rows(rows, layer->out, y, dy, db);
    else if (layer->activation == TT_TANH)
        tanh_sum_rows(rows, layer->out, y, dy, db);
    else
        sum_rows(rows, layer->out, dy, db);
    tt_gemm_backward_weight(rows, layer->in, layer->out, dy, x, gradient + layer->weight);
    if (dx) tt_gemm_backward_input(rows, layer->in, layer->out, dy, block + layer->weight, dx);
}
