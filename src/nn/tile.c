#include "nn/tile.h"

#include "nn/bfloat.h"
#include "tutti/simd.h"

#include <string.h>

#ifdef TT_WIDE_KERNEL
#include <immintrin.h>
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) /* gcc 12, clang */
#define HAS_SHUFFLE
#endif
#endif
#endif

typedef float vector __attribute__((vector_size(64), may_alias));
typedef float loose __attribute__((vector_size(64), may_alias, aligned(4)));

#ifdef TT_WIDE_KERNEL
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define ROW(r)       const float *a##r = t->row[r];

/* Three vectors a row. */
#define START_3(r) vector p##r = {0}, q##r = {0}, s##r = {0};
#define ADD_3(r)                                                                                             \
    {                                                                                                        \
        float own = a##r[at];                                                                                \
        p##r += own * b0;                                                                                    \
        q##r += own * b1;                                                                                    \
        s##r += own * b2;                                                                                    \
    }
#define MORE_3(r)                                                                                            \
    {                                                                                                        \
        const loose *to = (const loose *)(const void *)(t->c + (r)*t->stride);                               \
        p##r += to[0];                                                                                       \
        q##r += to[1];                                                                                       \
        s##r += to[2];                                                                                       \
    }
#define KEEP_3(r)                                                                                            \
    {                                                                                                        \
        loose *to = (loose *)(void *)(t->c + (r)*t->stride);                                                 \
        to[0] = p##r;                                                                                        \
        to[1] = q##r;                                                                                        \
        to[2] = s##r;                                                                                        \
    }

/* Two. */
#define START_2(r) vector p##r = {0}, q##r = {0};
#define ADD_2(r)                                                                                             \
    {                                                                                                        \
        float own = a##r[at];                                                                                \
        p##r += own * b0;                                                                                    \
        q##r += own * b1;                                                                                    \
    }
#define MORE_2(r)                                                                                            \
    {                                                                                                        \
        const loose *to = (const loose *)(const void *)(t->c + (r)*t->stride);                               \
        p##r += to[0];                                                                                       \
        q##r += to[1];                                                                                       \
    }
#define KEEP_2(r)                                                                                            \
    {                                                                                                        \
        loose *to = (loose *)(void *)(t->c + (r)*t->stride);                                                 \
        to[0] = p##r;                                                                                        \
        to[1] = q##r;                                                                                        \
    }

