/* Complete and average linkage on the matrix of all distances, by rows over the ranks (Lance, Williams 1967).
 *
 * A row is brought up to date when it is next looked at: the merges since then are applied to its columns in
 * the order of their making, so that memory is read by rows and the rows of clusters that are gone not at
 * all. Both cells of a pair go through the same arithmetic in the same order and stay equal to the last bit.
 */
#include "cluster/matrix_tile.h"
#include "cluster/rounds.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FLIGHT = 64, /* rows on their way at once */
    STEP = 64    /* elements looked at together */
};

static const float dead = FLT_MAX;      /* in the columns of clusters that are gone, and of the row's own */
static const double memory_share = 0.9; /* of what a machine has available */

/* Column b goes into column a. */
typedef struct column_merge {
    int32_t a, b;
    float share; /* of a in an average */
} column_merge;

/* Where a pair's rows are, and which of the two slots the merged row takes. */
typedef struct move {
    int32_t a, b;
    int keeper, giver;  /* ranks */
    int32_t kept, left; /* clusters whose slots these are */
} move;

typedef struct matrix {
    tree_job *job;
    bool average;
    float *cell;       /* [slots, width] */
    size_t mapped;     /* bytes behind it */
    int64_t width;     /* columns: clusters at the last compaction, in ascending order */
    int64_t slots;     /* rows of this rank, of clusters that are gone among them */
    int64_t clusters;  /* over all ranks */
    int64_t *stamp;    /* [slots] merges of the log that the row has seen */
    int32_t *row_id;   /* [slots] -1: gone */
    int32_t *id;       /* [width] of each column */
    int32_t *column;   /* [points] of each cluster */
    int32_t *owner;    /* [points] rank */
    int32_t *slot;     /* [points] there */
    int64_t *rows;     /* [ranks] live rows of each */
    column_merge *log; /* [points] since the last compaction */
    int64_t n_log;
    move *move;        /* [points] of the pairs that are being merged */
    MPI_Request *sent; /* [points] of rows of this rank */
    float *flight;     /* [FLIGHT, width at the start] rows of other ranks */
} matrix;

/* What becomes of the distances x, y to a and b. */
#define JOIN(average, x, y, share)                                                                           \
    ((average) ? __builtin_fmaf((share), (x) - (y), (y)) : (x) > (y) ? (x) : (y))

TT_KERNEL static void apply_merges(float *row, const column_merge *log, int64_t n, int average)
{
    for (int64_t i = 0; i < n; i++) {
        float x = row[log[i].a], y = row[log[i].b];
        row[log[i].a] = JOIN(average, x, y, log[i].share);
        row[log[i].b] = FLT_MAX;
    }
}

/* The row of a merged cluster from a's and b's, in place of either. */
TT_KERNEL static void join_rows(const float *a, const float *b, float *out, int64_t n, float share,
                                int average)
{
    _Pragma("omp simd") for (int64_t j = 0; j < n; j++) out[j] = JOIN(average, a[j], b[j], share);
}

/* Distances are not negative: their bits order as they do. */
TT_KERNEL static int32_t least_bits(const float *row, int64_t n)
{
    int32_t least = INT32_MAX;
    for (int64_t j = 0; j < n; j++) {
        int32_t bits;
        memcpy(&bits, row + j, sizeof bits);
        least = bits < least ? bits : least;
    }
    return least;
}

/* Where in `row` `bits` first stand, which are there. Up to STEP - 1 elements behind them are read. */
TT_KERNEL static int64_t find_bits(const float *row, int32_t bits)
{
    for (int64_t from = 0;; from += STEP) {
        int32_t found = 0, at[STEP];
        memcpy(at, row + from, sizeof at);
        for (int j = 0; j < STEP; j++) found |= at[j] == bits;
        for (int j = 0; found && j < STEP; j++)
            if (at[j] == bits) return from + j;
    }
}

static float *row_of(const matrix *m, int64_t slot)
{
    return m->cell + slot * m->width;
}

/* The row as after the first `upto` merges of the log. */
static float *bring_up(matrix *m, int64_t slot, int64_t upto)
{
    float *row = row_of(m, slot);
    apply_merges(row, m->log + m->stamp[slot], upto - m->stamp[slot], m->average);
    m->stamp[slot] = upto;
    return row;
}

