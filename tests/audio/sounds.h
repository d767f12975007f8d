/* Sounds for the tests, and what becomes of them. */
#ifndef TUTTI_TESTS_SOUNDS_H
#define TUTTI_TESTS_SOUNDS_H

#include "test.h"

#include "tutti/audio.h"
#include "tutti/random.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RATE = 22050, FRAMES = 3 * RATE };

static inline const char *mine(const char *name)
{
    char own[256];
    snprintf(own, sizeof own, "sound-%d-%s", world.rank, name);
    return scratch(own);
}

/** Three seconds of music at a rate, as bytes. Free with free(). */
static inline unsigned char *sound_bytes_at(int format, int rate, int64_t *n)
{
    const char *path = mine("made");
    SF_INFO info = {.samplerate = rate, .channels = 1, .format = format};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    float x[1000];
    for (int64_t i = 0; i < 3 * rate; i++) {
        double t = (double)i / rate;
        double noise =
            tt_random_normal((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)i, 0); /* fills the pages of Ogg */
        x[i % 1000] = (float)(0.4 * sin(2000 * t) + 0.1 * noise);
        if (i % 1000 == 999 || i == 3 * rate - 1) sf_writef_float(f, x, i % 1000 + 1);
    }
    sf_close(f);
    FILE *in = fopen(path, "rb");
    fseek(in, 0, SEEK_END);
    unsigned char *bytes = calloc(1, (size_t)ftell(in));
    *n = ftell(in);
    rewind(in);
    if (fread(bytes, 1, (size_t)*n, in) != (size_t)*n) fail_msg("cannot read %s", path);
    fclose(in);
    unlink(path);
    return bytes;
}

static inline unsigned char *sound_bytes(int format, int64_t *n)
{
    return sound_bytes_at(format, RATE, n);
}

static inline void write_bytes(const char *path, const void *bytes, int64_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(bytes, 1, (size_t)n, out);
    fclose(out);
}

/** What became of a file. */
typedef struct outcome {
    tt_track_status probe, worst;
    double seconds; /* announced */
    int64_t got;    /* samples */
    bool finite;
    char said[512]; /* of the worst */
} outcome;

static inline outcome outcome_of(const char *path)
{
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    outcome o = {.finite = true};
    tt_audio_info info;
    assert_ok(tt_audio_probe(&t, &info, &o.probe));
    assert_true(o.probe == TT_TRACK_OK || strstr(tt_message(), path) == tt_message());
    o.seconds = info.seconds;
    tt_audio *a;
    float x[1024];
    assert_ok(tt_audio_open(&t, RATE, &a, &o.worst));
    for (int64_t got = 1; a && got > 0; o.got += got) {
        tt_track_status now = TT_TRACK_OK;
        assert_ok(tt_audio_read(a, x, 1024, &got, &now));
        for (int64_t i = 0; i < got; i++) o.finite &= isfinite(x[i]) != 0;
        if (now > o.worst) o.worst = now;
    }
    snprintf(o.said, sizeof o.said, "%.500s", tt_message());
    tt_audio_close(a);
    return o;
}

#define assert_status(actual, expected)                                                                      \
    do {                                                                                                     \
        if ((actual) != (expected))                                                                          \
            fail_msg("%s: %s, expected %s: %s", name, tt_track_status_name((int)(actual)),                   \
                     tt_track_status_name((int)(expected)), tt_message());                                   \
    } while (0)

#endif
