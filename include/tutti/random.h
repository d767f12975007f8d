/* Counter-based random numbers: a value depends on (seed, purpose, epoch, row, index) and on nothing else,
 * so that neither the rank that asks nor the order of asking shows in a result.
 * Philox4x64-10 of Random123: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3"
 * (2011). */
#ifndef TUTTI_RANDOM_H
#define TUTTI_RANDOM_H

#include <stdint.h>

/** What the numbers are for; two purposes never share a number. Append only: the values are part of results.
 */
typedef enum tt_purpose {
    TT_FOR_SYNTH = 1,
    TT_FOR_BREAKAGE,
    TT_FOR_WEIGHTS,
    TT_FOR_SHUFFLE,
    TT_FOR_NOISE,
    TT_FOR_SPLIT,
    TT_FOR_SEEDING,
    TT_FOR_SAMPLE,
    TT_FOR_CHANCE,
    TT_FOR_TEST,
    TT_FOR_SKETCH,
    TT_FOR_POOL,
    TT_FOR_SCALING,
} tt_purpose;

/** One stream of numbers per row. */
typedef struct tt_stream {
    uint64_t seed;
    tt_purpose purpose;
    uint64_t epoch;
} tt_stream;

/** Four independent words. */
void tt_random_words(tt_stream s, uint64_t row, uint64_t index, uint64_t words[4]);

/** A word as a number in [0, 1), 53 bits. */
double tt_random_unit(uint64_t word);

/** Uniform in [0, 1), 53 bits. */
double tt_random_uniform(tt_stream s, uint64_t row, uint64_t index);

/** Uniform integer in [0, n), n > 0; the bias is below n / 2^64. */
uint64_t tt_random_below(tt_stream s, uint64_t row, uint64_t index, uint64_t n);

/** Standard normal (Box-Muller in double). */
double tt_random_normal(tt_stream s, uint64_t row, uint64_t index);

/** n standard normals for a row into out [n]; the first k are the same whatever n is. */
void tt_random_normals(tt_stream s, uint64_t row, int64_t n, float *out);

/** Where element i in [0, n) goes in a random permutation of n elements, in O(1) memory: a Feistel network
 *  with cycle walking (Black, Rogaway 2002). A bijection on [0, n) for every stream. */
uint64_t tt_random_permute(tt_stream s, uint64_t i, uint64_t n);

#endif
