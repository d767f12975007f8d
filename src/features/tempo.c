/* Tempo from onset strength, as librosa has it: a tempogram (the autocorrelation of the onset strength under
 * a window that moves by one frame, each window's normalised by its value at lag 0) is averaged over the
 * frames, and its best lag taken under a prior. The average is all that is needed, and has a short form:
 *
 *   mean[lag] = 1/T sum_t g_t sum_i w(i - t) w(i + lag - t) x(i) x(i + lag),  g_t = 1 / sum_i w(i - t)^2
 * x(i)^2 = 1/T sum_i x(i) x(i + lag) K_lag(i),  K_lag(i) = sum_t g_t w(i - t) w(i + lag - t)
 *
 * For w(a) = (1 - cos qa) / 2 the product of the two windows is a trigonometric polynomial of second degree
 * in t, and K_lag(i) a difference of running sums of g_t times 1, cos qt, sin qt, cos 2qt, sin 2qt: a few
 * operations for each pair of frames instead of a Fourier transform for each window. */
#include "features/internal.h"

#include "tutti/memory.h"

#include <float.h>
#include <math.h>

enum { TERMS = 5 }; /* 1, cos, sin, cos 2, sin 2 */

/** The work space, carved. Running sums are kept as high and low part: a quiet window has a weight that is
 * many orders larger than that of a loud one, and must not leave its rounding behind. */
typedef struct tempo_space {
    int64_t frames, window, padded, sums;
    int64_t begin;       /**< frames before this one are zero in x */
    double *x;           /**< [padded] onset strength between ramps */
    double *wave[TERMS]; /**< [padded] the terms at i; the first is not used */
    double *high[TERMS]; /**< [sums] running sum of the first t weights at [window + t], constant beyond the
                            ends */
    double *low[TERMS];
} tempo_space;

/** n values and a margin, whole vectors. */
static double *carve(double *room, int64_t *used, int64_t n)
{
    double *part = room ? room + *used : NULL;
    *used += (n + 2 * LANES - 1) / LANES * LANES;
    return part;
}

/** Carve `room`, if it is not NULL. @return how many numbers it must hold */
static int64_t lay_out(int64_t frames, int lags, double *room, tempo_space *s)
{
    int64_t used = 0;
    *s = (tempo_space){.frames = frames, .window = lags, .padded = frames + lags / 2 * 2};
    s->sums = s->window + s->padded + 1;
    s->x = carve(room, &used, s->padded);
    for (int k = 0; k < TERMS; k++) s->wave[k] = carve(room, &used, s->padded);
    for (int k = 0; k < TERMS; k++) s->high[k] = carve(room, &used, s->sums);
    for (int k = 0; k < TERMS; k++) s->low[k] = carve(room, &used, s->sums);
    return used;
}

int tempo_lags(int sample_rate, int hop)
{
    int lags = (int)(8 * (int64_t)sample_rate / hop);
    return lags > 1 ? lags : 1;
}

static void make_waves(tempo_space *s)
{
    for (int64_t i = 0; i < s->padded; i++) {
        double angle = 2 * M_PI * (double)(i % s->window) / (double)s->window;
        s->wave[0][i] = 1;
        s->wave[1][i] = cos(angle);
        s->wave[2][i] = sin(angle);
        s->wave[3][i] = cos(2 * angle);
        s->wave[4][i] = sin(2 * angle);
    }
}

tt_status tempo_new(tt_analyzer *a)
{
    tempo_space s;
    if (!a->tempo_wanted) return TT_OK;
    TT_TRY(tt_alloc(lay_out(a->frames, a->lags, NULL, &s), sizeof *a->tempo, "a tempogram", &a->tempo));
    lay_out(a->frames, a->lags, a->tempo, &s);
    make_waves(&s);
    return TT_OK;
}

/** numpy.pad(onset, window / 2, mode="linear_ramp"). */
static void fill(tempo_space *s, const float *onset)
{
    int64_t side = s->window / 2;
    double first = (double)onset[0], last = (double)onset[s->frames - 1];
    for (int64_t i = 0; i < side; i++) {
        s->x[i] = first * (double)i / (double)side;
        s->x[s->padded - 1 - i] = last * (double)i / (double)side;
    }
    for (int64_t t = 0; t < s->frames; t++) s->x[side + t] = (double)onset[t];
    while (s->begin < s->padded - 1 && s->x[s->begin] == 0) s->begin++;
}

/** Energy of n values under the window. */
TT_KERNEL static double windowed_energy(const double *restrict x, const double *restrict cosine, int64_t n)
{
    double sum[LANES] = {0}, total = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            double v = x[i + l] * (0.5 - 0.5 * cosine[i + l]);
            sum[l] += v * v;
        }
    for (; i < n; i++) {
        double v = x[i] * (0.5 - 0.5 * cosine[i]);
        sum[0] += v * v;
    }
    for (int l = 0; l < LANES; l++) total += sum[l];
    return total;
}

