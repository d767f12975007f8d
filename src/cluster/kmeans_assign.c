#include "kmeans.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <string.h>

typedef float vfloat __attribute__((vector_size(32)));
typedef double vdouble __attribute__((vector_size(64)));

/* What one row's pass over a tile gives: the smallest value, where, and the next smallest. */
typedef struct nearest {
    float best, second;
    int32_t index;
} nearest;

/* The integer that orders as the float does; its own inverse. Compilers vectorise smallest-of loops over
 * integers, but not over floats, whose NaN they must respect. */
static inline int32_t ordered(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits ^ (-(bits < 0) & INT32_MAX);
}

static inline float unordered(int32_t key)
{
    key ^= -(key < 0) & INT32_MAX;
    float v;
    memcpy(&v, &key, sizeof v);
    return v;
}

/* Smallest and second smallest of tile + low in each of n rows; equal ones count twice. */
TT_KERNEL static void scan_tile(int64_t n, int k_wide, const float *restrict tile, const float *restrict low,
                                nearest *restrict out)
{
    for (int64_t i = 0; i < n; i++, tile += k_wide) {
        int32_t best = INT32_MAX, second = INT32_MAX, times = 0, index = 0;
        for (int j = 0; j < k_wide; j++) {
            int32_t key = ordered(tile[j] + low[j]);
            best = key < best ? key : best;
        }
        for (int j = 0; j < k_wide; j++) {
            int32_t key = ordered(tile[j] + low[j]), hit = -(key == best); /* all bits or none */
            int32_t other = (key & ~hit) | (INT32_MAX & hit);
            second = other < second ? other : second;
            times -= hit;
            index += j & hit;
        }
        out[i] = (nearest){unordered(best), unordered(times > 1 ? best : second), index};
    }
}

TT_KERNEL static double centre_distance(const float *row, const double *centre, int64_t cols)
{
    vdouble sum = {0};
    int64_t j = 0;
    for (; j + 8 <= cols; j += 8) {
        vfloat u;
        vdouble c;
        memcpy(&u, row + j, sizeof u);
        memcpy(&c, centre + j, sizeof c);
        vdouble d = __builtin_convertvector(u, vdouble) - c;
        sum += d * d;
    }
    double total = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    for (; j < cols; j++) total += ((double)row[j] - centre[j]) * ((double)row[j] - centre[j]);
    return total;
}

double kmeans_distance(const float *row, const double *centre, int64_t cols)
{
    return centre_distance(row, centre, cols);
}

/* Twice the error of a tile relative to the norms; four more units cover the rounding of the centres. */
static float tie_width(const kmeans *m)
{
    return 2.0f * (float)tt_distance_slack(m->cols + 4);
}

static void round_centres(kmeans *m)
{
    float width = tie_width(m);
    m->norm_max = 0;
    for (int64_t c = 0; c < m->k_wide; c++) {
        double norm = 0;
        for (int64_t j = 0; c < m->k && j < m->cols; j++) {
            float value = (float)m->centre[c * m->cols + j];
            m->columns[j * m->k_wide + c] = value;
            norm += (double)value * (double)value;
        }
        m->norm[c] = c < m->k ? (float)norm : INFINITY;
        m->low[c] = m->norm[c] * (1.0f - 0.5f * width);
        if (c < m->k && m->norm[c] > m->norm_max) m->norm_max = m->norm[c];
    }
}

TT_KERNEL static void add_row(int64_t cols, const float *restrict row, const double *restrict grid,
                              double sign, double *restrict sum)
{
    for (int64_t j = 0; j < cols; j++) sum[j] += sign * (((double)row[j] + grid[j]) - grid[j]);
}

static void change_label(kmeans *m, int64_t i, const float *row, int32_t label)
{
    double *count = m->local + m->k * m->cols;
    int32_t old = m->label[i];
    if (old == label) return;
    if (old >= 0) {
        add_row(m->cols, row, m->grid, -1.0, m->local + old * m->cols);
        count[old] -= 1;
    }
    add_row(m->cols, row, m->grid, 1.0, m->local + label * m->cols);
    count[label] += 1;
    count[m->k] += 1;
    m->label[i] = label;
}

/* The nearest of all centres that float32 cannot tell from the nearest, in double; the lowest of equals. */
static int32_t settle(const kmeans *m, const float *row, const float *tile, float limit)
{
    int32_t label = -1;
    double best = INFINITY;
    for (int32_t c = 0; c < m->k; c++) {
        if (tile[c] + m->low[c] > limit) continue;
        double d = kmeans_distance(row, m->centre + c * m->cols, m->cols);
        if (d < best) {
            best = d;
            label = c;
        }
    }
    return label;
}

/* Label and bounds of row i from its scan. A centre c can be the nearest only if its lower bound is at most
 * the upper bound of the best, best + width (|x|^2 + |b|^2); and |b| <= |x| + |x - b| bounds the norm of the
 * best by 4 |x|^2 + 2 (|b|^2 - 2 x.b), which one far centre among the others does not widen. */
