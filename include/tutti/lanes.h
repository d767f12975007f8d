/* Sums of float vectors, gradients, over lanes of rows, whose bits do not depend on the number of ranks.
 *
 * Lanes are the leaves of one binary tree (pairs of neighbours, pairs of pairs, ...), as blocks are in
 * tutti/sum.h, and dealt to the ranks by tt_partition(). Who adds what is planned once, so that a sum takes
 * no more than it has to: one exchange of slices, of which each rank adds up one, and a small message in
 * which the tails of the vectors and errors travel.
 *
 * It all happens after the backward pass. Buckets summed by MPI_Iallreduce() while that goes on were measured
 * and left out: a step of 21.1 ms of products alone (1.3 million gradients, two ranks of one machine, Open
 * MPI 4.1) takes 23.1 ms with six buckets, 22.9 with one MPI_Allreduce(), 22.5 with slices as here. */
#ifndef TUTTI_LANES_H
#define TUTTI_LANES_H

#include "tutti/comm.h"
#include "tutti/timer.h"

/** Slices are whole blocks of so many elements. */
enum { TT_LANES_BLOCK = 1024 };

typedef struct tt_lanes tt_lanes;

/** @param lanes    of all ranks
 *  @param at_once  most lanes, a power of two, whose sum the caller forms in one pass
 *  @param m        elements of a vector that are summed in slices
 *  @param tail     elements behind them of which every rank gets the sum
 *  Collective. Free with tt_lanes_free(). @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL */
tt_status tt_lanes_new(const tt_comm *comm, int64_t lanes, int64_t at_once, int64_t m, int64_t tail,
                       tt_lanes **out);
void tt_lanes_free(tt_lanes *lanes);

/** The next pass of this rank: how many of its lanes, counted from *first, the caller is to sum up, in the
 *  same tree, into *room [m + tail], which holds anything. 0: all are done. Not collective. */
int64_t tt_lanes_next(const tt_lanes *lanes, int64_t *first, float **room);

/** That pass is done. Not collective. */
void tt_lanes_commit(tt_lanes *lanes);

/** Sum over all lanes, and begin anew. Collective.
 *  @param status     this rank's own so far; the worst of all ranks comes back, and no sum then
 *  @param[out] tail  the sums [tail], the same on every rank
 *  @param phases     gets the phases "wait" (for the last rank) and "reduce" */
tt_status tt_lanes_finish(tt_lanes *lanes, tt_status status, float *tail, tt_phases *phases);

/** Elements that this rank holds the sums of: [end - begin], until the next pass. Not collective. */
tt_range tt_lanes_slice(const tt_lanes *lanes, const float **sum);

/** Give every rank the slices of vector [m] that the others hold. Collective. */
void tt_lanes_share(const tt_lanes *lanes, float *vector);

#endif
