#include "commands.h"
#include "stage.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    (void)data;
    return tt_encode(comm, &p->provenance, file[0], file[1], file[2]);
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
                 {"output", "FILE", "the latents to write", false}},
        .prefixes = "-",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
