/* What the parts of k-means share. */
#ifndef TUTTI_CLUSTER_KMEANS_H
#define TUTTI_CLUSTER_KMEANS_H

#include "tutti/cluster.h"
#include "tutti/distance.h"

/* Sums over rows are exact, hence free of order: every value is rounded to a grid that is so coarse that the
 * sum over all rows fits in the 53 bits of a double, and so fine that it keeps 53 - log2(rows) bits of the
 * column's largest value. So a row that changes its cluster is taken off one sum and added to the other, and
 * one allreduce gives every rank the same bits whatever the rank count. */
typedef struct kmeans {
    const tt_points *points;
    int k;
    int64_t cols;
    int64_t k_wide; /* k rounded up to whole vectors */
    double *centre; /* [k, cols] in the frame of points */
    double *next;   /* [k, cols] */
    double *grid;   /* [cols] (x + grid) - grid is x on the column's grid */
    double *local;  /* [k, cols], [k], [1]: this rank's sums, counts, changed labels */
    double *sums;   /* the same over all ranks */
    float *columns; /* [cols, k_wide] centre rounded and transposed, zeros beyond k */
    float *norm;    /* [k_wide] squared length of the rounded centre, huge beyond k */
    float *low;     /* [k_wide] norm less its share of the error bound */
    float norm_max; /* largest of the first k */
    int32_t *label; /* [count], -1 where not valid or not yet assigned */
    float *upper;   /* [count] at least the distance to the centre of `label` */
    float *lower;   /* [count] at most the distance to any other centre */
    float *moved;   /* [k] at least the way each centre went in the last step */
    float *tile;    /* [TT_BLOCK_ROWS, k_wide] */
    float *packed;  /* [TT_BLOCK_ROWS, cols] rows whose bounds do not decide */
    int64_t n_packed;
    int64_t packed_row[TT_BLOCK_ROWS];
} kmeans;

/* Make room and choose the grid. Collective. Free with kmeans_clear(), also on failure. */
tt_status kmeans_init(kmeans *m, const tt_points *points, int k);
void kmeans_clear(kmeans *m);

/* Forget labels and bounds, before Lloyd starts from new centres. */
void kmeans_reset(kmeans *m);

/* Put every row to its nearest centre and keep m->local current. No MPI inside. */
tt_status kmeans_assign_local(kmeans *m);

/* Squared distance of a row to a centre, in double. */
double kmeans_distance(const float *row, const double *centre, int64_t cols);

/* m->sums from all ranks' m->local. Collective. */
void kmeans_reduce(kmeans *m);

/* Give empty clusters the rows farthest from their centres: changes m->sums. Collective.
 * @param[out] relocated  whether any was given one */
tt_status kmeans_fill_empty(kmeans *m, bool *relocated);

/* Take m->sums as m->next, put it in m->centre and widen the bounds by the way they went.
 * @return the sum of the squared ways */
double kmeans_move(kmeans *m);

/* Choose k rows as m->centre. Collective. */
tt_status kmeans_seed(kmeans *m, uint64_t seed, uint64_t restart);

#endif
