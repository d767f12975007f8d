/* Rows forward through a model, and gradients back. */
#include "nn/loss.h"
#include "vae/model.h"

#include <math.h>
#include <string.h>

/* Write the one-hot class of a row behind its values; @return where they end. */
static float *put_class(const tt_vae_work *work, int64_t row, float *to)
{
    int64_t n = work->vae->shape.classes;
    if (n == 0) return to;
    int64_t class = work->condition ? work->condition[row] : -1;
    memset(to, 0, (size_t)(n + 1) * sizeof *to);
    to[class >= 0 && class < n ? class : n] = 1;
    return to + n + 1;
}

static bool any(int64_t n, const float *x)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != 0) return true;
    return false;
}

/* The columns of each branch, with the classes behind them. */
static void deal_columns(tt_vae_work *work, int64_t rows, const float *x)
{
    const tt_vae *vae = work->vae;
    for (int b = 0; b < vae->n_branches; b++) {
        float *to = work->in[b];
        const float *from = x + vae->branch[b].from;
        int64_t n = vae->branch[b].cols;
        for (int64_t r = 0; to && r < rows; r++) {
            memcpy(to, from + r * vae->input, (size_t)n * sizeof *to);
            to = put_class(work, r, to + n);
        }
    }
    for (int64_t r = 0; work->class && r < rows; r++)
        put_class(work, r, work->class + r * (vae->shape.classes + 1));
    for (int64_t r = 0; work->known && r < rows; r++)
        work->known[r] = any(vae->branch[1].cols, x + r * vae->input + vae->branch[1].from);
}

/* (mu, logvar) of an autoencoder, or the sum of what the branches say, or an image and its class; a branch
 * that knows nothing of a row says nothing. */
