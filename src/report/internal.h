/* What the pictures are drawn from, on rank 0. */
#ifndef TUTTI_REPORT_INTERNAL_H
#define TUTTI_REPORT_INTERNAL_H

#include "report/plot.h"

#include "tutti/metrics.h"
#include "tutti/report.h"
#include "tutti/store.h"

#include <jansson.h>
#include <stdbool.h>

/** Named classes of rows: genres, or clusters. */
typedef struct classes {
    int64_t n;
    char **name;   /**< [n] */
    int64_t *size; /**< [n] rows of each */
} classes;

/** What rows are told apart by: truths, then clusterings of the latent space. */
typedef enum kind {
    BY_GENRE,
    BY_LANGUAGE,
    BY_KMEANS,
    BY_AGGLOMERATIVE,
    BY_DBSCAN,
    KINDS,
    TRUTHS = BY_KMEANS
} kind;

/** How a kind is called. */
typedef struct kind_words {
    const char *key;      /**< in the run's files, "kmeans" */
    const char *file;     /**< in names of pictures, "cluster" */
    const char *one;      /**< "k-means cluster" */
    const char *many;     /**< "clusters" */
    const char *the_rest; /**< rows without a class: "unknown", "noise" */
} kind_words;
extern const kind_words kind_words_of[KINDS];

/** Classes of a kind, and of each of a rank's rows. */
typedef struct labelling {
    int32_t
        *code; /**< [count] index into the classes; -1 unknown, noise or not valid; NULL: the run has none */
    classes classes; /**< the same on every rank */
} labelling;

/** One row of a scatter plot. */
typedef struct point {
    int64_t order; /**< place in the drawing order, which is random, so that no class covers the others */
    float x, y;
    int32_t class[KINDS]; /**< index into the classes, -1 unknown or noise */
} point;

typedef struct scatter {
    int64_t n;       /**< points */
    int64_t rows;    /**< valid rows that they stand for */
    point *point;    /**< [n] in drawing order */
    double share[2]; /**< explained variance of the axes, NAN if unknown */
} scatter;

/** This rank's rows of a run, clips or tracks, whichever were clustered; what a run lacks is NULL. */
typedef struct run_rows {
    const tt_comm *comm;
    bool by_track;
    int64_t rows, first, count;
    float *xy;            /**< [count, 2] */
    double share[2];      /**< explained variance of both */
    unsigned char *valid; /**< [count] */
    labelling of[KINDS];
} run_rows;

/** Training history, [n] each; NULL if the file has no such column. */
typedef struct history {
    int64_t n;
    double *epoch, *loss, *reconstruction, *kl, *val_loss;
} history;

/** Log-mel of one clip. */
typedef struct mel_example {
    const char *genre; /**< not owned */
    float *db;         /**< [n_mels, frames] */
} mel_example;

/** Shape and axes of the mel examples. */
typedef struct mel_axes {
    int64_t n_mels, frames;
    double sample_rate, hop_length, fmin, fmax; /**< 0 if unknown */
    bool htk;
    double floor; /**< dB */
} mel_axes;

/** Read what there is of coordinates, genres and clusters; what does not fit together is left out with a log
 * line. Collective. Free with run_rows_free(). */
tt_status run_rows_read(const tt_comm *comm, const tt_report_inputs *in, run_rows *out);
void run_rows_free(run_rows *r);

/** Points of at most `most` random rows on rank 0 (none elsewhere). Collective. Free s->point. */
tt_status sample_points(const run_rows *r, uint64_t seed, int64_t most, scatter *s);

/** Genres that have rows, from codes [count] into tt_manifest_labels(), which are replaced by indices into
 * *out. Collective. Free with classes_free(). */
tt_status genres_of(const tt_comm *comm, const char *manifest, int64_t count, int32_t *code, classes *out);
void classes_free(classes *c);

/** Whether rank 0 can read the file. Collective. */
bool file_is_there(const tt_comm *comm, const char *path);

/** "clips" or "tracks". */
const char *rows_word(const run_rows *r);

/** mel_examples.png. Collective. */
tt_status report_mel(const tt_comm *comm, const tt_report_inputs *in, uint64_t seed, const char *folder);

/** dendrogram.png. @param cut  clusters that the tree was cut into, 0 if unknown. Collective. */
tt_status report_dendrogram(const tt_comm *comm, const char *clusters, int64_t cut, const char *folder);

/** k_distance.png and choosing_k.png: how DBSCAN came to its eps, and k-means to its k. Collective. */
tt_status report_choices(const tt_comm *comm, const char *clusters, const char *folder);

/** Say why a picture is not drawn, and remove the one of an earlier run. On rank 0. */
void leave_out(const char *folder, const char *name, const char *why);

/** A score of metrics.json under TRUTH and METHOD, NAN if there is none. */
double score_of(const json_t *metrics, const char *truth, const char *method, const char *score);

tt_status draw_curves(const char *folder, const history *h);
/** latent_by_KIND.png. On rank 0. */
tt_status draw_scatter(const char *folder, const run_rows *r, const scatter *s, kind by,
                       const json_t *metrics);
/** TRUTH_by_CLUSTERING.png. On rank 0.
 *  @param cells  label is the cluster, truth the class, as indices into the classes; label n is noise */
tt_status draw_heat(const char *folder, const run_rows *r, kind truth, kind by, const tt_cell *cells,
                    int64_t n_cells, double ari);
tt_status draw_scores(const char *folder, const json_t *metrics);
/** silhouettes.png. On rank 0. */
tt_status draw_silhouettes(const char *folder, const json_t *metrics);
tt_status draw_mel(const char *folder, const mel_axes *axes, const mel_example *examples, int n);

#endif
