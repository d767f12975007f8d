/* Decoding, resampling and what broken files come to. */
#include "test.h"

#include "tutti/audio.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <unistd.h>

static const double pi = 3.14159265358979;

/** A name of this rank's own: every rank tests for itself. */
static const char *mine(const char *name)
{
    char own[256];
    snprintf(own, sizeof own, "decode-%d-%s", world.rank, name);
    return scratch(own);
}

static tt_track track_of(const char *path)
{
    return (tt_track){.id = "t", .path = (char *)path, .shard = ""};
}

static float sine(int64_t i, int rate, double hertz)
{
    return (float)(0.5 * sin(2 * pi * hertz * (double)i / rate));
}

/** A file of `frames` frames, channel c a sine of hertz + 100 c, or an impulse if hertz is 0 (at `impulse`).
 */
static void write_sound(const char *path, int format, int rate, int channels, int64_t frames, double hertz,
                        int64_t impulse)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    float *x = calloc((size_t)(frames * channels), sizeof *x);
    for (int64_t i = 0; i < frames; i++)
        for (int c = 0; c < channels; c++)
            x[i * channels + c] = hertz > 0 ? sine(i, rate, hertz + 100 * c) : i == impulse ? 0.9F : 0.0F;
    for (int64_t at = 0; at < frames; at += 1000) /* the vorbis encoder overflows its stack on long blocks */
        sf_writef_float(f, x + at * channels, frames - at < 1000 ? frames - at : 1000);
    sf_close(f);
    free(x);
}

/** Decode all of a track in reads of `step`; *status gathers the worst. Free with free(). */
static float *decode_track(const tt_track *t, int rate, int64_t step, int64_t *n, tt_track_status *status)
{
    tt_audio *a;
    float *x = calloc(1, sizeof *x);
    *n = 0;
    assert_ok(tt_audio_open(t, rate, &a, status));
    if (!a) return x;
    for (int64_t got = step; got == step; *n += got) {
        float *larger = realloc(x, (size_t)(*n + step) * sizeof *x);
        assert_non_null(larger);
        x = larger;
        tt_track_status now = TT_TRACK_OK;
        assert_ok(tt_audio_read(a, x + *n, step, &got, &now));
        if (now > *status) *status = now;
    }
    tt_audio_close(a);
    return x;
}

