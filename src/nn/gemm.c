#include "nn/gemm.h"

#include "tutti/comm.h"
#include "tutti/simd.h"

#include <string.h>

/* The tile of results that stays in registers, 24 vectors of 16 floats and 3 more for the right operand, and
 * the length of a product's piece: 256 rows of the right panel (48 kB) and of 8 rows on the left (8 kB) stay
 * in cache. On one Zen 4 core this is 5 to 10 % above OpenBLAS where both have 512 rows, and 50 % where it
 * has 64, since weights are packed once for all rows. */
enum { TILE_ROWS = 8, TILE_COLS = 48, DEPTH = 256, LEVELS = 8, LINE = 16 };

typedef float vector __attribute__((vector_size(64), may_alias));

typedef struct tile {
    float sum[TILE_ROWS][TILE_COLS] __attribute__((aligned(64)));
} tile;

/* Rows of the left operand: element (r, k) is row[r][k * step]. */
typedef struct left {
    const float *row[TILE_ROWS];
    int64_t step;
} left;

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

#ifdef TT_WIDE_KERNEL
#define START(r) vector p##r = {0}, q##r = {0}, s##r = {0};
#define ADD(r)                                                                                               \
    {                                                                                                        \
        float own = a##r[at];                                                                                \
        p##r += own * b0;                                                                                    \
        q##r += own * b1;                                                                                    \
        s##r += own * b2;                                                                                    \
    }
#define ROW(r) const float *a##r = a->row[r];
#define KEEP(r)                                                                                              \
    {                                                                                                        \
        vector *to = (vector *)(void *)out->sum[r];                                                          \
        to[0] = p##r;                                                                                        \
        to[1] = q##r;                                                                                        \
        to[2] = s##r;                                                                                        \
    }
TT_WIDE_KERNEL static void multiply_wide(int64_t depth, const left *a, const float *b, tile *out)
{
    EACH_ROW(ROW)
    EACH_ROW(START)
    const vector *right = (const vector *)(const void *)b;
    for (int64_t k = 0, at = 0; k < depth; k++, at += a->step, right += 3) {
        vector b0 = right[0], b1 = right[1], b2 = right[2];
        EACH_ROW(ADD)
    }
    EACH_ROW(KEEP)
}
#undef START
#undef ADD
#undef ROW
#undef KEEP
#endif

/* The same sums, in the same order, with the registers of older CPUs. */
TT_KERNEL static void multiply_narrow(int64_t depth, const left *a, const float *b, tile *out)
{
    for (int r = 0; r < TILE_ROWS; r += 4)
        for (int c = 0; c < TILE_COLS; c += 16) {
            vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
            for (int64_t k = 0; k < depth; k++) {
                vector right = *(const vector *)(const void *)(b + k * TILE_COLS + c);
                s0 += a->row[r][k * a->step] * right;
                s1 += a->row[r + 1][k * a->step] * right;
                s2 += a->row[r + 2][k * a->step] * right;
                s3 += a->row[r + 3][k * a->step] * right;
            }
            *(vector *)(void *)&out->sum[r][c] = s0;
            *(vector *)(void *)&out->sum[r + 1][c] = s1;
            *(vector *)(void *)&out->sum[r + 2][c] = s2;
            *(vector *)(void *)&out->sum[r + 3][c] = s3;
        }
}

static void multiply(int64_t depth, const left *a, const float *b, tile *out)
{
#ifdef TT_WIDE_KERNEL
    if (TT_HAS_WIDE) {
        multiply_wide(depth, a, b, out);
        return;
    }
#endif
    multiply_narrow(depth, a, b, out);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows [first, first + 8) of x, the last one again where there are fewer. */
static left left_rows(const float *x, int64_t stride, int64_t first, int64_t rows)
{
    left a = {.step = 1};
    for (int r = 0; r < TILE_ROWS; r++) a.row[r] = x + least(first + r, rows - 1) * stride;
    return a;
}

/* panel[k][c] = b[k * stride + c], zero from column `cols` on. */
static void pack_rows(int64_t depth, int64_t cols, const float *b, int64_t stride, float *panel)
{
    for (int64_t k = 0; k < depth; k++, b += stride, panel += TILE_COLS) {
        memcpy(panel, b, (size_t)cols * sizeof *panel);
        memset(panel + cols, 0, (size_t)(TILE_COLS - cols) * sizeof *panel);
    }
}

/* panel[k][c] = b[c * stride + k], zero from column `cols` on: a cache line of every column at a time, since
 * strides that are powers of two leave no room for more. */
TT_KERNEL static void pack_across(int64_t depth, int64_t cols, const float *restrict b, int64_t stride,
                                  float *restrict panel)
{
    for (int64_t k = 0; k < depth; k += LINE) {
        int64_t n = depth - k < LINE ? depth - k : LINE;
        float *to = panel + k * TILE_COLS;
        for (int64_t c = 0; c < cols; c++)
            for (int64_t i = 0; i < n; i++) to[i * TILE_COLS + c] = b[c * stride + k + i];
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = cols; c < TILE_COLS; c++) to[i * TILE_COLS + c] = 0;
    }
}

