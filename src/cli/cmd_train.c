#include "commands.h"
#include "stage.h"

#include "tutti/log.h"

static tt_status train_plain(const tt_comm *comm, const cli_stage *s, const char *input, const char *output)
{
    cli_plain plain;
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "train", "model.,train.", "", &input, 1);
    if (status == TT_OK)
        status = tt_train(comm, &plain.config->model, &plain.config->train, &plain.provenance, input, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_train(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *input = NULL, *labels = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti train --run DIR [options] | tutti train --input FILE.h5:/x --output model.h5",
        "Train a variational autoencoder on the rows of a matrix. A checkpoint is kept beside the output;\n"
        "SIGTERM or SIGUSR1 writes one and ends with status 75.",
        0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
                                  {"labels", CLI_TEXT, &labels, "FILE.h5:/y", "classes, for a conditioned model"},
                                  {"output", CLI_TEXT, &output, "FILE", "the model to write"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"input", "output"}, *given[] = {input, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    if (labels && comm->rank == 0) tt_warn("--labels %s: not used, model.condition is none", labels);
    return in_directory ? cli_run_in_directory(comm, &s, "train", 1.0) : train_plain(comm, &s, input, output);
}