static void decide(kmeans *m, int64_t i, const float *row, const float *tile, nearest found)
{
    float width = tie_width(m), norm = m->points->norm[i];
    float own = 1.01f * (4.0f * norm + 2.0f * found.best);
    if (!(own < m->norm_max)) own = m->norm_max;
    if (own < 0.0f) own = 0.0f;
    float limit = found.best + width * (norm + own);
    float nearer = limit + norm, next = found.second + norm - width * norm;
    m->upper[i] = nearer > 0 ? sqrtf(nearer) * 1.000001f : 0.0f;
    if (found.second > limit) {
        m->lower[i] = next > 0 ? sqrtf(next) * 0.999999f : 0.0f;
        change_label(m, i, row, found.index);
    } else {
        m->lower[i] = 0.0f;
        change_label(m, i, row, settle(m, row, tile, limit));
    }
}

/* Rows [n] at `rows`, whose local numbers are row[]. */
static tt_status assign_tile(kmeans *m, const float *rows, const int64_t *row, int64_t n)
{
    tt_targets centres = {.n = m->k_wide, .columns = m->columns, .norm = m->norm};
    nearest found[TT_BLOCK_ROWS];
    TT_TRY(tt_distance_products(rows, m->cols, &centres, m->tile));
    scan_tile(n, (int)m->k_wide, m->tile, m->low, found);
    for (int64_t r = 0; r < n; r++)
        if (m->points->x->valid[row[r]])
            decide(m, row[r], rows + r * m->cols, m->tile + r * m->k_wide, found[r]);
    return TT_OK;
}

static tt_status flush_packed(kmeans *m)
{
    if (m->n_packed == 0) return TT_OK;
    int64_t n = m->n_packed;
    m->n_packed = 0;
    return assign_tile(m, m->packed, m->packed_row, n);
}

/* Rows of the block at `first` whose bounds do not say that their label stays. */
static int64_t undecided_rows(const kmeans *m, int64_t first, int64_t *row)
{
    const tt_matrix *x = m->points->x;
    int64_t end = first + TT_BLOCK_ROWS < x->count ? first + TT_BLOCK_ROWS : x->count, n = 0;
    for (int64_t i = first; i < end; i++) {
        row[n] = i;
        n += x->valid[i] && !(m->upper[i] < m->lower[i]);
    }
    return n;
}

static tt_status pack_rows(kmeans *m, const int64_t *row, int64_t n)
{
    for (int64_t r = 0; r < n; r++) {
        memcpy(m->packed + m->n_packed * m->cols, m->points->data + row[r] * m->cols,
               (size_t)m->cols * sizeof(float));
        m->packed_row[m->n_packed++] = row[r];
        if (m->n_packed == TT_BLOCK_ROWS) TT_TRY(flush_packed(m));
    }
    return TT_OK;
}

/* All rows of the block at `first` go to the GEMM as they lie. */
static tt_status assign_block(kmeans *m, int64_t first, int64_t *row)
{
    int64_t n = m->points->x->count - first;
    if (n > TT_BLOCK_ROWS) n = TT_BLOCK_ROWS;
    for (int64_t r = 0; r < n; r++) row[r] = first + r;
    return assign_tile(m, m->points->data + first * m->cols, row, n);
}

/* A block that is mostly undecided is measured as a whole; the undecided rows of others are packed into full
 * tiles. Neither shows in the result, since every label is decided as if in double. */
tt_status kmeans_assign_local(kmeans *m)
{
    int64_t row[TT_BLOCK_ROWS];
    round_centres(m);
    m->local[m->k * (m->cols + 1)] = 0;
    for (int64_t first = 0; first < m->points->x->count; first += TT_BLOCK_ROWS) {
        int64_t n = undecided_rows(m, first, row);
        if (2 * n > TT_BLOCK_ROWS)
            TT_TRY(assign_block(m, first, row));
        else
            TT_TRY(pack_rows(m, row, n));
    }
    return flush_packed(m);
}

/* Upper bounds grow by the way of the own centre, lower bounds shrink by the longest way of the others. */
static void widen_bounds(kmeans *m)
{
    float most = 0, other = 0;
    int32_t far = -1;
    for (int32_t c = 0; c < m->k; c++) {
        if (m->moved[c] > most) {
            other = most;
            most = m->moved[c];
            far = c;
        } else if (m->moved[c] > other) {
            other = m->moved[c];
        }
    }
    for (int64_t i = 0; i < m->points->x->count; i++) {
        int32_t c = m->label[i];
        if (c < 0) continue;
        m->upper[i] = (m->upper[i] + m->moved[c]) * 1.000001f;
        m->lower[i] = (m->lower[i] - (c == far ? other : most)) * 0.999999f;
    }
}

double kmeans_move(kmeans *m)
{
    const double *count = m->sums + m->k * m->cols;
    double total = 0;
    for (int64_t c = 0; c < m->k; c++) {
        double way = 0;
        for (int64_t j = 0; j < m->cols; j++) {
            int64_t e = c * m->cols + j;
            m->next[e] = count[c] > 0 ? m->sums[e] / count[c] : m->centre[e];
            way += (m->next[e] - m->centre[e]) * (m->next[e] - m->centre[e]);
        }
        total += way;
        m->moved[c] = (float)(sqrt(way) * 1.000001);
    }
    double *old = m->centre;
    m->centre = m->next;
    m->next = old;
    widen_bounds(m);
    return total;
}
