/* What is minimised in an epoch: the weight of the KL term, and the phases of a mixture prior. */
#include "tutti/log.h"
#include "tutti/memory.h"
#include "vae/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Share of a cycle over which beta rises (Fu et al. 2019). */
static const double rising_share = 0.5;

/* Variance of the encoder's noise when the mixture starts, as a share of the components' variance. */
static const double noise_share = 0.1;

int64_t tt_training_pretrain(const tt_training *t)
{
    return t->vae.prior.components > 0 ? t->settings->pretrain_epochs : 0;
}

static bool is_cyclic(const tt_train_params *p)
{
    return strcmp(p->kl_schedule, "cyclic") == 0;
}

/* Epochs of a cycle. */
static double cycle_of(const tt_training *t)
{
    return (double)(t->settings->epochs - tt_training_pretrain(t)) / t->settings->kl_cycles;
}

int64_t tt_training_risen(const tt_training *t)
{
    double rise = is_cyclic(t->settings) ? rising_share * cycle_of(t) : t->settings->kl_warmup_epochs;
    return tt_training_pretrain(t) + (int64_t)ceil(rise);
}

double tt_training_beta(const tt_training *t)
{
    const tt_train_params *p = t->settings;
    double at = (double)(t->epoch - tt_training_pretrain(t)) + (double)t->step / (double)t->feed.steps;
    double rise = p->kl_warmup_epochs;
    if (at < 0) return 0;
    if (is_cyclic(p)) {
        at = fmod(at, cycle_of(t));
        rise = rising_share * cycle_of(t);
    }
    return p->beta * (at < rise ? at / rise : 1.0);
}

tt_objective tt_training_objective(const tt_training *t)
{
    return (tt_objective){.beta = tt_training_beta(t),
                          .free_bits = t->settings->free_bits,
                          .plain = t->epoch < tt_training_pretrain(t)};
}

tt_status tt_objective_check(const tt_train_params *p)
{
    if (!(p->beta >= 0) || !isfinite(p->beta))
        return tt_fail(TT_ERR_CONFIG, "train.beta is %g; 0 or more is needed", p->beta);
    if (p->kl_warmup_epochs < 0)
        return tt_fail(TT_ERR_CONFIG, "train.kl_warmup_epochs is %d; 0 or more is needed",
                       p->kl_warmup_epochs);
    if (!is_cyclic(p) && strcmp(p->kl_schedule, "linear") != 0)
        return tt_fail(TT_ERR_CONFIG, "train.kl_schedule is \"%s\"; expected linear or cyclic",
                       p->kl_schedule);
    if (is_cyclic(p) && p->kl_cycles < 1)
        return tt_fail(TT_ERR_CONFIG, "train.kl_cycles is %d; at least 1 is needed", p->kl_cycles);
    if (!(p->free_bits >= 0) || !isfinite(p->free_bits))
        return tt_fail(TT_ERR_CONFIG, "train.free_bits is %g; 0 or more is needed", p->free_bits);
    if (p->pretrain_epochs < 0)
        return tt_fail(TT_ERR_CONFIG, "train.pretrain_epochs is %d; 0 or more is needed", p->pretrain_epochs);
    return TT_OK;
}

/* ---- the start of the mixture ---- */

/* Means of all rows of this rank. Not collective. */
static tt_status encode_rows(const tt_training *t, tt_vae_work *work, float *room, float *x, float *mu)
{
    int64_t n = t->vae.latent;
    for (int64_t begin = 0; begin < t->samples.x.count; begin += TT_BLOCK_ROWS) {
        tt_matrix m;
        TT_TRY(tt_samples_block(&t->samples, begin, room, &m));
        for (int64_t r = 0; r < m.count; r++) tt_scaling_apply(&t->scaling, &m, r, x + r * m.cols);
        work->condition = t->samples.condition ? t->samples.condition + begin : NULL;
        TT_TRY(tt_vae_encode(x, work));
        for (int64_t r = 0; r < m.count; r++)
            memcpy(mu + (begin + r) * n, work->latent + r * 2 * n, (size_t)n * sizeof *mu);
    }
    return TT_OK;
}

/* As encode_rows(), with the room for it. */
static tt_status encode_all(const tt_training *t, float **mu)
{
    tt_vae_work work = {0};
    float *x = NULL, *room = NULL;
    int64_t cols = t->vae.input;
    tt_status s = tt_alloc(t->samples.x.count * t->vae.latent, sizeof **mu, "means", mu);
    if (s == TT_OK) s = tt_vae_work_new(&t->vae, 1, TT_BLOCK_ROWS, false, &work);
    if (s == TT_OK) s = tt_vae_weights(&work, t->params);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * cols, sizeof *x, "a block of rows", &x);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * cols, sizeof *room, "a block of rows", &room);
    if (s == TT_OK) s = encode_rows(t, &work, room, x, *mu);
    free(room);
    free(x);
    tt_vae_work_free(&work);
    return s;
}

/* Pre-training leaves log-variances as they began: start them from the mixture's, so that neither the KL nor
 * the noise swamps what was learnt. */
static void start_noise(const tt_training *t)
{
    const tt_mixture *m = &t->vae.prior;
    float *bias = t->params + t->vae.branch[0].logvar_bias;
    for (int64_t i = 0; i < m->latent; i++) {
        double weight = 0, variance = 0;
        for (int64_t c = 0; c < m->components; c++) {
            double p = exp((double)t->params[m->logit + c]);
            weight += p;
            variance += p * exp((double)t->params[m->logvar + c * m->latent + i]);
        }
        bias[i] = (float)log(noise_share * variance / weight);
    }
}

tt_status tt_training_start_prior(tt_training *t)
{
    float *mu = NULL;
    if (t->vae.prior.components == 0 || t->step > 0 || t->epoch != tt_training_pretrain(t)) return TT_OK;
    tt_phase(&t->phases, "mixture");
    tt_feed_settle(&t->feed);
    tt_status s = tt_agree(t->comm, encode_all(t, &mu));
    tt_mixture_rows rows = {t->comm, t->samples.x.first, t->samples.x.count,
                            mu,      t->samples.train,   t->samples.n_train};
    if (s == TT_OK) s = tt_mixture_fit(&t->vae.prior, &rows, t->provenance->seed, t->params);
    if (s == TT_OK) start_noise(t);
    if (s == TT_OK)
        tt_info("train: a mixture of %lld components is fitted after %lld epochs",
                (long long)t->vae.prior.components, (long long)t->epoch);
    free(mu);
    return s;
}
