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

/** The element-wise choices; written as loops, since GCC makes min and max of these and of nothing else. */
#define LANES_MIN(out, a, b)                                                                                 \
    for (int l_ = 0; l_ < LANES; l_++) (out)[l_] = (a)[l_] < (b)[l_] ? (a)[l_] : (b)[l_]
#define LANES_MAX(out, a, b)                                                                                 \
    for (int l_ = 0; l_ < LANES; l_++) (out)[l_] = (a)[l_] > (b)[l_] ? (a)[l_] : (b)[l_]

/** Natural logarithm of a positive normal float, to 1e-7: ln m = 2 artanh((m - 1) / (m + 1)) for a mantissa m
 * in [1/sqrt 2, sqrt 2). Branch-free, so that loops over it become vector code. */
static inline float log_fast(float x)
{
    int32_t bits, mantissa_bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (bits - 0x3f3504f3) >> 23; /* 0x3f3504f3 is 1/sqrt 2 */
    mantissa_bits = bits - (int32_t)((uint32_t)exponent << 23);
    float m;
    memcpy(&m, &mantissa_bits, sizeof m);
    float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    float series = 2.0f + s2 * (2.0f / 3 + s2 * (2.0f / 5 + s2 * (2.0f / 7 + s2 * (2.0f / 9))));
    return (float)exponent * 0.693147181f + s * series;
}

#endif
