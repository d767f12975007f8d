/* Eigenvectors of a symmetric matrix by ScaLAPACK. */
#ifndef TUTTI_LINALG_EIGEN_H
#define TUTTI_LINALG_EIGEN_H

#include "tutti/comm.h"

enum { EIGEN_ORDER_MAX = 16384 };

/** The largest eigenvalues, descending, and their unit eigenvectors of a symmetric matrix that every rank
 * holds.
 *
 * ScaLAPACK reduces the matrix to a tridiagonal one and turns that one's eigenvectors back. Few of them, less
 * than half, come by relatively robust representations (Dhillon, Parlett, Voemel 2006), with all pairs by
 * divide and conquer (Cuppen 1981) in their stead where values in clusters left vectors that are not at right
 * angles; that is two to three times as fast as all pairs.
 *
 * The process grid is 1 x 1, and never shows: ScaLAPACK's rounding depends on the grid's shape, results must
 * not depend on the rank count, and eigenvectors of neighbouring eigenvalues amplify the last bit, so that
 * rounding the answer off would not hide the grid. A grid of all ranks with one block for the whole matrix
 * would leave one rank at work all the same. So rank 0 solves and the others receive. Grids
 * of 1 x P, P x 1 and squares give the same but for rounding (tests), and gain nothing here: order 512
 * took 1.7 to 3 times as long on two ranks as on one, order 2048 as long. The matrix is as large as the
 * model, not as the data; order n costs about 4/3 n^3 operations and up to 4 n^2 doubles on that rank, and
 * the Gram matrix before it costs more than the solver wherever there are more than about 2 n rows.
 *
 *  @param[in]     n       order, 1 to EIGEN_ORDER_MAX
 *  @param[in]     a       [n, n] the upper triangle of the matrix, row-major; rank 0's is used
 *  @param[in]     keep    eigenpairs to give, 1 to n
 *  @param[out]    values  [keep]
 *  @param[out]    vectors [keep, n], the entry of largest size in each is positive
 *  Collective. @return TT_OK, TT_ERR_MEMORY, TT_ERR_INTERNAL, the same on every rank */
tt_status eigen_symmetric(const tt_comm *comm, int n, const double *a, int keep, double *values,
                          double *vectors);

/** Turn a vector [n] so that its entry of largest size, the first of several, is positive. */
void vector_fix_sign(int n, double *vector);

#endif
