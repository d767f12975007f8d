/* Who may be within reach of whom, by boxes, and squared distances of cells: sums of squared differences, so
 * that few pairs need a second look wherever the rows lie. */
#include "cluster/dbscan.h"

#include "tutti/simd.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* With u = 2^-24: a difference is rounded once, its square adds 2u + u, each of cols - 1 additions at most u
 * of the sum; float32 underflow adds at most cols of its smallest normal numbers. Boxes are compared
 * likewise. */
reach reach_of(double eps, int64_t cols)
{
    double square = eps * eps, slack = ((double)cols + 8) * 0x1p-24,
           floor = ((double)cols + 1) * (double)FLT_MIN;
    reach r = {.square = square};
    double low = square * (1 - slack) - floor, high = square * (1 + 2 * slack) + floor;
    r.low = low < (double)FLT_MAX ? nextafterf((float)low, -INFINITY) : FLT_MAX;
    r.high = high < (double)FLT_MAX / 2 ? nextafterf((float)high, INFINITY) : FLT_MAX;
    return r;
}

bool blocks_near(const block *a, const block *b, int64_t cols, float high)
{
    float sum = 0;
    for (int64_t j = 0; j < cols; j++) {
        float left = a->box[2 * j] - b->box[2 * j + 1], right = b->box[2 * j] - a->box[2 * j + 1];
        float gap = fmaxf(fmaxf(left, right), 0);
        sum += gap * gap;
        if (sum > high) return false;
    }
    return true;
}

/* Squared distances of one cell's box to those of a block. */
TT_KERNEL static void cell_gaps(const float *low, const float *high, const float *b_low, const float *b_high,
                                int64_t cols, float gap[CELLS])
{
    for (int c = 0; c < CELLS; c++) gap[c] = 0;
    for (int64_t j = 0; j < cols; j++)
        for (int c = 0; c < CELLS; c++) {
            float left = low[j * CELLS] - b_high[j * CELLS + c],
                  right = b_low[j * CELLS + c] - high[j * CELLS];
            float apart = left > right ? left : right;
            apart = apart > 0 ? apart : 0;
            gap[c] += apart * apart;
        }
}

void cells_near(const block *a, const block *b, int64_t cols, float high, unsigned char near[CELLS])
{
    int cells = (a->rows + CELL - 1) / CELL, others = (b->rows + CELL - 1) / CELL;
    memset(near, 0, CELLS);
    for (int i = 0; i < cells; i++) {
        float gap[CELLS];
        cell_gaps(a->low + i, a->high + i, b->low, b->high, cols, gap);
        for (int c = 0; c < others; c++)
            if (gap[c] <= high) near[i] |= (unsigned char)(1 << c);
    }
}

/* Row i of a block. */
static const float *row_of(const block *b, int i, int64_t cols)
{
    return b->columns + i / CELL * cols * CELL + i % CELL;
}

void cell_squares(const block *a, const int *row, int n, const block *b, int cell, int64_t cols, float *out)
{
    const float *to = row_of(b, cell * CELL, cols);
    for (int i = 0; i < n; i += TT_CELL_ROWS) {
        const float *from[TT_CELL_ROWS];
        for (int r = 0; r < TT_CELL_ROWS; r++) from[r] = row_of(a, row[i + r < n ? i + r : n - 1], cols);
        tt_distance_cell(from, CELL, to, cols, out + (ptrdiff_t)i * CELL, CELL);
    }
}

double exact_square(const block *a, int i, const block *b, int j, int64_t cols)
{
    const float *x = row_of(a, i, cols), *y = row_of(b, j, cols);
    double sum = 0;
    for (int64_t c = 0; c < cols; c++) {
        double d = (double)x[c * CELL] - (double)y[c * CELL];
        sum += d * d;
    }
    return sum;
}

TT_KERNEL static void compare_lanes(const float *square, int n, float limit, uint32_t *lanes)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits = 0;
        for (int j = 0; j < CELL; j++) bits |= (uint32_t)(square[i * CELL + j] <= limit) << j;
        lanes[i] = bits;
    }
}

void lanes_upto(const float *square, int n, float limit, uint32_t *lanes)
{
    compare_lanes(square, n, limit, lanes);
}

/* How many of the squares [n, CELL] are at most `limit`: a cell has often none, which is sooner known than
 * which. */
TT_KERNEL static int32_t count_lanes(const float *square, int n, float limit)
{
    int32_t found = 0;
    for (int i = 0; i < n * CELL; i++) found += square[i] <= limit;
    return found;
}

void cell_hits(const reach *r, const block *a, const int *row, int n, const block *b, int cell, int64_t cols,
               uint32_t *hits)
{
    _Alignas(64) float square[CELL * CELL];
    uint32_t maybe[CELL];
    int lane[CELL];
    if (n <= 0) return;
    cell_squares(a, row, n, b, cell, cols, square);
    memset(hits, 0, (size_t)n * sizeof *hits);
    if (count_lanes(square, n, r->high) == 0) return;
    lanes_upto(square, n, r->low, hits);
    lanes_upto(square, n, r->high, maybe);
    for (int i = 0; i < n; i++) {
        if (maybe[i] == hits[i]) continue;
        int open = list_bits(maybe[i] & ~hits[i], 0, lane);
        for (int j = 0; j < open; j++)
            if (exact_square(a, row[i], b, cell * CELL + lane[j], cols) <= r->square)
                hits[i] |= (uint32_t)1 << lane[j];
    }
}

int list_bits(uint32_t bits, int first, int *out)
{
    int n = 0;
    for (; bits; bits &= bits - 1) out[n++] = first + __builtin_ctz(bits);
    return n;
}
