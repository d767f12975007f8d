#include "features/filters.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slaney's Auditory Toolbox scale: linear below 1 kHz, logarithmic above. */
static const double slaney_step = 200.0 / 3, slaney_break_hz = 1000.0, slaney_break_mel = 15.0;

static double slaney_log_step(void)
{
    return log(6.4) / 27.0;
}

static double hz_to_mel(double hz, bool htk)
{
    if (htk) return 2595.0 * log10(1.0 + hz / 700.0);
    if (hz < slaney_break_hz) return hz / slaney_step;
    return slaney_break_mel + log(hz / slaney_break_hz) / slaney_log_step();
}

static double mel_to_hz(double mel, bool htk)
{
    if (htk) return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
    if (mel < slaney_break_mel) return mel * slaney_step;
    return slaney_break_hz * exp(slaney_log_step() * (mel - slaney_break_mel));
}

/** Weight of a triangle with corners edge[0..2] at `hz`. */
static double triangle(const double *edge, double hz)
{
    double rising = (hz - edge[0]) / (edge[1] - edge[0]);
    double falling = (edge[2] - hz) / (edge[2] - edge[1]);
    return fmax(0.0, fmin(rising, falling));
}

tt_status tt_filters_mel(int sample_rate, int n_fft, int n_mels, double fmin, double fmax, bool htk,
                         bool slaney_norm, tt_filters *out)
{
    int bins = 1 + n_fft / 2;
    *out = (tt_filters){.rows = n_mels};
    tt_status s = tt_alloc(n_mels, sizeof *out->first, "mel filters", &out->first);
    if (s == TT_OK) s = tt_alloc(n_mels, sizeof *out->count, "mel filters", &out->count);
    /* neighbours overlap by half: no bin has a weight in more than two filters */
    if (s == TT_OK) s = tt_alloc(2 * (int64_t)bins, sizeof *out->weights, "mel filters", &out->weights);
    if (s != TT_OK) {
        tt_filters_free(out);
        return s;
    }
    double low = hz_to_mel(fmin, htk), high = hz_to_mel(fmax, htk);
    float *weight = out->weights;
    for (int row = 0; row < n_mels; row++) {
        double edge[3];
        for (int i = 0; i < 3; i++) edge[i] = mel_to_hz(low + (high - low) * (row + i) / (n_mels + 1), htk);
        double norm = slaney_norm ? 2.0 / (edge[2] - edge[0]) : 1.0;
        for (int bin = 0; bin < bins; bin++) {
            double w = triangle(edge, (double)bin * sample_rate / n_fft);
            if (w <= 0) continue;
            if (out->count[row] == 0) out->first[row] = bin;
            out->count[row]++;
            *weight++ = (float)(w * norm);
        }
    }
    return TT_OK;
}

void tt_filters_free(tt_filters *filters)
{
    free(filters->first);
    free(filters->count);
    free(filters->weights);
    *filters = (tt_filters){0};
}

/** Pitch of an FFT bin in semitones above 27.5 Hz (A0), as librosa counts; bin 0 lies 1.5 octaves below
 * bin 1. */
static double bin_pitch(int sample_rate, int n_fft, int bin)
{
    if (bin == 0) return bin_pitch(sample_rate, n_fft, 1) - 1.5 * TT_CHROMA;
    return TT_CHROMA * log2((double)bin * sample_rate / n_fft / 27.5);
}

void tt_filters_chroma(int sample_rate, int n_fft, float *out)
{
    const double centre_octave = 5.0, octave_width = 2.0;
    for (int bin = 0; bin <= n_fft / 2; bin++) {
        double pitch = bin_pitch(sample_rate, n_fft, bin);
        double width = fmax(bin_pitch(sample_rate, n_fft, bin + 1) - pitch, 1.0);
        double weight[TT_CHROMA], norm = 0;
        for (int c = 0; c < TT_CHROMA; c++) {
            double apart = fmod(pitch - c + TT_CHROMA / 2 + 10 * TT_CHROMA, TT_CHROMA);
            if (apart < 0) apart += TT_CHROMA;
            apart -= TT_CHROMA / 2;
            weight[c] = exp(-0.5 * pow(2.0 * apart / width, 2));
            norm += weight[c] * weight[c];
        }
        double octaves = (pitch / TT_CHROMA - centre_octave) / octave_width;
        double scale = exp(-0.5 * octaves * octaves) / sqrt(norm);
        /* rows start at C, pitches at A, three semitones below */
        for (int c = 0; c < TT_CHROMA; c++)
            out[bin * TT_CHROMA + c] = (float)(weight[(c + 3) % TT_CHROMA] * scale);
    }
}

void tt_filters_tonnetz(float *out)
{
    /* fifths, minor thirds, major thirds: Harte, Sandler, Gasser, "Detecting harmonic change in musical
     * audio" */
    static const double steps[TT_TONNETZ] = {7.0 / 6, 7.0 / 6, 3.0 / 2, 3.0 / 2, 2.0 / 3, 2.0 / 3};
    static const double radius[TT_TONNETZ] = {1, 1, 1, 1, 0.5, 0.5};
    for (int row = 0; row < TT_TONNETZ; row++) {
        double shift = row % 2 == 0 ? 0.5 : 0.0;
        for (int c = 0; c < TT_CHROMA; c++)
            out[row * TT_CHROMA + c] = (float)(radius[row] * cos(M_PI * (steps[row] * c - shift)));
    }
}

void tt_filters_dct(int n_out, int n, float *out)
{
    for (int k = 0; k < n_out; k++) {
        double scale = sqrt((k == 0 ? 1.0 : 2.0) / n);
        for (int i = 0; i < n; i++)
            out[(int64_t)k * n + i] = (float)(scale * cos(M_PI * k * (2.0 * i + 1) / (2.0 * n)));
    }
}
