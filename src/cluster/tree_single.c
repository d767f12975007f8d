/* Single linkage: the minimum spanning tree by Boruvka's rounds (1926). Every component joins along its
 * shortest edge to another; edges are ordered by length and then by their smaller and larger point, so that
 * the tree is one and the same however it is found.
 *
 * Each point keeps the nearest points that its last search found outside its component. While one of them is
 * still outside, it is the nearest; when none is, the last one says how long an edge from here must be at
 * least, and only a point that could have the shortest edge of its component is searched for again. The
 * largest component never is: the others find their edges to it. */
#include "cluster/tree_checkpoint.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 8, BATCH = 2048 }; /* nearest points kept; searches between two looks at the clock */
enum { FEW_OF = 16, FEW_FROM = 8 * FEW_OF }; /* see choose() */

typedef struct edge {
    double value;
    int32_t a, b; /* a < b */
} edge;

static const edge no_edge = {INFINITY, INT32_MAX, INT32_MAX};

typedef struct single {
    tree_job *job;
    nearest_set set;
    tt_progress progress;
    hit *list; /* [count, KEPT] of this rank's points, ascending; {-INFINITY, TREE_ASKED}: not searched */
    int32_t *parent;  /* [points] union-find; after flatten() the component by its smallest point */
    int32_t *members; /* [points] of each component */
    edge *best;       /* [points] the shortest edge known of each component */
    int32_t *open;    /* [points] points of each component that might have a shorter one */
    int32_t *chosen;  /* [count] this rank's slots to search for */
    int64_t n_chosen;
    int64_t components;
    int share;       /* of a batch that each rank may fill */
    int *count, *at; /* [ranks] */
    double *point;   /* [share] of this rank, then [ranks x share] of all: [cols] each */
    int32_t *id;     /* [share], [ranks x share]; then their components */
    double *limit;   /* [ranks x share] of their edges */
    hit *found;      /* [ranks x share, KEPT] */
} single;

static bool edge_before(edge x, edge y)
{
    if (x.value != y.value) return x.value < y.value;
    return x.a < y.a || (x.a == y.a && x.b < y.b);
}

static edge edge_of(int32_t i, hit h)
{
    return i < h.id ? (edge){h.value, i, h.id} : (edge){h.value, h.id, i};
}

static void keep_shorter(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *n; i++)
        if (edge_before(((const edge *)in)[i], ((edge *)inout)[i]))
            ((edge *)inout)[i] = ((const edge *)in)[i];
}

