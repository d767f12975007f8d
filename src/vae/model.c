#include "vae/model.h"

#include "nn/dense.h"
#include "nn/loss.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* Gain of the layer that gives mu and logvar: small, so that the first rows are encoded near the prior
 * and the KL term of an untrained encoder does not swamp its gradient. */
static const double latent_gain = 0.1;

/* Of hidden layers: large enough for tanh to bend from the start. */
static const double hidden_gain = 2.0;

static tt_status add_layer(tt_vae *vae, tt_net *net, const char *part, int64_t in, int64_t out,
                           tt_activation activation, double gain)
{
    char name[TT_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%d", part, net->n);
    return tt_dense_add(&vae->params, net, name, in, out, activation, gain);
}

static tt_status add_layers(tt_vae *vae)
{
    int64_t width = vae->input;
    int n = vae->n_hidden;
    for (int i = 0; i < n; i++) {
        TT_TRY(add_layer(vae, &vae->encoder, "encoder", width, vae->hidden[i], TT_TANH, hidden_gain));
        width = vae->hidden[i];
    }
    TT_TRY(add_layer(vae, &vae->encoder, "encoder", width, 2 * vae->latent, TT_LINEAR, latent_gain));
    width = vae->latent;
    for (int i = n - 1; i >= 0; i--) {
        TT_TRY(add_layer(vae, &vae->decoder, "decoder", width, vae->hidden[i], TT_TANH, hidden_gain));
        width = vae->hidden[i];
    }
    return add_layer(vae, &vae->decoder, "decoder", width, vae->input, TT_LINEAR, 1.0);
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
    tt_net_free(&vae->encoder);
    tt_net_free(&vae->decoder);
    tt_params_free(&vae->params);
    *vae = (tt_vae){0};
}

void tt_vae_init(const tt_vae *vae, uint64_t seed, float *block)
{
    tt_net_init(&vae->encoder, seed, block);
    tt_net_init(&vae->decoder, seed, block);
}

int64_t tt_vae_lanes(const tt_vae *vae, int64_t lanes)
{
    return tt_net_lanes(&vae->encoder, tt_net_lanes(&vae->decoder, lanes));
}

static tt_status fill_work(const tt_vae *vae, bool train, tt_vae_work *w)
{
    tt_batch_shape shape = {.lanes = w->lanes, .rows = w->lane_rows};
    TT_TRY(tt_run_new(&vae->encoder, &shape, train, &w->encoder));
    TT_TRY(tt_run_new(&vae->decoder, &shape, train, &w->decoder));
    TT_TRY(tt_alloc(w->rows * vae->latent, sizeof(float), "latents", &w->z));
    if (!train) return TT_OK;
    TT_TRY(tt_alloc(w->rows * vae->latent, sizeof(float), "latents", &w->noise));
    TT_TRY(tt_alloc(w->rows * 2 * vae->latent, sizeof(float), "latents", &w->dlatent));
    return tt_alloc(w->rows * vae->input, sizeof(float), "reconstructions", &w->dy);
}

tt_status tt_vae_work_new(const tt_vae *vae, int64_t lanes, int64_t lane_rows, bool train, tt_vae_work *out)
{
    *out = (tt_vae_work){.lanes = lanes, .lane_rows = lane_rows, .rows = lanes * lane_rows};
    return fill_work(vae, train, out);
}

void tt_vae_work_free(tt_vae_work *work)
{
    tt_run_free(work->encoder);
    tt_run_free(work->decoder);
    free(work->z);
    free(work->noise);
    free(work->dlatent);
    free(work->dy);
    *work = (tt_vae_work){0};
}

tt_status tt_vae_weights(tt_vae_work *work, const float *block)
{
    TT_TRY(tt_run_weights(work->encoder, block));
    return tt_run_weights(work->decoder, block);
}

tt_status tt_vae_encode(const float *x, tt_vae_work *work)
{
    return tt_run_forward(work->encoder, work->lanes, x, &work->latent);
}

tt_status tt_vae_decode(tt_vae_work *work)
{
    return tt_run_forward(work->decoder, work->lanes, work->z, &work->reconstruction);
}

/* From x to its reconstruction through z = mu + noise deviation. */
static tt_status pass(const tt_vae *vae, int64_t lanes, const float *x, const float *noise, tt_vae_work *work)
{
    TT_TRY(tt_run_forward(work->encoder, lanes, x, &work->latent));
    tt_latent_sample(lanes * work->lane_rows, vae->latent, work->latent, noise, work->z);
    return tt_run_forward(work->decoder, lanes, work->z, &work->reconstruction);
}

tt_status tt_vae_evaluate(const tt_vae *vae, int64_t used, const float *x, tt_vae_work *work,
                          tt_vae_loss *loss)
{
    TT_TRY(pass(vae, work->lanes, x, NULL, work));
    *loss = (tt_vae_loss){tt_loss_square(work->rows, used, vae->input, x, work->reconstruction, NULL),
                          tt_loss_kl(used, vae->latent, work->latent)};
    return TT_OK;
}

/* Of the first `used` rows, those in this lane. */
static int64_t used_in_lane(const tt_vae_work *work, int64_t used, int64_t lane)
{
    int64_t left = used - lane * work->lane_rows;
    return left < 0 ? 0 : left < work->lane_rows ? left : work->lane_rows;
}

tt_status tt_vae_step(const tt_vae *vae, double beta, int64_t lanes, int64_t used, const float *x,
                      tt_vae_work *work, float *gradient, tt_vae_loss *loss)
{
    int64_t in = vae->input, n = vae->latent, rows = work->lane_rows;
    float *dz;
    TT_TRY(pass(vae, lanes, x, work->noise, work));
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t u = used_in_lane(work, used, lane), at = lane * rows;
        loss[lane] = (tt_vae_loss){
            tt_loss_square(rows, u, in, x + at * in, work->reconstruction + at * in, work->dy + at * in),
            tt_loss_kl(u, n, work->latent + at * 2 * n)};
    }
    tt_params_clear_padding(&vae->params, gradient);
    TT_TRY(tt_run_backward(work->decoder, lanes, work->dy, gradient, &dz));
    tt_latent_backward(lanes * rows, used, n, beta, work->latent, work->noise, dz, work->dlatent);
    return tt_run_backward(work->encoder, lanes, work->dlatent, gradient, NULL);
}
