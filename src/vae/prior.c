#include "vae/prior.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

/* The order of addition is written down, not left to the vector width. */
enum { SUMS = 16 };

tt_status tt_mixture_new(tt_params *params, int64_t latent, int64_t components, tt_mixture *out)
{
    int logit, mean, logvar;
    *out = (tt_mixture){.latent = latent, .components = components};
    TT_TRY(tt_params_add(params, "prior.logit", 1, (int64_t[]){components}, &logit));
    TT_TRY(tt_params_add(params, "prior.mean", 2, (int64_t[]){components, latent}, &mean));
    TT_TRY(tt_params_add(params, "prior.logvar", 2, (int64_t[]){components, latent}, &logvar));
    out->logit = params->tensor[logit].offset;
    out->mean = params->tensor[mean].offset;
    out->logvar = params->tensor[logvar].offset;
    return TT_OK;
}

/* The parts of the scratch. */
typedef struct tables {
    float *posterior; /* [rows, K], row after row */
    float *weight;    /* [K] p(c) */
    float *bias;      /* [K] log p(c) - sum of logvar / 2 + latent / 2 */
    float *precision; /* [K, latent] exp(-logvar) */
    float *variance;  /* [latent] of one row */
} tables;

int64_t tt_mixture_floats(const tt_mixture *m)
{
    return m->components * (1 + 2 * m->latent);
}

int64_t tt_mixture_scratch(const tt_mixture *m, int64_t rows)
{
    return (rows + 2 + m->latent) * m->components + m->latent;
}

/* The posteriors come first but their number is the caller's, so that the tables lie from the end of `used`
 * rows on. */
static tables lay_out(const tt_mixture *m, int64_t used, float *scratch)
{
    tables t = {.posterior = scratch};
    t.weight = scratch + used * m->components;
    t.bias = t.weight + m->components;
    t.precision = t.bias + m->components;
    t.variance = t.precision + m->components * m->latent;
    return t;
}

/* exp(x - log sum exp x) into p; @return the log of the sum. */
static double softmax(int64_t n, const float *x, float *p)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) largest = (double)x[i] > largest || isnan(x[i]) ? (double)x[i] : largest;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - largest);
    double log_sum = largest + (sum > 0 ? log(sum) : 0);
    for (int64_t i = 0; i < n; i++) p[i] = (float)exp((double)x[i] - log_sum);
    return log_sum;
}

static void fill_tables(const tt_mixture *m, const float *block, const tables *t)
{
    int64_t n = m->latent;
    double log_sum = softmax(m->components, block + m->logit, t->weight);
    for (int64_t c = 0; c < m->components; c++) {
        const float *logvar = block + m->logvar + c * n;
        double bias = (double)block[m->logit + c] - log_sum;
        for (int64_t i = 0; i < n; i++) {
            bias += 0.5 * (1 - (double)logvar[i]);
            t->precision[c * n + i] = expf(-logvar[i]);
        }
        t->bias[c] = (float)bias;
    }
}

/* Sum of (variance + (mu - mean)^2) precision. */
TT_KERNEL static float spread_in_component(int64_t n, const float *restrict mu,
                                           const float *restrict variance, const float *restrict mean,
                                           const float *restrict precision)
{
    float sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            float d = mu[i + k] - mean[i + k];
            sum[k] += (variance[i + k] + d * d) * precision[i + k];
        }
    for (int k = 0; i < n; i++, k++) {
        float d = mu[i] - mean[i];
        sum[k] += (variance[i] + d * d) * precision[i];
    }
    double total = 0;
    for (int k = 0; k < SUMS; k++) total += (double)sum[k];
    return (float)total;
}

static void fill_variance(int64_t n, const float *logvar, float *variance)
{
    for (int64_t i = 0; i < n; i++) variance[i] = expf(logvar[i]);
}

/* KL of each dimension, averaged over the components. */
static void add_by_dim(const tt_mixture *m, const float *block, const tables *t, const float *mu,
                       const float *posterior, double *by_dim)
{
    int64_t n = m->latent;
    for (int64_t c = 0; c < m->components; c++)
        for (int64_t i = 0; i < n; i++) {
            double d = (double)(mu[i] - block[m->mean + c * n + i]);
            double ratio = ((double)t->variance[i] + d * d) * (double)t->precision[c * n + i];
            double logs = (double)(block[m->logvar + c * n + i] - mu[n + i]);
            by_dim[i] += 0.5 * (double)posterior[c] * (logs + ratio - 1);
        }
}

