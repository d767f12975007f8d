/* Where a tree stands, in a file: the merges so far and what is known of every point. */
#ifndef TUTTI_CLUSTER_TREE_CHECKPOINT_H
#define TUTTI_CLUSTER_TREE_CHECKPOINT_H

#include "cluster/tree.h"

/* Ids of hits that are none. */
enum { TREE_UNKNOWN = -1, TREE_ASKED = -2, TREE_GONE = -3 };

/* Write the checkpoint of the job, if it has a path: k hits [x.count, k] of each point of this rank.
 * Collective. */
tt_status tree_save(tree_job *job, int k, const hit *mine);

/* Read one that the same run left: merges into the job, the hits of points `rows` into out [rows, k]. One
 * that cannot be used is told of and not found. Collective. */
tt_status tree_load(tree_job *job, int k, tt_range rows, hit *out, bool *found);

/* Look at the clock and for signals: TT_OK, or TT_STOPPED with a checkpoint written. Writes one from time to
 * time as well. Collective. */
tt_status tree_pause(tree_job *job, int k, const hit *mine);

#endif
