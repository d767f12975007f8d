/* Clustering of the rows of a matrix. */
#ifndef TUTTI_CLUSTER_H
#define TUTTI_CLUSTER_H

#include "tutti/matrix.h"
#include "tutti/store.h"

/** Settings `cluster.kmeans:`. */
typedef struct tt_kmeans_params {
    int k, n_init, max_iter;
    double tol; /**< relative to the mean variance of the columns, as scikit-learn's */
} tt_kmeans_params;

/** Settings `cluster:`. */
typedef struct tt_cluster_params {
    char *level; /**< clip | track */
    tt_kmeans_params kmeans;
} tt_cluster_params;

/** Result of k-means; free with tt_kmeans_free(). */
typedef struct tt_kmeans {
    int k;
    int64_t cols;
    float *centroids; /**< [k, cols] the same on every rank */
    int32_t *label;   /**< [count] of this rank's rows; -1 for rows that are not valid */
    double inertia;   /**< sum of squared distances of the valid rows */
    int iterations;
} tt_kmeans;

/** The best of n_init runs of k-means on the valid rows of x: k-means|| seeding, Lloyd, empty clusters
 * reseeded from the farthest rows. The same bits on any rank count. Collective.
 *  @return TT_OK, TT_ERR_INPUT (k above the number of valid rows, k < 1), TT_ERR_MEMORY */
tt_status tt_kmeans_fit(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed, tt_kmeans *out);

void tt_kmeans_free(tt_kmeans *fit);

/** One clustering to make: rows of `input` into group `group` of clusters.h5. */
typedef struct tt_cluster_job {
    const char *group; /**< "/kmeans"; "/baseline/raw/kmeans" */
    const char *input; /**< "FILE.h5:/mu" */
} tt_cluster_job;

/** `tutti cluster`: clusters.h5 with, per job, GROUP/label int32 [rows] (-1: a row without features),
 * GROUP/centroids, GROUP/inertia [1], GROUP/n_iter [1]. Collective. */
tt_status tt_cluster(const tt_comm *comm, const tt_cluster_params *params, const tt_provenance *provenance,
                     const tt_cluster_job *jobs, int n_jobs, const char *output);

#endif
