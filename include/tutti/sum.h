/* Sums over rows whose bits do not depend on the number of ranks.
 *
 * Every block of rows gives one vector of partial sums. The vectors are leaves, in block order, of one binary
 * tree (pairs of neighbours, pairs of pairs, ...), whose shape depends on the number of blocks alone; each
 * rank adds up the subtrees that it holds whole, and the rest is added where subtrees meet. */
#ifndef TUTTI_SUM_H
#define TUTTI_SUM_H

#include "tutti/comm.h"

/** Partial sums of the blocks of one rank. */
typedef struct tt_blocksum tt_blocksum;

/** Start sums of m doubles over blocks; this rank will push blocks first, first + 1, ... in order.
 *  Over ranks the blocks must be contiguous and ascending with the rank, as tt_partition() deals them.
 *  Not collective. Free with tt_blocksum_free(). */
tt_status tt_blocksum_new(int64_t m, int64_t first, tt_blocksum **out);

/** Add the next block's partial sums [m] (copied). Not collective. */
tt_status tt_blocksum_push(tt_blocksum *sum, const void *partial);

/** Room for the next block's partial sums [m], zeroed: form them in place, then tt_blocksum_commit().
 *  Not collective. NULL if out of memory. */
void *tt_blocksum_next(tt_blocksum *sum);

/** As tt_blocksum_next(), holding anything: for sums that write every element. */
void *tt_blocksum_room(tt_blocksum *sum);

/** Take what was formed in tt_blocksum_next() or tt_blocksum_room() as the next block. Not collective. */
void tt_blocksum_commit(tt_blocksum *sum);

/** The sums over all blocks of all ranks into out [m], the same bits on every rank and for every rank
 *  count; zeros if no rank pushed any. `sum` starts again at block `first`. Collective; `status` is this
 * rank's own so far, and the worst of all ranks comes back (out is then undefined). One reduce-scatter and
 * one allgather of m elements where m is large, a tree over ranks where it is small. */
tt_status tt_blocksum_finish(tt_blocksum *sum, const tt_comm *comm, tt_status status, void *out);

void tt_blocksum_free(tt_blocksum *sum);

#endif
