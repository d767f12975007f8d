/* Density-based clustering: Ester, Kriegel, Sander, Xu (1996), exact at any number of columns. */
#ifndef TUTTI_DBSCAN_H
#define TUTTI_DBSCAN_H

#include "tutti/matrix.h"
#include "tutti/store.h"

/** Settings `cluster.dbscan:`, and where a run that is stopped leaves what it has. */
typedef struct tt_dbscan_params {
    double eps;  /**< neighbours lie within this distance (<=), Euclidean but for `cosine`; 0 or less: chosen
                    from the  k-distance curve */
    bool cosine; /**< distances are 1 less the cosine of the angle between two rows */
    int min_samples;        /**< neighbours, the row itself among them, that make a row a core row */
    const char *checkpoint; /**< path of the file that a stopped run leaves and the next goes on from;
                               NULL: none is written */
    const tt_provenance *provenance; /**< of the run; its fingerprint marks the checkpoint; NULL if that is */
} tt_dbscan_params;

/** A clustering. Free with tt_dbscan_free(). */
typedef struct tt_dbscan {
    double eps;          /**< as given or as chosen */
    int32_t *label;      /**< [count] of this rank's rows; -1: noise, or a row that is not valid */
    unsigned char *core; /**< [count] 1 for core rows */
    int64_t clusters;
    int64_t core_rows, noise_rows; /**< over all ranks, of the valid rows */
    double *k_distance; /**< [n_distances] ascending: distance, as eps is one, to the min_samples-th nearest
                           row, the row itself being the first, so that a row is core where this is at most
                           eps; of all valid rows or of a seeded sample of them; the same on every
                           rank; NULL unless eps was chosen */
    int64_t n_distances;
    int64_t knee; /**< index in k_distance that gave eps */
} tt_dbscan;

/** DBSCAN of the valid rows of x. Clusters are numbered in the order of their smallest core rows, and a
 * border row goes to the first of the clusters that reach it: the labels of scikit-learn. Pairs are decided
 * in float32 where its error bound allows and in double elsewhere, so that nothing depends on the rank count.
 *
 * eps is chosen as the knee of the k-distance curve, the point farthest below the chord from its first to its
 * last point (Satopaa et al. 2011, "Kneedle", without smoothing); where that is 0, the smallest value above
 * 0.
 *
 * Cosine distances are half the squared Euclidean ones between rows at length 1, rounded to float32: pairs
 * within 1e-7 of eps may fall to either side, the same on any rank count.
 *
 * Rows are put in a spatial order over the ranks, in cells of 32 with bounding boxes; pairs of cells farther
 * apart than eps, of rows known to be core, or of one cluster already, are not looked at. Memory O(n d / P):
 * of each row at most 32 neighbours are noted while they are counted, by which core rows are joined and
 * border rows settled without being measured again. A stop leaves a checkpoint that any number of ranks may
 * go on from; another number counts neighbours anew for rows that are not known to be core.
 *  @param seed  of the sample behind the curve. Collective.
 *  @return TT_OK, TT_ERR_CONFIG (min_samples below 1, eps NaN), TT_ERR_INPUT (values beyond 1e18; with cosine
 * a valid row of zeros, which has no direction), TT_ERR_MEMORY, TT_ERR_IO (the checkpoint), TT_STOPPED, the
 * same on every rank; on failure *out is empty */
tt_status tt_dbscan_fit(const tt_matrix *x, const tt_dbscan_params *params, uint64_t seed, tt_dbscan *out);

void tt_dbscan_free(tt_dbscan *fit);

#endif
