#include "tutti/distance.h"

#include "tutti/simd.h"

enum { LANES = 16 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* Sums of a row and half a cell each: named, so that they stay in registers. */
#define ADD(r)                                                                                               \
    do {                                                                                                     \
        float own = row[r][j * stride];                                                                      \
        lanes d = low - own, e = high - own;                                                                 \
        low##r += d * d;                                                                                     \
        high##r += e * e;                                                                                    \
    } while (0)

TT_KERNEL static void measure_cell(const float *const row[TT_CELL_ROWS], int64_t stride, const float *cell,
                                   int64_t cols, float *square, int64_t out_stride)
{
    lanes low0 = {0}, low1 = {0}, low2 = {0}, low3 = {0};
    lanes high0 = {0}, high1 = {0}, high2 = {0}, high3 = {0};
    for (int64_t j = 0; j < cols; j++) {
        const lanes *value = (const lanes *)(const void *)(cell + j * TT_CELL);
        lanes low = value[0], high = value[1];
        ADD(0);
        ADD(1);
        ADD(2);
        ADD(3);
    }
    lanes *to = (lanes *)(void *)square;
    int64_t next = out_stride / LANES;
    to[0] = low0, to[1] = high0;
    to[next] = low1, to[next + 1] = high1;
    to[2 * next] = low2, to[2 * next + 1] = high2;
    to[3 * next] = low3, to[3 * next + 1] = high3;
}
#undef ADD

void tt_distance_cell(const float *const row[TT_CELL_ROWS], int64_t stride, const float *cell, int64_t cols,
                      float *square, int64_t out_stride)
{
    measure_cell(row, stride, cell, cols, square, out_stride);
}
