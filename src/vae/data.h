/* What training and encoding read: a matrix, the tracks its rows belong to, and which rows train or validate.
 */
#ifndef TUTTI_VAE_DATA_H
#define TUTTI_VAE_DATA_H

#include "tutti/matrix.h"

typedef struct tt_samples {
    tt_matrix x;
    int64_t
        *track; /**< [x.count] owned: track of each row, the row itself where the file has no /clip/track */
    int64_t tracks;  /**< one more than the largest track */
    bool has_tracks; /**< whether the file has /clip/track */
    bool scaled; /**< whether the columns were scaled by who wrote the file: it has /scale or /components */
    unsigned char *train;    /**< [x.count] owned, 1 for rows to train on; zeros follow up to a whole block */
    unsigned char *held;     /**< [x.count] owned, 1 for rows held out, likewise */
    int64_t n_train, n_held; /**< over all ranks */
} tt_samples;

/** Read "FILE.h5:/x" with what stands beside it; all valid rows train. Collective. Free with
 * tt_samples_free(), also on failure. */
tt_status tt_samples_read(const tt_comm *comm, const char *input, tt_samples *out);
void tt_samples_free(tt_samples *samples);

/** Hold out about `share` of the tracks, drawn by (seed, track): never two rows of one track on both sides.
 * Where that would leave no row to train on, none is held out. Collective. */
void tt_samples_split(tt_samples *samples, uint64_t seed, double share);

#endif
