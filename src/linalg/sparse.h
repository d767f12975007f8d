/* Products of a sparse matrix with a few vectors at a time. Private to the room. */
#ifndef TUTTI_LINALG_SPARSE_H
#define TUTTI_LINALG_SPARSE_H

#include "tutti/svd.h"

enum { PANEL = 16 }; /**< vectors that go through the matrix together: a cache line of floats */

typedef struct sparse_product sparse_product;

/** What products with `a` need: its transpose, and room for one panel. Collective. Free with sparse_free().
 *  @return TT_OK, TT_ERR_INPUT or TT_ERR_MEMORY */
tt_status sparse_new(const tt_sparse *a, sparse_product **out);
void sparse_free(sparse_product *p);

/** Columns of the matrix that this rank holds vectors for. */
tt_range sparse_columns(const sparse_product *p);

/** Y = A X for a panel. Collective.
 *  @param[in]  x  [own columns, PANEL] this rank's rows of X
 *  @return [count of a, PANEL], valid until the next product */
const float *sparse_forward(sparse_product *p, const float *x);

/** Z = A' Y for the Y of the last sparse_forward(), whose columns have length 1 at most times that of A's
 * rows. Collective. @param[out] z  [own columns, PANEL] this rank's rows of Z */
void sparse_backward(sparse_product *p, double *z);

#endif
