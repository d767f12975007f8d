#include "kmeans_filter.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef TT_BYTE_KERNEL
#include <immintrin.h>

enum {
    QUAD = 4,
    MIDDLE = 128,      /* bytes of rows are unsigned, those of centres signed */
    LARGEST = 127,     /* of either side */
    COLS_MAX = 1 << 15 /* products of 255 x 127 that a sum of 32 bits holds */
};

/* Makes a length computed in float or double an upper bound. */
static const double raise = 1 + 0x1p-20;

/* Vectors of rows, and centres whose products with them are summed at a time: the fastest as measured, since
 * few loads go with a product, and the products of one step run beside the sorting of the step before. */
enum { PAIR = 2, STEP = 4 };

/* What PAIR vectors of rows find. The lowest bits of a value give way to the number of its centre, so that
 * sorting is of single floats. */
typedef struct keys {
    __m512 best[PAIR], second[PAIR], rest[PAIR];
} keys;

/* Into the cache, while the rows before are measured. */
static inline void fetch_rows(const int32_t *rows, int64_t vectors)
{
    enum { AHEAD = 32 }; /* more vectors are a stream that the CPU sees itself */
    for (int64_t v = 0; v < vectors && v < AHEAD; v++) __builtin_prefetch(rows + v * TILE);
}

/* Values low - 2 row.centre. */
TT_BYTE_KERNEL static inline keys find_keys(const kmeans_filter *f, const int32_t *rows, const float *scale)
{
    const int64_t quads = f->quads;
    const __m512i bits = _mm512_set1_epi32(f->bits), one = _mm512_set1_epi32(1);
    __m512i number = _mm512_setzero_si512();
    __m512 factor[PAIR];
    keys k;
    fetch_rows(rows + PAIR * quads * TILE, PAIR * quads);
    for (int r = 0; r < PAIR; r++) {
        k.best[r] = k.second[r] = k.rest[r] = _mm512_set1_ps(INFINITY);
        factor[r] = _mm512_mul_ps(_mm512_loadu_ps(scale + r * TILE), _mm512_set1_ps(-2.0f * f->unit));
    }
    for (int64_t c = 0; c < f->n; c += STEP) {
        const int32_t *centre = f->centres + c / TILE * quads * TILE + c % TILE, *row = rows;
        __m512i sum[STEP][PAIR];
        for (int s = 0; s < STEP; s++)
            for (int r = 0; r < PAIR; r++) sum[s][r] = _mm512_set1_epi32(f->offset[c + s]);
        for (int64_t q = 0; q < quads; q++, centre += TILE, row += TILE)
            for (int r = 0; r < PAIR; r++) {
                __m512i quad = _mm512_loadu_si512(row + r * quads * TILE);
                for (int s = 0; s < STEP; s++)
                    sum[s][r] = _mm512_dpbusd_epi32(sum[s][r], quad, _mm512_set1_epi32(centre[s]));
            }
        for (int s = 0; s < STEP; s++, number = _mm512_add_epi32(number, one))
            for (int r = 0; r < PAIR; r++) {
                enum { SELECT = 0xd8 }; /* third ? second : first */
                __m512 low = _mm512_set1_ps(f->low[c + s]);
                __m512 value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[s][r]), factor[r], low);
                __m512 key = _mm512_castsi512_ps(
                    _mm512_ternarylogic_epi32(_mm512_castps_si512(value), number, bits, SELECT));
                __m512 more = _mm512_max_ps(k.best[r], key);
                k.best[r] = _mm512_min_ps(k.best[r], key);
                __m512 most = _mm512_max_ps(k.second[r], more);
                k.second[r] = _mm512_min_ps(k.second[r], more);
                k.rest[r] = _mm512_min_ps(k.rest[r], most);
            }
    }
    return k;
}

/* By how much values of rows must differ for one to be less in truth. With y = s q + r a row and z = t p + e
 * a centre, y.z - s t q.p = r.z + s q.e: so the error of the difference between two centres' values is at
 * most twice |r||z - z'| + |s q||e - e'|, that of one value twice |r||z| + |s q||e|. Numbers of centres and a
 * few roundings in float32 change each value by a share of what it can be.
 * @param z, e  what |z| or |z - z'| and |e| or |e - e'| are at most */
