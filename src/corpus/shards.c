/* Tar shards: members that share a stem are one track (the convention of WebDataset). */
#include "formats.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHARDS_MAX = 1000000 };

static tt_status add_name(buffer *b, const char *name)
{
    return buffer_add(b, name, (int64_t)strlen(name) + 1);
}

/* What patterns stand for. */
typedef struct expansion {
    buffer names;    /* NUL-terminated */
    int64_t left;    /* names that may still come */
    int64_t missing; /* shards that are named and not there */
    char *first;     /* of them; owned */
} expansion;

/* The next .tar file of a folder, NULL at the end. */
static const char *next_shard(DIR *dir)
{
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && e->d_type != DT_DIR && has_ending(e->d_name, ".tar")) return e->d_name;
    return NULL;
}

bool folder_has_shards(const char *path)
{
    DIR *dir = opendir(path);
    bool found = dir && next_shard(dir);
    if (dir) closedir(dir);
    return found;
}

static tt_status add_folder(buffer *b, const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) return tt_fail_errno("read the folder of shards", path);
    tt_status s = TT_OK;
    for (const char *name; s == TT_OK && (name = next_shard(dir));) {
        char *full;
        s = tt_format(&full, "%s%s%s", path, has_ending(path, "/") ? "" : "/", name);
        if (s == TT_OK) s = add_name(b, full);
        free(full);
    }
    closedir(dir);
    return s;
}

/* Names that a pattern without braces stands for: itself where such a file exists, the shards of a folder, or
 * what glob() finds. */
static tt_status add_matches(expansion *e, const char *pattern)
{
    buffer *b = &e->names;
    struct stat info;
    if (stat(pattern, &info) == 0)
        return S_ISDIR(info.st_mode) ? add_folder(b, pattern) : add_name(b, pattern);
    if (!strpbrk(pattern, "*?[")) {
        return e->missing++ == 0 ? tt_copy_text(pattern, &e->first) : TT_OK;
    }
    glob_t found;
    int code = glob(pattern, 0, NULL, &found);
    tt_status s =
        code == GLOB_NOSPACE ? tt_fail(TT_ERR_MEMORY, "no memory for the shards %s", pattern) : TT_OK;
    for (size_t i = 0; code == 0 && s == TT_OK && i < found.gl_pathc; i++) s = add_name(b, found.gl_pathv[i]);
    globfree(&found);
    return s;
}

/* The first {LOW..HIGH} in a pattern; false if there is none. */
static bool find_range(const char *pattern, const char **open, const char **close, long long *low,
                       long long *high, int *width)
{
    for (const char *p = strchr(pattern, '{'); p; p = strchr(p + 1, '{')) {
        int first = 0, dots = 0, end = 0;
        if (sscanf(p, "{%n%18lld%n..%18lld}%n", &first, low, &dots, high, &end) != 2 || end == 0) continue;
        if (*low < 0 || *high < *low) continue;
        *open = p;
        *close = p + end;
        *width = dots - first;
        return true;
    }
    return false;
}

static tt_status expand(expansion *e, const char *pattern)
{
    const char *open, *close;
    long long low, high;
    int width;
    if (!find_range(pattern, &open, &close, &low, &high, &width)) {
        if (--e->left < 0) return tt_fail(TT_ERR_CONFIG, "corpus.path: more than %d shards", SHARDS_MAX);
        return add_matches(e, pattern);
    }
    for (long long k = low; k <= high; k++) {
        char *one;
        TT_TRY(tt_format(&one, "%.*s%0*lld%s", (int)(open - pattern), pattern, width, k, close));
        tt_status s = expand(e, one);
        free(one);
        TT_TRY(s);
    }
    return TT_OK;
}

/* Patterns may be listed, separated by commas, unless a file is called so. */
static tt_status expand_all(const char *patterns, expansion *e)
{
    struct stat info;
    bool one_name = stat(patterns, &info) == 0;
    if (one_name) TT_TRY(add_matches(e, patterns));
    for (const char *at = patterns; !one_name; at++) {
        size_t n = strcspn(at, ",");
        char *one;
        TT_TRY(tt_format(&one, "%.*s", (int)n, at));
        tt_status s = n > 0 ? expand(e, one) : TT_OK;
        free(one);
        TT_TRY(s);
        at += n;
        if (*at == '\0') break;
    }
    if (e->names.n > 0) return TT_OK;
    return tt_fail(TT_ERR_IO, "corpus %s: there are no such shards", patterns);
}

tt_status expand_shards(const tt_comm *comm, const char *pattern, bool tell, char **names, int64_t *n)
{
    expansion e = {.left = SHARDS_MAX};
    tt_status s = TT_OK;
    if (comm->rank == 0) s = expand_all(pattern, &e);
    if (comm->rank == 0 && s == TT_OK) s = texts_tidy(&e.names);
    s = tt_agree(comm, s);
    if (s == TT_OK && tell && e.missing > 0)
        tt_warn("corpus %s: %lld shards are not there and left out, %s the first", pattern,
                (long long)e.missing, e.first);
    if (s == TT_OK) s = gather_bytes(comm, e.names.data, e.names.n, names, n); /* only rank 0 has any */
    free(e.names.data);
    free(e.first);
    return s;
}

tt_status list_shards(const tt_comm *comm, const char *pattern, tt_tracks *out)
{
    char *names = NULL;
    int64_t n = 0, k = 0;
    track_list list = {0};
    TT_TRY(expand_shards(comm, pattern, true, &names, &n));
    tt_status s = TT_OK;
    for (const char *at = names; s == TT_OK && at < names + n; at += strlen(at) + 1, k++)
        if (k % comm->size == comm->rank) s = read_shard(at, &list);
    free(names);
    s = list_deal(comm, &list, s, out);
    list_free(&list);
    return s;
}
