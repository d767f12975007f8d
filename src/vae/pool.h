/* Rows that training has at hand: all of them in memory, or pools of blocks that a thread reads ahead of
 * need.
 *
 * Where the rows stay in the file, an epoch goes through `n` pools of blocks. Consecutive runs of n blocks
 * are strata; each pool has one block of every stratum, drawn by (seed, epoch, stratum), so that ranks, whose
 * blocks are neighbours, have equal shares of every pool. Pools are numbered through all epochs: epoch * n +
 * pool.
 *
 * The thread reads through HDF5, which serves one thread at a time: call tt_pools_settle() before any other
 * use of it. */
#ifndef TUTTI_VAE_POOL_H
#define TUTTI_VAE_POOL_H

#include "vae/data.h"

typedef struct tt_pools tt_pools;

/** Plan pools of at most `memory` bytes over all ranks, counting those in use and the one that is read ahead;
 * one pool where the samples are in memory. `epochs` of them will be asked for. Not collective. Free with
 * tt_pools_free(). */
tt_status tt_pools_new(const tt_samples *samples, uint64_t seed, int64_t epochs, int64_t memory,
                       tt_pools **out);
void tt_pools_free(tt_pools *pools);

/** Pools of an epoch. */
int64_t tt_pools_count(const tt_pools *pools);

/** Pool (0 to n - 1) that a block of global rows is in. */
int64_t tt_pools_of(const tt_pools *pools, int64_t epoch, int64_t block);

/** Have pools first to last (epoch * n + pool), let go of earlier ones, and begin to read the next. Not
 * collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT, TT_ERR_MEMORY, or TT_STOPPED after a signal */
tt_status tt_pools_need(tt_pools *pools, int64_t first, int64_t last);

/** Local row of the samples, which must be in that pool: [cols], as the file has it. */
const float *tt_pools_row(const tt_pools *pools, int64_t pool, int64_t row);

/** Wait until nothing is being read; what went wrong shows in the next tt_pools_need(). */
void tt_pools_settle(tt_pools *pools);

#endif
