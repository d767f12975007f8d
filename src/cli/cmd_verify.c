#include "cli/commands.h"
#include "cli/options.h"

#include "tutti/store.h"

#include <stdio.h>

static tt_status verify(const tt_comm *comm, const char *path, tt_store *store)
{
    int64_t blocks, damaged;
    TT_TRY(tt_store_verify(store, &blocks, &damaged));
    if (damaged > 0)
        return tt_fail(TT_ERR_INPUT, "%s: %lld of %lld blocks are damaged", path, (long long)damaged,
                       (long long)blocks);
    if (comm->rank != 0) return TT_OK;
    if (blocks > 0)
        printf("%s: %lld blocks checked, all sound\n", path, (long long)blocks);
    else
        printf("%s: no checksums to check\n", path);
    return TT_OK;
}

tt_status cmd_verify(const tt_comm *comm, int argc, char **argv)
{
    const cli_usage usage = {
        "tutti verify FILE",
        "Check every block of rows of a file against its checksum. Damaged rows are named and the\n"
        "exit status is 1. Files of other programs carry no checksums; they are only opened.",
        1};
    const cli_option options[] = {{0}};
    const char *path;
    bool done;
    tt_store *store;
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, &path, &done));
    if (done) return TT_OK;
    if (!path) return tt_fail(TT_ERR_USAGE, "which file? usage: %s", usage.synopsis);
    TT_TRY(tt_store_open(comm, path, &store));
    tt_status s = verify(comm, path, store);
    tt_store_close(store);
    return s;
}