static hit least_of(const matrix *m, const float *row)
{
    int32_t bits = least_bits(row, m->width);
    float least;
    memcpy(&least, &bits, sizeof least);
    return (hit){(double)least, m->id[find_bits(row, bits)]}; /* the first: the smallest */
}

static tt_status matrix_search(void *self, int64_t n, const int32_t *ids, hit *out)
{
    matrix *m = self;
    for (int64_t i = 0; i < n; i++) {
        out[i] = (hit){INFINITY, -1};
        if (m->owner[ids[i]] == m->job->comm->rank)
            out[i] = least_of(m, bring_up(m, m->slot[ids[i]], m->n_log));
    }
    nearest_reduce(m->job->comm, n, 1, out);
    return TT_OK;
}

static move plan_move(const matrix *m, const merge *pair)
{
    bool to_b = m->rows[m->owner[pair->b]] < m->rows[m->owner[pair->a]];
    int32_t kept = to_b ? pair->b : pair->a, left = to_b ? pair->a : pair->b;
    return (move){pair->a, pair->b, m->owner[kept], m->owner[left], kept, left};
}

/* The merged row, from a's and b's, in the slot that was kept. `other` is the row of the other. */
static void join_pair(matrix *m, const move *v, const column_merge *entry, const float *other, int64_t made)
{
    float *row = row_of(m, m->slot[v->kept]);
    bool is_a = v->kept == v->a;
    join_rows(is_a ? row : other, is_a ? other : row, row, m->width, entry->share, m->average);
    row[entry->a] = row[entry->b] = dead;
    m->stamp[m->slot[v->kept]] = made;
}

/* Bookkeeping of one pair, the same on every rank. */
static void settle(matrix *m, const move *v)
{
    int rank = m->job->comm->rank;
    if (v->giver == rank) m->row_id[m->slot[v->left]] = -1;
    m->owner[v->a] = v->keeper;
    m->slot[v->a] = m->slot[v->kept];
    if (v->keeper == rank) m->row_id[m->slot[v->a]] = v->a;
    m->clusters--;
}

/* Note the pairs in the log and plan their moves. */
static void plan_moves(matrix *m, int64_t n, const merge *pairs)
{
    for (int64_t i = 0; i < n; i++) {
        double a = m->job->size[pairs[i].a], b = m->job->size[pairs[i].b];
        m->log[m->n_log++] =
            (column_merge){m->column[pairs[i].a], m->column[pairs[i].b], (float)(a / (a + b))};
        m->move[i] = plan_move(m, &pairs[i]);
        m->rows[m->move[i].giver]--;
    }
}

/* Rows that other ranks wait for, each as at the moment of its merge: they stay where they are until they
 * have arrived. @return how many */
static int64_t send_rows(matrix *m, int64_t n, int64_t first, int width)
{
    int64_t sent = 0;
    for (int64_t i = 0; i < n; i++) {
        const move *v = &m->move[i];
        if (v->giver != m->job->comm->rank || v->keeper == v->giver) continue;
        MPI_Isend(bring_up(m, m->slot[v->left], first + i), width, MPI_FLOAT, v->keeper, 0, m->job->comm->mpi,
                  &m->sent[sent++]);
    }
    return sent;
}

/* Rows that come to this rank: up to FLIGHT are on their way. */
typedef struct arrivals {
    int64_t n, next, taken; /* moves; the next to receive; rows taken */
    int64_t posted;
    int width;
    MPI_Request request[FLIGHT];
} arrivals;

static void await(matrix *m, arrivals *w)
{
    for (; w->next < w->n && w->posted < w->taken + FLIGHT; w->next++) {
        const move *v = &m->move[w->next];
        int64_t at = w->posted % FLIGHT;
        if (v->keeper != m->job->comm->rank || v->giver == v->keeper) continue;
        MPI_Irecv(m->flight + at * w->width, w->width, MPI_FLOAT, v->giver, 0, m->job->comm->mpi,
                  &w->request[at]);
        w->posted++;
    }
}

