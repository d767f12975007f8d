/* The communicator that objects carry, the block partition of rows, and agreement on errors. */
#ifndef TUTTI_COMM_H
#define TUTTI_COMM_H

#include "tutti/status.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

/** Rows per block: the unit of work, of order-independent sums and of checksums. A block never has two
 *  owners, and every shape handed to BLAS is made of blocks, so that results do not show the rank count. */
enum { TT_BLOCK_ROWS = 256 };

typedef struct tt_comm {
    MPI_Comm mpi; /**< not owned */
    int rank;
    int size;
} tt_comm;

/** A half-open run of global rows. */
typedef struct tt_range {
    int64_t begin;
    int64_t end;
} tt_range;

/** Wrap a communicator. Not collective; nothing to free. */
tt_comm tt_comm_wrap(MPI_Comm mpi);

/** The worst status of all ranks, with its message, on every rank. Collective.
 *  Call it before any rank leaves between two collectives. */
tt_status tt_agree(const tt_comm *comm, tt_status status);

/** Rows [begin, end) of `rank` when n rows in blocks of `block` rows are dealt to `size` ranks as whole,
 *  contiguous blocks, sizes differing by one block at most; empty for ranks beyond the blocks. */
tt_range tt_partition(int64_t n, int64_t block, int size, int rank);

/** Rank that owns `row` under tt_partition(). */
int tt_owner(int64_t n, int64_t block, int size, int64_t row);

/** Sum, largest and prefix sum (of the ranks before this one) of one integer per rank. Collective. */
int64_t tt_sum_i64(const tt_comm *comm, int64_t value);
int64_t tt_max_i64(const tt_comm *comm, int64_t value);
int64_t tt_prefix_i64(const tt_comm *comm, int64_t value);

/** Copy n bytes from `root` to all ranks, in pieces below 2 GiB. Collective. */
tt_status tt_broadcast(const tt_comm *comm, void *data, int64_t n, int root);

/** Send count[r] bytes at data + offset[r] to each rank r; receive into *out (allocated here, free()) what
 * they sent, in rank order, out_count[r] bytes from rank r [size: comm size]. Totals may exceed 2 GiB.
 *  Collective. @return TT_OK or TT_ERR_MEMORY, the same on every rank */
tt_status tt_exchange(const tt_comm *comm, const void *data, const int64_t *count, void *out,
                      int64_t *out_count);

/** `n` as an MPI or BLAS count; TT_ERR_INTERNAL if it does not fit. Not collective.
 *
 * Rows, and what is counted of them, are int64_t throughout, so that 2^31 rows and more are no special case.
 * An int stands only for what cannot grow with them, or comes from here: elements of a sum over blocks and
 * bytes of a piece (sum.h, tt_broadcast(), tt_exchange()), of a chunk of a tour or of the blocks that visit a
 * rank (tiles, DBSCAN, silhouettes); k x columns and the candidates of k-means||; cells of a contingency
 * table and distinct labels; a row of the matrix of distances. Scores count pairs in 128 bits. Clusters have
 * int32_t numbers: more than 2^31 - 1 of DBSCAN or of single noise rows are refused, and a tree takes as many
 * leaves. */
tt_status tt_int(int64_t n, const char *what, int *out);

#endif
