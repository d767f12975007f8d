/* Half-precision numbers (IEEE 754 binary16) as uint16_t: half the room for what needs three digits. */
#ifndef TUTTI_HALF_H
#define TUTTI_HALF_H

#include <stdint.h>

/** Round n floats to the nearest half, ties to even: beyond 65,504 to infinity, NaN stays NaN. Values from
 * 6e-5 up keep 11 bits: dB above -80 are within 0.032 of what they were. */
void tt_half_pack(int64_t n, const float *x, uint16_t *half);

/** The same numbers as floats, exactly. `half` may lie at the end of the bytes of x: reading a file into the
 * back half of an array and unpacking it in place is fine. */
void tt_half_unpack(int64_t n, const uint16_t *half, float *x);

#endif