/** The running sums of the weights g_t / T times the waves. */
static void add_up(tempo_space *s)
{
    double high[TERMS] = {0}, low[TERMS] = {0};
    for (int64_t j = 0; j < s->sums; j++) {
        int64_t t = j - s->window;
        for (int k = 0; k < TERMS; k++) {
            s->high[k][j] = high[k];
            s->low[k][j] = low[k];
        }
        if (t < 0 || t >= s->frames) continue;
        double energy = windowed_energy(s->x + t, s->wave[1], s->window);
        double weight = energy < (double)FLT_MIN ? 0 : 1 / (energy * (double)s->frames);
        for (int k = 0; k < TERMS; k++) {
            double term = weight * s->wave[k][t], sum = high[k] + term, part = sum - high[k];
            low[k] += (high[k] - (sum - part)) + (term - part); /* what rounding has lost: Knuth's two-sum */
            high[k] = sum;
        }
    }
}

/** Eight frames, and the lags that are done together: they share what belongs to a frame. */
typedef double frames8 __attribute__((vector_size(8 * sizeof(double))));
enum { FRAMES = 8, LAGS = 4 };

#define LOAD(out, from) memcpy(&(out), (from), sizeof(out))

/** The means over windows at lags [first, first + LAGS). Window t holds frame i at place i - t, which runs
 * from 1 (at 0 the window is 0) to window - 1 - lag. Margins let vectors and lags run over the end, where x
 * is 0. */
TT_KERNEL static void mean_at(const tempo_space *s, int64_t first, double *restrict mean)
{
    frames8 sum[LAGS] = {{0}};
    for (int64_t i = s->begin; i < s->padded - first; i += FRAMES) {
        frames8 x, w[TERMS], high[TERMS], low[TERMS];
        LOAD(x, s->x + i);
        for (int k = 0; k < TERMS; k++) {
            LOAD(w[k], s->wave[k] + i);
            LOAD(high[k], s->high[k] + s->window + i);
            LOAD(low[k], s->low[k] + s->window + i);
        }
        TT_UNROLL for (int j = 0; j < LAGS; j++)
        {
            int64_t lag = first + j;
            frames8 later, g[TERMS], begin;
            LOAD(later, s->x + i + lag);
            for (int k = 0; k < TERMS; k++) { /* the weights g_t times 1, cos, sin, ... over the windows */
                LOAD(begin, s->high[k] + i + 1 + lag);
                g[k] = high[k] - begin;
                LOAD(begin, s->low[k] + i + 1 + lag);
                g[k] += low[k] - begin;
            }
            double c = s->wave[1][lag], d = s->wave[2][lag];
            frames8 r1 = w[1] * g[1] + w[2] * g[2], q1 = w[2] * g[1] - w[1] * g[2];
            frames8 r2 = w[3] * g[3] + w[4] * g[4], q2 = w[4] * g[3] - w[3] * g[4];
            frames8 kernel = (1 + 0.5 * c) * g[0] - (1 + c) * r1 + d * q1 + 0.5 * (c * r2 - d * q2);
            sum[j] += x * later * kernel;
        }
    }
    for (int j = 0; j < LAGS; j++) {
        double total = 0;
        for (int l = 0; l < FRAMES; l++) total += sum[j][l];
        mean[j] = 0.25 * total;
    }
}

void tt_analyzer_tempogram(tt_analyzer *a, float *out)
{
    if (!a->tempo_wanted) return;
    tempo_space s;
    analyzer_phase(a, "tempo");
    lay_out(a->frames, a->lags, a->tempo, &s);
    fill(&s, frames_row(a, ONSET));
    add_up(&s);
    for (int64_t lag = 0; lag < a->lags; lag += LAGS) {
        double mean[LAGS];
        mean_at(&s, lag, mean);
        for (int64_t j = 0; j < LAGS && lag + j < a->lags; j++) out[lag + j] = (float)fmax(mean[j], 0);
    }
    analyzer_phase(a, NULL);
}

float tt_tempo(const double *tempogram, int64_t lags, double frames_per_second)
{
    const double start = 120, most = 320;
    double best = -DBL_MAX, tempo = 0;
    for (int64_t lag = 1; lag < lags; lag++) {
        double bpm = 60 * frames_per_second / (double)lag, octaves = log2(bpm / start);
        double score = log1p(1e6 * tempogram[lag]) - 0.5 * octaves * octaves;
        if (bpm >= most || score <= best) continue;
        best = score;
        tempo = bpm;
    }
    return lags > 0 && tempogram[0] > 0 ? (float)tempo : 0;
}
