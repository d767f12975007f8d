#include "kmeans_tile.h"

#include "tutti/simd.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(4 * TILE)));
typedef int32_t marks __attribute__((vector_size(4 * TILE)));
typedef float half_lanes __attribute__((vector_size(2 * TILE)));
typedef int32_t half_marks __attribute__((vector_size(2 * TILE)));

/* mask ? a : b */
#define PICK(TYPE, MASK, mask, a, b) ((TYPE)(((mask) & (MASK)(a)) | (~(mask) & (MASK)(b))))
#define JOIN(a, b)                   a##b
#define CAT(a, b)                    JOIN(a, b)

#define LANES                 8
#define FLOATS                half_lanes
#define MARKS                 half_marks
#define CENTRES               4
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define NEAREST               nearest_by_8
#define PACK                  pack_by_8
#define LIST                  list_by_8
#define MEASURE               measure_by_8
#define KERNEL                TT_KERNEL
#include "kmeans_tile_lanes.h"

#ifdef TT_WIDE_KERNEL
#define LANES   16
#define FLOATS  lanes
#define MARKS   marks
#define CENTRES 16
#define INTERLEAVE_LOW(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b)                                                                                \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define NEAREST nearest_by_16
#define PACK    pack_by_16
#define LIST    list_by_16
#define MEASURE measure_by_16
#define KERNEL  TT_WIDE_KERNEL
#include "kmeans_tile_lanes.h"
#define BY_WIDTH(name, ...) (TT_HAS_WIDE ? name##_by_16(__VA_ARGS__) : name##_by_8(__VA_ARGS__))
#else
#define BY_WIDTH(name, ...) name##_by_8(__VA_ARGS__)
#endif

void kmeans_tile_pack(const float *const row[TILE], int64_t cols, float *packed)
{
    BY_WIDTH(pack, row, cols, packed);
}

void kmeans_tile(const float *packed, int64_t cols, int64_t panels, const float *columns, const float *low,
                 tile_nearest *out)
{
    BY_WIDTH(nearest, packed, cols, panels, columns, low, out);
}

int32_t kmeans_tile_bits(int64_t panels)
{
    int32_t bits = TILE - 1;
    while (bits < panels * TILE - 1) bits = 2 * bits + 1;
    return bits;
}

void kmeans_tile_list(const float *packed, int64_t cols, int64_t panels, const float *columns,
                      const float *low, tile_list *out)
{
    int32_t bits = kmeans_tile_bits(panels);
    BY_WIDTH(list, packed, cols, panels, columns, low, bits, out);
    float share = (float)(bits + 1) * 0x1p-22f; /* a number changes a value by less than half of this */
    for (int r = 0; r < TILE; r++) out->rest[r] -= share * fabsf(out->rest[r]) + FLT_MIN;
}

void kmeans_tile_measure(const float *const row[TILE], int64_t cols, const float *centres, const float *low,
                         int n, const int32_t *list, tile_nearest *out)
{
    BY_WIDTH(measure, row, cols, kmeans_tile_width(cols), centres, low, n, list, out);
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
        norm[c] = c < n ? (float)sum : KMEANS_FAR;
        if (c < n && norm[c] > largest) largest = norm[c];
    }
    return largest;
}
