#include "nn/gemm.h"

#include "nn/tile.h"
#include "tutti/integer.h"
#include "tutti/simd.h"

#include <stdbool.h>
#include <string.h>

/* The length of a product's piece: 256 steps of the right panel (48 kB) and of 8 rows on the left (8 kB) stay
 * in cache.
 *
 * On one Zen 4 core (peak 118 GFLOP/s, 236 in bfloat16), 512 x 1024 x 512: 105, 190 in bfloat16; OpenBLAS
 * 0.3.21 98. oneDNN 2.6.3 is ahead in single products of operands that lie as it wants them, 112 and 229, but
 * it forms the gradient by the weights of each lane as a matrix of its own: eight of 2 MB, and their sum, go
 * through memory where here a tile of them stays in the first cache. */
enum { DEPTH = 256, LEFT_STRIDE = DEPTH + 16, LEVELS = 8, SQUARE = TT_TILE_SQUARE };

/* A step is one float of the inner index, or two bfloat16 in the room of one. */
static int64_t steps_of(tt_precision precision, int64_t depth)
{
    return precision == TT_PRECISION_BF16 ? (depth + 1) / 2 : depth;
}

/* Columns of the next panel where `left` are left: as few empty ones as the two widths allow. */
static int64_t panel_width(int64_t left)
{
    bool narrow = left <= TT_TILE_NARROW || (left > TT_TILE_COLS && left <= 2 * TT_TILE_NARROW);
    return narrow ? TT_TILE_NARROW : TT_TILE_COLS;
}

/* ---- the right operand: panel[step][column] of `width` columns, zero from column `cols` on ---- */

/* b [depth, cols] of a stride. */
TT_KERNEL static void pack_rows(int64_t depth, int64_t cols, int64_t width, const float *restrict b,
                                int64_t stride, float *restrict panel)
{
    for (int64_t k = 0; k < depth; k++, b += stride, panel += width) {
        if (cols == TT_TILE_COLS)
            for (int64_t c = 0; c < TT_TILE_COLS; c++) panel[c] = b[c];
        else
            for (int64_t c = 0; c < width; c++) panel[c] = c < cols ? b[c] : 0;
    }
}

static void pack_row_pairs(int64_t depth, int64_t cols, int64_t width, const float *b, int64_t stride,
                           uint32_t *panel)
{
    for (int64_t k = 0; k < depth; k += 2, b += 2 * stride, panel += width) {
        tt_tile_pair_across(cols, b, k + 1 < depth ? b + stride : NULL, panel);
        memset(panel + cols, 0, (size_t)(width - cols) * sizeof *panel);
    }
}

/* A square of the panel, from rows of b; zero from `cols` on. */
static void turn_square(int64_t depth, int64_t cols, int64_t width, const float *b, int64_t stride,
                        float *panel)
{
    if (depth == SQUARE && cols == SQUARE) {
        tt_tile_transpose(b, stride, panel, width);
        return;
    }
    for (int64_t k = 0; k < depth; k++)
        for (int64_t c = 0; c < SQUARE; c++) panel[k * width + c] = c < cols ? b[c * stride + k] : 0;
}

/* b [cols, depth] of a stride. */
static void pack_across(int64_t depth, int64_t cols, int64_t width, const float *b, int64_t stride,
                        float *panel)
{
    for (int64_t k = 0; k < depth; k += SQUARE)
        for (int64_t c = 0; c < width; c += SQUARE)
            turn_square(tt_smaller(SQUARE, depth - k), tt_smaller(SQUARE, cols - c), width,
                        b + c * stride + k, stride, panel + k * width + c);
}

static void pack_across_pairs(int64_t depth, int64_t cols, int64_t width, const float *b, int64_t stride,
                              float *panel)
{
    float square[SQUARE * SQUARE] __attribute__((aligned(64)));
    for (int64_t k = 0; k < depth; k += 2 * SQUARE)
        for (int64_t c = 0; c < width; c += SQUARE) {
            int64_t d = tt_smaller(2 * SQUARE, depth - k), n = tt_smaller(SQUARE, cols - c);
            for (int64_t i = 0; i < n; i++)
                tt_tile_pair_along(d, b + (c + i) * stride + k, (uint32_t *)(void *)(square + i * SQUARE));
            turn_square((d + 1) / 2, n, width, square, SQUARE, panel + k / 2 * width + c);
        }
}

