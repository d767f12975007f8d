#include "metrics/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Cells of one rank while they are counted: open addressing, key = label << 32 | truth, count 0 is an empty
 * slot. */
typedef struct table {
    tt_cell *slot;
    int64_t slots; /* a power of two */
    int64_t used;
} table;

static uint64_t mix(int32_t label, int32_t truth)
{
    uint64_t key = (uint64_t)(uint32_t)label << 32 | (uint32_t)truth;
    key ^= key >> 31;
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 29;
}

static void add_cell(table *t, const tt_cell *cell)
{
    uint64_t mask = (uint64_t)t->slots - 1, at = mix(cell->label, cell->truth) & mask;
    while (t->slot[at].count && (t->slot[at].label != cell->label || t->slot[at].truth != cell->truth))
        at = (at + 1) & mask;
    if (!t->slot[at].count) {
        t->slot[at] = *cell;
        t->used++;
    } else {
        t->slot[at].count += cell->count;
    }
}

static tt_status grow(table *t)
{
    table bigger = {.slots = t->slots ? 2 * t->slots : 256};
    TT_TRY(tt_alloc(bigger.slots, sizeof *bigger.slot, "a contingency table", &bigger.slot));
    for (int64_t i = 0; i < t->slots; i++)
        if (t->slot[i].count) add_cell(&bigger, &t->slot[i]);
    free(t->slot);
    *t = bigger;
    return TT_OK;
}

static int compare_cells(const void *a, const void *b)
{
    const tt_cell *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->truth > y->truth) - (x->truth < y->truth);
}

/* Cells of this rank's rows, sorted by label and truth. */
static tt_status count_local(int64_t count, const int32_t *label, const int32_t *truth, tt_cell **cells,
                             int64_t *n)
{
    table t = {0};
    tt_status s = grow(&t);
    for (int64_t i = 0; s == TT_OK && i < count; i++) {
        tt_cell one = {label[i], truth ? truth[i] : 0, 1};
        if (one.label < 0 || one.truth < 0) continue;
        if (2 * t.used >= t.slots) s = grow(&t);
        if (s == TT_OK) add_cell(&t, &one);
    }
    if (s != TT_OK) {
        free(t.slot);
        return s;
    }
    *n = 0;
    for (int64_t i = 0; i < t.slots; i++)
        if (t.slot[i].count) t.slot[(*n)++] = t.slot[i];
    qsort(t.slot, (size_t)*n, sizeof *t.slot, compare_cells);
    *cells = t.slot;
    return TT_OK;
}

/* *cells, merged with `other` cells, replaces *cells. */
static tt_status merge(tt_cell **cells, int64_t *n, const tt_cell *other, int64_t n_other)
{
    tt_cell *merged;
    int64_t k = 0, i = 0, j = 0;
    TT_TRY(tt_alloc(*n + n_other, sizeof *merged, "a contingency table", &merged));
    while (i < *n || j < n_other) {
        int order = i == *n ? 1 : j == n_other ? -1 : compare_cells(&(*cells)[i], &other[j]);
        merged[k] = order <= 0 ? (*cells)[i++] : other[j++];
        if (order == 0) merged[k].count += other[j++].count;
        k++;
    }
    free(*cells);
    *cells = merged;
    *n = k;
    return TT_OK;
}

/* One level of the tree: ranks that are odd multiples of `step` hand their cells to the even ones.
 * Collective. */
static tt_status merge_level(const tt_comm *comm, int step, MPI_Datatype type, tt_cell **cells, int64_t *n)
{
    int place = comm->rank % (2 * step), from = comm->rank + step;
    bool takes = place == 0 && from < comm->size, gives = place == step;
    int64_t arriving = 0;
    tt_cell *other = NULL;
    int words = 0;
    if (gives) MPI_Send(n, 1, MPI_INT64_T, comm->rank - step, 0, comm->mpi);
    if (takes) MPI_Recv(&arriving, 1, MPI_INT64_T, from, 0, comm->mpi, MPI_STATUS_IGNORE);
    tt_status s = tt_int(gives ? *n : arriving, "cells of a contingency table", &words);
    if (s == TT_OK && takes) s = tt_alloc(arriving, sizeof *other, "a contingency table", &other);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        if (gives) MPI_Send(*cells, words, type, comm->rank - step, 1, comm->mpi);
        if (takes) MPI_Recv(other, words, type, from, 1, comm->mpi, MPI_STATUS_IGNORE);
        s = tt_agree(comm, takes ? merge(cells, n, other, arriving) : TT_OK);
    }
    free(other);
    return s;
}

/* Rank 0's cells on every rank. */
static tt_status share(const tt_comm *comm, tt_cell **cells, int64_t *n)
{
    tt_status s = TT_OK;
    MPI_Bcast(n, 1, MPI_INT64_T, 0, comm->mpi);
    if (comm->rank != 0) {
        free(*cells);
        *cells = NULL;
        s = tt_alloc(*n, sizeof **cells, "a contingency table", cells);
    }
    TT_TRY(tt_agree(comm, s));
    return tt_broadcast(comm, *cells, *n * (int64_t)sizeof **cells, 0);
}

tt_status tt_contingency(const tt_comm *comm, int64_t count, const int32_t *label, const int32_t *truth,
                         tt_cell **cells, int64_t *n)
{
    MPI_Datatype type;
    *cells = NULL;
    *n = 0;
    tt_status s = tt_agree(comm, count_local(count, label, truth, cells, n));
    MPI_Type_contiguous(sizeof(tt_cell), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    for (int step = 1; s == TT_OK && step < comm->size; step *= 2)
        s = merge_level(comm, step, type, cells, n);
    MPI_Type_free(&type);
    if (s == TT_OK) s = share(comm, cells, n);
    if (s != TT_OK) {
        free(*cells);
        *cells = NULL;
    }
    return s;
}
