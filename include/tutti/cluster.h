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
    double *centroids; /**< [k, cols] in the frame of the input (tt_matrix shift added), the same on every
                          rank */
    int32_t *label;    /**< [count] of this rank's rows; -1 for rows that are not valid */
    double inertia;    /**< sum of squared distances of the valid rows */
    int iterations;
} tt_kmeans;

/** The best of n_init runs of k-means on the valid rows of x: k-means|| seeding (Bahmani et al. 2012; greedy
 * k-means++ over all rows where these are few), Lloyd's iterations with Hamerly's bounds (2010), empty
 * clusters reseeded from the farthest rows as scikit-learn does, ties to the lowest cluster. Every label is
 * decided as if all distances had been measured in double. A run ends when no label changes, when the
 * centroids' squared shifts sum to at most tol times the mean column variance, or after max_iter iterations.
 * The same bits on any rank count. Collective.
 *  @return TT_OK, TT_ERR_INPUT (k above the number of valid rows, no valid rows), TT_ERR_CONFIG (k, n_init or
 * max_iter below 1, tol below 0), TT_ERR_MEMORY, TT_STOPPED, the same on every rank */
tt_status tt_kmeans_fit(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed, tt_kmeans *out);

/** Lloyd's iterations from given centroids [k, cols], in the frame of the input: as tt_kmeans_fit() without
 * seeding; n_init is not used. Collective. */
tt_status tt_kmeans_from(const tt_matrix *x, const tt_kmeans_params *params, const double *centroids,
                         tt_kmeans *out);

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
