#include "nn/conv_single.h"

#include "nn/bfloat.h"
#include "tutti/simd.h"

#include <string.h>

/* Taps, filled up to a vector; and pixels that are worked on together, so that their sums overlap in time. */
enum { TAPS = 9, WIDE = 16, PIXELS = 4 };

typedef float wide __attribute__((vector_size(WIDE * sizeof(float)), aligned(sizeof(float))));

/* The nine products of each pixel: t[p, k] = sum over c of x[p, c] w[c, k]. */
TT_KERNEL static void single_taps(int64_t pixels, int64_t channels, const float *restrict x,
                                  const wide *restrict w, wide *restrict t)
{
    int64_t p = 0;
    for (; p + PIXELS <= pixels; p += PIXELS) {
        const float *at = x + p * channels;
        wide a = {0}, b = {0}, c = {0}, d = {0};
        for (int64_t i = 0; i < channels; i++) {
            a += at[i] * w[i];
            b += at[channels + i] * w[i];
            c += at[2 * channels + i] * w[i];
            d += at[3 * channels + i] * w[i];
        }
        t[p] = a;
        t[p + 1] = b;
        t[p + 2] = c;
        t[p + 3] = d;
    }
    for (; p < pixels; p++) {
        wide a = {0};
        for (int64_t i = 0; i < channels; i++) a += x[p * channels + i] * w[i];
        t[p] = a;
    }
}

/* Two lines of the fine image from the products of a coarse line and the next one (zeros below the last). The
 * pixel (2 h, 2 w) is hit by the middle tap of (h, w) alone, its neighbours by two and by four. */
static void add_lines(int64_t coarse, int64_t width, float bias, const float *t, const float *below,
                      float *even, float *odd)
{
    for (int64_t w = 0; w < coarse; w++) {
        const float *a = t + w * WIDE,
                    *b = below + w * WIDE; /* the next pixel follows; zeros after the last */
        const float *right = a + WIDE, *across = b + WIDE;
        even[2 * w] = bias + a[4];
        if (odd) odd[2 * w] = bias + (a[7] + b[1]);
        if (2 * w + 1 >= width) break;
        even[2 * w + 1] = bias + (a[5] + right[3]);
        if (odd) odd[2 * w + 1] = bias + ((a[8] + right[6]) + (b[2] + across[0]));
    }
}

typedef struct scratch {
    float *weight;       /* [channels, WIDE] */
    float *line, *below; /* [coarse width + 1, WIDE] */
    float *wide;         /* [coarse width, channels] a line in float */
} scratch;

int64_t tt_conv_single_scratch(const tt_conv_shape *shape)
{
    int64_t width = tt_conv_coarse(shape->width), channels = shape->coarse_channels;
    return channels * WIDE + 2 * (width + 1) * WIDE + width * channels;
}

static scratch lay_out(const tt_conv_shape *s, const float *weight, float *memory)
{
    int64_t width = tt_conv_coarse(s->width), channels = s->coarse_channels, line = (width + 1) * WIDE;
    memset(memory, 0, (size_t)(channels * WIDE + 2 * line) * sizeof *memory);
    for (int64_t c = 0; c < channels; c++)
        memcpy(memory + c * WIDE, weight + c * TAPS, TAPS * sizeof *memory);
    float *lines = memory + channels * WIDE;
    return (scratch){memory, lines, lines + line, lines + 2 * line};
}

/* The products of line `h`; zeros below the last line. */
static void fill_line(const tt_conv_shape *s, const scratch *w, int64_t h, bool bf16, const void *x,
                      float *out)
{
    int64_t width = tt_conv_coarse(s->width), n = width * s->coarse_channels;
    if (h == tt_conv_coarse(s->height)) {
        memset(out, 0, (size_t)(width * WIDE) * sizeof *out);
        return;
    }
    if (bf16) tt_bfloat_unpack(n, (const uint16_t *)x + h * n, w->wide);
    single_taps(width, s->coarse_channels, bf16 ? w->wide : (const float *)x + h * n,
                (const wide *)(const void *)w->weight, (wide *)(void *)out);
}

static void up_row(const tt_conv_shape *s, scratch w, float bias, bool bf16, const void *x, float *y)
{
    int64_t coarse = tt_conv_coarse(s->width);
    fill_line(s, &w, 0, bf16, x, w.line);
    for (int64_t h = 0; 2 * h < s->height; h++) {
        float *even = y + 2 * h * s->width;
        fill_line(s, &w, h + 1, bf16, x, w.below);
        add_lines(coarse, s->width, bias, w.line, w.below, even,
                  2 * h + 1 < s->height ? even + s->width : NULL);
        float *line = w.line;
        w.line = w.below;
        w.below = line;
    }
}

void tt_conv_single_up(const tt_conv_shape *s, const float *weight, float bias, bool bf16, const void *x,
                       float *memory, float *y)
{
    scratch w = lay_out(s, weight, memory);
    size_t row = (size_t)(tt_conv_coarse(s->height) * tt_conv_coarse(s->width) * s->coarse_channels);
    for (int64_t r = 0; r < s->rows; r++)
        up_row(s, w, bias, bf16,
               (const char *)x + (size_t)r * row * (bf16 ? sizeof(uint16_t) : sizeof(float)),
               y + r * s->height * s->width);
}
