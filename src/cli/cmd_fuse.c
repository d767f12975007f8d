#include "commands.h"
#include "stage.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    (void)data;
    const tt_fuse_inputs inputs = {.features = file[0], .lyrics = file[1], .manifest = file[2]};
    return tt_fuse(comm, &p->config->fuse, &p->provenance, &inputs, file[3]);
}

tt_status cmd_fuse(const tt_comm *comm, int argc, char **argv)
{
    const cli_stage_command command = {
        .name = "fuse",
        .usage = {"tutti fuse --run DIR [options] | tutti fuse --features features.h5 [--lyrics FILE] "
                  "[--manifest FILE] --output hybrid.h5",
                  "One scaled matrix of features per clip: audio, and the embedding of the lyrics.", 0},
        .file = {{"features", "FILE", "what tutti extract wrote", false},
                 {"lyrics", "FILE", "what tutti lyrics wrote (default: audio alone)", true},
                 {"manifest", "FILE", "what tutti scan wrote: which tracks are for training (default: all)",
                  true},
                 {"output", "FILE", "the matrix to write", false}},
        .prefixes = "fuse.",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
