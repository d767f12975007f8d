#include "tutti/lanes.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

/* Lanes [first, first + lanes) that are summed up: a power of two that divides `first`. */
typedef struct subtree {
    int64_t first, lanes;
} subtree;

/* value[to] += value[from] */
typedef struct merge {
    int to, from;
} merge;

/* Elements that are added at a time, so that sums of many stay in cache; subtrees that can wait for their
 * siblings: one per level. */
enum { CHUNK = 4096, WAITING = 64 };

struct tt_lanes {
    tt_comm comm;
    int64_t m, tail, at_once;
    tt_range mine;            /* lanes of this rank */
    int64_t next;             /* the lane that comes next */
    int n_waiting, slots;     /* subtrees of this rank that are summed up; slots for them */
    subtree waiting[WAITING]; /* ... */
    float *slot[WAITING];     /* [m + tail] each */
    int *roots, *root_at;     /* [size + 1] subtrees that each rank ends with, and where in their list */
    int n_merges;
    merge *merges;           /* [total - 1] what is left to add, in order; the sum is in value[0] */
    float **value;           /* [total] this rank's slice of each root */
    float *arrived;          /* those of other ranks */
    float *record, *records; /* status, then the tail of each root: of this rank, of all */
    int *record_count, *record_at;
    int *slice_count, *slice_at;
    MPI_Request *request;
};

