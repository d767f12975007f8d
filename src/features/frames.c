/* Features of frames, in librosa's definitions (version 0.9). */
#include "features/internal.h"

#include <float.h>
#include <math.h>

#define AMIN 1e-10f /* librosa's floor under powers */

TT_KERNEL static void filter_rows(const float *restrict power_in, const tt_filters *filters, int64_t stride,
                                  float *restrict out)
{
    const lanes *power = (const lanes *)power_in;
    const float *weight = filters->weights;
    for (int row = 0; row < filters->rows; row++) {
        lanes sum = {0};
        const lanes *p = power + filters->first[row];
        int n = filters->count[row];
        for (int i = 0; i < n; i++) sum += weight[i] * p[i];
        weight += n;
        memcpy(out + row * stride, &sum, sizeof sum);
    }
}

void frames_mel(tt_analyzer *a, int64_t first)
{
    filter_rows(a->power, &a->mel_filters, a->stride, a->mel_power + first);
}

/** Sums over short runs of bins are added to the total, which keeps the error of a thousand additions at that
 * of some tens: roll-off compares a running sum with a share of the total. */
enum { RUN = 32 };

/** Spectral centroid, bandwidth and roll-off (85 %). */
TT_KERNEL static void shape(const float *restrict magnitude, const float *restrict hz, int bins,
                            float *restrict centroid, float *restrict bandwidth, float *restrict rolloff)
{
    const lanes *s = (const lanes *)magnitude;
    lanes total = {0}, first = {0}, second = {0}, below = {0};
    for (int begin = 0; begin < bins; begin += RUN) {
        int end = begin + RUN < bins ? begin + RUN : bins;
        lanes sum = {0}, moment = {0};
        for (int k = begin; k < end; k++) {
            sum += s[k];
            moment += hz[k] * s[k];
        }
        total += sum;
        first += moment;
    }
    lanes scale = {0};
    for (int l = 0; l < LANES; l++) scale[l] = total[l] < FLT_MIN ? 1.0f : 1.0f / total[l];
    lanes centre = first * scale;
    lanes threshold = 0.85f * total, running = {0};
    for (int begin = 0; begin < bins; begin += RUN) {
        int end = begin + RUN < bins ? begin + RUN : bins;
        lanes sum = {0};
        for (int k = begin; k < end; k++) {
            sum += s[k];
            lanes apart = hz[k] - centre, reached = running + sum;
            second += s[k] * apart * apart;
            below -= __builtin_convertvector(reached < threshold, lanes); /* true is -1 */
        }
        running += sum;
    }
    second *= scale;
    for (int l = 0; l < LANES; l++) {
        centroid[l] = centre[l];
        bandwidth[l] = __builtin_sqrtf(second[l]);
        int bin = (int)below[l];
        rolloff[l] = hz[bin < bins ? bin : bins - 1];
    }
}

/** Geometric over arithmetic mean of the power. Three powers share a logarithm: their product stays in the
 * range of a float, from (1e-10)^3 up to (4e12)^3. */
TT_KERNEL static void flatness(const float *restrict power, int bins, float *restrict out)
{
    _Alignas(64) float logs[LANES] = {0}, sum[LANES] = {0};
    int k = 0;
    for (; k + 3 <= bins; k += 3) {
        const float *p = power + (int64_t)k * LANES;
        for (int l = 0; l < LANES; l++) {
            float x = p[l] > AMIN ? p[l] : AMIN;
            float y = p[l + LANES] > AMIN ? p[l + LANES] : AMIN;
            float z = p[l + 2 * LANES] > AMIN ? p[l + 2 * LANES] : AMIN;
            sum[l] += x + y + z;
            float log;
            LOG_FAST(log, x * y * z);
            logs[l] += log;
        }
    }
    for (; k < bins; k++)
        for (int l = 0; l < LANES; l++) {
            float p = power[(int64_t)k * LANES + l], x = p > AMIN ? p : AMIN;
            sum[l] += x;
            float log;
            LOG_FAST(log, x);
            logs[l] += log;
        }
    float n = (float)bins;
    for (int l = 0; l < LANES; l++) out[l] = expf(logs[l] / n) / (sum[l] / n);
}

/** Insert each of n magnitudes into two short lists per lane: the K smallest, ascending, and the K largest,
 * descending. */
