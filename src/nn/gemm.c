#include "nn/gemm.h"

#include "nn/bfloat.h"
#include "nn/tile.h"
#include "tutti/simd.h"

#include <stdbool.h>
#include <string.h>

/* The length of a product's piece: 256 steps of the right panel (48 kB) and of 8 rows on the left (8 kB) stay
 * in cache. On one Zen 4 core this is 5 to 10 % above OpenBLAS where both have 512 rows, and 50 % where it
 * has 64, since weights are packed once for all rows. */
enum { DEPTH = 256, LEVELS = 8, LINE = 16 };

/* A step is one float of the inner index, or two bfloat16 in the room of one. */
static int64_t steps_of(tt_precision precision, int64_t depth)
{
    return precision == TT_PRECISION_BF16 ? (depth + 1) / 2 : depth;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

__attribute__((always_inline)) static inline uint32_t pair(float first, float second)
{
    return (uint32_t)tt_bfloat_narrow(first) | (uint32_t)tt_bfloat_narrow(second) << 16;
}

/* ---- the right operand: panel[step][column], zero from column `cols` on ---- */

/* b [depth, cols] of a stride. */
static void pack_rows(int64_t depth, int64_t cols, const float *b, int64_t stride, float *panel)
{
    for (int64_t k = 0; k < depth; k++, b += stride, panel += TT_TILE_COLS) {
        memcpy(panel, b, (size_t)cols * sizeof *panel);
        memset(panel + cols, 0, (size_t)(TT_TILE_COLS - cols) * sizeof *panel);
    }
}

TT_KERNEL static void pack_row_pairs(int64_t depth, int64_t cols, const float *restrict b, int64_t stride,
                                     uint32_t *restrict panel)
{
    for (int64_t k = 0; k < depth; k += 2, b += 2 * stride, panel += TT_TILE_COLS) {
        const float *next = k + 1 < depth ? b + stride : b;
        uint32_t keep = k + 1 < depth ? ~0U : 0xffffU;
        for (int64_t c = 0; c < cols; c++) panel[c] = pair(b[c], next[c]) & keep;
        for (int64_t c = cols; c < TT_TILE_COLS; c++) panel[c] = 0;
    }
}

/* b [cols, depth] of a stride: a cache line of every column at a time, since strides that are powers of
 * two leave no room for more. */
TT_KERNEL static void pack_across(int64_t depth, int64_t cols, const float *restrict b, int64_t stride,
                                  float *restrict panel)
{
    for (int64_t k = 0; k < depth; k += LINE) {
        int64_t n = depth - k < LINE ? depth - k : LINE;
        float *to = panel + k * TT_TILE_COLS;
        for (int64_t c = 0; c < cols; c++)
            for (int64_t i = 0; i < n; i++) to[i * TT_TILE_COLS + c] = b[c * stride + k + i];
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = cols; c < TT_TILE_COLS; c++) to[i * TT_TILE_COLS + c] = 0;
    }
}

TT_KERNEL static void pack_across_pairs(int64_t depth, int64_t cols, const float *restrict b, int64_t stride,
                                        uint32_t *restrict panel)
{
    for (int64_t k = 0; k < depth; k += LINE) {
        int64_t n = depth - k < LINE ? depth - k : LINE, steps = (n + 1) / 2;
        uint32_t *to = panel + k / 2 * TT_TILE_COLS;
        for (int64_t c = 0; c < cols; c++) {
            const float *from = b + c * stride + k;
            for (int64_t i = 0; i < steps; i++)
                to[i * TT_TILE_COLS + c] = pair(from[2 * i], 2 * i + 1 < n ? from[2 * i + 1] : 0);
        }
        for (int64_t i = 0; i < steps; i++)
            for (int64_t c = cols; c < TT_TILE_COLS; c++) to[i * TT_TILE_COLS + c] = 0;
    }
}

