#include "commands.h"
#include "stage.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    (void)data;
    return tt_fuse(comm, &p->config->fuse, &p->provenance, file[0], file[1]);
}

tt_status cmd_fuse(const tt_comm *comm, int argc, char **argv)
{
    const cli_stage_command command = {
        .name = "fuse",
        .usage = {"tutti fuse --run DIR [options] | tutti fuse --features features.h5 --output hybrid.h5",
                  "One z-scored matrix of features per clip.", 0},
        .file = {{"features", "FILE", "what tutti extract wrote"}, {"output", "FILE", "the matrix to write"}},
        .prefixes = "fuse.pca",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
