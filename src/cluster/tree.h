/* What the linkages share: the points to be joined, the merges found, and how they become a tree. */
#ifndef TUTTI_CLUSTER_TREE_H
#define TUTTI_CLUSTER_TREE_H

#include "cluster/nearest.h"

#include "tutti/agglomerative.h"
#include "tutti/progress.h"

/* Two clusters become one. A cluster goes by its smallest point. */
typedef struct merge {
    int32_t a, b; /* a < b */
    double height;
} merge;

/* Points, all different, and the merges of them so far. */
typedef struct tree_job {
    const tt_comm *comm;
    const tt_agglomerative_params *params;
    tt_matrix x;     /* the points, in the frame of the metric and about 1 long: owned */
    double unit;     /* what 1 is there: heights of merges are in these */
    double *size;    /* [points] leaves (of given sizes) that each cluster holds, by its smallest point */
    merge *merges;   /* [points - 1] in the order of making; owned */
    int64_t n;       /* merges so far */
    uint64_t rounds; /* so far */
    double saved;    /* tt_now() of the last checkpoint */
} tree_job;

/* Local row i of the points in double, the rest that float32 does not have included. */
void tree_point(const tt_matrix *x, int64_t i, double *point);

/* Free the rows of the points: who joins them has copies. */
void tree_release(tree_job *job);

/* Ward: points are joined by their centroids. Collective, as the other two. */
tt_status tree_ward(tree_job *job);

/* Complete and average: a matrix of all distances, spread over the ranks. */
tt_status tree_matrix(tree_job *job);

/* Single: the minimum spanning tree. */
tt_status tree_single(tree_job *job);

/* Bytes that the matrix takes over all ranks. */
double tree_matrix_bytes(int64_t points);

/* Linkage [leaves - 1, 4] in SciPy's form from merges between leaves, in any order of making; sorts them.
 * Not collective. */
tt_status tree_linkage(int64_t leaves, merge *merges, double *linkage);

/* Number the flat clusters by their first leaf: those that the first `kept` merges of a linkage make.
 *  @param[out] label  [leaves]  @return in *clusters how many there are */
tt_status tree_cut(int64_t leaves, const double *linkage, int64_t kept, int32_t *label, int64_t *clusters);

#endif