/* Piece of the right operand: b [depth, cols], or [cols, depth] where it lies `across`. */
static void pack_piece(tt_precision precision, bool across, int64_t depth, int64_t cols, int64_t width,
                       const float *b, int64_t stride, float *panel)
{
    if (precision == TT_PRECISION_BF16 && across)
        pack_across_pairs(depth, cols, width, b, stride, panel);
    else if (precision == TT_PRECISION_BF16)
        pack_row_pairs(depth, cols, width, b, stride, (uint32_t *)(void *)panel);
    else if (across)
        pack_across(depth, cols, width, b, stride, panel);
    else
        pack_rows(depth, cols, width, b, stride, panel);
}

/* ---- the left operand ---- */

/* A piece of x [rows, stride], `depth` values of each row, side by side. */
static void pack_left(tt_precision precision, int64_t rows, int64_t depth, const float *x, int64_t stride,
                      float *out)
{
    for (int64_t r = 0; r < rows; r++, x += stride, out += LEFT_STRIDE)
        if (precision == TT_PRECISION_BF16)
            tt_tile_pair_along(depth, x, (uint32_t *)(void *)out);
        else
            memcpy(out, x, (size_t)depth * sizeof *out);
}

/* packed[o / 8][row][o % 8] = dy[row][o], zero beyond the last column. */
TT_KERNEL static void pack_columns(int64_t rows, int64_t out, const float *restrict dy,
                                   float *restrict packed)
{
    for (int64_t o = 0; o < out; o += TT_TILE_ROWS)
        for (int64_t r = 0; r < rows; r++, packed += TT_TILE_ROWS) {
            const float *from = dy + r * out + o;
            if (o + TT_TILE_ROWS <= out)
                for (int k = 0; k < TT_TILE_ROWS; k++) packed[k] = from[k];
            else
                for (int k = 0; k < TT_TILE_ROWS; k++) packed[k] = o + k < out ? from[k] : 0;
        }
}

/* packed[o / 8][pair of rows][o % 8], lane by lane, since a pair never reaches into the next lane. */
static void pack_column_pairs(int64_t lanes, int64_t rows, int64_t out, const float *dy, uint32_t *packed)
{
    int64_t steps = (rows + 1) / 2, all = lanes * steps;
    for (int64_t at = 0; at < all; at++) {
        int64_t r = at % steps * 2;
        const float *row = dy + (at / steps * rows + r) * out;
        for (int64_t o = 0; o < out; o += SQUARE) {
            uint32_t pairs[SQUARE] = {0};
            tt_tile_pair_across(tt_smaller(SQUARE, out - o), row + o, r + 1 < rows ? row + out + o : NULL,
                                pairs);
            for (int64_t half = 0; half < SQUARE && o + half < out; half += TT_TILE_ROWS)
                memcpy(packed + ((o + half) * all + at * TT_TILE_ROWS), pairs + half,
                       TT_TILE_ROWS * sizeof *packed);
        }
    }
}

/* ---- products ---- */

/* Where the result ends before the tile does. */
static void multiply_edge(const tt_tile *whole, int64_t rows, int64_t cols)
{
    float sum[TT_TILE_ROWS * TT_TILE_COLS] __attribute__((aligned(64)));
    tt_tile t = *whole;
    t.c = sum;
    t.stride = t.width;
    t.more = false;
    tt_tile_multiply(&t);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i++) {
            float *to = whole->c + r * whole->stride + i;
            *to = whole->more ? sum[r * t.width + i] + *to : sum[r * t.width + i];
        }
}

/* All rows of c, whose first `cols` columns there are, by one panel of the right operand; `a` has rows of
 * `stride` steps. */
static void multiply_rows(tt_tile *t, int64_t rows, int64_t cols, const float *a, int64_t stride)
{
    float *c = t->c;
    for (int64_t r = 0; r < rows; r += TT_TILE_ROWS) {
        for (int64_t own = 0; own < TT_TILE_ROWS; own++)
            t->row[own] =
                a + tt_smaller(r + own, rows - 1) * stride; /* beyond the last row, that one again */
        t->c = c + r * t->stride;
        if (cols == t->width && rows - r >= TT_TILE_ROWS)
            tt_tile_multiply(t);
        else
            multiply_edge(t, tt_smaller(TT_TILE_ROWS, rows - r), cols);
    }
}

