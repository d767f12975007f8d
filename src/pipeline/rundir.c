#include "rundir.h"

#include "lock.h"
#include "tutti/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes when files of an older version can no longer be gone on with. */
enum { LAYOUT = 1 };

struct rundir {
    lock *lock; /* on rank 0 alone */
};

tt_status rundir_make(const char *path)
{
    char *part;
    TT_TRY(tt_copy_text(path, &part));
    tt_status s = TT_OK;
    for (char *slash = part; s == TT_OK && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = '\0';
        struct stat st;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            s = tt_fail_errno("make the folder", part);
        else if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))
            s = tt_fail(TT_ERR_IO, "cannot make the folder %s: %s is not a folder", path, part);
        if (slash) *slash = '/';
    }
    free(part);
    return s;
}

/* A version "1.2.3" by its first two numbers. */
static bool same_version(const char *a, const char *b)
{
    int a_major = -1, a_minor = -1, b_major = -2, b_minor = -2;
    sscanf(a, "%d.%d", &a_major, &a_minor);
    sscanf(b, "%d.%d", &b_major, &b_minor);
    return a_major == b_major && a_minor == b_minor;
}

static tt_status check_version(const char *path, const char *file)
{
    json_error_t error;
    json_t *root = json_load_file(file, 0, &error);
    if (!root)
        return tt_fail(TT_ERR_USAGE,
                       "%s line %d: %s; this is not a run directory of tutti: give another --run", file,
                       error.line, error.text);
    const json_t *layout = json_object_get(root, "layout");
    const char *version = json_string_value(json_object_get(root, "tutti"));
    tt_status s = TT_OK;
    if (json_integer_value(layout) != LAYOUT || !version || !same_version(version, TT_VERSION))
        s = tt_fail(
            TT_ERR_USAGE,
            "%s was made by tutti %s (layout %lld), this is %s (layout %d): give another --run, or remove it",
            path, version ? version : "of an unknown version", (long long)json_integer_value(layout),
            TT_VERSION, LAYOUT);
    json_decref(root);
    return s;
}

tt_status rundir_write_part(const char *part, const char *text)
{
    tt_status s = TT_OK;
    FILE *f = fopen(part, "w");
    if (!f) return tt_fail_errno("create", part);
    if (fputs(text, f) < 0) s = tt_fail_errno("write", part);
    if (fflush(f) == 0) fsync(fileno(f));
    if (fclose(f) != 0 && s == TT_OK) s = tt_fail_errno("write", part);
    return s;
}

tt_status rundir_write(const char *directory, const char *name, const char *text)
{
    char *file, *part;
    TT_TRY(tt_format(&file, "%s/%s", directory, name));
    tt_status s = tt_format(&part, "%s.part", file);
    if (s != TT_OK) {
        free(file);
        return s;
    }
    s = rundir_write_part(part, text);
    if (s == TT_OK && rename(part, file) != 0) s = tt_fail_errno("rename", part);
    free(part);
    free(file);
    return s;
}

static tt_status open_here(const char *path, rundir *dir)
{
    TT_TRY(rundir_make(path));
    char *lock_path, *version_path;
    TT_TRY(tt_format(&lock_path, "%s/run.lock", path));
    tt_status s = tt_format(&version_path, "%s/run.json", path);
    if (s == TT_OK && access(version_path, F_OK) == 0) s = check_version(path, version_path);
    if (s == TT_OK) s = lock_take(lock_path, &dir->lock);
    if (s == TT_OK) {
        char text[128];
        snprintf(text, sizeof text, "{\"layout\": %d, \"tutti\": \"%s\"}\n", LAYOUT, TT_VERSION);
        if (access(version_path, F_OK) != 0) s = rundir_write(path, "run.json", text);
    }
    free(version_path);
    free(lock_path);
    return s;
}

tt_status rundir_open(const tt_comm *comm, const char *path, rundir **out)
{
    *out = NULL;
    rundir *dir = NULL;
    tt_status s = tt_alloc(1, sizeof *dir, "the run directory", &dir);
    if (s == TT_OK && comm->rank == 0) s = open_here(path, dir);
    s = tt_agree(comm, s);
    if (s != TT_OK) {
        rundir_close(dir);
        return s;
    }
    *out = dir;
    return TT_OK;
}

void rundir_close(rundir *dir)
{
    if (!dir) return;
    lock_drop(dir->lock);
    free(dir);
}
