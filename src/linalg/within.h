/* A space in which what varies within clusters counts for little: whitening by local scatter. */
#ifndef TUTTI_LINALG_WITHIN_H
#define TUTTI_LINALG_WITHIN_H

#include "tutti/comm.h"

/** The symmetric matrix that evens out the directions in which rows differ though they belong together.
 *
 * No classes are asked for. Two kinds of rows stand for one class: those of one track, and each row with its
 * five nearest. Their scatters, each divided by its trace, are added (that of tracks by the share of rows
 * that have company), W = V diag(w) V^T with a mean eigenvalue of 1, and
 *
 *     forth = c V diag((w + 0.3)^-1/2) V^T,  back = its inverse,
 *
 * with c such that the total variance becomes `variance`. With tracks alone this is within-class covariance
 * normalisation (Hatch, Kajarekar, Stolcke 2006), with neighbours alone locality preserving (He, Niyogi
 * 2003).
 *
 *  @param[in]  rows    on rank 0, number of rows of z, 2 or more
 *  @param[in]  n       columns, the same on every rank
 *  @param[in]  z       [rows, n] rank 0's is used; columns of mean 0
 *  @param[in]  track   [rows] likewise
 *  @param[out] forth, back  [n, n] the same on every rank
 *  @param[out] found   false where no row differs from another, and nothing was written
 *  Rank 0 needs memory for rows^2 numbers. Collective. @return TT_OK, TT_ERR_MEMORY, TT_ERR_INTERNAL, the
 * same on every rank */
tt_status within_whitening(const tt_comm *comm, int64_t rows, int64_t n, const double *z,
                           const int64_t *track, double variance, float *forth, float *back, bool *found);

#endif