TT_KERNEL static void put_tile(const tile *t, int64_t rows, int64_t cols, bool more, float *restrict c,
                               int64_t stride)
{
    if (cols == TILE_COLS && more)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < TILE_COLS; i++) c[r * stride + i] += t->sum[r][i];
    else if (more)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < cols; i++) c[r * stride + i] += t->sum[r][i];
    else
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < cols; i++) c[r * stride + i] = t->sum[r][i];
}

/* c [rows, cols] = a [rows, depth] b: b [depth, cols], or [cols, depth] where it lies `across`. */
static void product(int64_t rows, int64_t depth, int64_t cols, const float *a, const float *b, bool across,
                    float *c)
{
    float panel[DEPTH * TILE_COLS] __attribute__((aligned(64)));
    tile t;
    for (int64_t k = 0; k < depth; k += DEPTH)
        for (int64_t i = 0; i < cols; i += TILE_COLS) {
            int64_t n = least(TILE_COLS, cols - i), d = least(DEPTH, depth - k);
            if (across)
                pack_across(d, n, b + i * depth + k, depth, panel);
            else
                pack_rows(d, n, b + k * cols + i, cols, panel);
            for (int64_t r = 0; r < rows; r += TILE_ROWS) {
                left l = left_rows(a + k, depth, r, rows);
                multiply(d, &l, panel, &t);
                put_tile(&t, least(TILE_ROWS, rows - r), n, k > 0, c + r * cols + i, cols);
            }
        }
}

void tt_gemm_forward(int64_t rows, int64_t in, int64_t out, const float *x, const float *w, float *y)
{
    product(rows, in, out, x, w, true, y);
}

void tt_gemm_backward_input(int64_t rows, int64_t in, int64_t out, const float *dy, const float *w, float *dx)
{
    product(rows, out, in, dy, w, false, dx);
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

int64_t tt_gemm_room(int64_t rows, int64_t out)
{
    return rows * (round_up(out, TILE_ROWS) + TILE_COLS);
}

/* packed[o / 8][row][o % 8] = dy[row][o], zero beyond the last column. */
TT_KERNEL static void pack_columns(int64_t rows, int64_t out, const float *restrict dy,
                                   float *restrict packed)
{
    for (int64_t o = 0; o < out; o += TILE_ROWS)
        for (int64_t r = 0; r < rows; r++, packed += TILE_ROWS)
            for (int64_t k = 0; k < TILE_ROWS; k++) packed[k] = o + k < out ? dy[r * out + o + k] : 0;
}

TT_KERNEL static void add_tile(float *restrict to, const float *restrict from)
{
    for (int i = 0; i < TILE_ROWS * TILE_COLS; i++) to[i] += from[i];
}

/* The tile's sums over each lane, added lane by lane as a binary counter carries: pairs, pairs of pairs. */
static void sum_lanes(int64_t lanes, int64_t rows, const float *a, const float *panel, tile *sum)
{
    int n = 0;
    for (int64_t lane = 0; lane < lanes; lane++) {
        left l = {.step = TILE_ROWS};
        for (int r = 0; r < TILE_ROWS; r++) l.row[r] = a + lane * rows * TILE_ROWS + r;
        multiply(rows, &l, panel + lane * rows * TILE_COLS, &sum[n++]);
        for (int64_t whole = lane + 1; whole % 2 == 0; whole /= 2) {
            n--;
            add_tile(&sum[n - 1].sum[0][0], &sum[n].sum[0][0]);
        }
    }
}

void tt_gemm_backward_weight(int64_t lanes, int64_t lane_rows, int64_t in, int64_t out, const float *dy,
                             const float *x, float *room, float *dw)
{
    int64_t rows = lanes * lane_rows;
    float *panel = room, *packed = room + rows * TILE_COLS;
    tile sum[LEVELS]; /* subtrees that wait: one for each power of two, and the next lane */
    pack_columns(rows, out, dy, packed);
    for (int64_t i = 0; i < in; i += TILE_COLS) {
        int64_t n = least(TILE_COLS, in - i);
        pack_rows(rows, n, x + i, in, panel);
        for (int64_t o = 0; o < out; o += TILE_ROWS) {
            sum_lanes(lanes, lane_rows, packed + o * rows, panel, sum);
            put_tile(&sum[0], least(TILE_ROWS, out - o), n, false, dw + o * in + i, in);
        }
    }
}