/* Piece of the right operand from (k, i): b [depth, cols], or [cols, depth] where it lies `across`. */
static void pack_piece(tt_precision precision, bool across, int64_t depth, int64_t cols, const float *b,
                       int64_t stride, float *panel)
{
    uint32_t *pairs = (uint32_t *)(void *)panel;
    if (precision == TT_PRECISION_BF16 && across)
        pack_across_pairs(depth, cols, b, stride, pairs);
    else if (precision == TT_PRECISION_BF16)
        pack_row_pairs(depth, cols, b, stride, pairs);
    else if (across)
        pack_across(depth, cols, b, stride, panel);
    else
        pack_rows(depth, cols, b, stride, panel);
}

/* ---- the left operand ---- */

/* Rows as they are, in pairs: steps of the last one are filled up with a zero. */
TT_KERNEL static void narrow_rows(int64_t rows, int64_t depth, const float *restrict x,
                                  uint32_t *restrict out)
{
    int64_t whole = depth / 2, steps = (depth + 1) / 2;
    for (int64_t r = 0; r < rows; r++, x += depth, out += steps) {
        for (int64_t i = 0; i < whole; i++) out[i] = pair(x[2 * i], x[2 * i + 1]);
        if (steps > whole) out[whole] = pair(x[2 * whole], 0);
    }
}

/* packed[o / 8][row][o % 8] = dy[row][o], zero beyond the last column. */
TT_KERNEL static void pack_columns(int64_t rows, int64_t out, const float *restrict dy,
                                   float *restrict packed)
{
    for (int64_t o = 0; o < out; o += TT_TILE_ROWS)
        for (int64_t r = 0; r < rows; r++, packed += TT_TILE_ROWS)
            for (int64_t k = 0; k < TT_TILE_ROWS; k++) packed[k] = o + k < out ? dy[r * out + o + k] : 0;
}

/* packed[o / 8][pair of rows][o % 8], lane by lane, since a pair never reaches into the next lane. */
TT_KERNEL static void pack_column_pairs(int64_t lanes, int64_t rows, int64_t out, const float *restrict dy,
                                        uint32_t *restrict packed)
{
    for (int64_t o = 0; o < out; o += TT_TILE_ROWS)
        for (int64_t lane = 0; lane < lanes; lane++)
            for (int64_t r = 0; r < rows; r += 2, packed += TT_TILE_ROWS) {
                const float *first = dy + (lane * rows + r) * out + o;
                const float *second = r + 1 < rows ? first + out : first;
                uint32_t keep = r + 1 < rows ? ~0U : 0xffffU;
                for (int64_t k = 0; k < TT_TILE_ROWS; k++)
                    packed[k] = o + k < out ? pair(first[k], second[k]) & keep : 0;
            }
}

/* Rows [first, first + 8) of x, the last one again where there are fewer. */
static tt_tile_left left_rows(const float *x, int64_t stride, int64_t first, int64_t rows)
{
    tt_tile_left a = {.step = 1};
    for (int r = 0; r < TT_TILE_ROWS; r++) a.row[r] = x + least(first + r, rows - 1) * stride;
    return a;
}

/* ---- products ---- */

TT_KERNEL static void put_tile(const tt_tile *t, int64_t rows, int64_t cols, bool more, float *restrict c,
                               int64_t stride)
{
    if (cols == TT_TILE_COLS && more)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < TT_TILE_COLS; i++) c[r * stride + i] += t->sum[r][i];
    else if (more)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < cols; i++) c[r * stride + i] += t->sum[r][i];
    else
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < cols; i++) c[r * stride + i] = t->sum[r][i];
}

