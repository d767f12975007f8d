/* Sums of products of centred columns. Private to the room. */
#ifndef TUTTI_LINALG_GRAM_H
#define TUTTI_LINALG_GRAM_H

#include "tutti/matrix.h"

/** The block at local row `first` about the mean [cols], always TT_BLOCK_ROWS rows; zeros where not valid.
 * Not collective. @param[out] block  [TT_BLOCK_ROWS, cols] */
void centre_block(const tt_matrix *x, const double *mean, int64_t first, double *block);

/** The same in float32, `width` columns after one another: block [cols / width rounded up, TT_BLOCK_ROWS,
 * width]. What lies beyond the last column is left as it was. Not collective. */
void centre_columns(const tt_matrix *x, const double *mean, int64_t first, int64_t width, float *block);

/** Sums of products of the centred columns of valid rows, in double.
 *  @param[out] out  [cols, cols] the upper triangle; the rest is finite
 *  Collective. @return TT_OK or TT_ERR_MEMORY */
tt_status gram_sum(const tt_matrix *x, const double *mean, double *out);

/** As gram_sum(), twice as fast: what PANEL_STRIP rows give is summed in float32, and only that in double. An
 * element is off by some 1e-7 / sqrt(rows) of the product of its columns' lengths, which is a few times what
 * became of it when the rows were rounded to float32.
 *  @param[in] deviation  [cols] columns' deviations: products are of rows about rounded means, for what has
 * few bits is then exact, where the mean's own bits would put each value off alike */
tt_status gram_sum_narrow(const tt_matrix *x, const double *mean, const double *deviation, double *out);

#endif
