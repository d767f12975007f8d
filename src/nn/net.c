#include "nn/net.h"

#include "nn/gemm.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status tt_net_add(tt_net *net, const tt_layer_kind *kind, int64_t in, int64_t out, double gain,
                     const void *layer, size_t bytes)
{
    if (net->n > 0 && net->layer[net->n - 1].out != in)
        return tt_fail(TT_ERR_INTERNAL, "a layer of %lld inputs follows one of %lld outputs", (long long)in,
                       (long long)net->layer[net->n - 1].out);
    TT_TRY(tt_grow(net->n, net->n + 1, sizeof *net->layer, "the layers of a net", &net->layer));
    tt_layer *l = &net->layer[net->n];
    *l = (tt_layer){.kind = kind, .in = in, .out = out, .gain = gain};
    TT_TRY(tt_alloc(1, bytes, "the layers of a net", &l->layer));
    memcpy(l->layer, layer, bytes);
    net->n++;
    return TT_OK;
}

void tt_net_free(tt_net *net)
{
    for (int i = 0; i < net->n; i++) free(net->layer[i].layer);
    free(net->layer);
    *net = (tt_net){0};
}

void tt_net_init(const tt_net *net, uint64_t seed, float *block)
{
    for (const tt_layer *l = net->layer; l < net->layer + net->n; l++)
        if (l->kind->init) l->kind->init(l->layer, seed, l->gain, block);
}

/* Activations that are held at once where there is a choice. */
static const int64_t bytes_held = INT64_C(64) << 20;

/* What one row takes between and behind the layers. */
static int64_t row_bytes(const tt_net *net)
{
    int64_t floats = 0;
    for (const tt_layer *l = net->layer; l < net->layer + net->n; l++) floats += l->out;
    return floats * (int64_t)sizeof(float);
}

int64_t tt_net_lanes(const tt_net *net, int64_t lanes, int64_t rows)
{
    int64_t whole = 1;
    for (const tt_layer *l = net->layer; l < net->layer + net->n; l++)
        if (!l->kind->lanes) return 1;
    while (2 * whole <= lanes && 2 * whole <= TT_GEMM_LANES_MAX &&
           2 * whole * rows * row_bytes(net) <= bytes_held)
        whole *= 2;
    return whole;
}

/* Values between layers: edge i is what layer i reads and layer i - 1 writes. */
typedef struct edge {
    int64_t width;
    bool half;
    void *value; /* [rows, width]; edge 0 is the caller's x */
} edge;

struct tt_run {
    const tt_net *net;
    int64_t lane_rows, rows; /* of a lane, and of all */
    int64_t chunk; /* rows that pass the layers together: all, or without a way back some of a lane */
    bool train;
    void **state;   /* [n] */
    edge *edge;     /* [n + 1] */
    void *delta[2]; /* [rows, widest]: gradients on their way back, NULL where it never goes */
};

static int64_t edge_bytes(const tt_run *run, int i)
{
    const edge *e = &run->edge[i];
    int64_t rows = i == run->net->n ? run->rows : run->chunk;
    return rows * e->width * (int64_t)(e->half ? sizeof(uint16_t) : sizeof(float));
}

/* Between two layers that can, rows travel in half precision; the ends are float. */
static void lay_edges(tt_run *run, tt_precision precision)
{
    const tt_net *net = run->net;
    for (int i = 0; i <= net->n; i++) {
        bool inside = i > 0 && i < net->n;
        run->edge[i].width = i == 0 ? net->layer[0].in : net->layer[i - 1].out;
        run->edge[i].half = inside && precision == TT_PRECISION_BF16 && net->layer[i - 1].kind->half &&
                            net->layer[i].kind->half;
    }
}

static tt_status open_layers(tt_run *run, const tt_batch_shape *shape)
{
    for (int i = 0; i < run->net->n; i++) {
        const tt_layer *l = &run->net->layer[i];
        tt_batch_shape s = *shape;
        if (!run->train) s.lanes = 1;
        if (!run->train) s.rows = run->chunk;
        s.half_in = run->edge[i].half;
        s.half_out = run->edge[i + 1].half;
        TT_TRY(l->kind->open(l->layer, &s, &run->state[i]));
    }
    return TT_OK;
}

