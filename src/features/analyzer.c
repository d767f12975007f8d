#include "features/internal.h"

#include "tutti/integer.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Sub-bands of librosa's spectral_contrast (fmin 200 Hz, octaves, quantile 0.02): each takes the bin below
 * its lower edge too, and gives its last one to the next. Fewer than seven where the sample rate leaves no
 * room. */
static void contrast_bands(tt_analyzer *a)
{
    double low = 0, high = 200.0, bin_hz = (double)a->sample_rate / a->n_fft;
    for (int b = 0; b < CONTRAST_BANDS && low < a->sample_rate / 2.0; b++) {
        int begin = (int)ceil(low / bin_hz), end = (int)floor(high / bin_hz) + 1;
        bool last = b == CONTRAST_BANDS - 1 || high >= a->sample_rate / 2.0;
        if (b > 0 && begin > 0) begin--;
        if (last || end > a->bins) end = a->bins;
        int extreme = (int)rint(0.02 * (end - begin));
        if (!last) end--;
        if (end <= begin) end = begin + 1;
        a->contrast[b] = (contrast_band){begin, end, extreme > 1 ? extreme : 1};
        a->n_contrast++;
        low = high;
        high *= 2;
    }
}

static void list_features(tt_analyzer *a, const tt_features_params *p)
{
    const struct {
        const char *name;
        int bands;
    } all[FEATURES] = {
        [ZERO_CROSSING_RATE] = {"zero_crossing_rate", 1},
        [RMS] = {"rms", 1},
        [CENTROID] = {"spectral_centroid", 1},
        [BANDWIDTH] = {"spectral_bandwidth", 1},
        [ROLLOFF] = {"spectral_rolloff", 1},
        [FLATNESS] = {"spectral_flatness", 1},
        [CONTRAST] = {"spectral_contrast", a->n_contrast},
        [MFCC] = {"mfcc", a->n_mfcc},
        [CHROMA] = {"chroma_stft", TT_CHROMA},
        [TONNETZ] = {"tonnetz", TT_TONNETZ},
        [ONSET] = {"onset_strength", 1},
        [FLUX] = {"spectral_flux", 1},
    };
    for (int f = 0; f < FEATURES; f++) {
        bool wanted = params_want(p, all[f].name);
        a->feature[f] = (frame_feature){all[f].name, a->rows, all[f].bands, wanted};
        a->rows += all[f].bands;
        a->wanted += wanted ? all[f].bands : 0;
    }
    a->mel_wanted = params_want(p, "mel");
    a->tempo_wanted = params_want(p, "tempo");
}

static tt_status name_columns(tt_analyzer *a)
{
    enum { NAME = 48 };
    int64_t columns = tt_analyzer_columns(a);
    TT_TRY(tt_alloc(columns, sizeof(char *) + NAME, "feature names", &a->names));
    char *text = (char *)(a->names + columns);
    int64_t column = 0;
    for (int f = 0; f < FEATURES; f++)
        for (int band = 0; a->feature[f].wanted && band < a->feature[f].bands; band++)
            for (int s = 0; s < STATISTICS; s++, column++, text += NAME) {
                const char *name = a->feature[f].name;
                if (a->feature[f].bands == 1)
                    snprintf(text, NAME, "%s_%s", name, statistics_names[s]);
                else
                    snprintf(text, NAME, "%s_%02d_%s", name, band, statistics_names[s]);
                a->names[column] = text;
            }
    return TT_OK;
}

