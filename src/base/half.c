#include "tutti/half.h"

#include "tutti/simd.h"

#include <string.h>

/* Bits of a float, in kernels: no calls there. */
typedef union bits {
    float f;
    uint32_t u;
} bits;

/* Below the smallest normal half (2^-14) the sum with 0.5 rounds at the last place of a subnormal half; from
 * there on the exponent is shifted and the carry of the rounding goes where it belongs, into infinity too. */
TT_KERNEL static void pack_kernel(int64_t n, const float *restrict x, uint16_t *restrict half)
{
    for (int64_t i = 0; i < n; i++) {
        bits in = {.f = x[i]}, small;
        uint32_t sign = in.u & 0x80000000u, a = in.u ^ sign;
        small.u = a;
        small.f += 0.5f;
        uint32_t tiny = small.u - 0x3f000000u;
        uint32_t normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
        uint32_t h = a < 0x38800000u ? tiny : normal;
        h = a >= 0x47800000u ? 0x7c00u : h;
        h = a > 0x7f800000u ? 0x7e00u : h;
        half[i] = (uint16_t)(h | sign >> 16);
    }
}

/* The product with 2^112 brings normal and subnormal halves to their place alike. */
TT_KERNEL static void unpack_kernel(int64_t n, const uint16_t *restrict half, float *restrict x)
{
    const bits scale = {.u = (127u + 112u) << 23};
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = half[i], a = (h & 0x7fffu) << 13;
        bits out = {.u = a};
        out.f *= scale.f;
        out.u |= a >= 0x0f800000u ? 0x7f800000u : 0u; /* infinity and NaN */
        out.u |= (h & 0x8000u) << 16;
        x[i] = out.f;
    }
}

void tt_half_pack(int64_t n, const float *x, uint16_t *half)
{
    pack_kernel(n, x, half);
}

void tt_half_unpack(int64_t n, const uint16_t *half, float *x)
{
    enum { CHUNK = 512 };
    uint16_t some[CHUNK];
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        memcpy(some, half + i, (size_t)m * sizeof *some); /* x may grow into what is unpacked next */
        unpack_kernel(m, some, x + i);
    }
}