static void join(tt_vae_work *work, int64_t rows, const float *const *out)
{
    int64_t n = work->vae->latent, width = 2 * n;
    if (work->told) {
        for (int64_t i = 0; i < rows * width; i++) work->joined[i] = out[0][i] + out[1][i];
        return;
    }
    if (work->vae->n_branches == 1) {
        for (int64_t r = 0; r < rows; r++) {
            memcpy(work->joined + r * width, out[0] + r * n, (size_t)n * sizeof(float));
            memset(work->joined + r * width + n, 0, (size_t)n * sizeof(float));
        }
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            work->joined[i] = work->known[r] ? out[0][i] + out[1][i] : out[0][i];
}

static tt_status encode(tt_vae_work *work, int64_t lanes, const float *x)
{
    const float *out[TT_BRANCHES];
    int64_t rows = lanes * work->lane_rows;
    deal_columns(work, rows, x);
    for (int b = 0; b < work->vae->n_branches; b++)
        TT_TRY(tt_run_forward(work->encoder[b], lanes, work->in[b] ? work->in[b] : x, &out[b]));
    if (work->told) TT_TRY(tt_run_forward(work->told, lanes, work->class, &out[1]));
    if (work->joined) join(work, rows, out);
    work->latent = work->joined ? work->joined : out[0];
    return TT_OK;
}

static tt_status decode(tt_vae_work *work, int64_t lanes)
{
    int64_t n = work->vae->latent;
    float *to = work->conditioned;
    for (int64_t r = 0; to && r < lanes * work->lane_rows; r++) {
        memcpy(to, work->z + r * n, (size_t)n * sizeof *to);
        to = put_class(work, r, to + n);
    }
    const float *z = work->conditioned ? work->conditioned : work->z;
    for (int b = 0; b < work->vae->n_branches; b++)
        TT_TRY(tt_run_forward(work->decoder[b], lanes, z, &work->y[b]));
    return TT_OK;
}

tt_status tt_vae_encode(const float *x, tt_vae_work *work)
{
    return encode(work, work->lanes, x);
}

tt_status tt_vae_decode(tt_vae_work *work)
{
    const tt_vae *vae = work->vae;
    TT_TRY(decode(work, work->lanes));
    work->reconstruction = work->made ? work->made : work->y[0];
    for (int b = 0; work->made && b < vae->n_branches; b++)
        for (int64_t r = 0, n = vae->branch[b].cols; r < work->rows; r++)
            memcpy(work->made + r * vae->input + vae->branch[b].from, work->y[b] + r * n,
                   (size_t)n * sizeof(float));
    if (vae->shape.likelihood == TT_BERNOULLI) tt_loss_probabilities(work->rows * vae->input, work->made);
    return TT_OK;
}

/* ---- losses ---- */

/* Rows that count in a branch. */
static int64_t known_rows(const tt_target *t, int64_t used)
{
    int64_t n = 0;
    for (int64_t r = 0; r < used; r++) n += !t->known || t->known[r];
    return n;
}

/* Reconstruction of a branch by rows from `at` on, `used` of `rows`.
 * @param back     whether work->dy is wanted
 * @param dlogvar  gradient by the learned log-variance */
static double branch_loss(const tt_vae_work *work, int b, int64_t at, int64_t rows, int64_t used, bool back,
                          const float *x, double *square, float *dlogvar)
{
    const tt_branch *branch = &work->vae->branch[b];
    int64_t n = branch->cols;
    const float *y = work->y[b] + at * n;
    float *dy = back ? work->dy[b] + at * n : NULL;
    tt_target target = {n, x + at * work->vae->input + branch->from, work->vae->input,
                        b > 0 ? work->known + at : NULL};
    double s = branch->logvar >= 0 ? (double)work->block[branch->logvar] : 0;
    double half = 0.5 * exp(-s), logs = 0.5 * (double)n;
    *dlogvar = 0;
    switch (work->vae->shape.likelihood) {
    case TT_BERNOULLI:
        return tt_loss_bernoulli(&target, rows, used, y, dy, square);
    case TT_LEARNED:
        *square = tt_loss_square(&target, rows, used, half, y, dy);
        logs *= (double)known_rows(&target, used);
        *dlogvar = (float)(logs - half * *square);
        return half * *square + logs * s;
    default:
        *square = tt_loss_square(&target, rows, used, 1, y, dy);
        return *square;
    }
}

/* The loss of rows from `at` on, but for the KL. @param dlogvar  [branches] */
static tt_vae_loss reconstruction_loss(const tt_vae_work *work, int64_t at, int64_t rows, int64_t used,
                                       bool back, const float *x, float *dlogvar)
{
    tt_vae_loss loss = {0};
    for (int b = 0; b < work->vae->n_branches; b++) {
        double square;
        loss.reconstruction += branch_loss(work, b, at, rows, used, back, x, &square, &dlogvar[b]);
        loss.square += square;
    }
    return loss;
}

static bool is_plain(const tt_vae *vae, const tt_objective *o)
{
    return vae->shape.kind == TT_VAE_AUTOENCODER || (o && o->plain);
}

static double mixture_kl(tt_vae_work *work, int64_t at, int64_t used, double *by_dim)
{
    return tt_mixture_kl(&work->vae->prior, work->block, used, work->latent + at * 2 * work->vae->latent,
                         work->scratch, by_dim);
}

static void add_kl(tt_vae_work *work, int64_t at, int64_t used, double free_bits, double *by_dim,
                   tt_vae_loss *loss)
{
    int64_t n = work->vae->latent;
    if (work->vae->prior.components > 0)
        loss->penalty = loss->kl = mixture_kl(work, at, used, by_dim);
    else
        loss->kl = tt_loss_kl(used, n, free_bits, work->latent + at * 2 * n, &loss->penalty, by_dim);
}

tt_status tt_vae_evaluate(const tt_vae *vae, int64_t used, const float *x, tt_vae_work *work,
                          tt_vae_loss *loss)
{
    float dlogvar[TT_BRANCHES];
    TT_TRY(encode(work, work->lanes, x));
    tt_latent_sample(work->rows, vae->latent, work->latent, NULL, work->z);
    TT_TRY(tt_vae_decode(work));
    *loss = reconstruction_loss(work, 0, work->rows, used, false, x, dlogvar);
    if (!is_plain(vae, NULL)) add_kl(work, 0, used, 0, NULL, loss);
    return TT_OK;
}

void tt_vae_kl_by_dim(tt_vae_work *work, int64_t used, double *by_dim)
{
    tt_vae_loss loss;
    if (!is_plain(work->vae, NULL)) add_kl(work, 0, used, 0, by_dim, &loss);
}

const float *tt_vae_posterior(tt_vae_work *work, int64_t used)
{
    mixture_kl(work, 0, used, NULL);
    return work->scratch;
}

/* ---- a step ---- */

/* Of the first `used` rows, those in this lane. */
static int64_t used_in_lane(const tt_vae_work *work, int64_t used, int64_t lane)
{
    int64_t left = used - lane * work->lane_rows;
    return left < 0 ? 0 : left < work->lane_rows ? left : work->lane_rows;
}

/* Gradient by z from the decoders: that of the only one, or their sum without what goes to the classes. */
static tt_status decoders_back(tt_vae_work *work, int64_t lanes, float *gradient, const float **dz)
{
    const tt_vae *vae = work->vae;
    int64_t n = vae->latent, rows = lanes * work->lane_rows;
    for (int b = 0; b < vae->n_branches; b++) {
        float *dx;
        int64_t width = vae->branch[b].decoder.layer[0].in;
        TT_TRY(tt_run_backward(work->decoder[b], lanes, work->dy[b], gradient, &dx));
        *dz = dx;
        if (vae->n_branches == 1 && width == n) return TT_OK;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < n; i++)
                work->dz[r * n + i] = (b > 0 ? work->dz[r * n + i] : 0) + dx[r * width + i];
    }
    *dz = work->dz;
    return TT_OK;
}

