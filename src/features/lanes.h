/* Sixteen frames at a time: every kernel runs over bins with one frame per lane, so that sums, sorts and
 * scans along the spectrum are plain vector code, and a frame's bits do not depend on its neighbours. */
#ifndef TUTTI_FEATURES_LANES_H
#define TUTTI_FEATURES_LANES_H

#include "tutti/simd.h"

#include <stdint.h>
#include <string.h>

enum { LANES = 16 };

/** One value for each of LANES frames. GCC and Clang lower it to what the target has. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lane_bits __attribute__((vector_size(LANES * sizeof(int32_t))));

/** Element-wise choices, written as loops: GCC makes min and max instructions of these and of nothing else.
 * (Helpers here are macros because a function compiled for the build machine does not inline into a TT_KERNEL
 * clone for an older one.) */
#define LANES_MIN(out, a, b)                                                                                 \
    for (int l_ = 0; l_ < LANES; l_++) (out)[l_] = (a)[l_] < (b)[l_] ? (a)[l_] : (b)[l_]
#define LANES_MAX(out, a, b)                                                                                 \
    for (int l_ = 0; l_ < LANES; l_++) (out)[l_] = (a)[l_] > (b)[l_] ? (a)[l_] : (b)[l_]

/** Natural logarithm of a positive normal float, to 1e-7: ln m = 2 artanh((m - 1) / (m + 1)) for a mantissa m
 * in [1/sqrt 2, sqrt 2); 0x3f3504f3 is 1/sqrt 2. Branch-free, so that loops over it become vector code. */
#define LOG_FAST(out, x)                                                                                     \
    do {                                                                                                     \
        union {                                                                                              \
            float f;                                                                                         \
            int32_t i;                                                                                       \
        } bits_ = {.f = (x)};                                                                                \
        int32_t exponent_ = (bits_.i - 0x3f3504f3) >> 23;                                                    \
        bits_.i -= exponent_ * (1 << 23);                                                                    \
        float s_ = (bits_.f - 1.0f) / (bits_.f + 1.0f), s2_ = s_ * s_;                                       \
        float series_ = 2.0f + s2_ * (2.0f / 3 + s2_ * (2.0f / 5 + s2_ * (2.0f / 7 + s2_ * (2.0f / 9))));    \
        (out) = (float)exponent_ * 0.693147181f + s_ * series_;                                              \
    } while (0)

#endif
