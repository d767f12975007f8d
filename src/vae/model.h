/* The models: nets over one parameter block, a prior, and a likelihood; forward and backward over the rows of
 * some lanes.
 *
 * fc           encoder input -> hidden -> (mu, logvar), decoder latent -> hidden mirrored -> input
 * autoencoder  the same, but the encoder gives mu alone: no noise, no KL, logvar 0
 * two_branch   an encoder and a decoder as of fc for the audio columns and for the lyrics columns; (mu,
 *              logvar) is the sum of what the encoders give. A row whose lyrics columns are all 0 has none
 *              (tt_fuse() writes such rows): its latent comes from the audio alone, and it counts nothing in
 *              the reconstruction of lyrics.
 *
 * conv         rows are images: convolutions that halve them, channels wider stage by stage, then (mu,
 * logvar); the decoder mirrors them. Hidden layers are ReLU, all others tanh.
 *
 * With classes the one-hot class of a row, with a place of its own for the unknown one, follows the inputs of
 * every decoder and encoder. An encoder of images takes it at its end: a layer of its own adds to (mu,
 * logvar) what the class says, as if the one-hot followed the inputs of the last layer. */
#ifndef TUTTI_VAE_MODEL_H
#define TUTTI_VAE_MODEL_H

#include "nn/net.h"
#include "tutti/vae.h"
#include "vae/prior.h"

typedef enum tt_vae_kind { TT_VAE_FC, TT_VAE_AUTOENCODER, TT_VAE_TWO_BRANCH, TT_VAE_CONV } tt_vae_kind;

/** What a row is taken for, given its reconstruction y; constants are left out.
 *  gaussian   variance 1/2:  |x - y|^2
 *  learned    one variance v per branch, learned with the rest (sigma-VAE: Rybkin et al. 2021; between
 *             branches: Kendall et al. 2018):  |x - y|^2 / (2 v) + n log(v) / 2
 *  bernoulli  columns scaled to 0..1, y their log-odds */
typedef enum tt_likelihood { TT_GAUSSIAN, TT_LEARNED, TT_BERNOULLI } tt_likelihood;

/** What makes up an architecture, as model.h5 keeps it. */
typedef struct tt_vae_shape {
    tt_vae_kind kind;
    int64_t input, latent;
    int n_hidden;
    int64_t hidden[TT_HIDDEN_MAX]; /**< of the encoder, input side first; the decoder mirrors them */
    int64_t height, width;         /**< conv: of the image that a row is */
    int n_channels;
    int64_t channels[TT_HIDDEN_MAX]; /**< conv: of the encoder's stages; the decoder mirrors them */
    bool normalise;     /**< conv: a group norm in every stage but the one that gives the image */
    int64_t audio;      /**< two_branch: the first columns are audio, the others lyrics */
    int64_t classes;    /**< known ones, 0: not conditioned */
    int64_t components; /**< of the mixture prior, 0: N(0, 1) */
    tt_likelihood likelihood;
} tt_vae_shape;

enum { TT_BRANCHES = 2 };

typedef struct tt_branch {
    int64_t from, cols; /**< of the input */
    tt_net encoder, decoder;
    tt_net told; /**< conv with classes: from the one-hot class to what it adds to (mu, logvar) */
    int64_t encoder_weight, decoder_weight; /**< offsets in a parameter block of the layers' that are told */
    int64_t logvar;      /**< offset in a parameter block of the learned log-variance, -1 without */
    int64_t logvar_bias; /**< of the biases that give the latents' logvar, -1 in an autoencoder */
} tt_branch;

typedef struct tt_vae {
    tt_vae_shape shape;
    int64_t input, latent; /**< the shape's */
    tt_params params;
    int n_branches;
    tt_branch branch[TT_BRANCHES];
    tt_mixture prior;       /**< 0 components: N(0, 1) */
    tt_precision precision; /**< of work that trains; all other is float. tt_vae_new() leaves it float */
} tt_vae;

/** What passes over rows take, which come in at most `lanes` lanes of `lane_rows`. */
typedef struct tt_vae_work {
    const tt_vae *vae;
    int64_t lanes, lane_rows;
    int64_t rows;                /**< lanes * lane_rows */
    const int32_t *condition;    /**< [rows] of the next pass, set by the caller: class, -1 unknown; NULL: all
                                    unknown */
    const float *latent;         /**< [rows, 2 latent] mu, logvar of the last pass */
    const float *reconstruction; /**< [rows, input] of the last tt_vae_evaluate() or tt_vae_decode() */
    float *z;                    /**< [rows, latent] */
    float *noise;                /**< [rows, latent], for the caller to fill */

    /* Private. */
    const float *block; /**< the weights */
    tt_run *encoder[TT_BRANCHES], *decoder[TT_BRANCHES], *told;
    float *in[TT_BRANCHES];      /**< [rows, cols and one-hot] where a branch does not read x itself */
    float *class;                /**< [rows, one-hot] that `told` reads */
    const float *y[TT_BRANCHES]; /**< [rows, cols] what the decoders gave */
    unsigned char *known;        /**< [rows] of the second branch */
    float *joined;               /**< [rows, 2 latent] where no encoder gives it */
    float *conditioned;          /**< [rows, latent and one-hot] with classes */
    float *made;                 /**< [rows, input] where no decoder gives the reconstruction */
    float *dy[TT_BRANCHES];      /**< [rows, cols] */
    float *dz;                   /**< [rows, latent] where no decoder gives it */
    float *dlatent, *dencoder;   /**< [rows, 2 latent] */
    float *scratch;              /**< of the mixture, for one lane */
    float *lane_sums;            /**< [lanes, tensors of the prior and variances] */
} tt_vae_work;

