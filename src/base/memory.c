#include "tutti/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Blocks of at least this many bytes are asked to lie on huge pages: where rows are read in no order, or by
 * several streams, looking small pages up takes as long as reading them. */
enum { HUGE_FROM = 4 << 20 };

static void ask_for_huge_pages(void *block, size_t bytes)
{
    if (bytes < HUGE_FROM) return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)block + bytes) / page * page;
    madvise((void *)first, end - first, MADV_HUGEPAGE); /* only advice */
}

tt_status tt_alloc(int64_t count, size_t bytes, const char *what, void *out)
{
    void **slot = out;
    *slot = NULL;
    size_t total;
    if (count < 0 || __builtin_mul_overflow((size_t)count, bytes, &total) || total > SIZE_MAX - 64)
        return tt_fail(TT_ERR_MEMORY, "%lld elements of %zu bytes for %s do not fit in memory",
                       (long long)count, bytes, what);
    size_t rounded = (total + 63) / 64 * 64;
    void *p = aligned_alloc(64, rounded > 0 ? rounded : 64);
    if (!p) return tt_fail(TT_ERR_MEMORY, "no memory for %s (%.1f MB)", what, (double)total / 1e6);
    ask_for_huge_pages(p, rounded);
    memset(p, 0, rounded);
    *slot = p;
    return TT_OK;
}

tt_status tt_grow(int64_t old_count, int64_t new_count, size_t bytes, const char *what, void *out)
{
    void **slot = out;
    void *grown;
    TT_TRY(tt_alloc(new_count, bytes, what, &grown));
    int64_t kept = old_count < new_count ? old_count : new_count;
    if (kept > 0) memcpy(grown, *slot, (size_t)kept * bytes);
    free(*slot);
    *slot = grown;
    return TT_OK;
}

tt_status tt_copy_text(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    if (text && !*out) return tt_fail(TT_ERR_MEMORY, "no memory for a text of %zu bytes", strlen(text));
    return TT_OK;
}

tt_status tt_format(char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vasprintf(out, format, args);
    va_end(args);
    if (n >= 0) return TT_OK;
    *out = NULL;
    return tt_fail(TT_ERR_MEMORY, "no memory for a text");
}
