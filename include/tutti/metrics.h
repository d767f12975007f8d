/* Scores of a clustering, with and without truth. Definitions are scikit-learn's. */
#ifndef TUTTI_METRICS_H
#define TUTTI_METRICS_H

#include "tutti/matrix.h"
#include "tutti/store.h"

#include <stdio.h>

/** Scores of the geometry alone; NAN where undefined (fewer than 2 clusters, or as many clusters as rows). */
typedef struct tt_internal_scores {
    double silhouette, davies_bouldin, calinski_harabasz;
    int64_t rows;     /**< scored: valid and labelled >= 0 */
    int64_t clusters; /**< with at least one such row */
} tt_internal_scores;

/** Scores against truth; NAN where undefined (no row has both). */
typedef struct tt_external_scores {
    double ari, ami, nmi, homogeneity, completeness, v_measure, fowlkes_mallows, purity;
    int64_t rows; /**< with a label >= 0 and a known truth >= 0 */
    int64_t clusters, classes;
} tt_external_scores;

/** Exact silhouette, Davies-Bouldin and Calinski-Harabasz (Euclidean) of x under labels [count] of this
 * rank's rows; rows labelled below 0 are left out. Labels may be any non-negative numbers. Ring of tiles,
 * O(n/P) memory, the same bits on any rank count. Collective. @return TT_OK, TT_ERR_MEMORY, TT_STOPPED */
tt_status tt_score_internal(const tt_matrix *x, const int32_t *label, tt_internal_scores *out);

/** Rows that have one label and one truth. */
typedef struct tt_cell {
    int32_t label, truth;
    int64_t count;
} tt_cell;

/** The contingency table of this rank's `count` rows as its cells that are not empty, sorted by label, then
 * truth, the same on every rank; rows with either below 0 are left out; `truth` NULL counts labels alone.
 * Memory is that of the cells. Collective. Free *cells with free(). @return TT_OK or TT_ERR_MEMORY */
tt_status tt_contingency(const tt_comm *comm, int64_t count, const int32_t *label, const int32_t *truth,
                         tt_cell **cells, int64_t *n);

/** Agreement of two labellings of this rank's `count` rows; rows with either below 0 are left out. A perfect
 * match has AMI and NMI 1 whatever its entropy. Collective. @return TT_OK or TT_ERR_MEMORY */
tt_status tt_score_external(const tt_comm *comm, int64_t count, const int32_t *label, const int32_t *truth,
                            tt_external_scores *out);

/** One labelling to score. */
typedef struct tt_evaluate_job {
    const char *method; /**< its name in metrics.json, "kmeans" */
    const char *space;  /**< what the rows are, "latent"; silhouettes compare within one space only */
    const char *input;  /**< "FILE.h5:/mu" */
    const char *labels; /**< "FILE.h5:/kmeans/label" */
} tt_evaluate_job;

/** A truth: one int32 per row. */
typedef struct tt_truth {
    const char *name;     /**< "genre" */
    const int32_t *label; /**< of this rank's rows under tt_partition(rows, TT_BLOCK_ROWS, ...); -1 unknown */
    int64_t rows;         /**< over all ranks */
} tt_truth;

/** `tutti evaluate`: metrics.json (written as PATH.part by rank 0, then renamed), and a table on standard
 * output. Adds a labelling by chance (the cluster sizes of the first job, shuffled over its rows) as method
 * "chance".
 * JSON: {TRUTH: {METHOD: {space, rows, noise, clusters, silhouette, davies_bouldin, calinski_harabasz,
 * truth_rows, classes, ari, ami, nmi, homogeneity, completeness, v_measure, fowlkes_mallows, purity}},
 * "provenance": {...}}; `rows` have a label and are scored by geometry, `noise` are valid rows labelled below
 * 0, `truth_rows` are rows with a known truth as well. NaN is written as null. Without truths TRUTH is "none"
 * and what needs truth is absent. Nothing in the file depends on the rank count. Collective.
 * @return TT_OK, TT_ERR_INPUT (row counts that differ, naming both), TT_ERR_IO, TT_ERR_MEMORY, TT_STOPPED */
tt_status tt_evaluate(const tt_comm *comm, const tt_provenance *provenance, const tt_evaluate_job *jobs,
                      int n_jobs, const tt_truth *truths, int n_truths, const char *output);

/** Print the table of a metrics.json to a stream. Not collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT */
tt_status tt_scores_print(const char *metrics, FILE *to);

/** Truth per row of a latents.h5-like file from a manifest's column ("genre" or "language"): codes into
 * tt_manifest_labels(), -1 unknown. Row i belongs to track /clip/track[i]; without that dataset rows are
 * tracks. *label is freed by the caller. Collective. @return TT_OK, TT_ERR_INPUT, TT_ERR_IO, TT_ERR_MEMORY */
tt_status tt_truth_from_manifest(const tt_comm *comm, const char *manifest, const char *rows_file,
                                 const char *column, int32_t **label, int64_t *rows);

/** Truth from a plain dataset "FILE.h5:/y" of integers (negative: unknown) or text ("": unknown): codes of
 * the distinct values in sorted order. *label is freed by the caller. Collective. @return as above */
tt_status tt_truth_from_dataset(const tt_comm *comm, const char *spec, int32_t **label, int64_t *rows);

#endif
