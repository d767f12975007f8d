#include "sound.h"

#include "tutti/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rates and lengths beyond these are lies: the next faster thing than 1.5 MHz is radio, and less than one
 * byte for 256 samples is less than any codec needs for anything but silence. */
enum { RATE_MIN = 1000, RATE_MAX = 1536000, FRAMES_PER_BYTE_MAX = 256 };

static sf_count_t get_length(void *user)
{
    return ((source *)user)->bytes;
}

static int64_t zeros_behind(const source *src)
{
    return src->opening ? src->pretend : 0;
}

static sf_count_t seek(sf_count_t offset, int whence, void *user)
{
    source *src = user;
    int64_t base = whence == SEEK_CUR ? src->at : whence == SEEK_END ? src->bytes + zeros_behind(src) : 0, at;
    if (__builtin_add_overflow(base, (int64_t)offset, &at) || at < 0) return -1;
    return src->at = at;
}

static sf_count_t read_bytes(void *data, sf_count_t n, void *user)
{
    source *src = user;
    int64_t got = source_peek(src, src->at, data, n);
    src->at += got;
    if (got == 0 && zeros_behind(src) > 0) { /* not sought by the decoder but for a tag at the end */
        memset(data, 0, (size_t)n);
        return n;
    }
    return got;
}

static sf_count_t write_nothing(const void *data, sf_count_t n, void *user)
{
    (void)data, (void)n, (void)user;
    return 0;
}

static sf_count_t tell(void *user)
{
    return ((source *)user)->at;
}

/* libmpg123, inside libsndfile, writes its remarks on bad data straight to stderr, and libsndfile has no
 * switch for that. Everything it would say is said by the track's status. Swapping the stream, for all
 * threads as long as one of them decodes, is a service of glibc; the log does not write through the stream.
 */
static struct {
    pthread_mutex_t lock;
    int decoding;
    FILE *null, *before;
} hushed = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hush(void)
{
#ifdef __GLIBC__
    pthread_mutex_lock(&hushed.lock);
    if (!hushed.null) hushed.null = fopen("/dev/null", "we"); /* without it the remarks are seen, no more */
    if (hushed.decoding++ == 0) {
        hushed.before = stderr;
        if (hushed.null) stderr = hushed.null;
    }
    pthread_mutex_unlock(&hushed.lock);
#endif
}

static void unhush(void)
{
#ifdef __GLIBC__
    pthread_mutex_lock(&hushed.lock);
    if (--hushed.decoding == 0) stderr = hushed.before;
    pthread_mutex_unlock(&hushed.lock);
#endif
}

static SNDFILE *open_decoder(source *src, SF_INFO *info)
{
    SF_VIRTUAL_IO io = {
        .get_filelen = get_length, .seek = seek, .read = read_bytes, .write = write_nothing, .tell = tell};
    src->opening = true;
    hush();
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, info, src);
    unhush();
    src->opening = false;
    return file;
}

static tt_track_status refuse(const sound *s)
{
    const char *name = s->src->name;
    if (s->src->late) {
        tt_fail(TT_ERR_INPUT, "%s: could not be opened within audio.time_limit", name);
        return TT_TRACK_TOO_SLOW;
    }
    if (s->src->error)
        tt_fail(TT_ERR_INPUT, "%s: %s", name, strerror(s->src->error));
    else
        tt_fail(TT_ERR_INPUT, "%s: is not audio that libsndfile can decode, or its header is damaged", name);
    return TT_TRACK_UNREADABLE;
}

static tt_track_status judge_header(sound *s)
{
    SF_INFO *info = &s->info;
    if (info->channels < 1 || info->samplerate < RATE_MIN || info->samplerate > RATE_MAX) {
        tt_fail(TT_ERR_INPUT, "%s: the header says %d channels at %d Hz, which no music has", s->src->name,
                info->channels, info->samplerate);
        return TT_TRACK_UNREADABLE;
    }
    if (info->frames <= 0) {
        tt_fail(TT_ERR_INPUT, "%s: holds no samples", s->src->name);
        return TT_TRACK_EMPTY;
    }
    s->rough = (info->format & SF_FORMAT_TYPEMASK) == SF_FORMAT_MPEG;
    if (s->rough && !mpeg_has_length(s->src)) info->frames = SF_COUNT_MAX;
    s->unknown = info->frames / FRAMES_PER_BYTE_MAX > s->src->bytes;
    if (!s->src->cut) return TT_TRACK_OK;
    tt_fail(TT_ERR_INPUT, "%s: %s", s->src->name, s->src->cut);
    return TT_TRACK_TRUNCATED;
}

tt_status sound_open(const tt_track *track, double seconds, sound *out, tt_track_status *status)
{
    *out = (sound){0};
    TT_TRY(tt_alloc(1, sizeof *out->src, "reading audio", &out->src));
    TT_TRY(source_open(track, seconds, out->src, status));
    if (*status != TT_TRACK_OK) return TT_OK;
    out->file = open_decoder(out->src, &out->info);
    *status = out->file ? judge_header(out) : refuse(out);
    return TT_OK;
}

int64_t sound_read(sound *s, float *frames, int64_t n)
{
    hush();
    int64_t got = sf_readf_float(s->file, frames, n);
    unhush();
    return got;
}

bool sound_seek(sound *s, int64_t frame)
{
    hush();
    bool there = sf_seek(s->file, frame, SEEK_SET) == frame;
    unhush();
    return there;
}

tt_status sound_restart(sound *s)
{
    SF_INFO info = {0};
    sf_close(s->file);
    s->src->at = 0;
    s->file = open_decoder(s->src, &info);
    if (s->file) return TT_OK;
    return tt_fail(TT_ERR_INPUT, "%s: does not open a second time", s->src->name);
}

void sound_close(sound *s)
{
    if (s->file) sf_close(s->file);
    if (s->src) source_close(s->src);
    free(s->src);
    *s = (sound){0};
}
