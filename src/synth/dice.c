#include "synth/dice.h"

#include <math.h>

dice dice_new(uint64_t seed, dice_use use, int64_t row)
{
    return (dice){.stream = {seed, TT_FOR_SYNTH, (uint64_t)use}, .row = (uint64_t)row};
}

uint64_t dice_word(dice *d)
{
    if (d->left == 0) {
        tt_random_words(d->stream, d->row, d->next++, d->words);
        d->left = 4;
    }
    return d->words[--d->left];
}

static double unit(dice *d)
{
    return (double)(dice_word(d) >> 11) * 0x1p-53;
}

double dice_real(dice *d, double low, double high)
{
    return low + (high - low) * unit(d);
}

bool dice_chance(dice *d, double probability)
{
    return unit(d) < probability;
}

int dice_below(dice *d, int n)
{
    return (int)(unit(d) * n);
}

double dice_normal(dice *d)
{
    double r = sqrt(-2.0 * log(1.0 - unit(d)));
    return r * cos(6.283185307179586 * unit(d));
}

int dice_weighted(dice *d, const float *weight, int n)
{
    double total = 0;
    for (int i = 0; i < n; i++) total += (double)weight[i];
    double at = unit(d) * total;
    for (int i = 0; i < n - 1; i++) {
        at -= (double)weight[i];
        if (at < 0) return i;
    }
    return n - 1;
}
