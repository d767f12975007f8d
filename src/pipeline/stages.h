/* The stages in order: what each reads, what decides its result, and how to run it. Private to the room. */
#ifndef TUTTI_PIPELINE_STAGES_H
#define TUTTI_PIPELINE_STAGES_H

#include "tutti/pipeline.h"

enum { STAGE_INPUTS = 7 };

/* Paths of the run's files. */
typedef enum run_file {
    FILE_NONE,
    FILE_MANIFEST,
    FILE_FEATURES,
    FILE_LYRICS,
    FILE_HYBRID,
    FILE_ROWS, /* what the model is trained on: hybrid.h5, or features.h5 where that reads images */
    FILE_MODEL,
    FILE_LATENTS,
    FILE_PCA,
    FILE_CLUSTERS,
    FILE_EMBEDDING,
    FILE_METRICS,
    FILE_REPORT,
    RUN_FILES,
} run_file;

typedef struct run_context {
    const tt_comm *comm;
    const tt_config *config;
    const tt_run_options *options;
    char *path[RUN_FILES];
} run_context;

typedef struct stage {
    const char *name;
    int version; /* raise it when the same settings give another result */
    run_file output;
    run_file input[STAGE_INPUTS]; /* ends with FILE_NONE */
    const char *settings;         /* prefixes of the settings that decide the result */
    bool reads_corpus;            /* the corpus itself is an input */
    bool uses_seed;
    tt_status (*run)(const run_context *run, const tt_provenance *provenance);
} stage;

extern const stage stages[];
extern const int n_stages;

/* Paths of all files below the directory. free_paths() frees them. Not collective. */
tt_status make_paths(const char *directory, run_context *run);
void free_paths(run_context *run);

/* Fingerprint stored in a file of the run: *out is NULL if it is missing or unreadable, or if a file that it
 * lists is missing. Not collective; free(). */
tt_status stored_fingerprint(const char *path, char **out);

#endif
