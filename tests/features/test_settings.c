/* Other settings than librosa's defaults, other rates, and clips that are short or odd: golden_settings.h5,
 * from librosa's definitions in numpy (yardstick.py). */
#include "features/golden.h"

#include "tutti/memory.h"

static char *text_of(hid_t file, const char *name, const char *attribute, char *out, size_t bytes)
{
    char *text = NULL;
    hid_t a = H5Aopen_by_name(file, name, attribute, H5P_DEFAULT, H5P_DEFAULT), type = H5Aget_type(a);
    assert_true(H5Aread(a, type, &text) >= 0);
    snprintf(out, bytes, "%s", text);
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(a);
    return out;
}

static void check_case(hid_t file, const char *name)
{
    static float samples[24000];
    char scale[8], norm[8];
    int64_t n = golden(file, name, "samples", samples, 24000);
    for (int64_t i = 0; i < n; i++) samples[i] /= 32768;
#define NUMBER(key) golden_number(file, name, key)
    tt_audio_params audio = {.sample_rate = (int)NUMBER("sr")};
    audio.clip_seconds = (double)n / audio.sample_rate;
    tt_features_params p = {.n_fft = (int)NUMBER("n_fft"),
                            .hop_length = (int)NUMBER("hop_length"),
                            .n_mels = (int)NUMBER("n_mels"),
                            .n_mfcc = (int)NUMBER("n_mfcc"),
                            .fmin = NUMBER("fmin"),
                            .fmax = NUMBER("fmax"),
                            .top_db = NUMBER("top_db"),
                            .mel_scale = text_of(file, name, "mel_scale", scale, sizeof scale),
                            .mel_norm = text_of(file, name, "mel_norm", norm, sizeof norm)};
#undef NUMBER
    tt_analyzer *a;
    assert_ok(tt_analyzer_new(&audio, &p, &a));
    assert_int_equal(tt_analyzer_samples(a), n);
    float *mel, *row;
    assert_ok(tt_alloc(p.n_mels * tt_analyzer_frames(a), sizeof *mel, "mel", &mel));
    assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
    tt_analyzer_clip(a, samples, mel, row);
    check_mel(file, name, "mel_power", a, mel, p.top_db);
    int64_t column = 0;
    for (int t = 0; t < TOLERANCES; t++) {
        check_frames(file, name, a, &tolerances[t]);
        check_statistics(file, name, row, tt_analyzer_names(a), &tolerances[t], &column);
    }
    assert_int_equal(column, tt_analyzer_columns(a));
    check_tempogram(file, name, a);
    free(mel);
    free(row);
    tt_analyzer_free(a);
}

static herr_t visit(hid_t file, const char *name, const H5L_info_t *info, void *count)
{
    (void)info;
    check_case(file, name);
    ++*(int *)count;
    return 0;
}

static void settings_and_odd_clips_are_librosas(void **state)
{
    (void)state;
    int count = 0;
    hid_t file = golden_open("golden_settings.h5");
    assert_true(H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, visit, &count) >= 0);
    assert_int_equal(count, 14);
    H5Fclose(file);
}

/** Whatever finite samples come, and whatever their size. */
static void features_are_finite(void **state)
{
    (void)state;
    enum { SAMPLES = 8000, MELS = 40 };
    static const float sizes[] = {0, 1e-45f, 1e-38f, 1e-30f, 1e-20f, 1e-10f, 1, 1e9f};
    static float samples[SAMPLES], mel[MELS * (1 + SAMPLES / 160)], tempogram[800];
    tt_audio_params audio = {.sample_rate = 16000, .clip_seconds = 0.5};
    tt_features_params p = {.n_fft = 400,
                            .hop_length = 160,
                            .n_mels = MELS,
                            .n_mfcc = MELS,
                            .fmax = 8000,
                            .mel_scale = "slaney",
                            .top_db = 80};
    tt_analyzer *a;
    assert_ok(tt_analyzer_new(&audio, &p, &a));
    assert_int_equal(tt_analyzer_lags(a), 800);
    float *row;
    assert_ok(tt_alloc(tt_analyzer_columns(a), sizeof *row, "row", &row));
    for (size_t k = 0; k < 2 * sizeof sizes / sizeof *sizes; k++) {
        /* a constant, or a decaying tone that ends in denormal numbers */
        for (int i = 0; i < SAMPLES; i++)
            samples[i] = sizes[k / 2] * (k % 2 ? 1 : (float)(sin(0.1 * i) * exp(-0.02 * i)));
        tt_analyzer_clip(a, samples, mel, row);
        tt_analyzer_tempogram(a, tempogram);
        for (size_t i = 0; i < sizeof mel / sizeof *mel; i++) assert_true(isfinite(mel[i]) && mel[i] <= 0);
        for (int i = 0; i < 800; i++) assert_true(isfinite(tempogram[i]));
        for (int64_t j = 0; j < tt_analyzer_columns(a); j++)
            if (!isfinite(row[j]))
                fail_msg("%s is not finite at %g", tt_analyzer_names(a)[j], (double)sizes[k / 2]);
    }
    free(row);
    tt_analyzer_free(a);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(settings_and_odd_clips_are_librosas),
    cmocka_unit_test(features_are_finite),
};

TT_TEST_MAIN(cases)
