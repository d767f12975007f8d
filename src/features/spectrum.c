/* Short-time Fourier transform. A real transform of n points is a complex one of n / 2 over (even, odd)
 * samples plus one pass that takes the two apart; FFTW's complex transforms are three times as fast as its
 * real ones, and the pass runs over sixteen frames at once. */
#include "features/internal.h"

/** The 16 x 16 complex tile of bins [bin, bin + 16) of LANES spectra, bins first: two passes of "four hands
 * of cards", each moving the two highest bits of the index to its lowest end. */
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
 *  X[k] = E + W O and X[half - k] = conj(E - W O), with E, O the transforms of the even and odd samples. */
TT_KERNEL static void split(const float *restrict z_in, const float *restrict twiddle, int half,
                            float *restrict out)
{
    const lanes *z = (const lanes *)z_in;
    lanes *power = (lanes *)out;
    lanes first = 2.0f * (z[0] + z[1]), last = 2.0f * (z[0] - z[1]);
    power[0] = first * first;
    power[half] = last * last;
    for (int k = 1; k <= half / 2; k++) {
        lanes ar = z[2 * k], ai = z[2 * k + 1], br = z[2 * (half - k)], bi = z[2 * (half - k) + 1];
        lanes er = ar + br, ei = ai - bi, or = ai + bi, oi = br - ar;
        float c = twiddle[2 * k], s = twiddle[2 * k + 1];
        lanes tr = c * or +s * oi, ti = c * oi - s * or ;
        lanes xr = er + tr, xi = ei + ti, yr = er - tr, yi = ei - ti;
        power[k] = xr * xr + xi * xi;
        power[half - k] = yr * yr + yi * yi;
    }
}

TT_KERNEL static void multiply(const float *restrict x, const float *restrict y, int64_t n,
                               float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * y[i];
}

TT_KERNEL static void root(const float *restrict x, int64_t n, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = __builtin_sqrtf(x[i]);
}

void spectrum_frames(tt_analyzer *a, int64_t first, bool with_magnitude)
{
    int half = a->n_fft / 2;
    for (int l = 0; l < LANES; l++) {
        float *transform = a->transform + (int64_t)l * a->n_fft;
        if (first + l >= a->frames) {
            memset(transform, 0, (size_t)a->n_fft * sizeof *transform);
            continue;
        }
        multiply(a->padded + (first + l) * a->hop, a->window, a->n_fft, a->frame);
        fftwf_execute_dft(a->plan, (fftwf_complex *)a->frame, (fftwf_complex *)transform);
    }
    for (int bin = 0; bin < half; bin += LANES)
        turn_tile(a->transform + 2 * bin, a->n_fft, a->turned + (int64_t)bin * 2 * LANES);
    split(a->turned, a->twiddle, half, a->power);
    if (with_magnitude) root(a->power, (int64_t)a->bins * LANES, a->magnitude);
}
