/* Group normalisation as a layer of a net. */
#include "nn/bfloat.h"
#include "nn/norm.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct norm {
    tt_norm_shape shape;
    tt_activation activation;
    int64_t gamma, beta; /* offsets in a parameter block */
} norm;

/* A layer in a run. Rows in bfloat16 are worked on in float. */
typedef struct norm_state {
    norm layer;
    int64_t rows; /* of a lane */
    bool half_in, half_out;
    const float *block;
    float *moments;  /* [lanes * rows, groups, 2] */
    double *scratch; /* of the two passes */
    float *x, *y;    /* [pixels, channels] one row in float, where it is not */
    float *sum;      /* [levels, 2, channels] gradients by gamma and beta: subtrees of lanes */
} norm_state;

static int64_t row_size(const norm_state *s)
{
    return s->layer.shape.pixels * s->layer.shape.channels;
}

static void init(const void *description, uint64_t seed, double gain, float *block)
{
    const norm *layer = description;
    (void)seed;
    (void)gain;
    for (int64_t c = 0; c < layer->shape.channels; c++) {
        block[layer->gamma + c] = 1;
        block[layer->beta + c] = 0;
    }
}

static void close_norm(void *state)
{
    norm_state *s = state;
    if (!s) return;
    free(s->moments);
    free(s->scratch);
    free(s->x);
    free(s->y);
    free(s->sum);
    free(s);
}

static tt_status open_norm(const void *description, const tt_batch_shape *shape, void **state)
{
    const norm *layer = description;
    const tt_norm_shape *n = &layer->shape;
    norm_state *s;
    TT_TRY(tt_alloc(1, sizeof *s, "a layer", state));
    s = *state;
    *s = (norm_state){
        .layer = *layer, .rows = shape->rows, .half_in = shape->half_in, .half_out = shape->half_out};
    int64_t levels = 1;
    while (INT64_C(1) << (levels - 1) < shape->lanes) levels++;
    TT_TRY(tt_alloc(shape->lanes * shape->rows * n->groups * 2, sizeof(float), "a norm", &s->moments));
    TT_TRY(tt_alloc(tt_norm_scratch(n), sizeof(double), "a norm", &s->scratch));
    TT_TRY(tt_alloc(levels * 2 * n->channels, sizeof(float), "a norm", &s->sum));
    TT_TRY(tt_alloc(row_size(s), sizeof(float), "a norm", &s->x));
    return tt_alloc(row_size(s), sizeof(float), "a norm", &s->y);
}

static tt_status weights(void *state, const float *block)
{
    ((norm_state *)state)->block = block;
    return TT_OK;
}

/* Row r in float: where it lies, or in `room`. */
static const float *widened(const norm_state *s, bool half, const void *values, int64_t r, float *room)
{
    int64_t n = row_size(s);
    if (!half) return (const float *)values + r * n;
    tt_bfloat_unpack(n, (const uint16_t *)values + r * n, room);
    return room;
}

TT_KERNEL static void norm_cut(int64_t n, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
}

TT_KERNEL static void norm_cut_back(int64_t n, const float *restrict y, const float *restrict dy,
                                    float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = y[i] > 0 ? dy[i] : 0;
}

static tt_status forward(void *state, int64_t lanes, const void *x, void *y)
{
    const norm_state *s = state;
    const norm *l = &s->layer;
    int64_t n = row_size(s);
    for (int64_t r = 0; r < lanes * s->rows; r++) {
        float *out = s->half_out ? s->y : (float *)y + r * n;
        tt_norm_forward(&l->shape, widened(s, s->half_in, x, r, s->x), s->block + l->gamma,
                        s->block + l->beta, s->moments + r * l->shape.groups * 2, s->scratch, out);
        if (l->activation == TT_RELU) norm_cut(n, out);
        if (s->half_out) tt_bfloat_pack(n, out, (uint16_t *)y + r * n);
    }
    return TT_OK;
}

/* Row r of dy before the activation; widened or cut, it is in s->y. */
static const float *before_activation(const norm_state *s, const void *y, const void *dy, int64_t r)
{
    const float *d = widened(s, s->half_out, dy, r, s->y);
    if (s->layer.activation != TT_RELU) return d;
    norm_cut_back(row_size(s), widened(s, s->half_out, y, r, s->x), d, s->y);
    return s->y;
}

static void row_backward(const norm_state *s, int64_t r, const void *x, const void *y, const void *dy,
                         float *sum, void *dx)
{
    const norm *l = &s->layer;
    int64_t n = row_size(s);
    const float *d = before_activation(s, y, dy, r);
    float *to = dx && !s->half_in ? (float *)dx + r * n : s->y;
    tt_norm_backward(&l->shape, widened(s, s->half_in, x, r, s->x), s->block + l->gamma,
                     s->moments + r * l->shape.groups * 2, d, s->scratch, sum, sum + l->shape.channels, to);
    if (dx && s->half_in) tt_bfloat_pack(n, to, (uint16_t *)dx + r * n);
}

/* Lanes are added in pairs, and pairs of pairs. */
static tt_status backward(void *state, int64_t lanes, const void *x, const void *y, void *dy, float *gradient,
                          void *dx)
{
    const norm_state *s = state;
    int64_t n = 0, size = 2 * s->layer.shape.channels;
    for (int64_t lane = 0; lane < lanes; lane++) {
        float *sum = s->sum + n++ * size;
        memset(sum, 0, (size_t)size * sizeof *sum);
        for (int64_t r = lane * s->rows; r < (lane + 1) * s->rows; r++) row_backward(s, r, x, y, dy, sum, dx);
        for (int64_t whole = lane + 1; whole % 2 == 0; whole /= 2, n--)
            for (int64_t i = 0; i < size; i++) s->sum[(n - 2) * size + i] += s->sum[(n - 1) * size + i];
    }
    memcpy(gradient + s->layer.gamma, s->sum, (size_t)(size / 2) * sizeof *gradient);
    memcpy(gradient + s->layer.beta, s->sum + size / 2, (size_t)(size / 2) * sizeof *gradient);
    return TT_OK;
}

static const tt_layer_kind kind = {.half = true,
                                   .lanes = true,
                                   .init = init,
                                   .open = open_norm,
                                   .close = close_norm,
                                   .weights = weights,
                                   .forward = forward,
                                   .backward = backward};

tt_status tt_norm_add(tt_params *params, tt_net *net, const char *name, const tt_norm_shape *shape,
                      tt_activation activation)
{
    norm layer = {.shape = *shape, .activation = activation};
    char full[TT_TENSOR_NAME + 8];
    int gamma, beta;
    snprintf(full, sizeof full, "%s.weight", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){shape->channels}, &gamma));
    snprintf(full, sizeof full, "%s.bias", name);
    TT_TRY(tt_params_add(params, full, 1, (int64_t[]){shape->channels}, &beta));
    layer.gamma = params->tensor[gamma].offset;
    layer.beta = params->tensor[beta].offset;
    int64_t size = shape->pixels * shape->channels;
    return tt_net_add(net, &kind, size, size, 1, &layer, sizeof layer);
}
