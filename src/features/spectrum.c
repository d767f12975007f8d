/* Short-time Fourier transform, in single precision, and in double where that does not do.
 *
 * A real transform of n points is a complex one of n / 2 over (even, odd) samples plus one pass that takes
 * the two apart: in single precision FFTW's complex transforms are three times as fast as its real ones, and
 * the pass runs over sixteen frames at once. In double its real ones are as fast.
 *
 * In single precision every bin has an error of some 1e-7 of the root mean square of its frame's spectrum.
 * The mel of a clip and what is made of it do not see that: its floor is 80 dB down. Features that look
 * between the partials (the valleys of spectral contrast, 120 dB and more below a clean tone) do. Where one
 * of them is wanted, frames that have so small a bin are transformed again, in double, and only the powers
 * are rounded to float. Which frames those are follows from the frame alone. */
#include "features/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>

/* A power below this share of the mean is done in double: a magnitude 90 dB down, which single precision
 * knows to about 0.3 %, or 0.03 dB. */
#define DEEP 1e-9f

/** A tile of 2 LANES numbers of each of LANES frames, frames last. Two passes of "four hands of cards", each
 * moving the two highest bits of the index to its lowest end. */
TT_KERNEL static void turn_tile(const float *restrict spectra, int64_t spectrum, float *restrict out)
{
    enum { HAND = LANES * LANES * 2 / 4, ROW = 2 * LANES };
    _Alignas(64) float half[4 * HAND];
    for (int f = 0; f < LANES / 4; f++) {
        const float *r0 = spectra + f * spectrum, *r1 = r0 + 4 * spectrum;
        const float *r2 = r1 + 4 * spectrum, *r3 = r2 + 4 * spectrum;
        float *h = half + f * 4 * ROW;
        for (int i = 0; i < ROW; i++) {
            h[4 * i] = r0[i];
            h[4 * i + 1] = r1[i];
            h[4 * i + 2] = r2[i];
            h[4 * i + 3] = r3[i];
        }
    }
    for (int i = 0; i < HAND; i++) {
        out[4 * i] = half[i];
        out[4 * i + 1] = half[i + HAND];
        out[4 * i + 2] = half[i + 2 * HAND];
        out[4 * i + 3] = half[i + 3 * HAND];
    }
}

/** Power spectra of the real signals from the complex transforms z [half, 2, LANES] of n_fft = 2 half points.
 *  X[k] = E + W O and X[half - k] = conj(E - W O), with E, O the transforms of the even and odd samples.
 *  @return the frames with a bin whose power is below `share` of the mean, one bit each */
TT_KERNEL static uint32_t split(const float *restrict z_in, const float *restrict twiddle, int half,
                                float share, float *restrict out)
{
    const lanes *z = (const lanes *)z_in;
    lanes *power = (lanes *)out;
    lanes first = 2.0f * (z[0] + z[1]), last = 2.0f * (z[0] - z[1]);
    power[0] = first * first;
    power[half] = last * last;
    lanes least = power[0], total = power[0] + power[half];
    LANES_MIN(least, least, power[half]);
    for (int k = 1; k <= half / 2; k++) {
        lanes ar = z[2 * k], ai = z[2 * k + 1], br = z[2 * (half - k)], bi = z[2 * (half - k) + 1];
        lanes er = ar + br, ei = ai - bi, or = ai + bi, oi = br - ar;
        float c = twiddle[2 * k], s = twiddle[2 * k + 1];
        lanes tr = c * or +s * oi, ti = c * oi - s * or ;
        lanes xr = er + tr, xi = ei + ti, yr = er - tr, yi = ei - ti;
        lanes x = xr * xr + xi * xi, y = yr * yr + yi * yi;
        power[k] = x;
        power[half - k] = y;
        LANES_MIN(least, least, x);
        LANES_MIN(least, least, y);
        total += x + y;
    }
    uint32_t deep = 0;
    for (int l = 0; l < LANES; l++) deep |= (uint32_t)(least[l] * (float)(half + 1) < share * total[l]) << l;
    return deep;
}

TT_KERNEL static void multiply(const float *restrict x, const float *restrict y, int64_t n,
                               float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * y[i];
}

TT_KERNEL static void multiply_wide(const float *restrict x, const double *restrict y, int64_t n,
                                    double *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = (double)x[i] * y[i];
}

/** Squares of the complex numbers z [n, 2]. */
TT_KERNEL static void squares(const double *restrict z, int64_t n, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1]);
}

/** Put n rows of `other`, of the frames that `chosen` tells by bits, in place of those of power. */
TT_KERNEL static void replace(const float *restrict other, uint32_t chosen, int64_t n, float *restrict power)
{
    lane_bits mask = {0};
    for (int l = 0; l < LANES; l++) mask[l] = chosen >> l & 1 ? -1 : 0;
    const lane_bits *from = (const lane_bits *)(const void *)other;
    lane_bits *to = (lane_bits *)(void *)power;
    for (int64_t k = 0; k < n; k++) to[k] = (from[k] & mask) | (to[k] & ~mask);
}

