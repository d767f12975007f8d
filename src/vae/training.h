/* The whole state of a training run, and what is done with it: steps, checkpoints, the model file. */
#ifndef TUTTI_VAE_TRAINING_H
#define TUTTI_VAE_TRAINING_H

#include "nn/optimizer.h"
#include "tutti/lanes.h"
#include "vae/feed.h"
#include "vae/model.h"

/** Columns of the history, in this order. */
enum {
    TT_H_EPOCH,
    TT_H_LOSS,
    TT_H_RECONSTRUCTION,
    TT_H_KL,
    TT_H_VALIDATION,
    TT_H_RATE,
    TT_H_SECONDS,
    TT_HISTORY
};

/** What rides with the gradient in the reduction of a step. */
enum { TT_TAIL_RECONSTRUCTION, TT_TAIL_KL, TT_TAIL_PENALTY, TT_TAIL_ROWS, TT_TAIL_CHECKPOINT, TT_TAIL = 16 };

/** Sums over the rows that a mask marks, without noise. */
typedef struct tt_scores {
    double rows;
    double reconstruction, kl; /**< mean per row */
    double square;             /**< |x - x'|^2, mean per row */
    double predictor;          /**< of it what predicting the mean of the training rows would leave */
    int64_t active;            /**< latent units whose mean varies by more than 0.01 (Burda et al. 2016) */
} tt_scores;

/** One dimension of the latents over the same rows. */
typedef struct tt_unit {
    double kl;       /**< mean per row */
    double variance; /**< of its mean */
    bool active;
} tt_unit;

typedef struct tt_training {
    const tt_comm *comm;
    const tt_train_params *settings;
    const tt_provenance *provenance;
    const tt_classes *classes; /**< of the rows, NULL unless the model is conditioned */
    const char *output;
    tt_precision precision; /**< what was asked for, if all ranks can */
    tt_samples samples;
    tt_scaling scaling;
    tt_feed feed;
    tt_vae vae;
    tt_vae_work work;      /**< of as many lanes as the model takes at once */
    tt_vae_loss *loss;     /**< [work.lanes] */
    float *params;         /**< parameter block */
    float *first, *second; /**< moments, parameter blocks, of which a rank keeps up its slice */
    float *best;           /**< parameters of the best epoch so far; NULL without patience */
    tt_lanes *lanes;       /**< sums of gradients and tails */
    tt_optimizer optimizer;
    tt_schedule schedule;
    int64_t epoch, step;  /**< the step to take next */
    double rate;          /**< learning rate of the last step */
    int64_t best_epoch;   /**< counted from 1, 0: none yet */
    double best_loss;     /**< of held-out rows at the full beta, or of training rows without any */
    double sums[4];       /**< of this epoch so far: loss, reconstruction, KL, rows */
    double *history;      /**< [epochs, TT_HISTORY] */
    tt_unit *unit;        /**< [latent] in the end, over the training rows */
    double seconds;       /**< spent in this epoch before a checkpoint was taken up */
    double epoch_began;   /**< tt_now() */
    double checkpoint_at; /**< tt_now() of the last one */
    tt_phases phases;
} tt_training;

/** Check the settings, read the rows, and be where the first step or a checkpoint is. Collective. Free with
 *  tt_training_free(), also on failure. */
tt_status tt_training_new(const tt_comm *comm, const tt_model_params *model, const tt_train_params *settings,
                          const tt_provenance *provenance, const char *input, const tt_classes *classes,
                          const char *output, tt_training *out);
void tt_training_free(tt_training *t);

/** Make the shape one of kind conv: images of the size that the rows of the dataset have, as many of
 *  model.channels as they take. @return TT_OK or TT_ERR_INPUT. Not collective. */
tt_status tt_model_images(const tt_samples *samples, const tt_model_params *model, tt_vae_shape *shape);

/** TT_ERR_CONFIG naming the setting of `train:` that cannot be. Not collective. */
tt_status tt_training_check(const tt_train_params *settings);

