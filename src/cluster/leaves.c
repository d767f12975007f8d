#include "cluster/leaves.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void leaves_free(leaves *l)
{
    free(l->row);
    free(l->twin);
    free(l->point);
    *l = (leaves){0};
}

/* One leaf as it travels and is sorted: rows of equal hash are equal. */
typedef struct leaf_mark {
    tt_hash hash;
    int64_t row, leaf;
} leaf_mark;

static int by_hash(const void *left, const void *right)
{
    const leaf_mark *a = left, *b = right;
    if (a->hash.high != b->hash.high) return a->hash.high < b->hash.high ? -1 : 1;
    if (a->hash.low != b->hash.low) return a->hash.low < b->hash.low ? -1 : 1;
    return (a->leaf > b->leaf) - (a->leaf < b->leaf);
}

/* 0 and -0 are one value. */
static void add_values(tt_hash *hash, const float *values, int64_t n, float *room)
{
    for (int64_t j = 0; j < n; j++) room[j] = values[j] + 0.0f;
    tt_hash_add(hash, room, (size_t)n * sizeof *room);
}

/* Marks of this rank's valid rows. */
static void mark_rows(const tt_points *p, float *row, leaf_mark *marks)
{
    const tt_matrix *x = p->x;
    int64_t n = 0;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        tt_hash hash = tt_hash_start();
        add_values(&hash, p->data + i * x->cols, x->cols, row);
        if (x->rest) add_values(&hash, x->rest + i * x->cols, x->cols, row);
        marks[n++] = (leaf_mark){hash, x->first + i, 0};
    }
}

/* The marks of all ranks in row order. Collective. */
static tt_status gather_marks(const tt_points *p, const leaves *l, leaf_mark *all)
{
    const tt_comm *comm = p->x->comm;
    leaf_mark *mine = NULL;
    float *row = NULL;
    int *count = NULL, own = (int)l->count;
    MPI_Datatype type;
    tt_status s = tt_alloc(l->count, sizeof *mine, "leaves", &mine);
    if (s == TT_OK) s = tt_alloc(p->x->cols, sizeof *row, "a row", &row);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *count, "leaves", &count);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        mark_rows(p, row, mine);
        MPI_Allgather(&own, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
        int *at = count + comm->size;
        for (int r = 1; r < comm->size; r++) at[r] = at[r - 1] + count[r - 1];
        MPI_Type_contiguous((int)sizeof *mine, MPI_BYTE, &type);
        MPI_Type_commit(&type);
        MPI_Allgatherv(mine, own, type, all, count, at, type, comm->mpi);
        MPI_Type_free(&type);
    }
    free(mine);
    free(row);
    free(count);
    return s;
}

static void find_twins(leaves *l, leaf_mark *marks)
{
    for (int64_t i = 0; i < l->n; i++) {
        marks[i].leaf = i;
        l->row[i] = marks[i].row;
    }
    qsort(marks, (size_t)l->n, sizeof *marks, by_hash);
    for (int64_t i = 0; i < l->n; i++) {
        bool same = i > 0 && memcmp(&marks[i].hash, &marks[i - 1].hash, sizeof marks[i].hash) == 0;
        l->twin[marks[i].leaf] = same ? l->twin[marks[i - 1].leaf] : (int32_t)marks[i].leaf;
    }
    for (int32_t i = 0; i < l->n; i++)
        if (l->twin[i] == i) l->point[l->points++] = i;
}

tt_status leaves_find(const tt_points *p, leaves *out)
{
    const tt_matrix *x = p->x;
    leaf_mark *marks = NULL;
    *out = (leaves){.n = x->n_valid};
    if (x->n_valid > INT32_MAX)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %lld valid rows; a tree takes at most %d: set agglomerative.presample",
                       x->name, (long long)x->n_valid, INT32_MAX);
    for (int64_t i = 0; i < x->count; i++) out->count += x->valid[i];
    out->first = tt_prefix_i64(x->comm, out->count);
    tt_status s = tt_alloc(out->n, sizeof *out->row, "leaves", &out->row);
    if (s == TT_OK) s = tt_alloc(out->n, sizeof *out->twin, "leaves", &out->twin);
    if (s == TT_OK) s = tt_alloc(out->n, sizeof *out->point, "leaves", &out->point);
    if (s == TT_OK) s = tt_alloc(out->n, sizeof *marks, "leaves", &marks);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = gather_marks(p, out, marks);
    if (s == TT_OK) find_twins(out, marks);
    free(marks);
    return s;
}

/* Rows of this rank that are points, packed; count[r] gets the bytes for rank r. */
static tt_status pack_points(const tt_matrix *x, const float *rows, const leaves *l, float **packed,
                             int64_t *count)
{
    size_t bytes = (size_t)x->cols * sizeof(float);
    int64_t point = 0, n = 0;
    while (point < l->points && l->point[point] < l->first) point++;
    TT_TRY(tt_alloc(l->count * x->cols, sizeof **packed, "points", packed));
    for (; point < l->points && l->point[point] < l->first + l->count; point++) {
        int64_t row = l->row[l->point[point]] - x->first;
        memcpy(*packed + n++ * x->cols, rows + row * x->cols, bytes);
        count[tt_owner(l->points, TT_BLOCK_ROWS, x->comm->size, point)] += (int64_t)bytes;
    }
    return TT_OK;
}

/* The points among `rows` of x, to the ranks that have them in `out`. Collective. */
static tt_status deal_points(const tt_matrix *x, const float *rows, const leaves *l, const tt_matrix *out,
                             float *to)
{
    const tt_comm *comm = x->comm;
    int64_t *count = NULL;
    float *packed = NULL, *arrived = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "points", &count);
    if (s == TT_OK) s = pack_points(x, rows, l, &packed, count);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, packed, count, &arrived, count + comm->size);
    if (s == TT_OK) memcpy(to, arrived, (size_t)(out->count * out->cols) * sizeof *arrived);
    free(packed);
    free(arrived);
    free(count);
    return s;
}

tt_status leaves_points(const tt_points *p, tt_metric metric, const leaves *l, tt_matrix *out)
{
    const tt_matrix *x = p->x;
    TT_TRY(tt_matrix_new(x->comm, x->name, l->points, x->cols, out));
    int64_t padded = (out->count + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS * TT_BLOCK_ROWS;
    bool rest = x->rest && metric != TT_COSINE; /* rows at length 1 are other values */
    tt_status s =
        rest ? tt_agree(x->comm, tt_alloc(padded * x->cols, sizeof *out->rest, "points", &out->rest)) : TT_OK;
    if (s == TT_OK) s = deal_points(x, p->data, l, out, out->data);
    if (s == TT_OK && rest) s = deal_points(x, x->rest, l, out, out->rest);
    if (s != TT_OK) tt_matrix_free(out);
    return s;
}
