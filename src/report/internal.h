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

/** One row of a scatter plot. */
typedef struct point {
    int64_t order; /**< place in the drawing order, which is random, so that no class covers the others */
    float x, y;
    int32_t genre, cluster; /**< index into the classes, -1 unknown */
} point;

typedef struct scatter {
    int64_t n;       /**< points */
    int64_t rows;    /**< valid rows that they stand for */
    point *point;    /**< [n] in drawing order */
    double share[2]; /**< explained variance of the axes, NAN if unknown */
} scatter;

/** This rank's rows of a run; what a run lacks is NULL. */
typedef struct run_rows {
    const tt_comm *comm;
    int64_t rows, first, count;
    float *xy;                /**< [count, 2] */
    double share[2];          /**< explained variance of both */
    unsigned char *valid;     /**< [count] */
    int32_t *genre;           /**< [count] index into genres, -1 unknown or not valid */
    int32_t *cluster;         /**< [count] index into clusters, -1 noise or not valid */
    classes genres, clusters; /**< the same on every rank */
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

/** mel_examples.png. Collective. */
tt_status report_mel(const tt_comm *comm, const tt_report_inputs *in, uint64_t seed, const char *folder);

/** dendrogram.png. Collective. */
tt_status report_dendrogram(const tt_comm *comm, const char *clusters, const char *folder);

tt_status draw_curves(const char *folder, const history *h);
tt_status draw_scatter(const char *folder, const char *name, const scatter *s, const classes *of,
                       bool by_genre, double ari);
/** @param cells  label is the cluster, truth the genre, as indices into the classes */
tt_status draw_heat(const char *folder, const classes *genres, const classes *clusters, const tt_cell *cells,
                    int64_t n_cells, double ari);
tt_status draw_scores(const char *folder, const json_t *metrics);
tt_status draw_mel(const char *folder, const mel_axes *axes, const mel_example *examples, int n);

#endif