static tt_status make_tables(tt_analyzer *a, const tt_features_params *p)
{
    TT_TRY(tt_alloc(a->bins, sizeof(float), "frequencies", &a->hz));
    TT_TRY(tt_alloc((int64_t)a->bins * TT_CHROMA, sizeof(float), "chroma filters", &a->chroma_filters));
    TT_TRY(tt_alloc(TT_TONNETZ * TT_CHROMA, sizeof(float), "tonnetz", &a->tonnetz));
    TT_TRY(tt_alloc((int64_t)a->n_mfcc * a->n_mels, sizeof(float), "cosines", &a->dct));
    for (int k = 0; k < a->bins; k++) a->hz[k] = (float)((double)k * a->sample_rate / a->n_fft);
    tt_filters_chroma(a->sample_rate, a->n_fft, a->chroma_filters);
    tt_filters_tonnetz(a->tonnetz);
    tt_filters_dct(a->n_mfcc, a->n_mels, a->dct);
    return tt_filters_mel(a->sample_rate, a->n_fft, a->n_mels, p->fmin, p->fmax, params_htk(p),
                          params_norm(p), &a->mel_filters);
}

static tt_status make_room(tt_analyzer *a)
{
    int64_t width = statistics_width(a->wanted), longest = 1;
    for (int b = 0; b < a->n_contrast; b++)
        if (a->contrast[b].extreme > longest) longest = a->contrast[b].extreme;
    TT_TRY(tt_alloc(a->n_fft + a->samples, sizeof(float), "a clip", &a->padded));
    TT_TRY(tt_alloc((int64_t)(a->bins + 1) * LANES, sizeof(float), "spectra", &a->magnitude_room));
    a->magnitude = a->magnitude_room + LANES;
    TT_TRY(tt_alloc(a->bins, sizeof(float), "spectra", &a->before));
    TT_TRY(tt_alloc(2 * longest * LANES, sizeof(float), "spectral contrast", &a->extremes));
    TT_TRY(tt_alloc(a->n_mels * a->stride, sizeof(float), "mel power", &a->mel_power));
    TT_TRY(tt_alloc(a->n_mels * a->stride, sizeof(float), "mel decibels", &a->mel_db));
    TT_TRY(tt_alloc(a->n_contrast * a->stride, sizeof(float), "spectral contrast", &a->valley));
    TT_TRY(tt_alloc(a->n_contrast * a->stride, sizeof(float), "spectral contrast", &a->peak));
    TT_TRY(tt_alloc(a->stride, sizeof(float), "spectral flux", &a->rise));
    TT_TRY(tt_alloc(a->samples + 2, sizeof(double), "running energy", &a->energy));
    TT_TRY(tt_alloc(a->samples + 2, sizeof(int64_t), "running zero crossings", &a->crossings));
    TT_TRY(tt_alloc(a->rows * a->stride, sizeof(float), "frame features", &a->matrix));
    TT_TRY(tt_alloc(a->frames * width, sizeof(float), "frame features", &a->sorted));
    TT_TRY(tt_alloc(4 * width, sizeof(double), "statistics", &a->moments));
    return tempo_new(a);
}

/** Whether a feature is wanted that looks at single bins, and not at bands of the mel. */
static bool wants_bins(const tt_analyzer *a)
{
    static const feature_id of_bins[] = {CENTROID, BANDWIDTH, ROLLOFF, FLATNESS,
                                         CONTRAST, CHROMA,    TONNETZ, FLUX};
    bool any = false;
    for (size_t i = 0; i < sizeof of_bins / sizeof *of_bins; i++) any |= a->feature[of_bins[i]].wanted;
    return any;
}

static tt_status set_up(tt_analyzer *a, const tt_features_params *p)
{
    contrast_bands(a);
    list_features(a, p);
    TT_TRY(name_columns(a));
    TT_TRY(make_tables(a, p));
    TT_TRY(make_room(a));
    return spectrum_new(a, wants_bins(a));
}

tt_status tt_analyzer_new(const tt_audio_params *audio, const tt_features_params *features, tt_analyzer **out)
{
    *out = NULL;
    TT_TRY(params_check(audio, features));
    tt_analyzer *a;
    TT_TRY(tt_alloc(1, sizeof *a, "analyzer", &a));
    a->sample_rate = audio->sample_rate;
    a->n_fft = features->n_fft;
    a->hop = features->hop_length;
    a->bins = a->n_fft / 2 + 1;
    a->n_mels = features->n_mels;
    a->n_mfcc = features->n_mfcc;
    a->top_db = (float)features->top_db;
    a->samples = tt_clip_samples(audio);
    a->frames = 1 + a->samples / a->hop;
    a->stride = tt_round_up(a->frames, LANES);
    a->lags = tempo_lags(a->sample_rate, a->hop);
    tt_status s = set_up(a, features);
    if (s != TT_OK) {
        tt_analyzer_free(a);
        return s;
    }
    *out = a;
    return TT_OK;
}

