/* Statistics of every feature over the frames of a clip, one feature per lane. */
#include "features/internal.h"

#include <math.h>

const char *const statistics_names[STATISTICS] = {"mean", "std", "skew", "kurtosis", "median", "min", "max"};

int statistics_width(int rows)
{
    return (rows + LANES - 1) / LANES * LANES;
}

/** The wanted rows of the matrix as columns. */
static void turn(const tt_analyzer *a, int width, float *restrict out)
{
    int column = 0;
    for (int f = 0; f < FEATURES; f++)
        for (int band = 0; a->feature[f].wanted && band < a->feature[f].bands; band++, column++) {
            const float *row = a->matrix + (a->feature[f].row + band) * a->stride;
            for (int64_t t = 0; t < a->frames; t++) out[t * width + column] = row[t];
        }
}

/** Central moments in two passes: mean, m2, m3, m4, each [width]. */
TT_KERNEL static void moments(const float *restrict x, int64_t n, int width, double *restrict mean,
                              double *restrict m2, double *restrict m3, double *restrict m4)
{
    for (int j = 0; j < width; j++) mean[j] = m2[j] = m3[j] = m4[j] = 0;
    for (int64_t t = 0; t < n; t++)
        for (int j = 0; j < width; j++) mean[j] += (double)x[t * width + j];
    for (int j = 0; j < width; j++) mean[j] /= (double)n;
    for (int64_t t = 0; t < n; t++)
        for (int j = 0; j < width; j++) {
            double d = (double)x[t * width + j] - mean[j], square = d * d;
            m2[j] += square;
            m3[j] += square * d;
            m4[j] += square * square;
        }
    for (int j = 0; j < width; j++) {
        m2[j] /= (double)n;
        m3[j] /= (double)n;
        m4[j] /= (double)n;
    }
}

TT_KERNEL static void order_rows(float *restrict a, float *restrict b, int width)
{
    for (int j = 0; j < width; j++) {
        float small = a[j] < b[j] ? a[j] : b[j], large = a[j] > b[j] ? a[j] : b[j];
        a[j] = small;
        b[j] = large;
    }
}

/** Sort each column of x [n, width]: Batcher's merge exchange, whose comparisons do not depend on the values
 *  (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M). */
static void sort_columns(float *x, int64_t n, int width)
{
    int64_t top = 1;
    while (top * 2 < n) top *= 2;
    for (int64_t p = top; p > 0; p /= 2) {
        int64_t q = top, r = 0, d = p;
        for (;;) {
            for (int64_t i = 0; i + d < n; i++)
                if ((i & p) == r) order_rows(x + i * width, x + (i + d) * width, width);
            if (q == p) break;
            d = q - p;
            q /= 2;
            r = p;
        }
    }
}

void statistics_rows(tt_analyzer *a, float *out)
{
    int width = statistics_width(a->wanted);
    int64_t n = a->frames;
    double *mean = a->moments, *m2 = mean + width, *m3 = m2 + width, *m4 = m3 + width;
    turn(a, width, a->sorted);
    moments(a->sorted, n, width, mean, m2, m3, m4);
    sort_columns(a->sorted, n, width);
    for (int j = 0; j < a->wanted; j++) {
        float *s = out + (int64_t)j * STATISTICS;
        /* a row that is constant to the precision of a float has neither skew nor kurtosis: SciPy's rule,
         * with 0 for NaN */
        double least = 1e-6 * mean[j];
        bool flat = m2[j] <= least * least;
        s[0] = (float)mean[j];
        s[1] = (float)sqrt(m2[j]);
        s[2] = flat ? 0.0f : (float)(m3[j] / (m2[j] * sqrt(m2[j])));
        s[3] = flat ? 0.0f : (float)(m4[j] / (m2[j] * m2[j]) - 3.0);
        s[4] = 0.5f * (a->sorted[(n - 1) / 2 * width + j] + a->sorted[n / 2 * width + j]);
        s[5] = a->sorted[j];
        s[6] = a->sorted[(n - 1) * width + j];
    }
}
