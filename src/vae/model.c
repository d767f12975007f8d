#include "vae/model.h"

#include "nn/dense.h"
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

/* Columns that the one-hot class takes. */
static int64_t one_hot(const tt_vae_shape *shape)
{
    return shape->classes > 0 ? shape->classes + 1 : 0;
}

/* An encoder that reads images has no place for it beside them. */
static int64_t input_one_hot(const tt_vae_shape *shape)
{
    return shape->kind == TT_VAE_CONV ? 0 : one_hot(shape);
}

/* The encoder's net that reads the class. */
static const tt_net *told_net(const tt_branch *b)
{
    return b->told.n > 0 ? &b->told : &b->encoder;
}

static const tt_tensor *last_tensor(const tt_vae *vae)
{
    return &vae->params.tensor[vae->params.n - 1];
}

static tt_status add_conv_encoder(tt_vae *vae, tt_branch *b, const char *name)
{
    const tt_vae_shape *shape = &vae->shape;
    char told[TT_TENSOR_NAME / 2];
    TT_TRY(tt_vae_conv_encoder(shape, name, &vae->params, &b->encoder));
    b->logvar_bias = last_tensor(vae)->offset + shape->latent;
    if (shape->classes == 0) return TT_OK;
    snprintf(told, sizeof told, "%s.class", name);
    b->encoder_weight = vae->params.size;
    return add_layer(vae, &b->told, told, one_hot(shape), 2 * shape->latent, TT_LINEAR, latent_gain);
}

static tt_status add_encoder(tt_vae *vae, tt_branch *b, const char *name)
{
    const tt_vae_shape *shape = &vae->shape;
    int64_t width = b->cols + input_one_hot(shape);
    b->encoder_weight = vae->params.size; /* of the first layer, which comes next */
    if (shape->kind == TT_VAE_CONV) return add_conv_encoder(vae, b, name);
    for (int i = 0; i < shape->n_hidden; i++) {
        TT_TRY(add_layer(vae, &b->encoder, name, width, shape->hidden[i], TT_TANH, hidden_gain));
        width = shape->hidden[i];
    }
    bool plain = shape->kind == TT_VAE_AUTOENCODER;
    TT_TRY(add_layer(vae, &b->encoder, name, width, (plain ? 1 : 2) * shape->latent, TT_LINEAR, latent_gain));
    b->logvar_bias = plain ? -1 : last_tensor(vae)->offset + shape->latent;
    return TT_OK;
}

static tt_status add_decoder(tt_vae *vae, tt_branch *b, const char *name)
{
    const tt_vae_shape *shape = &vae->shape;
    int64_t width = shape->latent + one_hot(shape);
    b->decoder_weight = vae->params.size;
    if (shape->kind == TT_VAE_CONV) return tt_vae_conv_decoder(shape, width, name, &vae->params, &b->decoder);
    for (int i = shape->n_hidden - 1; i >= 0; i--) {
        TT_TRY(add_layer(vae, &b->decoder, name, width, shape->hidden[i], TT_TANH, hidden_gain));
        width = shape->hidden[i];
    }
    return add_layer(vae, &b->decoder, name, width, b->cols, TT_LINEAR, 1.0);
}

static tt_status add_variance(tt_vae *vae, tt_branch *b, const char *decoder)
{
    char name[TT_TENSOR_NAME];
    int index;
    b->logvar = -1;
    if (vae->shape.likelihood != TT_LEARNED) return TT_OK;
    snprintf(name, sizeof name, "%s.logvar", decoder);
    TT_TRY(tt_params_add(&vae->params, name, 1, (int64_t[]){1}, &index));
    b->logvar = vae->params.tensor[index].offset;
    return TT_OK;
}

static tt_status add_branch(tt_vae *vae, int64_t from, int64_t cols, const char *encoder, const char *decoder)
{
    tt_branch *b = &vae->branch[vae->n_branches++];
    b->from = from;
    b->cols = cols;
    TT_TRY(add_encoder(vae, b, encoder));
    TT_TRY(add_decoder(vae, b, decoder));
    return add_variance(vae, b, decoder);
}

static tt_status build(tt_vae *vae)
{
    const tt_vae_shape *s = &vae->shape;
    if (s->kind == TT_VAE_TWO_BRANCH) {
        TT_TRY(add_branch(vae, 0, s->audio, "audio.encoder", "audio.decoder"));
        TT_TRY(add_branch(vae, s->audio, s->input - s->audio, "lyrics.encoder", "lyrics.decoder"));
    } else
        TT_TRY(add_branch(vae, 0, s->input, "encoder", "decoder"));
    return s->components > 0 ? tt_mixture_new(&vae->params, s->latent, s->components, &vae->prior) : TT_OK;
}

tt_status tt_vae_new(const tt_vae_shape *shape, tt_vae *out)
{
    *out = (tt_vae){.shape = *shape, .input = shape->input, .latent = shape->latent};
    tt_status s = build(out);
    if (s != TT_OK) tt_vae_free(out);
    return s;
}

void tt_vae_free(tt_vae *vae)
{
    for (int i = 0; i < vae->n_branches; i++) {
        tt_net_free(&vae->branch[i].encoder);
        tt_net_free(&vae->branch[i].told);
        tt_net_free(&vae->branch[i].decoder);
    }
    tt_params_free(&vae->params);
    *vae = (tt_vae){0};
}

