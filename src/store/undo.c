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

/* Head, ranges, bytes and checksum in one buffer. */
static tt_status pack(const char *part, int fd, int64_t file_bytes, const ranges *r, char **out,
                      int64_t *bytes)
{
    undo_head head = {.file_bytes = file_bytes, .ranges = r->n};
    memcpy(head.magic, undo_magic, sizeof head.magic);
    int64_t at = (int64_t)sizeof head + r->n * (int64_t)sizeof *r->v, total = at;
    for (int64_t i = 0; i < r->n; i++) total += r->v[i].end - r->v[i].begin;
    TT_TRY(tt_alloc(total + 8, 1, "undo", out));
    memcpy(*out, &head, sizeof head);
    if (r->n > 0) memcpy(*out + sizeof head, r->v, (size_t)r->n * sizeof *r->v);
    for (int64_t i = 0; i < r->n; i++) {
        int64_t n = r->v[i].end - r->v[i].begin;
        if (!read_all(fd, *out + at, n, r->v[i].begin)) return tt_fail_errno("read", part);
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

tt_status undo_save(const char *part, int fd, const ranges *r, int64_t file_bytes)
{
    char *path = NULL, *buffer = NULL;
    int64_t bytes = 0;
    tt_status s = pack(part, fd, file_bytes, r, &buffer, &bytes);
    if (s == TT_OK) s = tt_format(&path, "%s.undo", part);
    if (s == TT_OK) s = write_whole(path, buffer, bytes);
    free(path);
    free(buffer);
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
