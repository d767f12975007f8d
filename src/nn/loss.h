/* The terms of the evidence lower bound and their gradients, for rows of one lane. Not collective.
 *
 * Sums run over the first `used` of `rows` rows; the rest is padding: its gradients are set to zero. */
#ifndef TUTTI_NN_LOSS_H
#define TUTTI_NN_LOSS_H

#include <stdint.h>

/** Sum of |y - x|^2 over all features and used rows: Gaussian reconstruction.
 *  @param x, y    [rows, n]
 *  @param[out] dy [rows, n] its gradient by y, or NULL */
double tt_loss_square(int64_t rows, int64_t used, int64_t n, const float *x, const float *y, float *dy);

/** z = mu + noise exp(logvar / 2) (Kingma, Welling 2014).
 *  @param latent    [rows, 2 n]: mu, then logvar
 *  @param noise     [rows, n], or NULL for z = mu
 *  @param[out] z    [rows, n] */
void tt_latent_sample(int64_t rows, int64_t n, const float *latent, const float *noise, float *z);

/** KL divergence from N(mu, exp(logvar)) to N(0, 1), summed over dimensions and used rows. */
double tt_loss_kl(int64_t used, int64_t n, const float *latent);

/** Gradient by (mu, logvar) of [whatever depends on z] + beta KL.
 *  @param dz            [rows, n]
 *  @param[out] dlatent  [rows, 2 n] */
void tt_latent_backward(int64_t rows, int64_t used, int64_t n, double beta, const float *latent,
                        const float *noise, const float *dz, float *dlatent);

#endif
