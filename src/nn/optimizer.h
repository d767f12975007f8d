/* Optimisers over a whole parameter block, and how their rate runs over the steps, as PyTorch defines them
 * (torch.optim.Adam, AdamW, SGD; clip_grad_norm_; LinearLR, CosineAnnealingLR). Not collective. */
#ifndef TUTTI_NN_OPTIMIZER_H
#define TUTTI_NN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

/** TT_ADAM: Kingma, Ba (2015). TT_ADAMW: with decoupled decay, Loshchilov, Hutter (2019). TT_SGD: with
 *  momentum. */
typedef enum tt_optimizer_kind { TT_ADAM, TT_ADAMW, TT_SGD } tt_optimizer_kind;

typedef struct tt_optimizer {
    tt_optimizer_kind kind;
    double beta1, beta2, epsilon; /**< of Adam and AdamW */
    double momentum;              /**< of SGD; 0: none */
    double weight_decay;          /**< decoupled for AdamW, added to the gradient for the others */
    double clip_norm;             /**< longest gradient, 0: any */
    int64_t step;                 /**< steps taken so far */
    float *first;                 /**< first moments or momentum, a parameter block, not owned */
    float *second;                /**< second moments, likewise; SGD leaves them as they are */
} tt_optimizer;

/** "adam", "adamw" or "sgd". @return false if it is none of them */
bool tt_optimizer_parse(const char *name, tt_optimizer_kind *out);

/** The usual constants: beta 0.9 and 0.999, epsilon 1e-8; no momentum, decay or clipping. */
tt_optimizer tt_optimizer_new(tt_optimizer_kind kind, float *first, float *second);

/** Sum of the squares of n elements, in an order that depends on n alone. */
double tt_optimizer_squares(int64_t n, const float *gradient);

/** What clipping makes of `scale` for a gradient whose squares sum up to `squares`; not finite if they are
 *  not. */
double tt_optimizer_clip(const tt_optimizer *optimizer, double scale, double squares);

/** One step of length `rate` along `scale` times `gradient` for elements [begin, begin + n) of the blocks,
 *  each of which depends on its own alone: ranks may share them out as they like.
 *  @param gradient  [n] of these elements
 *  @return false if a gradient, a moment or a parameter is not finite then; the blocks are spoilt */
bool tt_optimizer_step(tt_optimizer *optimizer, int64_t begin, int64_t n, double rate, double scale,
                       const float *gradient, float *params);

/** How the rate runs over a training. */
typedef struct tt_schedule {
    double rate;    /**< the highest */
    int64_t warmup; /**< steps over which it rises linearly, rate / warmup at the first */
    int64_t steps;  /**< of the training */
    bool cosine;    /**< then falls as a cosine to 0 at the end (Loshchilov, Hutter 2017), or stays */
} tt_schedule;

/** Rate of step `step`, counted from 0. */
double tt_schedule_rate(const tt_schedule *schedule, int64_t step);

#endif
