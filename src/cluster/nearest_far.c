/* Parts of chunks of points that are too far from a set of queries to hold a nearest one: along the line from
 * the middle of the queries to the middle of the chunk, what lies between a query and the first point of the
 * chunk is a lower bound of all their distances. In many dimensions that is far tighter than a ball around
 * the chunk. */
#include "cluster/nearest.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = NEAREST_WIDTH, PART = NEAREST_PART, PARTS = WIDTH / PART };

/* Covers the few roundings of a bound on its way. */
static const double raise = 1 + 0x1p-20;

static int64_t part_slots(const nearest_set *s, int64_t part)
{
    int64_t left = s->slots - part * PART;
    return left < PART ? left : PART;
}

/* Middle and length of the live points of a part. */
static void describe(nearest_set *s, int64_t part)
{
    float *middle = s->middle + part * s->cols;
    double longest = 0;
    int64_t first = part * PART, n = part_slots(s, part), live = 0;
    for (int64_t i = first; i < first + n; i++) {
        if (s->id[i] < 0) continue;
        live++;
        for (int64_t j = 0; j < s->cols; j++) middle[j] += (float)s->centre[i * s->cols + j];
        longest = fmax(longest, (double)s->low[i]);
    }
    for (int64_t j = 0; j < s->cols && live > 0; j++) middle[j] /= (float)live;
    s->longest[part] = sqrt(longest / (1 - s->slack)) * raise;
}

tt_status nearest_index(nearest_set *s)
{
    int64_t chunks = (s->slots + WIDTH - 1) / WIDTH, parts = (s->slots + PART - 1) / PART;
    TT_TRY(tt_alloc(s->cols, sizeof *s->towards, "a direction", &s->towards));
    TT_TRY(tt_alloc(s->cols, sizeof *s->from, "the middle of queries", &s->from));
    TT_TRY(tt_alloc(chunks, sizeof *s->order, "chunks of points", &s->order));
    TT_TRY(tt_alloc(parts, sizeof *s->longest, "chunks of points", &s->longest));
    TT_TRY(tt_alloc(parts * s->cols, sizeof *s->middle, "chunks of points", &s->middle));
    for (int64_t p = 0; p < parts; p++) describe(s, p);
    return TT_OK;
}

static int by_distance(const void *left, const void *right)
{
    const nearest_chunk *a = left, *b = right;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

void nearest_aim(nearest_set *s, int64_t n)
{
    int64_t chunks = (s->slots + WIDTH - 1) / WIDTH;
    memset(s->from, 0, (size_t)s->cols * sizeof *s->from);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < s->cols; j++) s->from[j] += s->query[i * s->cols + j] / (float)n;
    for (int64_t c = 0; c < chunks; c++) s->order[c] = (nearest_chunk){INFINITY, c};
    for (int64_t p = 0; p * PART < s->slots; p++) {
        nearest_chunk *chunk = &s->order[p / PARTS];
        double square = 0;
        for (int64_t j = 0; j < s->cols; j++) {
            double d = (double)s->middle[p * s->cols + j] - (double)s->from[j];
            square += d * d;
        }
        chunk->distance = fmin(chunk->distance, square);
    }
    qsort(s->order, (size_t)chunks, sizeof *s->order, by_distance);
}

/* The smallest product of the live points of a part with a direction. */
TT_KERNEL static float first_along(int64_t cols, const float *restrict towards, const float *restrict columns,
                                   const float *restrict low)
{
    float along[PART] = {0}, first = INFINITY;
    for (int64_t j = 0; j < cols; j++)
        for (int i = 0; i < PART; i++) along[i] += towards[j] * columns[j * WIDTH + i];
    for (int i = 0; i < PART; i++) {
        float value = low[i] < INFINITY ? along[i] : INFINITY;
        first = value < first ? value : first;
    }
    return first;
}

/* Whether all points of the part have the tag of all queries. */
static bool is_own(const nearest_set *s, const nearest_query *q, int64_t part)
{
    int64_t first = part * PART, n = part_slots(s, part);
    for (int64_t i = 0; i < q->n; i++)
        if (q->tag[i] != q->tag[0]) return false;
    for (int64_t i = first; i < first + n; i++)
        if (s->id[i] >= 0 && s->tag[i] != q->tag[0]) return false;
    return true;
}

/* Product of a query with a direction, in any order of summation. */
TT_KERNEL static float along_of(int64_t cols, const float *restrict towards, const float *restrict query)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < cols; j++) sum += towards[j] * query[j];
    return sum;
}

bool nearest_is_far(nearest_set *s, const nearest_query *q, const float *own, int64_t part, int k,
                    const hit *list)
{
    if (is_own(s, q, part)) return true;
    for (int64_t i = 0; i < q->n; i++)
        if (list[i * k + k - 1].id < 0) return false; /* still takes anything */
    const float *columns = s->columns + part / PARTS * WIDTH * s->cols + part % PARTS * PART;
    double square = 0;
    for (int64_t j = 0; j < s->cols; j++) {
        s->towards[j] = s->middle[part * s->cols + j] - s->from[j];
        square += (double)s->towards[j] * (double)s->towards[j];
    }
    double length = sqrt(square) * raise;
    double first = (double)first_along(s->cols, s->towards, columns, s->low + part * PART);
    first -= s->slack * length * s->longest[part];
    for (int64_t i = 0; i < q->n; i++) {
        double error = s->slack * sqrt((double)own[i] / (1 - s->slack)) * raise;
        double reach = length * (sqrt(list[i * k + k - 1].value) * raise + error);
        if (!((double)along_of(s->cols, s->towards, s->query + i * s->cols) + reach < first)) return false;
    }
    return true;
}