/* Join the pairs of this rank. */
static void join_rank(matrix *m, int64_t n, int64_t first, arrivals *w)
{
    int rank = m->job->comm->rank;
    for (int64_t i = 0; i < n; i++) {
        const move *v = &m->move[i];
        bool comes = v->giver != rank;
        if (v->keeper != rank) continue;
        bring_up(m, m->slot[v->kept], first + i);
        const float *other = m->flight + w->taken % FLIGHT * w->width;
        if (comes)
            MPI_Wait(&w->request[w->taken % FLIGHT], MPI_STATUS_IGNORE);
        else
            other = bring_up(m, m->slot[v->left], first + i);
        join_pair(m, v, &m->log[first + i], other, first + i + 1);
        w->taken += comes;
        await(m, w);
    }
}

/* Drop the columns and rows of clusters that are gone. */
static void compact(matrix *m)
{
    int64_t width = 0, slots = 0;
    for (int64_t j = 0; j < m->n_log; j++) m->id[m->log[j].b] = -1;
    for (int64_t s = 0; s < m->slots; s++)
        if (m->row_id[s] >= 0) bring_up(m, s, m->n_log);
    for (int64_t j = 0; j < m->width; j++) width += m->id[j] >= 0;
    for (int64_t s = 0; s < m->slots; s++) {
        const float *from = row_of(m, s);
        float *to = m->cell + slots * width;
        if (m->row_id[s] < 0) continue;
        for (int64_t j = 0, k = 0; j < m->width; j++)
            if (m->id[j] >= 0) to[k++] = from[j]; /* never ahead of `from` */
        m->row_id[slots] = m->row_id[s];
        m->slot[m->row_id[s]] = (int32_t)slots;
        m->stamp[slots++] = 0;
    }
    for (int64_t j = 0, k = 0; j < m->width; j++) {
        if (m->id[j] < 0) continue;
        m->column[m->id[j]] = (int32_t)k;
        m->id[k++] = m->id[j];
    }
    m->width = width;
    m->slots = slots;
    m->n_log = 0;
}

/* No rank waits for another but for rows, which all send before they do anything else. */
static tt_status matrix_merge(void *self, int64_t n, const merge *pairs)
{
    matrix *m = self;
    arrivals coming = {.n = n};
    int64_t first = m->n_log;
    TT_TRY(tt_int(m->width, "clusters in a row", &coming.width));
    plan_moves(m, n, pairs);
    await(m, &coming);
    int64_t sent = send_rows(m, n, first, coming.width);
    join_rank(m, n, first, &coming);
    MPI_Waitall((int)sent, m->sent, MPI_STATUSES_IGNORE); /* one batch of rounds_run() at most */
    for (int64_t i = 0; i < n; i++) settle(m, &m->move[i]);
    if (m->clusters <= m->width / 2) compact(m);
    return TT_OK;
}

static double matrix_height(const void *self, double value)
{
    (void)self;
    return value;
}

double tree_matrix_bytes(int64_t points)
{
    return 4.0 * (double)points * (double)points;
}

/* Whether the rows of all ranks of this machine fit. Collective. */
static tt_status check_memory(const tree_job *job)
{
    const tt_matrix *x = &job->x;
    double mine = 4.0 * (double)x->count * (double)x->rows, here, limit = (double)job->params->memory_limit;
    MPI_Comm machine;
    MPI_Comm_split_type(x->comm->mpi, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Allreduce(&mine, &here, 1, MPI_DOUBLE, MPI_SUM, machine);
    MPI_Comm_free(&machine);
    if (limit <= 0) limit = memory_share * tt_memory_available();
    if (limit <= 0 || here <= limit) return TT_OK;
    return tt_fail(
        TT_ERR_CONFIG,
        "%s linkage of %s needs %.1f GB for the distances of %lld rows, %.1f GB of them on this machine, "
        "which may take %.1f GB; set cluster.agglomerative.presample (20000, say), or linkage ward",
        tt_linkage_name(job->params->linkage), x->name, tree_matrix_bytes(x->rows) / 1e9, (long long)x->rows,
        here / 1e9, limit / 1e9);
}

/* Pages come as they are written, large ones where the system has them. */
static tt_status map_cells(matrix *m)
{
    int64_t cells;
    if (__builtin_mul_overflow(m->slots, m->width, &cells) || cells > INT64_MAX / 8)
        return tt_fail(TT_ERR_MEMORY, "a matrix of %lld x %lld does not fit in memory", (long long)m->slots,
                       (long long)m->width);
    m->mapped = ((size_t)cells + STEP) * sizeof(float);
    void *p = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        m->mapped = 0;
        return tt_fail(TT_ERR_MEMORY, "no memory for a matrix of distances (%.1f GB)", (double)cells * 4e-9);
    }
    madvise(p, m->mapped, MADV_HUGEPAGE); /* only advice */
    m->cell = p;
    return TT_OK;
}

