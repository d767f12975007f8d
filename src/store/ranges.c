#include "store/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <unistd.h>

tt_status ranges_add(ranges *r, int64_t begin, int64_t end)
{
    if (begin >= end) return TT_OK;
    TT_TRY(tt_grow(r->n, r->n + 1, sizeof *r->v, "ranges", &r->v));
    r->v[r->n++] = (tt_range){begin, end};
    return TT_OK;
}

typedef struct collecting {
    ranges *to;
    tt_status status;
} collecting;

static herr_t add_dataset(hid_t file, const char *name, const H5O_info_t *info, void *context)
{
    collecting *c = context;
    if (info->type != H5O_TYPE_DATASET) return 0;
    hid_t d = H5Dopen2(file, name, H5P_DEFAULT);
    haddr_t at = H5Dget_offset(d);
    hsize_t bytes = H5Dget_storage_size(d);
    if (at != HADDR_UNDEF) c->status = ranges_add(c->to, (int64_t)at, (int64_t)(at + bytes));
    h5_close(d);
    return c->status == TT_OK ? 0 : -1;
}

static int by_begin(const void *a, const void *b)
{
    int64_t x = ((const tt_range *)a)->begin, y = ((const tt_range *)b)->begin;
    return (x > y) - (x < y);
}

tt_status ranges_of_data(hid_t file, const char *path, ranges *out)
{
    collecting c = {out, TT_OK};
    if (H5Ovisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, add_dataset, &c) < 0)
        return c.status != TT_OK ? c.status : h5_fail(TT_ERR_IO, "cannot list the datasets of %s", path);
    if (out->n > 0) qsort(out->v, (size_t)out->n, sizeof *out->v, by_begin);
    return TT_OK;
}

tt_status ranges_common(const ranges *a, const ranges *b, ranges *out)
{
    for (int64_t i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->v[i].begin == b->v[j].begin && a->v[i].end == b->v[j].end)
            TT_TRY(ranges_add(out, a->v[i].begin, a->v[i].end));
        if (a->v[i].begin <= b->v[j].begin)
            i++;
        else
            j++;
    }
    return TT_OK;
}

tt_status ranges_between(const ranges *r, int64_t bytes, ranges *out)
{
    int64_t at = 0;
    for (int64_t i = 0; i < r->n; i++) {
        TT_TRY(ranges_add(out, at, r->v[i].begin));
        if (r->v[i].end > at) at = r->v[i].end;
    }
    return ranges_add(out, at, bytes);
}

bool read_all(int fd, void *to, int64_t n, int64_t at)
{
    for (char *p = to; n > 0;) {
        ssize_t got = pread(fd, p, (size_t)n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO; /* the file is shorter than it was */
        if (got <= 0) return false;
        p += got;
        at += got;
        n -= got;
    }
    return true;
}

bool write_all(int fd, const void *from, int64_t n, int64_t at)
{
    for (const char *p = from; n > 0;) {
        ssize_t put = pwrite(fd, p, (size_t)n, at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        at += put;
        n -= put;
    }
    return true;
}

enum { COPY_BYTES = 1 << 20 };

static tt_status copy_run(int from, int to, const char *path, tt_range run, char *buffer)
{
    for (int64_t at = run.begin; at < run.end; at += COPY_BYTES) {
        int64_t n = run.end - at < COPY_BYTES ? run.end - at : COPY_BYTES;
        if (!read_all(from, buffer, n, at)) return tt_fail_errno("read", path);
        if (!write_all(to, buffer, n, at)) return tt_fail_errno("write", path);
    }
    return TT_OK;
}

/* Holes read as zeros on both sides; a file system that knows no holes shows one run of data. */
static tt_status copy_range(int from, int to, const char *path, tt_range r, char *buffer)
{
    for (int64_t at = r.begin; at < r.end;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) return TT_OK; /* nothing but a hole to the end */
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        tt_range run = {data < 0 ? at : data, hole < 0 ? r.end : hole};
        if (run.end > r.end) run.end = r.end;
        TT_TRY(copy_run(from, to, path, run, buffer));
        at = run.end > at ? run.end : r.end;
    }
    return TT_OK;
}

tt_status ranges_copy(const ranges *r, int from, int to, const char *path)
{
    char *buffer;
    TT_TRY(tt_alloc(COPY_BYTES, 1, "copying", &buffer));
    tt_status s = TT_OK;
    for (int64_t i = 0; i < r->n && s == TT_OK; i++) s = copy_range(from, to, path, r->v[i], buffer);
    free(buffer);
    return s;
}
