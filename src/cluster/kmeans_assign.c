/* Rows to their nearest centres: bounds say which groups of centres need to be measured. */
#include "kmeans.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

typedef float vfloat __attribute__((vector_size(32)));
typedef double vdouble __attribute__((vector_size(64)));

/* More than the rounding of a sum of few floats, relative to the sum of their sizes. */
static const float rounding = 0x1p-20f;

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
    float share = 1.0f - 0.5f * tie_width(m);
    m->norm_max = kmeans_tile_layout(m->centre, m->k, m->cols, m->columns, m->low);
    for (int64_t c = 0; c < m->panels * TILE; c++) m->low[c] *= share;
}

static int group_of(const kmeans *m, int32_t centre)
{
    return (int)(centre / (m->group_panels * TILE));
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
    m->label[i] = label;
}

/* The nearest of all centres that float32 cannot tell from the nearest, in double; the lowest of equals. */
static int32_t settle(const kmeans *m, const float *row, float limit)
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

/* ---- which groups a row needs ---- */

/* Bounds on the distances to the own centres, as of now. */
static void upper_bounds(const kmeans *m, int64_t first, int64_t n, float *upper)
{
    for (int64_t r = 0; r < n; r++) {
        int32_t c = m->label[first + r];
        float way = c < 0 ? 0.0f : (float)m->path[c], stored = m->upper[first + r];
        upper[r] = stored + way + rounding * (fabsf(stored) + way);
    }
}

TT_KERNEL static void mark_near(int64_t n, const float *restrict upper, const float *restrict lower,
                                float drift, uint32_t bit, uint32_t *restrict need)
{
    for (int64_t r = 0; r < n; r++) {
        float bound = lower[r] - drift - rounding * (lower[r] + drift);
        need[r] |= upper[r] < bound ? 0 : bit;
    }
}

/* The own group of a row that needs any is measured too: its bound leaves out the own centre, which may
 * change. */
static void needed_groups(kmeans *m, int64_t first, int64_t n)
{
    kmeans_span *span = m->span;
    const unsigned char *valid = m->points->x->valid + first;
    memset(span->need, 0, sizeof span->need);
    upper_bounds(m, first, n, span->upper);
    for (int g = 0; g < m->groups; g++)
        mark_near(n, span->upper, m->lower + g * m->padded + first, (float)m->drift[g] * (1 + rounding),
                  1u << g, span->need);
    int64_t groups = 0;
    for (int64_t r = 0; r < n; r++) {
        int32_t c = m->label[first + r];
        if (!valid[r]) span->need[r] = 0;
        if (span->need[r] && c >= 0) span->need[r] |= 1u << group_of(m, c);
        groups += __builtin_popcount(span->need[r]);
    }
    if (!m->fresh) m->work += (double)groups / m->groups;
}

/* ---- measuring ---- */

/* A tile of rows [n <= TILE], by their places in the span, against one group. */
static void measure_tile(kmeans *m, const int64_t *row, const int32_t *place, int n, int g)
{
    const float *address[TILE];
    tile_nearest found;
    int64_t from = g * m->group_panels, panels = m->panels - from;
    if (panels > m->group_panels) panels = m->group_panels;
    for (int i = 0; i < TILE; i++) address[i] = m->points->data + row[place[i < n ? i : n - 1]] * m->cols;
    kmeans_tile_pack(address, m->cols, m->packed);
    kmeans_tile(m->packed, m->cols, panels, m->columns + from * m->cols * TILE, m->low + from * TILE, &found);
    for (int i = 0; i < n; i++) {
        m->span->group_best[g][place[i]] = found.best[i];
        m->span->group_second[g][place[i]] = found.second[i];
        m->span->group_index[g][place[i]] = found.index[i] + (int32_t)(from * TILE);
    }
}

static void measure_group(kmeans *m, const int64_t *row, int64_t n, int g)
{
    int32_t place[SPAN];
    int count = 0;
    for (int64_t r = 0; r < n; r++) {
        m->span->group_best[g][r] = m->span->group_second[g][r] = INFINITY;
        place[count] = (int32_t)r;
        count += (int)(m->span->need[r] >> g & 1u);
    }
    for (int i = 0; i < count; i += TILE)
        measure_tile(m, row, place + i, count - i < TILE ? count - i : TILE, g);
}

