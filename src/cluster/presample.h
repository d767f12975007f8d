/* k-means micro-clusters that stand for the rows of a matrix too large for a tree of its own. */
#ifndef TUTTI_CLUSTER_PRESAMPLE_H
#define TUTTI_CLUSTER_PRESAMPLE_H

#include "tutti/agglomerative.h"

typedef struct micro_clusters {
    tt_matrix x;        /* [N] centroids in the order of their smallest rows */
    double *size;       /* [N] rows of each, one at least, the same on every rank */
    int64_t *first_row; /* [N] smallest row of each, likewise */
    int32_t *label;     /* [count] row of `x` for this rank's rows; -1 if not valid */
} micro_clusters;

/* Collective. Free with micro_free(). */
tt_status micro_make(const tt_matrix *x, const tt_agglomerative_params *params, uint64_t seed,
                     micro_clusters *out);
void micro_free(micro_clusters *m);

/* CHECKPOINT.micro, where the k-means of a run that is stopped leaves what it has. Free *path. */
tt_status micro_checkpoint(const char *checkpoint, char **path);

/* Labels of this rank's rows from the cut of the tree over micro-clusters, whose leaves are told as rows of
 * x. Collective. */
tt_status micro_labels(const micro_clusters *m, const tt_matrix *x, tt_agglomerative *tree, int32_t **label);

#endif
