/* The fully connected VAE: layers over one parameter block, forward and backward over the rows of one lane.
 */
#ifndef TUTTI_VAE_MODEL_H
#define TUTTI_VAE_MODEL_H

#include "nn/dense.h"
#include "tutti/vae.h"

/** Encoder input -> hidden -> (mu, logvar); decoder latent -> hidden mirrored -> input; tanh in the hidden
 * layers. */
typedef struct tt_vae {
    int64_t input, latent;
    int n_hidden;
    int64_t hidden[TT_HIDDEN_MAX];
    tt_params params;
    int n_layers;                          /**< 2 (n_hidden + 1), the encoder's first */
    tt_dense layer[2 * TT_HIDDEN_MAX + 2]; /**< n_hidden is the last of the encoder, giving [mu, logvar] */
} tt_vae;

/** What a pass over a lane computes, for lanes of `rows` rows. */
typedef struct tt_vae_work {
    int64_t rows;
    float *output[2 * TT_HIDDEN_MAX + 2]; /**< [rows, layer.out] of each layer */
    float *z;                             /**< [rows, latent] */
    float *noise;                         /**< [rows, latent], for the caller to fill */
    float *delta[2];                      /**< [rows, widest layer]; gradients on their way back */
    float *memory;                        /**< owned: all of the above */
} tt_vae_work;

/** Sums over the used rows of a lane. */
typedef struct tt_vae_loss {
    double reconstruction; /**< |x - x'|^2 summed over features */
    double kl;             /**< summed over latent dimensions */
} tt_vae_loss;

/** Build the table of layers. @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL. Free with tt_vae_free(). */
tt_status tt_vae_new(int64_t input, int64_t latent, int n_hidden, const int64_t *hidden, tt_vae *out);
void tt_vae_free(tt_vae *vae);

/** Initial weights, keyed by seed; logvar starts near 0. */
void tt_vae_init(const tt_vae *vae, uint64_t seed, float *block);

/** The architecture as JSON, and a model from it. Free *text with free().
 *  @return TT_OK, TT_ERR_MEMORY, or TT_ERR_INPUT naming `file` if the text is not of a model we know */
tt_status tt_vae_describe(const tt_vae *vae, char **text);
tt_status tt_vae_parse(const char *file, const char *text, tt_vae *out);

tt_status tt_vae_work_new(const tt_vae *vae, int64_t rows, tt_vae_work *out);
void tt_vae_work_free(tt_vae_work *work);

/** Means and log-variances of x [work->rows, input] -> [rows, 2 latent], in work. Not collective. */
const float *tt_vae_encode(const tt_vae *vae, const float *block, const float *x, tt_vae_work *work);

/** What the decoder makes of z [work->rows, latent]: [rows, input], in work. Not collective. */
const float *tt_vae_decode(const tt_vae *vae, const float *block, const float *z, tt_vae_work *work);

/** Encode and decode the mean, no noise; the reconstruction is left in work. Sums over `used` rows. */
tt_vae_loss tt_vae_evaluate(const tt_vae *vae, const float *block, int64_t used, const float *x,
                            tt_vae_work *work);

/** Forward with work->noise and backward: gradient of reconstruction + beta KL, summed over `used` rows (the
 *  others are padding and count nothing), over whatever the parameter block `gradient` held. Not collective.
 */
tt_vae_loss tt_vae_step(const tt_vae *vae, const float *block, double beta, int64_t used, const float *x,
                        tt_vae_work *work, float *gradient);

#endif
