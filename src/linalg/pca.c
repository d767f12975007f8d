#include "eigen.h"
#include "gram.h"

#include "tutti/fuse.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/sum.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NARROW_FROM = 1 << 16 }; /* rows */

static const double tolerance = 1e-4;
static const double no_variance = 1e-12; /* of the first component's: what rounding leaves */

void tt_pca_free(tt_pca *pca)
{
    free(pca->mean);
    free(pca->axes);
    free(pca->explained_variance);
    *pca = (tt_pca){0};
}

/* out [rows of this rank, padded to blocks, rows]: products of this rank's rows, centred, with all rows,
 * which go round block by block. Collective. */
static tt_status outer_products(const tt_matrix *x, const double *mean, double *own, double *all, double *out)
{
    int d = (int)x->cols, n = (int)x->rows;
    for (int64_t at = 0; at < x->rows; at += TT_BLOCK_ROWS) {
        int owner = tt_owner(x->rows, TT_BLOCK_ROWS, x->comm->size, at);
        int wide = (int)(x->rows - at < TT_BLOCK_ROWS ? x->rows - at : TT_BLOCK_ROWS);
        if (owner == x->comm->rank) centre_block(x, mean, at - x->first, all);
        TT_TRY(tt_broadcast(x->comm, all, TT_BLOCK_ROWS * x->cols * (int64_t)sizeof *all, owner));
        for (int64_t first = 0; first < x->count; first += TT_BLOCK_ROWS) {
            centre_block(x, mean, first, own);
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TT_BLOCK_ROWS, wide, d, 1.0, own, d, all, d,
                        0.0, out + first * n + at, n);
        }
    }
    return TT_OK;
}

/* The products of all rows [rows, rows] on rank 0, free(). Collective. */
static tt_status outer_gram(const tt_matrix *x, const double *mean, double **square)
{
    int64_t padded = tt_round_up(x->count, TT_BLOCK_ROWS);
    double *own = NULL, *all = NULL, *out = NULL;
    int64_t *count = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *own, "a block of rows", &own);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *all, "a block of rows", &all);
    if (s == TT_OK) s = tt_alloc(padded * x->rows, sizeof *out, "products of rows", &out);
    if (s == TT_OK) s = tt_alloc(2 * x->comm->size, sizeof *count, "products of rows", &count);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = outer_products(x, mean, own, all, out);
    if (s == TT_OK) {
        count[0] = x->count * x->rows * (int64_t)sizeof *out;
        s = tt_exchange(x->comm, out, count, square, count + x->comm->size);
    }
    free(count);
    free(out);
    free(all);
    free(own);
    return s;
}

/* axes [c, cols] = vectors [c, rows] times the centred rows. Collective. */
static tt_status combine_rows(const tt_matrix *x, const double *mean, int c, const double *vectors,
                              double *axes)
{
    int d = (int)x->cols, n = (int)x->rows;
    double *block = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_blocksum_new(c * x->cols, x->first / TT_BLOCK_ROWS, &sum);
    for (int64_t first = 0; s == TT_OK && first < x->count; first += TT_BLOCK_ROWS) {
        int k = (int)(x->count - first < TT_BLOCK_ROWS ? x->count - first : TT_BLOCK_ROWS);
        double *partial = tt_blocksum_room(sum);
        if (!partial) s = TT_ERR_MEMORY;
        if (s != TT_OK) break;
        centre_block(x, mean, first, block);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, c, d, k, 1.0, vectors + x->first + first, n,
                    block, d, 0.0, partial, d);
        tt_blocksum_commit(sum);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, axes);
    tt_blocksum_free(sum);
    free(block);
    return s;
}

/* Take from axis i what lies along those before; returns the length that is left. */
static double clear_axis(int d, int i, double *axes)
{
    double *axis = axes + (int64_t)i * d;
    for (int j = 0; j < i; j++)
        cblas_daxpy(d, -cblas_ddot(d, axis, 1, axes + (int64_t)j * d, 1), axes + (int64_t)j * d, 1, axis, 1);
    return cblas_dnrm2(d, axis, 1);
}

/* The column that axes [i, d] reach least. */
static int free_column(int d, int i, const double *axes)
{
    int best = 0;
    double least = INFINITY;
    for (int j = 0; j < d; j++) {
        double reached = cblas_dnrm2(i, axes + j, d);
        if (reached < least) best = j;
        least = fmin(least, reached);
    }
    return best;
}

