#include "nn/bias.h"

#include "nn/bfloat.h"
#include "tutti/integer.h"
#include "tutti/simd.h"

/* Columns whose sums are formed together, and rows that are summed in float before they go to a wider sum. */
enum { TILE = 64, RUN = 256 };

/* The comparison keeps a NaN a NaN, so that the guard of the training loop sees it. */
TT_KERNEL static void bias_relu_rows(int64_t rows, int64_t n, const float *restrict b, float *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float v = y[r * n + i] + b[i];
            y[r * n + i] = v < 0 ? 0 : v;
        }
}

TT_KERNEL static void bias_rows(int64_t rows, int64_t n, const float *restrict b, float *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * n + i] += b[i];
}

TT_KERNEL static void bias_rows_bf16(int64_t rows, int64_t n, float floor, const float *restrict b,
                                     uint16_t *restrict y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float v = tt_bfloat_widen(y[r * n + i]) + b[i];
            y[r * n + i] = tt_bfloat_narrow(v < floor ? floor : v);
        }
}

void tt_bias_add(int64_t rows, int64_t n, bool relu, const float *bias, float *y)
{
    if (relu)
        bias_relu_rows(rows, n, bias, y);
    else
        bias_rows(rows, n, bias, y);
}

void tt_bias_add_bf16(int64_t rows, int64_t n, bool relu, const float *bias, uint16_t *y)
{
    bias_rows_bf16(rows, n, relu ? 0 : -__builtin_inff(), bias, y);
}

/* Sum of up to RUN rows of up to TILE columns of dy, n apart. */
TT_KERNEL static void bias_sum_run(int64_t rows, int64_t n, int64_t width, const float *restrict dy,
                                   float *restrict sum)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) sum[i] += dy[r * n + i];
}

TT_KERNEL static void bias_cut_run(int64_t rows, int64_t n, int64_t width, const float *restrict y,
                                   float *restrict dy, float *restrict sum)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) {
            float d = y[r * n + i] > 0 ? dy[r * n + i] : 0;
            dy[r * n + i] = d;
            sum[i] += d;
        }
}

TT_KERNEL static void bias_sum_run_bf16(int64_t rows, int64_t n, int64_t width, const uint16_t *restrict dy,
                                        float *restrict sum)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) sum[i] += tt_bfloat_widen(dy[r * n + i]);
}

TT_KERNEL static void bias_cut_run_bf16(int64_t rows, int64_t n, int64_t width, const uint16_t *restrict y,
                                        uint16_t *restrict dy, float *restrict sum)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) {
            uint16_t d = (int16_t)y[r * n + i] > 0 ? dy[r * n + i] : 0;
            dy[r * n + i] = d;
            sum[i] += tt_bfloat_widen(d);
        }
}

static void add_tile(int64_t width, const float *sum, double *total)
{
    for (int64_t i = 0; i < width; i++) total[i] += (double)sum[i];
}

/* What the two versions share: tiles of columns, runs of rows, in one order. */
typedef struct walk {
    int64_t rows, n;
    const void *y;
    void *dy;
} walk;

typedef void run_kernel(const walk *w, int64_t row, int64_t rows, int64_t column, int64_t width, float *sum);

static void run_f32(const walk *w, int64_t row, int64_t rows, int64_t column, int64_t width, float *sum)
{
    int64_t at = row * w->n + column;
    float *dy = (float *)w->dy + at;
    if (w->y)
        bias_cut_run(rows, w->n, width, (const float *)w->y + at, dy, sum);
    else
        bias_sum_run(rows, w->n, width, dy, sum);
}

static void run_bf16(const walk *w, int64_t row, int64_t rows, int64_t column, int64_t width, float *sum)
{
    int64_t at = row * w->n + column;
    uint16_t *dy = (uint16_t *)w->dy + at;
    if (w->y)
        bias_cut_run_bf16(rows, w->n, width, (const uint16_t *)w->y + at, dy, sum);
    else
        bias_sum_run_bf16(rows, w->n, width, dy, sum);
}

static void back(const walk *w, run_kernel *run, float *dbias)
{
    for (int64_t column = 0; column < w->n; column += TILE) {
        int64_t width = tt_smaller(TILE, w->n - column);
        double total[TILE] = {0};
        for (int64_t row = 0; row < w->rows; row += RUN) {
            float sum[TILE] = {0};
            run(w, row, tt_smaller(RUN, w->rows - row), column, width, sum);
            add_tile(width, sum, total);
        }
        for (int64_t i = 0; i < width; i++) dbias[column + i] += (float)total[i];
    }
}

void tt_bias_back(int64_t rows, int64_t n, const float *y, float *dy, float *dbias)
{
    back(&(walk){rows, n, y, dy}, run_f32, dbias);
}

void tt_bias_back_bf16(int64_t rows, int64_t n, const uint16_t *y, uint16_t *dy, float *dbias)
{
    back(&(walk){rows, n, y, dy}, run_bf16, dbias);
}
