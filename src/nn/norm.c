#include "nn/norm.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

static const double epsilon = 1e-5;

/* Pixels whose sums stay in float before they go to a wider sum. */
enum { RUN = 64 };

/* What both passes work with. */
typedef struct scratch {
    double *first, *second;  /* [groups] */
    float *a, *b, *c, *mean; /* [channels] */
} scratch;

int64_t tt_norm_scratch(const tt_norm_shape *shape)
{
    return 2 * shape->groups + 2 * shape->channels;
}

static scratch lay_out(const tt_norm_shape *n, double *memory)
{
    float *channels = (float *)(void *)(memory + 2 * n->groups);
    memset(memory, 0, (size_t)(2 * n->groups) * sizeof *memory);
    return (scratch){memory,
                     memory + n->groups,
                     channels,
                     channels + n->channels,
                     channels + 2 * n->channels,
                     channels + 3 * n->channels};
}

static int64_t run_at(const tt_norm_shape *n, int64_t pixel)
{
    return n->pixels - pixel < RUN ? n->pixels - pixel : RUN;
}

static void add_to_groups(const tt_norm_shape *n, const float *value, const float *factor, double *sum)
{
    int64_t each = n->channels / n->groups;
    for (int64_t c = 0; c < n->channels; c++)
        sum[c / each] += (double)value[c] * (factor ? (double)factor[c] : 1.0);
}

static void spread_means(const tt_norm_shape *n, const float *moments, float *mean)
{
    for (int64_t c = 0; c < n->channels; c++) mean[c] = moments[2 * (c / (n->channels / n->groups))];
}

/* Per channel: the sum of a run of pixels. */
TT_KERNEL static void norm_sum(int64_t pixels, int64_t channels, const float *restrict x, float *restrict sum)
{
    memset(sum, 0, (size_t)channels * sizeof *sum);
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) sum[c] += x[p * channels + c];
}

/* Per channel: the sum of squares about the mean. */
TT_KERNEL static void norm_square(int64_t pixels, int64_t channels, const float *restrict x,
                                  const float *restrict mean, float *restrict sum)
{
    memset(sum, 0, (size_t)channels * sizeof *sum);
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) {
            float d = x[p * channels + c] - mean[c];
            sum[c] += d * d;
        }
}

TT_KERNEL static void norm_apply(int64_t pixels, int64_t channels, const float *x,
                                 const float *restrict scale, const float *restrict shift, float *y)
{
    for (int64_t p = 0; p < pixels; p++)
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            y[p * channels + c] = x[p * channels + c] * scale[c] + shift[c];
}

/* Per channel: sums of dy and of dy (x - mean), over a run of pixels. */
TT_KERNEL static void norm_gradient_sums(int64_t pixels, int64_t channels, const float *restrict x,
                                         const float *restrict dy, const float *restrict mean,
                                         float *restrict sum, float *restrict product)
{
    memset(sum, 0, (size_t)channels * sizeof *sum);
    memset(product, 0, (size_t)channels * sizeof *product);
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) {
            float d = dy[p * channels + c];
            sum[c] += d;
            product[c] += d * (x[p * channels + c] - mean[c]);
        }
}

/* dx = dy scale + x slope + shift, per channel. */
TT_KERNEL static void norm_back(int64_t pixels, int64_t channels, const float *restrict x, const float *dy,
                                const float *restrict scale, const float *restrict slope,
                                const float *restrict shift, float *dx)
{
    for (int64_t p = 0; p < pixels; p++)
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            dx[p * channels + c] =
                dy[p * channels + c] * scale[c] + (x[p * channels + c] * slope[c] + shift[c]);
}

static void find_moments(const tt_norm_shape *n, const float *x, const scratch *s, float *moments)
{
    double count = (double)(n->pixels * (n->channels / n->groups));
    for (int64_t p = 0; p < n->pixels; p += RUN) {
        norm_sum(run_at(n, p), n->channels, x + p * n->channels, s->a);
        add_to_groups(n, s->a, NULL, s->first);
    }
    for (int64_t g = 0; g < n->groups; g++) moments[2 * g] = (float)(s->first[g] / count);
    spread_means(n, moments, s->mean);
    for (int64_t p = 0; p < n->pixels; p += RUN) {
        norm_square(run_at(n, p), n->channels, x + p * n->channels, s->mean, s->a);
        add_to_groups(n, s->a, NULL, s->second);
    }
    for (int64_t g = 0; g < n->groups; g++)
        moments[2 * g + 1] = (float)(1 / sqrt(s->second[g] / count + epsilon));
}

void tt_norm_forward(const tt_norm_shape *n, const float *x, const float *gamma, const float *beta,
                     float *moments, double *memory, float *y)
{
    scratch s = lay_out(n, memory);
    find_moments(n, x, &s, moments);
    for (int64_t c = 0; c < n->channels; c++) {
        const float *m = moments + 2 * (c / (n->channels / n->groups));
        s.a[c] = gamma[c] * m[1];
        s.b[c] = beta[c] - m[0] * s.a[c];
    }
    norm_apply(n->pixels, n->channels, x, s.a, s.b, y);
}

/* With h = (x - mean) / deviation over the N elements of a group:
 * dx = (gamma dy - sum(gamma dy) / N - h sum(gamma dy h) / N) / deviation. */
void tt_norm_backward(const tt_norm_shape *n, const float *x, const float *gamma, const float *moments,
                      const float *dy, double *memory, float *dgamma, float *dbeta, float *dx)
{
    scratch s = lay_out(n, memory);
    int64_t each = n->channels / n->groups;
    spread_means(n, moments, s.mean);
    for (int64_t p = 0; p < n->pixels; p += RUN) {
        int64_t at = p * n->channels;
        norm_gradient_sums(run_at(n, p), n->channels, x + at, dy + at, s.mean, s.a, s.b);
        for (int64_t c = 0; c < n->channels; c++) {
            dbeta[c] += s.a[c];
            dgamma[c] += s.b[c] * moments[2 * (c / each) + 1];
        }
        add_to_groups(n, s.a, gamma, s.first);
        add_to_groups(n, s.b, gamma, s.second);
    }
    double count = (double)(n->pixels * each);
    for (int64_t c = 0; c < n->channels; c++) {
        int64_t g = c / each;
        double inverse = (double)moments[2 * g + 1];
        double slope = -s.second[g] / count * inverse * inverse * inverse;
        s.a[c] = (float)((double)gamma[c] * inverse);
        s.b[c] = (float)slope;
        s.c[c] = (float)(-s.first[g] / count * inverse - slope * (double)moments[2 * g]);
    }
    norm_back(n->pixels, n->channels, x, dy, s.a, s.b, s.c, dx);
}
