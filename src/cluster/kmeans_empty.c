#include "kmeans.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* A row that could be given to an empty cluster. */
typedef struct candidate {
    double distance; /* squared, to the centre of its label */
    int64_t row;     /* local */
} candidate;

/* The n farthest rows of this rank that are away from their centre, farthest first, lowest row of equals. */
static int64_t farthest_local(const kmeans *m, int64_t n, candidate *list)
{
    const tt_matrix *x = m->points->x;
    int64_t found = 0;
    for (int64_t i = 0; i < x->count; i++) {
        if (m->label[i] < 0) continue;
        double d = kmeans_distance(m->points->data + i * m->cols, m->centre + m->label[i] * m->cols, m->cols);
        if (d <= 0 || (found == n && d <= list[n - 1].distance)) continue;
        int64_t at = found < n ? found++ : n - 1;
        for (; at > 0 && list[at - 1].distance < d; at--) list[at] = list[at - 1];
        list[at] = (candidate){d, i};
    }
    return found;
}

/* The farthest of all ranks' next candidates: its owner's row comes to everyone. False if there is none. */
static bool next_farthest(const kmeans *m, const candidate *list, int64_t n, int64_t *used, float *row,
                          int32_t *label)
{
    const tt_matrix *x = m->points->x;
    struct {
        double distance;
        int rank;
    } mine = {*used < n ? list[*used].distance : -1.0, x->comm->rank}, farthest;
    /* MAXLOC gives the lowest rank of equals, hence the lowest row */
    MPI_Allreduce(&mine, &farthest, 1, MPI_DOUBLE_INT, MPI_MAXLOC, x->comm->mpi);
    if (farthest.distance < 0) return false;
    if (farthest.rank == x->comm->rank) {
        int64_t i = list[(*used)++].row;
        memcpy(row, m->points->data + i * m->cols, (size_t)m->cols * sizeof *row);
        *label = m->label[i];
    }
    MPI_Bcast(row, (int)m->cols, MPI_FLOAT, farthest.rank, x->comm->mpi);
    MPI_Bcast(label, 1, MPI_INT32_T, farthest.rank, x->comm->mpi);
    return true;
}

/* Move a row's share from the sums of its cluster to those of an empty one. */
static void give(kmeans *m, const float *row, int32_t from, int32_t to)
{
    double *count = m->sums + m->k * m->cols;
    for (int64_t j = 0; j < m->cols; j++) {
        double value = ((double)row[j] + m->grid[j]) - m->grid[j];
        m->sums[from * m->cols + j] -= value;
        m->sums[to * m->cols + j] += value;
    }
    count[from] -= 1;
    count[to] += 1;
}

tt_status kmeans_fill_empty(kmeans *m)
{
    double *count = m->sums + m->k * m->cols;
    int64_t empty = 0, used = 0;
    for (int32_t c = 0; c < m->k; c++) empty += count[c] == 0;
    if (empty == 0) return TT_OK;

    candidate *list = NULL;
    float *row = NULL;
    int32_t from = 0, to = 0;
    tt_status s = tt_alloc(empty, sizeof *list, "rows for empty clusters", &list);
    if (s == TT_OK) s = tt_alloc(m->cols, sizeof *row, "rows for empty clusters", &row);
    s = tt_agree(m->points->x->comm, s);
    int64_t n = s == TT_OK ? farthest_local(m, empty, list) : 0;
    while (s == TT_OK && empty > 0 && next_farthest(m, list, n, &used, row, &from)) {
        if (count[from] <= 1) continue; /* it would only empty another */
        while (count[to] != 0) to++;
        give(m, row, from, to);
        empty--;
    }
    free(row);
    free(list);
    return s;
}
