/* The whole line: stage order, the run directory, what is current and what must be done again. */
#ifndef TUTTI_PIPELINE_H
#define TUTTI_PIPELINE_H

#include "tutti/config.h"

typedef struct tt_run_options {
    const char *directory; /**< the run directory, made if missing */
    const char *only;      /**< name of the one stage to run, NULL for the whole line */
    double max_failures;   /**< share of tracks that may fail, 0 to 1 */
} tt_run_options;

/** Prefixes of the settings that decide a trained model; how often it is saved does not. */
#define TT_TRAIN_SETTINGS                                                                                    \
    "model.,train.beta,train.kl,train.epochs,train.batch,train.opt,train.learning,train.scale,"              \
    "train.schedule,train.warmup,train.weight,train.momentum,train.clip,train.precision,train.repro,"        \
    "train.validation,train.patience,train.memory"

/** Run the line in a run directory: stages whose file was made with the same settings from the same inputs
 * are skipped, what was cut off is resumed. The directory is locked meanwhile; the lock of a dead run is
 * taken over. Collective. @return TT_OK; TT_STOPPED on a signal (run again to go on); TT_ERR_USAGE (no such
 * stage, a directory of another version); or the status of the stage that failed, its name first in the
 * message */
tt_status tt_pipeline_run(const tt_comm *comm, const tt_config *config, const tt_run_options *options);

/** Provenance of a stage run by hand on files of its own: the fingerprint covers the settings below
 * `prefixes`, `extra` (options that decide the content) and the identity of the input files (their
 * fingerprints, or size and time). The texts live in *text, freed with free() when the provenance is no
 * longer used. Collective.
 *  @param specs  n_specs inputs, "FILE.h5:/x" or plain paths */
tt_status tt_provenance_of(const tt_comm *comm, const tt_config *config, const char *stage,
                           const char *prefixes, const char *extra, const char *const *specs, int n_specs,
                           tt_provenance *out, char **text);

#endif
