/* What training and encoding read: a matrix, the tracks its rows belong to, and which rows train or validate.
 */
#ifndef TUTTI_VAE_DATA_H
#define TUTTI_VAE_DATA_H

#include "tutti/corpus.h"
#include "tutti/matrix.h"

typedef struct tt_samples {
    tt_matrix x;         /**< data is NULL where the rows stay in the file */
    tt_matrix_file file; /**< then it is open, and x is its */
    int n_dims;          /**< of the dataset, rows included */
    int64_t dims[TT_STORE_DIMS];
    int64_t
        *track; /**< [x.count] owned: track of each row, the row itself where the file has no /clip/track */
    int64_t tracks;  /**< one more than the largest track */
    bool has_tracks; /**< whether the file has /clip/track */
    bool scaled;   /**< whether the columns were scaled by who wrote the file: it has /scale or /components */
    int32_t *kind; /**< [x.cols] owned: kinds of the columns (vae/kinds.h), NULL where they have no names */
    unsigned char *train;    /**< [x.count] owned, 1 for rows to train on; zeros follow up to a whole block */
    unsigned char *held;     /**< [x.count] owned, 1 for rows held out, likewise */
    int64_t n_train, n_held; /**< over all ranks */
    int classes;             /**< that a model is conditioned on; 0: it is not */
    int32_t *condition; /**< [x.count] owned: class of each row, -1 where unknown and up to a whole block;
                             NULL without classes */
} tt_samples;

/** Read "FILE.h5:/x" with what stands beside it; all valid rows train. Rows that take more than `memory`
 * bytes over all ranks stay in the file; 0: any fit. Collective. Free with tt_samples_free(), also on
 * failure. */
tt_status tt_samples_read(const tt_comm *comm, const char *input, int64_t memory, tt_samples *out);
void tt_samples_free(tt_samples *samples);

/** The block of rows that begins with local row `begin` as a matrix of its own: a view of memory, or read
 * into room [TT_BLOCK_ROWS, cols]. Nothing of *view is to be freed. Not collective.
 *  @return TT_OK, or as tt_matrix_file_rows() */
tt_status tt_samples_block(const tt_samples *samples, int64_t begin, float *room, tt_matrix *view);

/** Mean and deviation of the rows that `use` marks, n over all ranks; as tt_matrix_moments(). Collective. */
tt_status tt_samples_moments(const tt_samples *samples, unsigned char *use, int64_t n, double *mean,
                             double *deviation);

/** Codes of classes by their places among `names` [n], -1 where a name is not among them: into place
 * [classes->n]. */
void tt_classes_place(const tt_classes *classes, char *const *names, int n, int32_t *place);

/** Give each row the class that `classes` says, by its place among `names` [n]; -1 if it has none or one that
 * is not among them. Collective. @return TT_OK, TT_ERR_INPUT (another number of rows), TT_ERR_MEMORY */
tt_status tt_samples_condition(tt_samples *samples, const tt_classes *classes, char *const *names, int n);

/** Hold out about `share` of the tracks, drawn by (seed, track): never two rows of one track on both sides.
 * Where that would leave no row to train on, none is held out. Collective. */
void tt_samples_split(tt_samples *samples, uint64_t seed, double share);

#endif
