#include "commands.h"
#include "stage.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    tt_classes classes = {0};
    (void)data;
    if (file[2]) TT_TRY(tt_classes_from_dataset(comm, file[2], &classes));
    tt_status s = tt_encode(comm, &p->provenance, file[0], file[1], file[2] ? &classes : NULL, file[3]);
    tt_classes_free(&classes);
    return s;
}

tt_status cmd_encode(const tt_comm *comm, int argc, char **argv)
{
    const cli_stage_command command = {
        .name = "encode",
        .usage =
            {"tutti encode --run DIR [options] | tutti encode --model model.h5 --input FILE.h5:/x --output "
             "latents.h5",
             "Latent means and log-variances of all rows.", 0},
        .file = {{"model", "FILE", "what tutti train wrote", false},
                 {"input", "FILE.h5:/x", "the matrix, as wide as the trained one", false},
                 {"labels", "FILE.h5:/y", "class of each row, for a model that is conditioned on it", true},
                 {"output", "FILE", "the latents to write", false}},
        .prefixes = "-",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