static tt_status allocate(tt_run *run)
{
    int64_t widest = 0;
    for (int i = 0; i <= run->net->n; i++) {
        int64_t whole = run->rows * run->edge[i].width * (int64_t)sizeof(float);
        if (whole > widest) widest = whole;
        if (i > 0) TT_TRY(tt_alloc(edge_bytes(run, i), 1, "activations", &run->edge[i].value));
    }
    for (int i = 0; run->train && i < 2; i++)
        TT_TRY(tt_alloc(widest, 1, "gradients of activations", &run->delta[i]));
    return TT_OK;
}

/* The largest part of a lane that is even and small enough. */
static int64_t choose_chunk(const tt_run *run)
{
    int64_t rows = run->lane_rows;
    if (run->train) return run->rows;
    while (rows % 2 == 0 && rows * row_bytes(run->net) > bytes_held) rows /= 2;
    return rows;
}

static tt_status build(tt_run *run, const tt_batch_shape *shape)
{
    TT_TRY(tt_alloc(run->net->n, sizeof *run->state, "layers", &run->state));
    TT_TRY(tt_alloc(run->net->n + 1, sizeof *run->edge, "layers", &run->edge));
    lay_edges(run, shape->precision);
    run->chunk = choose_chunk(run);
    TT_TRY(allocate(run));
    return open_layers(run, shape);
}

tt_status tt_run_new(const tt_net *net, const tt_batch_shape *shape, bool train, tt_run **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "a net", out));
    **out =
        (tt_run){.net = net, .lane_rows = shape->rows, .rows = shape->lanes * shape->rows, .train = train};
    tt_status s = build(*out, shape);
    if (s == TT_OK) return TT_OK;
    tt_run_free(*out);
    *out = NULL;
    return s;
}

void tt_run_free(tt_run *run)
{
    if (!run) return;
    for (int i = 0; run->state && i < run->net->n; i++) run->net->layer[i].kind->close(run->state[i]);
    for (int i = 1; run->edge && i <= run->net->n; i++) free(run->edge[i].value);
    free(run->delta[0]);
    free(run->delta[1]);
    free(run->state);
    free(run->edge);
    free(run);
}

tt_status tt_run_weights(tt_run *run, const float *block)
{
    for (int i = 0; i < run->net->n; i++) TT_TRY(run->net->layer[i].kind->weights(run->state[i], block));
    return TT_OK;
}

/* Rows from x to y. */
static tt_status pass(tt_run *run, int64_t lanes, const float *x, float *y)
{
    int n = run->net->n;
    memcpy(&run->edge[0].value, &x, sizeof x); /* only ever read */
    for (int i = 0; i < n; i++)
        TT_TRY(run->net->layer[i].kind->forward(run->state[i], lanes, run->edge[i].value,
                                                i + 1 < n ? run->edge[i + 1].value : y));
    return TT_OK;
}

tt_status tt_run_forward(tt_run *run, int64_t lanes, const float *x, const float **y)
{
    const edge *in = &run->edge[0], *out = &run->edge[run->net->n];
    *y = out->value;
    if (run->train) return pass(run, lanes, x, out->value);
    for (int64_t r = 0; r < lanes * run->lane_rows; r += run->chunk)
        TT_TRY(pass(run, 1, x + r * in->width, (float *)out->value + r * out->width));
    return TT_OK;
}

tt_status tt_run_backward(tt_run *run, int64_t lanes, float *dy, float *gradient, float **dx)
{
    void *delta = dy;
    for (int i = run->net->n - 1; i >= 0; i--) {
        void *next = i > 0 || dx ? run->delta[i % 2] : NULL;
        TT_TRY(run->net->layer[i].kind->backward(run->state[i], lanes, run->edge[i].value,
                                                 run->edge[i + 1].value, delta, gradient, next));
        delta = next;
    }
    if (dx) *dx = delta;
    return TT_OK;
}
