#include "commands.h"
#include "stage.h"

#include <stdlib.h>

static tt_status extract_plain(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output,
                               double max_failures)
{
    cli_plain plain;
    char *manifest;
    tt_status status = cli_plain_scan(comm, s, corpus, output, &plain, &manifest);
    if (status == TT_OK)
        status =
            cli_plain_origin(comm, &plain, "extract", "audio.,features.", "", (const char **)&manifest, 1);
    if (status == TT_OK)
        status = tt_extract(comm, &plain.config->audio, &plain.config->features, max_failures,
                            &plain.provenance, manifest, output);
    free(manifest);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_extract(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *corpus = NULL, *output = NULL;
    double max_failures = 1.0;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti extract --run DIR [options] | tutti extract --corpus PATH --output features.h5",
        "Log-mel and frame features of every clip. With --corpus, the manifest of the corpus is written\n"
        "beside the output (features.manifest.h5).",
        0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"corpus", CLI_TEXT, &corpus, "PATH", "folder, CSV file or shard pattern"},
                                  {"output", CLI_TEXT, &output, "FILE", "the features to write"},
                                  {"max-failures", CLI_REAL, &max_failures, "SHARE",
                                   "give up when more than this share of tracks fails (default 1: never)"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (!(max_failures >= 0 && max_failures <= 1))
        return tt_fail(TT_ERR_USAGE, "--max-failures takes a share from 0 to 1, not %g", max_failures);
    const char *names[] = {"corpus", "output"}, *given[] = {corpus, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "extract", max_failures)
                        : extract_plain(comm, &s, corpus, output, max_failures);
}
