#include "source.h"

#include "tutti/memory.h"
#include "tutti/timer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tt_track_status why_not_open(const char *name)
{
    int code = errno;
    tt_fail(TT_ERR_INPUT, "%s: %s", name, code == ENOENT ? "there is no such file" : strerror(code));
    return code == ENOENT || code == ENOTDIR ? TT_TRACK_MISSING : TT_TRACK_UNREADABLE;
}

/* The window of the file that is audio: all of a plain file, as much of a shard's member as the shard holds.
 */
static tt_track_status find_window(const tt_track *track, source *src)
{
    struct stat info;
    if (fstat(src->fd, &info) != 0) return why_not_open(src->name);
    if (!S_ISREG(info.st_mode)) {
        tt_fail(TT_ERR_INPUT, "%s: is not a file", src->name);
        return TT_TRACK_UNREADABLE;
    }
    int64_t size = (int64_t)info.st_size;
    src->bytes = size;
    if (track->shard[0]) {
        src->begin = track->offset;
        int64_t there = track->offset >= 0 && track->offset < size ? size - track->offset : 0;
        src->bytes = track->bytes < there ? track->bytes : there;
        if (src->bytes < track->bytes) src->cut = "the shard ends within it";
    }
    if (src->bytes > 0) return TT_TRACK_OK;
    tt_fail(TT_ERR_INPUT, "%s: the file is empty", src->name);
    return TT_TRACK_EMPTY;
}

bool source_is_late(source *src)
{
    if (src->deadline > 0 && tt_now() > src->deadline) src->late = true;
    return src->late;
}

tt_status source_open(const tt_track *track, double seconds, source *out, tt_track_status *status)
{
    *out = (source){.fd = -1, .patch_at = -1, .deadline = seconds > 0 ? tt_now() + seconds : 0};
    *status = TT_TRACK_OK;
    bool shard = track->shard[0] != '\0';
    TT_TRY(tt_format(&out->name, "%s%s%s", track->shard, shard ? ": " : "", track->path));
    if (!track->path[0]) {
        *status = TT_TRACK_NO_AUDIO;
        tt_fail(TT_ERR_INPUT, "%s: the manifest names no audio", track->id);
        return TT_OK;
    }
    TT_TRY(tt_alloc(SOURCE_BUFFER, 1, "reading audio", &out->buffer));
    /* O_NONBLOCK: a named pipe called x.wav must not hold up the run until somebody writes to it */
    out->fd = open(shard ? track->shard : track->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *status = out->fd < 0 ? why_not_open(out->name) : find_window(track, out);
    if (*status == TT_TRACK_OK) container_check(out);
    return TT_OK;
}

void source_close(source *src)
{
    if (src->fd >= 0) close(src->fd);
    free(src->buffer);
    free(src->name);
    *src = (source){.fd = -1, .patch_at = -1};
}

static void fill_buffer(source *src, int64_t at)
{
    int64_t want = src->bytes - at < SOURCE_BUFFER ? src->bytes - at : SOURCE_BUFFER;
    src->buffer_at = at;
    src->buffer_n = 0;
    while (src->buffer_n < want && !source_is_late(src)) {
        ssize_t n = pread(src->fd, src->buffer + src->buffer_n, (size_t)(want - src->buffer_n),
                          (off_t)(src->begin + at + src->buffer_n));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) src->error = errno;
        if (n <= 0) return;
        src->buffer_n += n;
    }
}

/* Music at another sample rate would be decoded as if it had the first: it ends there. */
static void watch_buffer(source *src)
{
    int64_t at = flac_watch_bytes(&src->watch, src->buffer, src->buffer_n);
    if (at < 0) return;
    src->buffer_n = at;
    src->bytes = src->buffer_at + at;
    src->cut = "the sample rate changes within the stream";
}

static void apply_patch(const source *src, int64_t at, unsigned char *data, int64_t n)
{
    for (int64_t i = 0; src->patch_at >= 0 && i < src->patch_n; i++) {
        int64_t k = src->patch_at + i - at;
        if (k >= 0 && k < n) data[k] = src->patch[i];
    }
}

int64_t source_peek(source *src, int64_t at, void *data, int64_t n)
{
    int64_t got = 0;
    while (got < n && at + got >= 0 && at + got < src->bytes) {
        int64_t from = at + got - src->buffer_at;
        if (from < 0 || from >= src->buffer_n) {
            fill_buffer(src, at + got);
            watch_buffer(src);
            from = 0;
            if (src->buffer_n == 0) break;
        }
        int64_t part = src->buffer_n - from < n - got ? src->buffer_n - from : n - got;
        memcpy((unsigned char *)data + got, src->buffer + from, (size_t)part);
        got += part;
    }
    apply_patch(src, at, data, got);
    return got;
}
