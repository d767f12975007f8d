/* A row-distributed float matrix, read from any HDF5 dataset. */
#ifndef TUTTI_MATRIX_H
#define TUTTI_MATRIX_H

#include "tutti/comm.h"
#include "tutti/store.h"

/** Rows are dealt by tt_partition(rows, TT_BLOCK_ROWS, ...); ranks may own none. Row-major.
 *
 * Element (i, j) stands for the value shift[j] + data[i, j]. float32 input is kept as it is and has shift 0.
 * A column of wider input (float64, integers) whose mean is large beside its spread is stored about that
 * mean, since rounding to float32 would otherwise wipe out its structure; the mean itself is rounded to a
 * power of two about as large as the spread, so that values of few bits, such as whole numbers, are held
 * exactly and ties between them stay ties. Distances do not feel the shift; who needs the values themselves
 * adds it. */
typedef struct tt_matrix {
    const tt_comm *comm; /**< not owned */
    int64_t rows;        /**< over all ranks */
    int64_t first;       /**< global row of data[0] */
    int64_t count;       /**< rows on this rank */
    int64_t cols;
    float *data;   /**< [count, cols] owned; zeros follow up to a whole block of TT_BLOCK_ROWS rows */
    float *rest;   /**< [count, cols], likewise: what rounding took off, so that the value is shift + data
                      + rest; owned; NULL unless tt_matrix_read_exact() found any */
    double *shift; /**< [cols] owned, the same on every rank; never NULL */
    unsigned char *valid; /**< [count] owned: 0 for a row that holds no features (see /valid); never NULL;
                             zeros follow up to a whole block */
    int64_t n_valid;      /**< valid rows over all ranks */
    char *name;           /**< "FILE.h5:/x", for messages; owned */
} tt_matrix;

/** Read "FILE.h5:/path" (any float or integer type, one or more dimensions: one dimension is one column, the
 * trailing ones of three or more are flattened). Where the file has a dataset /valid with as many rows, it
 * marks the rows to use; without it /clip/status does (tt_track_status_valid()); rows that are not valid are
 * stored as zeros. Zero rows are a legal matrix. Inf or NaN in a valid row is an error naming it, and so is a
 * value beyond float32. Collective.
 *  @return TT_OK, TT_ERR_IO, TT_ERR_INPUT, TT_ERR_MEMORY, the same on every rank; on failure *out is empty
 * and needs no tt_matrix_free(), which is harmless */
tt_status tt_matrix_read(const tt_comm *comm, const char *spec, const char *default_dataset, tt_matrix *out);

/** A matrix whose rows stay in the file. */
typedef struct tt_matrix_file {
    tt_matrix x;     /**< shape, shifts and marks as tt_matrix_read() gives them; data is NULL */
    tt_store *store; /**< owned */
    char *dataset;   /**< owned */
    bool wide;       /**< its type is wider than float32 */
} tt_matrix_file;

/** Open what tt_matrix_read() would read. Whether the values are finite shows when they are read. Collective.
 *  @return as tt_matrix_read(); on failure *out is empty. Free with tt_matrix_file_close(). */
tt_status tt_matrix_file_open(const tt_comm *comm, const char *spec, const char *default_dataset,
                              tt_matrix_file *out);
void tt_matrix_file_close(tt_matrix_file *file);

/** As tt_matrix_read(), keeping what rounding takes off wider input, for who measures near pairs exactly. The
 * same memory again, where there is such a rest. Collective. */
tt_status tt_matrix_read_exact(const tt_comm *comm, const char *spec, const char *default_dataset,
                               tt_matrix *out);

/** Read local rows [begin, begin + n) into out [n, cols], the same numbers as tt_matrix_read() gives. Not
 * collective; from any thread, but from one at a time and while no other uses HDF5. */
tt_status tt_matrix_file_rows(const tt_matrix_file *file, int64_t begin, int64_t n, float *out);

/** tt_matrix_moments() of the rows that `use` [x.count] marks, n over all ranks. Collective. */
tt_status tt_matrix_file_moments(const tt_matrix_file *file, const unsigned char *use, int64_t n,
                                 double *mean, double *deviation);

/** Rows, columns and valid rows of what tt_matrix_read() would read, without reading it. Collective.
 *  @return as tt_matrix_read() */
tt_status tt_matrix_size(const tt_comm *comm, const char *spec, const char *default_dataset, int64_t *rows,
                         int64_t *cols, int64_t *n_valid);

/** Replace the rows of x, read from `spec`, by the means of each track's valid rows; /clip/track of the same
 * file says whose they are. Tracks without a valid row are not valid. Collective. @return TT_OK, TT_ERR_INPUT
 * (no /clip/track), TT_ERR_IO, TT_ERR_MEMORY, the same on every rank; on failure *x is empty */
tt_status tt_matrix_by_track(const char *spec, tt_matrix *x);

/** Mean of `values` over the valid rows of each track; 0 for a track without any. Runs of one track within a
 * block of rows are summed where they lie and sent to the track's owner, who adds them in the order of the
 * blocks: the same bits on any rank count.
 *  @param track      [x->count] of this rank's rows, from 0 to tracks - 1
 *  @param values     [x->count, n]
 *  @param[out] mean  [mine, n], tracks tt_partition(tracks, TT_BLOCK_ROWS, ...) of this rank; free()
 *  @param[out] clips [mine] valid rows of each; free()
 *  Collective. @return TT_OK or TT_ERR_MEMORY, the same on every rank */
tt_status tt_track_means(const tt_matrix *x, const int64_t *track, int64_t tracks, int64_t n,
                         const float *values, float **mean, int64_t **clips);

/** A matrix of zeros of the standard partition, all rows valid, shift 0. Collective. */
tt_status tt_matrix_new(const tt_comm *comm, const char *name, int64_t rows, int64_t cols, tt_matrix *out);

/** Free what *matrix owns. */
void tt_matrix_free(tt_matrix *matrix);

/** The mean of a column, rounded to a power of two that its deviation just reaches: then whole numbers less
 * that are whole, and whatever has few bits is held as it is. */
double tt_rounded_mean(double mean, double variance);

/** Column mean (shift included) and standard deviation (population) of the valid rows, in double, the same
 * bits on any rank count; zeros if no row is valid.
 *  @param[out] mean, deviation  [cols] each, provided by the caller. Collective. */
tt_status tt_matrix_moments(const tt_matrix *x, double *mean, double *deviation);

#endif