/** Half the complex spectrum of one frame. */
static void transform(tt_analyzer *a, const float *samples, float *out)
{
    multiply(samples, a->window, a->n_fft, a->frame);
    fftwf_execute_dft(a->plan, (fftwf_complex *)a->frame, (fftwf_complex *)out);
}

/** The power spectrum of one frame. */
static void transform_wide(tt_analyzer *a, const float *samples, float *out)
{
    multiply_wide(samples, a->window_wide, a->n_fft, a->frame_wide);
    fftw_execute_dft_r2c(a->plan_wide, a->frame_wide, a->spectrum_wide);
    squares((const double *)a->spectrum_wide, a->bins, out);
}

/** Do the chosen frames of the tile again, in double. */
static void refine(tt_analyzer *a, int64_t first, uint32_t chosen)
{
    for (int l = 0; l < LANES; l++)
        if (chosen >> l & 1) transform_wide(a, a->padded + (first + l) * a->hop, a->transform + l * a->pitch);
    for (int64_t i = 0; i < a->bins; i += 2 * LANES)
        turn_tile(a->transform + i, a->pitch, a->turned + i * LANES);
    replace(a->turned, chosen, a->bins, a->power);
}

void spectrum_frames(tt_analyzer *a, int64_t first)
{
    for (int l = 0; l < LANES; l++) {
        float *out = a->transform + l * a->pitch;
        if (first + l < a->frames)
            transform(a, a->padded + (first + l) * a->hop, out);
        else
            memset(out, 0, (size_t)a->pitch * sizeof *out);
    }
    for (int64_t i = 0; i < a->n_fft; i += 2 * LANES)
        turn_tile(a->transform + i, a->pitch, a->turned + i * LANES);
    uint32_t deep = split(a->turned, a->twiddle, a->n_fft / 2, DEEP, a->power);
    if (a->plan_wide && deep) refine(a, first, deep);
}

/** A window of `scale` times Hann's, periodic. */
static double hann(int i, int n, double scale)
{
    return scale * (0.5 - 0.5 * cos(2 * M_PI * i / n));
}

static tt_status tables(tt_analyzer *a)
{
    int n = a->n_fft;
    TT_TRY(tt_alloc(n, sizeof(float), "window", &a->window));
    TT_TRY(tt_alloc(n / 2 + 2, sizeof(float), "twiddle factors", &a->twiddle));
    TT_TRY(tt_alloc(n, sizeof(float), "a frame", &a->frame));
    TT_TRY(tt_alloc(a->pitch * LANES, sizeof(float), "spectra", &a->turned));
    for (int i = 0; i < n; i++) a->window[i] = (float)hann(i, n, 0.5);
    for (int k = 0; k <= n / 4; k++) {
        a->twiddle[2 * k] = (float)cos(2 * M_PI * k / n);
        a->twiddle[2 * k + 1] = (float)sin(2 * M_PI * k / n);
    }
    return TT_OK;
}

static tt_status tables_wide(tt_analyzer *a)
{
    TT_TRY(tt_alloc(a->n_fft, sizeof(double), "window", &a->window_wide));
    TT_TRY(tt_alloc(a->n_fft, sizeof(double), "a frame", &a->frame_wide));
    TT_TRY(tt_alloc(a->bins, sizeof(fftw_complex), "spectra", &a->spectrum_wide));
    for (int i = 0; i < a->n_fft; i++) a->window_wide[i] = hann(i, a->n_fft, 1);
    return TT_OK;
}

tt_status spectrum_new(tt_analyzer *a, bool deep)
{
    a->pitch = (a->n_fft + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
    /* rows a whole page apart would meet in the same lines of the cache */
    if (a->pitch % 1024 == 0) a->pitch += 2 * LANES;
    TT_TRY(tt_alloc(a->pitch * LANES, sizeof(float), "spectra", &a->transform));
    TT_TRY(tt_alloc((int64_t)a->bins * LANES, sizeof(float), "spectra", &a->power));
    TT_TRY(tables(a));
    if (deep) TT_TRY(tables_wide(a));
    /* FFTW_ESTIMATE: a plan chosen by timing could differ from rank to rank, and its bits with it */
    a->plan = fftwf_plan_dft_1d(a->n_fft / 2, (fftwf_complex *)a->frame, (fftwf_complex *)a->transform,
                                FFTW_FORWARD, FFTW_ESTIMATE);
    if (deep) a->plan_wide = fftw_plan_dft_r2c_1d(a->n_fft, a->frame_wide, a->spectrum_wide, FFTW_ESTIMATE);
    if (!a->plan || (deep && !a->plan_wide))
        return tt_fail(TT_ERR_INTERNAL, "FFTW has no plan for features.n_fft = %d", a->n_fft);
    return TT_OK;
}

void spectrum_free(tt_analyzer *a)
{
    if (a->plan) fftwf_destroy_plan(a->plan);
    if (a->plan_wide) fftw_destroy_plan(a->plan_wide);
    void *owned[] = {a->window,     a->twiddle,       a->frame,     a->turned, a->window_wide,
                     a->frame_wide, a->spectrum_wide, a->transform, a->power};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}