#define INSERT_ALL(K)                                                                                        \
    for (int k = 0; k < n; k++) {                                                                            \
        float x[LANES], y[LANES];                                                                            \
        TT_UNROLL for (int l = 0; l < LANES; l++) x[l] = y[l] = magnitude[(int64_t)k * LANES + l];           \
        TT_UNROLL for (int i = 0; i < (K); i++)                                                              \
        {                                                                                                    \
            _Pragma("omp simd simdlen(16)") for (int l = 0; l < LANES; l++)                                  \
            {                                                                                                \
                float a = low[i][l], b = high[i][l], u = x[l], v = y[l];                                     \
                low[i][l] = a < u ? a : u;                                                                   \
                x[l] = a > u ? a : u;                                                                        \
                high[i][l] = b > v ? b : v;                                                                  \
                y[l] = b < v ? b : v;                                                                        \
            }                                                                                                \
        }                                                                                                    \
    }

/** The same with the lists in registers. */
#define INSERT_CASE(K)                                                                                       \
    case K: {                                                                                                \
        float low[K][LANES], high[K][LANES];                                                                 \
        memcpy(low, lists, sizeof low);                                                                      \
        memcpy(high, lists + (K)*LANES, sizeof high);                                                        \
        INSERT_ALL(K)                                                                                        \
        memcpy(lists, low, sizeof low);                                                                      \
        memcpy(lists + (K)*LANES, high, sizeof high);                                                        \
        break;                                                                                               \
    }

TT_KERNEL static void insert_all(const float *restrict magnitude, int n, int extreme, float *restrict lists)
{
    switch (extreme) {
        INSERT_CASE(1)
        INSERT_CASE(2)
        INSERT_CASE(3)
        INSERT_CASE(4)
        INSERT_CASE(5)
        INSERT_CASE(6)
        INSERT_CASE(7)
        INSERT_CASE(8)
        INSERT_CASE(9)
        INSERT_CASE(10)
    default: {
        float(*low)[LANES] = (float(*)[LANES])lists, (*high)[LANES] = low + extreme;
        INSERT_ALL(extreme)
    }
    }
}

/** Mean of the `extreme` smallest and of the `extreme` largest of n magnitudes. */
static void extremes(const float *magnitude, int n, int extreme, float *lists, float *valley, float *peak)
{
    float *low = lists, *high = lists + (int64_t)extreme * LANES;
    for (int i = 0; i < extreme * LANES; i++) {
        low[i] = FLT_MAX;
        high[i] = 0;
    }
    insert_all(magnitude, n, extreme, lists);
    for (int l = 0; l < LANES; l++) {
        float small = 0, large = 0;
        for (int i = 0; i < extreme; i++) {
            small += low[(int64_t)i * LANES + l];
            large += high[(int64_t)i * LANES + l];
        }
        valley[l] = small / (float)extreme;
        peak[l] = large / (float)extreme;
    }
}

/** Chroma scaled to a maximum of 1, and its projection onto the tonal centroid space. */
TT_KERNEL static void chroma(const float *restrict power, const float *restrict filters,
                             const float *restrict projection, int bins, int64_t stride, float *restrict out,
                             float *restrict tonnetz)
{
    const lanes *p = (const lanes *)power;
    lanes c[TT_CHROMA] = {{0}};
    for (int k = 0; k < bins; k++)
        for (int i = 0; i < TT_CHROMA; i++) c[i] += filters[k * TT_CHROMA + i] * p[k];
    lanes largest = c[0], sum = {0};
    for (int i = 1; i < TT_CHROMA; i++) LANES_MAX(largest, largest, c[i]);
    for (int l = 0; l < LANES; l++) largest[l] = largest[l] < FLT_MIN ? 1.0f : 1.0f / largest[l];
    for (int i = 0; i < TT_CHROMA; i++) {
        c[i] *= largest;
        sum += c[i];
        memcpy(out + i * stride, &c[i], sizeof c[i]);
    }
    for (int l = 0; l < LANES; l++) sum[l] = sum[l] < FLT_MIN ? 1.0f : 1.0f / sum[l];
    for (int row = 0; row < TT_TONNETZ; row++) {
        lanes t = {0};
        for (int i = 0; i < TT_CHROMA; i++) t += projection[row * TT_CHROMA + i] * c[i];
        t *= sum;
        memcpy(tonnetz + row * stride, &t, sizeof t);
    }
}

/** Mean over bins of what each frame's magnitudes have gained on the frame before; nothing for the first.
 * @param magnitude  [bins, LANES] behind at least one value that can be read
 * @param before     [bins] magnitudes of the frame before the tile, replaced by those of its last frame */
