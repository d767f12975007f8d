#include "panels.h"

#include "tutti/simd.h"

#include <string.h>

enum {
    WIDTH = 8,
    TALL = 8
}; /* of a tile: TALL x PANEL sums stay in registers, 16 of the 32 that AVX-512 has */

typedef double lanes __attribute__((vector_size(WIDTH * sizeof(double)), aligned(sizeof(double))));

typedef float row __attribute__((vector_size(PANEL * sizeof(float)), aligned(sizeof(float))));

#define HALF(v, i)                                                                                           \
    __builtin_shufflevector(v, v, i, (i) + 1, (i) + 2, (i) + 3, (i) + 4, (i) + 5, (i) + 6, (i) + 7)
#define WIDEN(v, i)       __builtin_convertvector(HALF(v, i), lanes)
#define LANES(pointer)    (*(const lanes *)(const void *)(pointer))
#define TO_LANES(pointer) (*(lanes *)(void *)(pointer))

TT_KERNEL static void widen_strip(const float *restrict x, const float *next, double *restrict wide)
{
    for (int r = 0; r < PANEL_STRIP; r++) {
        __builtin_prefetch(next + r * PANEL);
        for (int j = 0; j < PANEL; j++) wide[r * PANEL + j] = (double)x[r * PANEL + j];
    }
}

void panel_widen(const float *x, const float *next, double *wide)
{
    widen_strip(x, next, wide);
}

TT_KERNEL static void inner_tile(const double *restrict x, const double *restrict y, double *restrict out)
{
    lanes sum[TALL][2];
    memcpy(sum, out, sizeof sum);
    for (int r = 0; r < PANEL_STRIP; r++) {
        lanes low = LANES(y + r * PANEL), high = LANES(y + r * PANEL + WIDTH);
        for (int i = 0; i < TALL; i++) {
            sum[i][0] += x[r * PANEL + i] * low;
            sum[i][1] += x[r * PANEL + i] * high;
        }
    }
    memcpy(out, sum, sizeof sum);
}

void panel_inner(const double *x, const double *y, double *out)
{
    for (int i = 0; i < PANEL; i += TALL) inner_tile(x + i, y, out + i * PANEL);
}

TT_KERNEL static void inner_narrow(const float *restrict x, const float *restrict y, double *restrict out)
{
    row sum[PANEL] = {{0}};
    for (int r = 0; r < PANEL_STRIP; r++) {
        row of_y = *(const row *)(const void *)(y + r * PANEL);
        TT_UNROLL for (int i = 0; i < PANEL; i++) sum[i] += x[r * PANEL + i] * of_y;
    }
    TT_UNROLL for (int i = 0; i < PANEL; i++)
    {
        TO_LANES(out + i * PANEL) += WIDEN(sum[i], 0);
        TO_LANES(out + i * PANEL + WIDTH) += WIDEN(sum[i], WIDTH);
    }
}

void panel_inner_narrow(const float *x, const float *y, double *out)
{
    inner_narrow(x, y, out);
}

TT_KERNEL static void add_tiles(const double *restrict x, const double *restrict t, double *restrict y)
{
    for (int r = 0; r < PANEL_STRIP; r += TALL) {
        lanes sum[TALL][2];
        for (int i = 0; i < TALL; i++) {
            sum[i][0] = LANES(y + (r + i) * PANEL);
            sum[i][1] = LANES(y + (r + i) * PANEL + WIDTH);
        }
        for (int k = 0; k < PANEL; k++) {
            lanes low = LANES(t + k * PANEL), high = LANES(t + k * PANEL + WIDTH);
            for (int i = 0; i < TALL; i++) {
                sum[i][0] += x[(r + i) * PANEL + k] * low;
                sum[i][1] += x[(r + i) * PANEL + k] * high;
            }
        }
        for (int i = 0; i < TALL; i++) {
            TO_LANES(y + (r + i) * PANEL) = sum[i][0];
            TO_LANES(y + (r + i) * PANEL + WIDTH) = sum[i][1];
        }
    }
}

void panel_add(const double *x, const double *t, double *y)
{
    add_tiles(x, t, y);
}