void tt_analyzer_free(tt_analyzer *a)
{
    if (!a) return;
    spectrum_free(a);
    tt_filters_free(&a->mel_filters);
    void *owned[] = {a->hz,     a->chroma_filters, a->tonnetz,   a->dct,       a->padded, a->magnitude_room,
                     a->before, a->rise,           a->extremes,  a->mel_power, a->mel_db, a->valley,
                     a->peak,   a->energy,         a->crossings, a->matrix,    a->sorted, a->moments,
                     a->names,  a->tempo};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(a);
}

int64_t tt_analyzer_samples(const tt_analyzer *a)
{
    return a->samples;
}

int64_t tt_analyzer_frames(const tt_analyzer *a)
{
    return a->frames;
}

int64_t tt_analyzer_mels(const tt_analyzer *a)
{
    return a->mel_wanted ? a->n_mels : 0;
}

int64_t tt_analyzer_columns(const tt_analyzer *a)
{
    return (int64_t)a->wanted * STATISTICS;
}

int64_t tt_analyzer_lags(const tt_analyzer *a)
{
    return a->tempo_wanted ? a->lags : 0;
}

const char *const *tt_analyzer_names(const tt_analyzer *a)
{
    return (const char *const *)a->names;
}

/** What needs all frames. */
static void analyse_whole(tt_analyzer *a, const float *samples, float *audio)
{
    analyzer_phase(a, "time");
    frames_time(a, samples);
    analyzer_phase(a, "cepstral");
    frames_whole(a);
    analyzer_phase(a, "statistics");
    statistics_rows(a, audio);
}

void tt_analyzer_time(tt_analyzer *a, tt_phases *phases)
{
    a->phases = phases;
}

void analyzer_phase(tt_analyzer *a, const char *name)
{
    if (a->phases) tt_phase(a->phases, name);
}

void tt_analyzer_clip(tt_analyzer *a, const float *samples, float *mel, float *audio)
{
    analyzer_phase(a, "transform");
    memcpy(a->padded + a->n_fft / 2, samples, (size_t)a->samples * sizeof *samples);
    bool rest = audio && (a->wanted > 0 || a->tempo_wanted);
    for (int64_t first = 0; first < a->frames; first += LANES) {
        analyzer_phase(a, "transform");
        spectrum_frames(a, first);
        analyzer_phase(a, "mel");
        frames_mel(a, first);
        if (!rest || !a->plan_wide) continue;
        analyzer_phase(a, "spectral");
        frames_spectral(a, first);
    }
    analyzer_phase(a, "mel");
    float largest = frames_mel_db(a);
    for (int64_t band = 0; mel && band < tt_analyzer_mels(a); band++)
        for (int64_t t = 0; t < a->frames; t++)
            mel[band * a->frames + t] = a->mel_db[band * a->stride + t] - largest;
    if (rest) analyse_whole(a, samples, audio);
    analyzer_phase(a, NULL);
}

int tt_analyzer_feature(const tt_analyzer *a, const char *feature, float *out)
{
    const float *from = NULL;
    int bands = 0;
    if (strcmp(feature, "mel_power") == 0) {
        from = a->mel_power;
        bands = a->n_mels;
    }
    for (int f = 0; f < FEATURES; f++)
        if (strcmp(feature, a->feature[f].name) == 0) {
            from = a->matrix + a->feature[f].row * a->stride;
            bands = a->feature[f].bands;
        }
    for (int band = 0; band < bands; band++)
        memcpy(out + band * a->frames, from + band * a->stride, (size_t)a->frames * sizeof *out);
    return bands;
}
