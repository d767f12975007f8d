#include "kmeans_tile.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(4 * TILE)));
typedef int32_t marks __attribute__((vector_size(4 * TILE)));

enum { HALF = TILE / 2 }; /* rows at a time: as many addresses as there are registers for them */

#define ALWAYS static inline __attribute__((always_inline))

/* mask ? a : b */
#define PICK(mask, a, b) ((lanes)(((mask) & (marks)(a)) | (~(mask) & (marks)(b))))

/* Rows become columns: four rounds of interleaving the first half with the second. */
ALWAYS void transpose(lanes v[TILE])
{
    lanes w[TILE];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < HALF; i++) {
            w[2 * i] = __builtin_shufflevector(v[i], v[i + HALF], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                               22, 7, 23);
            w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + HALF], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                                   13, 29, 14, 30, 15, 31);
        }
        memcpy(v, w, sizeof w);
    }
}

/* Products of HALF rows with the centres of one panel, a centre per lane. */
ALWAYS void products(const float *const row[HALF], int64_t cols, const lanes *column, lanes out[HALF])
{
    const float *a = row[0], *b = row[1], *c = row[2], *d = row[3], *e = row[4], *f = row[5], *g = row[6],
                *h = row[7];
    lanes s[HALF] = {{0}};
    for (int64_t j = 0; j < cols; j++) {
        lanes centres = column[j];
        s[0] += centres * a[j];
        s[1] += centres * b[j];
        s[2] += centres * c[j];
        s[3] += centres * d[j];
        s[4] += centres * e[j];
        s[5] += centres * f[j];
        s[6] += centres * g[j];
        s[7] += centres * h[j];
    }
    memcpy(out, s, sizeof s);
}

TT_KERNEL static void nearest_of_panels(const float *const *row, int64_t cols, int64_t panels,
                                        const float *columns, const float *low, tile_nearest *out)
{
    lanes best = (lanes){0} + INFINITY, second = best;
    marks index = {0};
    for (int64_t p = 0; p < panels; p++) {
        lanes v[TILE], bounds;
        memcpy(&bounds, low + p * TILE, sizeof bounds);
        products(row, cols, (const lanes *)(const void *)columns + p * cols, v);
        products(row + HALF, cols, (const lanes *)(const void *)columns + p * cols, v + HALF);
        for (int r = 0; r < TILE; r++) v[r] += bounds;
        transpose(v); /* now a row per lane */
        for (int c = 0; c < TILE; c++) {
            marks wins = v[c] < best;
            lanes loser = PICK(wins, best, v[c]);
            best = PICK(wins, v[c], best);
            index = (wins & ((marks){0} + ((int32_t)p * TILE + c))) | (~wins & index);
            marks closer = loser < second;
            second = PICK(closer, loser, second);
        }
    }
    memcpy(out->best, &best, sizeof best);
    memcpy(out->second, &second, sizeof second);
    memcpy(out->index, &index, sizeof index);
}

void kmeans_tile(const float *const row[TILE], int64_t cols, int64_t panels, const float *columns,
                 const float *low, tile_nearest *out)
{
    nearest_of_panels(row, cols, panels, columns, low, out);
}

TT_KERNEL static void values_of_panel(const float *row, int64_t cols, const float *columns, const float *low,
                                      float *out)
{
    const lanes *column = (const lanes *)(const void *)columns;
    lanes sum = {0}, bounds;
    for (int64_t j = 0; j < cols; j++) sum += column[j] * row[j];
    memcpy(&bounds, low, sizeof bounds);
    sum += bounds;
    memcpy(out, &sum, sizeof sum);
}

void kmeans_tile_values(const float *row, int64_t cols, const float *columns, const float *low, float *out)
{
    values_of_panel(row, cols, columns, low, out);
}

float kmeans_tile_layout(const double *centre, int64_t n, int64_t cols, float *columns, float *norm)
{
    int64_t wide = (n + TILE - 1) / TILE * TILE;
    float largest = 0;
    memset(columns, 0, (size_t)(wide * cols) * sizeof *columns);
    for (int64_t c = 0; c < wide; c++) {
        float *to = columns + c / TILE * cols * TILE + c % TILE;
        double sum = 0;
        for (int64_t j = 0; c < n && j < cols; j++) {
            float value = (float)centre[c * cols + j];
            to[j * TILE] = -2.0f * value;
            sum += (double)value * (double)value;
        }
        norm[c] = c < n ? (float)sum : INFINITY;
        if (c < n && norm[c] > largest) largest = norm[c];
    }
    return largest;
}
