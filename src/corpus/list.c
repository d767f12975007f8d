#include "formats.h"

#include "tutti/hash.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef enum format { FOLDER, CSV, TAR, CSV_IN_FOLDER } format;

static const char manifest_name[] = "manifest.csv";

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Whether a folder holds audio at any depth: the walk ends at the first. */
static bool holds_audio(const char *path)
{
    bool found = false;
    char *roots[] = {(char *)path, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e; !found && walk && (e = fts_read(walk));) {
        if (e->fts_level > 0 && e->fts_name[0] == '.')
            fts_set(walk, e, FTS_SKIP);
        else
            found = e->fts_info != FTS_D && e->fts_info != FTS_DP && audio_stem(e->fts_name) >= 0;
    }
    if (walk) fts_close(walk);
    return found;
}

/* A folder may be a corpus by itself, or hold the manifest or the shards of one. */
static format detect_in_folder(const char *path)
{
    char *manifest = NULL;
    struct stat info;
    bool listed = tt_format(&manifest, "%s/%s", path, manifest_name) == TT_OK && stat(manifest, &info) == 0 &&
                  S_ISREG(info.st_mode);
    free(manifest);
    if (listed) return CSV_IN_FOLDER;
    return folder_has_shards(path) && !holds_audio(path) ? TAR : FOLDER;
}

/* What a path is: a folder and a .csv by what is there, shards also by a pattern that names no file. */
static tt_status detect(const char *path, format *out)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    int code = errno;
    if (there && S_ISDIR(info.st_mode)) {
        *out = detect_in_folder(path);
        return TT_OK;
    }
    if (there && audio_stem(path) >= 0)
        return tt_fail(TT_ERR_INPUT, "corpus %s: is one track; name the folder that it is in", path);
    *out = has_ending(path, ".csv") ? CSV : TAR;
    if (!there && (*out == CSV || !strstr(path, ".tar") || code == EACCES))
        return tt_fail(TT_ERR_IO, "corpus %s: %s", path, strerror(code));
    if (*out == TAR && !strstr(path, ".tar") && !strstr(path, ".tgz")) *out = CSV;
    return TT_OK;
}

static tt_status choose(const tt_corpus_params *params, format *out)
{
    static const char *const names[] = {"folder", "csv", "tar"};
    const char *wanted = params->format ? params->format : "auto";
    if (!params->path || !params->path[0]) return tt_fail(TT_ERR_CONFIG, "corpus.path: is empty");
    for (int i = 0; i < 3; i++)
        if (strcmp(wanted, names[i]) == 0) {
            *out = i == CSV && is_folder(params->path) ? CSV_IN_FOLDER : (format)i;
            return TT_OK;
        }
    if (strcmp(wanted, "auto") == 0) return detect(params->path, out);
    return tt_fail(TT_ERR_CONFIG, "corpus.format: \"%s\" is none of auto, folder, csv, tar", wanted);
}

/* The look at the file system is rank 0's, so that all ranks go the same way. */
static tt_status choose_together(const tt_comm *comm, const tt_corpus_params *params, format *out)
{
    tt_status s = TT_OK;
    *out = FOLDER;
    if (comm->rank == 0) s = choose(params, out);
    TT_TRY(tt_agree(comm, s));
    int chosen = (int)*out;
    MPI_Bcast(&chosen, 1, MPI_INT, 0, comm->mpi);
    *out = (format)chosen;
    return TT_OK;
}

static tt_status list_csv_in(const tt_comm *comm, const char *folder, tt_tracks *out)
{
    char *path;
    bool slash = has_ending(folder, "/");
    TT_TRY(tt_agree(comm, tt_format(&path, "%s%s%s", folder, slash ? "" : "/", manifest_name)));
    tt_status s = list_csv(comm, path, out);
    free(path);
    return s;
}

tt_status tt_corpus_list(const tt_comm *comm, const tt_corpus_params *params, tt_tracks *out)
{
    *out = (tt_tracks){0};
    format f;
    TT_TRY(choose_together(comm, params, &f));
    if (f == FOLDER) TT_TRY(list_folder(comm, params->path, out));
    if (f == CSV) TT_TRY(list_csv(comm, params->path, out));
    if (f == CSV_IN_FOLDER) TT_TRY(list_csv_in(comm, params->path, out));
    if (f == TAR) TT_TRY(list_shards(comm, params->path, out));
    if (out->total > 0) return TT_OK;
    tt_tracks_free(out);
    return tt_fail(TT_ERR_INPUT,
                   "corpus %s holds no tracks: expected genre/track.ext, a CSV manifest or .tar shards",
                   params->path);
}

static tt_hash hash_track(const tt_track *t, int64_t row)
{
    tt_hash h = tt_hash_start();
    const char *const texts[] = {t->id, t->path, t->shard, t->genre, t->language, t->split, t->lyrics};
    tt_hash_i64(&h, row);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) tt_hash_text(&h, texts[i]);
    tt_hash_i64(&h, t->has_lyrics);
    tt_hash_i64(&h, t->offset);
    tt_hash_i64(&h, t->bytes);
    tt_hash_i64(&h, t->modified);
    return h;
}

/* Hashes of tracks, each with its row in it, are summed, so that it does not matter who holds which. What is
 * odd about the corpus is told by the scan that this may lead to, once. */
static tt_status hash_tracks(const tt_comm *comm, const tt_corpus_params *params, uint64_t sum[2])
{
    tt_tracks tracks;
    tt_log_level level = tt_log_limit(TT_LOG_ERROR);
    tt_status s = tt_corpus_list(comm, params, &tracks);
    tt_log_limit(level);
    TT_TRY(s);
    for (int64_t i = 0; i < tracks.n; i++) {
        tt_hash h = hash_track(&tracks.v[i], tracks.first + i);
        sum[0] += h.low;
        sum[1] += h.high;
    }
    tt_tracks_free(&tracks);
    return TT_OK;
}

/* A shard cannot change within without changing itself: no need to read what may be terabytes. */
static tt_status hash_shards(const tt_comm *comm, const char *pattern, uint64_t sum[2])
{
    char *names;
    int64_t n, k = 0;
    TT_TRY(expand_shards(comm, pattern, false, &names, &n));
    for (const char *at = names; at < names + n; at += strlen(at) + 1, k++) {
        if (k % comm->size != comm->rank) continue;
        tt_track shard = {.id = "",
                          .path = "",
                          .shard = (char *)at,
                          .genre = "",
                          .language = "",
                          .split = "",
                          .lyrics = ""};
        struct stat info;
        if (stat(at, &info) == 0) {
            shard.bytes = (int64_t)info.st_size;
            shard.modified = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        }
        tt_hash h = hash_track(&shard, k);
        sum[0] += h.low;
        sum[1] += h.high;
    }
    free(names);
    return TT_OK;
}

tt_status tt_corpus_fingerprint(const tt_comm *comm, const tt_corpus_params *params, char *hash)
{
    format f;
    uint64_t sum[2] = {0, 0};
    TT_TRY(choose_together(comm, params, &f));
    if (f == TAR)
        TT_TRY(hash_shards(comm, params->path, sum));
    else
        TT_TRY(hash_tracks(comm, params, sum));
    MPI_Allreduce(MPI_IN_PLACE, sum, 2, MPI_UINT64_T, MPI_SUM, comm->mpi);
    tt_hash_print(&(tt_hash){sum[0], sum[1]}, hash);
    return TT_OK;
}
