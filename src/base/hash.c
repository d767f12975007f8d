#include "tutti/hash.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t tt_checksum(const void *data, size_t n)
{
    uint64_t h = XXH3_64bits(data, n);
    return h ? h : 1;
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
