#include "eigen.h"

#include "tutti/fuse.h"

#include "tutti/memory.h"
#include "tutti/sum.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void tt_pca_free(tt_pca *pca)
{
    free(pca->mean);
    free(pca->axes);
    free(pca->explained_variance);
    *pca = (tt_pca){0};
}

/* The block at local row `first` in double about the mean, always TT_BLOCK_ROWS rows; zeros where not valid.
 */
static void centre_block(const tt_matrix *x, const double *mean, int64_t first, double *block)
{
    for (int64_t r = 0; r < TT_BLOCK_ROWS; r++) {
        double *to = block + r * x->cols;
        const float *row = x->data + (first + r) * x->cols;
        if (first + r < x->count && x->valid[first + r])
            for (int64_t j = 0; j < x->cols; j++) to[j] = (double)row[j] + (x->shift[j] - mean[j]);
        else
            memset(to, 0, (size_t)x->cols * sizeof *to);
    }
}

static tt_status gram_local(const tt_matrix *x, const double *mean, double *block, tt_blocksum *sum)
{
    int d = (int)x->cols;
    for (int64_t first = 0; first < x->count; first += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_next(sum);
        if (!partial) return TT_ERR_MEMORY;
        centre_block(x, mean, first, block);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, d, TT_BLOCK_ROWS, 1.0, block, d, 0.0, partial, d);
        tt_blocksum_commit(sum);
    }
    return TT_OK;
}

/* Upper triangle of the sums of products of centred columns, in double: float32 would lose columns of small
 * scale beside large ones. Collective. */
static tt_status gram(const tt_matrix *x, const double *mean, double *out)
{
    double *block = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_blocksum_new(x->cols * x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = gram_local(x, mean, block, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, out);
    tt_blocksum_free(sum);
    free(block);
    return s;
}

static tt_status check(const tt_matrix *x, int64_t components)
{
    if (x->n_valid < 2)
        return tt_fail(TT_ERR_INPUT, "%s has %lld valid rows; principal components need at least 2", x->name,
                       (long long)x->n_valid);
    if (x->cols > EIGEN_ORDER_MAX)
        return tt_fail(TT_ERR_INPUT, "%s has %lld columns; principal components are found for at most %d",
                       x->name, (long long)x->cols, EIGEN_ORDER_MAX);
    int64_t most = x->cols < x->n_valid ? x->cols : x->n_valid;
    if (components < 1 || components > most)
        return tt_fail(TT_ERR_INPUT,
                       "%s: %lld principal components cannot be kept; it has %lld columns and %lld "
                       "valid rows, so 1 to %lld can",
                       x->name, (long long)components, (long long)x->cols, (long long)x->n_valid,
                       (long long)most);
    return TT_OK;
}

static tt_status allocate(tt_pca *p, int64_t cols, double **square, double **values)
{
    TT_TRY(tt_alloc(cols, sizeof *p->mean, "column means", &p->mean));
    TT_TRY(tt_alloc(p->components * cols, sizeof *p->axes, "principal axes", &p->axes));
    TT_TRY(tt_alloc(p->components, sizeof *p->explained_variance, "variances", &p->explained_variance));
    TT_TRY(tt_alloc(2 * cols, sizeof **values, "eigenvalues", values));
    return tt_alloc(cols * cols, sizeof **square, "a covariance matrix", square);
}

tt_status tt_pca_fit(const tt_matrix *x, int64_t components, tt_pca *out)
{
    *out = (tt_pca){.cols = x->cols, .components = components};
    TT_TRY(check(x, components)); /* the same on every rank */
    double *square = NULL, *values = NULL;
    tt_status s = tt_agree(x->comm, allocate(out, x->cols, &square, &values));
    if (s == TT_OK) s = tt_matrix_moments(x, out->mean, values + x->cols);
    if (s == TT_OK) s = gram(x, out->mean, square);
    if (s == TT_OK) {
        double each = 1.0 / (double)(x->n_valid - 1);
        for (int64_t i = 0; i < x->cols * x->cols; i++) square[i] *= each;
        for (int64_t j = 0; j < x->cols; j++) out->total_variance += square[j * x->cols + j];
        s = eigen_symmetric(x->comm, (int)x->cols, square, (int)components, values, out->axes);
    }
    for (int64_t i = 0; s == TT_OK && i < components; i++)
        out->explained_variance[i] = values[i] > 0 ? values[i] : 0.0; /* rounding may fall below */
    free(values);
    free(square);
    if (s != TT_OK) tt_pca_free(out);
    return s;
}

/* Scores [n, components] of a block to float32. */
static tt_status narrow(const tt_matrix *x, int64_t first, int64_t n, int64_t components, const double *from,
                        float *to)
{
    for (int64_t i = 0; i < n * components; i++) {
        if (!(fabs(from[i]) <= (double)FLT_MAX))
            return tt_fail(TT_ERR_INPUT, "%s row %lld: a score of %g is beyond float32; scale the columns",
                           x->name, (long long)(x->first + first + i / components), from[i]);
        to[i] = (float)from[i];
    }
    return TT_OK;
}

tt_status tt_pca_transform(const tt_pca *pca, const tt_matrix *x, float *scores)
{
    int d, c;
    double *block = NULL, *out = NULL;
    if (x->cols != pca->cols)
        return tt_fail(TT_ERR_INPUT, "%s has %lld columns; these principal components have %lld", x->name,
                       (long long)x->cols, (long long)pca->cols);
    TT_TRY(tt_int(pca->cols, "columns", &d));
    TT_TRY(tt_int(pca->components, "components", &c));
    tt_status s = tt_alloc(TT_BLOCK_ROWS * pca->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * pca->components, sizeof *out, "a block of scores", &out);
    for (int64_t first = 0; s == TT_OK && first < x->count; first += TT_BLOCK_ROWS) {
        int64_t n = x->count - first < TT_BLOCK_ROWS ? x->count - first : TT_BLOCK_ROWS;
        centre_block(x, pca->mean, first, block);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TT_BLOCK_ROWS, c, d, 1.0, block, d, pca->axes, d,
                    0.0, out, c);
        s = narrow(x, first, n, c, out, scores + first * c);
    }
    free(out);
    free(block);
    return s;
}