TT_BYTE_KERNEL static inline __m512 margin_of(const kmeans_filter *f, float z, float e, __m512 length,
                                              __m512 residual)
{
    float share = (0x1p-19f + (float)(f->bits + 1) * 0x1p-22f) * f->reach;
    __m512 rounding = _mm512_fmadd_ps(residual, _mm512_set1_ps(2.001f * z),
                                      _mm512_mul_ps(length, _mm512_set1_ps(2.001f * e + 2 * share)));
    return _mm512_add_ps(rounding, _mm512_set1_ps(share * f->reach + FLT_MIN));
}

/* Rows with a centre that may be nearer than `beyond` is. */
TT_BYTE_KERNEL static inline __mmask16 within(const kmeans_filter *f, __m512 best, __m512 length,
                                              __m512 residual, __m512 beyond)
{
    __m512 least = _mm512_sub_ps(best, margin_of(f, f->reach, f->worst, length, residual));
    __m512 row = _mm512_fmsub_ps(length, _mm512_set1_ps(1 - 0x1p-18f), residual);
    row = _mm512_max_ps(row, _mm512_setzero_ps());
    least = _mm512_fmadd_ps(_mm512_mul_ps(row, row), _mm512_set1_ps(1 - 0x1p-18f), least);
    return _mm512_cmp_ps_mask(least, beyond, _CMP_NGT_UQ);
}

/* Vector r of the rows from `first` on, of which n exist. */
TT_BYTE_KERNEL static inline void sort_rows(const kmeans_filter *f, const keys *k, int r, int64_t first,
                                            int64_t n, const int32_t *label, const unsigned char *valid,
                                            const float *beyond, int64_t at, filter_nearest *out)
{
    const __m512i bits = _mm512_set1_epi32(f->bits);
    __mmask16 here = n >= TILE ? 0xffff : (__mmask16)((1 << n) - 1);
    __mmask16 there = _mm_test_epi8_mask(_mm_maskz_loadu_epi8(here, valid), _mm_set1_epi8(-1));
    __m512 length = _mm512_loadu_ps(f->length + first), residual = _mm512_loadu_ps(f->residual + first);
    __m512 limit = _mm512_add_ps(k->best[r], margin_of(f, f->apart, f->error, length, residual));
    if (beyond) there &= within(f, k->best[r], length, residual, _mm512_maskz_loadu_ps(here, beyond + first));
    __m512i own = _mm512_and_si512(_mm512_castps_si512(k->best[r]), bits);
    __m512i next = _mm512_and_si512(_mm512_castps_si512(k->second[r]), bits);
    __mmask16 open = _mm512_mask_cmp_ps_mask(there, k->rest[r], limit, _CMP_NGT_UQ);
    __mmask16 tie = _mm512_mask_cmp_ps_mask(there, k->second[r], limit, _CMP_NGT_UQ);
    __mmask16 other = _mm512_mask_cmpneq_epi32_mask(there, own, _mm512_maskz_loadu_epi32(here, label));
    out->open |= (uint64_t)open << at;
    out->pair |= (uint64_t)(tie & ~open) << at;
    out->moved |= (uint64_t)(other & ~(tie | open)) << at;
    _mm512_storeu_ps(out->best + at, k->best[r]);
    _mm512_storeu_ps(out->second + at, k->second[r]);
    _mm512_storeu_ps(out->norm + at, _mm512_mul_ps(length, length));
    _mm512_storeu_si512(out->index[0] + at, own);
    _mm512_storeu_si512(out->index[1] + at, next);
}

TT_BYTE_KERNEL static void find_nearest(const kmeans_filter *f, int64_t first, int64_t n,
                                        const int32_t *label, const unsigned char *valid, const float *beyond,
                                        filter_nearest *out)
{
    out->moved = out->pair = out->open = 0;
    for (int64_t at = 0; at < n; at += PAIR * TILE) {
        keys k = find_keys(f, f->rows + (first + at) * f->quads, f->scale + first + at);
        for (int r = 0; r < PAIR && at + r * TILE < n; r++) {
            int64_t to = at + r * TILE;
            sort_rows(f, &k, r, first + to, n - to, label + to, valid + to, beyond, to, out);
        }
    }
}