/* The unknown class adds nothing at first, and never does where no row has it. @param weight  [out, in] */
static void forget_unknown(int64_t in, int64_t out, float *weight)
{
    for (int64_t o = 0; o < out; o++) weight[o * in + in - 1] = 0;
}

void tt_vae_init(const tt_vae *vae, uint64_t seed, float *block)
{
    for (int i = 0; i < vae->n_branches; i++) {
        const tt_branch *b = &vae->branch[i];
        tt_net_init(&b->encoder, seed, block);
        tt_net_init(&b->told, seed, block);
        tt_net_init(&b->decoder, seed, block);
        if (vae->shape.classes == 0) continue;
        const tt_layer *told = told_net(b)->layer;
        forget_unknown(told->in, told->out, block + b->encoder_weight);
        forget_unknown(b->decoder.layer[0].in, b->decoder.layer[0].out, block + b->decoder_weight);
    }
}

int64_t tt_vae_lanes(const tt_vae *vae, int64_t lanes, int64_t lane_rows)
{
    for (int i = 0; i < vae->n_branches; i++)
        lanes = tt_net_lanes(&vae->branch[i].encoder, tt_net_lanes(&vae->branch[i].decoder, lanes, lane_rows),
                             lane_rows);
    return lanes;
}

static tt_status floats(int64_t rows, int64_t width, float **out)
{
    return tt_alloc(rows * width, sizeof **out, "activations", out);
}

static tt_status fill_branch(const tt_vae *vae, int i, bool train, tt_vae_work *w)
{
    const tt_branch *b = &vae->branch[i];
    tt_batch_shape shape = {
        .lanes = w->lanes, .rows = w->lane_rows, .precision = train ? vae->precision : TT_PRECISION_F32};
    int64_t extra = input_one_hot(&vae->shape);
    TT_TRY(tt_run_new(&b->encoder, &shape, train, &w->encoder[i]));
    if (b->told.n > 0) TT_TRY(tt_run_new(&b->told, &shape, train, &w->told));
    if (b->told.n > 0) TT_TRY(floats(w->rows, b->told.layer[0].in, &w->class));
    TT_TRY(tt_run_new(&b->decoder, &shape, train, &w->decoder[i]));
    if (vae->n_branches > 1 || extra > 0) TT_TRY(floats(w->rows, b->cols + extra, &w->in[i]));
    return train ? floats(w->rows, b->cols, &w->dy[i]) : TT_OK;
}

static tt_status fill_gradients(const tt_vae *vae, tt_vae_work *w)
{
    int64_t n = vae->latent;
    TT_TRY(floats(w->rows, n, &w->noise));
    TT_TRY(floats(w->rows, n, &w->dz));
    TT_TRY(floats(w->rows, 2 * n, &w->dlatent));
    TT_TRY(floats(w->rows, 2 * n, &w->dencoder));
    return floats(w->lanes, vae->n_branches + tt_mixture_floats(&vae->prior), &w->lane_sums);
}

static tt_status fill_work(const tt_vae *vae, bool train, tt_vae_work *w)
{
    int64_t n = vae->latent, extra = one_hot(&vae->shape);
    for (int i = 0; i < vae->n_branches; i++) TT_TRY(fill_branch(vae, i, train, w));
    TT_TRY(floats(w->rows, n, &w->z));
    if (extra > 0) TT_TRY(floats(w->rows, n + extra, &w->conditioned));
    if (vae->n_branches > 1 || w->told || vae->shape.kind == TT_VAE_AUTOENCODER)
        TT_TRY(floats(w->rows, 2 * n, &w->joined));
    if (vae->n_branches > 1) TT_TRY(tt_alloc(w->rows, 1, "activations", &w->known));
    if (!train && (vae->n_branches > 1 || vae->shape.likelihood == TT_BERNOULLI))
        TT_TRY(floats(w->rows, vae->input, &w->made));
    if (vae->prior.components > 0) TT_TRY(floats(1, tt_mixture_scratch(&vae->prior, w->rows), &w->scratch));
    return train ? fill_gradients(vae, w) : TT_OK;
}

tt_status tt_vae_work_new(const tt_vae *vae, int64_t lanes, int64_t lane_rows, bool train, tt_vae_work *out)
{
    *out = (tt_vae_work){.vae = vae, .lanes = lanes, .lane_rows = lane_rows, .rows = lanes * lane_rows};
    return fill_work(vae, train, out);
}

void tt_vae_work_free(tt_vae_work *work)
{
    for (int i = 0; i < TT_BRANCHES; i++) {
        tt_run_free(work->encoder[i]);
        tt_run_free(work->decoder[i]);
        free(work->in[i]);
        free(work->dy[i]);
    }
    tt_run_free(work->told);
    float *owned[] = {work->z,       work->noise,    work->joined,  work->conditioned, work->made, work->dz,
                      work->dlatent, work->dencoder, work->scratch, work->lane_sums,   work->class};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(work->known);
    *work = (tt_vae_work){0};
}

tt_status tt_vae_weights(tt_vae_work *work, const float *block)
{
    work->block = block;
    for (int i = 0; i < work->vae->n_branches; i++) {
        TT_TRY(tt_run_weights(work->encoder[i], block));
        if (work->told) TT_TRY(tt_run_weights(work->told, block));
        TT_TRY(tt_run_weights(work->decoder[i], block));
    }
    return TT_OK;
}
