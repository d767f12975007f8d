/* 128-bit content hashes (XXH3): checksums of stored blocks, fingerprints of settings and inputs. */
#ifndef TUTTI_HASH_H
#define TUTTI_HASH_H

#include "tutti/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TT_HASH_TEXT = 33 }; /**< bytes of a hash in hexadecimal with its NUL */

/** 64-bit checksum of n bytes; never 0, so that 0 can stand for "not written". */
uint64_t tt_checksum(const void *data, size_t n);

/** tt_checksum() of data that comes in parts. Free with tt_checksum_free(); NULL is fine. */
typedef struct tt_checksum_sum tt_checksum_sum;

/** @return TT_OK or TT_ERR_MEMORY */
tt_status tt_checksum_new(tt_checksum_sum **out);
void tt_checksum_add(tt_checksum_sum *sum, const void *data, size_t n);
uint64_t tt_checksum_get(const tt_checksum_sum *sum);
void tt_checksum_free(tt_checksum_sum *sum);

/** A running 128-bit hash of fields; every field is framed by its length, so that "ab","c" and "a","bc"
 * differ. */
typedef struct tt_hash {
    uint64_t low, high;
} tt_hash;

/** Hash of nothing: the start. */
tt_hash tt_hash_start(void);

/** Add a field of n bytes. */
void tt_hash_add(tt_hash *h, const void *data, size_t n);

/** Add a NUL-terminated field (NULL counts as a field of its own, different from ""). */
void tt_hash_text(tt_hash *h, const char *text);

/** Add an integer field. */
void tt_hash_i64(tt_hash *h, int64_t value);

/** The hash as 32 lower-case hexadecimal digits. */
void tt_hash_print(const tt_hash *h, char text[TT_HASH_TEXT]);

#endif
