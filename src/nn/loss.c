#include "nn/loss.h"

#include "tutti/simd.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Sixteen running sums: the order of addition is written down, not left to the vector width. */
enum { SUMS = 16 };

TT_KERNEL static double square_row(int64_t n, float weight, const float *restrict x, const float *restrict y,
                                   float *restrict dy)
{
    float sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            float d = y[i + k] - x[i + k];
            dy[i + k] = 2 * weight * d;
            sum[k] += d * d;
        }
    for (int k = 0; i < n; i++, k++) {
        float d = y[i] - x[i];
        dy[i] = 2 * weight * d;
        sum[k] += d * d;
    }
    double total = 0;
    for (int k = 0; k < SUMS; k++) total += (double)sum[k];
    return total;
}

TT_KERNEL static double distance_row(int64_t n, const float *restrict x, const float *restrict y)
{
    float sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) sum[k] += (y[i + k] - x[i + k]) * (y[i + k] - x[i + k]);
    for (int k = 0; i < n; i++, k++) sum[k] += (y[i] - x[i]) * (y[i] - x[i]);
    double total = 0;
    for (int k = 0; k < SUMS; k++) total += (double)sum[k];
    return total;
}

static bool counts(const tt_target *t, int64_t row, int64_t used)
{
    return row < used && (!t->known || t->known[row]);
}

static void clear_row(const tt_target *t, int64_t row, float *dy)
{
    if (dy) memset(dy + row * t->n, 0, (size_t)t->n * sizeof *dy);
}

double tt_loss_square(const tt_target *t, int64_t rows, int64_t used, double weight, const float *y,
                      float *dy)
{
    double total = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = t->x + r * t->stride, *to = y + r * t->n;
        if (!counts(t, r, used))
            clear_row(t, r, dy);
        else
            total += dy ? square_row(t->n, (float)weight, x, to, dy + r * t->n) : distance_row(t->n, x, to);
    }
    return total;
}

static float probability(float odds)
{
    return 1 / (1 + expf(-odds));
}

/* log(1 + exp(y)) - x y, without an exp that overflows. */
static double bernoulli_row(int64_t n, const float *x, const float *y, float *dy, double *square)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        float to = x[i] < 0 ? 0 : x[i] > 1 ? 1 : x[i];
        float d = probability(y[i]) - to;
        total += (double)(fmaxf(y[i], 0) - to * y[i] + log1pf(expf(-fabsf(y[i]))));
        *square += (double)d * (double)d;
        if (dy) dy[i] = d;
    }
    return total;
}

double tt_loss_bernoulli(const tt_target *t, int64_t rows, int64_t used, const float *y, float *dy,
                         double *square)
{
    double total = 0;
    *square = 0;
    for (int64_t r = 0; r < rows; r++)
        if (!counts(t, r, used))
            clear_row(t, r, dy);
        else
            total +=
                bernoulli_row(t->n, t->x + r * t->stride, y + r * t->n, dy ? dy + r * t->n : NULL, square);
    return total;
}

void tt_loss_probabilities(int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = probability(y[i]);
}

void tt_latent_sample(int64_t rows, int64_t n, const float *latent, const float *noise, float *z)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *mu = latent + r * 2 * n, *logvar = mu + n;
        if (!noise)
            memcpy(z + r * n, mu, (size_t)n * sizeof *z);
        else
            for (int64_t i = 0; i < n; i++) z[r * n + i] = mu[i] + noise[r * n + i] * expf(0.5F * logvar[i]);
    }
}

static float kl_of(float mu, float logvar)
{
    return 0.5F * (mu * mu + expm1f(logvar) - logvar);
}

double tt_loss_kl(int64_t used, int64_t n, double free_bits, const float *latent, double *penalty,
                  double *by_dim)
{
    double total = 0, paid = 0;
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * n, *logvar = mu + n;
        for (int64_t i = 0; i < n; i++) {
            double kl = (double)kl_of(mu[i], logvar[i]);
            total += kl;
            paid += kl > free_bits ? kl : free_bits;
            if (by_dim) by_dim[i] += kl;
        }
    }
    if (penalty) *penalty = isnan(total) ? total : paid;
    return total;
}

void tt_latent_backward(int64_t rows, int64_t used, int64_t n, double beta, double free_bits,
                        const float *latent, const float *noise, const float *dz, float *dlatent)
{
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * n, *logvar = mu + n;
        float *dmu = dlatent + r * 2 * n, *dlogvar = dmu + n;
        for (int64_t i = 0; i < n; i++) {
            float d = dz[r * n + i], deviation = expf(0.5F * logvar[i]);
            bool paid = free_bits <= 0 || (double)kl_of(mu[i], logvar[i]) > free_bits;
            float b = paid ? (float)beta : 0;
            dmu[i] = d + b * mu[i];
            dlogvar[i] =
                0.5F * ((noise ? d * noise[r * n + i] * deviation : 0) + b * (deviation * deviation - 1));
        }
    }
    if (rows > used) memset(dlatent + used * 2 * n, 0, (size_t)((rows - used) * 2 * n) * sizeof *dlatent);
}