/* c [rows, cols] = a [rows, depth] b, piece by piece of the inner index; `room` holds one of `a`. */
static void product(tt_precision precision, int64_t rows, int64_t depth, int64_t cols, const float *a,
                    const float *b, bool across, float *room, float *c)
{
    float panel[DEPTH * TT_TILE_COLS] __attribute__((aligned(64)));
    int64_t longest = precision == TT_PRECISION_BF16 ? 2 * DEPTH : DEPTH;
    for (int64_t k = 0; k < depth; k += longest) {
        int64_t d = tt_smaller(longest, depth - k);
        pack_left(precision, rows, d, a + k, depth, room);
        for (int64_t i = 0, width; i < cols; i += width) {
            width = panel_width(cols - i);
            int64_t n = tt_smaller(width, cols - i);
            pack_piece(precision, across, d, n, width, across ? b + i * depth + k : b + k * cols + i,
                       across ? depth : cols, panel);
            tt_tile t = {.precision = precision,
                         .step = 1,
                         .right = panel,
                         .steps = steps_of(precision, d),
                         .width = width,
                         .c = c + i,
                         .stride = cols,
                         .more = k > 0};
            multiply_rows(&t, rows, n, room, LEFT_STRIDE);
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

int64_t tt_gemm_room(int64_t rows, int64_t out)
{
    int64_t both = tt_round_up(out, TT_TILE_ROWS) + TT_TILE_COLS;
    return rows * (both > LEFT_STRIDE ? both : LEFT_STRIDE);
}

TT_KERNEL static void add_tile(int64_t n, float *restrict to, const float *restrict from)
{
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* Subtrees that wait: one for each power of two, and the next lane. */
typedef struct tree {
    float sum[LEVELS][TT_TILE_ROWS * TT_TILE_COLS] __attribute__((aligned(64)));
} tree;

/* The tile's sums over each lane, added lane by lane as a binary counter carries: pairs, pairs of pairs. The
 * second of a pair is added to the first where it is formed. */
static void sum_lanes(int64_t lanes, tt_tile *t, const float *a, const float *panel, tree *sums)
{
    int n = 0;
    for (int64_t lane = 0; lane < lanes; lane++) {
        for (int r = 0; r < TT_TILE_ROWS; r++) t->row[r] = a + lane * t->steps * TT_TILE_ROWS + r;
        t->right = panel + lane * t->steps * t->width;
        t->more = lane % 2 == 1;
        t->c = sums->sum[t->more ? n - 1 : n++];
        tt_tile_multiply(t);
        for (int64_t whole = (lane + 1) / 2; t->more && whole % 2 == 0; whole /= 2) {
            n--;
            add_tile(TT_TILE_ROWS * t->width, sums->sum[n - 1], sums->sum[n]);
        }
    }
}

TT_KERNEL static void put_tile(int64_t rows, int64_t cols, const float *restrict tile, int64_t width,
                               float *restrict c, int64_t stride)
{
    for (int64_t r = 0; r < rows; r++, tile += width, c += stride)
        if (cols == TT_TILE_COLS)
            for (int64_t i = 0; i < TT_TILE_COLS; i++) c[i] = tile[i];
        else
            for (int64_t i = 0; i < cols; i++) c[i] = tile[i];
}

void tt_gemm_backward_weight(tt_precision precision, int64_t lanes, int64_t lane_rows, int64_t in,
                             int64_t out, const float *dy, const float *x, float *room, float *dw)
{
    int64_t steps = steps_of(precision, lane_rows);
    float *panel = room, *packed = room + lanes * steps * TT_TILE_COLS;
    tree sums;
    if (precision == TT_PRECISION_BF16)
        pack_column_pairs(lanes, lane_rows, out, dy, (uint32_t *)(void *)packed);
    else
        pack_columns(lanes * lane_rows, out, dy, packed);
    for (int64_t i = 0, width; i < in; i += width) {
        width = panel_width(in - i);
        int64_t n = tt_smaller(width, in - i);
        for (int64_t lane = 0; lane < lanes; lane++)
            pack_piece(precision, false, lane_rows, n, width, x + lane * lane_rows * in + i, in,
                       panel + lane * steps * width);
        tt_tile t = {
            .precision = precision, .step = TT_TILE_ROWS, .steps = steps, .width = width, .stride = width};
        for (int64_t o = 0; o < out; o += TT_TILE_ROWS) {
            sum_lanes(lanes, &t, packed + o * lanes * steps, panel, &sums);
            put_tile(tt_smaller(TT_TILE_ROWS, out - o), n, sums.sum[0], width, dw + o * in + i, in);
        }
    }
}
