#include "store/internal.h"

#include "tutti/hash.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* PART.undo: this head, the ranges, their bytes, the checksum of it all. */
typedef struct undo_head {
    char magic[8];
    int64_t file_bytes;
    int64_t ranges;
} undo_head;

static const char undo_magic[8] = "ttundo1";

typedef struct ranges {
    tt_range *v;
    int64_t n;
    tt_status status;
} ranges;

static tt_status add_range(ranges *r, int64_t begin, int64_t end)
{
    if (begin >= end) return TT_OK;
    TT_TRY(tt_grow(r->n, r->n + 1, sizeof *r->v, "undo", &r->v));
    r->v[r->n++] = (tt_range){begin, end};
    return TT_OK;
}

static herr_t add_dataset(hid_t file, const char *name, const H5O_info_t *info, void *context)
{
    ranges *r = context;
    if (info->type != H5O_TYPE_DATASET) return 0;
    hid_t d = H5Dopen2(file, name, H5P_DEFAULT);
    haddr_t at = H5Dget_offset(d);
    if (at != HADDR_UNDEF) r->status = add_range(r, (int64_t)at, (int64_t)(at + H5Dget_storage_size(d)));
    h5_close(d);
    return r->status == TT_OK ? 0 : -1;
}

static int by_begin(const void *a, const void *b)
{
    int64_t x = ((const tt_range *)a)->begin, y = ((const tt_range *)b)->begin;
    return (x > y) - (x < y);
}

/* What lies between the datasets of a file of `bytes`. */
static tt_status find_gaps(const char *part, int64_t bytes, ranges *gaps)
{
    ranges data = {0};
    hid_t file = h5_open_alone(part, false);
    if (file < 0) return h5_fail(TT_ERR_IO, "cannot open %s", part);
    tt_status s = TT_OK;
    if (H5Ovisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, add_dataset, &data) < 0)
        s = data.status != TT_OK ? data.status : h5_fail(TT_ERR_IO, "cannot list %s", part);
    h5_close(file);
    qsort(data.v, (size_t)data.n, sizeof *data.v, by_begin);
    int64_t at = 0;
    for (int64_t i = 0; i < data.n && s == TT_OK; i++) {
        s = add_range(gaps, at, data.v[i].begin);
        if (data.v[i].end > at) at = data.v[i].end;
    }
    if (s == TT_OK) s = add_range(gaps, at, bytes);
    free(data.v);
    return s;
}

static bool read_all(int fd, void *to, int64_t n, int64_t at)
{
    for (char *p = to; n > 0;) {
        ssize_t got = pread(fd, p, (size_t)n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO; /* shorter than it says */
        if (got <= 0) return false;
        p += got;
        at += got;
        n -= got;
    }
    return true;
}

static bool write_all(int fd, const void *from, int64_t n, int64_t at)
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

/* Head, ranges, bytes and checksum in one buffer. */
static tt_status pack(const char *part, int fd, int64_t file_bytes, const ranges *gaps, char **out,
                      int64_t *bytes)
{
    undo_head head = {.file_bytes = file_bytes, .ranges = gaps->n};
    memcpy(head.magic, undo_magic, sizeof head.magic);
    int64_t at = (int64_t)sizeof head + gaps->n * (int64_t)sizeof *gaps->v, total = at;
    for (int64_t i = 0; i < gaps->n; i++) total += gaps->v[i].end - gaps->v[i].begin;
    TT_TRY(tt_alloc(total + 8, 1, "undo", out));
    memcpy(*out, &head, sizeof head);
    if (gaps->n > 0) memcpy(*out + sizeof head, gaps->v, (size_t)gaps->n * sizeof *gaps->v);
    for (int64_t i = 0; i < gaps->n; i++) {
        int64_t n = gaps->v[i].end - gaps->v[i].begin;
        if (!read_all(fd, *out + at, n, gaps->v[i].begin)) return tt_fail_errno("read", part);
        at += n;
    }
    uint64_t sum = tt_checksum(*out, (size_t)total);
    memcpy(*out + total, &sum, sizeof sum);
    *bytes = total + (int64_t)sizeof sum;
    return TT_OK;
}

/* Whole or not at all: written under another name first. */
static tt_status write_whole(const char *path, const char *bytes, int64_t n)
{
    char *new_path;
    TT_TRY(tt_format(&new_path, "%s.new", path));
    tt_status s = TT_OK;
    int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || !write_all(fd, bytes, n, 0) || fsync(fd) != 0) s = tt_fail_errno("write", new_path);
    if (fd >= 0 && close(fd) != 0 && s == TT_OK) s = tt_fail_errno("write", new_path);
    if (s == TT_OK && rename(new_path, path) != 0) s = tt_fail_errno("rename", new_path);
    if (s == TT_OK) s = sync_folder_of(path);
    if (s != TT_OK) unlink(new_path);
    free(new_path);
    return s;
}