/* Unit axes at right angles. Those of no variance have no direction: any that is free will do. */
static void straighten(int d, int c, const double *variance, double *axes)
{
    for (int i = 0; i < c; i++) {
        double *axis = axes + (int64_t)i * d;
        if (!(variance[i] > no_variance * variance[0])) {
            memset(axis, 0, (size_t)d * sizeof *axis);
            axis[free_column(d, i, axes)] = 1.0;
        }
        for (int pass = 0; pass < 2; pass++) {
            double scale = cblas_dnrm2(d, axis, 1);
            cblas_dscal(d, 1 / scale, axis, 1);
            cblas_dscal(d, 1 / clear_axis(d, i, axes), axis, 1);
        }
        vector_fix_sign(d, axis);
    }
}

static tt_status check(const tt_matrix *x, int64_t components)
{
    int64_t order = x->cols < x->rows ? x->cols : x->rows;
    if (x->n_valid < 2)
        return tt_fail(TT_ERR_INPUT, "%s has %lld valid rows; principal components need at least 2", x->name,
                       (long long)x->n_valid);
    if (order > EIGEN_ORDER_MAX)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %lld rows and %lld columns; principal components are found for at most %d of "
                       "one of them",
                       x->name, (long long)x->rows, (long long)x->cols, EIGEN_ORDER_MAX);
    int64_t most = x->cols < x->n_valid ? x->cols : x->n_valid;
    if (components < 1 || components > most)
        return tt_fail(TT_ERR_INPUT,
                       "%s: %lld principal components cannot be kept; it has %lld columns and %lld "
                       "valid rows, so 1 to %lld can",
                       x->name, (long long)components, (long long)x->cols, (long long)x->n_valid,
                       (long long)most);
    return TT_OK;
}

/* The trace and the largest eigenvalues of sums of products [order, order], which rank 0 has. Collective. */
static tt_status solve(const tt_matrix *x, int64_t order, double *square, tt_pca *p, double *vectors)
{
    double each = 1.0 / (double)(x->n_valid - 1);
    p->total_variance = 0;
    for (int64_t i = 0; square && i < order * order; i++) square[i] *= each;
    for (int64_t j = 0; square && j < order; j++) p->total_variance += square[j * order + j];
    MPI_Bcast(&p->total_variance, 1, MPI_DOUBLE, 0, x->comm->mpi);
    TT_TRY(eigen_symmetric(x->comm, (int)order, square, (int)p->components, p->explained_variance, vectors));
    for (int64_t i = 0; i < p->components; i++) /* rounding may fall below */
        p->explained_variance[i] = fmax(p->explained_variance[i], 0.0);
    return TT_OK;
}

/* Whether products in float32 are worth trying: there are so many rows that their rounding averages out, and
 * no product is beyond float32 where the widest column has deviation `widest`. */
static bool narrow_fits(const tt_matrix *x, double widest)
{
    return x->n_valid >= NARROW_FROM && widest > 1e-12 && widest < 1e12;
}

/* Whether they left every eigenvalue that is kept to `tolerance` of itself. An element of the covariances is
 * off by about FLT_EPSILON / sqrt(rows) of the widest column's variance, and a matrix of such errors moves
 * eigenvalues by 2 sqrt(columns) of one; 16 times that is allowed for. */
static bool narrow_enough(const tt_matrix *x, const tt_pca *p, double widest)
{
    double off = 32 * (double)FLT_EPSILON * sqrt((double)x->cols / (double)x->n_valid) * widest * widest;
    return off <= tolerance * p->explained_variance[p->components - 1];
}

/* By the columns' covariances. Collective. */
static tt_status fit_tall(const tt_matrix *x, const double *deviation, tt_pca *p)
{
    double *square = NULL, widest = 0;
    for (int64_t j = 0; j < x->cols; j++) widest = fmax(widest, deviation[j]);
    bool narrow = narrow_fits(x, widest);
    tt_status s =
        tt_agree(x->comm, tt_alloc(x->cols * x->cols, sizeof *square, "a covariance matrix", &square));
    if (s == TT_OK && narrow) {
        s = gram_sum_narrow(x, p->mean, deviation, square);
        if (s == TT_OK) s = solve(x, x->cols, square, p, p->axes);
        narrow = s != TT_OK || narrow_enough(x, p, widest);
    }
    if (s == TT_OK && !narrow) {
        s = gram_sum(x, p->mean, square);
        if (s == TT_OK) s = solve(x, x->cols, square, p, p->axes);
    }
    free(square);
    return s;
}

