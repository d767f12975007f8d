/* Rows to their nearest centres, leaving out what bounds allow: a row whose own centre is surely still the
 * nearest is not measured (Hamerly 2010); one of whose centres not on its list none can have come near enough
 * is measured against its list, the few that were the nearest; the others against all, for a new list. */
#include "kmeans.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

/* More than the rounding of a sum of few floats, relative to the sum of their sizes. */
static const float rounding = 0x1p-20f;

/* Rows of one tile, and what was found about them. */
typedef struct tile_rows {
    int n;
    int64_t row[TILE]; /* local; the last one again beyond n */
    float norm[TILE], limit[TILE];
    float upper[TILE], second[TILE], rest[TILE]; /* bounds as of now */
    int32_t list[KMEANS_LIST][TILE];
    tile_nearest found;
} tile_rows;

/* ---- bounds ---- */

static float below(float stored, float drift)
{
    return stored - drift - rounding * (fabsf(stored) + drift);
}

/* Bounds on the distances to the own centres, as of now. */
static void upper_bounds(const kmeans *m, int64_t first, int64_t n, float *upper)
{
    for (int64_t r = 0; r < n; r++) {
        int32_t c = m->label[first + r];
        float way = c < 0 ? 0.0f : (float)m->path[c], stored = m->bounds.upper[first + r];
        upper[r] = stored + way + rounding * (fabsf(stored) + way);
    }
}

TT_KERNEL static void mark_near(int64_t n, const float *restrict upper, const float *restrict second,
                                float drift, const unsigned char *restrict valid, uint32_t *restrict need)
{
    for (int64_t r = 0; r < n; r++) {
        float bound = second[r] - drift - rounding * (second[r] + drift);
        need[r] = valid[r] && !(upper[r] < bound);
    }
}

/* Places in the span of the rows that their bounds do not leave out. */
static int64_t rows_in_need(kmeans *m, int64_t first, int64_t n, int32_t *place)
{
    kmeans_span *span = m->span;
    const unsigned char *valid = m->points->x->valid + first;
    int64_t count = 0;
    upper_bounds(m, first, n, span->upper);
    mark_near(n, span->upper, m->bounds.second + first, (float)m->drift * (1 + rounding), valid, span->need);
    for (int64_t r = 0; r < n; r++) {
        place[count] = (int32_t)r;
        count += m->fresh ? valid[r] : (int64_t)span->need[r];
    }
    return count;
}

/* Least distances from what tiles found, as kmeans_bound_nearest() does with greatest. */
TT_KERNEL static void least_distances(float width, const float *restrict norm, const float *restrict value,
                                      float *restrict least)
{
    for (int r = 0; r < TILE; r++) {
        float square = value[r] + norm[r] - width * norm[r];
        square = square < 1e37f ? square : 1e37f; /* no other centre */
        least[r] = sqrtf(square > 0.0f ? square : 0.0f) * 0.999999f;
    }
}

/* ---- tiles ---- */

static void choose_rows(const kmeans *m, int64_t first, const int32_t *place, int64_t n, tile_rows *t)
{
    t->n = n < TILE ? (int)n : TILE;
    for (int64_t r = TILE; r < 2 * TILE && r < n; r++) kmeans_fetch_row(m, first + place[r]);
    for (int r = 0; r < TILE; r++) {
        t->row[r] = first + place[r < t->n ? r : t->n - 1];
        t->norm[r] = m->points->norm[t->row[r]];
    }
}

/* Measure rows against their lists. */
static void measure_lists(const kmeans *m, tile_rows *t)
{
    const float *address[TILE];
    for (int r = 0; r < TILE; r++) address[r] = m->points->data + t->row[r] * m->cols;
    kmeans_tile_measure(address, m->cols, m->rows, m->low, KMEANS_LIST, t->list[0], &t->found);
    kmeans_bound_nearest(m, TILE, t->norm, t->found.best, t->limit, t->upper);
    least_distances(kmeans_tie_width(m), t->norm, t->found.second, t->second);
}

static void recall_lists(const kmeans *m, tile_rows *t)
{
    float drift = (float)m->drift * (1 + rounding);
    for (int r = 0; r < TILE; r++) {
        const int32_t *list = m->bounds.list + t->row[r] * KMEANS_LIST;
        for (int l = 0; l < KMEANS_LIST; l++) t->list[l][r] = list[l];
        t->rest[r] = below(m->bounds.rest[t->row[r]], drift);
    }
}

/* New lists, from all centres. */
static void make_lists(kmeans *m, tile_rows *t)
{
    const float *address[TILE];
    float drift = (float)m->drift * (1 - rounding);
    tile_list list;
    for (int r = 0; r < TILE; r++) address[r] = m->points->data + t->row[r] * m->cols;
    kmeans_tile_pack(address, m->cols, m->packed);
    kmeans_tile_list(m->packed, m->cols, m->panels, m->columns, m->low, &list);
    least_distances(kmeans_tie_width(m), t->norm, list.rest, t->rest);
    memcpy(t->list, list.centre, sizeof t->list);
    for (int r = 0; r < t->n; r++) {
        m->bounds.rest[t->row[r]] = t->rest[r] + drift;
        for (int l = 0; l < KMEANS_LIST; l++) m->bounds.list[t->row[r] * KMEANS_LIST + l] = list.centre[l][r];
    }
}

/* The row's label and bounds. Where float32 cannot tell which centre is meant, the others have no bound. */
static void label_row(kmeans *m, const tile_rows *t, int r)
{
    int64_t i = t->row[r];
    int32_t label = t->found.index[r];
    bool tie = t->found.second[r] <= t->limit[r] || !(t->upper[r] < t->rest[r]);
    float second = t->second[r] < t->rest[r] ? t->second[r] : t->rest[r];
    if (tie) {
        label = kmeans_settle(m, m->points->data + i * m->cols, t->limit[r]);
        second = 0.0f;
    }
    kmeans_change_label(m, i, label);
    m->bounds.upper[i] = t->upper[r] - (float)(m->path[label] * (1 - (double)rounding));
    m->bounds.second[i] = second + (float)m->drift * (1 - rounding);
}

/* Rows at n places by their lists; those that need more go into m->span->open. Returns how many. */
static int64_t assign_listed(kmeans *m, int64_t first, int64_t n)
{
    kmeans_span *span = m->span;
    int64_t open = 0;
    for (int64_t at = 0; at < n; at += TILE) {
        tile_rows t;
        choose_rows(m, first, span->listed + at, n - at, &t);
        recall_lists(m, &t);
        measure_lists(m, &t);
        for (int r = 0; r < t.n; r++) {
            if (t.upper[r] < t.rest[r])
                label_row(m, &t, r);
            else
                span->open[open++] = span->listed[at + r];
        }
    }
    return open;
}

static void assign_open(kmeans *m, int64_t first, const int32_t *place, int64_t n)
{
    for (int64_t at = 0; at < n; at += TILE) {
        tile_rows t;
        choose_rows(m, first, place + at, n - at, &t);
        make_lists(m, &t);
        measure_lists(m, &t);
        for (int r = 0; r < t.n; r++) label_row(m, &t, r);
    }
}

void kmeans_assign_bounded(kmeans *m, int64_t first, int64_t n)
{
    kmeans_span *span = m->span;
    int64_t listed = rows_in_need(m, first, n, span->listed);
    if (m->fresh) {
        assign_open(m, first, span->listed, listed);
        return;
    }
    int64_t open = assign_listed(m, first, listed);
    assign_open(m, first, span->open, open);
    m->work += (double)open;
}
