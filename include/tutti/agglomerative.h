/* Agglomerative clustering: the whole tree in SciPy's form, and its flat cuts. */
#ifndef TUTTI_AGGLOMERATIVE_H
#define TUTTI_AGGLOMERATIVE_H

#include "tutti/distance.h"
#include "tutti/store.h"

typedef enum tt_linkage { TT_WARD, TT_COMPLETE, TT_AVERAGE, TT_SINGLE } tt_linkage;

/** Settings `cluster.agglomerative:`, and where a run that is stopped leaves what it has. */
typedef struct tt_agglomerative_params {
    tt_linkage linkage;
    tt_metric metric;          /**< of the rows; TT_WARD takes TT_EUCLIDEAN alone */
    int64_t k;                 /**< clusters to cut the tree into; 0: cut by distance_threshold */
    double distance_threshold; /**< merges of at most this height are kept, as SciPy's fcluster; for k 0 */
    int64_t presample;      /**< 0: every valid row is a leaf; N: the centroids of N k-means clusters are, of
                               which some are equal where fewer than N rows differ */
    int64_t memory_limit;   /**< bytes that the matrix of TT_COMPLETE and TT_AVERAGE may take on one
                               machine; 0: nine tenths of tt_memory_available() */
    const char *checkpoint; /**< path of the file that a stopped run leaves and the next goes on from;
                               NULL: none is written */
    const tt_provenance *provenance; /**< of the run; its fingerprint marks the checkpoint; NULL if that is */
} tt_agglomerative_params;

/** A tree and one cut of it. Free with tt_agglomerative_free(). */
typedef struct tt_agglomerative {
    int64_t leaves;  /**< the valid rows of the matrix in ascending order, or the micro-clusters */
    double *linkage; /**< [leaves - 1, 4] as scipy.cluster.hierarchy.linkage: two nodes a < b (leaves from 0,
                        merge i is node leaves + i), height, leaves below; by ascending height; the same
                        bits on every rank */
    int64_t *leaf_row;  /**< [leaves] global row of each leaf; of a micro-cluster its smallest row; the same
                           on every rank */
    int64_t *leaf_size; /**< [leaves] rows that each leaf stands for: 1 without presample; likewise */
    int32_t *label;     /**< [count] of this rank's rows: clusters are numbered in the order of their first
                           rows; -1 for a row that is not valid */
    int64_t clusters;
} tt_agglomerative;

/** "ward", "complete", "average" or "single". @return whether `text` is one of them */
bool tt_linkage_parse(const char *text, tt_linkage *out);
const char *tt_linkage_name(tt_linkage linkage);

/** The exact tree over the valid rows of x (with presample over k-means micro-clusters: an approximation, and
 * a line in the log says so). Heights are Euclidean distances, Ward's as SciPy's, or of `metric`. Among equal
 * distances the pair with the smallest row is merged first, so that neither tree nor cut depends on the rank
 * count.
 * Heights are within 1e-5 of those of doubles for float32 input, and for wider input that x keeps the rest of
 * (tt_matrix_read_exact()); without it near pairs of wider input have the distances of their float32 values.
 *
 * Memory per rank: O(n d / P + n) for TT_WARD and TT_SINGLE; 4 n^2 / P bytes more for the others. The latter
 * is estimated and said before it starts.
 * A checkpoint has the merges and nearest neighbours. The matrix is not in it but filled again; a run that is
 * stopped while it fills leaves none. Of micro-clusters k-means has one of its own, CHECKPOINT.micro. Who has
 * published the result removes both by tt_store_discard().
 *  @param seed  of the micro-clusters; not used without presample. Collective.
 *  @return TT_OK, TT_ERR_INPUT (no valid rows, k above the leaves, a row of zeros under TT_COSINE),
 * TT_ERR_CONFIG (a setting out of range, a tree that does not fit in memory), TT_ERR_MEMORY, TT_ERR_IO (the
 * checkpoint), TT_STOPPED (a checkpoint is on disk if params->checkpoint), the same on every rank; on failure
 * *out is empty */
tt_status tt_agglomerative_fit(const tt_matrix *x, const tt_agglomerative_params *params, uint64_t seed,
                               tt_agglomerative *out);

void tt_agglomerative_free(tt_agglomerative *tree);

#endif
