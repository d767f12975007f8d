/* The distances that complete and average linkage start from, in rows of cells over all points. */
#ifndef TUTTI_CLUSTER_MATRIX_TILE_H
#define TUTTI_CLUSTER_MATRIX_TILE_H

#include "tutti/distance.h"

/* Distances of `metric` between this rank's points and all, into cell [count, rows], symmetric to the last
 * bit over all ranks; a point's own cell is left as the caller likes it to be overwritten. Ends early with
 * TT_STOPPED. Collective. */
tt_status matrix_fill(const tt_matrix *x, tt_metric metric, float *cell);

#endif
