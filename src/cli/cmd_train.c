#include "commands.h"
#include "stage.h"

#include "tutti/log.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    const char *const *labels = data;
    if (*labels && comm->rank == 0) tt_warn("--labels %s: not used, model.condition is none", *labels);
    return tt_train(comm, &p->config->model, &p->config->train, &p->provenance, file[0], file[1]);
}

tt_status cmd_train(const tt_comm *comm, int argc, char **argv)
{
    const char *labels = NULL;
    const cli_stage_command command = {
        .name = "train",
        .usage = {"tutti train --run DIR [options] | tutti train --input FILE.h5:/x --output model.h5",
                  "Train a variational autoencoder on the rows of a matrix. A checkpoint is kept beside the "
                  "output;\n"
                  "SIGTERM or SIGUSR1 writes one and ends with status 75.",
                  0},
        .file = {{"input", "FILE.h5:/x", "the matrix, rows are samples", false},
                 {"output", "FILE", "the model to write", false}},
        .extra = {{"labels", CLI_TEXT, &labels, "FILE.h5:/y",
                   "classes; not used while model.condition is none"}},
        .prefixes = TT_TRAIN_SETTINGS,
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, &labels);
}
