#include "nn/loss.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

/* Sixteen running sums: the order of addition is written down, not left to the vector width. */
enum { SUMS = 16 };

TT_KERNEL static double square_row(int64_t n, const float *restrict x, const float *restrict y,
                                   float *restrict dy)
{
    float sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            float d = y[i + k] - x[i + k];
            dy[i + k] = 2 * d;
            sum[k] += d * d;
        }
    for (int k = 0; i < n; i++, k++) {
        float d = y[i] - x[i];
        dy[i] = 2 * d;
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

double tt_loss_square(int64_t rows, int64_t used, int64_t n, const float *x, const float *y, float *dy)
{
    double total = 0;
    for (int64_t r = 0; r < used; r++)
        total += dy ? square_row(n, x + r * n, y + r * n, dy + r * n) : distance_row(n, x + r * n, y + r * n);
    if (dy && rows > used) memset(dy + used * n, 0, (size_t)((rows - used) * n) * sizeof *dy);
    return total;
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

double tt_loss_kl(int64_t used, int64_t n, const float *latent)
{
    double total = 0;
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * n, *logvar = mu + n;
        for (int64_t i = 0; i < n; i++)
            total += 0.5 * (double)(mu[i] * mu[i] + expm1f(logvar[i]) - logvar[i]);
    }
    return total;
}

void tt_latent_backward(int64_t rows, int64_t used, int64_t n, double beta, const float *latent,
                        const float *noise, const float *dz, float *dlatent)
{
    float b = (float)beta;
    for (int64_t r = 0; r < used; r++) {
        const float *mu = latent + r * 2 * n, *logvar = mu + n;
        float *dmu = dlatent + r * 2 * n, *dlogvar = dmu + n;
        for (int64_t i = 0; i < n; i++) {
            float d = dz[r * n + i];
            dmu[i] = d + b * mu[i];
            dlogvar[i] = 0.5F * (d * noise[r * n + i] * expf(0.5F * logvar[i]) + b * expm1f(logvar[i]));
        }
    }
    if (rows > used) memset(dlatent + used * 2 * n, 0, (size_t)((rows - used) * 2 * n) * sizeof *dlatent);
}
