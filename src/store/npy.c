/* NumPy's array format: a text header that says type and shape, then the bytes of the array. */
#include "tutti/npy.h"

#include "store/internal.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 8 << 20, HEADER_BYTES = 512, ALIGNMENT = 64 };

typedef struct npy {
    char *part;
    int fd;
    char header[HEADER_BYTES];
    int64_t header_bytes, row_bytes, rows;
} npy;

/* NumPy's name of a type: byte order, kind, bytes. */
static void describe(const tt_column *shape, bool mask, char text[32])
{
    static const char kind[] = {[TT_U8] = 'u',  [TT_I32] = 'i', [TT_I64] = 'i', [TT_U64] = 'u',
                                [TT_F16] = 'f', [TT_F32] = 'f', [TT_F64] = 'f', [TT_TEXT] = 'S'};
    static const uint16_t one = 1;
    bool little = *(const unsigned char *)&one == 1, bytes = shape->type == TT_U8 || shape->type == TT_TEXT;
    snprintf(text, 32, "%c%c%zu",
             bytes    ? '|'
             : little ? '<'
                      : '>',
             mask ? 'b' : kind[shape->type], type_bytes(shape->type, shape->text_bytes));
}

/* Magic, version, length of the text, the text as a Python dictionary, blanks up to a multiple of 64 bytes.
 * Four dimensions are far from the 64 KB that version 1.0 can say. */
static void make_header(const tt_column *shape, bool mask, npy *out)
{
    char type[32], text[HEADER_BYTES];
    describe(shape, mask, type);
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int i = 0; i < shape->n_dims; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lld", i > 0 ? ", " : "",
                      (long long)shape->dims[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s), }", shape->n_dims == 1 ? "," : "");
    int total = (10 + n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, length = total - 10;
    memset(out->header, ' ', sizeof out->header);
    memcpy(out->header, "\x93NUMPY\x01\x00", 8);
    out->header[8] = (char)(length & 0xff);
    out->header[9] = (char)(length >> 8);
    memcpy(out->header + 10, text, (size_t)n);
    out->header[total - 1] = '\n';
    out->header_bytes = total;
}

/* Rank 0 makes the file whole in length; the others then find it. */
static tt_status create_part(const npy *a)
{
    int fd = open(a->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return tt_fail_errno("create", a->part);
    tt_status s = write_all(fd, a->header, a->header_bytes, 0) ? TT_OK : tt_fail_errno("write", a->part);
    if (s == TT_OK && ftruncate(fd, a->header_bytes + a->rows * a->row_bytes) != 0)
        s = tt_fail_errno("write", a->part);
    if (close(fd) != 0 && s == TT_OK) s = tt_fail_errno("write", a->part);
    return s;
}

static tt_status open_part(const tt_comm *comm, const char *path, const tt_column *shape, bool mask, npy *out)
{
    make_header(shape, mask, out);
    out->rows = shape->dims[0];
    out->row_bytes = (int64_t)type_bytes(shape->type, shape->text_bytes);
    for (int i = 1; i < shape->n_dims; i++) out->row_bytes *= shape->dims[i];
    tt_status s = tt_format(&out->part, "%s.part", path);
    if (s == TT_OK && comm->rank == 0) s = create_part(out);
    TT_TRY(tt_agree(comm, s));
    out->fd = open(out->part, O_WRONLY | O_CLOEXEC);
    return tt_agree(comm, out->fd < 0 ? tt_fail_errno("open", out->part) : TT_OK);
}

static tt_status write_rows(npy *a, tt_range mine, int64_t at_once, tt_progress *progress, tt_npy_rows *rows,
                            void *context, char *buffer)
{
    for (int64_t at = mine.begin; at < mine.end; at += at_once) {
        int64_t n = mine.end - at < at_once ? mine.end - at : at_once;
        TT_TRY(tt_stop_status());
        TT_TRY(rows(context, at, n, buffer));
        if (!write_all(a->fd, buffer, n * a->row_bytes, a->header_bytes + at * a->row_bytes))
            return tt_fail_errno("write", a->part);
        tt_progress_add(progress, n);
    }
    return TT_OK;
}

static tt_status write_share(const tt_comm *comm, npy *a, const char *name, tt_npy_rows *rows, void *context)
{
    tt_range mine = tt_partition(a->rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t at_once = a->row_bytes > 0 ? CHUNK_BYTES / a->row_bytes : mine.end - mine.begin;
    if (at_once < 1) at_once = 1;
    if (at_once > mine.end - mine.begin) at_once = mine.end - mine.begin;
    char *buffer;
    tt_progress progress;
    TT_TRY(tt_alloc(at_once * a->row_bytes, 1, "rows", &buffer));
    tt_progress_start(&progress, name, "rows", mine.end - mine.begin, a->rows);
    tt_status s = write_rows(a, mine, at_once, &progress, rows, context, buffer);
    tt_progress_end(&progress);
    free(buffer);
    if (s == TT_OK && fsync(a->fd) != 0) s = tt_fail_errno("write", a->part);
    return s;
}

tt_status tt_npy_write(const tt_comm *comm, const char *path, const tt_column *shape, bool mask,
                       tt_npy_rows *rows, void *context)
{
    npy a = {.fd = -1};
    tt_status s = open_part(comm, path, shape, mask, &a);
    if (s == TT_OK) s = tt_agree(comm, write_share(comm, &a, shape->name, rows, context));
    if (a.fd >= 0) close(a.fd);
    free(a.part);
    return s;
}

typedef struct source {
    tt_store *store;
    const char *dataset;
    tt_type type;
} source;

static tt_status read_rows(void *context, int64_t first, int64_t count, void *rows)
{
    const source *s = context;
    return tt_store_read(s->store, s->dataset, first, count, s->type, rows);
}

tt_status tt_npy_from(const tt_comm *comm, tt_store *store, const char *dataset, bool mask, const char *path)
{
    tt_column shape;
    bool found;
    TT_TRY(tt_store_column(store, dataset, &shape, &found));
    if (!found) return tt_fail(TT_ERR_INPUT, "%s has no dataset %s", tt_store_path(store), dataset);
    shape.name = dataset;
    source from = {store, dataset, shape.type};
    return tt_npy_write(comm, path, &shape, mask, read_rows, &from);
}
