/* A hash table of runs of numbers. Private to the room. */
#ifndef TUTTI_TEXT_GRAMS_H
#define TUTTI_TEXT_GRAMS_H

#include "tutti/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct gram {
    uint64_t hash;
    int64_t tf;
    uint32_t text; /**< the last that held it, plus 1 */
    int32_t df;
    int32_t at;     /**< where its numbers stand: base + at * stride; plus 1, 0 is free */
    int32_t number; /**< the caller's */
} gram;

/** Zero-initialise all but k, base and stride; free slots with free(). */
typedef struct grams {
    int k;                /**< numbers per key */
    const uint32_t *base; /**< what `at` counts from */
    int64_t stride;
    gram *slots;
    int64_t n_slots, room; /**< n_slots is a power of two */
} grams;

/** Empty the table and make room for `expected` keys. */
tt_status grams_reserve(grams *g, int64_t expected);

/** Every bit of the result depends on every bit of x; no two x give the same (Steele, Lea, Flood 2014). */
static inline uint64_t gram_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/** Hash of k numbers; no two pairs share one. */
static inline uint64_t gram_hash(const uint32_t *v, int k)
{
    uint64_t h = gram_mix(v[0] | (k > 1 ? (uint64_t)v[1] << 32 : 0));
    for (int i = 2; i < k; i++) h = gram_mix(h + v[i] + 1);
    return h;
}

/** The slot of a key, which is added if it is new; room must have been made. Up to two numbers the hash is
 * the key; beyond, equal hashes are told apart by the numbers. */
static inline gram *gram_find(grams *g, uint64_t hash, int64_t at)
{
    int64_t mask = g->n_slots - 1;
    const uint32_t *key = g->base + at * g->stride;
    for (int64_t i = (int64_t)(hash & (uint64_t)mask);; i = (i + 1) & mask) {
        gram *slot = &g->slots[i];
        if (slot->at == 0) {
            *slot = (gram){.hash = hash, .at = (int32_t)at + 1};
            return slot;
        }
        if (slot->hash == hash &&
            (g->k <= 2 || memcmp(g->base + (slot->at - 1) * g->stride, key, (size_t)g->k * sizeof *key) == 0))
            return slot;
    }
}

#endif
