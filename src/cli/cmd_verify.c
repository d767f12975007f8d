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
        return tt_fail(TT_ERR_INPUT, "%s: %lld of %lld blocks %s damaged", path, (long long)damaged,
                       (long long)blocks, damaged == 1 ? "is" : "are");
    if (blocks == 0) return tt_fail(TT_UNCHECKED, "%s: holds no checksums to check", path);
    if (comm->rank == 0)
        printf("%s: %lld block%s checked, all sound\n", path, (long long)blocks, blocks == 1 ? "" : "s");
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
    int bad = 0, unchecked = 0;
    for (int i = 0; i < n; i++) {
        tt_status s = verify(comm, path[i]);
        if (n == 1 || s == TT_STOPPED) return s;
        if (s == TT_UNCHECKED && comm->rank == 0) tt_warn("%s", tt_message());
        if (s > TT_UNCHECKED && comm->rank == 0) tt_error("%s", tt_message());
        unchecked += s == TT_UNCHECKED;
        bad += s > TT_UNCHECKED;
    }
    if (bad > 0) return tt_fail(TT_ERR_INPUT, "%d of %d files are not sound", bad, n);
    return unchecked > 0 ? tt_fail(TT_UNCHECKED, "%d of %d files hold no checksums", unchecked, n) : TT_OK;
}

tt_status cmd_verify(const tt_comm *comm, int argc, char **argv)
{
    const cli_usage usage = {
        "tutti verify FILE...",
        "Check files bit by bit: every block of rows against its checksum, and names, shapes and\n"
        "attributes against theirs. What is damaged is named, and the exit status is 1. Files of other\n"
        "programs, which hold no checksums, are only opened: exit status 3 if all others are sound.",
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
