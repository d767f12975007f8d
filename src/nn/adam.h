/* Adam over a whole parameter block: Kingma, Ba (2015), as PyTorch's torch.optim.Adam computes it. */
#ifndef TUTTI_NN_ADAM_H
#define TUTTI_NN_ADAM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tt_adam {
    double learning_rate, beta1, beta2, epsilon;
    int64_t step;  /**< steps taken so far */
    float *first;  /**< first moments, a parameter block, not owned */
    float *second; /**< second moments, likewise */
} tt_adam;

/** The usual constants: 0.9, 0.999, 1e-8. */
tt_adam tt_adam_new(double learning_rate, float *first, float *second);

/** One step along `scale` times `gradient`. Every element depends on its own alone, so that ranks holding
 *  the same bits keep them. Not collective.
 *  @return false if a gradient was not finite; the blocks are then spoilt */
bool tt_adam_step(tt_adam *adam, int64_t n, double scale, const float *gradient, float *params);

#endif