tt_status undo_save(const char *part)
{
    ranges gaps = {0};
    char *path = NULL, *buffer = NULL;
    int64_t bytes = 0;
    struct stat info;
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    tt_status s = fd < 0 || fstat(fd, &info) != 0 ? tt_fail_errno("open", part) : TT_OK;
    if (s == TT_OK) s = find_gaps(part, info.st_size, &gaps);
    if (s == TT_OK) s = pack(part, fd, info.st_size, &gaps, &buffer, &bytes);
    if (s == TT_OK) s = tt_format(&path, "%s.undo", part);
    if (s == TT_OK) s = write_whole(path, buffer, bytes);
    if (fd >= 0) close(fd);
    free(path);
    free(buffer);
    free(gaps.v);
    return s;
}

static tt_status put_back(const char *part, int fd, const char *buffer)
{
    undo_head head;
    memcpy(&head, buffer, sizeof head);
    int64_t at = (int64_t)sizeof head + head.ranges * (int64_t)sizeof(tt_range);
    for (int64_t i = 0; i < head.ranges; i++) {
        tt_range r;
        memcpy(&r, buffer + sizeof head + (size_t)i * sizeof r, sizeof r);
        if (!write_all(fd, buffer + at, r.end - r.begin, r.begin)) return tt_fail_errno("write", part);
        at += r.end - r.begin;
    }
    if (ftruncate(fd, head.file_bytes) != 0 || fsync(fd) != 0) return tt_fail_errno("write", part);
    return TT_OK;
}

static bool is_whole(const char *buffer, int64_t bytes)
{
    uint64_t sum;
    if (bytes < (int64_t)(sizeof(undo_head) + sizeof sum) ||
        memcmp(buffer, undo_magic, sizeof undo_magic) != 0)
        return false;
    memcpy(&sum, buffer + bytes - sizeof sum, sizeof sum);
    return tt_checksum(buffer, (size_t)bytes - sizeof sum) == sum;
}

static tt_status restore_from(const char *part, const char *path, int undo)
{
    struct stat info;
    char *buffer;
    if (fstat(undo, &info) != 0) return tt_fail_errno("read", path);
    TT_TRY(tt_alloc(info.st_size, 1, "undo", &buffer));
    tt_status s = read_all(undo, buffer, info.st_size, 0) ? TT_OK : tt_fail_errno("read", path);
    if (s == TT_OK && !is_whole(buffer, info.st_size)) s = tt_fail(TT_ERR_INPUT, "%s is damaged", path);
    int fd = s == TT_OK ? open(part, O_WRONLY | O_CLOEXEC) : -1;
    if (s == TT_OK) s = fd < 0 ? tt_fail_errno("open", part) : put_back(part, fd, buffer);
    if (fd >= 0) close(fd);
    free(buffer);
    return s;
}

tt_status undo_restore(const char *part)
{
    char *path;
    TT_TRY(tt_format(&path, "%s.undo", part));
    tt_status s = TT_OK;
    int undo = open(path, O_RDONLY | O_CLOEXEC);
    if (undo >= 0) {
        s = restore_from(part, path, undo);
        close(undo);
        if (s == TT_OK) unlink(path);
    } else if (errno != ENOENT) {
        s = tt_fail_errno("open", path);
    }
    free(path);
    return s;
}

void undo_drop(const char *part)
{
    char *path;
    if (tt_format(&path, "%s.undo", part) != TT_OK) return;
    unlink(path);
    free(path);
}
