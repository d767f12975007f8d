/* Rows in spatial order over the ranks. A sample, the same on every rank, is cut into segments by a k-d tree;
 * rows go down that tree to a segment, segments lie one after another, and each rank takes an equal run of
 * rows, which it orders by itself. The order depends on the rank count; what DBSCAN makes of it does not. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEGMENTS_PER_RANK = 8, /* dealt in turn, so that a dense region does not fall to one rank */
    SAMPLE = 64            /* rows of the sample for each segment */
};

/* Where there is no row. Its square overflows to infinity, which is not within any reach. */
static const float nowhere = 1e30f;
static const float largest = 1e18f; /* of a value: squares of differences stay finite */

/* Node i has the children 2i + 1 and 2i + 2; those below the last level are segments. */
typedef struct tree {
    int levels;
    int64_t *column;
    float *value;
} tree;

/* What rows take on their way: the row's number, then its values. */
static size_t record_bytes(const tt_matrix *x)
{
    return sizeof(int64_t) + (size_t)x->cols * sizeof(float);
}

static tt_status check_values(const tt_matrix *x)
{
    for (int64_t i = 0; i < x->count; i++)
        for (int64_t j = 0; x->valid[i] && j < x->cols; j++)
            if (!(fabsf(x->data[i * x->cols + j]) <= largest))
                return tt_fail(TT_ERR_INPUT,
                               "%s row %lld column %lld is %g; DBSCAN measures up to %g: scale "
                               "the columns",
                               x->name, (long long)(x->first + i), (long long)j,
                               (double)x->data[i * x->cols + j], (double)largest);
    return TT_OK;
}

/* ---- the tree over a sample ---- */

/* Every so manieth valid row of this rank. */
static int64_t take_sample(const tt_matrix *x, int64_t wanted, float *out)
{
    int64_t step = x->n_valid > wanted ? x->n_valid / wanted : 1, n = 0, seen = 0;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i] || seen++ % step != 0) continue;
        if (out) memcpy(out + n * x->cols, x->data + i * x->cols, (size_t)x->cols * sizeof *out);
        n++;
    }
    return n;
}

/* The samples of all ranks on every rank. Collective. */
static tt_status share_sample(const tt_matrix *x, int64_t wanted, float **sample, int64_t *n)
{
    const tt_comm *comm = x->comm;
    int64_t mine = take_sample(x, wanted, NULL), before = tt_prefix_i64(comm, mine);
    *n = tt_sum_i64(comm, mine);
    int64_t *start = NULL;
    tt_status s = tt_alloc(*n * x->cols, sizeof **sample, "a sample of rows", sample);
    if (s == TT_OK) s = tt_alloc(comm->size + 1, sizeof *start, "a sample of rows", &start);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        take_sample(x, wanted, *sample + before * x->cols);
        MPI_Allgather(&before, 1, MPI_INT64_T, start, 1, MPI_INT64_T, comm->mpi);
        start[comm->size] = *n;
    }
    for (int r = 0; s == TT_OK && r < comm->size; r++)
        s = tt_broadcast(comm, *sample + start[r] * x->cols,
                         (start[r + 1] - start[r]) * x->cols * (int64_t)sizeof **sample, r);
    free(start);
    return s;
}

static int compare_floats(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Cut sample rows [n] at the median of the widest column; those not below it come last. @return how many are
 * below */
static int64_t cut(tree *t, int64_t node, float *rows, int64_t n, int64_t cols, float *key)
{
    float width = -1;
    for (int64_t j = 0; j < cols && n > 0; j++) {
        float low = rows[j], high = rows[j];
        for (int64_t i = 1; i < n; i++) {
            low = fminf(low, rows[i * cols + j]);
            high = fmaxf(high, rows[i * cols + j]);
        }
        if (high - low > width) {
            width = high - low;
            t->column[node] = j;
        }
    }
    for (int64_t i = 0; i < n; i++) key[i] = rows[i * cols + t->column[node]];
    qsort(key, (size_t)n, sizeof *key, compare_floats);
    t->value[node] = n > 0 ? key[n / 2] : 0;
    int64_t below = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(rows[i * cols + t->column[node]] < t->value[node])) continue;
        for (int64_t j = 0; j < cols && below != i; j++) {
            float held = rows[i * cols + j];
            rows[i * cols + j] = rows[below * cols + j];
            rows[below * cols + j] = held;
        }
        below++;
    }
    return below;
}

static void grow(tree *t, int64_t node, int level, float *rows, int64_t n, int64_t cols, float *key)
{
    if (level == t->levels) return;
    int64_t below = cut(t, node, rows, n, cols, key);
    grow(t, 2 * node + 1, level + 1, rows, below, cols, key);
    grow(t, 2 * node + 2, level + 1, rows + below * cols, n - below, cols, key);
}

