#include "vae/scaling.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double limit_deviations = 10.0;
/* A deviation this small beside the mean is what rounding leaves of a constant float32 column. */
static const double constant_below = 1e-7;

tt_status tt_scaling_new(int64_t cols, tt_scaling *out)
{
    *out = (tt_scaling){.cols = cols};
    TT_TRY(tt_alloc(4 * cols, sizeof(double), "the scaling of columns", &out->mean));
    out->scale = out->mean + cols;
    out->limit = out->scale + cols;
    out->centre = out->limit + cols;
    return TT_OK;
}

void tt_scaling_free(tt_scaling *scaling)
{
    free(scaling->mean);
    tt_within_free(&scaling->within);
    *scaling = (tt_scaling){0};
}

/* Moments of all columns together into each of them. */
static void merge_columns(int64_t cols, double *mean, double *deviation)
{
    double sum = 0, square = 0;
    for (int64_t j = 0; j < cols; j++) sum += mean[j];
    double whole = sum / (double)cols;
    for (int64_t j = 0; j < cols; j++)
        square += deviation[j] * deviation[j] + (mean[j] - whole) * (mean[j] - whole);
    for (int64_t j = 0; j < cols; j++) {
        mean[j] = whole;
        deviation[j] = sqrt(square / (double)cols);
    }
}

/* Least value and least negated value of each column [2, cols] in the training rows of this rank. */
static tt_status find_ends(const tt_samples *s, float *room, double *least)
{
    int64_t cols = s->x.cols;
    tt_matrix m;
    for (int64_t j = 0; j < 2 * cols; j++) least[j] = INFINITY;
    for (int64_t begin = 0; begin < s->x.count; begin += TT_BLOCK_ROWS) {
        TT_TRY(tt_samples_block(s, begin, room, &m));
        for (int64_t i = 0; i < m.count; i++)
            for (int64_t j = 0; s->train[begin + i] && j < cols; j++) {
                double v = (double)m.data[i * cols + j] + m.shift[j];
                least[j] = fmin(least[j], v);
                least[cols + j] = fmin(least[cols + j], -v);
            }
    }
    return TT_OK;
}

/* The least of all columns into each of them. */
static void merge_least(int64_t cols, double *least)
{
    double whole = INFINITY;
    for (int64_t j = 0; j < cols; j++) whole = fmin(whole, least[j]);
    for (int64_t j = 0; j < cols; j++) least[j] = whole;
}

/* least[] of all ranks to scales; the means are there already. */
static void use_ends(const double *least, tt_scaling *scaling)
{
    int64_t cols = scaling->cols;
    for (int64_t j = 0; j < cols; j++) {
        double span = -least[cols + j] - least[j];
        scaling->scale[j] = span > 0 ? span : 1;
        scaling->centre[j] = (scaling->mean[j] - least[j]) / scaling->scale[j];
        scaling->mean[j] = least[j];
        scaling->limit[j] = 1;
    }
}

/* Columns to 0..1. Collective. */
static tt_status fit_unit(const tt_samples *samples, bool images, tt_scaling *scaling)
{
    int64_t cols = samples->x.cols;
    const tt_comm *comm = samples->x.comm;
    double *least = NULL;
    float *room = NULL;
    int n = 0;
    tt_status s = tt_int(2 * cols, "columns", &n);
    if (s == TT_OK) s = tt_alloc(2 * cols, sizeof *least, "ends of columns", &least);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * cols, sizeof(float), "a block of rows", &room);
    if (s == TT_OK) s = find_ends(samples, room, least);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        MPI_Allreduce(MPI_IN_PLACE, least, n, MPI_DOUBLE, MPI_MIN, comm->mpi);
        if (images) merge_least(cols, least);
        if (images) merge_least(cols, least + cols);
        use_ends(least, scaling);
    }
    free(room);
    free(least);
    return s;
}

tt_status tt_scaling_fit(const tt_samples *samples, bool images, bool unit, tt_scaling *scaling)
{
    const tt_matrix *x = &samples->x;
    bool scaled = samples->scaled;
    double *deviation = scaling->scale;
    TT_TRY(tt_samples_moments(samples, samples->train, samples->n_train, scaling->mean, deviation));
    if (unit) return fit_unit(samples, images, scaling);
    memcpy(scaling->centre, scaling->mean, (size_t)x->cols * sizeof(double));
    if (images) merge_columns(x->cols, scaling->mean, deviation);
    for (int64_t j = 0; j < x->cols; j++) {
        bool constant = deviation[j] <= constant_below * fabs(scaling->mean[j] - x->shift[j]);
        double d = constant ? 1.0 : deviation[j];
        scaling->limit[j] = scaled ? limit_deviations * d : limit_deviations;
        scaling->scale[j] = scaled ? 1.0 : d;
        if (!scaled) scaling->centre[j] = (scaling->centre[j] - scaling->mean[j]) / d;
        if (scaled) scaling->mean[j] = 0;
    }
    return TT_OK;
}

tt_status tt_scaling_fit_within(const tt_samples *samples, uint64_t seed, tt_scaling *scaling)
{
    TT_TRY(tt_within_fit(samples, seed, &scaling->within));
    for (int64_t k = 0; k < scaling->within.n; k++) scaling->centre[scaling->within.column[k]] = 0;
    return TT_OK;
}

TT_KERNEL static void scale_row(int64_t n, const float *restrict row, const double *restrict shift,
                                const double *restrict mean, const double *restrict scale,
                                const double *restrict limit, float *restrict out)
{
    for (int64_t j = 0; j < n; j++) {
        double v = ((double)row[j] + (shift[j] - mean[j])) / scale[j];
        v = v < -limit[j] ? -limit[j] : v;
        out[j] = (float)(v > limit[j] ? limit[j] : v);
    }
}

void tt_scaling_row(const tt_scaling *scaling, const double *shift, const float *row, float *out)
{
    if (scaling->applied) {
        memcpy(out, row, (size_t)scaling->cols * sizeof *out);
        return;
    }
    scale_row(scaling->cols, row, shift, scaling->mean, scaling->scale, scaling->limit, out);
    if (scaling->within.n > 0) tt_within_apply(&scaling->within, shift, row, out);
}

tt_status tt_scaling_settle(tt_scaling *scaling, tt_samples *samples)
{
    const tt_matrix *x = &samples->x;
    float *row;
    if (!x->data) return TT_OK;
    TT_TRY(tt_alloc(x->cols, sizeof *row, "a row", &row));
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        tt_scaling_apply(scaling, x, i, row);
        memcpy(x->data + i * x->cols, row, (size_t)x->cols * sizeof *row);
    }
    free(row);
    scaling->applied = true;
    return TT_OK;
}

void tt_scaling_apply(const tt_scaling *scaling, const tt_matrix *x, int64_t i, float *out)
{
    tt_scaling_row(scaling, x->shift, x->data + i * x->cols, out);
}

void tt_scaling_undo(const tt_scaling *scaling, const float *row, float *out)
{
    for (int64_t j = 0; j < scaling->cols; j++)
        out[j] = (float)(scaling->mean[j] + scaling->scale[j] * (double)row[j]);
    if (scaling->within.n > 0) tt_within_undo(&scaling->within, row, out);
}
