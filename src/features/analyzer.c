#include "features/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_status check(const tt_audio_params *audio, const tt_features_params *p)
{
    double nyquist = audio->sample_rate / 2.0;
    if (p->n_fft < 64 || p->n_fft > 65536 || p->n_fft % 32 != 0)
        return tt_fail(TT_ERR_CONFIG, "features.n_fft is %d; it must be a multiple of 32 from 64 to 65536",
                       p->n_fft);
    if (p->hop_length < 1 || p->hop_length > p->n_fft)
        return tt_fail(TT_ERR_CONFIG, "features.hop_length is %d; it must be from 1 to n_fft (%d)",
                       p->hop_length, p->n_fft);
    if (p->n_mels < 1 || p->n_mels > p->n_fft / 2)
        return tt_fail(TT_ERR_CONFIG, "features.n_mels is %d; it must be from 1 to n_fft / 2 (%d)", p->n_mels,
                       p->n_fft / 2);
    if (p->n_mfcc < 1 || p->n_mfcc > p->n_mels || p->n_mfcc > 99)
        return tt_fail(TT_ERR_CONFIG, "features.n_mfcc is %d; it must be from 1 to n_mels (%d), at most 99",
                       p->n_mfcc, p->n_mels);
    if (!(p->fmin >= 0 && p->fmin < p->fmax))
        return tt_fail(TT_ERR_CONFIG, "features.fmin is %g; it must be from 0 to below fmax (%g)", p->fmin,
                       p->fmax);
    if (!(p->fmax <= nyquist))
        return tt_fail(TT_ERR_CONFIG,
                       "features.fmax is %g; it must be at most half of audio.sample_rate (%g)", p->fmax,
                       nyquist);
    if (strcmp(p->mel_scale, "slaney") != 0 && strcmp(p->mel_scale, "htk") != 0)
        return tt_fail(TT_ERR_CONFIG, "features.mel_scale is \"%s\"; it must be slaney or htk", p->mel_scale);
    if (!(p->top_db > 0))
        return tt_fail(TT_ERR_CONFIG, "features.top_db is %g; it must be above 0", p->top_db);
    if (!(audio->clip_seconds * audio->sample_rate >= p->n_fft))
        return tt_fail(TT_ERR_CONFIG,
                       "audio.clip_seconds is %g; a clip must hold n_fft (%d) samples, %g s or more",
                       audio->clip_seconds, p->n_fft, (double)p->n_fft / audio->sample_rate);
    if (!(audio->clip_seconds <= 3600))
        return tt_fail(TT_ERR_CONFIG, "audio.clip_seconds is %g; it must be at most 3600",
                       audio->clip_seconds);
    return TT_OK;
}

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

static void list_features(tt_analyzer *a)
{
    const frame_feature all[FEATURES] = {
        [ZERO_CROSSING_RATE] = {"zero_crossing_rate", 0, 1},
        [RMS] = {"rms", 0, 1},
        [CENTROID] = {"spectral_centroid", 0, 1},
        [BANDWIDTH] = {"spectral_bandwidth", 0, 1},
        [ROLLOFF] = {"spectral_rolloff", 0, 1},
        [FLATNESS] = {"spectral_flatness", 0, 1},
        [CONTRAST] = {"spectral_contrast", 0, a->n_contrast},
        [MFCC] = {"mfcc", 0, a->n_mfcc},
        [CHROMA] = {"chroma_stft", 0, TT_CHROMA},
        [TONNETZ] = {"tonnetz", 0, TT_TONNETZ},
        [ONSET] = {"onset_strength", 0, 1},
    };
    for (int f = 0; f < FEATURES; f++) {
        a->feature[f] = all[f];
        a->feature[f].row = a->rows;
        a->rows += all[f].bands;
    }
}

static tt_status name_columns(tt_analyzer *a)
{
    enum { NAME = 48 };
    int64_t columns = tt_analyzer_columns(a);
    TT_TRY(tt_alloc(columns, sizeof(char *) + NAME, "feature names", &a->names));
    char *text = (char *)(a->names + columns);
    int64_t column = 0;
    for (int f = 0; f < FEATURES; f++)
        for (int band = 0; band < a->feature[f].bands; band++)
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
    int n = a->n_fft;
    TT_TRY(tt_alloc(n, sizeof(float), "window", &a->window));
    TT_TRY(tt_alloc(n / 2 + 2, sizeof(float), "twiddle factors", &a->twiddle));
    TT_TRY(tt_alloc(a->bins, sizeof(float), "frequencies", &a->hz));
    TT_TRY(tt_alloc((int64_t)a->bins * TT_CHROMA, sizeof(float), "chroma filters", &a->chroma_filters));
    TT_TRY(tt_alloc(TT_TONNETZ * TT_CHROMA, sizeof(float), "tonnetz", &a->tonnetz));
    TT_TRY(tt_alloc((int64_t)a->n_mfcc * a->n_mels, sizeof(float), "cosines", &a->dct));
    for (int i = 0; i < n; i++) a->window[i] = (float)(0.5 * (0.5 - 0.5 * cos(2 * M_PI * i / n)));
    for (int k = 0; k <= n / 4; k++) {
        a->twiddle[2 * k] = (float)cos(2 * M_PI * k / n);
        a->twiddle[2 * k + 1] = (float)sin(2 * M_PI * k / n);
    }
    for (int k = 0; k < a->bins; k++) a->hz[k] = (float)((double)k * a->sample_rate / n);
    tt_filters_chroma(a->sample_rate, n, a->chroma_filters);
    tt_filters_tonnetz(a->tonnetz);
    tt_filters_dct(a->n_mfcc, a->n_mels, a->dct);
    return tt_filters_mel(a->sample_rate, n, a->n_mels, p->fmin, p->fmax, strcmp(p->mel_scale, "htk") == 0,
                          &a->mel_filters);
}

