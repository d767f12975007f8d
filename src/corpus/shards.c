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

enum { SHARDS_MAX = 1000000, MISSING_SHOWN = 8 };

static tt_status add_name(buffer *b, const char *name)
{
    return buffer_add(b, name, (int64_t)strlen(name) + 1);
}

/* What patterns stand for. */
typedef struct expansion {
    buffer names;        /* NUL-terminated */
    int64_t left;        /* names that may still come */
    int64_t missing;     /* shards that are named and not there */
    buffer missing_text; /* the first of them, "a, b" */
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

static tt_status add_missing(expansion *e, const char *name)
{
    e->missing++;
    if (e->missing > MISSING_SHOWN) return TT_OK;
    if (e->missing > 1) TT_TRY(buffer_add(&e->missing_text, ", ", 2));
    return buffer_add(&e->missing_text, name, (int64_t)strlen(name));
}

/* Names that a pattern without braces stands for: itself where such a file exists, the shards of a folder, or
 * what glob() finds. */
static tt_status add_matches(expansion *e, const char *pattern)
{
    buffer *b = &e->names;
    struct stat info;
    if (--e->left < 0) return tt_fail(TT_ERR_CONFIG, "corpus.path: more than %d shards", SHARDS_MAX);
    if (stat(pattern, &info) == 0)
        return S_ISDIR(info.st_mode) ? add_folder(b, pattern) : add_name(b, pattern);
    if (!strpbrk(pattern, "*?[")) return add_missing(e, pattern);
    glob_t found;
    int code = glob(pattern, 0, NULL, &found);
    tt_status s =
        code == GLOB_NOSPACE ? tt_fail(TT_ERR_MEMORY, "no memory for the shards %s", pattern) : TT_OK;
    for (size_t i = 0; code == 0 && s == TT_OK && i < found.gl_pathc; i++) s = add_name(b, found.gl_pathv[i]);
    globfree(&found);
    return s;
}

/* The end of the part of a list that begins at `text`: the comma, or `end`; commas within braces are not the
 * list's. */
static const char *part_end(const char *text, const char *end)
{
    int depth = 0;
    for (; text < end; text++) {
        depth += (*text == '{') - (*text == '}');
        if (*text == ',' && depth <= 0) break;
    }
    return text;
}

/* The brace that closes the one at `open`, NULL if there is none. */
static const char *find_closing(const char *open)
{
    int depth = 0;
    for (const char *p = open; *p; p++) {
        depth += (*p == '{') - (*p == '}');
        if (depth == 0) return p;
    }
    return NULL;
}

/* LOW..HIGH or LOW..HIGH..STEP between braces. */
typedef struct run {
    long long low, high, step;
    int width;
} run;

static bool read_run(const char *open, const char *closing, run *out)
{
    int dots = 0, end = 0;
    *out = (run){.step = 1};
    if (sscanf(open, "{%18lld%n..%18lld%n", &out->low, &dots, &out->high, &end) != 2) return false;
    if (open + end != closing && sscanf(open + end, "..%18lld%n", &out->step, &dots) != 1) return false;
    out->width = (int)strspn(open + 1, "0123456789");
    return out->width > 0 && out->low >= 0 && out->high >= out->low && out->step > 0;
}

static tt_status expand(expansion *e, const char *pattern);

/* Expand a pattern with `text` [n] in the place of its braces. */
static tt_status expand_with(expansion *e, const char *pattern, const char *open, const char *closing,
                             const char *text, int64_t n)
{
    char *one;
    TT_TRY(tt_format(&one, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)n, text, closing + 1));
    tt_status s = expand(e, one);
    free(one);
    return s;
}

static tt_status expand_run(expansion *e, const char *pattern, const char *open, const char *closing,
                            const run *r)
{
    for (long long k = r->low; k <= r->high; k += r->step) {
        char number[32];
        int n = snprintf(number, sizeof number, "%0*lld", r->width < 20 ? r->width : 20, k);
        TT_TRY(expand_with(e, pattern, open, closing, number, n));
    }
    return TT_OK;
}

/* Braces as bash and WebDataset have them: {0000..0127}, {0..20..2}, {train,test}, several of them, one in
 * another. */
