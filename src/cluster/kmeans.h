/* What the parts of k-means share. */
#ifndef TUTTI_CLUSTER_KMEANS_H
#define TUTTI_CLUSTER_KMEANS_H

#include "kmeans_filter.h"
#include "kmeans_tile.h"
#include "tutti/cluster.h"
#include "tutti/distance.h"
#include "tutti/progress.h"
#include "tutti/random.h"
#include "tutti/timer.h"

/* Where a run stands, as doubles: counts are exact below 2^53. */
enum { AT_RESTART, AT_PASS, AT_ITERATION, AT_BEST_INERTIA, AT_BEST_ITERATIONS, AT_HAS_BEST, KMEANS_PLACE };

/* Behind the sums and counts of one reduction: ranks asked to stop, whether a checkpoint is due, and rows
 * that bounds could not leave out (m->work). */
enum { TAIL_STOP, TAIL_SAVE, TAIL_WORK, KMEANS_TAIL };

enum { SPAN = 1024 }; /* rows that are looked at together */

/* Work of one span of rows: what was found in each. */
typedef struct kmeans_span {
    float best[SPAN], second[SPAN], limit[SPAN], norm[SPAN];
    int32_t index[SPAN];
    int64_t row[SPAN];    /* local rows that all centres are measured for */
    int64_t pair[SPAN];   /* and that two are: */
    int32_t two[2][SPAN]; /* which */
    float upper[SPAN];    /* bound on the distance to the nearest centre */
    uint32_t need[SPAN];  /* 1 for a row that its bounds do not leave out */
    int32_t listed[SPAN]; /* places of those rows */
    int32_t open[SPAN];   /* and of those that their list does not settle */
} kmeans_span;

/* Bounds on distances of each row, as they were when it was measured, plus (or less) the way that centres had
 * gone by then: what centres go since is taken off when a bound is looked at, so that no iteration writes all
 * bounds. */
typedef struct kmeans_bounds {
    float *upper;  /* [count] at least the distance to the own centre, less path[label] then */
    float *second; /* [count] at most that to any other, plus drift */
    float *rest;   /* [count] at most that to a centre that is not on the list, plus drift */
    int32_t *list; /* [count, KMEANS_LIST] centres that were the nearest */
} kmeans_bounds;

/* Sums over rows are exact, hence free of order: every value is rounded to a grid that is so coarse that the
 * sum over all rows fits in the 53 bits of a double, and so fine that it keeps 53 - log2(rows) bits of the
 * column's largest value. So a row that changes its cluster is taken off one sum and added to the other, and
 * one allreduce gives every rank the same bits whatever the rank count.
 *
 * While bounds leave out little of the work, every row is measured against all centres and none are kept:
 * that runs at nearly the speed of a GEMM. Labels do not depend on it. */
typedef struct kmeans {
    const tt_points *points;
    int k;
    int64_t cols;
    int64_t panels; /* of TILE centres */
    int64_t room;   /* how many there can be: rounds of seeding draw more candidates than centres */
    double *centre; /* [k, cols] in the frame of points */
    double *next;   /* [k, cols] */
    double *best;   /* [k, cols] of the best restart so far */
    double *weight; /* [k] rows that each centre has seen in random batches */
    double place[KMEANS_PLACE];
    double saved_at; /* tt_now() of the last checkpoint */
    double *grid;    /* [cols] (x + grid) - grid is x on the column's grid */
    double *local;   /* [k, cols], [k], [KMEANS_TAIL]: this rank's sums, counts, tail; NULL: only labels */
    double *sums;    /* the same over all ranks */
    float *packed;   /* [cols, TILE] rows of a tile */
    float *columns;  /* [room, cols, TILE] the centres, for tiles */
    float *rows;     /* [room * TILE, kmeans_tile_width(cols)] the same, a centre a row */
    float *low;      /* [room, TILE] squared length of the rounded centre less its share of the error */
    float norm_max;  /* largest squared length */
    int32_t *label;  /* [count], -1 where not valid or not yet assigned */
    float *beyond; /* [count] a row with no centre nearer than this, squared, may stay without; NULL: none */
    double *path;  /* [k] at least the way that each centre has gone */
    double drift;  /* at least the way that any centre has gone, the longest of each step */
    double way;    /* the longest that a centre went in the last step */
    kmeans_filter filter;
    bool filtered; /* whether bytes decide first; local, as labels do not depend on it */
    kmeans_bounds bounds;
    bool bounded; /* whether rows are left out by bounds; decided anew by each reduction */
    bool fresh;   /* no row has a bound yet */
    double work;  /* rows of this rank that bounds do, or would, not leave out */
    kmeans_span *span;
} kmeans;