TT_KERNEL static void flux(const float *restrict magnitude, int bins, bool is_first, float *restrict before,
                           float *restrict out)
{
    const float *now = magnitude;
    lanes sum = {0}, zero = {0};
    float first = 0;
    for (int k = 0; k < bins; k++, now += LANES) {
        lanes here, last; /* lane 0 meets a neighbour of another bin: it is done below */
        memcpy(&here, now, sizeof here);
        memcpy(&last, now - 1, sizeof last);
        lanes gain = here - last;
        LANES_MAX(gain, gain, zero);
        sum += gain;
    }
    now = magnitude;
    for (int k = 0; k < bins; k++, now += LANES) {
        float gain = is_first ? 0 : now[0] - before[k];
        first += gain > 0 ? gain : 0;
        before[k] = now[LANES - 1];
    }
    sum /= (float)bins;
    memcpy(out, &sum, sizeof sum);
    out[0] = first / (float)bins;
}

TT_KERNEL static void root(const float *restrict x, int64_t n, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = __builtin_sqrtf(x[i]);
}

float *frames_row(const tt_analyzer *a, feature_id id)
{
    return a->matrix + a->feature[id].row * a->stride;
}

static bool any_wanted(const tt_analyzer *a, feature_id first, feature_id last)
{
    bool any = false;
    for (feature_id id = first; id <= last; id++) any |= a->feature[id].wanted;
    return any;
}

void frames_spectral(tt_analyzer *a, int64_t first)
{
    root(a->power, (int64_t)a->bins * LANES, a->magnitude);
    if (a->feature[FLUX].wanted) flux(a->magnitude, a->bins, first == 0, a->before, a->rise + first);
    if (any_wanted(a, CENTROID, ROLLOFF))
        shape(a->magnitude, a->hz, a->bins, frames_row(a, CENTROID) + first, frames_row(a, BANDWIDTH) + first,
              frames_row(a, ROLLOFF) + first);
    if (a->feature[FLATNESS].wanted) flatness(a->power, a->bins, frames_row(a, FLATNESS) + first);
    if (any_wanted(a, CHROMA, TONNETZ))
        chroma(a->power, a->chroma_filters, a->tonnetz, a->bins, a->stride, frames_row(a, CHROMA) + first,
               frames_row(a, TONNETZ) + first);
    for (int b = 0; a->feature[CONTRAST].wanted && b < a->n_contrast; b++) {
        contrast_band band = a->contrast[b];
        extremes(a->magnitude + (int64_t)band.begin * LANES, band.end - band.begin, band.extreme, a->extremes,
                 a->valley + b * a->stride + first, a->peak + b * a->stride + first);
    }
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b > 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/** Sum of squares and number of sign changes (from the sample before) of n samples. Values up to 1e-10 count
 * as zero, and zero as positive. */
TT_KERNEL static void run_sums(const float *restrict x, int64_t n, double *energy, int64_t *crossings)
{
    float squares[LANES] = {0};
    int32_t changes = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) squares[l] += x[i + l] * x[i + l];
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += (double)squares[l];
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (i = 0; i < n; i++) changes += (x[i] < -1e-10f) != (x[i - 1] < -1e-10f);
    *energy = sum;
    *crossings = changes;
}

/** Frames begin and end at multiples of one step, so running sums at those borders give every frame at once.
 *  The padding repeats the edge samples for zero crossings and is zero for RMS; neither adds to the sums. */
void frames_time(tt_analyzer *a, const float *samples)
{
    int64_t pad = a->n_fft / 2, step = common_divisor(a->hop, pad), runs = (a->samples + step - 1) / step;
    for (int64_t r = 0; r < runs; r++) {
        /* the sample before the first is its own copy */
        int64_t begin = r * step, end = begin + step < a->samples ? begin + step : a->samples;
        double energy;
        int64_t crossings;
        run_sums(a->padded + pad + begin, end - begin, &energy, &crossings);
        if (r == 0) crossings -= samples[0] < -1e-10f; /* against the zero before it */
        a->energy[r + 1] = a->energy[r] + energy;
        a->crossings[r + 1] = a->crossings[r] + crossings;
    }
    float *zcr = frames_row(a, ZERO_CROSSING_RATE), *rms = frames_row(a, RMS);
    for (int64_t t = 0; t < a->frames; t++) {
        int64_t start = t * a->hop - pad, begin = start / step, end = (start + a->n_fft) / step;
        if (begin < 0) begin = 0;
        if (end > runs) end = runs;
        int64_t n = a->crossings[end] - a->crossings[begin];
        /* a frame does not see the change into its own first sample */
        if (start > 0) n -= (samples[start] < -1e-10f) != (samples[start - 1] < -1e-10f);
        zcr[t] = (float)((double)n / a->n_fft);
        rms[t] = (float)sqrt((a->energy[end] - a->energy[begin]) / a->n_fft);
    }
}

