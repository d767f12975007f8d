#include "tutti/sum.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

/* A subtree that is whole: `blocks` leaves (a power of two) from `first`, a multiple of `blocks`. */
typedef struct node {
    int64_t first;
    int64_t blocks;
} node;

/* More nodes than any contiguous run of blocks can leave unmerged: two per level. */
enum { NODES_MAX = 128, SLICED_FROM = 8192 };

struct tt_blocksum {
    int64_t m;     /* elements per vector */
    int64_t first; /* the first block of this rank */
    int64_t next;  /* the block that comes next */
    int nodes;
    node node[NODES_MAX];
    double *value[NODES_MAX]; /* [m] each, kept for reuse; those at nodes and above are spare */
};

TT_KERNEL static void add(int64_t m, double *restrict to, const double *restrict from)
{
    for (int64_t i = 0; i < m; i++) to[i] += from[i];
}

tt_status tt_blocksum_new(int64_t m, int64_t first, tt_blocksum **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "sums over blocks", out));
    (*out)->m = m;
    (*out)->first = (*out)->next = first;
    return TT_OK;
}

void tt_blocksum_free(tt_blocksum *sum)
{
    if (!sum) return;
    for (int i = 0; i < NODES_MAX; i++) free(sum->value[i]);
    free(sum);
}

void *tt_blocksum_room(tt_blocksum *sum)
{
    double **slot = &sum->value[sum->nodes];
    if (!*slot && tt_alloc(sum->m, sizeof **slot, "sums over blocks", slot) != TT_OK) return NULL;
    return *slot;
}

void *tt_blocksum_next(tt_blocksum *sum)
{
    void *slot = tt_blocksum_room(sum);
    if (slot) memset(slot, 0, (size_t)sum->m * sizeof(double));
    return slot;
}

static int siblings(const node *left, const node *right)
{
    return left->blocks == right->blocks && left->first % (2 * left->blocks) == 0 &&
           left->first + left->blocks == right->first;
}

/* Merge the last two nodes while they are the two halves of one subtree. */
static int merge_tail(node *nodes, double **value, int n, int64_t m)
{
    while (n > 1 && siblings(&nodes[n - 2], &nodes[n - 1])) {
        add(m, value[n - 2], value[n - 1]);
        nodes[n - 2].blocks *= 2;
        n--;
    }
    return n;
}

void tt_blocksum_commit(tt_blocksum *sum)
{
    sum->node[sum->nodes++] = (node){sum->next++, 1};
    sum->nodes = merge_tail(sum->node, sum->value, sum->nodes, sum->m);
}

tt_status tt_blocksum_push(tt_blocksum *sum, const void *partial)
{
    void *slot = tt_blocksum_room(sum);
    if (!slot) return TT_ERR_MEMORY;
    memcpy(slot, partial, (size_t)sum->m * sizeof(double));
    tt_blocksum_commit(sum);
    return TT_OK;
}

/* Add the nodes of all ranks, in block order, over elements [0, m) of `value`. Nodes that stay without a
 * sibling at the end are added from the right: the smaller subtrees first. The result is in value[0]. */
static void fold(node *nodes, double **value, int n, int64_t m)
{
    node kept[NODES_MAX];
    double *at[NODES_MAX];
    int k = 0;
    for (int i = 0; i < n; i++) {
        kept[k] = nodes[i];
        at[k++] = value[i];
        k = merge_tail(kept, at, k, m);
    }
    for (int i = k - 1; i > 0; i--) add(m, at[i - 1], at[i]);
}

/* All ranks' nodes, in rank order, which is block order. */
typedef struct forest {
    node *node;
    int *count, *offset; /* [comm size] */
    int total;
} forest;

static tt_status gather_forest(const tt_blocksum *sum, const tt_comm *comm, forest *f)
{
    tt_status s = tt_alloc(4 * comm->size, sizeof(int), "sums over blocks", &f->count);
    TT_TRY(tt_agree(comm, s));
    f->offset = f->count + comm->size;
    int *words = f->count + 2 * comm->size, *word_at = f->count + 3 * comm->size;
    MPI_Allgather(&sum->nodes, 1, MPI_INT, f->count, 1, MPI_INT, comm->mpi);
    for (int r = 0; r < comm->size; r++) {
        f->offset[r] = f->total;
        words[r] = 2 * f->count[r];
        word_at[r] = 2 * f->total;
        f->total += f->count[r];
    }
    TT_TRY(tt_agree(comm, tt_alloc(f->total, sizeof(node), "sums over blocks", &f->node)));
    MPI_Allgatherv(sum->node, 2 * sum->nodes, MPI_INT64_T, f->node, words, word_at, MPI_INT64_T, comm->mpi);
    return TT_OK;
}

