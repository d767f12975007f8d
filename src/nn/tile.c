#include "nn/tile.h"

#include "tutti/simd.h"

#include <string.h>

#ifdef TT_WIDE_KERNEL
#include <immintrin.h>
#endif

typedef float vector __attribute__((vector_size(64), may_alias));

#ifdef TT_WIDE_KERNEL
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define ROW(r)       const float *a##r = a->row[r];
#define START(r)     vector p##r = {0}, q##r = {0}, s##r = {0};
#define ADD(r)                                                                                               \
    {                                                                                                        \
        float own = a##r[at];                                                                                \
        p##r += own * b0;                                                                                    \
        q##r += own * b1;                                                                                    \
        s##r += own * b2;                                                                                    \
    }
#define KEEP(r)                                                                                              \
    {                                                                                                        \
        vector *to = (vector *)(void *)out->sum[r];                                                          \
        to[0] = p##r;                                                                                        \
        to[1] = q##r;                                                                                        \
        to[2] = s##r;                                                                                        \
    }

TT_WIDE_KERNEL static void multiply_wide(int64_t steps, const tt_tile_left *a, const float *b, tt_tile *out)
{
    EACH_ROW(ROW)
    EACH_ROW(START)
    const vector *right = (const vector *)(const void *)b;
    for (int64_t k = 0, at = 0; k < steps; k++, at += a->step, right += 3) {
        vector b0 = right[0], b1 = right[1], b2 = right[2];
        EACH_ROW(ADD)
    }
    EACH_ROW(KEEP)
}

/* Two products a step and element, rounded as the instruction does. */
#define ADD_PAIR(r)                                                                                          \
    {                                                                                                        \
        int32_t own;                                                                                         \
        memcpy(&own, a##r + at, sizeof own);                                                                 \
        __m512bh left = (__m512bh)_mm512_set1_epi32(own);                                                    \
        p##r = (vector)_mm512_dpbf16_ps((__m512)p##r, left, b0);                                             \
        q##r = (vector)_mm512_dpbf16_ps((__m512)q##r, left, b1);                                             \
        s##r = (vector)_mm512_dpbf16_ps((__m512)s##r, left, b2);                                             \
    }

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) static void
multiply_pairs(int64_t steps, const tt_tile_left *a, const float *b, tt_tile *out)
{
    EACH_ROW(ROW)
    EACH_ROW(START)
    for (int64_t k = 0, at = 0; k < steps; k++, at += a->step, b += TT_TILE_COLS) {
        __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + 16),
                 b2 = (__m512bh)_mm512_load_si512(b + 32);
        EACH_ROW(ADD_PAIR)
    }
    EACH_ROW(KEEP)
}
#endif

/* The same sums, in the same order, with the registers of older CPUs. */
TT_KERNEL static void multiply_narrow(int64_t steps, const tt_tile_left *a, const float *b, tt_tile *out)
{
    for (int r = 0; r < TT_TILE_ROWS; r += 4)
        for (int c = 0; c < TT_TILE_COLS; c += 16) {
            vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
            for (int64_t k = 0; k < steps; k++) {
                vector right = *(const vector *)(const void *)(b + k * TT_TILE_COLS + c);
                s0 += a->row[r][k * a->step] * right;
                s1 += a->row[r + 1][k * a->step] * right;
                s2 += a->row[r + 2][k * a->step] * right;
                s3 += a->row[r + 3][k * a->step] * right;
            }
            *(vector *)(void *)&out->sum[r][c] = s0;
            *(vector *)(void *)&out->sum[r + 1][c] = s1;
            *(vector *)(void *)&out->sum[r + 2][c] = s2;
            *(vector *)(void *)&out->sum[r + 3][c] = s3;
        }
}

tt_precision tt_precision_possible(tt_precision asked)
{
#ifdef TT_WIDE_KERNEL
    if (asked == TT_PRECISION_BF16 && TT_HAS_WIDE && __builtin_cpu_supports("avx512bf16")) return asked;
#else
    (void)asked;
#endif
    return TT_PRECISION_F32;
}

void tt_tile_multiply(tt_precision precision, int64_t steps, const tt_tile_left *a, const float *b,
                      tt_tile *out)
{
#ifdef TT_WIDE_KERNEL
    if (precision == TT_PRECISION_BF16) {
        multiply_pairs(steps, a, b, out);
        return;
    }
    if (TT_HAS_WIDE) {
        multiply_wide(steps, a, b, out);
        return;
    }
#else
    (void)precision;
#endif
    multiply_narrow(steps, a, b, out);
}
