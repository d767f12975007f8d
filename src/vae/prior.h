/* A Gaussian mixture as the prior of the latents (VaDE: Jiang et al. 2017), its parameters trained with the
 * others.
 *
 * The bound has KL(q(z|x) || p(z|c)) averaged over q(c|x), and KL(q(c|x) || p(c)). Its optimum over q(c|x)
 * has a closed form, p(c) exp(-KL_c) over the sum of these (Hershey, Olsen 2007), which is used here where
 * the paper takes p(c|z) at one drawn z: the tightest bound of this kind, without the noise of the draw, and
 * its value is -log sum_c p(c) exp(-KL_c). Not collective but for tt_mixture_fit(). */
#ifndef TUTTI_VAE_PRIOR_H
#define TUTTI_VAE_PRIOR_H

#include "nn/params.h"
#include "tutti/comm.h"

typedef struct tt_mixture {
    int64_t latent;
    int64_t components;          /**< 0: there is no mixture */
    int64_t logit, mean, logvar; /**< offsets in a parameter block: [K], [K, latent], [K, latent] */
} tt_mixture;

/** Add "prior.logit", "prior.mean" and "prior.logvar" to the table. All zero they are N(0, 1). */
tt_status tt_mixture_new(tt_params *params, int64_t latent, int64_t components, tt_mixture *out);

/** Floats of the three tensors together, without padding. */
int64_t tt_mixture_floats(const tt_mixture *mixture);

/** Floats of scratch for lanes of `rows` rows. */
int64_t tt_mixture_scratch(const tt_mixture *mixture, int64_t rows);

/** KL divergence from q(z, c | x) to the prior, summed over used rows.
 *  @param latent          [rows, 2 latent]: mu, then logvar
 *  @param[out] scratch    keeps what tt_mixture_backward() wants; its first [rows, K] are the posteriors
 *                         q(c|x) of the used rows
 *  @param[in,out] by_dim  [latent] the share of each dimension of z, averaged over q(c|x), is added; the
 *                         rest is KL(q(c|x) || p(c)); may be NULL */
double tt_mixture_kl(const tt_mixture *mixture, const float *block, int64_t used, const float *latent,
                     float *scratch, double *by_dim);

/** Gradient of beta times it.
 *  @param latent           as in the forward pass
 *  @param[in,out] scratch  as it left it
 *  @param[in,out] dlatent   [rows, 2 latent]: added to
 *  @param[out] gradient     [tt_mixture_floats()] by logit, mean and logvar, one after the other */
void tt_mixture_backward(const tt_mixture *mixture, const float *block, int64_t used, double beta,
                         const float *latent, float *scratch, float *dlatent, float *gradient);

/** Put such gradients where the tensors lie in a block. */
void tt_mixture_put(const tt_mixture *mixture, const float *gradient, float *block);

/** Turn standard normals into a draw from the prior, in place.
 *  @param uniform  in [0, 1): picks the component
 *  @param[in,out] z  [latent] */
void tt_mixture_draw(const tt_mixture *mixture, const float *block, double uniform, float *z);

/** Rows to fit a mixture to, distributed as a tt_matrix. */
typedef struct tt_mixture_rows {
    const tt_comm *comm;
    int64_t first, count;     /**< of this rank: global number of the first row, rows */
    const float *mu;          /**< [count, latent] */
    const unsigned char *use; /**< [count] 0: the row is left out */
    int64_t n;                /**< rows to use, over all ranks; at least 1 */
} tt_mixture_rows;

/** Fit a mixture by k-means (k-means++ seeds, several starts) and then EM with diagonal covariances, and
 * write it into the block. The same bits on any rank count. Collective.
 *  @return TT_OK, TT_ERR_MEMORY, or TT_STOPPED after a signal, with the block as it was */
tt_status tt_mixture_fit(const tt_mixture *mixture, const tt_mixture_rows *rows, uint64_t seed, float *block);

#endif
