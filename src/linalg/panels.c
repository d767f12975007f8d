#include "panels.h"

#include "tutti/simd.h"

#include <string.h>

enum {
    WIDTH = 8,
    TALL = 8
}; /* of a tile: TALL x PANEL sums stay in registers, 16 of the 32 that AVX-512 has */

typedef double lanes __attribute__((vector_size(WIDTH * sizeof(double)), aligned(sizeof(double))));

#define LANES(pointer) (*(const lanes *)(const void *)(pointer))

TT_KERNEL static void inner_tile(int64_t rows, const double *restrict x, const double *restrict y,
                                 double *restrict out)
{
    lanes sum[TALL][2];
    memcpy(sum, out, sizeof sum);
    for (int64_t r = 0; r < rows; r++) {
        lanes low = LANES(y + r * PANEL), high = LANES(y + r * PANEL + WIDTH);
        for (int i = 0; i < TALL; i++) {
            sum[i][0] += x[r * PANEL + i] * low;
            sum[i][1] += x[r * PANEL + i] * high;
        }
    }
    memcpy(out, sum, sizeof sum);
}

void panel_inner(int64_t rows, const double *x, const double *y, double *out)
{
    for (int i = 0; i < PANEL; i += TALL) inner_tile(rows, x + i, y, out + i * PANEL);
}

TT_KERNEL static void add_tiles(int64_t rows, const double *restrict x, const double *restrict t,
                                double *restrict y)
{
    for (int64_t r = 0; r < rows; r += TALL) {
        lanes sum[TALL][2];
        memcpy(sum, y + r * PANEL, sizeof sum);
        for (int k = 0; k < PANEL; k++) {
            lanes low = LANES(t + k * PANEL), high = LANES(t + k * PANEL + WIDTH);
            for (int i = 0; i < TALL; i++) {
                sum[i][0] += x[(r + i) * PANEL + k] * low;
                sum[i][1] += x[(r + i) * PANEL + k] * high;
            }
        }
        memcpy(y + r * PANEL, sum, sizeof sum);
    }
}

void panel_add(int64_t rows, const double *x, const double *t, double *y)
{
    add_tiles(rows, x, t, y);
}
