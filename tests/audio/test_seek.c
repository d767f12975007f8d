/* Going to the middle of a track: the samples are those of decoding from the start, in every format that is
 * trusted with it, and of the same bits each time. */
#include "test.h"

#include "tutti/audio.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <unistd.h>

/** A name of this rank's own: every rank tests for itself. */
static const char *mine(const char *name)
{
    char own[256];
    snprintf(own, sizeof own, "seek-%d-%s", world.rank, name);
    return scratch(own);
}

typedef struct sample_format {
    const char *name;
    int code, rate, channels;
    double level; /**< of compression, for codecs that borrow bits; -1 for the usual one */
} sample_format;

static const sample_format formats[] = {
    {"pcm.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, -1},
    {"float.rf64", SF_FORMAT_RF64 | SF_FORMAT_FLOAT, 22050, 1, -1},
    {"ulaw.w64", SF_FORMAT_W64 | SF_FORMAT_ULAW, 16000, 1, -1},
    {"low.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, -1},
    {"pcm.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 48000, 1, -1},
    {"pcm.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 32000, 1, -1},
    {"alac.caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_16, 44100, 1, -1},
    {"ima.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 22050, 1, -1},
    {"ms.wav", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 22050, 2, -1},
    {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2, -1},
    {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 2, -1},
    {"a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1, 1.0}, /* is not trusted: decoded from the start */
    {"stereo.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 2, 1.0},
    {"mono.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 22050, 1, 0.9},
    {"gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1, -1}, /* cannot seek: likewise */
    {"g721.au", SF_FORMAT_AU | SF_FORMAT_G721_32, 8000, 1, -1}, /* likewise */
};
enum { FORMATS = sizeof formats / sizeof *formats, SECONDS = 10 };

/** A glide over noise, so that no two places are alike. */
static void write_sound(const char *path, const sample_format *f)
{
    SF_INFO info = {.samplerate = f->rate, .channels = f->channels, .format = f->code};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file) fail_msg("%s: %s", path, sf_strerror(NULL));
    double level = f->level;
    if (level >= 0) sf_command(file, SFC_SET_COMPRESSION_LEVEL, &level, sizeof level);
    enum { STEP = 500 };
    float x[STEP * 2];
    unsigned noise = 1;
    for (int64_t at = 0; at < (int64_t)SECONDS * f->rate; at += STEP) {
        for (int i = 0; i < STEP; i++) {
            double t = (double)(at + i) / f->rate;
            noise = noise * 1664525u + 1013904223u;
            for (int c = 0; c < f->channels; c++)
                x[i * f->channels + c] =
                    (float)(0.3 * sin((900 + 300 * c + 60 * t) * t) + 0.1 * ((int)noise / 2147483648.0));
        }
        sf_writef_float(file, x, STEP);
    }
    sf_close(file);
}

static tt_audio *open_track(const char *path, int rate)
{
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    tt_audio *a;
    tt_track_status status;
    assert_ok(tt_audio_open(&t, rate, &a, &status));
    if (status != TT_TRACK_OK) fail_msg("%s: %s", path, tt_message());
    return a;
}

static void go_to(tt_audio *a, int64_t sample)
{
    for (bool there = false; !there;) assert_ok(tt_audio_seek(a, sample, &there));
}

static int64_t read_some(tt_audio *a, float *x, int64_t n)
{
    int64_t got;
    tt_track_status status = TT_TRACK_OK;
    assert_ok(tt_audio_read(a, x, n, &got, &status));
    return got;
}

/* Rounding in the resampler; the formats alone give the same bits, but for mono MPEG audio, whose synthesis
 * adds in another order. Bits that were not exact before the lead was long enough were wrong by 0.001 and
 * more. */
static double tolerance(const sample_format *f, int rate)
{
    return f->rate != rate || strcmp(f->name, "mono.mp3") == 0 ? 1e-6 : 0;
}

enum { N = 30000, RATE_MAX = 192000 };

static void compare(const sample_format *f, const char *path, int rate)
{
    static float whole[RATE_MAX * SECONDS], x[N], y[N];
    tt_audio *a = open_track(path, rate);
    int64_t length = read_some(a, whole, (int64_t)rate * SECONDS);
    tt_audio_close(a);
    const int64_t places[] = {1, rate / 3, 3 * rate + 7, 5 * rate + 1000, length - N - 1};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        a = open_track(path, rate);
        go_to(a, places[k]);
        assert_int_equal(read_some(a, x, N), N);
        for (int i = 0; i < N; i++)
            if (!(fabs((double)x[i] - (double)whole[places[k] + i]) <= tolerance(f, rate)))
                fail_msg("%s at %d Hz: sample %lld + %d is %.9g, not %.9g", f->name, rate,
                         (long long)places[k], i, (double)x[i], (double)whole[places[k] + i]);
        tt_audio_close(a);
        a = open_track(path, rate);
        go_to(a, places[k]);
        for (int at = 0; at < N; at += 7500) assert_int_equal(read_some(a, y + at, 7500), 7500);
        assert_memory_equal(x, y, sizeof x);
        tt_audio_close(a);
    }
}

/** The formats are dealt to the ranks. */
static void a_seek_gives_the_samples_of_decoding(void **state)
{
    (void)state;
    for (int k = world.rank; k < FORMATS; k += world.size) {
        const char *path = mine(formats[k].name);
        write_sound(path, &formats[k]);
        compare(&formats[k], path, formats[k].rate);
        if (formats[k].rate != 22050) compare(&formats[k], path, 22050);
        if (strcmp(formats[k].name, "low.wav") == 0) compare(&formats[k], path, RATE_MAX);
        unlink(path);
    }
}

/** On and on, over gaps that are worth a seek and gaps that are not. */
static void gaps_are_skipped(void **state)
{
    (void)state;
    for (int k = world.rank; k < FORMATS; k += world.size) {
        static float whole[22050 * SECONDS], x[2000];
        const char *path = mine(formats[k].name);
        write_sound(path, &formats[k]);
        tt_audio *a = open_track(path, 22050);
        int64_t n = read_some(a, whole, (int64_t)22050 * SECONDS);
        tt_audio_close(a);
        a = open_track(path, 22050);
        for (int64_t at = 100, gap = 10; at + 2000 < n; at += 2000 + gap, gap *= 5) {
            go_to(a, at);
            assert_int_equal(read_some(a, x, 2000), 2000);
            for (int i = 0; i < 2000; i++) assert_near(x[i], whole[at + i], 1e-6);
        }
        tt_audio_close(a);
        unlink(path);
    }
}

/** Behind the end of a file that is cut short there is nothing, but no endless search either. */
static void nothing_behind_the_end(void **state)
{
    (void)state;
    const char *path = mine("cut.flac");
    write_sound(path, &(sample_format){"", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 1, -1});
    assert_int_equal(truncate(path, 400000), 0);
    tt_audio *a = open_track(path, 22050);
    float x[100];
    int64_t got;
    tt_track_status status = TT_TRACK_OK;
    go_to(a, 22050 * 9);
    assert_ok(tt_audio_read(a, x, 100, &got, &status));
    assert_int_equal(got, 0);
    assert_int_equal(status, TT_TRACK_TRUNCATED);
    assert_non_null(strstr(tt_message(), "damaged after"));
    tt_audio_close(a);
    unlink(path);
}

static void patience_has_an_end(void **state)
{
    (void)state;
    const char *path = mine("slow.ogg");
    write_sound(path, &(sample_format){"", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 1, -1});
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    tt_audio *a;
    tt_track_status status;
    assert_ok(tt_audio_open_within(&t, 22050, 1e-9, &a, &status));
    assert_null(a);
    assert_int_equal(status, TT_TRACK_TOO_SLOW);
    assert_non_null(strstr(tt_message(), "audio.time_limit"));
    assert_ok(tt_audio_open_within(&t, 22050, 0.5, &a, &status));
    assert_int_equal(status, TT_TRACK_OK);
    float x[1000];
    int64_t got = read_some(a, x, 1000);
    assert_int_equal(got, 1000);
    usleep(600000);
    for (int i = 0; got == 1000 && i < SECONDS * 23; i++) assert_ok(tt_audio_read(a, x, 1000, &got, &status));
    assert_int_equal(status, TT_TRACK_TIMEOUT);
    assert_non_null(strstr(tt_message(), "audio.time_limit"));
    tt_audio_close(a);
    unlink(path);
}

static void pieces_are_a_minute_or_more(void **state)
{
    (void)state;
    tt_audio_params p = {.sample_rate = 22050, .clip_seconds = 3, .clip_hop = 3};
    static const struct {
        const char *format;
        int64_t clips, pieces;
    } cases[] = {{"wav", 1, 1},   {"wav", 39, 1},      {"flac", 40, 2},  {"ogg-opus", 600, 1},
                 {"mp3", 600, 4}, {"other", 600, 1},   {"mpeg", 600, 1}, {"ogg-vorbis", 3600, 64},
                 {"", 100000, 1}, {"wav", 1 << 30, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tt_audio_pieces(&p, cases[i].format, cases[i].clips), cases[i].pieces);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(a_seek_gives_the_samples_of_decoding),
    cmocka_unit_test(gaps_are_skipped),
    cmocka_unit_test(nothing_behind_the_end),
    cmocka_unit_test(patience_has_an_end),
    cmocka_unit_test(pieces_are_a_minute_or_more),
};
TT_TEST_MAIN(cases)
