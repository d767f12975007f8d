#include "vae/model.h"

#include "nn/gemm.h"
#include "nn/loss.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* Gain of the layer that gives mu and logvar: small, so that the first rows are encoded near the prior
 * and the KL term of an untrained encoder does not swamp its gradient. */
static const double latent_gain = 0.1;

/* Of hidden layers: large enough for tanh to bend from the start. */
static const double hidden_gain = 2.0;

static tt_status add_layer(tt_vae *vae, const char *part, int place, int64_t in, int64_t out,
                           tt_activation activation)
{
    char name[TT_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%d", part, place);
    return tt_dense_new(&vae->params, name, in, out, activation, &vae->layer[vae->n_layers++]);
}

static tt_status add_layers(tt_vae *vae)
{
    int64_t width = vae->input;
    int n = vae->n_hidden;
    for (int i = 0; i < n; i++) {
        TT_TRY(add_layer(vae, "encoder", i, width, vae->hidden[i], TT_TANH));
        width = vae->hidden[i];
    }
    TT_TRY(add_layer(vae, "encoder", n, width, 2 * vae->latent, TT_LINEAR));
    width = vae->latent;
    for (int i = 0; i < n; i++) {
        TT_TRY(add_layer(vae, "decoder", i, width, vae->hidden[n - 1 - i], TT_TANH));
        width = vae->hidden[n - 1 - i];
    }
    return add_layer(vae, "decoder", n, width, vae->input, TT_LINEAR);
}

tt_status tt_vae_new(int64_t input, int64_t latent, int n_hidden, const int64_t *hidden, tt_vae *out)
{
    *out = (tt_vae){.input = input, .latent = latent, .n_hidden = n_hidden};
    for (int i = 0; i < n_hidden; i++) out->hidden[i] = hidden[i];
    tt_status s = add_layers(out);
    if (s != TT_OK) tt_vae_free(out);
    return s;
}

void tt_vae_free(tt_vae *vae)
{
    tt_params_free(&vae->params);
    *vae = (tt_vae){0};
}

void tt_vae_init(const tt_vae *vae, uint64_t seed, float *block)
{
    for (int i = 0; i < vae->n_layers; i++) {
        const tt_dense *layer = &vae->layer[i];
        double gain = i == vae->n_hidden ? latent_gain : layer->activation == TT_TANH ? hidden_gain : 1.0;
        tt_dense_init(layer, seed, gain, block);
    }
}

static int64_t widest(const tt_vae *vae)
{
    int64_t n = vae->input;
    for (int i = 0; i < vae->n_layers; i++)
        if (vae->layer[i].out > n) n = vae->layer[i].out;
    return n;
}

/* Hand out the next [rows, width] of the workspace, on a 64-byte boundary; memory NULL only counts. */
static float *carve(float *memory, int64_t *used, int64_t rows, int64_t width)
{
    int64_t at = *used;
    *used += (rows * width + 15) / 16 * 16;
    return memory ? memory + at : NULL;
}

static int64_t lay_out(const tt_vae *vae, tt_vae_work *w)
{
    int64_t used = 0;
    for (int i = 0; i < vae->n_layers; i++)
        w->output[i] = carve(w->memory, &used, w->rows, vae->layer[i].out);
    w->z = carve(w->memory, &used, w->rows, vae->latent);
    w->noise = carve(w->memory, &used, w->rows, vae->latent);
    for (int i = 0; i < 2; i++) w->delta[i] = carve(w->memory, &used, w->rows, widest(vae));
    return used;
}

tt_status tt_vae_work_new(const tt_vae *vae, int64_t rows, tt_vae_work *out)
{
    *out = (tt_vae_work){.rows = rows};
    for (int i = 0; i < vae->n_layers; i++) TT_TRY(tt_gemm_check(rows, vae->layer[i].in, vae->layer[i].out));
    TT_TRY(tt_alloc(lay_out(vae, out), sizeof(float), "activations", &out->memory));
    lay_out(vae, out);
    return TT_OK;
}

void tt_vae_work_free(tt_vae_work *work)
{
    free(work->memory);
    *work = (tt_vae_work){0};
}

/* Layers [begin, end) from `x`; the last one's output comes back. */
static const float *forward(const tt_vae *vae, const float *block, int begin, int end, const float *x,
                            tt_vae_work *work)
{
    for (int i = begin; i < end; i++) {
        tt_dense_forward(&vae->layer[i], block, work->rows, x, work->output[i]);
        x = work->output[i];
    }
    return x;
}

const float *tt_vae_encode(const tt_vae *vae, const float *block, const float *x, tt_vae_work *work)
{
    return forward(vae, block, 0, vae->n_hidden + 1, x, work);
}

const float *tt_vae_decode(const tt_vae *vae, const float *block, const float *z, tt_vae_work *work)
{
    return forward(vae, block, vae->n_hidden + 1, vae->n_layers, z, work);
}

tt_vae_loss tt_vae_evaluate(const tt_vae *vae, const float *block, int64_t used, const float *x,
                            tt_vae_work *work)
{
    const float *latent = tt_vae_encode(vae, block, x, work);
    tt_latent_sample(work->rows, vae->latent, latent, NULL, work->z);
    const float *y = tt_vae_decode(vae, block, work->z, work);
    return (tt_vae_loss){tt_loss_square(work->rows, used, vae->input, x, y, NULL),
                         tt_loss_kl(used, vae->latent, latent)};
}

/* Layers end - 1 down to begin; work->delta[*at] holds the gradient by the last one's output, and at the end
 * by x unless `x_is_data`. */
static void backward(const tt_vae *vae, const float *block, int begin, int end, const float *x,
                     bool x_is_data, tt_vae_work *work, int *at, float *gradient)
{
    for (int i = end - 1; i >= begin; i--) {
        const float *in = i > begin ? work->output[i - 1] : x;
        float *dx = i == begin && x_is_data ? NULL : work->delta[1 - *at];
        tt_dense_backward(&vae->layer[i], block, work->rows, in, work->output[i], work->delta[*at], gradient,
                          dx);
        *at = 1 - *at;
    }
}

tt_vae_loss tt_vae_step(const tt_vae *vae, const float *block, double beta, int64_t used, const float *x,
                        tt_vae_work *work, float *gradient)
{
    int middle = vae->n_hidden + 1, at = 0;
    const float *latent = tt_vae_encode(vae, block, x, work);
    tt_latent_sample(work->rows, vae->latent, latent, work->noise, work->z);
    const float *y = forward(vae, block, middle, vae->n_layers, work->z, work);
    tt_vae_loss loss = {tt_loss_square(work->rows, used, vae->input, x, y, work->delta[at]),
                        tt_loss_kl(used, vae->latent, latent)};
    tt_params_clear_padding(&vae->params, gradient);
    backward(vae, block, middle, vae->n_layers, work->z, false, work, &at, gradient);
    tt_latent_backward(work->rows, used, vae->latent, beta, latent, work->noise, work->delta[at],
                       work->delta[1 - at]);
    at = 1 - at;
    backward(vae, block, 0, middle, x, true, work, &at, gradient);
    return loss;
}
