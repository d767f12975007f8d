/* The features of six clips against librosa 0.9.2: golden.h5, made by make_golden.py. */
#include "test.h"

#include "tutti/features.h"
#include "tutti/memory.h"

#include <hdf5.h>
#include <math.h>
#include <sndfile.h>
#include <string.h>

static const tt_audio_params audio = {.sample_rate = 22050, .clip_seconds = 3, .clip_hop = 3};
static const tt_features_params slaney = {.n_fft = 2048,
                                          .hop_length = 512,
                                          .n_mels = 128,
                                          .n_mfcc = 20,
                                          .fmax = 11025,
                                          .mel_scale = "slaney",
                                          .top_db = 80};

static const char *const clips[] = {"chords",      "drums", "chirp", "voice", "burst_then_silence",
                                    "near_silence"};
enum { CLIPS = 6, FRAMES = 130, EIGHTH = 17, SAMPLES = 66150 };

static void read_wav(const char *clip, float *samples)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/features/audio/%s.wav", TT_TESTS, clip);
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    assert_non_null(file);
    assert_int_equal(sf_readf_float(file, samples, SAMPLES), SAMPLES);
    sf_close(file);
}

/** Read clip/feature/what into out [at most n values]; returns how many there are. */
static int64_t golden(hid_t file, const char *clip, const char *feature, const char *what, float *out,
                      int64_t n)
{
    char path[256];
    snprintf(path, sizeof path, "/%s/%s/%s", clip, feature, what);
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    assert_true(set >= 0);
    hid_t space = H5Dget_space(set);
    int64_t count = (int64_t)H5Sget_simple_extent_npoints(space);
    assert_true(count <= n);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    return count;
}

static hid_t golden_open(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/features/golden.h5", TT_TESTS);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/** How far a feature may be from librosa's: absolute + relative x |value|, in the feature's unit. The clips
 * are 16-bit, the features float32. Higher statistics amplify errors: skew and kurtosis have a bound of their
 * own, relative to 1 + |value|. */
static const struct tolerance {
    const char *feature;
    double absolute, relative, shape;
} tolerances[] = {
    {"zero_crossing_rate", 0, 0, 1e-4},      {"rms", 1e-9, 1e-4, 1e-3},
    {"spectral_centroid", 1e-3, 1e-4, 2e-3}, {"spectral_bandwidth", 1e-2, 1e-4, 2e-3},
    {"spectral_rolloff", 1e-2, 0, 2e-3},     {"spectral_flatness", 1e-7, 1e-3, 2e-3},
    {"spectral_contrast", 0.05, 0, 2e-2},    {"mfcc", 0.02, 0, 2e-3},
    {"chroma_stft", 1e-3, 0, 2e-3},          {"tonnetz", 1e-3, 0, 2e-3},
    {"onset_strength", 0.005, 0, 2e-3},
};
enum { TOLERANCES = sizeof tolerances / sizeof *tolerances };

static void check_near(const char *clip, const char *what, int64_t i, double got, double wanted,
                       double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s %s[%lld] is %.9g, librosa has %.9g (allowed %.3g)", clip, what, (long long)i, got,
                 wanted, tolerance);
}

/** What may be added to the tolerance of spectral contrast, in dB: a transform in single precision has an
 * error of some 1e-7 of the frame's largest magnitude in every bin, which shows in valleys 120 dB and more
 * below the peak. */
static void contrast_slack(hid_t file, const char *clip, double *slack)
{
    static float depth[7 * FRAMES];
    golden(file, clip, "spectral_contrast", "depth", depth, 7 * FRAMES);
    for (int i = 0; i < 7 * FRAMES; i++)
        slack[i] = depth[i] > 0 ? 10 * log10(1 + 5e-7 / (double)depth[i]) : 0;
}

static void check_frames(hid_t file, const char *clip, const tt_analyzer *a, const struct tolerance *t)
{
    static float got[128 * FRAMES], wanted[128 * FRAMES];
    int64_t n = golden(file, clip, t->feature, "frames", wanted, 128 * FRAMES);
    assert_int_equal(tt_analyzer_feature(a, t->feature, got) * FRAMES, n);
    double worst = 0, slack[7 * FRAMES];
    bool contrast = strcmp(t->feature, "spectral_contrast") == 0;
    if (contrast) contrast_slack(file, clip, slack);
    for (int64_t i = 0; i < n; i++) {
        double allowed = t->absolute + t->relative * fabs((double)wanted[i]) + (contrast ? slack[i] : 0);
        /* counts of zero crossings are exact in both: fractions of 2048 */
        check_near(clip, t->feature, i, (double)got[i], (double)wanted[i], allowed);
        worst = fmax(worst, fabs((double)got[i] - (double)wanted[i]) / (allowed > 0 ? allowed : 1));
    }
    if (getenv("TT_SHOW"))
        printf("%-20s %-20s worst error %.3g of what is allowed\n", clip, t->feature, worst);
}