/* c [rows, cols] = a [rows, depth] b. `room` holds `a` in pairs. */
static void product(tt_precision precision, int64_t rows, int64_t depth, int64_t cols, const float *a,
                    const float *b, bool across, float *room, float *c)
{
    float panel[DEPTH * TT_TILE_COLS] __attribute__((aligned(64)));
    int64_t steps = steps_of(precision, depth), fold = precision == TT_PRECISION_BF16 ? 2 : 1;
    tt_tile t;
    if (precision == TT_PRECISION_BF16) {
        narrow_rows(rows, depth, a, (uint32_t *)(void *)room);
        a = room;
    }
    for (int64_t k = 0; k < steps; k += DEPTH)
        for (int64_t i = 0; i < cols; i += TT_TILE_COLS) {
            int64_t n = least(TT_TILE_COLS, cols - i), at = k * fold, d = least(DEPTH * fold, depth - at);
            pack_piece(precision, across, d, n, across ? b + i * depth + at : b + at * cols + i,
                       across ? depth : cols, panel);
            for (int64_t r = 0; r < rows; r += TT_TILE_ROWS) {
                tt_tile_left l = left_rows(a + k, steps, r, rows);
                tt_tile_multiply(precision, least(DEPTH, steps - k), &l, panel, &t);
                put_tile(&t, least(TT_TILE_ROWS, rows - r), n, k > 0, c + r * cols + i, cols);
            }
        }
}

void tt_gemm_forward(tt_precision precision, int64_t rows, int64_t in, int64_t out, const float *x,
                     const float *w, float *room, float *y)
{
    product(precision, rows, in, out, x, w, true, room, y);
}

void tt_gemm_backward_input(tt_precision precision, int64_t rows, int64_t in, int64_t out, const float *dy,
                            const float *w, float *room, float *dx)
{
    product(precision, rows, out, in, dy, w, false, room, dx);
}

int64_t tt_gemm_room(int64_t rows, int64_t in, int64_t out)
{
    int64_t left = round_up(out, TT_TILE_ROWS), pairs = (in + 1) / 2;
    return rows * ((left > pairs ? left : pairs) + TT_TILE_COLS);
}

TT_KERNEL static void add_tile(float *restrict to, const float *restrict from)
{
    for (int i = 0; i < TT_TILE_ROWS * TT_TILE_COLS; i++) to[i] += from[i];
}

/* The tile's sums over each lane, added lane by lane as a binary counter carries: pairs, pairs of pairs. */
static void sum_lanes(tt_precision precision, int64_t lanes, int64_t steps, const float *a,
                      const float *panel, tt_tile *sum)
{
    int n = 0;
    for (int64_t lane = 0; lane < lanes; lane++) {
        tt_tile_left l = {.step = TT_TILE_ROWS};
        for (int r = 0; r < TT_TILE_ROWS; r++) l.row[r] = a + lane * steps * TT_TILE_ROWS + r;
        tt_tile_multiply(precision, steps, &l, panel + lane * steps * TT_TILE_COLS, &sum[n++]);
        for (int64_t whole = lane + 1; whole % 2 == 0; whole /= 2) {
            n--;
            add_tile(&sum[n - 1].sum[0][0], &sum[n].sum[0][0]);
        }
    }
}

void tt_gemm_backward_weight(tt_precision precision, int64_t lanes, int64_t lane_rows, int64_t in,
                             int64_t out, const float *dy, const float *x, float *room, float *dw)
{
    int64_t steps = steps_of(precision, lane_rows);
    float *panel = room, *packed = room + lanes * steps * TT_TILE_COLS;
    tt_tile sum[LEVELS]; /* subtrees that wait: one for each power of two, and the next lane */
    if (precision == TT_PRECISION_BF16)
        pack_column_pairs(lanes, lane_rows, out, dy, (uint32_t *)(void *)packed);
    else
        pack_columns(lanes * lane_rows, out, dy, packed);
    for (int64_t i = 0; i < in; i += TT_TILE_COLS) {
        int64_t n = least(TT_TILE_COLS, in - i);
        for (int64_t lane = 0; lane < lanes; lane++)
            pack_piece(precision, false, lane_rows, n, x + lane * lane_rows * in + i, in,
                       panel + lane * steps * TT_TILE_COLS);
        for (int64_t o = 0; o < out; o += TT_TILE_ROWS) {
            sum_lanes(precision, lanes, steps, packed + o * lanes * steps, panel, sum);
            put_tile(&sum[0], least(TT_TILE_ROWS, out - o), n, false, dw + o * in + i, in);
        }
    }
}
