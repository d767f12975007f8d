#include "sparse.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 8,
    AHEAD = 16 /* elements whose vectors are fetched before they are needed */
};
typedef float float_lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef double wide_lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef uint64_t bit_lanes __attribute__((vector_size(LANES * sizeof(uint64_t)), may_alias));

struct sparse_product {
    const tt_sparse *a;
    int64_t *begin; /* [cols + 1] of the transpose of this rank's rows */
    int32_t *row;
    float *value;
    float *x;        /* [cols, PANEL] */
    float *y;        /* [count, PANEL] */
    uint64_t *z;     /* [cols, PANEL] fixed point */
    uint64_t *sum;   /* [own columns, PANEL] */
    int *count, *at; /* [size] elements of a panel on each rank, and where they begin */
    double unit;     /* of the fixed point: a power of two */
};

void sparse_free(sparse_product *p)
{
    if (!p) return;
    free(p->begin);
    free(p->row);
    free(p->value);
    free(p->x);
    free(p->y);
    free(p->z);
    free(p->sum);
    free(p->count);
    free(p);
}

tt_range sparse_columns(const sparse_product *p)
{
    return tt_partition(p->a->cols, TT_BLOCK_ROWS, p->a->comm->size, p->a->comm->rank);
}

static tt_status transpose(sparse_product *p)
{
    const tt_sparse *a = p->a;
    int64_t n = a->begin[a->count];
    TT_TRY(tt_alloc(a->cols + 2, sizeof *p->begin, "a sparse matrix", &p->begin));
    TT_TRY(tt_alloc(n, sizeof *p->row, "a sparse matrix", &p->row));
    TT_TRY(tt_alloc(n, sizeof *p->value, "a sparse matrix", &p->value));
    int64_t *next = p->begin + 1; /* becomes the beginnings when each is pushed along to its end */
    for (int64_t k = 0; k < n; k++) next[a->index[k] + 1]++;
    for (int64_t c = 0; c < a->cols; c++) next[c + 1] += next[c];
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t k = a->begin[i]; k < a->begin[i + 1]; k++) {
            int64_t to = next[a->index[k]]++;
            p->row[to] = (int32_t)i;
            p->value[to] = a->value[k];
        }
    return TT_OK;
}

static tt_status allocate(sparse_product *p)
{
    const tt_sparse *a = p->a;
    tt_range own = sparse_columns(p);
    int64_t longest = a->cols > a->count ? a->cols : a->count;
    if (longest > INT_MAX / PANEL)
        return tt_fail(TT_ERR_INPUT, "a sparse matrix of %lld rows on one rank and %lld columns is beyond %d",
                       (long long)a->count, (long long)a->cols, INT_MAX / PANEL);
    TT_TRY(tt_alloc(a->cols * PANEL, sizeof *p->x, "a product", &p->x));
    TT_TRY(tt_alloc(a->count * PANEL, sizeof *p->y, "a product", &p->y));
    TT_TRY(tt_alloc(a->cols * PANEL, sizeof *p->z, "a product", &p->z));
    TT_TRY(tt_alloc((own.end - own.begin) * PANEL, sizeof *p->sum, "a product", &p->sum));
    TT_TRY(tt_alloc(2 * a->comm->size, sizeof *p->count, "a product", &p->count));
    p->at = p->count + a->comm->size;
    for (int r = 0; r < a->comm->size; r++) {
        tt_range part = tt_partition(a->cols, TT_BLOCK_ROWS, a->comm->size, r);
        p->count[r] = (int)(part.end - part.begin) * PANEL;
        p->at[r] = (int)part.begin * PANEL;
    }
    return TT_OK;
}

/* The unit of the fixed point. With rows of length r at most and x of length 1, no product of an element of A
 * and one of Y is beyond r^2, and no sum of them beyond rows x r^2: both must fit, the product in 51 bits,
 * since the mantissa of a double rounds it, and the sum in 62. Collective. */
