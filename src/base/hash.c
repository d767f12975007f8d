#include "tutti/hash.h"

#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct tt_checksum_sum {
    XXH3_state_t state;
};

static uint64_t never_zero(uint64_t h)
{
    return h ? h : 1;
}

uint64_t tt_checksum(const void *data, size_t n)
{
    return never_zero(XXH3_64bits(data, n));
}

tt_status tt_checksum_new(tt_checksum_sum **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "a checksum", out));
    XXH3_64bits_reset(&(*out)->state);
    return TT_OK;
}

void tt_checksum_add(tt_checksum_sum *sum, const void *data, size_t n)
{
    XXH3_64bits_update(&sum->state, data, n);
}

uint64_t tt_checksum_get(const tt_checksum_sum *sum)
{
    return never_zero(XXH3_64bits_digest(&sum->state));
}

void tt_checksum_free(tt_checksum_sum *sum)
{
    free(sum);
}

tt_hash tt_hash_start(void)
{
    return (tt_hash){0, 0};
}

/* Chained: the new state is the hash of (old state, length of the field, hash of the field). */
void tt_hash_add(tt_hash *h, const void *data, size_t n)
{
    XXH128_hash_t field = XXH3_128bits(data, n);
    uint64_t link[5] = {h->low, h->high, n, field.low64, field.high64};
    XXH128_hash_t next = XXH3_128bits(link, sizeof link);
    h->low = next.low64;
    h->high = next.high64;
}

void tt_hash_text(tt_hash *h, const char *text)
{
    tt_hash_i64(h, text ? 1 : 0);
    tt_hash_add(h, text ? text : "", text ? strlen(text) : 0);
}

void tt_hash_i64(tt_hash *h, int64_t value)
{
    tt_hash_add(h, &value, sizeof value);
}

void tt_hash_print(const tt_hash *h, char text[TT_HASH_TEXT])
{
    snprintf(text, TT_HASH_TEXT, "%016llx%016llx", (unsigned long long)h->high, (unsigned long long)h->low);
}
