/* Scores of a clustering, with and without truth. Definitions are scikit-learn's. */
#ifndef TUTTI_METRICS_H
#define TUTTI_METRICS_H

#include "tutti/corpus.h"
#include "tutti/distance.h"
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

/** How the silhouette is measured; all zeros is the default but for the metric, TT_EUCLIDEAN. */
typedef struct tt_silhouette_options {
    tt_metric metric; /**< TT_EUCLIDEAN or TT_COSINE */
    int64_t sample;   /**< rows to draw and score among each other, as scikit-learn's sample_size; 0: all */
    uint64_t seed;    /**< of the sample */
} tt_silhouette_options;

/** Mean silhouette of one cluster. */
typedef struct tt_cluster_silhouette {
    int32_t label;
    int64_t rows; /**< that were scored */
    double silhouette;
} tt_cluster_silhouette;

/** Of each cluster, ascending by label; n is 0 where the silhouette is undefined or where there are more than
 * TT_CLUSTER_SILHOUETTES clusters. Free `cluster` with free(). */
typedef struct tt_cluster_silhouettes {
    int64_t n;
    tt_cluster_silhouette *cluster;
} tt_cluster_silhouettes;
enum { TT_CLUSTER_SILHOUETTES = 1024 };

/** Silhouette, Davies-Bouldin and Calinski-Harabasz (the latter two Euclidean) of x under labels [count] of
 * this rank's rows; rows labelled below 0 are left out. Labels may be any non-negative numbers. O(n/P)
 * memory, the same bits on any rank count. The scores are scikit-learn's of the values as tt_matrix holds
 * them, within 1e-6; float64 input is rounded to float32 there, which can move a score by more where
 * clusters nearly coincide (5e-6 was seen).
 *  @param options   NULL: Euclidean distances, all rows
 *  @param clusters  NULL: not wanted
 *  Collective. @return TT_OK, TT_ERR_INPUT (rows that the metric cannot measure), TT_ERR_MEMORY, TT_STOPPED
 */
tt_status tt_score_internal(const tt_matrix *x, const int32_t *label, const tt_silhouette_options *options,
                            tt_internal_scores *out, tt_cluster_silhouettes *clusters);

/** The silhouette alone: exact up to 20,000 scored rows; of more, that of about so many drawn rows among
 * each other. What k-means chooses k by. Collective. @return as tt_score_internal() */
tt_status tt_score_silhouette(const tt_matrix *x, const int32_t *label, uint64_t seed, double *out);

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
    bool by_track;      /**< the labels are of tracks: score the means of each track's rows */
} tt_evaluate_job;

/** A truth: one int32 per row. */
typedef struct tt_truth {
    const char *name;     /**< "genre" */
    const int32_t *label; /**< of this rank's rows under tt_partition(rows, TT_BLOCK_ROWS, ...); -1 unknown */
    int64_t rows;         /**< over all ranks */
    char *const *classes; /**< [n_classes] names of its codes, sorted; NULL: metrics.json tells the codes */
    int n_classes;
    const char *told; /**< a space whose rows were told this truth, by a model that is conditioned on it;
                         NULL: none */
} tt_truth;

/** Settings `evaluate:`. */
typedef struct tt_evaluate_params {
    char *metric; /**< of the silhouette: euclidean | cosine */
    char *noise;  /**< drop: noise rows are left out | cluster: they are one | singletons: one each */
    int sample;   /**< rows to draw for the silhouette; 0: all, exactly */
} tt_evaluate_params;

/** `tutti evaluate`: metrics.json (written as PATH.part by rank 0, then renamed), and a table on standard
 * output. Adds a labelling by chance (the cluster sizes of the first job, shuffled over its rows) as method
 * "chance".
 * JSON: {TRUTH: {METHOD: {space, level, metric, rows, noise, noise_as, clusters, silhouette, davies_bouldin,
 * calinski_harabasz, cluster_silhouettes: [{cluster, rows, silhouette}], truth_rows, classes, ari, ami, nmi,
 * homogeneity, completeness, v_measure, fowlkes_mallows, purity, confusion: {clusters, classes, rows}}},
 * "provenance": {...}}. `rows` have a label and are scored by geometry, `noise` are valid rows labelled below
 * 0 and `noise_as` what became of them, `truth_rows` are rows with a known truth as well;
 * `silhouette_sample` says how many rows were drawn, where not all were;
 * truth_went_in is true where the space was told this truth. `cluster`, `clusters` and `classes`
 * list the labels and the truths themselves, as numbers where all of them are, and "noise" for what
 * `noise_as` made of it. NaN is written as null; so is a confusion table of more than 65,536 cells. Where the
 * file of the rows has /clip/track, TRUTH_by_track holds the same scores of tracks, each with the label and
 * the truth of most of its rows. Without truths TRUTH is "none" and what needs truth is absent. Nothing in
 * the file depends on the rank count. Collective.
 * @return TT_OK, TT_ERR_CONFIG, TT_ERR_INPUT (row counts that differ, naming both), TT_ERR_IO,
 * TT_ERR_MEMORY, TT_STOPPED */
tt_status tt_evaluate(const tt_comm *comm, const tt_evaluate_params *params, const tt_provenance *provenance,
                      const tt_evaluate_job *jobs, int n_jobs, const tt_truth *truths, int n_truths,
                      const char *output);

/** Print the table of a metrics.json to a stream. Not collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT */
tt_status tt_scores_print(const char *metrics, FILE *to);

/** Truth per row of a latents.h5-like file from a manifest's column ("genre" or "language"): codes into
 * tt_manifest_labels(), -1 unknown. Row i belongs to track /clip/track[i]; without that dataset rows are
 * tracks. *label is freed by the caller. Collective. @return TT_OK, TT_ERR_INPUT, TT_ERR_IO, TT_ERR_MEMORY */
tt_status tt_truth_from_manifest(const tt_comm *comm, const char *manifest, const char *rows_file,
                                 const char *column, int32_t **label, int64_t *rows);

/** The same with the names of the classes. Free with tt_classes_free(). */
tt_status tt_classes_from_manifest(const tt_comm *comm, const char *manifest, const char *rows_file,
                                   const char *column, tt_classes *out);

/** Classes from a plain dataset "FILE.h5:/y" of integers (negative: unknown) or text ("": unknown): the
 * distinct values in sorted order, integers named in decimal. Collective. Free with tt_classes_free().
 * @return TT_OK, TT_ERR_INPUT, TT_ERR_IO, TT_ERR_MEMORY */
tt_status tt_classes_from_dataset(const tt_comm *comm, const char *spec, tt_classes *out);

#endif
