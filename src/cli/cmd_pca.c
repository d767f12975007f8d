#include "commands.h"
#include "stage.h"

#include <stdio.h>

static tt_status pca_plain(const tt_comm *comm, const cli_stage *s, const char *input, int64_t components,
                           const char *output)
{
    cli_plain plain;
    char extra[32];
    snprintf(extra, sizeof extra, "%lld", (long long)components);
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "pca", "-", extra, &input, 1);
    if (status == TT_OK) status = tt_pca_stage(comm, &plain.provenance, input, components, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_pca(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *input = NULL, *output = NULL;
    int64_t components = 32;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti pca --run DIR [options] | tutti pca --input FILE.h5:/x [--components 32] --output pca.h5",
        "Scores of the rows of a matrix on its principal components: the baseline of every learned space.",
        0};
    const cli_option options[] = {
        CLI_STAGE_OPTIONS(s),
        {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
        {"components", CLI_INTEGER, &components, "N", "how many to keep (default 32)"},
        {"output", CLI_TEXT, &output, "FILE", "the file to write"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (components < 1)
        return tt_fail(TT_ERR_USAGE, "--components takes a number above 0, not %lld", (long long)components);
    const char *names[] = {"input", "output"}, *given[] = {input, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "pca", 1.0)
                        : pca_plain(comm, &s, input, components, output);
}