/* What of dlatent goes to an encoder. */
static float *encoder_share(tt_vae_work *work, int b, int64_t rows)
{
    int64_t n = work->vae->latent, width = 2 * n;
    if (!work->joined || work->told) return work->dlatent;
    for (int64_t r = 0; r < rows; r++) {
        const float *from = work->dlatent + r * width;
        if (work->vae->n_branches == 1)
            memcpy(work->dencoder + r * n, from, (size_t)n * sizeof *from);
        else if (b == 0 || work->known[r])
            memcpy(work->dencoder + r * width, from, (size_t)width * sizeof *from);
        else
            memset(work->dencoder + r * width, 0, (size_t)width * sizeof *from);
    }
    return work->dencoder;
}

/* A net may overwrite the gradient that it gets: what is told of classes gets a copy. */
static tt_status encoders_back(tt_vae_work *work, int64_t lanes, float *gradient)
{
    int64_t rows = lanes * work->lane_rows;
    if (work->told) {
        memcpy(work->dencoder, work->dlatent, (size_t)(rows * 2 * work->vae->latent) * sizeof(float));
        TT_TRY(tt_run_backward(work->told, lanes, work->dencoder, gradient, NULL));
    }
    for (int b = 0; b < work->vae->n_branches; b++)
        TT_TRY(tt_run_backward(work->encoder[b], lanes, encoder_share(work, b, rows), gradient, NULL));
    return TT_OK;
}

/* Floats per lane of the gradients that no net forms: of the branches' variances, then of the prior. */
static int64_t own_width(const tt_vae *vae)
{
    return vae->n_branches + tt_mixture_floats(&vae->prior);
}

/* Losses of the lanes but for the KL, and work->dy. */
static void reconstruct_lanes(tt_vae_work *work, int64_t lanes, int64_t used, const float *x,
                              tt_vae_loss *loss)
{
    for (int64_t lane = 0; lane < lanes; lane++)
        loss[lane] =
            reconstruction_loss(work, lane * work->lane_rows, work->lane_rows, used_in_lane(work, used, lane),
                                true, x, work->lane_sums + lane * own_width(work->vae));
}

/* KL of the lanes, and the mixture's gradients. Nothing is paid while beta is 0, but the KL is told. */
static void regularise_lanes(tt_vae_work *work, const tt_objective *o, int64_t lanes, int64_t used,
                             tt_vae_loss *loss)
{
    const tt_vae *vae = work->vae;
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t n = used_in_lane(work, used, lane), at = lane * work->lane_rows;
        float *own = work->lane_sums + lane * own_width(vae) + vae->n_branches;
        if (is_plain(vae, o)) {
            memset(own, 0, (size_t)tt_mixture_floats(&vae->prior) * sizeof *own);
            continue;
        }
        add_kl(work, at, n, o->free_bits, NULL, &loss[lane]);
        if (vae->prior.components > 0)
            tt_mixture_backward(&vae->prior, work->block, n, o->beta, work->latent + at * 2 * vae->latent,
                                work->scratch, work->dlatent + at * 2 * vae->latent, own);
    }
}

/* Over lanes as the nets add theirs: pairs, pairs of pairs. */
static void add_lanes(const tt_vae_work *work, int64_t lanes, float *gradient)
{
    const tt_vae *vae = work->vae;
    int64_t width = own_width(vae);
    float *sum = work->lane_sums;
    for (int64_t apart = 1; apart < lanes; apart *= 2)
        for (int64_t lane = 0; lane < lanes; lane += 2 * apart)
            for (int64_t i = 0; i < width; i++) sum[lane * width + i] += sum[(lane + apart) * width + i];
    for (int b = 0; b < vae->n_branches; b++)
        if (vae->branch[b].logvar >= 0) gradient[vae->branch[b].logvar] = sum[b];
    if (vae->prior.components > 0) tt_mixture_put(&vae->prior, sum + vae->n_branches, gradient);
}

tt_status tt_vae_step(const tt_vae *vae, const tt_objective *o, int64_t lanes, int64_t used, const float *x,
                      tt_vae_work *work, float *gradient, tt_vae_loss *loss)
{
    int64_t rows = lanes * work->lane_rows;
    bool pays = !is_plain(vae, o) && vae->prior.components == 0;
    const float *noise = is_plain(vae, o) ? NULL : work->noise, *dz;
    TT_TRY(encode(work, lanes, x));
    tt_latent_sample(rows, vae->latent, work->latent, noise, work->z);
    TT_TRY(decode(work, lanes));
    reconstruct_lanes(work, lanes, used, x, loss);
    tt_params_clear_padding(&vae->params, gradient);
    TT_TRY(decoders_back(work, lanes, gradient, &dz));
    tt_latent_backward(rows, used, vae->latent, pays ? o->beta : 0, o->free_bits, work->latent, noise, dz,
                       work->dlatent);
    regularise_lanes(work, o, lanes, used, loss);
    add_lanes(work, lanes, gradient);
    return encoders_back(work, lanes, gradient);
}
