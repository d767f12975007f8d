/* bfloat16 as uint16_t: the upper half of a float. Inlined into kernels, for every vector width. */
#ifndef TUTTI_NN_BFLOAT_H
#define TUTTI_NN_BFLOAT_H

#include <stdint.h>
#include <string.h>

__attribute__((always_inline)) static inline float tt_bfloat_widen(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** To nearest, ties to even; what is not a number stays so. */
__attribute__((always_inline)) static inline uint16_t tt_bfloat_narrow(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    return value == value ? (uint16_t)rounded : (uint16_t)0x7fc0U;
}

void tt_bfloat_pack(int64_t n, const float *x, uint16_t *half);
void tt_bfloat_unpack(int64_t n, const uint16_t *half, float *x);

#endif
