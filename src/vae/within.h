/* A space of features in which clusters stand out, learned from the rows alone: part of the model.
 *
 * Columns of very different laws, in groups of very different sizes (140 of MFCCs beside 7 of loudness), are
 * first made comparable and then whitened by what varies within clusters:
 *
 *  1. each column goes through its ranks to normal scores (Conover 1999), by knots at quantiles of a sample;
 *     outliers end at the outermost knot;
 *  2. each is divided by (columns of its kind)^0.4;
 *  3. the row is multiplied by the symmetric matrix of linalg/within.h.
 *
 * Columns of lyrics are left to the plain scaling, and the total variance of the others stays the number of
 * columns that vary, so that both keep the balance that the file gives them. */
#ifndef TUTTI_VAE_WITHIN_H
#define TUTTI_VAE_WITHIN_H

#include "vae/data.h"

/** The most columns it is used for: it works in the square of them. */
enum { TT_WITHIN_MAX = 2048, TT_WITHIN_KNOTS = 129, TT_WITHIN_PARTS = 7 };

typedef struct tt_within {
    int64_t n;       /**< columns it applies to; 0: none, and nothing below is there */
    int64_t *column; /**< [n] which ones, ascending; owned, and the rest lies in the same block */
    double *score;   /**< [TT_WITHIN_KNOTS] normal scores, ascending */
    double *knots;   /**< [n, TT_WITHIN_KNOTS] the values that have them */
    double *centre;  /**< [n] mean score */
    double *weight;  /**< [n] that the score is multiplied by; 0 where a column is constant */
    float *forth;    /**< [n, n] symmetric */
    float *back;     /**< [n, n] its inverse */
} tt_within;

/** Room for n columns, zeroed. Not collective. Free with tt_within_free(). */
tt_status tt_within_new(int64_t n, tt_within *out);
void tt_within_free(tt_within *within);

/** Learn it from a sample of about 2,048 of the rows that train, drawn by track and row with this seed;
 * out->n is 0 where samples->kind is NULL, rows are few (fewer than 32) or none differs from another.
 * Collective. Free with tt_within_free(), also on failure. */
tt_status tt_within_fit(const tt_samples *samples, uint64_t seed, tt_within *out);

/** Normal score of a value of its column k. Not collective. */
double tt_within_score(const tt_within *within, int64_t k, double value);

/** Write the columns of `within` that row [cols], with these shifts, has in that space. Not collective. */
void tt_within_apply(const tt_within *within, const double *shift, const float *row, float *out);

/** The way back, exact between the outermost knots. Not collective. */
void tt_within_undo(const tt_within *within, const float *row, float *out);

/** Its datasets /input/within/... as columns of a file to be made: TT_WITHIN_PARTS, or 0 if n is 0.
 * @return how many were written to out */
int tt_within_columns(const tt_within *within, tt_column *out);

/** Write them, or read what is there on rank 0 and tell the others (out->n is 0 where a file has none).
 * Writing is not collective; reading is. Free with tt_within_free(), also on failure. */
tt_status tt_within_write(const tt_within *within, tt_store *store);
tt_status tt_within_read(const tt_comm *comm, tt_store *store, int64_t cols, tt_within *out);

#endif