/** 10 log10(max(1e-10, x)) of n values, a multiple of LANES, in place if wanted; returns the largest. */
TT_KERNEL static float decibels(const float *x, int64_t n, float *out)
{
    const float scale = 4.34294482f; /* 10 / ln 10 */
    _Alignas(64) float most[LANES], largest;
    for (int l = 0; l < LANES; l++) most[l] = -FLT_MAX;
    for (int64_t i = 0; i < n; i += LANES) {
        _Alignas(64) float value[LANES];
        memcpy(value, x + i, sizeof value);
        /* apart from the next loop, which GCC would split by the case that the result is that of AMIN */
#pragma omp simd simdlen(16)
        for (int l = 0; l < LANES; l++) value[l] = value[l] > AMIN ? value[l] : AMIN;
#pragma omp simd simdlen(16)
        for (int l = 0; l < LANES; l++) {
            float log;
            LOG_FAST(log, value[l]);
            value[l] = scale * log;
        }
#pragma omp simd simdlen(16)
        for (int l = 0; l < LANES; l++) most[l] = value[l] > most[l] ? value[l] : most[l];
        memcpy(out + i, value, sizeof value);
    }
    largest = most[0];
    for (int l = 1; l < LANES; l++) largest = most[l] > largest ? most[l] : largest;
    return largest;
}

TT_KERNEL static void raise_to(float *restrict x, int64_t n, float floor)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] > floor ? x[i] : floor;
}

float frames_mel_db(tt_analyzer *a)
{
    int64_t n = a->n_mels * a->stride;
    float largest = decibels(a->mel_power, n, a->mel_db);
    raise_to(a->mel_db, n, largest - a->top_db);
    return largest;
}

/** Coefficients [n_out, stride] of the columns of db [n, stride]. */
TT_KERNEL static void transform_columns(const float *restrict dct, const float *restrict db, int n_out, int n,
                                        int64_t stride, float *restrict out)
{
    for (int64_t t = 0; t < stride; t += LANES)
        for (int k = 0; k < n_out; k++) {
            lanes sum = {0};
            for (int i = 0; i < n; i++) {
                lanes x;
                memcpy(&x, db + i * stride + t, sizeof x);
                sum += dct[(int64_t)k * n + i] * x;
            }
            memcpy(out + k * stride + t, &sum, sizeof sum);
        }
}

/** Mean over bands of what each frame has gained on the one before; moved right by half a window, as centred
 * frames need. */
TT_KERNEL static void onset(const float *restrict db, int bands, int64_t stride, int64_t frames,
                            int64_t shift, float *restrict out)
{
    memset(out, 0, (size_t)stride * sizeof *out);
    for (int b = 0; b < bands; b++)
        for (int64_t t = 0; t + shift < frames; t++) {
            float gain = db[b * stride + t + 1] - db[b * stride + t];
            out[t + shift] += gain > 0 ? gain : 0;
        }
    for (int64_t t = 0; t < frames; t++) out[t] /= (float)bands;
}

/** Peak over valley in dB; either is floored 80 dB below its own maximum over the clip, as librosa's
 * power_to_db does. */
static void contrast(tt_analyzer *a)
{
    int64_t n = a->n_contrast * a->stride;
    float *out = frames_row(a, CONTRAST);
    float largest = decibels(a->peak, n, a->peak);
    raise_to(a->peak, n, largest - 80.0f);
    largest = decibels(a->valley, n, a->valley);
    raise_to(a->valley, n, largest - 80.0f);
    for (int64_t i = 0; i < n; i++) out[i] = a->peak[i] - a->valley[i];
}

void frames_whole(tt_analyzer *a)
{
    int64_t shift = a->n_fft / (2 * a->hop);
    if (a->feature[CONTRAST].wanted) contrast(a);
    if (a->feature[MFCC].wanted)
        transform_columns(a->dct, a->mel_db, a->n_mfcc, a->n_mels, a->stride, frames_row(a, MFCC));
    if (a->feature[ONSET].wanted || a->tempo_wanted)
        onset(a->mel_db, a->n_mels, a->stride, a->frames, 1 + shift, frames_row(a, ONSET));
    float *late = frames_row(a, FLUX);
    for (int64_t t = 0; t < a->frames; t++) late[t] = t < shift ? 0 : a->rise[t - shift];
}
