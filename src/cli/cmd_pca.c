#include "commands.h"
#include "stage.h"

#include <stdio.h>

static tt_status plain(const tt_comm *comm, const cli_plain *p, const char *const *file, const void *data)
{
    return tt_pca_stage(comm, &p->provenance, file[0], *(const int64_t *)data, file[1]);
}

static tt_status identity(const void *data, char text[64])
{
    int64_t components = *(const int64_t *)data;
    if (components < 1)
        return tt_fail(TT_ERR_USAGE, "--components takes a number above 0, not %lld", (long long)components);
    snprintf(text, 64, "%lld", (long long)components);
    return TT_OK;
}

tt_status cmd_pca(const tt_comm *comm, int argc, char **argv)
{
    int64_t components = 32;
    const cli_stage_command command = {
        .name = "pca",
        .usage =
            {"tutti pca --run DIR [options] | tutti pca --input FILE.h5:/x [--components 32] --output pca.h5",
             "Scores of the rows of a matrix on its principal components: the baseline of every learned "
             "space.",
             0},
        .file = {{"input", "FILE.h5:/x", "the matrix, rows are samples", false},
                 {"output", "FILE", "the file to write", false}},
        .extra = {{"components", CLI_INTEGER, &components, "N", "how many to keep (default 32)"}},
        .prefixes = "-",
        .plain = plain,
    };
    return cli_stage_run(comm, argc, argv, &command, identity, &components);
}