/* Collective. */
static tt_status tree_new(const tt_matrix *x, tree *t)
{
    float *sample = NULL, *key = NULL;
    int64_t n = 0;
    *t = (tree){0};
    while (1 << t->levels < SEGMENTS_PER_RANK * x->comm->size && t->levels < 30) t->levels++;
    int64_t segments = (int64_t)1 << t->levels;
    tt_status s = share_sample(x, SAMPLE * segments, &sample, &n);
    if (s == TT_OK) s = tt_alloc(n, sizeof *key, "a sample of rows", &key);
    if (s == TT_OK) s = tt_alloc(segments, sizeof *t->column, "a tree of segments", &t->column);
    if (s == TT_OK) s = tt_alloc(segments, sizeof *t->value, "a tree of segments", &t->value);
    if (s == TT_OK) grow(t, 0, 0, sample, n, x->cols, key);
    free(key);
    free(sample);
    return tt_agree(x->comm, s);
}

static void tree_free(tree *t)
{
    free(t->column);
    free(t->value);
}

static int64_t segment_of(const tree *t, const float *row)
{
    int64_t node = 0;
    for (int l = 0; l < t->levels; l++) node = 2 * node + (row[t->column[node]] < t->value[node] ? 1 : 2);
    return node - (((int64_t)1 << t->levels) - 1);
}

/* ---- rows to their ranks ---- */

/* First place of this rank's rows of each segment, segments in the order in which they are dealt.
 * @param start  [segments] in: this rank's rows of each. Collective. */
static tt_status find_starts(const tt_comm *comm, int64_t segments, int64_t *start)
{
    int64_t *all, *before;
    int n = (int)segments; /* at most 2^30 */
    tt_status s = tt_alloc(2 * segments, sizeof *all, "rows to sort", &all);
    TT_TRY(tt_agree(comm, s));
    before = all + segments;
    MPI_Allreduce(start, all, n, MPI_INT64_T, MPI_SUM, comm->mpi);
    MPI_Exscan(start, before, n, MPI_INT64_T, MPI_SUM, comm->mpi);
    int64_t at = 0;
    for (int r = 0; r < comm->size; r++)
        for (int64_t g = r; g < segments; g += comm->size) {
            start[g] = at + (comm->rank > 0 ? before[g] : 0); /* Exscan leaves rank 0 undefined */
            at += all[g];
        }
    free(all);
    return TT_OK;
}

/* Records of this rank's valid rows, grouped by the rank they go to. @param goes  [x->count] in: segment;
 * out: rank */
static tt_status pack(const tt_matrix *x, int64_t *goes, int64_t *start, int64_t *count, char **packed)
{
    int size = x->comm->size;
    size_t record = record_bytes(x);
    int64_t *at, n = 0;
    TT_TRY(tt_alloc(size + 1, sizeof *at, "rows to sort", &at));
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        goes[i] = tt_owner(x->n_valid, TT_BLOCK_ROWS, size, start[goes[i]]++);
        count[goes[i]] += (int64_t)record;
        n++;
    }
    tt_status s = tt_alloc(n, record, "rows to sort", packed);
    for (int r = 0; r < size; r++) at[r + 1] = at[r] + count[r];
    for (int64_t i = 0; s == TT_OK && i < x->count; i++) {
        if (!x->valid[i]) continue;
        int64_t row = x->first + i;
        char *to = *packed + at[goes[i]];
        memcpy(to, &row, sizeof row);
        memcpy(to + sizeof row, x->data + i * x->cols, record - sizeof row);
        at[goes[i]] += (int64_t)record;
    }
    free(at);
    return s;
}

/* This rank's rows in spatial order, as records. *records is freed by the caller. Collective. */
static tt_status fetch_rows(const tt_matrix *x, const tree *t, char **records)
{
    int64_t segments = (int64_t)1 << t->levels, *goes = NULL, *start = NULL, *count = NULL;
    char *packed = NULL;
    tt_status s = tt_alloc(x->count, sizeof *goes, "rows to sort", &goes);
    if (s == TT_OK) s = tt_alloc(segments, sizeof *start, "rows to sort", &start);
    if (s == TT_OK) s = tt_alloc(2 * x->comm->size, sizeof *count, "rows to sort", &count);
    s = tt_agree(x->comm, s);
    for (int64_t i = 0; s == TT_OK && i < x->count; i++)
        if (x->valid[i]) start[goes[i] = segment_of(t, x->data + i * x->cols)]++;
    if (s == TT_OK) s = find_starts(x->comm, segments, start);
    if (s == TT_OK) s = tt_agree(x->comm, pack(x, goes, start, count, &packed));
    if (s == TT_OK) s = tt_exchange(x->comm, packed, count, records, count + x->comm->size);
    free(packed);
    free(count);
    free(start);
    free(goes);
    return s;
}

/* ---- blocks ---- */