/* log p(c) - KL_c but for what does not depend on c, into `out`; @return what does not. */
static double row_scores(const tt_mixture *m, const float *block, const tables *t, const float *mu,
                         float *out)
{
    int64_t n = m->latent;
    double own = 0;
    fill_variance(n, mu + n, t->variance);
    for (int64_t i = 0; i < n; i++) own += 0.5 * (double)mu[n + i];
    for (int64_t c = 0; c < m->components; c++)
        out[c] = t->bias[c] - 0.5F * spread_in_component(n, mu, t->variance, block + m->mean + c * n,
                                                         t->precision + c * n);
    return own;
}

double tt_mixture_kl(const tt_mixture *m, const float *block, int64_t used, const float *latent,
                     float *scratch, double *by_dim)
{
    tables t = lay_out(m, used, scratch);
    double total = 0;
    fill_tables(m, block, &t);
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * m->latent;
        float *posterior = t.posterior + r * m->components;
        double own = row_scores(m, block, &t, mu, posterior);
        total -= own + softmax(m->components, posterior, posterior);
        if (by_dim) add_by_dim(m, block, &t, mu, posterior, by_dim);
    }
    return total;
}

/* What one row and one component, whose posterior is p, add to the gradients. */
TT_KERNEL static void add_component(int64_t n, float p, const float *restrict mu,
                                    const float *restrict variance, const float *restrict mean,
                                    const float *restrict precision, float *restrict dmu,
                                    float *restrict dlogvar, float *restrict dmean,
                                    float *restrict dprior_logvar)
{
    for (int64_t i = 0; i < n; i++) {
        float d = mu[i] - mean[i], pull = p * precision[i] * d;
        dmu[i] += pull;
        dlogvar[i] += 0.5F * p * variance[i] * precision[i];
        dmean[i] -= pull;
        dprior_logvar[i] += 0.5F * p * (1 - (variance[i] + d * d) * precision[i]);
    }
}

void tt_mixture_backward(const tt_mixture *m, const float *block, int64_t used, double beta,
                         const float *latent, float *scratch, float *dlatent, float *gradient)
{
    int64_t n = m->latent, k = m->components;
    float b = (float)beta;
    tables t = lay_out(m, used, scratch);
    float *dlogit = gradient, *dmean = dlogit + k, *dprior = dmean + k * n;
    memset(gradient, 0, (size_t)tt_mixture_floats(m) * sizeof *gradient);
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * n, *posterior = t.posterior + r * k;
        float *dmu = dlatent + r * 2 * n, *dlogvar = dmu + n;
        fill_variance(n, mu + n, t.variance);
        for (int64_t i = 0; i < n; i++) dlogvar[i] -= 0.5F * b;
        for (int64_t c = 0; c < k; c++) {
            add_component(n, b * posterior[c], mu, t.variance, block + m->mean + c * n, t.precision + c * n,
                          dmu, dlogvar, dmean + c * n, dprior + c * n);
            dlogit[c] += b * (t.weight[c] - posterior[c]);
        }
    }
}

void tt_mixture_put(const tt_mixture *m, const float *gradient, float *block)
{
    int64_t k = m->components, values = k * m->latent;
    memcpy(block + m->logit, gradient, (size_t)k * sizeof *block);
    memcpy(block + m->mean, gradient + k, (size_t)values * sizeof *block);
    memcpy(block + m->logvar, gradient + k + values, (size_t)values * sizeof *block);
}

void tt_mixture_draw(const tt_mixture *m, const float *block, double uniform, float *z)
{
    double largest = -INFINITY, sum = 0, below = 0;
    int64_t c = 0;
    for (int64_t i = 0; i < m->components; i++) largest = fmax(largest, (double)block[m->logit + i]);
    for (int64_t i = 0; i < m->components; i++) sum += exp((double)block[m->logit + i] - largest);
    for (; c < m->components - 1; c++) {
        below += exp((double)block[m->logit + c] - largest);
        if (uniform * sum < below) break;
    }
    const float *mean = block + m->mean + c * m->latent, *logvar = block + m->logvar + c * m->latent;
    for (int64_t i = 0; i < m->latent; i++) z[i] = mean[i] + z[i] * expf(0.5F * logvar[i]);
}