/* Sums of a tile: put, or put onto what was there. */
#define FINISH(n)                                                                                            \
    if (t->more) {                                                                                           \
        EACH_ROW(MORE_##n)                                                                                   \
    }                                                                                                        \
    EACH_ROW(KEEP_##n)

TT_WIDE_KERNEL static void multiply_48(const tt_tile *t)
{
    EACH_ROW(ROW)
    EACH_ROW(START_3)
    const vector *b = (const vector *)(const void *)t->right;
    for (int64_t k = 0, at = 0; k < t->steps; k++, at += t->step, b += 3) {
        vector b0 = b[0], b1 = b[1], b2 = b[2];
        EACH_ROW(ADD_3)
    }
    FINISH(3)
}

TT_WIDE_KERNEL static void multiply_32(const tt_tile *t)
{
    EACH_ROW(ROW)
    EACH_ROW(START_2)
    const vector *b = (const vector *)(const void *)t->right;
    for (int64_t k = 0, at = 0; k < t->steps; k++, at += t->step, b += 2) {
        vector b0 = b[0], b1 = b[1];
        EACH_ROW(ADD_2)
    }
    FINISH(2)
}

/* Two products a step and element, rounded as the instruction does. */
#define PAIR(r)                                                                                              \
    int32_t own;                                                                                             \
    memcpy(&own, a##r + at, sizeof own);                                                                     \
    __m512bh left = (__m512bh)_mm512_set1_epi32(own);                                                        \
    p##r = (vector)_mm512_dpbf16_ps((__m512)p##r, left, b0);                                                 \
    q##r = (vector)_mm512_dpbf16_ps((__m512)q##r, left, b1);
#define PAIR_3(r)                                                                                            \
    {                                                                                                        \
        PAIR(r)                                                                                              \
        s##r = (vector)_mm512_dpbf16_ps((__m512)s##r, left, b2);                                             \
    }
#define PAIR_2(r)                                                                                            \
    {                                                                                                        \
        PAIR(r)                                                                                              \
    }
#define PAIR_KERNEL __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

PAIR_KERNEL static void multiply_pairs_48(const tt_tile *t)
{
    EACH_ROW(ROW)
    EACH_ROW(START_3)
    const float *b = t->right;
    for (int64_t k = 0, at = 0; k < t->steps; k++, at += t->step, b += 48) {
        __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + 16),
                 b2 = (__m512bh)_mm512_load_si512(b + 32);
        EACH_ROW(PAIR_3)
    }
    FINISH(3)
}

PAIR_KERNEL static void multiply_pairs_32(const tt_tile *t)
{
    EACH_ROW(ROW)
    EACH_ROW(START_2)
    const float *b = t->right;
    for (int64_t k = 0, at = 0; k < t->steps; k++, at += t->step, b += 32) {
        __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + 16);
        EACH_ROW(PAIR_2)
    }
    FINISH(2)
}
#endif

/* The same sums, in the same order, with the registers of older CPUs. */
TT_KERNEL static void multiply_narrow(const tt_tile *t)
{
    for (int r = 0; r < TT_TILE_ROWS; r += 4)
        for (int64_t i = 0; i < t->width; i += 16) {
            vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
            for (int64_t k = 0; k < t->steps; k++) {
                vector right = *(const vector *)(const void *)(t->right + k * t->width + i);
                s0 += t->row[r][k * t->step] * right;
                s1 += t->row[r + 1][k * t->step] * right;
                s2 += t->row[r + 2][k * t->step] * right;
                s3 += t->row[r + 3][k * t->step] * right;
            }
            float *c = t->c + (r)*t->stride + i;
            loose *to[4] = {(loose *)(void *)c, (loose *)(void *)(c + t->stride),
                            (loose *)(void *)(c + 2 * t->stride), (loose *)(void *)(c + 3 * t->stride)};
            if (t->more) {
                s0 += *to[0];
                s1 += *to[1];
                s2 += *to[2];
                s3 += *to[3];
            }
            *to[0] = s0;
            *to[1] = s1;
            *to[2] = s2;
            *to[3] = s3;
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

void tt_tile_multiply(const tt_tile *t)
{
#ifdef TT_WIDE_KERNEL
    bool wide = t->width == TT_TILE_COLS;
    if (t->precision == TT_PRECISION_BF16) {
        (wide ? multiply_pairs_48 : multiply_pairs_32)(t);
        return;
    }
    if (TT_HAS_WIDE) {
        (wide ? multiply_48 : multiply_32)(t);
        return;
    }
#endif
    multiply_narrow(t);
}

__attribute__((always_inline)) static inline uint32_t pair(float first, float second)
{
    return (uint32_t)tt_bfloat_narrow(first) | (uint32_t)tt_bfloat_narrow(second) << 16;
}

#ifdef TT_WIDE_KERNEL
/* As many floats as fill whole vectors of pairs, and how many those are. */
PAIR_KERNEL static int64_t pair_along(int64_t n, const float *x, uint32_t *out)
{
    int64_t i = 0;
    for (; i + 32 <= n; i += 32)
        _mm512_storeu_si512(
            out + i / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i)));
    return i;
}

PAIR_KERNEL static int64_t pair_across(int64_t n, const float *x, const float *y, uint32_t *out)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
        __m512i high = _mm512_setzero_si512();
        if (y) high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(y + i)));
        low = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
        _mm512_storeu_si512(out + i, low);
    }
    return i;
}
#endif

void tt_tile_pair_along(int64_t n, const float *x, uint32_t *out)
{
    int64_t i = 0;
#ifdef TT_WIDE_KERNEL
    i = pair_along(n, x, out);
#endif
    for (; i < n; i += 2) out[i / 2] = pair(x[i], i + 1 < n ? x[i + 1] : 0);
}

void tt_tile_pair_across(int64_t n, const float *x, const float *y, uint32_t *out)
{
    int64_t i = 0;
#ifdef TT_WIDE_KERNEL
    i = pair_across(n, x, y, out);
#endif
    for (; i < n; i++) out[i] = pair(x[i], y ? y[i] : 0);
}

#ifdef HAS_SHUFFLE
/* Row i and row i + h of a square exchange a half, a quarter, ... of what they hold. */
#define SWAP(h)                                                                                              \
    for (int i = 0; i < TT_TILE_SQUARE; i++)                                                                 \
        if (!(i & (h))) {                                                                                    \
            vector a = r[i], b = r[i + (h)];                                                                 \
            r[i] = __builtin_shufflevector(a, b, LOW_##h);                                                   \
            r[i + (h)] = __builtin_shufflevector(a, b, HIGH_##h);                                            \
        }
#define LOW_8  0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW_4  0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW_2  0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW_1  0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31

TT_WIDE_KERNEL static void transpose_wide(const float *from, int64_t stride, float *to, int64_t to_stride)
{
    vector r[TT_TILE_SQUARE];
    for (int i = 0; i < TT_TILE_SQUARE; i++) r[i] = *(const loose *)(const void *)(from + i * stride);
    SWAP(8)
    SWAP(4)
    SWAP(2)
    SWAP(1)
    for (int i = 0; i < TT_TILE_SQUARE; i++) *(loose *)(void *)(to + i * to_stride) = r[i];
}
#endif

void tt_tile_transpose(const float *from, int64_t stride, float *to, int64_t to_stride)
{
#ifdef HAS_SHUFFLE
    if (TT_HAS_WIDE) {
        transpose_wide(from, stride, to, to_stride);
        return;
    }
#endif
    for (int64_t k = 0; k < TT_TILE_SQUARE; k++)
        for (int64_t i = 0; i < TT_TILE_SQUARE; i++) to[k * to_stride + i] = from[i * stride + k];
}
