/* The leaves of a tree, and the different points among them: equal rows are joined at height 0 beforehand. */
#ifndef TUTTI_CLUSTER_LEAVES_H
#define TUTTI_CLUSTER_LEAVES_H

#include "cluster/tree.h"

typedef struct leaves {
    int64_t n;            /* valid rows */
    int64_t first, count; /* those of this rank */
    int64_t *row;         /* [n] */
    int32_t *twin;        /* [n] the smallest leaf of the same values */
    int64_t points;       /* leaves that are their own twin */
    int32_t *point;       /* [points] which they are */
} leaves;

/* List the valid rows of p->x and find equal ones. Collective. Free with leaves_free(), also on failure. */
tt_status leaves_find(const tt_points *p, leaves *out);
void leaves_free(leaves *l);

/* The different points, dealt anew over the ranks, with their rest unless under TT_COSINE. Collective. */
tt_status leaves_points(const tt_points *p, tt_metric metric, const leaves *l, tt_matrix *out);

#endif
