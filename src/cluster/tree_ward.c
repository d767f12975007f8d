/* Ward's linkage from centroids: the distance of two clusters of a and b points whose centroids are x and y
 * apart is sqrt(2 a b / (a + b)) |x - y| (Ward 1963), which needs no matrix. Centroids lie where there is
 * room: which rank holds one shows nowhere. */
#include "cluster/rounds.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double compact_below = 0.75; /* live share of the slots */

typedef struct ward {
    tree_job *job;
    nearest_set set;
    int32_t *owner;   /* [points] the rank that holds a cluster */
    int32_t *slot;    /* [points] where, if that is this rank */
    int64_t *live;    /* [ranks] clusters that each holds */
    int *count, *at;  /* [ranks] of an exchange */
    double *send;     /* [capacity, cols] */
    double *received; /* [capacity, cols] by rank */
    double *point;    /* [capacity, cols] */
    double *size;     /* [capacity] */
    int64_t capacity; /* of an exchange */
} ward;

static tt_status make_room(ward *w, int64_t n)
{
    int64_t cols = w->job->x.cols;
    if (n <= w->capacity) return TT_OK;
    free(w->send);
    w->send = NULL;
    TT_TRY(tt_alloc(n * (3 * cols + 1), sizeof *w->send, "centroids on their way", &w->send));
    w->received = w->send + n * cols;
    w->point = w->received + n * cols;
    w->size = w->point + n * cols;
    w->capacity = n;
    return TT_OK;
}

/* Centroids and sizes of n clusters into w->point, w->size on every rank. Collective. */
static tt_status gather(ward *w, int64_t n, const int32_t *ids)
{
    const tt_comm *comm = w->job->comm;
    int64_t cols = w->job->x.cols, mine = 0;
    int row;
    MPI_Datatype type;
    TT_TRY(tt_int(cols, "columns of a centroid", &row));
    TT_TRY(tt_agree(comm, make_room(w, n)));
    memset(w->count, 0, (size_t)comm->size * sizeof *w->count);
    for (int64_t i = 0; i < n; i++) {
        w->count[w->owner[ids[i]]]++;
        w->size[i] = w->job->size[ids[i]];
        if (w->owner[ids[i]] != comm->rank) continue;
        memcpy(w->send + mine++ * cols, w->set.centre + w->slot[ids[i]] * cols,
               (size_t)cols * sizeof(double));
    }
    for (int r = 0, sum = 0; r < comm->size; r++) {
        w->at[r] = sum;
        sum += w->count[r];
    }
    MPI_Type_contiguous(row, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    MPI_Allgatherv(w->send, (int)mine, type, w->received, w->count, w->at, type, comm->mpi);
    MPI_Type_free(&type);
    for (int64_t i = 0; i < n; i++)
        memcpy(w->point + i * cols, w->received + w->at[w->owner[ids[i]]]++ * cols,
               (size_t)cols * sizeof(double));
    return TT_OK;
}

static tt_status ward_search(void *self, int64_t n, const int32_t *ids, hit *out)
{
    ward *w = self;
    TT_TRY(gather(w, n, ids));
    nearest_query q = {.n = n, .point = w->point, .size = w->size, .tag = ids};
    return nearest_search(&w->set, w->job->comm, &q, 1, out);
}

/* b's centroid, of b_size, joins a's. */
static void join_centroids(int64_t cols, double *a, double a_size, const double *b, double b_size)
{
    for (int64_t j = 0; j < cols; j++) a[j] = (a[j] * a_size + b[j] * b_size) / (a_size + b_size);
}

/* Keep the merged cluster on the rank of a or b that holds fewer. */
static void place(ward *w, const merge *pair, const double *centroid, double size)
{
    int rank = w->job->comm->rank;
    int32_t a = pair->a, b = pair->b, from = w->owner[b];
    bool moves = w->live[from] < w->live[w->owner[a]];
    int32_t left = moves ? a : b;
    w->live[w->owner[left]]--;
    if (w->owner[left] == rank) nearest_kill(&w->set, w->slot[left]);
    if (moves) {
        w->owner[a] = from;
        w->slot[a] = w->slot[b];
    }
    if (w->owner[a] == rank) nearest_put(&w->set, w->slot[a], a, centroid, size);
}

static tt_status ward_merge(void *self, int64_t n, const merge *pairs)
{
    ward *w = self;
    int64_t cols = w->job->x.cols;
    int32_t *ids;
    TT_TRY(tt_agree(w->job->comm, tt_alloc(2 * n, sizeof *ids, "pairs", &ids)));
    for (int64_t i = 0; i < n; i++) {
        ids[2 * i] = pairs[i].a;
        ids[2 * i + 1] = pairs[i].b;
    }
    tt_status s = gather(w, 2 * n, ids);
    free(ids);
    TT_TRY(s);
    for (int64_t i = 0; i < n; i++) {
        double *a = w->point + 2 * i * cols, *size = w->size + 2 * i;
        join_centroids(cols, a, size[0], a + cols, size[1]);
        place(w, &pairs[i], a, size[0] + size[1]);
    }
    if ((double)w->set.live < compact_below * (double)w->set.slots) nearest_compact(&w->set, w->slot);
    return TT_OK;
}

static double ward_height(const void *self, double value)
{
    (void)self;
    return sqrt(2 * value);
}

static tt_status allocate(ward *w)
{
    const tt_matrix *x = &w->job->x;
    int ranks = x->comm->size;
    TT_TRY(nearest_new(x->count, x->cols, true, &w->set));
    TT_TRY(tt_alloc(x->rows, sizeof *w->owner, "places of clusters", &w->owner));
    TT_TRY(tt_alloc(x->rows, sizeof *w->slot, "places of clusters", &w->slot));
    TT_TRY(tt_alloc(ranks, sizeof *w->live, "places of clusters", &w->live));
    TT_TRY(tt_alloc(ranks, sizeof *w->count, "an exchange", &w->count));
    TT_TRY(tt_alloc(ranks, sizeof *w->at, "an exchange", &w->at));
    return tt_alloc(x->cols, sizeof *w->send, "a centroid", &w->send);
}

/* Every point is a cluster where it lies. */
static void start(ward *w)
{
    const tt_matrix *x = &w->job->x;
    for (int64_t i = 0; i < x->rows; i++) {
        w->owner[i] = tt_owner(x->rows, TT_BLOCK_ROWS, x->comm->size, i);
        w->live[w->owner[i]]++;
    }
    for (int64_t i = 0; i < x->count; i++) {
        tree_point(x, i, w->send);
        w->slot[x->first + i] = (int32_t)i;
        nearest_put(&w->set, i, (int32_t)(x->first + i), w->send, w->job->size[x->first + i]);
    }
}

tt_status tree_ward(tree_job *job)
{
    ward w = {.job = job};
    rounds_ops ops = {.self = &w, .search = ward_search, .merge = ward_merge, .height = ward_height};
    tt_status s = tt_agree(job->comm, allocate(&w));
    if (s == TT_OK) {
        start(&w);
        tree_release(job); /* the set has its own copies */
        s = rounds_run(job, &ops);
    }
    nearest_free(&w.set);
    free(w.owner);
    free(w.slot);
    free(w.live);
    free(w.count);
    free(w.at);
    free(w.send);
    return s;
}
