/* Rows to lanes: the order of an epoch, and the exchange that brings each rank the rows of its lanes.
 *
 * An epoch is one pass over the training rows in an order keyed by (seed, epoch): those of its first pool in
 * a random order, then those of the next. All rows in memory are one pool. It is cut into `steps` batches
 * whose sizes differ by one at most. A batch is cut into lanes of `lane_rows` rows, the last ones padded, and
 * the lanes are dealt to the ranks as contiguous runs. In reproducible mode the lanes depend on the number of
 * rows and the batch size alone; otherwise there is one per rank.
 *
 * Rows travel in windows of several steps, so that one exchange serves many; a window takes memory of the
 * order of a rank's own share of the rows, or of one batch where that is more. */
#ifndef TUTTI_VAE_FEED_H
#define TUTTI_VAE_FEED_H

#include "tutti/vae.h"
#include "vae/pool.h"
#include "vae/scaling.h"

typedef struct tt_feed_place {
    int64_t position; /**< in the epoch's order */
    int64_t row;      /**< local row of the matrix */
} tt_feed_place;

typedef struct tt_feed {
    const tt_samples *samples;
    const tt_scaling *scaling;
    uint64_t seed;
    int64_t steps;                              /**< per epoch */
    int64_t lanes, lane_rows;                   /**< of every batch */
    int64_t first_lane, n_lanes;                /**< of this rank */
    tt_pools *pools;                            /**< where rows are */
    int64_t *start;                             /**< [pools + 1] position of each pool's first row */
    int64_t n_local;                            /**< training rows of this rank */
    tt_feed_place *order;                       /**< [n_local] this epoch, by position */
    int64_t epoch;                              /**< that `order` is of, -1 for none */
    int64_t window, window_first, window_steps; /**< longest; what is held now */
    float *rows;                                /**< [window, n_lanes, lane_rows, cols] scaled */
    int64_t *ids;                               /**< [window, n_lanes, lane_rows] global row */
    int32_t *conditions;                        /**< likewise: class, -1 unknown */
} tt_feed;

/** Rows of one lane. */
typedef struct tt_lane {
    int64_t used;      /**< rows that count, the first ones; the others are zeros */
    const float *rows; /**< [lane_rows, cols] */
    const int64_t *id; /**< [used] global rows, which key the noise */
    const int32_t
        *condition; /**< [lane_rows] class of each row, -1 unknown; NULL for samples without classes */
} tt_lane;

/** Bytes of rows that all ranks may hold together, 0: any. */
int64_t tt_feed_memory(const tt_train_params *settings);

/** Plan batches as the settings say. Collective. Free with tt_feed_free(), also on failure. */
tt_status tt_feed_new(const tt_samples *samples, const tt_scaling *scaling, uint64_t seed,
                      const tt_train_params *settings, tt_feed *out);
void tt_feed_free(tt_feed *feed);

/** Wait until no thread reads rows: before HDF5 is used in any other way. Not collective. */
void tt_feed_settle(const tt_feed *feed);

/** Rows [begin, end) of the epoch's order that make up batch `step`. Not collective. */
tt_range tt_feed_batch(const tt_feed *feed, int64_t step);

/** Make the rows of a step present; steps are asked for in order, from any first one. Collective. */
tt_status tt_feed_step(tt_feed *feed, int64_t epoch, int64_t step);

/** This rank's lane `lane` (0 to n_lanes - 1) of a step that is present. Not collective. */
tt_lane tt_feed_lane(const tt_feed *feed, int64_t step, int64_t lane);

#endif