static tt_status allocate(kmeans_filter *f)
{
    int64_t padded = (f->count + FILTER_ROWS - 1) / FILTER_ROWS * FILTER_ROWS;
    TT_TRY(tt_alloc(f->cols, sizeof *f->mean, "rounded rows", &f->mean));
    TT_TRY(tt_alloc(padded * f->quads, sizeof *f->rows, "rounded rows", &f->rows));
    TT_TRY(tt_alloc(padded, sizeof *f->scale, "rounded rows", &f->scale));
    TT_TRY(tt_alloc(padded, sizeof *f->residual, "rounded rows", &f->residual));
    TT_TRY(tt_alloc(padded, sizeof *f->length, "rounded rows", &f->length));
    TT_TRY(tt_alloc(f->room * f->quads, sizeof *f->centres, "rounded centres", &f->centres));
    TT_TRY(tt_alloc(f->room, sizeof *f->offset, "rounded centres", &f->offset));
    TT_TRY(tt_alloc(2 * f->room * f->cols, sizeof *f->about, "rounded centres", &f->about));
    return tt_alloc(f->room, sizeof *f->low, "rounded centres", &f->low);
}

/* Columns from j on, as many as a vector of doubles holds. */
static inline __mmask8 columns_from(int64_t j, int64_t cols)
{
    return cols - j >= 8 ? 0xff : (__mmask8)((1 << (cols - j)) - 1);
}

TT_BYTE_KERNEL static inline __m512d differences(__mmask8 some, const float *row, const double *mean)
{
    return _mm512_sub_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(some, row)),
                         _mm512_maskz_loadu_pd(some, mean));
}

/* Largest size of a row's differences from `mean`. */
TT_BYTE_KERNEL static double largest_size(int64_t cols, const float *row, const double *mean)
{
    __m512d most = _mm512_setzero_pd();
    for (int64_t j = 0; j < cols; j += 8)
        most = _mm512_max_pd(most, _mm512_abs_pd(differences(columns_from(j, cols), row + j, mean + j)));
    return _mm512_reduce_max_pd(most);
}

/* Bytes of a row; its squared length, and that of what they leave. */
TT_BYTE_KERNEL static void round_values(int64_t cols, const float *row, const double *mean, double scale,
                                        double inverse, unsigned char *byte, double *length, double *residual)
{
    const __m512d most = _mm512_set1_pd(LARGEST), least = _mm512_set1_pd(-LARGEST);
    __m512d square = _mm512_setzero_pd(), left = square;
    for (int64_t j = 0; j < cols; j += 8) {
        __mmask8 some = columns_from(j, cols);
        __m512d value = differences(some, row + j, mean + j);
        __m512d rounded = _mm512_roundscale_pd(_mm512_mul_pd(value, _mm512_set1_pd(inverse)), 0);
        rounded = _mm512_max_pd(_mm512_min_pd(rounded, most), least);
        __m512d rest = _mm512_fnmadd_pd(rounded, _mm512_set1_pd(scale), value);
        square = _mm512_fmadd_pd(value, value, square);
        left = _mm512_fmadd_pd(rest, rest, left);
        __m256i number = _mm256_add_epi32(_mm512_cvtpd_epi32(rounded), _mm256_set1_epi32(MIDDLE));
        _mm256_mask_cvtepi32_storeu_epi8(byte + j, some, number);
    }
    *length = sqrt(_mm512_reduce_add_pd(square)) + sqrt(_mm512_reduce_add_pd(left));
    *residual = sqrt(_mm512_reduce_add_pd(left));
}

/* @param byte  [4 quads], zeros beyond the columns */
static void round_row(kmeans_filter *f, int64_t i, const float *row, unsigned char *byte)
{
    float scale = (float)(largest_size(f->cols, row, f->mean) / LARGEST);
    double inverse = scale > FLT_MIN ? 1.0 / (double)scale : 0, length, residual;
    round_values(f->cols, row, f->mean, (double)scale, inverse, byte, &length, &residual);
    int32_t *to = f->rows + i / TILE * TILE * f->quads + i % TILE;
    for (int64_t q = 0; q < f->quads; q++) memcpy(to + q * TILE, byte + q * QUAD, QUAD);
    f->scale[i] = scale;
    f->residual[i] = (float)(residual * raise) + FLT_MIN;
    f->length[i] = (float)(length * raise) + FLT_MIN;
}