/* ---- what follows ---- */

/* The nearest and the next nearest of all groups together. */
TT_KERNEL static void merge_group(int64_t n, const float *restrict group_best,
                                  const float *restrict group_second, const int32_t *restrict group_index,
                                  float *restrict best, float *restrict second, int32_t *restrict index)
{
    for (int64_t r = 0; r < n; r++) {
        float b = best[r], s = second[r], v = group_best[r], w = group_second[r];
        float rest = v < b ? b : s, other = v < b ? w : v;
        second[r] = rest < other ? rest : other;
        index[r] = v < b ? group_index[r] : index[r];
        best[r] = v < b ? v : b;
    }
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

/* Lower bounds of the rows that had this group measured. */
TT_KERNEL static void bound_group(int64_t n, float width, float drift, uint32_t bit, int32_t first_centre,
                                  int32_t end_centre, const uint32_t *restrict need,
                                  const float *restrict norm, const int32_t *restrict index,
                                  const float *restrict group_best, const float *restrict group_second,
                                  float *restrict lower)
{
    for (int64_t r = 0; r < n; r++) {
        float value = index[r] >= first_centre && index[r] < end_centre ? group_second[r] : group_best[r];
        float square = value + norm[r] - width * norm[r];
        square = square < 1e37f ? square : 1e37f; /* a group without another centre */
        float bound = sqrtf(square > 0.0f ? square : 0.0f) * 0.999999f;
        lower[r] = need[r] & bit ? bound + drift : lower[r];
    }
}

static void label_row(kmeans *m, int64_t i, int64_t r)
{
    const kmeans_span *span = m->span;
    const float *row = m->points->data + i * m->cols;
    int32_t label = span->index[r];
    if (span->second[r] <= span->limit[r]) {
        label = settle(m, row, span->limit[r]);
        for (int g = 0; g < m->groups; g++) /* which of them is meant is not known: none has a bound */
            if (span->need[r] >> g & 1) m->lower[g * m->padded + i] = 0.0f;
    }
    change_label(m, i, row, label);
    m->upper[i] = span->upper[r] - (float)(m->path[label] * (1 - (double)rounding));
}

/* Nearest centre and upper bound of the rows of the span. */
static void find_nearest(kmeans *m, const float *norm, int64_t n)
{
    kmeans_span *span = m->span;
    for (int64_t r = 0; r < n; r++) span->best[r] = span->second[r] = INFINITY;
    for (int g = 0; g < m->groups; g++)
        merge_group(n, span->group_best[g], span->group_second[g], span->group_index[g], span->best,
                    span->second, span->index);
    bound_best(n, tie_width(m), m->norm_max, norm, span->best, span->limit, span->upper);
}

static void keep_bounds(kmeans *m, int64_t first, int64_t n)
{
    kmeans_span *span = m->span;
    for (int g = 0; g < m->groups; g++) {
        int32_t from = (int32_t)(g * m->group_panels * TILE);
        bound_group(n, tie_width(m), (float)m->drift[g] * (1 - rounding), 1u << g, from,
                    from + (int32_t)m->group_panels * TILE, span->need, m->points->norm + first, span->index,
                    span->group_best[g], span->group_second[g], m->lower + g * m->padded + first);
    }
}

static void assign_bounded(kmeans *m, int64_t first, const int64_t *row, int64_t n)
{
    needed_groups(m, first, n);
    for (int g = 0; g < m->groups; g++) measure_group(m, row, n, g);
    find_nearest(m, m->points->norm + first, n);
    keep_bounds(m, first, n);
    for (int64_t r = 0; r < n; r++)
        if (m->span->need[r]) label_row(m, row[r], r);
}

/* ---- all centres for all rows ---- */

/* Into the cache, while the tile before is measured. */
static void fetch_rows(const kmeans *m, const int64_t *row, int64_t n)
{
    enum { LINE = 16, AHEAD = 16 * LINE }; /* floats; longer rows are streams that the CPU sees itself */
    int64_t end = m->cols < AHEAD ? m->cols : AHEAD;
    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < end; j += LINE) __builtin_prefetch(m->points->data + row[r] * m->cols + j);
}