static tt_status expand(expansion *e, const char *pattern)
{
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        const char *closing = find_closing(open), *comma = closing ? part_end(open + 1, closing) : NULL;
        run r;
        if (!closing) break;
        if (read_run(open, closing, &r)) return expand_run(e, pattern, open, closing, &r);
        if (comma == closing) continue;
        for (const char *at = open + 1, *end; at <= closing; at = end + 1) {
            end = part_end(at, closing);
            TT_TRY(expand_with(e, pattern, open, closing, at, end - at));
        }
        return TT_OK;
    }
    return add_matches(e, pattern);
}

static tt_status refuse_urls(const char *patterns)
{
    if (strncmp(patterns, "pipe:", 5) != 0 && !strstr(patterns, "://")) return TT_OK;
    return tt_fail(TT_ERR_CONFIG,
                   "corpus.path: %s: shards are read from files; fetch them first, or mount what holds them",
                   patterns);
}

/* Patterns may be listed, separated by commas, unless a file is called so. */
static tt_status expand_all(const char *patterns, expansion *e)
{
    struct stat info;
    const char *end = patterns + strlen(patterns);
    if (stat(patterns, &info) == 0) return add_matches(e, patterns);
    TT_TRY(refuse_urls(patterns));
    for (const char *at = patterns, *comma; at <= end; at = comma + 1) {
        char *one;
        comma = part_end(at, end);
        TT_TRY(tt_format(&one, "%.*s", (int)(comma - at), at));
        tt_status s = comma > at ? expand(e, one) : TT_OK;
        free(one);
        TT_TRY(s);
    }
    return TT_OK;
}

static void tell_missing(const char *patterns, const expansion *e, int64_t found)
{
    tt_warn("corpus %s: %lld of %lld shards are not there and left out: %.*s%s", patterns,
            (long long)e->missing, (long long)(e->missing + found), (int)e->missing_text.n,
            e->missing_text.data, e->missing > MISSING_SHOWN ? ", ..." : "");
}

/* On rank 0. */
static tt_status find_shards(const char *patterns, bool tell, expansion *e)
{
    TT_TRY(expand_all(patterns, e));
    if (e->names.n == 0) return tt_fail(TT_ERR_IO, "corpus %s: there are no such shards", patterns);
    TT_TRY(texts_tidy(&e->names));
    if (tell && e->missing > 0) tell_missing(patterns, e, texts_count(e->names.data, e->names.n));
    return TT_OK;
}

tt_status expand_shards(const tt_comm *comm, const char *pattern, bool tell, char **names, int64_t *n)
{
    expansion e = {.left = SHARDS_MAX};
    tt_status s = TT_OK;
    if (comm->rank == 0) s = find_shards(pattern, tell, &e);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = gather_bytes(comm, e.names.data, e.names.n, names, n); /* only rank 0 has any */
    free(e.names.data);
    free(e.missing_text.data);
    return s;
}

/* Bytes of the folders that all names share. */
static int64_t common_folder(const char *names, int64_t n)
{
    const char *slash = n > 0 ? strrchr(names, '/') : NULL;
    int64_t same = slash ? slash + 1 - names : 0;
    for (const char *at = names; at < names + n; at += strlen(at) + 1) {
        while (same > 0 && strncmp(at, names, (size_t)same) != 0)
            for (same--; same > 0 && names[same - 1] != '/';) same--;
    }
    return same;
}

/* Keys need not differ between shards, and often each shard counts from 0: where an id is in several, the
 * shard's name, which is a path from the folder of all shards, is put before it. */
static tt_status tell_apart(const tt_comm *comm, int64_t folder, track_list *list, tt_status status)
{
    bool *repeated = NULL;
    int64_t renamed = 0;
    status = find_repeated_ids(comm, list, status, &repeated);
    for (int64_t i = 0; status == TT_OK && i < list->n; i++) {
        tt_track *t = &list->v[i];
        const char *name = t->shard + folder;
        char *key = t->id;
        if (!repeated[i]) continue;
        int64_t n = (int64_t)strlen(name) - (has_ending(name, ".tar") ? 4 : 0);
        t->id = NULL;
        status = tt_format(&t->id, "%.*s/%s", (int)n, name, key);
        free(key);
        renamed++;
    }
    free(repeated);
    status = tt_agree(comm, status);
    renamed = tt_sum_i64(comm, renamed);
    if (status == TT_OK && renamed > 0)
        tt_info("corpus: %lld tracks share their key with one in another shard; their ids begin with the "
                "shard's name",
                (long long)renamed);
    return status;
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
    s = tell_apart(comm, common_folder(names, n), &list, s);
    free(names);
    s = list_deal(comm, &list, s, out);
    list_free(&list);
    return s;
}
