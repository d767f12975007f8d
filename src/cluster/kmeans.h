/* What the parts of k-means share. */
#ifndef TUTTI_CLUSTER_KMEANS_H
#define TUTTI_CLUSTER_KMEANS_H

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

enum { GROUPS_MAX = 32, SPAN = 1024 }; /* groups of centres; rows that are looked at together */

/* Work of one span of rows: what was found in each group that a row needed. */
typedef struct kmeans_span {
    uint32_t need[SPAN]; /* bit g: group g is measured for this row */
    float upper[SPAN];   /* bound on the distance to the own centre */
    float best[SPAN], second[SPAN], limit[SPAN];
    int32_t index[SPAN];
    float group_best[GROUPS_MAX][SPAN], group_second[GROUPS_MAX][SPAN]; /* INFINITY where not measured */
    int32_t group_index[GROUPS_MAX][SPAN];
} kmeans_span;

/* Sums over rows are exact, hence free of order: every value is rounded to a grid that is so coarse that the
 * sum over all rows fits in the 53 bits of a double, and so fine that it keeps 53 - log2(rows) bits of the
 * column's largest value. So a row that changes its cluster is taken off one sum and added to the other, and
 * one allreduce gives every rank the same bits whatever the rank count.
 *
 * Bounds are kept as they were when a row was measured, plus (or less) the way that centres had gone by then:
 * what centres go since is taken off when a bound is looked at, so that no iteration writes all bounds.
 *
 * While bounds leave out less than three quarters of the work, every row is measured against all centres and
 * none are kept: that runs at nearly the speed of a GEMM. Labels do not depend on it. */
typedef struct kmeans {
    const tt_points *points;
    int k;
    int64_t cols, padded; /* rows rounded up to whole tiles */
    int64_t panels;       /* of TILE centres */
    int groups;
    int64_t group_panels; /* of each group but the last */
    double *centre;       /* [k, cols] in the frame of points */
    double *next;         /* [k, cols] */
    double *best;         /* [k, cols] of the best restart so far */
    double *weight;       /* [k] rows that each centre has seen in random batches */
    double place[KMEANS_PLACE];
    double saved_at; /* tt_now() of the last checkpoint */
    double *grid;    /* [cols] (x + grid) - grid is x on the column's grid */
    double *local;   /* [k, cols], [k], [KMEANS_TAIL]: this rank's sums, counts, tail */
    double *sums;    /* the same over all ranks */
    float *packed;   /* [cols, TILE] rows of a tile */
    float *columns;  /* [panels, cols, TILE] the centres, for tiles */
    float *low;      /* [panels, TILE] squared length of the rounded centre less its share of the error */
    float norm_max;  /* largest squared length */
    int32_t *label;  /* [count], -1 where not valid or not yet assigned */
    float *upper;    /* [count] at least the distance to the centre of `label`, less path[label] then */
    float *lower;    /* [groups, padded] at most the distance to any other centre of the group, plus drift */
    double *path;    /* [k] at least the way that each centre has gone */
    double *drift;   /* [GROUPS_MAX] at least the way that the centres of a group have gone, the longest of
                        each step */
    double way;      /* the longest that a centre went in the last step */
    bool bounded;    /* whether rows are left out by bounds; decided anew by each reduction */
    bool fresh;      /* no row has a bound yet */
    double work;     /* rows of this rank that bounds do, or would, not leave out, by groups */
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

/* Remove a checkpoint, and a half-written one. Collective. */
tt_status kmeans_discard(const tt_comm *comm, const char *checkpoint);

#endif
