/* Variational autoencoders: training and encoding. */
#ifndef TUTTI_VAE_H
#define TUTTI_VAE_H

#include "tutti/store.h"

enum { TT_HIDDEN_MAX = 8 };

/** Settings `model:`. */
typedef struct tt_model_params {
    char *kind; /**< fc */
    int latent_dim;
    int n_hidden;
    int hidden_dims[TT_HIDDEN_MAX]; /**< of the encoder, input side first; the decoder mirrors them */
} tt_model_params;

/** Settings `train:`. */
typedef struct tt_train_params {
    double beta;          /**< weight of the KL term */
    int kl_warmup_epochs; /**< epochs over which beta rises linearly from 0 */
    int epochs, batch_size;
    char *optimizer; /**< adam */
    double learning_rate;
    char *precision;   /**< f32 */
    bool reproducible; /**< the same bits on any number of ranks */
    double validation; /**< share of tracks (or rows, without tracks) held out */
    double checkpoint_seconds;
} tt_train_params;

/** `tutti train`: model.h5 from a matrix "FILE.h5:/x" (with /valid and /clip/track beside it if they are
 * there). Writes /config, /param/NAME, /optimizer/...,
 * /history/{epoch,loss,reconstruction,kl,val_loss,lr,seconds}. Resumes from a checkpoint with the same
 * fingerprint; on a signal leaves one and returns TT_STOPPED. Collective. */
tt_status tt_train(const tt_comm *comm, const tt_model_params *model, const tt_train_params *train,
                   const tt_provenance *provenance, const char *input, const char *output);

/** `tutti encode`: latents.h5 from model.h5 and the same kind of matrix: /mu, /logvar [rows, Z], /valid
 * [rows], /clip/track, /track/mu [tracks, Z] (mean over valid clips; without tracks each row is its own).
 * Collective. */
tt_status tt_encode(const tt_comm *comm, const tt_provenance *provenance, const char *model,
                    const char *input, const char *output);

#endif