/* By the rows' products, of which there are fewer: their eigenvectors say how the axes are made of rows.
 * Collective. */
static tt_status fit_wide(const tt_matrix *x, tt_pca *p)
{
    double *square = NULL, *vectors = NULL;
    int c = (int)p->components;
    tt_status s =
        tt_agree(x->comm, tt_alloc(p->components * x->rows, sizeof *vectors, "eigenvectors", &vectors));
    if (s == TT_OK) s = outer_gram(x, p->mean, &square);
    if (s == TT_OK) s = solve(x, x->rows, x->comm->rank == 0 ? square : NULL, p, vectors);
    if (s == TT_OK) s = combine_rows(x, p->mean, c, vectors, p->axes);
    if (s == TT_OK) straighten((int)x->cols, c, p->explained_variance, p->axes);
    free(vectors);
    free(square);
    return s;
}

static tt_status allocate(tt_pca *p, int64_t cols, double **deviation)
{
    TT_TRY(tt_alloc(cols, sizeof *p->mean, "column means", &p->mean));
    TT_TRY(tt_alloc(p->components * cols, sizeof *p->axes, "principal axes", &p->axes));
    TT_TRY(tt_alloc(p->components, sizeof *p->explained_variance, "variances", &p->explained_variance));
    return tt_alloc(cols, sizeof **deviation, "column moments", deviation);
}

tt_status tt_pca_fit(const tt_matrix *x, int64_t components, tt_pca *out)
{
    *out = (tt_pca){.cols = x->cols, .components = components};
    TT_TRY(check(x, components)); /* the same on every rank */
    double *deviation = NULL;
    tt_status s = tt_agree(x->comm, allocate(out, x->cols, &deviation));
    if (s == TT_OK) s = tt_matrix_moments(x, out->mean, deviation);
    if (s == TT_OK) s = x->rows < x->cols ? fit_wide(x, out) : fit_tall(x, deviation, out);
    free(deviation);
    if (s != TT_OK) tt_pca_free(out);
    return s;
}

/* Scores [n, components] of the block at local row `first`, unless they are beyond float32. */
static tt_status take_scores(const tt_matrix *x, int64_t first, int64_t n, int64_t components,
                             const float *from, float *to)
{
    for (int64_t i = 0; i < n * components; i++)
        if (!isfinite(from[i]))
            return tt_fail(TT_ERR_INPUT, "%s row %lld: a score is beyond float32; scale the columns", x->name,
                           (long long)(x->first + first + i / components));
    memcpy(to, from, (size_t)(n * components) * sizeof *to);
    return TT_OK;
}

tt_status tt_pca_transform(const tt_pca *pca, const tt_matrix *x, float *scores)
{
    int d, c;
    float *block = NULL, *axes = NULL, *out = NULL;
    if (x->cols != pca->cols)
        return tt_fail(TT_ERR_INPUT, "%s has %lld columns; these principal components have %lld", x->name,
                       (long long)x->cols, (long long)pca->cols);
    TT_TRY(tt_int(pca->cols, "columns", &d));
    TT_TRY(tt_int(pca->components, "components", &c));
    tt_status s = tt_alloc(TT_BLOCK_ROWS * pca->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_alloc(pca->components * pca->cols, sizeof *axes, "principal axes", &axes);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * pca->components, sizeof *out, "a block of scores", &out);
    for (int64_t i = 0; s == TT_OK && i < pca->components * pca->cols; i++) axes[i] = (float)pca->axes[i];
    for (int64_t first = 0; s == TT_OK && first < x->count; first += TT_BLOCK_ROWS) {
        int64_t n = x->count - first < TT_BLOCK_ROWS ? x->count - first : TT_BLOCK_ROWS;
        centre_columns(x, pca->mean, first, x->cols, block); /* scores are float32, too */
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TT_BLOCK_ROWS, c, d, 1.0F, block, d, axes, d,
                    0.0F, out, c);
        s = take_scores(x, first, n, pca->components, out, scores + first * c);
    }
    free(out);
    free(axes);
    free(block);
    return s;
}
