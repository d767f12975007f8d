#include "cli/commands.h"
#include "cli/options.h"

#include "tutti/log.h"
#include "tutti/store.h"

#include <stdio.h>

enum { FILES_MAX = 256 };

static tt_status verify_open(const tt_comm *comm, const char *path, tt_store *store)
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

static tt_status verify(const tt_comm *comm, const char *path)
{
    tt_store *store;
    TT_TRY(tt_store_open(comm, path, &store));
    tt_status s = verify_open(comm, path, store);
    tt_store_close(store);
    return s;
}

/* All are looked at, whatever is found in the first. */
static tt_status verify_all(const tt_comm *comm, const char *const *path, int n)
{
    int bad = 0;
    for (int i = 0; i < n; i++) {
        tt_status s = verify(comm, path[i]);
        if (n == 1) return s;
        if (s != TT_OK && comm->rank == 0) tt_error("%s", tt_message());
        bad += s != TT_OK;
    }
    return bad == 0 ? TT_OK : tt_fail(TT_ERR_INPUT, "%d of %d files are not sound", bad, n);
}

tt_status cmd_verify(const tt_comm *comm, int argc, char **argv)
{
    const cli_usage usage = {
        "tutti verify FILE...",
        "Check every block of rows of files against its checksum. Damaged rows are named and the\n"
        "exit status is 1. Files of other programs carry no checksums; they are only opened.",
        FILES_MAX};
    const cli_option options[] = {{0}};
    const char *path[FILES_MAX];
    bool done;
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, path, &done));
    if (done) return TT_OK;
    int n = 0;
    while (n < FILES_MAX && path[n]) n++;
    if (n == 0) return tt_fail(TT_ERR_USAGE, "which file? usage: %s", usage.synopsis);
    return verify_all(comm, path, n);
}