static double choose_unit(const tt_sparse *a)
{
    double longest = 0;
    for (int64_t i = 0; i < a->count; i++) {
        double square = 0;
        for (int64_t k = a->begin[i]; k < a->begin[i + 1]; k++)
            square += (double)a->value[k] * (double)a->value[k];
        longest = fmax(longest, square);
    }
    MPI_Allreduce(MPI_IN_PLACE, &longest, 1, MPI_DOUBLE, MPI_MAX, a->comm->mpi);
    int bound, rows;
    frexp(longest > 0 ? 1.01 * longest : 1.0, &bound); /* below 2^bound; x is rounded to float32 */
    frexp((double)a->rows, &rows);
    int bits = 62 - rows < 50 ? 62 - rows : 50;
    return ldexp(1.0, bound - bits);
}

tt_status sparse_new(const tt_sparse *a, sparse_product **out)
{
    sparse_product *p;
    tt_status s = tt_alloc(1, sizeof *p, "a product", &p);
    if (s == TT_OK) p->a = a;
    if (s == TT_OK) s = allocate(p);
    if (s == TT_OK) s = transpose(p);
    s = tt_agree(a->comm, s);
    if (s == TT_OK) p->unit = choose_unit(a);
    *out = s == TT_OK ? p : NULL;
    if (s != TT_OK) sparse_free(p);
    return s;
}

TT_KERNEL static void multiply_rows(int64_t rows, const int64_t *begin, const int32_t *index,
                                    const float *value, const float *restrict x, float *restrict y)
{
    int64_t last = begin[rows] - AHEAD;
    for (int64_t i = 0; i < rows; i++) {
        float sum[PANEL] = {0};
        for (int64_t k = begin[i]; k < begin[i + 1]; k++) {
            const float *from = x + (int64_t)index[k] * PANEL;
            __builtin_prefetch(x + (int64_t)index[k < last ? k + AHEAD : k] * PANEL);
            for (int j = 0; j < PANEL; j++) sum[j] += value[k] * from[j];
        }
        for (int j = 0; j < PANEL; j++) y[i * PANEL + j] = sum[j];
    }
}

/* Sums of products in fixed point. The product of two floats is exact in double; adding 1.5 x 2^52 units
 * rounds it to a whole number of units, which then stands in the low bits of the sum, and these are added up
 * as integers. What the sum of the high bits comes to is known, and taken off modulo 2^64. */
TT_KERNEL static void multiply_columns(int64_t columns, const int64_t *begin, const int32_t *row,
                                       const float *value, const float *restrict y, double magic,
                                       uint64_t *restrict z)
{
    uint64_t high;
    int64_t last = begin[columns] - AHEAD;
    memcpy(&high, &magic, sizeof high);
    for (int64_t c = 0; c < columns; c++) {
        _Alignas(64) uint64_t sum[PANEL];
        for (int j = 0; j < PANEL; j++) sum[j] = -high * (uint64_t)(begin[c + 1] - begin[c]);
        for (int64_t k = begin[c]; k < begin[c + 1]; k++) {
            const float *from = y + (int64_t)row[k] * PANEL;
            __builtin_prefetch(y + (int64_t)row[k < last ? k + AHEAD : k] * PANEL);
            for (int j = 0; j < PANEL; j += LANES) {
                union {
                    wide_lanes rounded;
                    bit_lanes bits;
                } lanes = {.rounded = (double)value[k] * __builtin_convertvector(
                                                             *(const float_lanes *)(from + j), wide_lanes) +
                                      magic};
                *(bit_lanes *)(sum + j) += lanes.bits;
            }
        }
        for (int j = 0; j < PANEL; j++) z[c * PANEL + j] = sum[j];
    }
}

const float *sparse_forward(sparse_product *p, const float *x)
{
    const tt_sparse *a = p->a;
    MPI_Allgatherv(x, p->count[a->comm->rank], MPI_FLOAT, p->x, p->count, p->at, MPI_FLOAT, a->comm->mpi);
    multiply_rows(a->count, a->begin, a->index, a->value, p->x, p->y);
    return p->y;
}

void sparse_backward(sparse_product *p, double *z)
{
    const tt_sparse *a = p->a;
    multiply_columns(a->cols, p->begin, p->row, p->value, p->y, 1.5 * 0x1p52 * p->unit, p->z);
    MPI_Reduce_scatter(p->z, p->sum, p->count, MPI_UINT64_T, MPI_SUM, a->comm->mpi);
    for (int64_t i = 0; i < p->count[a->comm->rank]; i++) z[i] = (double)(int64_t)p->sum[i] * p->unit;
}