static void check_statistics(hid_t file, const char *clip, const float *row, const char *const *names,
                             const struct tolerance *t, int64_t *column)
{
    float wanted[128 * 7];
    int64_t n = golden(file, clip, t->feature, "statistics", wanted, 128 * 7);
    double slack[7 * FRAMES], most[128] = {0};
    if (strcmp(t->feature, "spectral_contrast") == 0) {
        contrast_slack(file, clip, slack);
        for (int i = 0; i < 7 * FRAMES; i++) most[i / FRAMES] = fmax(most[i / FRAMES], slack[i]);
    }
    for (int64_t i = 0; i < n; i++, (*column)++) {
        const char *name = names[*column];
        assert_memory_equal(name, t->feature, strlen(t->feature));
        double w = (double)wanted[i], allowed = t->absolute + t->relative * fabs(w);
        if (i % 7 < 2) allowed += 1e-6 * fabs(w);
        if (i % 7 == 2 || i % 7 == 3) {
            if (wanted[i - i % 7 + 1] < 1e-5f * fabsf(wanted[i - i % 7]))
                continue; /* constant: rounding noise */
            allowed = t->shape * (1 + fabs(w));
        }
        check_near(clip, name, i, (double)row[*column], w, allowed + most[i / 7]);
    }
}

static void frames_and_statistics_are_librosas(void **state)
{
    (void)state;
    static float samples[SAMPLES], mel[128 * FRAMES];
    tt_analyzer *a;
    assert_ok(tt_analyzer_new(&audio, &slaney, &a));
    assert_int_equal(tt_analyzer_samples(a), SAMPLES);
    assert_int_equal(tt_analyzer_frames(a), FRAMES);
    float *row;
    assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
    hid_t file = golden_open();
    for (int c = 0; c < CLIPS; c++) {
        read_wav(clips[c], samples);
        tt_analyzer_clip(a, samples, mel, row);
        int64_t column = 0;
        for (int t = 0; t < TOLERANCES; t++) {
            check_frames(file, clips[c], a, &tolerances[t]);
            check_statistics(file, clips[c], row, tt_analyzer_names(a), &tolerances[t], &column);
        }
        assert_int_equal(column, tt_analyzer_columns(a));
    }
    H5Fclose(file);
    free(row);
    tt_analyzer_free(a);
}

/** Mel power within 1e-4 of the clip's maximum, and 1e-3 relative above 1e-6 of it. */
static void check_power(hid_t file, const char *clip, const char *name, const tt_analyzer *a)
{
    static float got[128 * FRAMES], wanted[128 * EIGHTH];
    assert_int_equal(golden(file, clip, name, "frames", wanted, 128 * EIGHTH), 128 * EIGHTH);
    assert_int_equal(tt_analyzer_feature(a, "mel_power", got), 128);
    double max = 0;
    for (int64_t i = 0; i < 128 * EIGHTH; i++) max = fmax(max, (double)wanted[i]);
    for (int64_t i = 0; i < 128 * EIGHTH; i++) {
        double w = (double)wanted[i], g = (double)got[i / EIGHTH * FRAMES + i % EIGHTH * 8];
        check_near(clip, name, i, g, w, 1e-4 * max);
        if (w > 1e-6 * max) check_near(clip, name, i, g, w, 1e-3 * w);
    }
}

static void mel_is_librosas(void **state)
{
    (void)state;
    static float samples[SAMPLES], mel[128 * FRAMES], again[128 * FRAMES], wanted[128 * EIGHTH];
    tt_features_params htk = slaney;
    htk.mel_scale = "htk";
    tt_analyzer *a, *b;
    assert_ok(tt_analyzer_new(&audio, &slaney, &a));
    assert_ok(tt_analyzer_new(&audio, &htk, &b));
    float *row;
    assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
    hid_t file = golden_open();
    for (int c = 0; c < CLIPS; c++) {
        read_wav(clips[c], samples);
        tt_analyzer_clip(b, samples, again, NULL);
        check_power(file, clips[c], "mel_power_htk", b);
        tt_analyzer_clip(a, samples, mel, row);
        check_power(file, clips[c], "mel_power", a);
        golden(file, clips[c], "mel_db_ref_max", "frames", wanted, 128 * EIGHTH);
        for (int64_t i = 0; i < 128 * EIGHTH; i++)
            if (wanted[i] > -75)
                check_near(clips[c], "mel_db", i, (double)mel[i / EIGHTH * FRAMES + i % EIGHTH * 8],
                           (double)wanted[i], 0.01);
        /* the mel alone is the same mel */
        tt_analyzer_clip(a, samples, again, NULL);
        assert_memory_equal(mel, again, sizeof mel);
    }
    H5Fclose(file);
    free(row);
    tt_analyzer_free(a);
    tt_analyzer_free(b);
}

