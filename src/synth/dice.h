/* Random choices of one track for one purpose, drawn one after the other. */
#ifndef TUTTI_SYNTH_DICE_H
#define TUTTI_SYNTH_DICE_H

#include "tutti/random.h"

#include <stdbool.h>

/** What a track's dice are thrown for; each has numbers of its own, so that more words in a lyric do not
 * change a note. */
typedef enum dice_use { DICE_PLAN, DICE_LYRICS, DICE_SONG, DICE_SOUND, DICE_GARBAGE } dice_use;

typedef struct dice {
    tt_stream stream;
    uint64_t row, next;
    uint64_t words[4];
    int left;
} dice;

/** Dice of track `row`. */
dice dice_new(uint64_t seed, dice_use use, int64_t row);

uint64_t dice_word(dice *d);
double dice_real(dice *d, double low, double high); /**< uniform in [low, high) */
bool dice_chance(dice *d, double probability);
int dice_below(dice *d, int n); /**< uniform in [0, n) */
double dice_normal(dice *d);    /**< standard normal */

/** Index in [0, n) with a probability in proportion to weight[index]; weights need not sum to 1. */
int dice_weighted(dice *d, const float *weight, int n);

#endif
