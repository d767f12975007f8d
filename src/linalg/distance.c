#include "tutti/distance.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A column is centred where its mean exceeds this many deviations. Then nearly all its values lie within a
 * factor of two of the mean and the subtraction is exact in float32; below, the expansion loses little. */
static const double centre_from = 4.0;

/* Squared length beyond which the expansion could overflow. */
static const float longest = 1e37f;

static const char *const metric_names[] = {"sqeuclidean", "euclidean", "cosine"};

bool tt_metric_parse(const char *text, tt_metric *out)
{
    for (int m = 0; m <= TT_COSINE; m++)
        if (strcmp(text, metric_names[m]) == 0) {
            *out = (tt_metric)m;
            return true;
        }
    return false;
}

const char *tt_metric_name(tt_metric metric)
{
    return metric_names[metric];
}

double tt_metric_value(tt_metric metric, double square)
{
    if (metric == TT_COSINE) return square / 2;
    return metric == TT_EUCLIDEAN ? sqrt(square) : square;
}

double tt_metric_square(tt_metric metric, double value)
{
    if (metric == TT_COSINE) return value * 2;
    return metric == TT_EUCLIDEAN ? value * value : value;
}

typedef float float8 __attribute__((vector_size(32)));
typedef double double8 __attribute__((vector_size(64)));

/* Eight partial sums in a fixed order, so that the result does not depend on the vector width. */
TT_KERNEL static double squared_distance(const float *a, const float *b, int64_t cols)
{
    double8 sum = {0};
    int64_t j = 0;
    for (; j + 8 <= cols; j += 8) {
        float8 u, v;
        memcpy(&u, a + j, sizeof u);
        memcpy(&v, b + j, sizeof v);
        double8 d = __builtin_convertvector(u, double8) - __builtin_convertvector(v, double8);
        sum += d * d;
    }
    double total = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    for (; j < cols; j++) total += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return total;
}

double tt_distance(const float *a, const float *b, int64_t cols)
{
    return squared_distance(a, b, cols);
}

TT_KERNEL static void squared_lengths(int64_t rows, int64_t cols, const float *data, float *norm)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *row = data + i * cols;
        double8 sum = {0};
        int64_t j = 0;
        for (; j + 8 <= cols; j += 8) {
            float8 u;
            memcpy(&u, row + j, sizeof u);
            double8 d = __builtin_convertvector(u, double8);
            sum += d * d;
        }
        double total = 0;
        for (int l = 0; l < 8; l++) total += sum[l];
        for (; j < cols; j++) total += (double)row[j] * (double)row[j];
        norm[i] = (float)total;
    }
}

/* Valid rows less the origin; the others stay zero. */
static void centre_rows(const tt_points *p)
{
    const tt_matrix *x = p->x;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        const float *row = x->data + i * x->cols;
        for (int64_t j = 0; j < x->cols; j++) p->centred[i * x->cols + j] = row[j] - p->origin[j];
    }
}

/* Valid rows, shift added, at length 1. The largest value is divided off first: squares stay in range. */
static tt_status scale_rows(const tt_points *p)
{
    const tt_matrix *x = p->x;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        const float *row = x->data + i * x->cols;
        double most = 0, square = 0;
        for (int64_t j = 0; j < x->cols; j++) most = fmax(most, fabs((double)row[j] + x->shift[j]));
        if (!(most > 0))
            return tt_fail(TT_ERR_INPUT, "%s row %lld is all zeros: it has no direction for cosine distances",
                           x->name, (long long)(x->first + i));
        for (int64_t j = 0; j < x->cols; j++) square += pow(((double)row[j] + x->shift[j]) / most, 2);
        for (int64_t j = 0; j < x->cols; j++)
            p->centred[i * x->cols + j] = (float)(((double)row[j] + x->shift[j]) / most / sqrt(square));
    }
    return TT_OK;
}

