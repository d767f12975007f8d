#include "store/internal.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 8 << 20, GROUP_BLOCKS = 8192 };

static tt_range block_rows(const column *c, int64_t block)
{
    tt_range r = {block * c->shape.block_rows, (block + 1) * c->shape.block_rows};
    if (r.end > c->shape.dims[0]) r.end = c->shape.dims[0];
    return r;
}

static bool checksums_move(const column *c, int64_t begin, int64_t n, uint64_t *sums, bool write)
{
    hsize_t start = (hsize_t)begin, count = (hsize_t)n;
    hid_t file = H5Dget_space(c->check), memory = H5Screate_simple(1, &count, NULL);
    bool ok = H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0;
    if (write)
        ok = ok && H5Dwrite(c->check, H5T_NATIVE_UINT64, memory, file, H5P_DEFAULT, sums) >= 0;
    else
        ok = ok && H5Dread(c->check, H5T_NATIVE_UINT64, memory, file, H5P_DEFAULT, sums) >= 0;
    h5_close(memory);
    h5_close(file);
    return ok;
}

/* A block being read: whole into the buffer, or piece by piece through it. */
typedef struct stream {
    tt_checksum_sum *sum; /**< NULL: pieces go side by side instead of each over the last */
    char *buffer;
    size_t element;
} stream;

static tt_status stream_piece(void *context, const column *c, const piece *p)
{
    stream *s = context;
    char *to = s->sum ? s->buffer : s->buffer + p->at * (int64_t)s->element;
    if (!piece_read(c, p, c->memory, to)) return h5_fail(TT_ERR_IO, "cannot read %s", c->shape.name);
    if (s->sum) tt_checksum_add(s->sum, to, (size_t)p->elements * s->element);
    return TT_OK;
}

/* The checksum of a block too large for the buffer; the same number as tt_checksum() of it. */
static tt_status checksum_large(stream *s, const column *c, int64_t block, uint64_t *sum)
{
    tt_range r = block_rows(c, block);
    TT_TRY(tt_checksum_new(&s->sum));
    tt_status status =
        for_pieces(c, r.begin, r.end - r.begin, BUFFER_BYTES / (int64_t)s->element, stream_piece, s);
    *sum = tt_checksum_get(s->sum);
    tt_checksum_free(s->sum);
    s->sum = NULL;
    return status;
}

/* Checksums of blocks [begin, end) that fit the buffer together. */
static tt_status checksum_group(stream *s, const column *c, int64_t begin, int64_t end, uint64_t *sums)
{
    int64_t first = block_rows(c, begin).begin, last = block_rows(c, end - 1).end;
    TT_TRY(for_pieces(c, first, last - first, BUFFER_BYTES / (int64_t)s->element, stream_piece, s));
    for (int64_t b = begin; b < end; b++) {
        tt_range r = block_rows(c, b);
        sums[b - begin] = tt_checksum(s->buffer + (r.begin - first) * c->row_bytes,
                                      (size_t)((r.end - r.begin) * c->row_bytes));
    }
    return TT_OK;
}

static int64_t group_size(const column *c)
{
    int64_t bytes = c->row_bytes * c->shape.block_rows;
    int64_t n = bytes > 0 ? BUFFER_BYTES / bytes : GROUP_BLOCKS;
    return n < 1 ? 1 : n > GROUP_BLOCKS ? GROUP_BLOCKS : n;
}

static bool any_written(const uint64_t *sums, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (sums[i] != 0) return true;
    return false;
}

static tt_status check_group(const tt_store *store, stream *s, column *c, int64_t begin, int64_t end,
                             uint64_t *sums, block_function *f, void *context, bool *go)
{
    uint64_t *stored = sums, *found = sums + (end - begin);
    int64_t n = end - begin;
    if (!checksums_move(c, begin, n, stored, false))
        return h5_fail(TT_ERR_IO, "cannot read the checksums of %s in %s", c->shape.name, store_file(store));
    if (any_written(stored, n)) {
        tt_status status = c->row_bytes * c->shape.block_rows > BUFFER_BYTES
                               ? checksum_large(s, c, begin, found)
                               : checksum_group(s, c, begin, end, found);
        if (status != TT_OK) return tt_fail_because(status, "%s", store_file(store));
    }
    for (int64_t i = 0; i < n && *go; i++) {
        block_state state = stored[i] == 0          ? BLOCK_ABSENT
                            : stored[i] == found[i] ? BLOCK_SOUND
                                                    : BLOCK_DAMAGED;
        c->verified[begin + i] = state == BLOCK_SOUND;
        *go = f(context, begin + i, state);
    }
    return TT_OK;
}