TT_KERNEL static void add_lanes(int64_t n, float *restrict to, const float *restrict from)
{
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* The largest subtree from lane `first` on that ends by `end` and is not above `most`. */
static subtree largest(int64_t first, int64_t end, int64_t most)
{
    int64_t n = 1;
    while (2 * n <= most && first % (2 * n) == 0 && first + 2 * n <= end) n *= 2;
    return (subtree){first, n};
}

static bool siblings(const subtree *left, const subtree *right)
{
    return left->lanes == right->lanes && left->first % (2 * left->lanes) == 0 &&
           left->first + left->lanes == right->first;
}

/* Most subtrees that this rank ever has at a time, the one at work among them. */
static int count_slots(const tt_lanes *l)
{
    subtree stack[WAITING];
    int n = 0, most = 0;
    for (int64_t at = l->mine.begin; at < l->mine.end;) {
        stack[n] = largest(at, l->mine.end, l->at_once);
        at += stack[n++].lanes;
        if (n > most) most = n;
        while (n > 1 && siblings(&stack[n - 2], &stack[n - 1])) stack[--n - 1].lanes *= 2;
    }
    return most;
}

/* The roots of all ranks, in lane order, of which `root` takes those of rank r from root_at[r] on. */
static int list_roots(const tt_lanes *l, int64_t lanes, subtree *root)
{
    int n = 0;
    for (int r = 0; r < l->comm.size; r++) {
        tt_range part = tt_partition(lanes, 1, l->comm.size, r);
        l->root_at[r] = n;
        for (int64_t at = part.begin; at < part.end; n++) {
            subtree t = largest(at, part.end, INT64_MAX / 2);
            if (root) root[n] = t;
            at += t.lanes;
        }
        l->roots[r] = n - l->root_at[r];
    }
    return n;
}

/* What is left to add: neighbours that make up a subtree as they come; those that stay without a sibling at
 * the end from the right, the smaller first. */
static void plan_merges(tt_lanes *l, int n, const subtree *root)
{
    subtree stack[WAITING];
    int at[WAITING], k = 0;
    for (int i = 0; i < n; i++) {
        stack[k] = root[i];
        at[k++] = i;
        while (k > 1 && siblings(&stack[k - 2], &stack[k - 1])) {
            k--;
            stack[k - 1].lanes *= 2;
            l->merges[l->n_merges++] = (merge){at[k - 1], at[k]};
        }
    }
    while (--k > 0) l->merges[l->n_merges++] = (merge){at[k - 1], at[k]};
}

static int64_t width_of(const tt_lanes *l, int rank)
{
    tt_range part = tt_partition(l->m, TT_LANES_BLOCK, l->comm.size, rank);
    return part.end - part.begin;
}

/* Counts and places, as MPI takes them, of records and slices. */
static tt_status plan_messages(tt_lanes *l, int total)
{
    int whole;
    TT_TRY(tt_int(l->m, "elements of a sum", &whole));
    TT_TRY(tt_int(l->comm.size + total * l->tail, "elements of a sum", &whole));
    for (int r = 0, at = 0; r < l->comm.size; r++) {
        l->record_at[r] = at;
        l->record_count[r] = 1 + l->roots[r] * (int)l->tail;
        at += l->record_count[r];
        l->slice_at[r] = (int)tt_partition(l->m, TT_LANES_BLOCK, l->comm.size, r).begin;
        l->slice_count[r] = (int)width_of(l, r);
    }
    return TT_OK;
}

/* This rank's roots where they are summed up, the others' where they will arrive. */
static void place_values(tt_lanes *l)
{
    int64_t begin = l->slice_at[l->comm.rank], width = l->slice_count[l->comm.rank];
    float *to = l->arrived;
    for (int r = 0, k = 0; r < l->comm.size; r++)
        for (int i = 0; i < l->roots[r]; i++, k++) {
            bool own = r == l->comm.rank;
            l->value[k] = own ? l->slot[i] + begin : to;
            to += own ? 0 : width;
        }
}

static tt_status allocate(tt_lanes *l, int total)
{
    const char *what = "sums over lanes";
    int own = l->roots[l->comm.rank], size = l->comm.size;
    TT_TRY(tt_alloc(total, sizeof *l->merges, what, &l->merges));
    TT_TRY(tt_alloc(total, sizeof *l->value, what, &l->value));
    TT_TRY(tt_alloc((total - own) * width_of(l, l->comm.rank), sizeof(float), what, &l->arrived));
    TT_TRY(tt_alloc(1 + own * l->tail, sizeof(float), what, &l->record));
    TT_TRY(tt_alloc(size + total * l->tail, sizeof(float), what, &l->records));
    TT_TRY(tt_alloc((int64_t)own * (size - 1) + total - own, sizeof(MPI_Request), what, &l->request));
    for (int i = 0; i < l->slots; i++) TT_TRY(tt_alloc(l->m + l->tail, sizeof(float), what, &l->slot[i]));
    return TT_OK;
}

static tt_status build(tt_lanes *l, int64_t lanes)
{
    subtree *root;
    int size = l->comm.size;
    TT_TRY(tt_alloc(6 * size, sizeof(int), "sums over lanes", &l->roots));
    l->root_at = l->roots + size;
    l->record_count = l->roots + 2 * size;
    l->record_at = l->roots + 3 * size;
    l->slice_count = l->roots + 4 * size;
    l->slice_at = l->roots + 5 * size;
    l->slots = count_slots(l);
    int total = list_roots(l, lanes, NULL);
    TT_TRY(plan_messages(l, total));
    TT_TRY(allocate(l, total));
    TT_TRY(tt_alloc(total, sizeof *root, "sums over lanes", &root));
    list_roots(l, lanes, root);
    plan_merges(l, total, root);
    free(root);
    place_values(l);
    return TT_OK;
}

tt_status tt_lanes_new(const tt_comm *comm, int64_t lanes, int64_t at_once, int64_t m, int64_t tail,
                       tt_lanes **out)
{
    tt_status s = tt_alloc(1, sizeof **out, "sums over lanes", out);
    if (s == TT_OK) {
        tt_range mine = tt_partition(lanes, 1, comm->size, comm->rank);
        **out = (tt_lanes){
            .comm = *comm, .m = m, .tail = tail, .at_once = at_once, .mine = mine, .next = mine.begin};
        s = build(*out, lanes);
    }
    s = tt_agree(comm, s);
    if (s == TT_OK) return TT_OK;
    tt_lanes_free(*out);
    *out = NULL;
    return s;
}

void tt_lanes_free(tt_lanes *l)
{
    if (!l) return;
    for (int i = 0; i < l->slots; i++) free(l->slot[i]);
    free(l->roots);
    free(l->merges);
    free(l->value);
    free(l->arrived);
    free(l->record);
    free(l->records);
    free(l->request);
    free(l);
}

int64_t tt_lanes_next(const tt_lanes *l, int64_t *first, float **room)
{
    if (l->next == l->mine.end) return 0;
    *first = l->next - l->mine.begin;
    *room = l->slot[l->n_waiting];
    return largest(l->next, l->mine.end, l->at_once).lanes;
}

void tt_lanes_commit(tt_lanes *l)
{
    subtree *stack = l->waiting;
    stack[l->n_waiting] = largest(l->next, l->mine.end, l->at_once);
    l->next += stack[l->n_waiting++].lanes;
    while (l->n_waiting > 1 && siblings(&stack[l->n_waiting - 2], &stack[l->n_waiting - 1])) {
        int last = --l->n_waiting;
        stack[last - 1].lanes *= 2;
        add_lanes(l->m + l->tail, l->slot[last - 1], l->slot[last]);
    }
}

/* Every rank gets its slice of every root. @return requests */
static int exchange_slices(tt_lanes *l)
{
    int n = 0, rank = l->comm.rank, size = l->comm.size, width = l->slice_count[rank];
    for (int r = 0; width > 0 && r < size; r++)
        for (int i = 0; r != rank && i < l->roots[r]; i++)
            MPI_Irecv(l->value[l->root_at[r] + i], width, MPI_FLOAT, r, i, l->comm.mpi, &l->request[n++]);
    for (int step = 1; step < size; step++) {
        int r = (rank + step) % size; /* not everyone to the same one first */
        for (int i = 0; l->slice_count[r] > 0 && i < l->roots[rank]; i++)
            MPI_Isend(l->slot[i] + l->slice_at[r], l->slice_count[r], MPI_FLOAT, r, i, l->comm.mpi,
                      &l->request[n++]);
    }
    return n;
}

/* Every rank gets everyone's status and tails. @return whether all is well */
static bool exchange_records(tt_lanes *l, tt_status status)
{
    int rank = l->comm.rank;
    float worst = 0;
    l->record[0] = (float)status;
    for (int i = 0; i < l->roots[rank]; i++)
        memcpy(l->record + 1 + i * l->tail, l->slot[i] + l->m, (size_t)l->tail * sizeof(float));
    MPI_Allgatherv(l->record, l->record_count[rank], MPI_FLOAT, l->records, l->record_count, l->record_at,
                   MPI_FLOAT, l->comm.mpi);
    for (int r = 0; r < l->comm.size; r++)
        if (l->records[l->record_at[r]] > worst) worst = l->records[l->record_at[r]];
    return worst == TT_OK;
}

/* Tails are added as the slices are, where they lie in the records. */
static void add_tails(tt_lanes *l, float *tail)
{
    for (int i = 0; i < l->n_merges; i++) {
        float *at[2];
        for (int k = 0; k < 2; k++) {
            int root = k ? l->merges[i].from : l->merges[i].to, r = 0;
            while (root >= l->root_at[r] + l->roots[r]) r++;
            at[k] = l->records + l->record_at[r] + 1 + (root - l->root_at[r]) * l->tail;
        }
        add_lanes(l->tail, at[0], at[1]);
    }
    memcpy(tail, l->records + l->record_at[0] + 1, (size_t)l->tail * sizeof *tail);
}

static void add_slices(tt_lanes *l)
{
    int64_t width = l->slice_count[l->comm.rank];
    for (int64_t at = 0; at < width; at += CHUNK)
        for (int i = 0; i < l->n_merges; i++)
            add_lanes(width - at < CHUNK ? width - at : CHUNK, l->value[l->merges[i].to] + at,
                      l->value[l->merges[i].from] + at);
}

tt_status tt_lanes_finish(tt_lanes *l, tt_status status, float *tail, tt_phases *phases)
{
    tt_phase(phases, "wait");
    int n = exchange_slices(l);
    bool well = exchange_records(l, status);
    tt_phase(phases, "reduce");
    MPI_Waitall(n, l->request, MPI_STATUSES_IGNORE);
    l->n_waiting = 0;
    l->next = l->mine.begin;
    if (!well) return tt_agree(&l->comm, status);
    add_tails(l, tail);
    add_slices(l);
    return TT_OK;
}

tt_range tt_lanes_slice(const tt_lanes *l, const float **sum)
{
    int rank = l->comm.rank;
    *sum = l->value[0];
    return (tt_range){l->slice_at[rank], l->slice_at[rank] + l->slice_count[rank]};
}

void tt_lanes_share(const tt_lanes *l, float *vector)
{
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, vector, l->slice_count, l->slice_at, MPI_FLOAT,
                   l->comm.mpi);
}
