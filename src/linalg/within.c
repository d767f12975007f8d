#include "linalg/within.h"

#include "linalg/blas.h"
#include "linalg/eigen.h"
#include "tutti/memory.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEIGHBOURS = 5, CHUNK = 256 };

/* Added to the eigenvalues of the scatter, whose mean is 1: directions that hardly vary within clusters are
 * noise as often as not. */
static const double ridge = 0.3;

typedef struct scatter {
    int64_t rows, n;
    const double *z; /* [rows, n] */
    double *sum;     /* [n, n] upper triangle of what is being summed */
    double *total;   /* [n, n] upper triangle of the normalised ones, the sum of both */
    double weight;   /* of those in `total` */
} scatter;

/* sum += d^T d of rows d [count, n] */
static void add_differences(scatter *s, int64_t count, const double *d)
{
    int n = (int)s->n;
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, (int)count, 1.0, d, n, 1.0, s->sum, n);
}

/* total += weight sum / trace(sum); sum starts again. */
static void take_sum(scatter *s, double weight)
{
    double trace = 0;
    for (int64_t j = 0; j < s->n; j++) trace += s->sum[j * s->n + j];
    if (trace > 0 && weight > 0) {
        s->weight += weight;
        for (int64_t i = 0; i < s->n * s->n; i++) s->total[i] += weight / trace * s->sum[i];
    }
    memset(s->sum, 0, (size_t)(s->n * s->n) * sizeof *s->sum);
}

/* The nearest rows of row i by squared distances [rows], nearest first; ties go to the earlier row.
 * @return how many there are */
static int nearest_rows(const double *square, int64_t rows, int64_t i, int64_t near[NEIGHBOURS])
{
    int found = 0;
    for (int64_t j = 0; j < rows; j++) {
        if (j == i || (found == NEIGHBOURS && !(square[j] < square[near[found - 1]]))) continue;
        int at = found < NEIGHBOURS ? found++ : found - 1;
        for (; at > 0 && square[j] < square[near[at - 1]]; at--) near[at] = near[at - 1];
        near[at] = j;
    }
    return found;
}

/* Room of neighbour_scatter(): [rows] lengths, [CHUNK, rows] distances, [CHUNK * NEIGHBOURS, n] differences.
 */
static void neighbour_scatter(scatter *s, double *length, double *square, double *difference)
{
    int64_t rows = s->rows, n = s->n;
    for (int64_t i = 0; i < rows; i++) length[i] = cblas_ddot((int)n, s->z + i * n, 1, s->z + i * n, 1);
    for (int64_t begin = 0; begin < rows; begin += CHUNK) {
        int64_t count = rows - begin < CHUNK ? rows - begin : CHUNK, used = 0;
        for (int64_t i = 0; i < count; i++) memcpy(square + i * rows, length, (size_t)rows * sizeof *square);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)rows, (int)n, -2.0,
                    s->z + begin * n, (int)n, s->z, (int)n, 1.0, square, (int)rows);
        for (int64_t i = 0; i < count; i++) {
            int64_t near[NEIGHBOURS] = {0};
            int found = nearest_rows(square + i * rows, rows, begin + i, near);
            for (int k = 0; k < found; k++, used++)
                for (int64_t j = 0; j < n; j++)
                    difference[used * n + j] = s->z[(begin + i) * n + j] - s->z[near[k] * n + j];
        }
        add_differences(s, used, difference);
    }
}

typedef struct member {
    int64_t track, row;
} member;

static int by_track(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->track != y->track) return x->track < y->track ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Rows less the mean of their track, of the tracks that have several.
 * @return the share of degrees of freedom that lie within tracks */
static double track_scatter(scatter *s, const int64_t *track, member *order, double *centred)
{
    int64_t rows = s->rows, n = s->n, used = 0, tracks = 0;
    for (int64_t i = 0; i < rows; i++) order[i] = (member){track[i], i};
    qsort(order, (size_t)rows, sizeof *order, by_track);
    for (int64_t begin = 0, end; begin < rows; begin = end, tracks++) {
        for (end = begin + 1; end < rows && order[end].track == order[begin].track;) end++;
        if (end - begin < 2) continue;
        for (int64_t j = 0; j < n; j++) {
            double mean = 0;
            for (int64_t i = begin; i < end; i++) mean += s->z[order[i].row * n + j];
            mean /= (double)(end - begin);
            for (int64_t i = begin; i < end; i++)
                centred[(used + i - begin) * n + j] = s->z[order[i].row * n + j] - mean;
        }
        used += end - begin;
    }
    if (used > 0) add_differences(s, used, centred);
    return (double)(rows - tracks) / (double)rows;
}

