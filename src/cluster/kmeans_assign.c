/* Rows to their nearest centres, by tiles over all centres. */
#include "kmeans.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

typedef float vfloat __attribute__((vector_size(32)));
typedef double vdouble __attribute__((vector_size(64)));

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
    double *count = m->local + m->k * m->cols;
    int32_t old = m->label[i];
    if (old == label) return;
    if (old >= 0) {
        add_row(m->cols, row, m->grid, -1.0, m->local + old * m->cols);
        count[old] -= 1;
    }
    add_row(m->cols, row, m->grid, 1.0, m->local + label * m->cols);
    count[label] += 1;
    m->label[i] = label;
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

static void measure_all(kmeans *m, const int64_t *row, int64_t n)
{
    kmeans_span *span = m->span;
    for (int64_t t = 0; t < n; t += TILE) {
        const float *address[TILE];
        tile_nearest found;
        int64_t left = n - t, next = left - TILE;
        for (int64_t i = 0; i < TILE && i < next; i++) kmeans_fetch_row(m, row[t + TILE + i]);
        for (int64_t i = 0; i < TILE; i++)
            address[i] = m->points->data + row[t + (i < left ? i : left - 1)] * m->cols;
        kmeans_tile_pack(address, m->cols, m->packed);
        kmeans_tile(m->packed, m->cols, m->panels, m->columns, m->low, &found);
        memcpy(span->best + t, found.best, sizeof found.best);
        memcpy(span->second + t, found.second, sizeof found.second);
        memcpy(span->index + t, found.index, sizeof found.index);
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

static void assign_all(kmeans *m, const int64_t *row, const float *norm, int64_t n)
{
    kmeans_span *span = m->span;
    measure_all(m, row, n);
    kmeans_bound_nearest(m, n, norm, span->best, span->limit, span->upper);
    m->work += (double)count_near_ties(n, (float)m->way, norm, span->best, span->second);
    for (int64_t r = 0; r < n; r++) {
        const float *x = m->points->data + row[r] * m->cols;
        bool tie = span->second[r] <= span->limit[r];
        if (m->points->x->valid[row[r]])
            kmeans_change_label(m, row[r], tie ? kmeans_settle(m, x, span->limit[r]) : span->index[r]);
    }
}

void kmeans_assign_local(kmeans *m)
{
    int64_t row[SPAN], count = m->points->x->count;
    round_centres(m);
    m->work = 0;
    for (int64_t first = 0; first < count; first += SPAN) {
        int64_t n = count - first < SPAN ? count - first : SPAN;
        for (int64_t r = 0; r < n; r++) row[r] = first + r;
        if (m->bounded)
            kmeans_assign_bounded(m, first, n);
        else
            assign_all(m, row, m->points->norm + first, n);
    }
    m->fresh = !m->bounded;
}

void kmeans_assign_rows(kmeans *m, const int64_t *row, int64_t n)
{
    float norm[SPAN];
    round_centres(m);
    for (int64_t first = 0; first < n; first += SPAN, row += SPAN) {
        int64_t part = n - first < SPAN ? n - first : SPAN;
        for (int64_t r = 0; r < part; r++) {
            m->label[row[r]] = -1;
            norm[r] = m->points->norm[row[r]];
        }
        assign_all(m, row, norm, part);
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
