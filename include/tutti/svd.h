/* Truncated singular value decomposition of a sparse matrix that is distributed by rows. */
#ifndef TUTTI_SVD_H
#define TUTTI_SVD_H

#include "tutti/comm.h"

/** Compressed sparse rows, dealt by tt_partition(rows, TT_BLOCK_ROWS, ...). Nothing in it is owned. */
typedef struct tt_sparse {
    const tt_comm *comm;
    int64_t rows, cols; /**< over all ranks */
    int64_t first, count;
    const int64_t *begin; /**< [count + 1] */
    const int32_t *index; /**< columns, each once within a row */
    const float *value;
} tt_sparse;

/** The largest singular values and their right vectors. Free with tt_svd_free(). */
typedef struct tt_svd {
    const tt_comm *comm;
    int64_t cols, dims;
    int64_t first, count; /**< columns of the matrix whose axes are on this rank: tt_partition(cols, ...) */
    double *values;       /**< [dims] descending, the same on every rank */
    float *axes;          /**< [count, dims]; the entry of largest size of each axis is positive */
    int64_t basis;        /**< vectors that the answer was looked for in */
    double error;         /**< of the values, relative: an estimate */
} tt_svd;

/** The `dims` largest singular values of a matrix, by a randomised block Krylov basis (Musco, Musco 2015,
 * after Halko, Martinsson, Tropp 2011): a random block is multiplied by A'A again and again, each new block
 * is made orthogonal to those before, and the basis grows until the values are known to about 5e-6 of
 * themselves, or it holds all there is. Products with A' are summed in fixed point, exactly, so that neither
 * the order nor the number of ranks shows. Fewer than `dims` come out where the matrix has a lower rank
 * (values below 1e-3 of the largest count as none: the products are of float32). Memory per rank is
 * O(nonzeros / P + cols x basis / P). Collective.
 *  @return TT_OK, TT_STOPPED, TT_ERR_INPUT (too large for 32-bit counts), TT_ERR_MEMORY */
tt_status tt_svd_sparse(const tt_sparse *a, int64_t dims, uint64_t seed, tt_svd *out);

/** The rows along the axes: scores [count of a, dims] = A V. Collective. */
tt_status tt_svd_transform(const tt_svd *svd, const tt_sparse *a, float *scores);

void tt_svd_free(tt_svd *svd);

#endif
