/* The features of six clips, every frame of them, against librosa 0.9.2. */
#include "features/golden.h"

#include "tutti/memory.h"

#include <sndfile.h>

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
enum { CLIPS = 6, FRAMES = 130, SAMPLES = 66150 };

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
    hid_t file = golden_open("golden_frames.h5"), mels = golden_open("golden_mel.h5");
    for (int c = 0; c < CLIPS; c++) {
        read_wav(clips[c], samples);
        tt_analyzer_clip(a, samples, mel, row);
        check_mel(mels, clips[c], "mel_power", a, mel, 80);
        int64_t column = 0;
        for (int t = 0; t < TOLERANCES; t++) {
            check_frames(file, clips[c], a, &tolerances[t]);
            check_statistics(file, clips[c], row, tt_analyzer_names(a), &tolerances[t], &column);
        }
        assert_int_equal(column, tt_analyzer_columns(a));
        check_tempogram(file, clips[c], a);
    }
    H5Fclose(file);
    H5Fclose(mels);
    free(row);
    tt_analyzer_free(a);
}

/** One clip's tempo is that of librosa.feature.tempo; silence has none. */
static void tempo_is_librosas(void **state)
{
    (void)state;
    enum { LAGS = 344 };
    static float tempogram[LAGS];
    static double mean[LAGS];
    assert_near(tt_tempo(mean, LAGS, 22050.0 / 512), 0, 0);
    mean[0] = mean[6] = 1; /* lag 6 is 431 a minute: beyond the 320 that a tempo may have */
    mean[22] = 1e-3;
    assert_near(tt_tempo(mean, LAGS, 22050.0 / 512), 60 * 22050.0 / 512 / 22, 1e-3);
    hid_t file = golden_open("golden_frames.h5");
    for (int c = 0; c < CLIPS; c++) {
        assert_int_equal(golden(file, clips[c], "tempogram", tempogram, LAGS), LAGS);
        for (int i = 0; i < LAGS; i++) mean[i] = (double)tempogram[i];
        double wanted = golden_number(file, clips[c], "tempo");
        assert_near(tt_tempo(mean, LAGS, 22050.0 / 512), wanted, 1e-4 * wanted);
    }
    H5Fclose(file);
}

/** In single precision too, which is what a mel alone is made in; the same numbers from both. */
static void mel_alone_is_librosas(void **state)
{
    (void)state;
    static float samples[SAMPLES], mel[128 * FRAMES], again[128 * FRAMES];
    tt_features_params alone = slaney, htk = slaney;
    alone.set = htk.set = "[mel]";
    htk.mel_scale = "htk";
    htk.mel_norm = "none";
    tt_analyzer *a, *b;
    assert_ok(tt_analyzer_new(&audio, &alone, &a));
    assert_ok(tt_analyzer_new(&audio, &htk, &b));
    assert_int_equal(tt_analyzer_columns(a), 0);
    assert_int_equal(tt_analyzer_lags(a), 0);
    hid_t file = golden_open("golden_mel.h5");
    for (int c = 0; c < CLIPS; c++) {
        read_wav(clips[c], samples);
        tt_analyzer_clip(a, samples, mel, NULL);
        check_mel(file, clips[c], "mel_power", a, mel, 80);
        tt_analyzer_clip(b, samples, again, NULL);
        check_mel(file, clips[c], "mel_power_htk", b, again, 80);
        /* a clip leaves nothing behind in the analyzer */
        tt_analyzer_clip(a, samples, again, NULL);
        assert_memory_equal(mel, again, sizeof mel);
    }
    H5Fclose(file);
    tt_analyzer_free(a);
    tt_analyzer_free(b);
}

