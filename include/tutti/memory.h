/* Allocation that checks for overflow, aligns for AVX-512 and fails with a message. */
#ifndef TUTTI_MEMORY_H
#define TUTTI_MEMORY_H

#include "tutti/status.h"

#include <stddef.h>
#include <stdint.h>

/** Allocate count x bytes, zeroed, aligned to 64 bytes; count 0 gives a valid pointer to nothing.
 *  @param[out] out  address of the pointer; NULL on failure. Free with free().
 *  @return TT_OK or TT_ERR_MEMORY with a message that says how much and for `what` */
tt_status tt_alloc(int64_t count, size_t bytes, const char *what, void *out);

/** As tt_alloc(), grow *out from old_count to new_count elements, keeping the old ones.
 *  On failure *out is unchanged. */
tt_status tt_grow(int64_t old_count, int64_t new_count, size_t bytes, const char *what, void *out);

/** Copy of `text` (NULL gives NULL). Free with free(). @return TT_OK or TT_ERR_MEMORY */
tt_status tt_copy_text(const char *text, char **out);

/** printf into a new string. Free with free(). @return TT_OK or TT_ERR_MEMORY */
__attribute__((format(printf, 2, 3))) tt_status tt_format(char **out, const char *format, ...);

/** Bytes that this machine can still give to this process: what Linux says is available, and not above the
 * limits of the control groups that it runs in (those of a batch job, of a container; both generations).
 *  @return 0 if nothing tells */
double tt_memory_available(void);

#endif
