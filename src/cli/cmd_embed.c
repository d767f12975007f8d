#include "commands.h"
#include "stage.h"

#include "tutti/embed.h"

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    (void)data;
    return tt_embed(comm, &p->provenance, file[0], file[1]);
}

tt_status cmd_embed(const tt_comm *comm, int argc, char **argv)
{
    const cli_stage_command command = {
        .name = "embed",
        .usage = {"tutti embed --run DIR [options] | tutti embed --input FILE.h5:/x --output embedding.h5",
                  "The first two principal components of the rows of a matrix, for a picture.", 0},
        .file = {{"input", "FILE.h5:/x", "the matrix, rows are samples", false},
                 {"output", "FILE", "the file to write", false}},
        .prefixes = "-",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, NULL, NULL);
}
