/* Variational autoencoders: training and encoding. */
#ifndef TUTTI_VAE_H
#define TUTTI_VAE_H

#include "tutti/corpus.h"
#include "tutti/store.h"

enum { TT_HIDDEN_MAX = 8 };

/** Settings `model:`. */
typedef struct tt_model_params {
    char *kind;     /**< fc | conv | autoencoder | two_branch */
    char *prior;    /**< normal | mixture */
    int components; /**< of the mixture */
    int latent_dim; /**< 0: auto, until tt_train_settle() puts a number there */
    int n_hidden;
    int hidden_dims[TT_HIDDEN_MAX]; /**< of the encoder, input side first; the decoder mirrors them */
    int n_channels;
    int channels[TT_HIDDEN_MAX]; /**< conv: of the encoder's stages, each of which halves the image */
    bool normalise;              /**< conv: groups of channels of each row, before they are cut at zero */
    char *reconstruction;        /**< gaussian | learned | bernoulli */
    char *condition;             /**< none | genre: the class of a row is given to encoder and decoder */
} tt_model_params;

/** Settings `train:`. */
typedef struct tt_train_params {
    double beta;            /**< weight of the KL term; below 0: auto, until tt_train_settle() */
    char *kl_schedule;      /**< linear: beta rises once | cyclic: again and again */
    int kl_warmup_epochs;   /**< epochs over which beta rises linearly from 0 */
    int kl_cycles;          /**< of equal length, beta rising over the first half of each (Fu et al. 2019) */
    double free_bits;       /**< nats of each latent dimension of a row that cost nothing */
    int pretrain_epochs;    /**< of a plain autoencoder, before a mixture prior is fitted */
    int epochs, batch_size; /**< 0: auto, until tt_train_settle() puts a number there */
    char *optimizer;        /**< adam | adamw | sgd */
    double learning_rate;
    char *scale_learning_rate; /**< none | linear: times batch_size / 256 (Goyal et al. 2017) */
    char *schedule;            /**< constant | cosine: down to 0 at the end */
    double warmup_epochs;      /**< over which the rate rises linearly first */
    double weight_decay;       /**< decoupled for adamw, added to the gradient for the others */
    double momentum;           /**< of sgd */
    double clip_norm;          /**< longest gradient of a mean loss, 0: any */
    char *scaling;             /**< within | columns: of what the encoder sees */
    char *precision;           /**< f32, or bf16: products of bfloat16, sums of f32 */
    double
        memory; /**< MB of rows that all ranks hold together, the others stay in the file; 0: all are held */
    bool reproducible; /**< the same bits on any number of ranks */
    double validation; /**< share of tracks (or rows, without tracks) held out */
    int patience; /**< epochs without a lower loss (held-out rows if any) before training ends; 0: never. With
                     it the weights of the best epoch are published */
    double checkpoint_seconds;
} tt_train_params;

/** Put numbers where beta, epochs, batch size and latent dimensions are auto: beta 0.2 for a normal prior and
 * the Gaussian likelihood of rows that are no images, where 1 blurs genres, and 1 for all others; 50 epochs
 * of 256 rows, and 30 of 64 for conv, where a row of 128 x 130 pixels costs a hundred times as much and tells
 * the weights as much more; 16 dimensions, and 32 for conv. Each active dimension of a VAE has about the
 * variance of the prior however much of the rows it explains, so that with more of them the few that tell
 * clusters or languages apart count for less among the others; images use all of 32, and are rebuilt better
 * from them. Not collective. */
void tt_train_settle(tt_model_params *model, tt_train_params *train);