block space_view(const space *s, char *memory, int64_t id)
{
    int64_t cols = s->x->cols, left = s->x->n_valid - id * TT_BLOCK_ROWS;
    block b = {.id = id, .rows = (int)(left < TT_BLOCK_ROWS ? left : TT_BLOCK_ROWS)};
    b.info = (int64_t *)(void *)memory;
    b.columns = (float *)(void *)(memory + TT_BLOCK_ROWS * sizeof(int64_t));
    b.low = b.columns + cols * TT_BLOCK_ROWS;
    b.high = b.low + cols * CELLS;
    b.box = b.high + cols * CELLS;
    return b;
}

bool space_owns(const space *s, const block *b)
{
    return b->id >= s->first_block && b->id < s->first_block + s->blocks;
}

block space_block(const space *s, int64_t i)
{
    return space_view(s, s->memory + (size_t)i * s->slot, s->first_block + i);
}

/* The box of cell c, which is nowhere if it has no rows, and what it adds to that of the block. */
static void find_box(const block *b, int c, int64_t cols)
{
    for (int64_t j = 0; j < cols; j++) {
        const float *value = b->columns + (c * cols + j) * CELL;
        float low = value[0], high = value[0];
        for (int i = 1; i < CELL && c * CELL + i < b->rows; i++) {
            low = value[i] < low ? value[i] : low;
            high = value[i] > high ? value[i] : high;
        }
        b->low[j * CELLS + c] = low;
        b->high[j * CELLS + c] = high;
        if (c * CELL >= b->rows) continue;
        b->box[2 * j] = c == 0 || low < b->box[2 * j] ? low : b->box[2 * j];
        b->box[2 * j + 1] = c == 0 || high > b->box[2 * j + 1] ? high : b->box[2 * j + 1];
    }
}

static void fill_block(space *s, int64_t i, const float *data, const int64_t *row)
{
    int64_t cols = s->x->cols;
    block b = space_block(s, i);
    for (int c = 0; c < CELLS; c++) {
        for (int r = 0; r < CELL; r++) {
            int at = c * CELL + r;
            const float *from = at < b.rows ? data + row[i * TT_BLOCK_ROWS + at] * cols : NULL;
            for (int64_t j = 0; j < cols; j++)
                b.columns[(c * cols + j) * CELL + r] = from ? from[j] : nowhere;
        }
        find_box(&b, c, cols);
    }
}

/* Records come apart into numbers and values; the blocks are filled in the rank's own order. */
static tt_status fill(space *s, const char *records)
{
    int64_t cols = s->x->cols, n = s->rows.end - s->rows.begin, *row = NULL;
    size_t record = record_bytes(s->x);
    float *data = NULL;
    tt_status status = tt_alloc(n * cols, sizeof *data, "rows in spatial order", &data);
    if (status == TT_OK) status = tt_alloc(n, sizeof *row, "rows in spatial order", &row);
    for (int64_t i = 0; status == TT_OK && i < n; i++) {
        memcpy(data + i * cols, records + (size_t)i * record + sizeof(int64_t), record - sizeof(int64_t));
        row[i] = i;
    }
    if (status == TT_OK) status = space_order(data, cols, n, row);
    for (int64_t i = 0; status == TT_OK && i < n; i++)
        memcpy(&s->origin[i], records + (size_t)row[i] * record, sizeof s->origin[i]);
    for (int64_t i = 0; status == TT_OK && i < s->blocks; i++) fill_block(s, i, data, row);
    free(row);
    free(data);
    return status;
}

tt_status space_new(const tt_matrix *x, space *out)
{
    tree t = {0};
    char *records = NULL;
    *out = (space){.x = x};
    out->rows = tt_partition(x->n_valid, TT_BLOCK_ROWS, x->comm->size, x->comm->rank);
    int64_t n = out->rows.end - out->rows.begin;
    out->blocks = (n + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS;
    out->first_block = out->rows.begin / TT_BLOCK_ROWS;
    size_t floats = (size_t)x->cols * (TT_BLOCK_ROWS + 2 * CELLS + 2);
    out->slot = (TT_BLOCK_ROWS * sizeof(int64_t) + floats * sizeof(float) + 63) / 64 * 64;
    tt_status s = check_values(x);
    if (s == TT_OK) s = tt_alloc(out->blocks, out->slot, "rows in spatial order", &out->memory);
    if (s == TT_OK) s = tt_alloc(n, sizeof *out->origin, "rows in spatial order", &out->origin);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tree_new(x, &t);
    if (s == TT_OK) s = fetch_rows(x, &t, &records);
    if (s == TT_OK) s = tt_agree(x->comm, fill(out, records));
    free(records);
    tree_free(&t);
    if (s != TT_OK) space_free(out);
    return s;
}

void space_free(space *s)
{
    free(s->memory);
    free(s->origin);
    *s = (space){0};
}
