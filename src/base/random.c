#include "tutti/random.h"

#include <Random123/philox.h>
#include <math.h>

static const double two_pi = 6.283185307179586;

void tt_random_words(tt_stream s, uint64_t row, uint64_t index, uint64_t words[4])
{
    philox4x64_ctr_t counter = {{row, index, s.epoch, 0}};
    philox4x64_key_t key = {{s.seed, (uint64_t)s.purpose}};
    philox4x64_ctr_t out = philox4x64(counter, key);
    for (int i = 0; i < 4; i++) words[i] = out.v[i];
}

double tt_random_unit(uint64_t word)
{
    return (double)(word >> 11) * 0x1p-53;
}

/* Two normals from two words; 1 - u keeps the logarithm away from 0. */
static void box_muller(uint64_t a, uint64_t b, double *x, double *y)
{
    double r = sqrt(-2.0 * log(1.0 - tt_random_unit(a)));
    double angle = two_pi * tt_random_unit(b);
    *x = r * cos(angle);
    *y = r * sin(angle);
}

double tt_random_uniform(tt_stream s, uint64_t row, uint64_t index)
{
    uint64_t w[4];
    tt_random_words(s, row, index, w);
    return tt_random_unit(w[0]);
}

uint64_t tt_random_below(tt_stream s, uint64_t row, uint64_t index, uint64_t n)
{
    uint64_t w[4];
    tt_random_words(s, row, index, w);
    return (uint64_t)(((unsigned __int128)w[0] * n) >> 64);
}

double tt_random_normal(tt_stream s, uint64_t row, uint64_t index)
{
    uint64_t w[4];
    tt_random_words(s, row, index, w);
    double x, y;
    box_muller(w[0], w[1], &x, &y);
    return x;
}

void tt_random_normals(tt_stream s, uint64_t row, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i += 4) {
        uint64_t w[4];
        double x[4];
        tt_random_words(s, row, (uint64_t)i / 4, w);
        box_muller(w[0], w[1], &x[0], &x[1]);
        box_muller(w[2], w[3], &x[2], &x[3]);
        for (int64_t k = 0; k < 4 && i + k < n; k++) out[i + k] = (float)x[k];
    }
}

uint64_t tt_random_permute(tt_stream s, uint64_t i, uint64_t n)
{
    if (n < 2) return i;
    int half = 1;
    while (half < 32 && (UINT64_C(1) << (2 * half)) < n) half++;
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 6; round++) {
            uint64_t w[4];
            tt_random_words(s, right, ~round, w); /* indices from the top: not those of other numbers */
            uint64_t next = left ^ (w[0] & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}