static tt_status prepare(tt_points *p, tt_metric metric, bool centred)
{
    const tt_matrix *x = p->x;
    int64_t padded = tt_round_up(x->count, TT_BLOCK_ROWS);
    if (centred || metric == TT_COSINE) {
        TT_TRY(tt_alloc(padded * x->cols, sizeof *p->centred, "rows to measure", &p->centred));
        p->data = p->centred;
        if (metric == TT_COSINE)
            TT_TRY(scale_rows(p));
        else
            centre_rows(p);
    }
    TT_TRY(tt_alloc(padded, sizeof *p->norm, "squared lengths", &p->norm));
    squared_lengths(x->count, x->cols, p->data, p->norm);
    for (int64_t i = 0; i < x->count; i++)
        if (!(p->norm[i] < longest))
            return tt_fail(TT_ERR_INPUT,
                           "%s row %lld is too long to be measured in float32; scale the columns", x->name,
                           (long long)(x->first + i));
    return TT_OK;
}

/* Where columns are far from 0 beside their spread. @return whether any is */
static bool choose_origin(tt_points *p)
{
    bool centred = false;
    for (int64_t j = 0; j < p->x->cols; j++) {
        double mean = p->mean[j] - p->x->shift[j];
        if (!(fabs(mean) > centre_from * p->deviation[j])) continue;
        p->origin[j] = (float)mean;
        centred = true;
    }
    return centred;
}

tt_status tt_points_of(const tt_matrix *x, tt_metric metric, tt_points *out)
{
    *out = (tt_points){.x = x, .data = x->data};
    tt_status s = tt_alloc(2 * x->cols, sizeof *out->mean, "column moments", &out->mean);
    if (s == TT_OK) s = tt_alloc(x->cols, sizeof *out->origin, "an origin", &out->origin);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) {
        out->deviation = out->mean + x->cols;
        s = tt_matrix_moments(x, out->mean, out->deviation);
    }
    bool centred = s == TT_OK && metric != TT_COSINE && choose_origin(out);
    if (s == TT_OK) s = tt_agree(x->comm, prepare(out, metric, centred));
    if (s != TT_OK) tt_points_free(out);
    return s;
}

tt_status tt_points_new(const tt_matrix *x, tt_points *out)
{
    return tt_points_of(x, TT_EUCLIDEAN, out);
}

void tt_points_free(tt_points *points)
{
    free(points->origin);
    free(points->norm);
    free(points->centred);
    free(points->mean);
    *points = (tt_points){0};
}

void tt_distance_transpose(const float *points, int64_t n, int64_t cols, float *columns)
{
    enum { SIDE = 16 }; /* a square of cache lines at a time */
    for (int64_t i = 0; i < n; i += SIDE)
        for (int64_t j = 0; j < cols; j += SIDE)
            for (int64_t c = j; c < j + SIDE && c < cols; c++)
                for (int64_t r = i; r < i + SIDE && r < n; r++) columns[c * n + r] = points[r * cols + c];
}

tt_status tt_distance_products(const float *rows, int64_t cols, const tt_targets *targets, float *tile)
{
    int n, d;
    TT_TRY(tt_int(targets->n, "targets of a distance tile", &n));
    TT_TRY(tt_int(cols, "columns of a distance tile", &d));
    if (n > 0)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TT_BLOCK_ROWS, n, d, -2.0f, rows, d,
                    targets->columns, n, 0.0f, tile, n);
    return TT_OK;
}

TT_KERNEL static void add_norms(const float *norm, const tt_targets *targets, float *tile)
{
    for (int64_t i = 0; i < TT_BLOCK_ROWS; i++)
        for (int64_t j = 0; j < targets->n; j++) {
            float square = tile[i * targets->n + j] + (norm[i] + targets->norm[j]);
            tile[i * targets->n + j] = square > 0.0f ? square : 0.0f;
        }
}

tt_status tt_distance_tile(const float *rows, const float *norm, int64_t cols, const tt_targets *targets,
                           float *tile)
{
    TT_TRY(tt_distance_products(rows, cols, targets, tile));
    add_norms(norm, targets, tile);
    return TT_OK;
}

/* With u = 2^-24: the dot product errs by at most cols u |a||b| <= cols u (|a|^2 + |b|^2) / 2 in any order of
 * summation (Higham, Accuracy and Stability of Numerical Algorithms, 3.1) and enters twice; the norms are
 * rounded once, and two additions follow of terms that are at most twice the norms' sum. */
double tt_distance_slack(int64_t cols)
{
    return ((double)cols + 8.0) * 0x1p-24;
}
