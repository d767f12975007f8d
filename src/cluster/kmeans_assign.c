/* Rows to their nearest centres, by tiles over all centres. */
#include "kmeans.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

typedef float vfloat __attribute__((vector_size(32)));
typedef double vdouble __attribute__((vector_size(64)));

/* Share of rows that bytes leave to float32, as measured: above it they cost more than they save. */
static const double filter_pays_below = 0.5;

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

/* Four more units cover the rounding of the centres. */
float kmeans_tie_width(const kmeans *m)
{
    return 2.0f * (float)tt_distance_slack(m->cols + 4);
}

static void round_centres(kmeans *m)
{
    float share = 1.0f - 0.5f * kmeans_tie_width(m);
    int64_t wide = kmeans_tile_width(m->cols);
    m->norm_max = kmeans_tile_layout(m->centre, m->k, m->cols, m->columns, m->low);
    for (int64_t c = 0; c < m->panels * TILE; c++) m->low[c] *= share;
    for (int64_t c = 0; c < m->k; c++)
        for (int64_t j = 0; j < m->cols; j++)
            m->rows[c * wide + j] = -2.0f * (float)m->centre[c * m->cols + j];
}

TT_KERNEL static void add_row(int64_t cols, const float *restrict row, const double *restrict grid,
                              double sign, double *restrict sum)
{
    for (int64_t j = 0; j < cols; j++) sum[j] += sign * (((double)row[j] + grid[j]) - grid[j]);
}

void kmeans_change_label(kmeans *m, int64_t i, int32_t label)
{
    const float *row = m->points->data + i * m->cols;
    int32_t old = m->label[i];
    m->label[i] = label;
    if (old == label || !m->local) return;
    double *count = m->local + m->k * m->cols;
    if (old >= 0) {
        add_row(m->cols, row, m->grid, -1.0, m->local + old * m->cols);
        count[old] -= 1;
    }
    add_row(m->cols, row, m->grid, 1.0, m->local + label * m->cols);
    count[label] += 1;
}

int32_t kmeans_settle(const kmeans *m, const float *row, float limit)
{
    float value[TILE];
    int32_t label = -1;
    double best = INFINITY;
    for (int32_t c = 0; c < m->k; c++) {
        int64_t p = c / TILE;
        if (c % TILE == 0)
            kmeans_tile_values(row, m->cols, m->columns + p * m->cols * TILE, m->low + p * TILE, value);
        if (value[c % TILE] > limit) continue;
        double d = kmeans_distance(row, m->centre + c * m->cols, m->cols);
        if (d < best) {
            best = d;
            label = c;
        }
    }
    return label;
}

/* A centre c can be the nearest only if its lower bound is at most the upper bound of the best, best + width
 * (|x|^2 + |b|^2); and |b| <= |x| + |x - b| bounds the norm of the best by 4 |x|^2 + 2 (|b|^2 - 2 x.b), which
 * one far centre among the others does not widen. */
TT_KERNEL static void bound_best(int64_t n, float width, float norm_max, const float *restrict norm,
                                 const float *restrict best, float *restrict limit, float *restrict upper)
{
    for (int64_t r = 0; r < n; r++) {
        float own = 1.01f * (4.0f * norm[r] + 2.0f * best[r]);
        own = own < norm_max ? own : norm_max;
        own = own > 0.0f ? own : 0.0f;
        limit[r] = best[r] + width * (norm[r] + own);
        float square = limit[r] + norm[r];
        upper[r] = sqrtf(square > 0.0f ? square : 0.0f) * 1.000001f;
    }
}

void kmeans_bound_nearest(const kmeans *m, int64_t n, const float *norm, const float *best, float *limit,
                          float *upper)
{
    bound_best(n, kmeans_tie_width(m), m->norm_max, norm, best, limit, upper);
}

/* Addresses of a tile of rows, the last one again beyond n; the next tile's rows are fetched. */
static void gather_rows(const kmeans *m, const int64_t *row, int64_t n, const float *address[TILE])
{
    for (int64_t i = 0; i < TILE; i++) {
        address[i] = m->points->data + row[i < n ? i : n - 1] * m->cols;
        if (TILE + i < n) kmeans_fetch_row(m, row[TILE + i]);
    }
}

static void keep_found(kmeans_span *span, int64_t at, const tile_nearest *found)
{
    memcpy(span->best + at, found->best, sizeof found->best);
    memcpy(span->second + at, found->second, sizeof found->second);
    memcpy(span->index + at, found->index, sizeof found->index);
}

static void measure_all(kmeans *m, const int64_t *row, int64_t n)
{
    for (int64_t t = 0; t < n; t += TILE) {
        const float *address[TILE];
        tile_nearest found;
        gather_rows(m, row + t, n - t, address);
        kmeans_tile_pack(address, m->cols, m->packed);
        kmeans_tile(m->packed, m->cols, m->panels, m->columns, m->low, &found);
        keep_found(m->span, t, &found);
    }
}

/* How many rows have a next nearest centre that could become the nearest when it goes that way again. */
TT_KERNEL static int64_t count_near_ties(int64_t n, float way, const float *restrict norm,
                                         const float *restrict best, const float *restrict second)
{
    int64_t near = 0;
    for (int64_t r = 0; r < n; r++) {
        float own = best[r] + norm[r], other = second[r] + norm[r];
        near += sqrtf(other) - sqrtf(own > 0.0f ? own : 0.0f) < way;
    }
    return near;
}

static void set_label(kmeans *m, int64_t i, int32_t label)
{
    if (m->label[i] != label) kmeans_change_label(m, i, label);
}

