/* Look at the output of a command before any work is done for it. */
#include "stage.h"

#include "tutti/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of `path` must be there and take new files: what is written is renamed into place. */
static tt_status check_folder(const char *path)
{
    char *folder = NULL;
    const char *slash = strrchr(path, '/');
    TT_TRY(slash ? tt_format(&folder, "%.*s", (int)(slash - path) + 1, path) : tt_copy_text(".", &folder));
    struct stat at;
    tt_status s = TT_OK;
    if (stat(folder, &at) != 0)
        s = tt_fail(TT_ERR_IO, "cannot write %s: there is no folder %s", path, folder);
    else if (access(folder, W_OK | X_OK) != 0)
        s = tt_fail(TT_ERR_IO, "cannot write %s: the folder %s is not writable", path, folder);
    free(folder);
    return s;
}

/* `written` will be replaced: it must not be the file of any input. */
static tt_status check_inputs(const char *written, const char *const *specs, int n_specs)
{
    struct stat out, in;
    if (stat(written, &out) != 0) return TT_OK;
    for (int i = 0; i < n_specs; i++) {
        char *file = NULL, *dataset = NULL;
        TT_TRY(tt_store_split(specs[i], "/x", &file, &dataset));
        bool same = stat(file, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
        free(file);
        free(dataset);
        if (same)
            return tt_fail(TT_ERR_USAGE, "the output would replace %s, which %s is read from; name another",
                           written, specs[i]);
    }
    return TT_OK;
}

static tt_status check(const char *output, const char *const *specs, int n_specs)
{
    static const char *const written[] = {"", ".part", ".checkpoint", ".checkpoint.old"};
    struct stat at;
    if (output[0] == '\0') return tt_fail(TT_ERR_USAGE, "--output is empty; a file name is needed");
    if (stat(output, &at) == 0 && !S_ISREG(at.st_mode))
        return tt_fail(TT_ERR_IO, "cannot write %s: it is a %s", output,
                       S_ISDIR(at.st_mode) ? "folder; name a file in it" : "device, pipe or socket");
    TT_TRY(check_folder(output));
    for (int i = 0; i < (int)(sizeof written / sizeof *written); i++) {
        char *path;
        TT_TRY(tt_format(&path, "%s%s", output, written[i]));
        tt_status s = check_inputs(path, specs, n_specs);
        free(path);
        TT_TRY(s);
    }
    return TT_OK;
}

tt_status cli_output_check(const tt_comm *comm, const char *output, const char *const *specs, int n_specs)
{
    return tt_agree(comm, comm->rank == 0 ? check(output, specs, n_specs) : TT_OK);
}
