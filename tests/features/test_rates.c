/* What a rate or a number of channels must not change: the spectrum of the music below 9 kHz. */
#include "test.h"

#include "tutti/features.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <unistd.h>

enum { RATE = 22050, PARTIALS = 70, MELS = 128, SECONDS = 5 };

static const double pi = 3.14159265358979, highest = 8950; /* Hz */

/* Sines from 30 Hz to the highest, at any phase, that swell in four ways; with `more`, others above that. */
static double music(double t, bool more)
{
    double sum = 0, swell[4], hertz = 30;
    for (int k = 0; k < 4; k++) swell[k] = (1 + 0.5 * sin(k + (2 + k) * t)) / PARTIALS;
    for (int k = 0; k < PARTIALS; k++, hertz *= pow(highest / 30, 1.0 / (PARTIALS - 1)))
        sum += swell[k % 4] * sin(2 * pi * hertz * t + 1.7 * k * k);
    for (int k = 0; more && k < 5; k++) sum += 0.03 * sin(2 * pi * (12000 + 1800 * k) * t);
    return 0.5 * sum;
}

/* In stereo the channels differ by what is gone in their mean. */
static void write_music(const char *path, int format, int rate, int channels)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    for (int64_t i = 0; i < SECONDS * rate; i++) {
        double t = (double)i / rate, mean = music(t, rate > 40000), side = 0.2 * sin(2 * pi * 500 * t);
        float x[2] = {(float)(channels > 1 ? mean + side : mean), (float)(mean - side)};
        sf_writef_float(f, x, 1);
    }
    sf_close(f);
}

/* Mel power of the clip that begins after one second: [MELS, *frames], free(). */
static float *mel_of(const char *path, const tt_features_params *features, int64_t *frames)
{
    tt_audio_params params = {.sample_rate = RATE, .clip_seconds = 3, .clip_hop = 3};
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    tt_track_status status;
    tt_audio *a;
    tt_analyzer *analyzer;
    int64_t got;
    float *x = calloc(SECONDS * RATE, sizeof *x);
    assert_ok(tt_audio_open(&t, RATE, &a, &status));
    assert_non_null(a);
    assert_ok(tt_audio_read(a, x, SECONDS * RATE, &got, &status));
    assert_int_equal(status, TT_TRACK_OK);
    assert_int_equal(got, SECONDS * RATE);
    tt_audio_close(a);
    assert_ok(tt_analyzer_new(&params, features, &analyzer));
    *frames = tt_analyzer_frames(analyzer);
    float *row = calloc((size_t)tt_analyzer_columns(analyzer), sizeof *row);
    float *mel = calloc((size_t)(MELS * *frames), sizeof *mel),
          *power = calloc((size_t)(MELS * *frames), sizeof *mel);
    tt_analyzer_clip(analyzer, x + RATE, mel, row);
    assert_int_equal(tt_analyzer_feature(analyzer, "mel_power", power), MELS);
    tt_analyzer_free(analyzer);
    free(mel);
    free(row);
    free(x);
    return power;
}

/* A 44.1 kHz stereo FLAC and the same at 22.05 kHz in mono: every mel band below 9 kHz within 0.1 dB in every
 * frame. */
static void test_stereo_flac_at_44100(void **state)
{
    (void)state;
    if (world.rank > 0) return; /* nothing here is shared */
    tt_features_params features = {.n_fft = 2048,
                                   .hop_length = 512,
                                   .n_mels = MELS,
                                   .n_mfcc = 20,
                                   .fmax = 9000,
                                   .mel_scale = "slaney",
                                   .top_db = 80};
    const char *high = scratch("rates.flac"), *low = scratch("rates.wav");
    write_music(high, SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 44100, 2);
    write_music(low, SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 1);
    int64_t frames;
    float *a = mel_of(high, &features, &frames), *b = mel_of(low, &features, &frames);
    double worst = 0;
    for (int64_t i = 0; i < MELS * frames; i++) {
        double apart = fabs(10 * log10((double)a[i] / b[i]));
        if (!(apart <= worst)) worst = apart;
    }
    assert_near(worst, 0, 0.1);
    unlink(high);
    unlink(low);
    free(a);
    free(b);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_stereo_flac_at_44100),
};
TT_TEST_MAIN(cases)
