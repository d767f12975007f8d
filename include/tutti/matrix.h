/* A row-distributed float matrix, read from any HDF5 dataset. */
#ifndef TUTTI_MATRIX_H
#define TUTTI_MATRIX_H

#include "tutti/comm.h"

/** Rows are dealt by tt_partition(rows, TT_BLOCK_ROWS, ...); ranks may own none. Row-major. */
typedef struct tt_matrix {
    const tt_comm *comm; /**< not owned */
    int64_t rows;        /**< over all ranks */
    int64_t first;       /**< global row of data[0] */
    int64_t count;       /**< rows on this rank */
    int64_t cols;
    float *data;          /**< [count, cols] owned */
    unsigned char *valid; /**< [count] owned: 0 for a row that holds no features (see /valid); never NULL */
    int64_t n_valid;      /**< valid rows over all ranks */
    char *name;           /**< "FILE.h5:/x", for messages; owned */
} tt_matrix;

/** Read "FILE.h5:/path" (float32 or float64, two or more dimensions; the trailing ones are flattened). Where
 * the file has a dataset /valid with as many rows, it marks the rows to use. A valid row with Inf or NaN is
 * an error naming it. Collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT, TT_ERR_MEMORY. Free with
 * tt_matrix_free(). */
tt_status tt_matrix_read(const tt_comm *comm, const char *spec, const char *default_dataset, tt_matrix *out);

/** An uninitialised-to-zero matrix of the standard partition, all rows valid. Collective. */
tt_status tt_matrix_new(const tt_comm *comm, const char *name, int64_t rows, int64_t cols, tt_matrix *out);

void tt_matrix_free(tt_matrix *matrix);

/** Column mean and standard deviation (population) of the valid rows, in double, the same bits on any rank
 * count.
 *  @param[out] mean, deviation  [cols] each, provided by the caller. Collective. */
tt_status tt_matrix_moments(const tt_matrix *x, double *mean, double *deviation);

#endif
