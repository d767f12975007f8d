/* What the stage and its methods share: a method is the columns that it gives and how they are made. */
#ifndef TUTTI_CLUSTER_STAGE_H
#define TUTTI_CLUSTER_STAGE_H

#include "tutti/cluster.h"

enum { TASK_COLUMNS = 8, TASK_NAME = 256 };

/* One job, with what is known of it before it is made. */
typedef struct task {
    const tt_cluster_job *job;
    int64_t rows, cols, n_valid;
    tt_kmeans_choice choice; /* of a range of k; n is 0 otherwise */
    int n_columns;
    tt_column column[TASK_COLUMNS];
    char name[TASK_COLUMNS][TASK_NAME];
} task;

/* What one job is made with. */
typedef struct workshop {
    const tt_cluster_params *params;
    const tt_provenance *provenance; /* the stage's, its fingerprint extended by the job's group */
    const char *checkpoint;          /* path */
    tt_store *store;
} workshop;

/* Say that the task gives a dataset GROUP/leaf of these dimensions; the label first. */
tt_status task_column(task *t, const char *leaf, tt_type type, int64_t rows, int64_t cols);

/* Write rows of GROUP/leaf. Not collective. */
tt_status task_write(const workshop *w, const task *t, const char *leaf, int64_t first, int64_t count,
                     const void *data);

/* The labels of this rank's rows. Not collective. */
tt_status task_write_labels(const workshop *w, const task *t, const tt_matrix *x, const int32_t *label);

typedef struct cluster_method {
    const char *name;
    tt_status (*columns)(const tt_cluster_params *params, task *t);
    /* Cluster x and write every column. Collective; the same status on every rank. */
    tt_status (*make)(const workshop *w, const task *t, const tt_matrix *x);
} cluster_method;

extern const cluster_method method_kmeans, method_agglomerative, method_dbscan;

#endif