tt_status kmeans_filter_init(kmeans_filter *f, const tt_points *points, int64_t panels)
{
    const tt_matrix *x = points->x;
    *f = (kmeans_filter){
        .cols = x->cols, .quads = (x->cols + QUAD - 1) / QUAD, .room = panels * TILE, .count = x->count};
    if (!TT_HAS_BYTES || x->cols > COLS_MAX) return TT_OK;
    TT_TRY(allocate(f));
    for (int64_t j = 0; j < f->cols; j++)
        f->mean[j] = points->mean[j] - x->shift[j] - (double)points->origin[j];
    unsigned char *byte;
    TT_TRY(tt_alloc(f->quads, QUAD, "rounded rows", &byte));
    for (int64_t i = 0; i < x->count; i++) round_row(f, i, points->data + i * f->cols, byte);
    free(byte);
    return TT_OK;
}

static void round_centre(kmeans_filter *f, const double *centre, int64_t c)
{
    double square = 0, left = 0;
    int32_t *to = f->centres + c / TILE * TILE * f->quads, total = 0;
    for (int64_t j = 0; j < f->cols; j++) {
        double value = centre[j] - f->mean[j], byte = f->unit > 0 ? rint(value / (double)f->unit) : 0;
        byte = fmin(fmax(byte, -LARGEST), LARGEST);
        double rest = value - byte * (double)f->unit;
        square += value * value;
        left += rest * rest;
        total += (int32_t)byte;
        f->about[c * f->cols + j] = (float)value;
        f->about[(f->room + c) * f->cols + j] = (float)rest;
        signed char *quad = (signed char *)(to + j / QUAD * TILE + c % TILE);
        quad[j % QUAD] = (signed char)byte;
    }
    f->offset[c] = -MIDDLE * total;
    f->low[c] = (float)square;
    f->reach = fmaxf(f->reach, (float)(sqrt(square) * raise));
    f->error = fmaxf(f->error, (float)(sqrt(left) * raise) + FLT_MIN);
}

/* At least the largest distance between two of n points, none of which is longer than `longest`; where there
 * are so many that looking is dear, what that alone tells. */
static float largest_distance(const kmeans_filter *f, const float *point, float longest)
{
    double most = 0;
    if (f->n * f->n > f->count) return 2 * longest;
    for (int64_t a = 0; a < f->n; a++)
        for (int64_t b = 0; b < a; b++)
            most = fmax(most, tt_distance(point + a * f->cols, point + b * f->cols, f->cols));
    return (float)(sqrt(most) * raise) + longest * 0x1p-20f; /* points are rounded to float32 */
}

void kmeans_filter_centres(kmeans_filter *f, const double *centre, int64_t n)
{
    double most = 0;
    for (int64_t c = 0; c < n; c++)
        for (int64_t j = 0; j < f->cols; j++) most = fmax(most, fabs(centre[c * f->cols + j] - f->mean[j]));
    f->n = n;
    f->bits = kmeans_tile_bits(tt_ceil_div(n, TILE));
    f->unit = (float)(most / LARGEST);
    f->reach = f->error = 0;
    for (int64_t c = 0; c < f->room; c++) f->low[c] = KMEANS_FAR;
    for (int64_t c = 0; c < n; c++) round_centre(f, centre + c * f->cols, c);
    f->worst = f->error;
    f->apart = largest_distance(f, f->about, f->reach);
    f->error = largest_distance(f, f->about + f->room * f->cols, f->error);
}

void kmeans_filter_nearest(const kmeans_filter *f, int64_t first, int64_t n, const int32_t *label,
                           const unsigned char *valid, const float *beyond, filter_nearest *out)
{
    find_nearest(f, first, n, label, valid, beyond, out);
}

#else

tt_status kmeans_filter_init(kmeans_filter *f, const tt_points *points, int64_t panels)
{
    (void)points;
    (void)panels;
    *f = (kmeans_filter){0};
    return TT_OK;
}

void kmeans_filter_centres(kmeans_filter *f, const double *centre, int64_t n)
{
    (void)f;
    (void)centre;
    (void)n;
}

void kmeans_filter_nearest(const kmeans_filter *f, int64_t first, int64_t n, const int32_t *label,
                           const unsigned char *valid, const float *beyond, filter_nearest *out)
{
    (void)f;
    (void)first;
    (void)n;
    (void)label;
    (void)valid;
    (void)beyond;
    *out = (filter_nearest){0};
}

#endif

void kmeans_filter_clear(kmeans_filter *f)
{
    void *owned[] = {f->mean,    f->rows,   f->scale, f->residual, f->length,
                     f->centres, f->offset, f->about, f->low};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    *f = (kmeans_filter){0};
}
