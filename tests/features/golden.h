/* Comparison of an analyzer with golden_*.h5, made by make_golden.py: what librosa, or its definitions in
 * numpy, say of a clip. */
#ifndef TUTTI_TESTS_GOLDEN_H
#define TUTTI_TESTS_GOLDEN_H

#include "test.h"

#include "tutti/features.h"

#include <hdf5.h>
#include <math.h>
#include <string.h>

enum { GOLDEN_MOST = 128 * 130, GOLDEN_STATISTICS = 7 };

static inline hid_t golden_open(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/features/%s", TT_TESTS, name);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/** Read clip/what into out [at most n]; returns how many values there are. */
static inline int64_t golden(hid_t file, const char *clip, const char *what, float *out, int64_t n)
{
    char path[256];
    snprintf(path, sizeof path, "/%s/%s", clip, what);
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

static inline double golden_number(hid_t file, const char *clip, const char *name)
{
    double value;
    hid_t a = H5Aopen_by_name(file, clip, name, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(a >= 0);
    assert_true(H5Aread(a, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(a);
    return value;
}

/** How far a feature may be from librosa's: absolute + relative x |value|, in the feature's unit. The clips
 * are 16-bit, the features float32. Higher statistics amplify errors: skew and kurtosis have a bound of their
 * own, relative to 1 + |value|. */
static const struct tolerance {
    const char *feature;
    double absolute, relative, shape;
} tolerances[] = {
    {"zero_crossing_rate", 0, 0, 1e-4},      {"rms", 1e-9, 1e-4, 1e-3},
    {"spectral_centroid", 1e-3, 1e-4, 2e-3}, {"spectral_bandwidth", 1e-3, 1e-4, 2e-3},
    {"spectral_rolloff", 1e-2, 0, 2e-3},     {"spectral_flatness", 1e-7, 1e-3, 2e-3},
    {"spectral_contrast", 0.05, 0, 2e-2},    {"mfcc", 0.02, 0, 2e-3},
    {"chroma_stft", 1e-3, 0, 2e-3},          {"tonnetz", 1e-3, 0, 2e-3},
    {"onset_strength", 0.005, 0, 2e-3},      {"spectral_flux", 1e-7, 1e-4, 2e-3},
};
enum { TOLERANCES = sizeof tolerances / sizeof *tolerances };

static inline void check_near(const char *clip, const char *what, int64_t i, double got, double wanted,
                              double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s %s[%lld] is %.9g, librosa has %.9g (allowed %.3g)", clip, what, (long long)i, got,
                 wanted, tolerance);
}

/** Every frame of a feature of the clip that was analysed last. */
static inline void check_frames(hid_t file, const char *clip, const tt_analyzer *a, const struct tolerance *t)
{
    static float got[GOLDEN_MOST], wanted[GOLDEN_MOST];
    char what[64];
    snprintf(what, sizeof what, "%s/frames", t->feature);
    int64_t n = golden(file, clip, what, wanted, GOLDEN_MOST);
    assert_int_equal(tt_analyzer_feature(a, t->feature, got) * tt_analyzer_frames(a), n);
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double allowed = t->absolute + t->relative * fabs((double)wanted[i]);
        check_near(clip, t->feature, i, (double)got[i], (double)wanted[i], allowed);
        worst = fmax(worst, fabs((double)got[i] - (double)wanted[i]) / (allowed > 0 ? allowed : 1));
    }
    if (getenv("TT_SHOW"))
        printf("%-20s %-20s worst error %.3g of what is allowed\n", clip, t->feature, worst);
}

/** Its statistics in `row`, from *column on, which moves behind them; their names too. */
static inline void check_statistics(hid_t file, const char *clip, const float *row, const char *const *names,
                                    const struct tolerance *t, int64_t *column)
{
    float wanted[128 * GOLDEN_STATISTICS];
    char what[64];
    snprintf(what, sizeof what, "%s/statistics", t->feature);
    int64_t n = golden(file, clip, what, wanted, 128 * GOLDEN_STATISTICS);
    for (int64_t i = 0; i < n; i++, (*column)++) {
        const char *name = names[*column];
        assert_memory_equal(name, t->feature, strlen(t->feature));
        int64_t k = i % GOLDEN_STATISTICS;
        double w = (double)wanted[i], allowed = t->absolute + t->relative * fabs(w);
        if (k == 0) allowed += 1e-6 * fabs(w);
        if (k == 1)
            allowed += 1e-5 * fabs((double)wanted[i - 1]); /* what is constant has the std of rounding */
        if (k == 2 || k == 3) {
            double mean = (double)wanted[i - k], std = (double)wanted[i - k + 1];
            if (std < 1e-5 * fabs(mean) || std <= 0.1 * t->absolute) continue; /* constant: rounding noise */
            allowed = t->shape * (1 + fabs(w));
        }
        check_near(clip, name, i, (double)row[*column], w, allowed);
    }
}

/** Mel power within 1e-4 of the clip's maximum, and 1e-3 relative above 1e-6 of it; decibels below the
 * maximum within 0.01 above a floor of 75 dB. @param mel  [n_mels, frames], floored at -top_db */
static inline void check_mel(hid_t file, const char *clip, const char *name, const tt_analyzer *a,
                             const float *mel, double top_db)
{
    static float got[GOLDEN_MOST], wanted[GOLDEN_MOST];
    int64_t n = golden(file, clip, name, wanted, GOLDEN_MOST);
    assert_int_equal(tt_analyzer_feature(a, "mel_power", got) * tt_analyzer_frames(a), n);
    double max = 1e-10, worst = 0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, (double)wanted[i]);
    for (int64_t i = 0; i < n; i++) {
        double w = (double)wanted[i], db = fmax(10 * log10(fmax(w, 1e-10) / max), -top_db);
        check_near(clip, name, i, (double)got[i], w, 1e-4 * max);
        if (w > 1e-6 * max) check_near(clip, name, i, (double)got[i], w, 1e-3 * w);
        if (db <= -75) continue;
        check_near(clip, "mel_db", i, (double)mel[i], db, 0.01);
        worst = fmax(worst, fabs((double)mel[i] - db) / 0.01);
    }
    if (getenv("TT_SHOW")) printf("%-20s %-20s worst error %.3g of what is allowed\n", clip, name, worst);
}

/** The mean tempogram, whose lag 0 is 1 or, in silence, 0. */
static inline void check_tempogram(hid_t file, const char *clip, tt_analyzer *a)
{
    static float got[GOLDEN_MOST], wanted[GOLDEN_MOST];
    int64_t n = golden(file, clip, "tempogram", wanted, GOLDEN_MOST);
    assert_int_equal(tt_analyzer_lags(a), n);
    tt_analyzer_tempogram(a, got);
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        check_near(clip, "tempogram", i, (double)got[i], (double)wanted[i], 1e-4);
        worst = fmax(worst, fabs((double)got[i] - (double)wanted[i]) / 1e-4);
    }
    if (getenv("TT_SHOW"))
        printf("%-20s %-20s worst error %.3g of what is allowed\n", clip, "tempogram", worst);
}

#endif
