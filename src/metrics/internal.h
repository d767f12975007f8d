/* What the files of this room share. */
#ifndef TUTTI_METRICS_INTERNAL_H
#define TUTTI_METRICS_INTERNAL_H

#include "tutti/distance.h"
#include "tutti/metrics.h"

#include <jansson.h>

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

/** Mean silhouette of all rows (2 to rows - 1 clusters), and of each cluster's. Collective.
 *  @param each  [clusters], NULL: not wanted. @return TT_OK, TT_ERR_INPUT, TT_ERR_MEMORY or TT_STOPPED */
tt_status silhouette_mean(const sorted_rows *rows, tt_metric metric, double *out, double *each);

/** Sums of the distances from each row to the rows of each cluster, every pair of rows measured once; of
 * squares unless the metric is TT_EUCLIDEAN. The same bits on any number of ranks. Collective.
 *  @param points     tt_points_of() of rows->x
 *  @param[out] sums  [count, clusters], zeros on entry. @return TT_OK, TT_ERR_MEMORY or TT_STOPPED */
tt_status silhouette_sums(const sorted_rows *rows, const tt_points *points, tt_metric metric, double *sums);

/** The track of each of a rank's rows. */
typedef struct row_tracks {
    int64_t count, tracks; /**< tracks 0: the file does not say */
    int64_t *track;        /**< [count] owned */
} row_tracks;

/** /clip/track of the file of `spec`, if it has one with a row per row of x. Collective. Free out->track.
 *  @return TT_OK, TT_ERR_INPUT (negative tracks), TT_ERR_IO, TT_ERR_MEMORY, the same on every rank */
tt_status row_tracks_read(const tt_matrix *x, const char *spec, row_tracks *out);

/** The label that most rows of each track have, the smallest of equals; rows labelled below 0 do not count,
 * and a track without others gets -1. Collective.
 *  @param[out] out  [tracks of this rank under tt_partition(tracks, TT_BLOCK_ROWS, ...)] */
tt_status majority_labels(const tt_comm *comm, const row_tracks *rows, const int32_t *label, int32_t *out);

/** What an entry says of itself. */
typedef struct entry_head {
    const char *space, *level, *metric, *noise_as;
    int64_t noise, sample;
} entry_head;

/** An entry of metrics.json with the scores that need no truth; then more of it. Taken by entry_put(). */
json_t *entry_new(const entry_head *head, const tt_internal_scores *inside);

/** What codes stand for. */
typedef struct code_names {
    int n;
    char *const *text; /**< [n] NULL: for themselves */
    bool numbers;      /**< all are integers in decimal */
} code_names;
code_names code_names_of(char *const *text, int n);

void entry_add_clusters(json_t *entry, const tt_cluster_silhouettes *each, const code_names *labels);
void entry_add_told(json_t *entry); /**< that the truth went into the space */
void entry_add_external(json_t *entry, const tt_external_scores *outside);
void entry_add_confusion(json_t *entry, const tt_cell *cells, int64_t n, const tt_external_scores *outside,
                         const code_names *labels, const code_names *classes);

/** Put `entry` under root[truth][method]. */
void entry_put(json_t *root, const char *truth, const char *method, json_t *entry);

#endif