/** `tutti train`: model.h5 from a matrix "FILE.h5:/x" (with /valid and /clip/track beside it if they are
 * there).
 *
 *  A conditioned model takes the classes of the rows, whose names become /condition/name; NULL otherwise.
 * Rows of unknown class have a condition of their own.
 *
 *  Minimises, averaged over rows, reconstruction + beta KL, summed over features and latent dimensions
 * (Kingma, Welling 2014): |x - x'|^2 and KL to N(0, 1) unless the settings choose others. With prior: mixture
 * the first pretrain_epochs minimise the reconstruction alone, z being the mean; then a mixture is fitted to
 * the means. Columns are z-scored by the training rows inside the model and clipped at ten deviations; a
 * matrix with /scale or /components beside it counts as scaled already and is clipped alone. With scaling:
 * within, columns of audio features that have names beside them (features.h5:/audio, or /x of hybrid.h5) go
 * through their ranks to normal scores instead, kinds of feature are evened out, and rows are whitened by
 * what varies within tracks and between near rows, learned from a sample of about 2,048 training rows and
 * kept as /input/within/...: so that clusters stand out among the variance.
 * A model of kind conv takes a dataset [rows, height, width], whose rows are images with one mean and one
 * deviation for all pixels. The activations of a lane are in memory (of at most 64 rows, or of as many lanes
 * as 64 MB are for): about 4 MB a row of 128 x 130 with the default channels.
 *
 *  Writes /config (JSON), /param/NAME, /optimizer/{step,first/NAME,second/NAME}, /input/{mean,scale,limit}
 * and /history/{epoch,loss,reconstruction,kl,val_loss,lr,seconds}; val_loss is without noise, at the full
 * beta, NaN where no row is held out. The history has a row per epoch that was
 * run; its attribute best_epoch is there with patience. /latent/{kl,variance,active} [Z] are of the training
 * rows in the end. OUTPUT.checkpoint, written every checkpoint_seconds
 * and on a signal (which returns TT_STOPPED), is taken up if its fingerprint is the provenance's, on any
 * number of ranks; the one before it stays as OUTPUT.checkpoint.old, for the case that the newer is damaged.
 * A state that is not finite ends the training (TT_ERR_INPUT, naming step and layer) and is never written.
 * Collective. */
tt_status tt_train(const tt_comm *comm, const tt_model_params *model, const tt_train_params *train,
                   const tt_provenance *provenance, const char *input, const tt_classes *classes,
                   const char *output);

/** `tutti encode`: latents.h5 from model.h5 and the same kind of matrix: /mu, /logvar [rows, Z] (0 in rows
 * that are not valid), /valid [rows], /clip/track, /track/mu [tracks, Z] (mean over valid clips; without
 * tracks each row is its own; 0 where /track/clips, the number of valid clips, is 0). A conditioned model
 * takes the classes of these rows, by name; without any all are unknown. With a mixture prior also
 * /mixture/posterior [rows, K], /mixture/label (the likeliest component, -1 for a row that is not valid), and
 * /track/mixture/label by the mean posterior of the clips. Collective. */
tt_status tt_encode(const tt_comm *comm, const tt_provenance *provenance, const char *model,
                    const char *input, const tt_classes *classes, const char *output);

/** `tutti reconstruct`: what a model makes of rows of a matrix, beside the originals, both in the input's
 * units: /row [n] (of the matrix), /x and /reconstruction [n, as a row of the training matrix], /valid [n],
 * /error [n], the mean square of their difference in the model's scaled columns. From the mean of the
 * latents, no noise.
 *  @param rows     [n_rows], or NULL for all
 *  @param classes  of the rows of the matrix, for a conditioned model; NULL: all unknown
 *  Collective. @return TT_OK, TT_ERR_INPUT (a row that is not there or not valid), TT_ERR_IO, TT_ERR_MEMORY,
 * TT_STOPPED */
tt_status tt_reconstruct(const tt_comm *comm, const tt_provenance *provenance, const char *model,
                         const char *input, const int64_t *rows, int64_t n_rows, const tt_classes *classes,
                         const char *output);

/** `tutti sample`: rows that a model makes up: n latents drawn from its prior, by the seed of the provenance
 * and the number of the row, and decoded: /x [rows, as a row of the training matrix] in its units, /z [rows,
 * Z]. A conditioned model gives n of the class `genre`, or of each where that is NULL, with /genre [rows] and
 * NUL-padded names. Collective. @return TT_OK, TT_ERR_INPUT (no such class), TT_ERR_IO, TT_ERR_MEMORY,
 * TT_STOPPED */
tt_status tt_sample(const tt_comm *comm, const tt_provenance *provenance, const char *model, int64_t n,
                    const char *genre, const char *output);

#endif
