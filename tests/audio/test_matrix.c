/* Every format that libsndfile writes and reads, at rates of 8 to 192 kHz and 1 to 8 channels, from a file
 * and from within a shard, against the samples that were written. The cases are dealt over the ranks. */
#include "sounds.h"

/** What comes back: the same bits, or something alike, by the ratio of the RMS of the error to that of the
 * sound. */
typedef struct format {
    const char *name; /* in the manifest */
    int code;
    int bits;            /* of an integer sample; 0: float */
    double error;        /* 0: none */
    int rates, channels; /* the highest; 0: any */
} format;

static const format formats[] = {
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_32, 24, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0, 0, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 16, 0, 0, 0}, /* RIFX */
    {"wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 0, 0.03, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_ALAW, 0, 0.03, 0, 0},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 0, 0.1, 48000, 2},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 0, 0.1, 48000, 2},
    {"wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 0, 0.5, 8000, 1},
    {"wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"wav", SF_FORMAT_WAVEX | SF_FORMAT_FLOAT, 0, 0, 0, 0},
    {"rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"w64", SF_FORMAT_W64 | SF_FORMAT_FLOAT, 0, 0, 0, 0},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_S8, 8, 0, 0, 0},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE, 16, 0, 0, 0}, /* sowt */
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_FLOAT, 0, 0, 0, 0},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_ULAW, 0, 0.03, 0, 0},
    {"au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"au", SF_FORMAT_AU | SF_FORMAT_PCM_24 | SF_ENDIAN_LITTLE, 24, 0, 0, 0},
    {"au", SF_FORMAT_AU | SF_FORMAT_DOUBLE, 0, 0, 0, 0},
    {"au", SF_FORMAT_AU | SF_FORMAT_ALAW, 0, 0.03, 0, 0},
    {"au", SF_FORMAT_AU | SF_FORMAT_G721_32, 0, 0.2, 8000, 1},
    {"caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"caf", SF_FORMAT_CAF | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"caf", SF_FORMAT_CAF | SF_FORMAT_FLOAT, 0, 0, 0, 0},
    {"caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_16, 16, 0, 0, 0},
    {"caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_24, 24, 0, 0, 0},
    {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_S8, 8, 0, 0, 0},
    {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16, 0, 0, 0},
    {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 24, 0, 0, 0},
    {"ogg-vorbis", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0, 0.15, 192000, 0},
    {"ogg-opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 0, 0.5, 48000, 0},
    {"mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 0, 0.2, 48000, 2},
};

enum { FORMATS = sizeof formats / sizeof *formats };

static const int all_rates[] = {8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000};
static const int all_channels[] = {1, 2, 3, 5, 6, 8};

/* Opus has its own rates. */
static int rate_for(const format *f, int rate)
{
    if (f->code == (SF_FORMAT_OGG | SF_FORMAT_OPUS))
        return rate < 12000 ? 8000 : rate < 24000 ? 16000 : 48000;
    return f->rates > 0 && rate > f->rates ? f->rates : rate;
}

/* Channel c at frame i, as the format can hold it. */
static float sample(const format *f, int rate, int64_t i, int c)
{
    double x =
        0.4 * sin(2 * 3.14159265358979 * (300 + 50 * c) * (double)i / rate) + 0.1 * sin(0.001 * (double)i);
    if (f->bits == 0) return (float)x;
    double full = (double)(1 << (f->bits - 1));
    return (float)(round(x * full) / full);
}

/* Write `frames` frames, and what their mean over channels is to be: expected [frames]. */
static void write_case(const char *path, const format *f, int rate, int channels, int64_t frames,
                       float *expected)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = f->code};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file) fail_msg("%s, %d Hz, %d channels: %s", f->name, rate, channels, sf_strerror(NULL));
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    float x[8];
    for (int64_t i = 0; i < frames; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++) sum += x[c] = sample(f, rate, i, c);
        expected[i] = sum / (float)channels;
        sf_writef_float(file, x, 1);
    }
    sf_close(file);
}

/* The same file within another, as a shard holds it. */
static tt_track in_shard(const char *path, const char *shard)
{
    enum { OFFSET = 1536 };
    FILE *in = fopen(path, "rb"), *out = fopen(shard, "wb");
    assert_true(in && out);
    int64_t n = 0;
    for (int i = 0; i < OFFSET; i++) fputc(i % 251, out);
    for (int c; (c = fgetc(in)) != EOF; n++) fputc(c, out);
    for (int i = 0; i < OFFSET; i++) fputc(0xff, out);
    fclose(in);
    fclose(out);
    return (tt_track){.id = "t", .path = "member", .shard = (char *)shard, .offset = OFFSET, .bytes = n};
}

static void compare(const format *f, const char *what, const float *x, const float *expected, int64_t n)
{
    double error = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        error += (x[i] - expected[i]) * (x[i] - expected[i]);
        power += expected[i] * expected[i];
    }
    if (sqrt(error) > f->error * sqrt(power)) fail_msg("%s: error %.3g", what, sqrt(error / power));
}

static void check_track(const format *f, const tt_track *t, int rate, int channels, const float *expected,
                        int64_t n)
{
    char what[128];
    tt_audio_info info;
    tt_track_status status;
    snprintf(what, sizeof what, "%s %x, %d Hz, %d channels, %s", f->name, (unsigned)f->code, rate, channels,
             t->shard[0] ? "in a shard" : "a file");
    assert_ok(tt_audio_probe(t, &info, &status));
    if (status != TT_TRACK_OK) fail_msg("%s: %s", what, tt_message());
    assert_string_equal(info.format, f->name);
    assert_int_equal(info.sample_rate, rate);
    assert_int_equal(info.channels, channels);
    if (info.frames < n ||
        info.frames > n + (f->error > 0 ? 2048 : 0)) /* some codecs fill their last block */
        fail_msg("%s: %lld frames of %lld", what, (long long)info.frames, (long long)n);
    tt_audio *a;
    int64_t got;
    float *x = calloc((size_t)n + 2048, sizeof *x);
    assert_ok(tt_audio_open(t, rate, &a, &status));
    assert_non_null(a);
    assert_ok(tt_audio_read(a, x, n + 2048, &got, &status));
    if (status != TT_TRACK_OK) fail_msg("%s: %s", what, tt_message());
    assert_int_equal(got, info.frames);
    compare(f, what, x, expected, n);
    tt_audio_close(a);
    free(x);
}

static void check_case(const format *f, int rate, int channels, int64_t frames)
{
    char path[1024], shard[1024];
    snprintf(path, sizeof path, "%s", mine("matrix"));
    snprintf(shard, sizeof shard, "%s", mine("matrix.tar"));
    float *expected = calloc((size_t)frames, sizeof *expected);
    write_case(path, f, rate, channels, frames, expected);
    tt_track file = {.id = "t", .path = path, .shard = ""}, member = in_shard(path, shard);
    check_track(f, &file, rate, channels, expected, frames);
    check_track(f, &member, rate, channels, expected, frames);
    free(expected);
    unlink(path);
    unlink(shard);
}

/* Every format three times, so that each rate and each number of channels comes with many formats. */
static void test_formats(void **state)
{
    (void)state;
    for (int k = world.rank; k < 3 * FORMATS; k += world.size) {
        const format *f = &formats[k % FORMATS];
        int rate = rate_for(f, all_rates[k % 11]), channels = all_channels[k % 6];
        if (f->channels > 0 && channels > f->channels) channels = f->channels;
        check_case(f, rate, channels, rate / 5);
    }
}

/* Ten milliseconds of every lossless format. */
static void test_short(void **state)
{
    (void)state;
    for (int k = world.rank; k < FORMATS; k += world.size)
        if (formats[k].error == 0)
            check_case(&formats[k], all_rates[k % 11], all_channels[k % 6], all_rates[k % 11] / 100);
}

/* Five hours, of which the file system stores nothing. */
static void test_hours(void **state)
{
    (void)state;
    enum { SECONDS = 5 * 3600, LOW = 8000 };
    const char *path = mine("hours.wav");
    SF_INFO info = {.samplerate = LOW, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_U8};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    assert_non_null(f);
    sf_close(f);
    FILE *out = fopen(path, "r+b");
    assert_non_null(out);
    fseek(out, 40, SEEK_SET);
    fwrite(&(uint32_t){SECONDS * LOW}, 4, 1, out);
    fclose(out);
    assert_int_equal(truncate(path, 44 + (off_t)SECONDS * LOW), 0);
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    tt_track_status status;
    tt_audio_info got;
    assert_ok(tt_audio_probe(&t, &got, &status));
    assert_int_equal(status, TT_TRACK_OK);
    assert_true(got.seconds == SECONDS);
    unlink(path);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_formats),
    cmocka_unit_test(test_short),
    cmocka_unit_test(test_hours),
};
TT_TEST_MAIN(cases)
