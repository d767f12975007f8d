#include "cluster/nearest.h"

#include "tutti/distance.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = NEAREST_WIDTH, QUERIES = NEAREST_QUERIES, GROUP = 32, GROUPS = WIDTH / GROUP };
enum { TURN = 32 }; /* queries of each rank from which on they search in turn */

/* A lower bound is rounded a few times more on its way: limits are raised by this much. */
static const double raise_limit = 1 + 0x1p-20;

typedef double lanes __attribute__((vector_size(64)));

tt_status nearest_new(int64_t slots, int64_t cols, bool weighted, nearest_set *out)
{
    int64_t padded = (slots + WIDTH - 1) / WIDTH * WIDTH;
    *out = (nearest_set){.cols = cols, .slots = slots, .weighted = weighted};
    out->slack = tt_distance_slack(cols + 12); /* both points rounded, their norms once more */
    TT_TRY(tt_alloc(slots * cols, sizeof *out->centre, "centres", &out->centre));
    TT_TRY(tt_alloc(padded * cols, sizeof *out->columns, "transposed centres", &out->columns));
    TT_TRY(tt_alloc(padded, sizeof *out->low, "squared lengths", &out->low));
    TT_TRY(tt_alloc(padded, sizeof *out->size, "sizes", &out->size));
    TT_TRY(tt_alloc(padded, sizeof *out->size32, "sizes", &out->size32));
    TT_TRY(tt_alloc(padded, sizeof *out->id, "ids", &out->id));
    TT_TRY(tt_alloc(padded, sizeof *out->tag, "tags", &out->tag));
    TT_TRY(tt_alloc(QUERIES * cols, sizeof *out->query, "queries", &out->query));
    TT_TRY(tt_alloc(QUERIES * WIDTH, sizeof *out->tile, "a tile", &out->tile));
    for (int64_t i = 0; i < padded; i++) {
        out->low[i] = INFINITY;
        out->size[i] = out->size32[i] = 1;
        out->id[i] = out->tag[i] = -1;
    }
    return TT_OK;
}

void nearest_free(nearest_set *s)
{
    free(s->centre);
    free(s->columns);
    free(s->low);
    free(s->size);
    free(s->size32);
    free(s->id);
    free(s->tag);
    free(s->query);
    free(s->tile);
    free(s->middle);
    free(s->longest);
    free(s->from);
    free(s->towards);
    free(s->order);
    free(s->limit);
    *s = (nearest_set){0};
}

static float *column_of(const nearest_set *s, int64_t slot)
{
    return s->columns + slot / WIDTH * WIDTH * s->cols + slot % WIDTH;
}

void nearest_put(nearest_set *s, int64_t slot, int32_t id, const double *centre, double size)
{
    float *column = column_of(s, slot);
    double norm = 0;
    if (s->id[slot] < 0) s->live++;
    for (int64_t j = 0; j < s->cols; j++) {
        float value = (float)centre[j];
        column[j * WIDTH] = value;
        norm += (double)value * (double)value;
    }
    memmove(s->centre + slot * s->cols, centre, (size_t)s->cols * sizeof *centre);
    s->low[slot] = (float)(norm * (1 - s->slack));
    s->size[slot] = s->weighted ? size : 1;
    s->size32[slot] = (float)s->size[slot];
    s->id[slot] = s->tag[slot] = id;
}

void nearest_kill(nearest_set *s, int64_t slot)
{
    s->low[slot] = INFINITY;
    s->size[slot] = s->size32[slot] = 1;
    s->id[slot] = s->tag[slot] = -1;
    s->live--;
}

void nearest_compact(nearest_set *s, int32_t *slot_of)
{
    int64_t to = 0;
    for (int64_t from = 0; from < s->slots; from++) {
        int32_t id = s->id[from], tag = s->tag[from];
        if (id < 0) continue;
        if (to < from) {
            double size = s->size[from];
            nearest_kill(s, from);
            nearest_put(s, to, id, s->centre + from * s->cols, size);
            s->tag[to] = tag;
        }
        slot_of[id] = (int32_t)to++;
    }
    s->slots = to;
}