/* Rank 0: the scatter within what belongs together, of mean eigenvalue 1, into s->total; weight 0 if none. */
static tt_status sum_scatters(scatter *s, const int64_t *track)
{
    int64_t rows = s->rows, n = s->n, wide = NEIGHBOURS * CHUNK > rows ? NEIGHBOURS * CHUNK : rows;
    double *room = NULL;
    member *order = NULL;
    tt_status status = blas_prepare();
    if (status == TT_OK)
        status = tt_alloc(rows + CHUNK * rows + wide * n, sizeof *room, "distances of a sample", &room);
    if (status == TT_OK) status = tt_alloc(rows, sizeof *order, "the tracks of a sample", &order);
    if (status == TT_OK) {
        double *square = room + rows, *difference = square + CHUNK * rows;
        neighbour_scatter(s, room, square, difference);
        take_sum(s, 1.0);
        take_sum(s, track_scatter(s, track, order, difference));
        for (int64_t i = 0; s->weight > 0 && i < n * n; i++) s->total[i] *= (double)n / s->weight;
    }
    free(room);
    free(order);
    return status;
}

/* Mean square of the scores of z on each axis [n, n]. */
static tt_status score_variances(const scatter *s, const double *axes, double *variance)
{
    int n = (int)s->n;
    double *score;
    TT_TRY(tt_alloc(CHUNK * s->n, sizeof *score, "scores of a sample", &score));
    memset(variance, 0, (size_t)s->n * sizeof *variance);
    for (int64_t begin = 0; begin < s->rows; begin += CHUNK) {
        int64_t count = s->rows - begin < CHUNK ? s->rows - begin : CHUNK;
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, n, n, 1.0, s->z + begin * s->n, n,
                    axes, n, 0.0, score, n);
        for (int64_t i = 0; i < count; i++)
            for (int j = 0; j < n; j++) variance[j] += score[i * n + j] * score[i * n + j] / (double)s->rows;
    }
    free(score);
    return TT_OK;
}

/* out = V diag(factor) V^T of axes V^T [n, n]; `scaled` is room. */
static void compose(int64_t n, const double *axes, const double *factor, double *scaled, double *product,
                    float *out)
{
    int m = (int)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) scaled[i * n + j] = factor[i] * axes[i * n + j];
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, m, m, 1.0, axes, m, scaled, m, 0.0, product, m);
    for (int64_t i = 0; i < n * n; i++) out[i] = (float)product[i];
}

/* Rank 0: both matrices from the eigenvalues and axes of the scatter. `room` holds 2 n values. */
static tt_status form_matrices(scatter *s, const double *eigenvalue, const double *axes, double variance,
                               double *room, float *forth, float *back)
{
    double *of_score = room, *factor = room + s->n, sum = 0;
    TT_TRY(score_variances(s, axes, of_score));
    for (int64_t i = 0; i < s->n; i++) {
        factor[i] = 1.0 / sqrt(fmax(eigenvalue[i], 0) + ridge);
        sum += factor[i] * factor[i] * of_score[i];
    }
    double c = sum > 0 ? sqrt(variance / sum) : 1.0;
    for (int64_t i = 0; i < s->n; i++) factor[i] *= c;
    compose(s->n, axes, factor, s->sum, s->total, forth);
    for (int64_t i = 0; i < s->n; i++) factor[i] = 1.0 / factor[i];
    compose(s->n, axes, factor, s->sum, s->total, back);
    return TT_OK;
}

/* Diagonalise and form. Collective. */
static tt_status solve(const tt_comm *comm, scatter *s, double variance, double *room, float *forth,
                       float *back)
{
    int n;
    int64_t bytes = s->n * s->n * (int64_t)sizeof *forth;
    double *value = room, *axes = room + 3 * s->n;
    TT_TRY(tt_int(s->n, "columns", &n));
    TT_TRY(eigen_symmetric(comm, n, s->total, n, value, axes));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? form_matrices(s, value, axes, variance, room + s->n, forth, back)
                                          : TT_OK));
    TT_TRY(tt_broadcast(comm, forth, bytes, 0));
    return tt_broadcast(comm, back, bytes, 0);
}

tt_status within_whitening(const tt_comm *comm, int64_t rows, int64_t n, const double *z,
                           const int64_t *track, double variance, float *forth, float *back, bool *found)
{
    scatter s = {.rows = rows, .n = n, .z = z};
    double *room = NULL;
    *found = false;
    tt_status status = tt_alloc(3 * n * n + 3 * n, sizeof *room, "the scatter of a sample", &room);
    if (status == TT_OK) {
        s.sum = room;
        s.total = room + n * n;
        if (comm->rank == 0) status = sum_scatters(&s, track);
    }
    status = tt_agree(comm, status);
    if (status == TT_OK) *found = tt_max_i64(comm, s.weight > 0) > 0;
    if (status == TT_OK && *found) status = solve(comm, &s, variance, room + 2 * n * n, forth, back);
    free(room);
    return status;
}
