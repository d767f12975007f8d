#include "commands.h"
#include "stage.h"

static tt_status fuse_plain(const tt_comm *comm, const cli_stage *s, const char *features, const char *output)
{
    cli_plain plain;
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "fuse", "fuse.pca", "", &features, 1);
    if (status == TT_OK) status = tt_fuse(comm, &plain.config->fuse, &plain.provenance, features, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_fuse(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *features = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti fuse --run DIR [options] | tutti fuse --features features.h5 --output hybrid.h5",
        "One z-scored matrix of features per clip.", 0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"features", CLI_TEXT, &features, "FILE", "what tutti extract wrote"},
                                  {"output", CLI_TEXT, &output, "FILE", "the matrix to write"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"features", "output"}, *given[] = {features, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "fuse", 1.0)
                        : fuse_plain(comm, &s, features, output);
}