/* Label the first n of rows, which were measured in float32. */
static void label_measured(kmeans *m, const int64_t *row, int64_t n)
{
    kmeans_span *span = m->span;
    for (int64_t r = 0; r < n; r++) span->norm[r] = m->points->norm[row[r]];
    kmeans_bound_nearest(m, n, span->norm, span->best, span->limit, span->upper);
    for (int64_t r = 0; r < n; r++) {
        bool tie = span->second[r] <= span->limit[r];
        const float *x = m->points->data + row[r] * m->cols;
        set_label(m, row[r], tie ? kmeans_settle(m, x, span->limit[r]) : span->index[r]);
    }
}

/* The first n of m->span->row. */
static void assign_all(kmeans *m, int64_t n)
{
    measure_all(m, m->span->row, n);
    label_measured(m, m->span->row, n);
}

/* The first n of m->span->pair. */
static void assign_pairs(kmeans *m, int64_t n)
{
    kmeans_span *span = m->span;
    for (int64_t t = 0; t < n; t += TILE) {
        const float *address[TILE];
        int32_t list[2][TILE];
        tile_nearest found;
        gather_rows(m, span->pair + t, n - t, address);
        for (int64_t i = 0; i < TILE; i++)
            for (int c = 0; c < 2; c++) list[c][i] = span->two[c][t + i < n ? t + i : n - 1];
        kmeans_tile_measure(address, m->cols, m->rows, m->low, 2, list[0], &found);
        keep_found(span, t, &found);
    }
    label_measured(m, span->pair, n);
}

/* Takes the lowest member out of a set that is not empty. */
static int64_t take_lowest(uint64_t *set)
{
    int64_t lowest = __builtin_ctzll(*set);
    *set &= *set - 1;
    return lowest;
}

/* Label what bytes can tell of local rows; put the others where they are measured in float32. */
static void sort_found(kmeans *m, int64_t first, const filter_nearest *found, int64_t *open, int64_t *pairs)
{
    kmeans_span *span = m->span;
    for (uint64_t set = found->moved; set;) {
        int64_t r = take_lowest(&set);
        kmeans_change_label(m, first + r, found->index[0][r]);
    }
    for (uint64_t set = found->pair; set; ++*pairs) {
        int64_t r = take_lowest(&set);
        span->pair[*pairs] = first + r;
        kmeans_fetch_row(m, first + r);
        for (int c = 0; c < 2; c++) span->two[c][*pairs] = found->index[c][r];
    }
    for (uint64_t set = found->open; set; ++*open) {
        span->row[*open] = first + take_lowest(&set);
        kmeans_fetch_row(m, span->row[*open]);
    }
}

/* n local rows by bytes. Returns how many needed all centres in float32. */
static int64_t assign_filtered(kmeans *m, int64_t first, int64_t n)
{
    int64_t open = 0, pairs = 0;
    for (int64_t t = first; t < first + n; t += FILTER_ROWS) {
        filter_nearest found;
        int64_t part = first + n - t < FILTER_ROWS ? first + n - t : FILTER_ROWS;
        kmeans_filter_nearest(&m->filter, t, part, m->label + t, m->points->x->valid + t, m->beyond, &found);
        m->work += (double)count_near_ties(part, (float)m->way, found.norm, found.best, found.second);
        sort_found(m, t, &found, &open, &pairs);
    }
    assign_pairs(m, pairs);
    assign_all(m, open);
    return open;
}

/* n local rows in float32. Returns how many are valid. */
static int64_t assign_exact(kmeans *m, int64_t first, int64_t n)
{
    kmeans_span *span = m->span;
    int64_t count = 0;
    for (int64_t i = first; i < first + n; i++) {
        span->row[count] = i;
        count += m->points->x->valid[i];
    }
    assign_all(m, count);
    m->work += (double)count_near_ties(count, (float)m->way, span->norm, span->best, span->second);
    return count;
}

void kmeans_assign_local(kmeans *m)
{
    int64_t count = m->points->x->count, open = 0;
    round_centres(m);
    if (m->filtered && !m->bounded) kmeans_filter_centres(&m->filter, m->centre, m->k);
    m->work = 0;
    for (int64_t first = 0; first < count; first += SPAN) {
        int64_t n = count - first < SPAN ? count - first : SPAN;
        if (m->bounded) {
            kmeans_assign_bounded(m, first, n);
            continue;
        }
        open += m->filtered ? assign_filtered(m, first, n) : assign_exact(m, first, n);
    }
    m->fresh = !m->bounded;
    if ((double)open > filter_pays_below * (double)count) m->filtered = false;
}

void kmeans_assign_rows(kmeans *m, const int64_t *row, int64_t n)
{
    round_centres(m);
    for (int64_t first = 0; first < n; first += SPAN) {
        int64_t part = n - first < SPAN ? n - first : SPAN;
        memcpy(m->span->row, row + first, (size_t)part * sizeof *row);
        for (int64_t r = 0; r < part; r++) m->label[row[first + r]] = -1;
        assign_all(m, part);
    }
}

double kmeans_move(kmeans *m)
{
    const double *count = m->sums + m->k * m->cols;
    double total = 0;
    m->way = 0;
    for (int32_t c = 0; c < m->k; c++) {
        double square = 0;
        for (int64_t j = 0; j < m->cols; j++) {
            int64_t e = c * m->cols + j;
            m->next[e] = count[c] > 0 ? m->sums[e] / count[c] : m->centre[e];
            square += (m->next[e] - m->centre[e]) * (m->next[e] - m->centre[e]);
        }
        double way = sqrt(square) * (1 + 1e-9);
        total += square;
        m->path[c] += way;
        if (way > m->way) m->way = way;
    }
    m->drift += m->way;
    double *old = m->centre;
    m->centre = m->next;
    m->next = old;
    return total;
}
