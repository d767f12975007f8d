/* What the files of this room share. */
#ifndef TUTTI_METRICS_INTERNAL_H
#define TUTTI_METRICS_INTERNAL_H

#include "tutti/metrics.h"

/** Scores against truth from a contingency table. Not collective. */
tt_status score_cells(const tt_cell *cells, int64_t n_cells, tt_external_scores *out);

/** The clusters that have rows, ascending by label. */
typedef struct clusters {
    int64_t n;
    tt_cell *cell; /**< [n] label and rows of each; owned */
} clusters;

/** The scored rows of a matrix in order of cluster, then row, dealt over the ranks as any matrix. */
typedef struct sorted_rows {
    tt_matrix x;
    int64_t clusters;
    int64_t *start; /**< [clusters + 1] first sorted row of each cluster; owned */
} sorted_rows;

/** Sort the rows of x. Collective. @param of  [count] index of each row's cluster, -1 to leave it out.
 *  Free with sorted_rows_free(). */
tt_status sorted_rows_new(const tt_matrix *x, const clusters *c, const int64_t *of, sorted_rows *out);

void sorted_rows_free(sorted_rows *rows);

/** Cluster of a sorted row. */
int64_t cluster_at(const sorted_rows *rows, int64_t place);

/** Mean silhouette of all rows (2 to rows - 1 clusters). Collective. @return TT_OK, TT_ERR_MEMORY or
 * TT_STOPPED */
tt_status silhouette_mean(const sorted_rows *rows, double *out);

#endif