static void measure_all(kmeans *m, const int64_t *row, int64_t n)
{
    kmeans_span *span = m->span;
    for (int64_t t = 0; t < n; t += TILE) {
        const float *address[TILE];
        tile_nearest found;
        int64_t left = n - t, next = left - TILE;
        if (next > 0) fetch_rows(m, row + t + TILE, next < TILE ? next : TILE);
        for (int64_t i = 0; i < TILE; i++)
            address[i] = m->points->data + row[t + (i < left ? i : left - 1)] * m->cols;
        kmeans_tile_pack(address, m->cols, m->packed);
        kmeans_tile(m->packed, m->cols, m->panels, m->columns, m->low, &found);
        memcpy(span->best + t, found.best, sizeof found.best);
        memcpy(span->second + t, found.second, sizeof found.second);
        memcpy(span->index + t, found.index, sizeof found.index);
    }
}

/* How many rows a bound on the next nearest centre would not leave out when all centres go that way again. */
TT_KERNEL static int64_t count_near_ties(int64_t n, float way, const float *restrict norm,
                                         const float *restrict best, const float *restrict second)
{
    int64_t near = 0;
    for (int64_t r = 0; r < n; r++) {
        float own = best[r] + norm[r], other = second[r] + norm[r];
        near += sqrtf(other) - sqrtf(own > 0.0f ? own : 0.0f) < 2.0f * way;
    }
    return near;
}

static void assign_all(kmeans *m, const int64_t *row, const float *norm, int64_t n)
{
    kmeans_span *span = m->span;
    measure_all(m, row, n);
    bound_best(n, tie_width(m), m->norm_max, norm, span->best, span->limit, span->upper);
    m->work += (double)count_near_ties(n, (float)m->way, norm, span->best, span->second);
    for (int64_t r = 0; r < n; r++) {
        const float *x = m->points->data + row[r] * m->cols;
        bool tie = span->second[r] <= span->limit[r];
        if (m->points->x->valid[row[r]])
            change_label(m, row[r], x, tie ? settle(m, x, span->limit[r]) : span->index[r]);
    }
}

/* Bounds begin: those of all rows are written by the pass that follows. */
static void begin_bounds(kmeans *m)
{
    for (int64_t i = 0; i < m->points->x->count; i++) m->upper[i] = INFINITY;
}

void kmeans_assign_local(kmeans *m)
{
    int64_t row[SPAN], count = m->points->x->count;
    round_centres(m);
    m->work = 0;
    if (m->bounded && m->fresh) begin_bounds(m);
    for (int64_t first = 0; first < count; first += SPAN) {
        int64_t n = count - first < SPAN ? count - first : SPAN;
        for (int64_t r = 0; r < n; r++) row[r] = first + r;
        if (m->bounded)
            assign_bounded(m, first, row, n);
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
    double total = 0, longest[GROUPS_MAX] = {0};
    m->way = 0;
    for (int32_t c = 0; c < m->k; c++) {
        double square = 0;
        for (int64_t j = 0; j < m->cols; j++) {
            int64_t e = c * m->cols + j;
            m->next[e] = count[c] > 0 ? m->sums[e] / count[c] : m->centre[e];
            square += (m->next[e] - m->centre[e]) * (m->next[e] - m->centre[e]);
        }
        double way = sqrt(square) * (1 + 1e-9);
        int g = group_of(m, c);
        total += square;
        m->path[c] += way;
        if (way > longest[g]) longest[g] = way;
        if (way > m->way) m->way = way;
    }
    for (int g = 0; g < m->groups; g++) m->drift[g] += longest[g];
    double *old = m->centre;
    m->centre = m->next;
    m->next = old;
    return total;
}
