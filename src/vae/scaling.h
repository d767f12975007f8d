/* What is done to the columns before the encoder sees them; part of the model, applied in encoding too. */
#ifndef TUTTI_VAE_SCALING_H
#define TUTTI_VAE_SCALING_H

#include "vae/within.h"

/** x' = (x - mean) / scale, then clipped to [-limit, limit], per column; of the columns that `within` covers
 * what that makes of them. */
typedef struct tt_scaling {
    int64_t cols;
    double *mean, *scale, *limit; /**< [cols] each, one block, owned through mean */
    tt_within within;             /**< n is 0 if it is not wanted or does not apply */
    bool applied;                 /**< to the rows in memory already: they are taken as they are */
    double *centre; /**< [cols] in that block too, not stored: mean of the training rows as scaled */
} tt_scaling;

tt_status tt_scaling_new(int64_t cols, tt_scaling *out);
void tt_scaling_free(tt_scaling *scaling);

/** Fit to the rows that train: mean and standard deviation, 1 where a column is constant, clipped at ten
 * deviations so that no outlier steers the training alone. Columns that are scaled already (a fused matrix,
 * whose columns carry weights on purpose) keep mean 0 and scale 1, and get the limit alone. With `unit` all
 * columns go from their least value to their largest, as 0 to 1. Images have one mean, deviation and range
 * for all their columns, so that neighbours stay comparable. Collective. */
tt_status tt_scaling_fit(const tt_samples *samples, bool images, bool unit, tt_scaling *scaling);

/** After tt_scaling_fit(): learn `within` from the rows that train, for the columns that it covers.
 * Collective. */
tt_status tt_scaling_fit_within(const tt_samples *samples, uint64_t seed, tt_scaling *scaling);

/** Scale the samples' own rows once and for all, where they are in memory: sets `applied` then. Not
 * collective. @return TT_OK or TT_ERR_MEMORY */
tt_status tt_scaling_settle(tt_scaling *scaling, tt_samples *samples);

/** Scale a row [cols] of a matrix with these shifts into out [cols]. Not collective. */
void tt_scaling_row(const tt_scaling *scaling, const double *shift, const float *row, float *out);

/** Scale row i of x, data[i], into out [cols]. Not collective. */
void tt_scaling_apply(const tt_scaling *scaling, const tt_matrix *x, int64_t i, float *out);

/** The way back: x = mean + scale x' or tt_within_undo(), of a row [cols]. Not collective. */
void tt_scaling_undo(const tt_scaling *scaling, const float *row, float *out);

#endif