static tt_status make_room(tt_analyzer *a)
{
    int64_t half = a->n_fft / 2, width = statistics_width(a->rows);
    int64_t longest = 1;
    for (int b = 0; b < a->n_contrast; b++)
        if (a->contrast[b].extreme > longest) longest = a->contrast[b].extreme;
    TT_TRY(tt_alloc(2 * half + a->samples, sizeof(float), "a clip", &a->padded));
    TT_TRY(tt_alloc(a->n_fft, sizeof(float), "a frame", &a->frame));
    TT_TRY(tt_alloc((int64_t)a->n_fft * LANES, sizeof(float), "spectra", &a->transform));
    TT_TRY(tt_alloc((int64_t)a->n_fft * LANES, sizeof(float), "spectra", &a->turned));
    TT_TRY(tt_alloc((int64_t)a->bins * LANES, sizeof(float), "spectra", &a->power));
    TT_TRY(tt_alloc((int64_t)a->bins * LANES, sizeof(float), "spectra", &a->magnitude));
    TT_TRY(tt_alloc(2 * longest * LANES, sizeof(float), "spectral contrast", &a->extremes));
    TT_TRY(tt_alloc(a->n_mels * a->stride, sizeof(float), "mel power", &a->mel_power));
    TT_TRY(tt_alloc(a->n_mels * a->stride, sizeof(float), "mel decibels", &a->mel_db));
    TT_TRY(tt_alloc(a->n_contrast * a->stride, sizeof(float), "spectral contrast", &a->valley));
    TT_TRY(tt_alloc(a->n_contrast * a->stride, sizeof(float), "spectral contrast", &a->peak));
    TT_TRY(tt_alloc(a->samples + 2, sizeof(double), "running energy", &a->energy));
    TT_TRY(tt_alloc(a->samples + 2, sizeof(int64_t), "running zero crossings", &a->crossings));
    TT_TRY(tt_alloc(a->rows * a->stride, sizeof(float), "frame features", &a->matrix));
    TT_TRY(tt_alloc(a->frames * width, sizeof(float), "frame features", &a->sorted));
    return tt_alloc(4 * width, sizeof(double), "statistics", &a->moments);
}

static tt_status set_up(tt_analyzer *a, const tt_features_params *p)
{
    contrast_bands(a);
    list_features(a);
    TT_TRY(name_columns(a));
    TT_TRY(make_tables(a, p));
    TT_TRY(make_room(a));
    /* FFTW_ESTIMATE: a plan chosen by timing could differ from rank to rank, and its bits with it */
    a->plan = fftwf_plan_dft_1d(a->n_fft / 2, (fftwf_complex *)a->frame, (fftwf_complex *)a->transform,
                                FFTW_FORWARD, FFTW_ESTIMATE);
    if (!a->plan) return tt_fail(TT_ERR_INTERNAL, "FFTW has no plan for features.n_fft = %d", a->n_fft);
    return TT_OK;
}

tt_status tt_analyzer_new(const tt_audio_params *audio, const tt_features_params *features, tt_analyzer **out)
{
    *out = NULL;
    TT_TRY(check(audio, features));
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
    a->stride = (a->frames + LANES - 1) / LANES * LANES;
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
    if (a->plan) fftwf_destroy_plan(a->plan);
    tt_filters_free(&a->mel_filters);
    void *owned[] = {a->window,    a->twiddle,   a->hz,        a->chroma_filters, a->tonnetz, a->dct,
                     a->padded,    a->frame,     a->transform, a->turned,         a->power,   a->magnitude,
                     a->extremes,  a->mel_power, a->mel_db,    a->valley,         a->peak,    a->energy,
                     a->crossings, a->matrix,    a->sorted,    a->moments,        a->names};
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

int64_t tt_analyzer_columns(const tt_analyzer *a)
{
    return (int64_t)a->rows * STATISTICS;
}

const char *const *tt_analyzer_names(const tt_analyzer *a)
{
    return (const char *const *)a->names;
}

void tt_analyzer_clip(tt_analyzer *a, const float *samples, float *mel, float *audio)
{
    memcpy(a->padded + a->n_fft / 2, samples, (size_t)a->samples * sizeof *samples);
    for (int64_t first = 0; first < a->frames; first += LANES) {
        spectrum_frames(a, first, audio != NULL);
        frames_mel(a, first);
        if (audio) frames_spectral(a, first);
    }
    float largest = frames_mel_db(a);
    for (int64_t band = 0; band < a->n_mels; band++)
        for (int64_t t = 0; t < a->frames; t++)
            mel[band * a->frames + t] = a->mel_db[band * a->stride + t] - largest;
    if (!audio) return;
    frames_time(a, samples);
    frames_whole(a);
    statistics_rows(a, audio);
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