static tt_status allocate(matrix *m)
{
    const tt_matrix *x = &m->job->x;
    TT_TRY(map_cells(m));
    TT_TRY(tt_alloc(x->count, sizeof *m->stamp, "rows of clusters", &m->stamp));
    TT_TRY(tt_alloc(x->count, sizeof *m->row_id, "rows of clusters", &m->row_id));
    TT_TRY(tt_alloc(x->rows, sizeof *m->id, "columns of clusters", &m->id));
    TT_TRY(tt_alloc(x->rows, sizeof *m->column, "columns of clusters", &m->column));
    TT_TRY(tt_alloc(x->rows, sizeof *m->owner, "places of clusters", &m->owner));
    TT_TRY(tt_alloc(x->rows, sizeof *m->slot, "places of clusters", &m->slot));
    TT_TRY(tt_alloc(x->rows, sizeof *m->log, "merges", &m->log));
    TT_TRY(tt_alloc(x->comm->size, sizeof *m->rows, "places of clusters", &m->rows));
    TT_TRY(tt_alloc(x->rows, sizeof *m->move, "merges", &m->move));
    TT_TRY(tt_alloc(x->rows, sizeof(MPI_Request), "rows on their way", &m->sent));
    return tt_alloc(FLIGHT * x->rows, sizeof *m->flight, "rows on their way", &m->flight);
}

static void clear(matrix *m)
{
    if (m->mapped > 0) munmap(m->cell, m->mapped);
    free(m->stamp);
    free(m->row_id);
    free(m->id);
    free(m->column);
    free(m->owner);
    free(m->slot);
    free(m->log);
    free(m->rows);
    free(m->move);
    free(m->sent);
    free(m->flight);
}

/* Every point is a cluster where it lies. */
static void start(matrix *m)
{
    const tt_matrix *x = &m->job->x;
    for (int64_t i = 0; i < x->rows; i++) {
        m->owner[i] = tt_owner(x->rows, TT_BLOCK_ROWS, x->comm->size, i);
        m->rows[m->owner[i]]++;
        m->id[i] = m->column[i] = (int32_t)i;
    }
    for (int64_t i = 0; i < x->count; i++) {
        int32_t id = m->row_id[i] = (int32_t)(x->first + i);
        m->slot[id] = (int32_t)i;
        row_of(m, i)[id] = dead;
    }
}

tt_status tree_matrix(tree_job *job)
{
    const tt_matrix *x = &job->x;
    matrix m = {.job = job,
                .average = job->params->linkage == TT_AVERAGE,
                .width = x->rows,
                .slots = x->count,
                .clusters = x->rows};
    rounds_ops ops = {.self = &m, .search = matrix_search, .merge = matrix_merge, .height = matrix_height};
    TT_TRY(tt_agree(job->comm, check_memory(job)));
    tt_info("%s linkage of %s: %.2f GB for the distances of %lld rows over %d ranks",
            tt_linkage_name(job->params->linkage), x->name, tree_matrix_bytes(x->rows) / 1e9,
            (long long)x->rows, job->comm->size);
    tt_status s = tt_agree(job->comm, allocate(&m));
    if (s == TT_OK) s = matrix_fill(x, job->params->metric, m.cell);
    if (s == TT_OK) {
        start(&m);
        s = rounds_run(job, &ops);
    }
    clear(&m);
    return s;
}
