#include "commands.h"
#include "stage.h"

#include "tutti/embed.h"

static tt_status embed_plain(const tt_comm *comm, const cli_stage *s, const char *input, const char *output)
{
    cli_plain plain;
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "embed", "-", "", &input, 1);
    if (status == TT_OK) status = tt_embed(comm, &plain.provenance, input, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_embed(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *input = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti embed --run DIR [options] | tutti embed --input FILE.h5:/x --output embedding.h5",
        "The first two principal components of the rows of a matrix, for a picture.", 0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
                                  {"output", CLI_TEXT, &output, "FILE", "the file to write"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"input", "output"}, *given[] = {input, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "embed", 1.0) : embed_plain(comm, &s, input, output);
}
