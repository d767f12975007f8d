#include "commands.h"
#include "stage.h"

#include "tutti/log.h"

#include <string.h>

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    const tt_model_params *model = &p->config->model;
    bool conditioned = strcmp(model->condition, "none") != 0;
    tt_classes classes = {0};
    (void)data;
    if (file[1] && !conditioned && comm->rank == 0)
        tt_warn("--labels %s: not used, model.condition is none", file[1]);
    if (conditioned && !file[1])
        return tt_fail(TT_ERR_USAGE, "model.condition is %s: give --labels FILE.h5:/y, or set it to none",
                       model->condition);
    if (conditioned) TT_TRY(tt_classes_from_dataset(comm, file[1], &classes));
    tt_status s = tt_train(comm, model, &p->config->train, &p->provenance, file[0],
                           conditioned ? &classes : NULL, file[2]);
    tt_classes_free(&classes);
    return s;
}

tt_status cmd_train(const tt_comm *comm, int argc, char **argv)
{
    const cli_stage_command command = {
        .name = "train",
        .usage =
            {"tutti train --run DIR [options] | tutti train --input FILE.h5:/x --output model.h5",
             "Train a variational autoencoder on the rows of a matrix. A checkpoint and the one before it\n"
             "are kept beside the output; SIGTERM or SIGUSR1 writes one and ends with status 75.",
             0},
        .file = {{"input", "FILE.h5:/x", "the matrix, rows are samples", false},
                 {"labels", "FILE.h5:/y",
                  "class of each row, for model.condition: genre; negative or \"\": "
                  "unknown",
                  true},
                 {"output", "FILE", "the model to write", false}},
        .prefixes = TT_TRAIN_SETTINGS,
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
