/* Rows sorted by cluster, then by row, over the ranks. */
#include "metrics/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Place of each of this rank's rows in the sorted order, -1 for rows left out. */
static tt_status find_places(const tt_comm *comm, const clusters *c, int64_t count, const int64_t *of,
                             const int64_t *start, int64_t *place)
{
    int64_t *mine = NULL, *before = NULL;
    int width = 0;
    tt_status s = tt_alloc(c->n, sizeof *mine, "cluster sizes", &mine);
    if (s == TT_OK) s = tt_alloc(c->n, sizeof *before, "cluster sizes", &before);
    if (s == TT_OK) s = tt_int(c->n, "clusters", &width);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        for (int64_t i = 0; i < count; i++)
            if (of[i] >= 0) mine[of[i]]++;
        MPI_Exscan(mine, before, width, MPI_INT64_T, MPI_SUM, comm->mpi);
        if (comm->rank == 0)
            memset(before, 0, (size_t)c->n * sizeof *before); /* Exscan leaves it undefined */
        for (int64_t i = 0; i < count; i++) place[i] = of[i] >= 0 ? start[of[i]] + before[of[i]]++ : -1;
    }
    free(before);
    free(mine);
    return s;
}

/* One record per row that travels: its place, then its values. */
static tt_status pack(const tt_matrix *x, const int64_t *place, int64_t total, size_t record, int64_t *count,
                      char **packed)
{
    int size = x->comm->size;
    int64_t *at = NULL, n = 0;
    for (int64_t i = 0; i < x->count; i++) n += place[i] >= 0;
    TT_TRY(tt_alloc(size, sizeof *at, "rows to sort", &at));
    tt_status s = tt_alloc(n, record, "rows to sort", packed);
    for (int64_t i = 0; s == TT_OK && i < x->count; i++)
        if (place[i] >= 0) count[tt_owner(total, TT_BLOCK_ROWS, size, place[i])] += (int64_t)record;
    for (int r = 1; r < size; r++) at[r] = at[r - 1] + count[r - 1];
    for (int64_t i = 0; s == TT_OK && i < x->count; i++) {
        if (place[i] < 0) continue;
        char *to = *packed + at[tt_owner(total, TT_BLOCK_ROWS, size, place[i])];
        memcpy(to, &place[i], sizeof place[i]);
        memcpy(to + sizeof place[i], x->data + i * x->cols, record - sizeof place[i]);
        at[tt_owner(total, TT_BLOCK_ROWS, size, place[i])] += (int64_t)record;
    }
    free(at);
    return s;
}

static tt_status move_rows(const tt_matrix *x, const int64_t *place, sorted_rows *out)
{
    size_t record = sizeof(int64_t) + (size_t)x->cols * sizeof(float);
    int64_t *count = NULL;
    char *packed = NULL, *arrived = NULL;
    tt_status s = tt_alloc(2 * x->comm->size, sizeof *count, "rows to sort", &count);
    if (s == TT_OK) s = pack(x, place, out->x.rows, record, count, &packed);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_exchange(x->comm, packed, count, &arrived, count + x->comm->size);
    free(packed);
    for (int64_t i = 0; s == TT_OK && i < out->x.count; i++) {
        const char *from = arrived + (size_t)i * record;
        int64_t to;
        memcpy(&to, from, sizeof to);
        memcpy(out->x.data + (to - out->x.first) * x->cols, from + sizeof to, record - sizeof to);
    }
    free(arrived);
    free(count);
    return s;
}

tt_status sorted_rows_new(const tt_matrix *x, const clusters *c, const int64_t *of, sorted_rows *out)
{
    int64_t *place = NULL;
    *out = (sorted_rows){.clusters = c->n};
    tt_status s = tt_alloc(c->n + 1, sizeof *out->start, "cluster sizes", &out->start);
    if (s == TT_OK) s = tt_alloc(x->count, sizeof *place, "rows to sort", &place);
    s = tt_agree(x->comm, s);
    for (int64_t i = 0; s == TT_OK && i < c->n; i++) out->start[i + 1] = out->start[i] + c->cell[i].count;
    if (s == TT_OK) s = tt_matrix_new(x->comm, x->name, out->start[c->n], x->cols, &out->x);
    if (s == TT_OK) memcpy(out->x.shift, x->shift, (size_t)x->cols * sizeof *x->shift);
    if (s == TT_OK) s = find_places(x->comm, c, x->count, of, out->start, place);
    if (s == TT_OK) s = move_rows(x, place, out);
    free(place);
    if (s != TT_OK) sorted_rows_free(out);
    return s;
}

void sorted_rows_free(sorted_rows *rows)
{
    tt_matrix_free(&rows->x);
    free(rows->start);
    rows->start = NULL;
}

int64_t cluster_at(const sorted_rows *rows, int64_t place)
{
    int64_t low = 0, high = rows->clusters; /* start[low] <= place < start[high] */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (rows->start[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}