tt_status blocks_check(const tt_store *store, column *c, int64_t begin, int64_t end, block_function *f,
                       void *context)
{
    stream *s = NULL;
    uint64_t *sums = NULL;
    bool go = true;
    tt_status status = tt_alloc(1, sizeof *s, "checking", &s);
    int64_t group = group_size(c) < end - begin ? group_size(c) : end - begin;
    if (status == TT_OK) status = tt_alloc(2 * group, sizeof *sums, "checksums", &sums);
    if (status == TT_OK) {
        s->element = type_bytes(c->shape.type, c->shape.text_bytes);
        /* one element may be larger than the buffer: a long text */
        int64_t bytes = (end - begin) * c->shape.block_rows * c->row_bytes;
        if (bytes > BUFFER_BYTES) bytes = BUFFER_BYTES;
        if (bytes < (int64_t)s->element) bytes = (int64_t)s->element;
        status = tt_alloc(bytes, 1, "checking", &s->buffer);
    }
    for (int64_t b = begin; b < end && go && status == TT_OK; b += group)
        status = check_group(store, s, c, b, b + group < end ? b + group : end, sums, f, context, &go);
    if (s) free(s->buffer);
    free(s);
    free(sums);
    return status;
}

tt_status block_fail(const tt_store *store, const column *c, int64_t begin, int64_t end, block_state state)
{
    long long first = block_rows(c, begin).begin, last = block_rows(c, end - 1).end - 1;
    char rows[64];
    if (first == last)
        snprintf(rows, sizeof rows, "row %lld is", first);
    else
        snprintf(rows, sizeof rows, "rows %lld to %lld are", first, last);
    return tt_fail(TT_ERR_INPUT, "%s: %s %s %s", store_file(store), c->shape.name, rows,
                   state == BLOCK_ABSENT
                       ? "missing (never written)"
                       : "damaged (checksum differs); remove the file to have it made anew");
}

typedef struct first_bad {
    int64_t block;
    block_state state;
} first_bad;

static bool stop_at_bad(void *context, int64_t block, block_state state)
{
    first_bad *bad = context;
    *bad = (first_bad){block, state};
    return state == BLOCK_SOUND;
}

/* A block of which the reader wants only a part is read whole, once per open file. */
static tt_status check_once(const tt_store *store, column *c, int64_t block)
{
    first_bad bad = {block, BLOCK_SOUND};
    if (c->verified[block]) return TT_OK;
    TT_TRY(blocks_check(store, c, block, block + 1, stop_at_bad, &bad));
    return bad.state == BLOCK_SOUND ? TT_OK : block_fail(store, c, block, block + 1, bad.state);
}

tt_status blocks_check_memory(const tt_store *store, column *c, int64_t first, int64_t count,
                              const void *data)
{
    if (c->check < 0 || count == 0) return TT_OK;
    int64_t begin = first / c->shape.block_rows, end = (first + count - 1) / c->shape.block_rows + 1;
    uint64_t sums[256];
    for (int64_t b = begin; b < end; b++) {
        int64_t i = (b - begin) % 256, n = end - b < 256 ? end - b : 256;
        if (i == 0 && !checksums_move(c, b, n, sums, false))
            return h5_fail(TT_ERR_IO, "cannot read the checksums of %s in %s", c->shape.name,
                           store_file(store));
        tt_range r = block_rows(c, b);
        if (!data || r.begin < first || r.end > first + count) {
            TT_TRY(check_once(store, c, b));
            continue;
        }
        const char *at = (const char *)data + (r.begin - first) * c->row_bytes;
        if (tt_checksum(at, (size_t)((r.end - r.begin) * c->row_bytes)) != sums[i])
            return block_fail(store, c, b, b + 1, sums[i] == 0 ? BLOCK_ABSENT : BLOCK_DAMAGED);
        c->verified[b] = 1;
    }
    return TT_OK;
}

tt_status blocks_write(const tt_store *store, const column *c, int64_t first, int64_t count, const void *data)
{
    uint64_t sums[1024];
    int64_t begin = first / c->shape.block_rows, end = (first + count - 1) / c->shape.block_rows + 1;
    for (int64_t b = begin; b < end; b++) {
        tt_range r = block_rows(c, b);
        const char *at = (const char *)data + (r.begin - first) * c->row_bytes;
        int64_t i = (b - begin) % 1024;
        sums[i] = tt_checksum(at, (size_t)((r.end - r.begin) * c->row_bytes));
        if ((i == 1023 || b == end - 1) && !checksums_move(c, b - i, i + 1, sums, true))
            TT_TRY(write_plainly(store, c, c->check, (b - i) * 8, (i + 1) * 8, sums));
    }
    return TT_OK;
}

static tt_status complete(const tt_store *store, const column *c)
{
    tt_range mine = tt_partition(c->blocks, 1, store->comm.size, store->comm.rank);
    uint64_t sums[1024];
    for (int64_t b = mine.begin; b < mine.end; b += 1024) {
        int64_t n = mine.end - b < 1024 ? mine.end - b : 1024;
        if (!checksums_move(c, b, n, sums, false))
            return h5_fail(TT_ERR_IO, "cannot read the checksums of %s in %s", c->shape.name,
                           store_file(store));
        for (int64_t i = 0; i < n; i++)
            if (sums[i] == 0) {
                block_fail(store, c, b + i, b + i + 1, BLOCK_ABSENT);
                return tt_fail_because(TT_ERR_INTERNAL, "cannot publish");
            }
    }
    return TT_OK;
}

tt_status store_complete(tt_store *store)
{
    MPI_Barrier(store->comm.mpi); /* others may still be writing */
    tt_status s = TT_OK;
    for (int i = 0; i < store->n_columns && s == TT_OK; i++) s = complete(store, &store->columns[i]);
    return s;
}
