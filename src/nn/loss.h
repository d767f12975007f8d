/* The terms of the evidence lower bound and their gradients, for rows of one lane. Not collective.
 *
 * Sums run over the first `used` of `rows` rows; the rest is padding: its gradients are set to zero. */
#ifndef TUTTI_NN_LOSS_H
#define TUTTI_NN_LOSS_H

#include <stdint.h>

/** What is to be reconstructed. */
typedef struct tt_target {
    int64_t n;                  /**< columns */
    const float *x;             /**< [rows, stride]: the first n of each row */
    int64_t stride;             /**< n, or more where other columns follow */
    const unsigned char *known; /**< [rows] 0 for a row that counts nothing here; NULL: all count */
} tt_target;

/** Sum of |y - x|^2 over all columns and used rows: Gaussian reconstruction of any one variance.
 *  @param y       [rows, n]
 *  @param[out] dy [rows, n] `weight` times its gradient by y, or NULL */
double tt_loss_square(const tt_target *target, int64_t rows, int64_t used, double weight, const float *y,
                      float *dy);

/** Minus the log-likelihood of x in 0..1 (values beyond are taken as the end they passed) under Bernoulli
 * variables of log-odds y.
 *  @param[out] dy      [rows, n] its gradient by y, or NULL
 *  @param[out] square  sum of |p - x|^2, p the probabilities */
double tt_loss_bernoulli(const tt_target *target, int64_t rows, int64_t used, const float *y, float *dy,
                         double *square);

/** Log-odds to probabilities, in place. */
void tt_loss_probabilities(int64_t n, float *y);

/** z = mu + noise exp(logvar / 2) (Kingma, Welling 2014).
 *  @param latent    [rows, 2 n]: mu, then logvar
 *  @param noise     [rows, n], or NULL for z = mu
 *  @param[out] z    [rows, n] */
void tt_latent_sample(int64_t rows, int64_t n, const float *latent, const float *noise, float *z);

/** KL divergence from N(mu, exp(logvar)) to N(0, 1), summed over dimensions and used rows.
 *  @param free_bits       nats of each row and dimension that cost nothing (Kingma et al. 2016, but for every
 *                         row by itself: no mean over a batch, so no batch, lane or rank shows in it)
 *  @param[out] penalty    the sum of max(KL, free_bits): what is minimised; may be NULL
 *  @param[in,out] by_dim  [n] the KL of each dimension is added; may be NULL */
double tt_loss_kl(int64_t used, int64_t n, double free_bits, const float *latent, double *penalty,
                  double *by_dim);

/** Gradient by (mu, logvar) of [whatever depends on z] + beta sum max(KL, free_bits).
 *  @param noise         as in tt_latent_sample()
 *  @param dz            [rows, n]
 *  @param[out] dlatent  [rows, 2 n] */
void tt_latent_backward(int64_t rows, int64_t used, int64_t n, double beta, double free_bits,
                        const float *latent, const float *noise, const float *dz, float *dlatent);

#endif