TT_KERNEL static double square_of(const double *a, const double *b, int64_t cols)
{
    lanes sum = {0};
    int64_t j = 0;
    for (; j + 8 <= cols; j += 8) {
        lanes u, v;
        memcpy(&u, a + j, sizeof u);
        memcpy(&v, b + j, sizeof v);
        sum += (u - v) * (u - v);
    }
    double total = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    for (; j < cols; j++) total += (a[j] - b[j]) * (a[j] - b[j]);
    return total;
}

double nearest_measure(const nearest_set *s, const double *a, double a_size, const double *b, double b_size)
{
    double square = square_of(a, b, s->cols);
    return s->weighted ? square * (a_size * b_size / (a_size + b_size)) : square;
}

/* Lower bound of the distance from a tile's element, as the integer that orders as the float does: bounds
 * below 0 come before all others, in any order. A point of the query's own tag is put last. */
#define BOUND(j)                                                                                             \
    float bound = (tile[j] + low[j] + own) * (weighted ? size[j] / (size[j] + own_size) : 1.0f);             \
    int32_t key, same = -(tag[j] == own_tag); /* all bits or none */                                         \
    memcpy(&key, &bound, sizeof key);                                                                        \
    key = (key & ~same) | (INT32_MAX & same);

/* What a row of a tile is seen with. */
typedef struct tile_row {
    const float *tile, *low, *size;
    const int32_t *tag;
    float own, own_size;
    int32_t own_tag;
} tile_row;

#define OPEN(r)                                                                                              \
    const float *restrict tile = (r)->tile, *restrict low = (r)->low, *restrict size = (r)->size;            \
    const int32_t *restrict tag = (r)->tag, own_tag = (r)->own_tag;                                          \
    float own = (r)->own, own_size = (r)->own_size;                                                          \
    (void)size;                                                                                              \
    (void)own_size;

/* Smallest bound of a row of a tile. */
TT_KERNEL static int32_t least_plain(const tile_row *r)
{
    enum { weighted = 0 };
    OPEN(r)
    int32_t least = INT32_MAX;
    for (int j = 0; j < WIDTH; j++) {
        BOUND(j)
        least = key < least ? key : least;
    }
    return least;
}

TT_KERNEL static int32_t least_weighted(const tile_row *r)
{
    enum { weighted = 1 };
    OPEN(r)
    int32_t least = INT32_MAX;
    for (int j = 0; j < WIDTH; j++) {
        BOUND(j)
        least = key < least ? key : least;
    }
    return least;
}

/* All bounds of a row, and the smallest of each group. */
TT_KERNEL static void write_bounds(const tile_row *r, int weighted, int32_t *restrict keys,
                                   int32_t *restrict least)
{
    OPEN(r)
    for (int g = 0; g < GROUPS; g++) {
        int32_t smallest = INT32_MAX;
        for (int j = g * GROUP; j < (g + 1) * GROUP; j++) {
            BOUND(j)
            keys[j] = key;
            smallest = key < smallest ? key : smallest;
        }
        least[g] = smallest;
    }
}

static void insert(hit *list, int k, hit h)
{
    if (!hit_before(h, list[k - 1])) return;
    int at = k - 1;
    for (; at > 0 && hit_before(h, list[at - 1]); at--) list[at] = list[at - 1];
    list[at] = h;
}

/* The largest key that a point on its way into the list can have. */
static int32_t limit_key(const hit *list, int k, double own_size)
{
    double value = list[k - 1].value / own_size * raise_limit;
    float limit = value < 3e38 ? (float)value : INFINITY;
    int32_t key;
    memcpy(&key, &limit, sizeof key);
    key += key < 0x7f800000; /* the next float */
    return list[k - 1].id < 0 ? INT32_MAX - 1 : key;
}

static int least_group(const int32_t *least)
{
    int at = 0;
    for (int g = 1; g < GROUPS; g++)
        if (least[g] < least[at]) at = g;
    return at;
}

/* Go through a row of a tile that holds a point within the limit, from the group with the nearest on: where
 * rows lie in the order of a line, every point of a tile is nearer than those before it. */