/** Set up the optimiser and its schedule as the settings say; the feed and the blocks must be there. */
void tt_training_recipe(tt_training *t);

/** Learning rate of the present step. */
double tt_training_rate(const tt_training *t);

/** Take one step, and close the epoch if it was its last; as tt_training_step(). Collective. */
tt_status tt_training_advance(tt_training *t, bool *due);

/** Score the rows that `mask` marks: the same bits on any rank count. @param[out] units  [latent] or NULL.
 * Collective. */
tt_status tt_training_score(const tt_training *t, const unsigned char *mask, tt_scores *out, tt_unit *units);

/** Take one step. TT_STOPPED, with nothing changed, if a signal asked for it; *due tells whether it is time
 * for a checkpoint. Collective. */
tt_status tt_training_step(tt_training *t, bool *due);

/** TT_ERR_CONFIG naming the setting of `model:`, or of `train:` beside it, that cannot be. Not collective. */
tt_status tt_model_check(const tt_model_params *model, const tt_train_params *train);

/** The shape of the model that the settings, once checked, and the rows ask for; `input` tells the columns of
 * a two_branch model apart by /names. Collective. @return TT_OK, TT_ERR_INPUT, TT_ERR_IO, TT_ERR_MEMORY */
tt_status tt_model_shape(const tt_samples *samples, const tt_model_params *model, const char *input,
                         tt_vae_shape *out);

/** TT_ERR_CONFIG naming the setting of the objective that cannot be. Not collective. */
tt_status tt_objective_check(const tt_train_params *settings);

/** Epochs of a plain autoencoder before a mixture prior is fitted; 0 with another prior. */
int64_t tt_training_pretrain(const tt_training *t);

/** Epochs until beta is at its full height for the first time. */
int64_t tt_training_risen(const tt_training *t);

/** Give every rank the moments that the others keep up. Collective. */
void tt_training_gather(const tt_training *t);

/** Weight of the KL term at the present step. */
double tt_training_beta(const tt_training *t);

/** What the present step minimises. */
tt_objective tt_training_objective(const tt_training *t);

/** Fit the mixture prior to the means of the training rows, if the present step is the first one after
 * pre-training: a function of the parameters there, so that a checkpoint before it and one after it lead to
 * the same. Collective. @return TT_OK, TT_ERR_MEMORY, TT_ERR_IO, or TT_STOPPED with nothing changed */
tt_status tt_training_start_prior(tt_training *t);

/** Whether all epochs are done, or patience has run out. */
bool tt_training_done(const tt_training *t);

/** Write OUTPUT.checkpoint, published by a rename; the last one stays as OUTPUT.checkpoint.old. Collective.
 */
tt_status tt_checkpoint_write(tt_training *t);

/** Go on from OUTPUT.checkpoint if there is one of this very training, or else from the one before it; *found
 * tells. One that cannot be used is said so and passed over; what it leaves in the blocks is undefined.
 * Collective. */
tt_status tt_checkpoint_read(tt_training *t, bool *found);

/** Remove both, and a half-written one. Call when the model is published. Collective. */
void tt_checkpoint_remove(const tt_training *t);

/** Create OUTPUT.part, so that what cannot be written is known before training. Collective. */
tt_status tt_model_create(const tt_training *t, tt_store **out);

/** Fill and publish it; frees the store. Collective. */
tt_status tt_model_publish(tt_training *t, tt_store *store);

/** What using a model needs of its file. */
typedef struct tt_model {
    tt_vae vae;
    int n_dims; /**< of a row as it stood in the file: 1, or 2 for mel spectrograms */
    int64_t dims[TT_STORE_DIMS];
    tt_scaling scaling;
    float *params;
    int classes; /**< 0 if it is not conditioned */
    char **name; /**< [classes] of them; one block */
} tt_model;

/** Read model.h5. Collective. Free with tt_model_free(), also on failure. */
tt_status tt_model_read(const tt_comm *comm, const char *path, tt_model *out);
void tt_model_free(tt_model *model);

#endif
