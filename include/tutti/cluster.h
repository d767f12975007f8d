/* Clustering of the rows of a matrix: k-means, and the stage that runs every method into one file. */
#ifndef TUTTI_CLUSTER_H
#define TUTTI_CLUSTER_H

#include "tutti/matrix.h"
#include "tutti/store.h"

/** Settings `cluster.kmeans:`, and where a run that is stopped leaves what it has. */
typedef struct tt_kmeans_params {
    int k, k_max;           /**< a range above k: tt_kmeans_choose() picks from it, tt_kmeans_fit() takes k */
    int n_init;             /**< restarts, of which the lowest inertia is kept */
    int max_iter;           /**< of one restart */
    int mini_batch;         /**< rows per step; 0: every iteration sees all rows (Lloyd) */
    double tol;             /**< relative to the mean variance of the columns, as scikit-learn's */
    char *init;             /**< k-means|| | k-means++ | random | FILE.h5:/centroids */
    char *select;           /**< silhouette | elbow: how k is chosen from a range */
    const char *checkpoint; /**< path of the file that a stopped run leaves and the next goes on from; NULL:
                               none is written */
    const tt_provenance *provenance; /**< of the run; its fingerprint marks the checkpoint; NULL if that is */
} tt_kmeans_params;

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

/** The best of n_init runs of k-means on the valid rows of x.
 *
 * Seeding: k-means|| (Bahmani et al. 2012), which is greedy k-means++ over all rows where these are few;
 * greedy k-means++ over all rows, with k passes over them; rows at random; or centroids [k, cols] of a file
 * (one start then). Iterations: Lloyd's, pruned by lower bounds per group of centres (Ding et al. 2015,
 * "Yinyang k-means"); empty clusters reseeded from the farthest rows as scikit-learn does, ties to the lowest
 * cluster. Every label is decided as if all distances had been measured in double. A run ends when no centre
 * moves, when the centroids' squared shifts sum to at most tol times the mean column variance, or after
 * max_iter iterations. With mini_batch a run begins with passes over the rows in random batches (Sculley
 * 2010) until a pass moves the centres that little, and at most max_iter of them, and one Lloyd iteration
 * ends it. The same bits on any rank count. Collective.
 *  @return TT_OK, TT_ERR_INPUT (k above the number of valid rows, no valid rows, centroids of another shape),
 * TT_ERR_CONFIG (k, n_init or max_iter below 1, tol below 0), TT_ERR_MEMORY, TT_ERR_IO, TT_STOPPED (a
 * checkpoint is on disk if params->checkpoint), the same on every rank; on failure *out is empty */
tt_status tt_kmeans_fit(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed, tt_kmeans *out);

/** As tt_kmeans_fit() from given centroids [k, cols], in the frame of the input; n_init and init are not
 * used. Collective. */
tt_status tt_kmeans_from(const tt_matrix *x, const tt_kmeans_params *params, const double *centroids,
                         tt_kmeans *out);

void tt_kmeans_free(tt_kmeans *fit);

/** Silhouette of the rows of x under labels [count]; who has scores lends it to what has none. Collective. */
typedef tt_status (*tt_silhouette)(const tt_matrix *x, const int32_t *label, uint64_t seed, double *out);

/** Scores of each k of a range. */
typedef struct tt_kmeans_choice {
    int n;              /**< numbers of clusters that were tried */
    int chosen;         /**< the k that was picked */
    int32_t *k;         /**< [n] ascending; owned */
    double *inertia;    /**< [n] in the same allocation as silhouette, which is */
    double *silhouette; /**< [n] owned; NAN where it was not asked for, or is not defined (k = 1) */
} tt_kmeans_choice;

/** Pick k from params->k to params->k_max: the largest mean silhouette, or the elbow of the inertia, the k
 * farthest below the chord of the curve (Satopaa et al. 2011, "Kneedle"); the smallest of equals.
 * @param silhouette  needed for select: silhouette; NULL else. Collective. Free with tt_kmeans_choice_free(),
 * @return as tt_kmeans_fit() */
tt_status tt_kmeans_choose(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed,
                           tt_silhouette silhouette, tt_kmeans_choice *out);

void tt_kmeans_choice_free(tt_kmeans_choice *choice);

/** Methods of `cluster.methods:`. */
typedef enum tt_cluster_method {
    TT_KMEANS,
    TT_AGGLOMERATIVE,
    TT_DBSCAN,
    TT_CLUSTER_METHODS
} tt_cluster_method;

/** "kmeans", "agglomerative" or "dbscan". */
const char *tt_cluster_method_name(tt_cluster_method method);

/** Settings `cluster:`. */
typedef struct tt_cluster_params {
    char *level;   /**< clip: rows as they are | track: means over the clips of a track */
    char *methods; /**< "[kmeans, dbscan]" */
    tt_kmeans_params kmeans;
    struct {
        int k;
        double distance_threshold; /**< -1: cut by k */
        char *linkage, *metric;
        int presample;
    } agglomerative;
    struct {
        double eps;   /**< 0: the knee of the k-distance curve */
        char *metric; /**< euclidean, cosine */
        int min_samples;
    } dbscan;
} tt_cluster_params;

/** One clustering to make: rows of `input` by `method` into group `group` of clusters.h5. */
typedef struct tt_cluster_job {
    tt_cluster_method method;
    const char *group; /**< "/kmeans"; "/baseline/raw/kmeans" */
    const char *input; /**< "FILE.h5:/mu" */
} tt_cluster_job;

/** `tutti cluster`: clusters.h5 with GROUP/label int32 [rows] of every job (-1: noise, or a row without
 * features); of k-means also centroids [k, cols], inertia [1], n_iter [1], and of a range of k k_tried,
 * k_inertia and k_silhouette [n]; of agglomerative linkage [leaves - 1, 4], leaf_row and leaf_size [leaves];
 * of DBSCAN core and what it says of eps. Jobs are made one after another, each written as soon as made; a
 * run that is stopped keeps those, and the one it was at in OUTPUT.checkpoint. Collective. */
tt_status tt_cluster(const tt_comm *comm, const tt_cluster_params *params, const tt_provenance *provenance,
                     const tt_cluster_job *jobs, int n_jobs, tt_silhouette silhouette, const char *output);

#endif