static void free_forest(forest *f)
{
    free(f->node);
    free(f->count);
}

/* Elements [begin, end) of the sums that rank r adds up. */
static tt_range slice(const tt_blocksum *sum, int size, int r)
{
    if (sum->m < SLICED_FROM) return (tt_range){0, r == 0 ? sum->m : 0};
    return tt_partition(sum->m, 64, size, r);
}

/* Send every other rank its slice of this rank's nodes; `arrived` gets the others' nodes over this rank's
 * slice, in rank order. */
static tt_status scatter_slices(const tt_blocksum *sum, const tt_comm *comm, double **arrived)
{
    int64_t *count = NULL;
    double *packed = NULL;
    tt_range mine = slice(sum, comm->size, comm->rank);
    int64_t others = sum->m - (mine.end - mine.begin);
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "sums over blocks", &count);
    if (s == TT_OK) s = tt_alloc(sum->nodes * others, sizeof *packed, "sums over blocks", &packed);
    s = tt_agree(comm, s);
    double *to = packed;
    for (int r = 0; s == TT_OK && r < comm->size; r++) {
        if (r == comm->rank) continue;
        tt_range part = slice(sum, comm->size, r);
        int64_t width = part.end - part.begin;
        count[r] = width * sum->nodes * (int64_t)sizeof *to;
        for (int i = 0; i < sum->nodes; i++, to += width)
            memcpy(to, sum->value[i] + part.begin, (size_t)width * sizeof *to);
    }
    if (s == TT_OK) s = tt_exchange(comm, packed, count, arrived, count + comm->size);
    free(packed);
    free(count);
    return s;
}

static tt_status gather_slices(const tt_blocksum *sum, const tt_comm *comm, const double *mine, double *out)
{
    int *count = NULL, whole;
    tt_status s = tt_int(sum->m, "elements of a sum", &whole);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *count, "sums over blocks", &count);
    TT_TRY(tt_agree(comm, s));
    int *at = count + comm->size;
    for (int r = 0; r < comm->size; r++) {
        tt_range part = slice(sum, comm->size, r);
        count[r] = (int)(part.end - part.begin);
        at[r] = (int)part.begin;
    }
    MPI_Allgatherv(mine, count[comm->rank], MPI_DOUBLE, out, count, at, MPI_DOUBLE, comm->mpi);
    free(count);
    return TT_OK;
}

/* The tree is finished slice by slice, this rank's own nodes where they lie and the others' in `arrived`;
 * *out is where this rank's slice of the sum came to be. */
static tt_status fold_slice(const tt_blocksum *sum, const tt_comm *comm, const forest *f, double *arrived,
                            double **out)
{
    tt_range part = slice(sum, comm->size, comm->rank);
    int64_t width = part.end - part.begin;
    double **value = NULL;
    TT_TRY(tt_alloc(f->total, sizeof *value, "sums over blocks", &value));
    for (int r = 0, k = 0; r < comm->size; r++)
        for (int i = 0; i < f->count[r]; i++, k++) {
            bool own = r == comm->rank;
            value[k] = own ? sum->value[i] + part.begin : arrived;
            if (!own) arrived += width;
        }
    if (width > 0) fold(f->node, value, f->total, width);
    *out = value[0];
    free(value);
    return TT_OK;
}

static tt_status finish(tt_blocksum *sum, const tt_comm *comm, double *out)
{
    forest f = {0};
    double *arrived = NULL, *mine = NULL;
    tt_status s = gather_forest(sum, comm, &f);
    if (s == TT_OK && f.total == 0) {
        memset(out, 0, (size_t)sum->m * sizeof *out);
        free_forest(&f);
        return TT_OK;
    }
    if (s == TT_OK) s = scatter_slices(sum, comm, &arrived);
    if (s == TT_OK) s = tt_agree(comm, fold_slice(sum, comm, &f, arrived, &mine));
    if (s == TT_OK) s = gather_slices(sum, comm, mine, out);
    free(arrived);
    free_forest(&f);
    return s;
}

tt_status tt_blocksum_finish(tt_blocksum *sum, const tt_comm *comm, tt_status status, void *out)
{
    TT_TRY(tt_agree(comm, status));
    TT_TRY(finish(sum, comm, out));
    sum->nodes = 0;
    sum->next = sum->first;
    return TT_OK;
}