static float *decode(const char *path, int rate, int64_t step, int64_t *n, tt_track_status *status)
{
    tt_track t = track_of(path);
    return decode_track(&t, rate, step, n, status);
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *file, *format;
        int code;
        double tolerance; /* of the sine's amplitude: lossless is 16 bits, lossy is lossy */
    } cases[] = {
        {"a.wav", "wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1e-4},
        {"x.wav", "wav", SF_FORMAT_WAVEX | SF_FORMAT_FLOAT, 1e-6},
        {"a.flac", "flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1e-4},
        {"a.aiff", "aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 1e-6},
        {"a.au", "au", SF_FORMAT_AU | SF_FORMAT_FLOAT, 1e-6},
        {"a.caf", "caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 1e-4},
        {"a.w64", "w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 1e-4},
        {"a.rf64", "rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 1e-4},
        {"a.ogg", "ogg-vorbis", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.1},
        {"a.opus", "ogg-opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 0.1},
        {"a.mp3", "mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 0.1},
    };
    enum { RATE = 48000, FRAMES = 96100 };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const char *path = mine(cases[k].file);
        write_sound(path, cases[k].code, RATE, 1, FRAMES, 440, 0);
        tt_track t = track_of(path);
        tt_audio_info info;
        tt_track_status status;
        assert_ok(tt_audio_probe(&t, &info, &status));
        if (status != TT_TRACK_OK)
            fail_msg("%s: %s: %s", path, tt_track_status_name((int)status), tt_message());
        assert_string_equal(info.format, cases[k].format);
        assert_int_equal(info.sample_rate, RATE);
        assert_int_equal(info.channels, 1);
        assert_int_equal(info.frames, FRAMES);
        assert_near(info.seconds, (double)FRAMES / RATE, 1e-12);
        int64_t n;
        float *x = decode(path, RATE, 10000, &n, &status);
        if (status != TT_TRACK_OK)
            fail_msg("%s: %s: %s", path, tt_track_status_name((int)status), tt_message());
        assert_int_equal(n, FRAMES);
        for (int64_t i = 4800; i < n - 4800; i++) assert_near(x[i], sine(i, RATE, 440), cases[k].tolerance);
        free(x);
        unlink(path);
    }
}

static void test_resampling_keeps_time(void **state)
{
    (void)state;
    static const int rates[] = {8000, 11025, 12000, 16000, 24000, 32000, 44100, 48000, 88200, 96000, 192000};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        int64_t n, frames = rates[k] * 2 + 17, at = rates[k];
        const char *path = mine("impulse.wav");
        write_sound(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[k], 1, frames, 0, at);
        tt_track_status status;
        float *x = decode(path, 22050, 1000, &n, &status);
        assert_int_equal(status, TT_TRACK_OK);
        assert_int_equal(n, llround((double)frames * 22050 / rates[k]));
        int64_t top = 0;
        for (int64_t i = 0; i < n; i++)
            if (fabsf(x[i]) > fabsf(x[top])) top = i;
        assert_int_equal(top, 22050); /* one second in, where it was */
        for (int64_t i = 1; i < 100; i++) assert_near(x[top - i], x[top + i], 1e-4); /* linear phase */
        free(x);
        unlink(path);
    }
}

/** Level, in dB, of a sine in the middle of x [n]. */
static double level(const float *x, int64_t n, int rate, double hertz)
{
    double re = 0, im = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) { /* Hann window: neighbours at 100 Hz do not matter */
        double w = 0.5 - 0.5 * cos(2 * pi * ((double)i + 0.5) / (double)n);
        re += w * x[i] * cos(2 * pi * hertz * (double)i / rate);
        im += w * x[i] * sin(2 * pi * hertz * (double)i / rate);
        sum += w;
    }
    return 10 * log10((re * re + im * im) * 4 / (sum * sum) + 1e-30);
}

/* Stereo at 44.1 kHz, with a sine of f in one channel and f + 100 in the other, comes out as a mono file
 * at 22.05 kHz with both at half the level: within 0.1 dB up to 9 kHz; and what is above the new Nyquist
 * frequency is gone. */
static void test_mono_and_rate(void **state)
{
    (void)state;
    const char *path = mine("stereo.flac");
    for (double f = 50; f < 8950; f *= 2.1) {
        write_sound(path, SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 44100, 2, 44100, f, 0);
        int64_t n;
        tt_track_status status;
        float *x = decode(path, 22050, 22050, &n, &status);
        assert_int_equal(n, 22050);
        double expected = 20 * log10(0.25);
        assert_near(level(x + 2000, 18000, 22050, f), expected, 0.1);
        assert_near(level(x + 2000, 18000, 22050, f + 100), expected, 0.1);
        free(x);
    }
    write_sound(path, SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 44100, 1, 44100, 13000, 0);
    int64_t n;
    tt_track_status status;
    float *x = decode(path, 22050, 22050, &n, &status);
    assert_true(level(x + 2000, 18000, 22050, 22050 - 13000) < -100);
    free(x);
    unlink(path);
}

/* The samples are the same bits however they are asked for. */
static void test_step_does_not_show(void **state)
{
    (void)state;
    const char *path = mine("step.ogg");
    write_sound(path, SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 2, 100000, 700, 0);
    int64_t n, m;
    tt_track_status status;
    float *whole = decode(path, 22050, 1 << 20, &n, &status);
    static const int64_t steps[] = {1009, 22050, 66150};
    for (int k = 0; k < 3; k++) {
        float *x = decode(path, 22050, steps[k], &m, &status);
        assert_int_equal(n, m);
        assert_memory_equal(whole, x, (size_t)n * sizeof *x);
        free(x);
    }
    free(whole);
    unlink(path);
}

/* A member of a shard is the same sound as the file it was made of. */
static void test_shard_window(void **state)
{
    (void)state;
    static const char *names[] = {"w.wav", "w.flac", "w.ogg", "w.mp3"};
    static const int formats[] = {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                                  SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                                  SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III};
    for (int k = 0; k < 4; k++) {
        const char *path = mine(names[k]), *shard = mine("shard.tar");
        write_sound(path, formats[k], 44100, 2, 50000, 300, 0);
        FILE *in = fopen(path, "rb"), *out = fopen(shard, "wb");
        for (int i = 0; i < 1536; i++) fputc(i % 251, out);
        int64_t bytes = 0;
        for (int c; (c = fgetc(in)) != EOF; bytes++) fputc(c, out);
        for (int i = 0; i < 1024; i++) fputc(0xff, out);
        fclose(in);
        fclose(out);
        tt_track t = {
            .id = "t", .path = (char *)names[k], .shard = (char *)shard, .offset = 1536, .bytes = bytes};
        int64_t n, m;
        tt_track_status one, two;
        float *x = decode(path, 22050, 5000, &n, &one), *y = decode_track(&t, 22050, 5000, &m, &two);
        assert_int_equal(one, TT_TRACK_OK);
        assert_int_equal(two, TT_TRACK_OK);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
        free(x);
        free(y);
        unlink(path);
        unlink(shard);
    }
}

static void test_clips(void **state)
{
    (void)state;
    tt_audio_params p = {.sample_rate = 22050, .clip_seconds = 3, .clip_hop = 3};
    static const struct {
        double seconds;
        int64_t clips;
    } cases[] = {{0, 0}, {1.4999, 0}, {1.5, 1}, {2.9, 1}, {3, 1},     {5.9999, 1},
                 {6, 2}, {30, 10},    {-1, 0},  {NAN, 0}, {1e300, 0}, {86400, 28800}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tt_clips_of(&p, cases[i].seconds), cases[i].clips);
    assert_int_equal(tt_clips_of(&p, 3.0 * 44100 * 7 / 44100.0), 7);
    p.clip_hop = 0.1;
    p.clip_seconds = 0.3; /* 0.1 + 0.2 is more than 0.3 in doubles */
    assert_int_equal(tt_clips_of(&p, 0.1 + 0.2), 1);
    assert_int_equal(tt_clips_of(&p, 0.5), 3);
    p.clips_per_track = 2;
    assert_int_equal(tt_clips_of(&p, 0.5), 2);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_formats),       cmocka_unit_test(test_resampling_keeps_time),
    cmocka_unit_test(test_mono_and_rate), cmocka_unit_test(test_step_does_not_show),
    cmocka_unit_test(test_shard_window),  cmocka_unit_test(test_clips),
};
TT_TEST_MAIN(cases)