static void take_row(const nearest_set *s, const tile_row *r, int64_t first, const double *point, double size,
                     int k, hit *list)
{
    int32_t keys[WIDTH], least[GROUPS], limit = limit_key(list, k, size);
    write_bounds(r, s->weighted, keys, least);
    for (int g = least_group(least); least[g] <= limit; g = least_group(least)) {
        least[g] = INT32_MAX; /* above any limit */
        for (int j = g * GROUP; j < (g + 1) * GROUP; j++) {
            int64_t slot = first + j;
            if (keys[j] > limit || s->id[slot] < 0) continue;
            if (list[k - 1].value == 0 && s->id[slot] > list[k - 1].id) continue; /* nothing is nearer */
            double value = nearest_measure(s, point, size, s->centre + slot * s->cols, s->size[slot]);
            insert(list, k, (hit){value, s->id[slot]});
            limit = limit_key(list, k, size);
        }
    }
}

/* Slots of a chunk, [begin, end). */
typedef struct stretch {
    int64_t begin, end;
} stretch;

/* Products of n queries with the slots of a stretch, into s->tile; what is beside it is nobody's nearest. */
static tt_status multiply(nearest_set *s, int64_t n, int64_t first, stretch part)
{
    int rows, d, width = (int)(part.end - part.begin);
    TT_TRY(tt_int(n, "queries of a tile", &rows));
    TT_TRY(tt_int(s->cols, "columns of a tile", &d));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, width, d, -2.0f, s->query, d,
                s->columns + first * s->cols + part.begin, WIDTH, 0.0f, s->tile + part.begin, WIDTH);
    if (width == WIDTH) return TT_OK;
    for (int64_t i = 0; i < n; i++) {
        float *tile = s->tile + i * WIDTH;
        for (int64_t j = 0; j < part.begin; j++) tile[j] = INFINITY;
        for (int64_t j = part.end; j < WIDTH; j++) tile[j] = INFINITY;
    }
    return TT_OK;
}

/* Queries [n] against the slots from `first` that a stretch names. */
static tt_status search_tile(nearest_set *s, const nearest_query *q, const float *own, int64_t first,
                             stretch part, int k, hit *out)
{
    TT_TRY(multiply(s, q->n, first, part));
    for (int64_t i = 0; i < q->n; i++) {
        double size = s->weighted ? q->size[i] : 1;
        tile_row r = {s->tile + i * WIDTH, s->low + first, s->size32 + first, s->tag + first, own[i],
                      (float)size,         q->tag[i]};
        int32_t least = s->weighted ? least_weighted(&r) : least_plain(&r);
        if (least <= limit_key(out + i * k, k, size))
            take_row(s, &r, first, q->point + i * s->cols, size, k, out + i * k);
    }
    return TT_OK;
}

/* Round queries into s->query; their squared lengths less the share of the error into own [n]. */
static void round_queries(nearest_set *s, const nearest_query *q, float *own)
{
    for (int64_t i = 0; i < q->n; i++) {
        double norm = 0;
        for (int64_t j = 0; j < s->cols; j++) {
            float value = (float)q->point[i * s->cols + j];
            s->query[i * s->cols + j] = value;
            norm += (double)value * (double)value;
        }
        own[i] = (float)(norm * (1 - s->slack));
    }
}

static hit no_hit(const nearest_query *q, int64_t i)
{
    bool limited = q->limit && q->limit[i] < INFINITY;
    return limited ? (hit){nextafter(q->limit[i], INFINITY), q->tag[i]} : (hit){INFINITY, -1};
}

/* From the first to the last part of a chunk that is not too far. */
static stretch near_parts(nearest_set *s, const nearest_query *q, const float *own, int64_t chunk, int k,
                          const hit *list)
{
    enum { PART = NEAREST_PART };
    stretch near = {WIDTH, 0};
    for (int64_t at = 0; at < WIDTH && chunk * WIDTH + at < s->slots; at += PART) {
        if (nearest_is_far(s, q, own, (chunk * WIDTH + at) / PART, k, list)) continue;
        if (near.end == 0) near.begin = at;
        near.end = at + PART;
    }
    return near;
}

/* Queries [n] against all slots, from those nearest on if it is known where they lie. */
static tt_status search_chunks(nearest_set *s, const nearest_query *q, const float *own, int k, hit *out)
{
    if (s->middle) nearest_aim(s, q->n);
    for (int64_t c = 0; c * WIDTH < s->slots; c++) {
        int64_t chunk = s->middle ? s->order[c].number : c;
        stretch part = s->middle ? near_parts(s, q, own, chunk, k, out) : (stretch){0, WIDTH};
        if (part.end > 0) TT_TRY(search_tile(s, q, own, chunk * WIDTH, part, k, out));
    }
    return TT_OK;
}

