/* The order of rows within a rank: a k-d tree (Bentley 1975) whose leaves are cells of CELL rows, cut at the
 * median of the widest column, whole blocks first. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct keyed {
    float key;
    int64_t row;
} keyed;

typedef struct ordering {
    const float *data;
    int64_t cols;
    int64_t *row;
    keyed *keyed;      /* [n] */
    float *low, *high; /* [cols] */
} ordering;

/* The column in which rows [begin, end) spread farthest. */
static int64_t widest(const ordering *o, int64_t begin, int64_t end)
{
    const float *first = o->data + o->row[begin] * o->cols;
    memcpy(o->low, first, (size_t)o->cols * sizeof(float));
    memcpy(o->high, first, (size_t)o->cols * sizeof(float));
    for (int64_t i = begin + 1; i < end; i++) {
        const float *row = o->data + o->row[i] * o->cols;
        for (int64_t j = 0; j < o->cols; j++) {
            o->low[j] = row[j] < o->low[j] ? row[j] : o->low[j];
            o->high[j] = row[j] > o->high[j] ? row[j] : o->high[j];
        }
    }
    int64_t best = 0;
    for (int64_t j = 1; j < o->cols; j++)
        if (o->high[j] - o->low[j] > o->high[best] - o->low[best]) best = j;
    return best;
}

/* Smallest keys first, `k` of them, in any order (Hoare 1961); equal keys do not make it slow. */
static void select_smallest(keyed *x, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        float a = x[low].key, b = x[low + (high - low) / 2].key, c = x[high].key;
        float pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i].key < pivot) i++;
            while (pivot < x[j].key) j--;
            if (i > j) break;
            keyed held = x[i];
            x[i++] = x[j];
            x[j--] = held;
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return;
    }
}

/* Rows of the left half: whole blocks, or whole cells within a block. */
static int64_t half_of(int64_t n)
{
    int64_t unit = n > TT_BLOCK_ROWS ? TT_BLOCK_ROWS : CELL;
    return (n + 2 * unit - 1) / (2 * unit) * unit;
}

static void order(ordering *o, int64_t begin, int64_t end)
{
    while (end - begin > CELL) {
        int64_t n = end - begin, left = half_of(n), column = widest(o, begin, end);
        for (int64_t i = 0; i < n; i++) {
            int64_t row = o->row[begin + i];
            o->keyed[i] = (keyed){o->data[row * o->cols + column], row};
        }
        select_smallest(o->keyed, n, left);
        for (int64_t i = 0; i < n; i++) o->row[begin + i] = o->keyed[i].row;
        order(o, begin, begin + left); /* as deep as the logarithm of n */
        begin += left;
    }
}

tt_status space_order(const float *data, int64_t cols, int64_t n, int64_t *row)
{
    ordering o = {.data = data, .cols = cols, .row = row};
    tt_status s = tt_alloc(n, sizeof *o.keyed, "rows to order", &o.keyed);
    if (s == TT_OK) s = tt_alloc(2 * cols, sizeof *o.low, "a box", &o.low);
    if (s == TT_OK) {
        o.high = o.low + cols;
        order(&o, 0, n);
    }
    free(o.low);
    free(o.keyed);
    return s;
}
