/* Merging by rounds of reciprocal nearest neighbours, for linkages that are reducible: a merge brings no
 * other cluster nearer, so that every pair of mutually nearest clusters may be merged at once and a nearest
 * neighbour stays one until it is merged itself (Bruynooghe 1978; Murtagh 1983). */
#ifndef TUTTI_CLUSTER_ROUNDS_H
#define TUTTI_CLUSTER_ROUNDS_H

#include "cluster/tree.h"

/* What a linkage knows. All collective, with the same arguments on every rank. */
typedef struct rounds_ops {
    void *self;
    /* The nearest cluster of each of n clusters, the smallest of equals, on every rank. */
    tt_status (*search)(void *self, int64_t n, const int32_t *ids, hit *out);
    /* Let b join a in each of n pairs without a common cluster; sizes are still those of before. */
    tt_status (*merge)(void *self, int64_t n, const merge *pairs);
    /* The height in the tree of two clusters of that distance. */
    double (*height)(const void *self, double value);
} rounds_ops;

/* Fill job->merges and job->size, from a checkpoint if there is one. Collective. */
tt_status rounds_run(tree_job *job, const rounds_ops *ops);

#endif