/* Queries of one tile from `from` on: as many as fit, or a long run of one tag. */
static int64_t tile_queries(const nearest_query *q, int64_t from, int64_t end)
{
    int64_t n = end - from < QUERIES ? end - from : QUERIES, run = 1;
    while (run < n && q->tag[from + run] == q->tag[from]) run++;
    return run < QUERIES / 4 ? n : run;
}

/* Search for queries [begin, end) among the points of this rank. */
static tt_status search_some(nearest_set *s, const nearest_query *q, int64_t begin, int64_t end, int k,
                             hit *out)
{
    float own[QUERIES];
    for (int64_t i = begin * k; i < end * k; i++) out[i] = no_hit(q, i / k);
    for (int64_t from = begin, n; from < end; from += n) {
        n = tile_queries(q, from, end);
        nearest_query part = {.n = n,
                              .point = q->point + from * s->cols,
                              .size = q->size ? q->size + from : NULL,
                              .tag = q->tag + from};
        round_queries(s, &part, own);
        TT_TRY(search_chunks(s, &part, own, k, out + from * k));
    }
    return TT_OK;
}

/* Merge of two ascending lists of k hits; k travels as the length of the datatype. */
static void merge_lists(void *in, void *inout, int *n, MPI_Datatype *type)
{
    int bytes;
    MPI_Type_size(*type, &bytes);
    int k = bytes / (int)sizeof(hit);
    for (int i = 0; i < *n; i++)
        for (int j = 0; j < k; j++) {
            const hit *from = (const hit *)in + (ptrdiff_t)i * k + j;
            if (from->id >= 0) insert((hit *)inout + (ptrdiff_t)i * k, k, *from);
        }
}

void nearest_reduce(const tt_comm *comm, int64_t n, int k, hit *hits)
{
    enum { PIECE = 1 << 20 };
    MPI_Datatype type;
    MPI_Op op;
    if (comm->size == 1) return;
    MPI_Type_contiguous(k * (int)sizeof(hit), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(merge_lists, 1, &op);
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, hits + at * k, (int)(n - at < PIECE ? n - at : PIECE), type, op,
                      comm->mpi);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

/* Room for the limits of n queries; the same on every rank. Collective. */
static tt_status make_limits(nearest_set *s, const tt_comm *comm, int64_t n)
{
    if (n <= s->limits) return TT_OK;
    free(s->limit);
    s->limit = NULL;
    s->limits = 0;
    TT_TRY(tt_agree(comm, tt_alloc(n, sizeof *s->limit, "limits of searches", &s->limit)));
    s->limits = n;
    return TT_OK;
}

/* Each rank searches for an equal run of the queries first: what it finds tells the others how far they need
 * to look. Without that every rank would come upon as many ever nearer points as one that has them all. The
 * status is for tt_agree(). Collective. */
static tt_status search_in_turn(nearest_set *s, const tt_comm *comm, const nearest_query *q, int k, hit *out)
{
    tt_range first = tt_partition(q->n, 1, comm->size, comm->rank);
    nearest_query rest = *q;
    tt_status status = search_some(s, q, first.begin, first.end, k, out);
    rest.limit = s->limit;
    for (int64_t i = 0; i < q->n; i++) s->limit[i] = q->limit ? q->limit[i] : INFINITY;
    for (int64_t i = first.begin; status == TT_OK && i < first.end; i++)
        s->limit[i] = fmin(s->limit[i], out[i * k + k - 1].value);
    MPI_Allreduce(MPI_IN_PLACE, s->limit, (int)q->n, MPI_DOUBLE, MPI_MIN, comm->mpi);
    TT_TRY(status);
    TT_TRY(search_some(s, &rest, 0, first.begin, k, out));
    return search_some(s, &rest, first.end, q->n, k, out);
}

tt_status nearest_search(nearest_set *s, const tt_comm *comm, const nearest_query *q, int k, hit *out)
{
    int n;
    bool in_turn = q->n / comm->size >= TURN;
    TT_TRY(tt_int(q->n, "searches at once", &n));
    if (in_turn) TT_TRY(make_limits(s, comm, n));
    TT_TRY(tt_agree(comm, in_turn ? search_in_turn(s, comm, q, k, out) : search_some(s, q, 0, n, k, out)));
    nearest_reduce(comm, n, k, out);
    return TT_OK;
}