/* Make room and choose the grid. Collective. Free with kmeans_clear(), also on failure. */
tt_status kmeans_init(kmeans *m, const tt_points *points, int k);
void kmeans_clear(kmeans *m);

/* Forget labels and bounds, before iterations start from new centres. */
void kmeans_reset(kmeans *m);

/* Put every row to its nearest centre and keep m->local current. No MPI inside. */
void kmeans_assign_local(kmeans *m);

/* Put n rows to their nearest centres and add them to m->local, whatever their labels were; no bounds are
 * kept: kmeans_reset() before kmeans_assign_local(). */
void kmeans_assign_rows(kmeans *m, const int64_t *row, int64_t n);

/* Likewise n rows from local row `first` on, leaving out what bounds can. */
void kmeans_assign_bounded(kmeans *m, int64_t first, int64_t n);

/* ---- what both ways of assigning share ---- */

/* Bounds from what tiles found: limit [n], which the value of the nearest centre cannot exceed, and upper
 * [n], which its distance cannot. @param norm  [n] squared lengths of the rows */
void kmeans_bound_nearest(const kmeans *m, int64_t n, const float *norm, const float *best, float *limit,
                          float *upper);

/* Twice the error of a tile relative to the norms. */
float kmeans_tie_width(const kmeans *m);

/* The nearest of all centres whose value is at most `limit`, in double; the lowest of equals. */
int32_t kmeans_settle(const kmeans *m, const float *row, float limit);

/* Into the cache, while the tile before is measured. */
static inline void kmeans_fetch_row(const kmeans *m, int64_t i)
{
    enum { LINE = 16, AHEAD = 16 * LINE }; /* floats; longer rows are streams that the CPU sees itself */
    int64_t end = m->cols < AHEAD ? m->cols : AHEAD;
    for (int64_t j = 0; j < end; j += LINE) __builtin_prefetch(m->points->data + i * m->cols + j);
}

/* Move a row to the cluster `label`, in m->local too. */
void kmeans_change_label(kmeans *m, int64_t i, int32_t label);

/* Squared distance of a row to a centre, in double. */
double kmeans_distance(const float *row, const double *centre, int64_t cols);

/* m->sums from all ranks' m->local; says in the tail whether this rank has been asked to stop and whether a
 * checkpoint is due. Collective. */
void kmeans_reduce(kmeans *m);

/* After kmeans_reduce() and what follows from it: save the run if that is due, and end it if a rank was asked
 * to. Collective. */
tt_status kmeans_pause(kmeans *m, const tt_kmeans_params *params);

/* Give empty clusters the rows farthest from their centres: changes m->sums. Collective. */
tt_status kmeans_fill_empty(kmeans *m);

/* Take m->sums as m->next, put it in m->centre and lengthen the ways.
 * @return the sum of the squared ways */
double kmeans_move(kmeans *m);

/* Choose k rows as m->centre, by the method that `init` names. Collective. */
tt_status kmeans_seed(kmeans *m, const char *init, uint64_t seed, uint64_t restart);

tt_status kmeans_seed_greedy(kmeans *m, tt_stream stream);

/* Passes over the rows in random batches, from m->centre on. Collective. TT_STOPPED leaves a checkpoint. */
tt_status kmeans_batches(kmeans *m, const tt_kmeans_params *params, uint64_t seed, double tolerance,
                         tt_progress *progress);

/* Save the run, if it has a checkpoint; take it up. Collective. */
tt_status kmeans_checkpoint_write(kmeans *m, const tt_kmeans_params *params);
tt_status kmeans_checkpoint_read(kmeans *m, const tt_kmeans_params *params, bool *found);

/* Whether rank 0 sees a file with this fingerprint at `path`; NULL is none. Collective. */
tt_status checkpoint_is_ours(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                             bool *ours);

#endif
