#include "nn/bfloat.h"

#include "tutti/simd.h"

TT_KERNEL static void bfloat_pack(int64_t n, const float *restrict x, uint16_t *restrict half)
{
    for (int64_t i = 0; i < n; i++) half[i] = tt_bfloat_narrow(x[i]);
}

TT_KERNEL static void bfloat_unpack(int64_t n, const uint16_t *restrict half, float *restrict x)
{
    for (int64_t i = 0; i < n; i++) x[i] = tt_bfloat_widen(half[i]);
}

void tt_bfloat_pack(int64_t n, const float *x, uint16_t *half)
{
    bfloat_pack(n, x, half);
}

void tt_bfloat_unpack(int64_t n, const uint16_t *half, float *x)
{
    bfloat_unpack(n, half, x);
}