static void silence_is_finite(void **state)
{
    (void)state;
    static float samples[SAMPLES], mel[128 * FRAMES];
    tt_analyzer *a;
    assert_ok(tt_analyzer_new(&audio, &slaney, &a));
    float *row;
    assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < SAMPLES; i++)
            samples[i] = kind == 0 ? 0.0f : kind == 1 ? -1e-30f : i == 700 ? 1.0f : 0.0f;
        tt_analyzer_clip(a, samples, mel, row);
        for (int i = 0; i < 128 * FRAMES; i++) assert_true(isfinite(mel[i]));
        for (int64_t j = 0; j < tt_analyzer_columns(a); j++)
            if (!isfinite(row[j])) fail_msg("%s is not finite", tt_analyzer_names(a)[j]);
    }
    free(row);
    tt_analyzer_free(a);
}

/** Shapes that do not fit the vectors: the first frames of a clip do not depend on how many follow. */
static void odd_sizes_work(void **state)
{
    (void)state;
    static float samples[SAMPLES];
    read_wav("voice", samples);
    static const struct {
        int rate, n_fft, hop, mels, mfcc;
        double seconds;
    } sizes[] = {{8000, 256, 100, 23, 13, 0.5},
                 {22050, 1056, 441, 40, 40, 1.0},
                 {48000, 4096, 1024, 256, 20, 0.25},
                 {192000, 2048, 2048, 64, 20, 0.1},
                 {16000, 2048, 512, 128, 20, 0.128}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tt_audio_params clip = {.sample_rate = sizes[i].rate, .clip_seconds = sizes[i].seconds};
        tt_features_params p = {.n_fft = sizes[i].n_fft,
                                .hop_length = sizes[i].hop,
                                .n_mels = sizes[i].mels,
                                .n_mfcc = sizes[i].mfcc,
                                .fmax = sizes[i].rate / 2.0,
                                .mel_scale = "slaney",
                                .top_db = 80};
        tt_analyzer *a;
        assert_ok(tt_analyzer_new(&clip, &p, &a));
        float *row, *mel;
        assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
        assert_ok(tt_alloc(p.n_mels * tt_analyzer_frames(a), sizeof *mel, "mel", &mel));
        tt_analyzer_clip(a, samples, mel, row);
        for (int64_t j = 0; j < tt_analyzer_columns(a); j++) assert_true(isfinite(row[j]));
        float largest = -1e30f;
        for (int64_t j = 0; j < p.n_mels * tt_analyzer_frames(a); j++)
            largest = mel[j] > largest ? mel[j] : largest;
        assert_true(largest == 0.0f);
        free(row);
        free(mel);
        tt_analyzer_free(a);
    }
}

static void settings_are_checked(void **state)
{
    (void)state;
    tt_analyzer *a;
    tt_features_params p = slaney;
    p.n_fft = 1000;
    assert_int_equal(tt_analyzer_new(&audio, &p, &a), TT_ERR_CONFIG);
    assert_non_null(strstr(tt_message(), "features.n_fft"));
    p = slaney;
    p.fmax = 20000;
    assert_int_equal(tt_analyzer_new(&audio, &p, &a), TT_ERR_CONFIG);
    assert_non_null(strstr(tt_message(), "features.fmax"));
    p = slaney;
    p.mel_scale = "bark";
    assert_int_equal(tt_analyzer_new(&audio, &p, &a), TT_ERR_CONFIG);
    assert_null(a);
    tt_analyzer_free(a);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(frames_and_statistics_are_librosas),
    cmocka_unit_test(mel_is_librosas),
    cmocka_unit_test(silence_is_finite),
    cmocka_unit_test(odd_sizes_work),
    cmocka_unit_test(settings_are_checked),
};

TT_TEST_MAIN(cases)