/** A chosen feature is what it is among all of them, to the rounding of the transform. */
static void sets_choose(void **state)
{
    (void)state;
    static const struct {
        const char *set, *first, *last;
        int columns, mels, lags;
    } sets[] = {
        {"[all]", "zero_crossing_rate_mean", "spectral_flux_max", 371, 128, 344},
        {"[mel]", NULL, NULL, 0, 128, 0},
        {"[rms]", "rms_mean", "rms_max", 7, 0, 0},
        {"[mfcc, mel]", "mfcc_00_mean", "mfcc_19_max", 140, 128, 0},
        {"[tonnetz, spectral_flux]", "tonnetz_00_mean", "spectral_flux_max", 49, 0, 0},
        {"[spectral_contrast]", "spectral_contrast_00_mean", "spectral_contrast_06_max", 49, 0, 0},
        {"[tempo]", NULL, NULL, 0, 0, 344},
    };
    static float samples[SAMPLES], whole[371], some[371], tempogram[344], again[344];
    read_wav("drums", samples);
    tt_analyzer *all, *a;
    assert_ok(tt_analyzer_new(&audio, &slaney, &all));
    tt_analyzer_clip(all, samples, NULL, whole);
    tt_analyzer_tempogram(all, tempogram);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        tt_features_params p = slaney;
        p.set = (char *)sets[i].set;
        assert_ok(tt_analyzer_new(&audio, &p, &a));
        int64_t columns = tt_analyzer_columns(a), from = 0;
        const char *const *names = tt_analyzer_names(a);
        assert_int_equal(columns, sets[i].columns);
        assert_int_equal(tt_analyzer_mels(a), sets[i].mels);
        assert_int_equal(tt_analyzer_lags(a), sets[i].lags);
        tt_analyzer_clip(a, samples, NULL, some);
        if (columns > 0) {
            assert_string_equal(names[0], sets[i].first);
            assert_string_equal(names[columns - 1], sets[i].last);
        }
        for (int64_t j = 0; j < columns; j++, from++) {
            while (strcmp(tt_analyzer_names(all)[from], names[j]) != 0) from++;
            assert_near(some[j], whole[from], 1e-3 * (1 + fabs((double)whole[from])));
        }
        tt_analyzer_tempogram(a, again);
        for (int j = 0; j < sets[i].lags; j++) assert_near(again[j], tempogram[j], 1e-4);
        tt_analyzer_free(a);
    }
    tt_analyzer_free(all);
}

static void expect_refusal(const tt_audio_params *clip, const tt_features_params *p, const char *setting)
{
    tt_analyzer *a;
    assert_int_equal(tt_analyzer_new(clip, p, &a), TT_ERR_CONFIG);
    assert_null(a);
    if (!strstr(tt_message(), setting)) fail_msg("'%s' does not name %s", tt_message(), setting);
}

static void settings_are_checked(void **state)
{
    (void)state;
#define EXPECT(member, value)                                                                                \
    do {                                                                                                     \
        tt_features_params p_ = slaney;                                                                      \
        p_.member = value;                                                                                   \
        expect_refusal(&audio, &p_, "features." #member);                                                    \
    } while (0)
    EXPECT(n_fft, 1001);
    EXPECT(n_fft, 62);
    EXPECT(n_fft, 65538);
    EXPECT(hop_length, 0);
    EXPECT(hop_length, 2049);
    EXPECT(n_mels, 0);
    EXPECT(n_mels, 1025);
    EXPECT(n_mfcc, 129);
    EXPECT(n_mfcc, 0);
    EXPECT(fmin, -1);
    EXPECT(fmin, 11025);
    EXPECT(fmax, 11026);
    EXPECT(mel_scale, "bark");
    EXPECT(mel_norm, "l1");
    EXPECT(mel_dtype, "f64");
    EXPECT(top_db, 0);
    EXPECT(set, "[]");
    EXPECT(set, "[mel, mfc]");
#undef EXPECT
    assert_non_null(strstr(tt_message(), "'mfc'"));
    assert_non_null(strstr(tt_message(), "spectral_flux tempo"));
    tt_audio_params none = audio;
    none.clip_seconds = 0;
    expect_refusal(&none, &slaney, "audio.clip_seconds");
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(frames_and_statistics_are_librosas),
    cmocka_unit_test(tempo_is_librosas),
    cmocka_unit_test(mel_alone_is_librosas),
    cmocka_unit_test(sets_choose),
    cmocka_unit_test(settings_are_checked),
};

TT_TEST_MAIN(cases)
