/* An order in which points that are near each other lie near each other, and clouds are not mixed: points by
 * their nearest pivot. Each pivot is the point farthest from all before it (Gonzalez 1985), so that every
 * cloud has one before any is given many; a pivot follows the one that was nearest to it. */
#include "cluster/nearest.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIVOTS = 256 };

typedef struct ordering {
    const float *data;
    int64_t cols, n;
    float *square;  /* [n] to the nearest pivot */
    int32_t *pivot; /* [n] which */
    int pivots;
    int32_t parent[PIVOTS]; /* the pivot that was nearest to this one; a smaller number */
} ordering;

TT_KERNEL static float squared(int64_t cols, const float *a, const float *b)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < cols; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

/* Let point `at` be a pivot. @return the point farthest from all pivots, -1 if all are on one */
static int64_t add_pivot(ordering *o, int64_t at)
{
    int64_t farthest = -1;
    float most = 0;
    o->parent[o->pivots] = o->pivots > 0 ? o->pivot[at] : 0;
    for (int64_t i = 0; i < o->n; i++) {
        float square = squared(o->cols, o->data + i * o->cols, o->data + at * o->cols);
        if (square < o->square[i]) {
            o->square[i] = square;
            o->pivot[i] = o->pivots;
        }
        if (o->square[i] <= most) continue;
        most = o->square[i];
        farthest = i;
    }
    o->pivots++;
    return farthest;
}

/* The place of each pivot: after its parent, later ones first. */
static void rank_pivots(const ordering *o, int32_t *place)
{
    int32_t size[PIVOTS], used[PIVOTS]; /* pivots from there down; places given below it */
    for (int p = 0; p < o->pivots; p++) size[p] = used[p] = 1;
    for (int p = o->pivots - 1; p > 0; p--) size[o->parent[p]] += size[p];
    place[0] = 0;
    for (int p = 1; p < o->pivots; p++) {
        int32_t parent = o->parent[p];
        place[p] = place[parent] + used[parent];
        used[parent] += size[p];
    }
}

/* Points by the places of their pivots, each one's in the order of the rows. */
static void sort_points(const ordering *o, int64_t *order)
{
    int32_t place[PIVOTS];
    int64_t start[PIVOTS + 1] = {0};
    rank_pivots(o, place);
    for (int64_t i = 0; i < o->n; i++) start[place[o->pivot[i]] + 1]++;
    for (int p = 0; p < o->pivots; p++) start[p + 1] += start[p];
    for (int64_t i = 0; i < o->n; i++) order[start[place[o->pivot[i]]]++] = i;
}

tt_status nearest_order(const float *data, int64_t cols, int64_t n, int64_t *order)
{
    ordering o = {.data = data, .cols = cols, .n = n};
    int64_t most = n / (NEAREST_WIDTH / 2) + 1;
    tt_status s = tt_alloc(n, sizeof *o.square, "points to order", &o.square);
    if (s == TT_OK) s = tt_alloc(n, sizeof *o.pivot, "points to order", &o.pivot);
    if (s == TT_OK) {
        for (int64_t i = 0; i < n; i++) o.square[i] = FLT_MAX;
        for (int64_t next = n > 0 ? 0 : -1; next >= 0 && o.pivots < PIVOTS && o.pivots < most;)
            next = add_pivot(&o, next);
        sort_points(&o, order);
    }
    free(o.pivot);
    free(o.square);
    return s;
}