/** Sums over the used rows of a lane. */
typedef struct tt_vae_loss {
    double reconstruction; /**< minus the log-likelihood */
    double kl;             /**< to the prior; 0 in a plain autoencoder */
    double penalty;        /**< of it what is paid for, with free bits */
    double square;         /**< |x - x'|^2 */
} tt_vae_loss;

/** What is minimised: reconstruction + beta penalty. */
typedef struct tt_objective {
    double beta;
    double free_bits; /**< nats of each latent dimension of a row that cost nothing; N(0, 1) alone */
    bool plain;       /**< as a plain autoencoder: z = mu, no KL */
} tt_objective;

/** Build the tables. @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL. Free with tt_vae_free(). */
tt_status tt_vae_new(const tt_vae_shape *shape, tt_vae *out);
void tt_vae_free(tt_vae *vae);

/** Initial weights, keyed by seed; logvar starts near 0. */
void tt_vae_init(const tt_vae *vae, uint64_t seed, float *block);

/** How many of n_channels stages halve images of this size: a side below 4 is halved no more. */
int tt_vae_stages(int64_t height, int64_t width, int n_channels);

/** The nets of kind conv, whose layers are named PART.0 and so on. @param in  what the decoder reads
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_vae_conv_encoder(const tt_vae_shape *shape, const char *part, tt_params *params, tt_net *net);
tt_status tt_vae_conv_decoder(const tt_vae_shape *shape, int64_t in, const char *part, tt_params *params,
                              tt_net *net);

/** A kind of model and a likelihood from their names, as the settings have them; false if it is unknown. */
bool tt_vae_kind_parse(const char *name, tt_vae_kind *out);
bool tt_likelihood_parse(const char *name, tt_likelihood *out);

/** The architecture as JSON, and a model from it. Free *text with free().
 *  @return TT_OK, TT_ERR_MEMORY, or TT_ERR_INPUT naming `file` if the text is not of a model we know */
tt_status tt_vae_describe(const tt_vae *vae, char **text);
tt_status tt_vae_parse(const char *file, const char *text, tt_vae *out);

/** How many lanes, a power of two, this model takes in one pass where `lanes` of lane_rows rows are at hand.
 */
int64_t tt_vae_lanes(const tt_vae *vae, int64_t lanes, int64_t lane_rows);

/** Room for passes over lanes of lane_rows rows. @param train  whether tt_vae_step() will be called */
tt_status tt_vae_work_new(const tt_vae *vae, int64_t lanes, int64_t lane_rows, bool train, tt_vae_work *out);
void tt_vae_work_free(tt_vae_work *work);

/** Take the weights, which stay in `block`; call after each change of them. Not collective, as all below. */
tt_status tt_vae_weights(tt_vae_work *work, const float *block);

/** Means and log-variances of x [work->rows, input] into work->latent. */
tt_status tt_vae_encode(const float *x, tt_vae_work *work);

/** What the decoder makes of work->z into work->reconstruction: means, or probabilities. */
tt_status tt_vae_decode(tt_vae_work *work);

/** Encode and decode the mean of x [work->rows, input], no noise, no free bits. Sums over `used` rows. */
tt_status tt_vae_evaluate(const tt_vae *vae, int64_t used, const float *x, tt_vae_work *work,
                          tt_vae_loss *loss);

/** Add the KL of each latent dimension [latent], summed over the used rows of the last pass. */
void tt_vae_kl_by_dim(tt_vae_work *work, int64_t used, double *by_dim);

/** Posteriors q(c|x) of the mixture's components for the used rows of the last tt_vae_encode(): [used, K] in
 * work. */
const float *tt_vae_posterior(tt_vae_work *work, int64_t used);

/** Forward with work->noise and backward: gradient of the objective, summed over the first `used` rows (the
 *  others are padding and count nothing), over whatever the parameter block `gradient` held.
 *  @param lanes      a power of two, at most work->lanes
 *  @param x          [lanes * lane_rows, input]
 *  @param[out] loss  [lanes] of each lane */
tt_status tt_vae_step(const tt_vae *vae, const tt_objective *objective, int64_t lanes, int64_t used,
                      const float *x, tt_vae_work *work, float *gradient, tt_vae_loss *loss);

#endif
