#include "commands.h"
#include "stage.h"

static tt_status encode_plain(const tt_comm *comm, const cli_stage *s, const char *model, const char *input,
                              const char *output)
{
    cli_plain plain;
    const char *specs[] = {model, input};
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "encode", "-", "", specs, 2);
    if (status == TT_OK) status = tt_encode(comm, &plain.provenance, model, input, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_encode(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *model = NULL, *input = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {"tutti encode --run DIR [options] | tutti encode --model model.h5 --input "
                             "FILE.h5:/x --output latents.h5",
                             "Latent means and log-variances of all rows.", 0};
    const cli_option options[] = {
        CLI_STAGE_OPTIONS(s),
        {"model", CLI_TEXT, &model, "FILE", "what tutti train wrote"},
        {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, as wide as the trained one"},
        {"output", CLI_TEXT, &output, "FILE", "the latents to write"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"model", "input", "output"}, *given[] = {model, input, output};
    TT_TRY(cli_choose(&s, names, given, 3, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "encode", 1.0)
                        : encode_plain(comm, &s, model, input, output);
}
