/* What the commands of the stages share: --config, --run, --set, and the choice between a run directory and
 * files of one's own. */
#ifndef TUTTI_CLI_STAGE_H
#define TUTTI_CLI_STAGE_H

#include "options.h"
#include "tutti/pipeline.h"

typedef struct cli_stage {
    const char *config, *run;
    cli_list sets;
} cli_stage;

/** Rows of the option table for a cli_stage. */
#define CLI_STAGE_OPTIONS(s)                                                                                 \
    {"config", CLI_TEXT, &(s).config, "FILE", "settings, YAML (default: the run's own, or built in)"},       \
        {"run", CLI_TEXT, &(s).run, "DIR", "run directory: read the files of earlier stages there"},         \
    {                                                                                                        \
        "set", CLI_LIST, &(s).sets, "KEY.SUB=VALUE", "change one setting; any number of times"               \
    }

/** Run one stage, or with name NULL all, in the run directory s->run. Collective. */
tt_status cli_run_in_directory(const tt_comm *comm, const cli_stage *s, const char *name,
                               double max_failures);

/** A stage on files of one's own. */
typedef struct cli_plain {
    tt_config *config;
    tt_provenance provenance;
    char *text; /**< what provenance points into */
} cli_plain;

/** Load the settings. Collective. Free with cli_plain_free(), also on failure. */
tt_status cli_plain_load(const tt_comm *comm, const cli_stage *s, cli_plain *out);

/** Refuse an output that cannot be written, or that would replace the file of an input, before work is done
 * for it. Rank 0 looks. Collective.
 *  @param specs  [n_specs] inputs, "FILE" or "FILE.h5:/x" */
tt_status cli_output_check(const tt_comm *comm, const char *output, const char *const *specs, int n_specs);

/** Form the provenance of stage `name` over input files `specs`, the settings below `prefixes`, and `extra`.
 * Collective. */
tt_status cli_plain_origin(const tt_comm *comm, cli_plain *plain, const char *name, const char *prefixes,
                           const char *extra, const char *const *specs, int n_specs);

/** Scan a corpus for a command that reads tracks: load the settings, look at the output, and write the
 * manifest beside it ("DIR/features.h5" has "DIR/features.manifest.h5"). Collective. Free `out` with
 * cli_plain_free() and *manifest, its path, with free(), also on failure. */
tt_status cli_plain_scan(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output,
                         cli_plain *out, char **manifest);

void cli_plain_free(cli_plain *plain);

/** TT_ERR_USAGE unless either --run is given and none of n plain options, or all of these.
 *  @param names  of the options, without dashes
 *  @param given  their values, NULL where not given */
tt_status cli_choose(const cli_stage *s, const char *const *names, const char *const *given, int n,
                     bool *in_directory);

/** Room for a setting that a plain option stands for. */
typedef struct cli_setting {
    char text[4200];
} cli_setting;

/** Let an option stand for a setting: "--k 64" for "--set cluster.kmeans.k=64". The text lives in `room`. */
__attribute__((format(printf, 3, 4))) tt_status cli_set(cli_stage *s, cli_setting *room, const char *format,
                                                        ...);

/** A file that a stage takes or writes, as an option. */
typedef struct cli_file {
    const char *name, *argument, *help; /**< "input", "FILE.h5:/x", "the matrix, rows are samples" */
    bool optional;                      /**< may be left out; the file is NULL then */
} cli_file;

enum { CLI_FILES = 4, CLI_EXTRAS = 2 };

/** A stage whose plain form is: some input files, one output file, and settings. */
typedef struct cli_stage_command {
    const char *name; /**< of the stage, "embed" */
    cli_usage usage;
    cli_file file[CLI_FILES];     /**< the output is the last; ends with {0} if there are fewer */
    cli_option extra[CLI_EXTRAS]; /**< more options, ends with {0} if there are fewer */
    const char *prefixes;         /**< of the settings that decide the result */
    /** Run it on files of one's own; `data` is the command's. Collective. */
    tt_status (*plain)(const tt_comm *comm, const cli_plain *plain, const char *const *file,
                       const void *data);
} cli_stage_command;

/** Parse, then run the stage in a run directory or on files. `identity` is what the extra options say of the
 * result, asked for after parsing; NULL for nothing. Collective. */
tt_status cli_stage_run(const tt_comm *comm, int argc, char **argv, const cli_stage_command *command,
                        tt_status (*identity)(const void *data, char text[64]), const void *data);

#endif
