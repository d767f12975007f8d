/* The fully connected VAE: layers over one parameter block, forward and backward over the rows of one lane.
 */
#ifndef TUTTI_VAE_MODEL_H
#define TUTTI_VAE_MODEL_H

#include "nn/net.h"
#include "tutti/vae.h"

/** Encoder input -> hidden -> (mu, logvar); decoder latent -> hidden mirrored -> input; tanh in the hidden
 * layers. */
typedef struct tt_vae {
    int64_t input, latent;
    int n_hidden;
    int64_t hidden[TT_HIDDEN_MAX];
    tt_params params;
    tt_net encoder, decoder;
} tt_vae;

/** What passes over rows take, which come in at most `lanes` lanes of `lane_rows`. */
typedef struct tt_vae_work {
    int64_t lanes, lane_rows;
    int64_t rows; /**< lanes * lane_rows */
    tt_run *encoder, *decoder;
    const float *latent;         /**< [rows, 2 latent] mu, logvar of the last pass, in the encoder's run */
    const float *reconstruction; /**< [rows, input] likewise, in the decoder's */
    float *z;                    /**< [rows, latent] */
    float *noise;                /**< [rows, latent], for the caller to fill */
    float *dlatent;              /**< [rows, 2 latent] */
    float *dy;                   /**< [rows, input] */
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

/** How many lanes, a power of two, this model takes in one pass where `lanes` are at hand. */
int64_t tt_vae_lanes(const tt_vae *vae, int64_t lanes);

/** Room for passes over lanes of lane_rows rows. @param train  whether tt_vae_step() will be called */
tt_status tt_vae_work_new(const tt_vae *vae, int64_t lanes, int64_t lane_rows, bool train, tt_vae_work *out);
void tt_vae_work_free(tt_vae_work *work);

/** Take the weights, which stay in `block`; call after each change of them. Not collective, as all below. */
tt_status tt_vae_weights(tt_vae_work *work, const float *block);

/** Means and log-variances of x [work->rows, input] into work->latent. */
tt_status tt_vae_encode(const float *x, tt_vae_work *work);

/** What the decoder makes of work->z, into work->reconstruction. */
tt_status tt_vae_decode(tt_vae_work *work);

/** Encode and decode the mean of x [work->rows, input], no noise. Sums over `used` rows. */
tt_status tt_vae_evaluate(const tt_vae *vae, int64_t used, const float *x, tt_vae_work *work,
                          tt_vae_loss *loss);

/** Forward with work->noise and backward: gradient of reconstruction + beta KL, summed over the first `used`
 *  rows (the others are padding and count nothing), over whatever the parameter block `gradient` held.
 *  @param lanes      a power of two, at most work->lanes
 *  @param x          [lanes * lane_rows, input]
 *  @param[out] loss  [lanes] of each lane */
tt_status tt_vae_step(const tt_vae *vae, double beta, int64_t lanes, int64_t used, const float *x,
                      tt_vae_work *work, float *gradient, tt_vae_loss *loss);

#endif