static int32_t root_of(int32_t *parent, int32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* Every parent points at the smallest point, and every component knows its size. */
static void flatten(single *s)
{
    int64_t n = s->job->x.rows;
    memset(s->members, 0, (size_t)n * sizeof *s->members);
    for (int32_t i = 0; i < n; i++) {
        s->parent[i] = root_of(s->parent, i);
        s->members[s->parent[i]]++;
    }
}

/* Let two components be one. @return whether they were two */
static bool join(single *s, edge e)
{
    int32_t a = root_of(s->parent, e.a), b = root_of(s->parent, e.b);
    if (a == b) return false;
    s->parent[a > b ? a : b] = a < b ? a : b;
    s->components--;
    return true;
}

/* The nearest point outside the component, if the list still has one; else its last entry, a lower bound. */
static hit nearest_outside(const single *s, int64_t i, int32_t component, bool *known)
{
    const hit *list = s->list + i * KEPT;
    *known = true;
    if (list[0].id == TREE_ASKED) {
        *known = false;
        return list[0];
    }
    for (int k = 0; k < KEPT; k++)
        if (list[k].id < 0 || s->parent[list[k].id] != component) return list[k];
    *known = false;
    return list[KEPT - 1];
}

/* s->best from what all ranks know. Collective. */
static void find_best(single *s)
{
    enum { PIECE = 1 << 20 };
    const tt_matrix *x = &s->job->x;
    MPI_Datatype type;
    MPI_Op op;
    for (int64_t c = 0; c < x->rows; c++) s->best[c] = no_edge;
    for (int64_t i = 0; i < x->count; i++) {
        int32_t id = (int32_t)(x->first + i), own = s->parent[id];
        bool known;
        hit h = nearest_outside(s, i, own, &known);
        if (!known || h.id < 0) continue;
        edge e = edge_of(id, h);
        int32_t other = s->parent[h.id];
        if (edge_before(e, s->best[own])) s->best[own] = e;
        if (edge_before(e, s->best[other])) s->best[other] = e;
    }
    MPI_Type_contiguous((int)sizeof(edge), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(keep_shorter, 1, &op);
    for (int64_t at = 0; at < x->rows; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, s->best + at, (int)(x->rows - at < PIECE ? x->rows - at : PIECE), type,
                      op, s->job->comm->mpi);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

/* Whether this rank's point i may have an edge out of its component that is shorter than the best known. */
static bool is_open(const single *s, int64_t i)
{
    int32_t id = (int32_t)(s->job->x.first + i), own = s->parent[id];
    bool known;
    hit h = nearest_outside(s, i, own, &known);
    if (known) return false;
    return h.id == TREE_ASKED || edge_before(edge_of(id, h), s->best[own]);
}

/* How many points of each component are open. Collective. */
static void count_open(single *s)
{
    enum { PIECE = 1 << 20 };
    const tt_matrix *x = &s->job->x;
    memset(s->open, 0, (size_t)x->rows * sizeof *s->open);
    for (int64_t i = 0; i < x->count; i++) s->open[s->parent[x->first + i]] += is_open(s, i);
    for (int64_t at = 0; at < x->rows; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, s->open + at, (int)(x->rows - at < PIECE ? x->rows - at : PIECE),
                      MPI_INT32_T, MPI_SUM, s->job->comm->mpi);
}

/* Join every component whose shortest edge is certain along it. @return how many edges that gave */
static int64_t join_components(single *s)
{
    tree_job *job = s->job;
    int64_t before = job->n;
    for (int64_t c = 0; c < job->x.rows; c++) {
        edge e = s->best[c];
        if (s->members[c] == 0 || s->open[c] > 0 || e.a == INT32_MAX || !join(s, e)) continue;
        job->merges[job->n++] = (merge){e.a, e.b, tt_metric_value(job->params->metric, e.value)};
    }
    flatten(s);
    tt_progress_add(&s->progress, job->n - before);
    return job->n - before;
}

static int ascending(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Open points of the half of the components that have fewest, never of the largest. Of a large component that
 * has no edge yet only a few: what they find is a limit for the others. */
static void choose(single *s)
{
    const tt_matrix *x = &s->job->x;
    int32_t largest = 0, *sorted = s->id; /* has room for all points */
    int64_t n = 0;
    for (int32_t c = 1; c < x->rows; c++)
        if (s->members[c] > s->members[largest]) largest = c;
    for (int32_t c = 0; c < x->rows; c++)
        if (s->open[c] > 0 && c != largest) sorted[n++] = s->open[c];
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    int32_t most = n > 0 ? sorted[(n - 1) / 2] : 0, *seen = s->id;
    memset(seen, 0, (size_t)x->rows * sizeof *seen);
    s->n_chosen = 0;
    for (int32_t slot = 0; slot < x->count; slot++) { /* near each other: slots are in such an order */
        int32_t id = s->set.id[slot], c = s->parent[id];
        if (c == largest || s->open[c] > most || !is_open(s, id - x->first)) continue;
        bool few = s->members[c] >= FEW_FROM && s->best[c].a == INT32_MAX;
        if (seen[c]++ % (few ? FEW_OF : 1) == 0) s->chosen[s->n_chosen++] = slot;
    }
}

/* The next of each rank's chosen points, as queries on every rank. Collective. */
static void gather(single *s, int64_t from, int mine, nearest_query *q, MPI_Datatype type)
{
    const tt_comm *comm = s->job->comm;
    int64_t cols = s->job->x.cols;
    int n = 0, all = s->share * comm->size;
    double *points = s->point + s->share * cols;
    int32_t *ids = s->id + s->share, *tags = ids + all;
    for (int i = 0; i < mine; i++) {
        int32_t at = s->chosen[from + i];
        memcpy(s->point + i * cols, s->set.centre + at * cols, (size_t)cols * sizeof *s->point);
        s->id[i] = s->set.id[at];
    }
    MPI_Allgather(&mine, 1, MPI_INT, s->count, 1, MPI_INT, comm->mpi);
    for (int r = 0; r < comm->size; r++) {
        s->at[r] = n;
        n += s->count[r];
    }
    MPI_Allgatherv(s->point, mine, type, points, s->count, s->at, type, comm->mpi);
    MPI_Allgatherv(s->id, mine, MPI_INT32_T, ids, s->count, s->at, MPI_INT32_T, comm->mpi);
    for (int i = 0; i < n; i++) {
        tags[i] = s->parent[ids[i]];
        s->limit[i] = s->best[tags[i]].value;
    }
    *q = (nearest_query){.n = n, .point = points, .tag = tags, .limit = s->limit};
}

/* Search for all chosen points. Collective. */
static tt_status search(single *s, MPI_Datatype type)
{
    const tt_comm *comm = s->job->comm;
    int64_t most = tt_max_i64(comm, s->n_chosen);
    for (int64_t i = 0; i < s->job->x.count; i++) s->set.tag[i] = s->parent[s->set.id[i]];
    for (int64_t from = 0; from < most; from += s->share) {
        int64_t left = s->n_chosen - from;
        int mine = left < 0 ? 0 : left < s->share ? (int)left : s->share, fresh = 0;
        nearest_query q;
        TT_TRY(tree_pause(s->job, KEPT, s->list));
        gather(s, from, mine, &q, type);
        TT_TRY(nearest_search(&s->set, comm, &q, KEPT, s->found));
        for (int i = 0; i < mine; i++) {
            hit *list = s->list + (s->set.id[s->chosen[from + i]] - s->job->x.first) * KEPT;
            fresh += list->id == TREE_ASKED;
            memcpy(list, s->found + (int64_t)(s->at[comm->rank] + i) * KEPT, KEPT * sizeof *list);
        }
        tt_progress_add(&s->progress, tt_sum_i64(comm, fresh));
    }
    s->job->rounds++;
    return TT_OK;
}

static tt_status span(single *s)
{
    MPI_Datatype type;
    int cols;
    tt_status status = tt_int(s->job->x.cols, "columns of a point", &cols);
    TT_TRY(status);
    MPI_Type_contiguous(cols, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    while (status == TT_OK && s->components > 1) {
        find_best(s);
        count_open(s);
        if (join_components(s) > 0) continue;
        choose(s);
        status = search(s, type);
    }
    MPI_Type_free(&type);
    return status;
}

static tt_status allocate(single *s)
{
    const tt_matrix *x = &s->job->x;
    int ranks = x->comm->size;
    s->share = ranks < BATCH / 16 ? BATCH / ranks : 16;
    int64_t all = (int64_t)s->share * ranks, ids = s->share + 2 * all;
    TT_TRY(nearest_new(x->count, x->cols, false, &s->set));
    TT_TRY(tt_alloc(x->count * KEPT, sizeof *s->list, "nearest points", &s->list));
    TT_TRY(tt_alloc(x->rows, sizeof *s->parent, "components", &s->parent));
    TT_TRY(tt_alloc(x->rows, sizeof *s->members, "components", &s->members));
    TT_TRY(tt_alloc(x->rows, sizeof *s->best, "edges", &s->best));
    TT_TRY(tt_alloc(x->rows, sizeof *s->open, "components", &s->open));
    TT_TRY(tt_alloc(x->count, sizeof *s->chosen, "points", &s->chosen));
    TT_TRY(tt_alloc(ranks, sizeof *s->count, "an exchange", &s->count));
    TT_TRY(tt_alloc(ranks, sizeof *s->at, "an exchange", &s->at));
    TT_TRY(tt_alloc((s->share + all) * x->cols, sizeof *s->point, "points on their way", &s->point));
    TT_TRY(tt_alloc(x->rows > ids ? x->rows : ids, sizeof *s->id, "points on their way", &s->id));
    TT_TRY(tt_alloc(all, sizeof *s->limit, "points on their way", &s->limit));
    return tt_alloc(all * KEPT, sizeof *s->found, "nearest points", &s->found);
}

static void clear(single *s)
{
    nearest_free(&s->set);
    free(s->list);
    free(s->parent);
    free(s->members);
    free(s->best);
    free(s->open);
    free(s->chosen);
    free(s->count);
    free(s->at);
    free(s->point);
    free(s->id);
    free(s->limit);
    free(s->found);
}

/* This rank's points into the set, near ones near each other. */
static tt_status put_points(single *s)
{
    tt_matrix *x = &s->job->x;
    int64_t *order;
    TT_TRY(tt_alloc(x->count, sizeof *order, "an order of points", &order));
    tt_status status = nearest_order(x->data, x->cols, x->count, order);
    for (int64_t slot = 0; status == TT_OK && slot < x->count; slot++) {
        tree_point(x, order[slot], s->point);
        nearest_put(&s->set, slot, (int32_t)(x->first + order[slot]), s->point, 1);
    }
    free(order);
    tree_release(s->job); /* the set has its own copies */
    return status == TT_OK ? nearest_index(&s->set) : status;
}

/* Points into the set, each a component of its own but for what a checkpoint knows. Collective. */
static tt_status start(single *s)
{
    tt_matrix *x = &s->job->x;
    bool found;
    TT_TRY(tt_agree(x->comm, put_points(s)));
    TT_TRY(tree_load(s->job, KEPT, (tt_range){x->first, x->first + x->count}, s->list, &found));
    for (int64_t i = 0; !found && i < x->count; i++) s->list[i * KEPT] = (hit){-INFINITY, TREE_ASKED};
    for (int32_t i = 0; i < x->rows; i++) s->parent[i] = i;
    s->components = x->rows;
    for (int64_t i = 0; i < s->job->n; i++) join(s, (edge){0, s->job->merges[i].a, s->job->merges[i].b});
    flatten(s);
    int64_t searched = 0;
    for (int64_t i = 0; i < x->count; i++) searched += s->list[i * KEPT].id != TREE_ASKED;
    tt_progress_skip(&s->progress, s->job->n + tt_sum_i64(x->comm, searched));
    return TT_OK;
}

tt_status tree_single(tree_job *job)
{
    single s = {.job = job};
    int64_t units = 2 * job->x.rows - 1; /* every point is searched for once, nearly */
    tt_status status = tt_agree(job->comm, allocate(&s));
    tt_progress_start(&s.progress, "single", "searches and merges", units, units);
    if (status == TT_OK) status = start(&s);
    if (status == TT_OK) status = span(&s);
    tt_progress_end(&s.progress);
    clear(&s);
    return status;
}
