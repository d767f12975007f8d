/* What came of the tracks, from their rows in the store, so that it is the same after any number of
 * interruptions. */
#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

static tt_status read_status(tt_store *store, const char *column, tt_range rows, int32_t **out)
{
    TT_TRY(tt_alloc(rows.end - rows.begin, sizeof **out, "status", out));
    return tt_store_read(store, column, rows.begin, rows.end - rows.begin, TT_I32, *out);
}

static bool is_failure(int32_t status)
{
    return status != TT_TRACK_OK && status != TT_TRACK_NO_AUDIO;
}

tt_status outcome_count(const tt_comm *comm, tt_store *store, const extract_plan *plan,
                        extract_counts *counts)
{
    int32_t *tracks = NULL, *clips = NULL;
    int64_t read = 0, none = 0, marked = 0, valid = 0;
    tt_range t = plan->mine, c = plan->rows;
    tt_status s = read_status(store, "/track/status", t, &tracks);
    if (s == TT_OK) s = read_status(store, "/clip/status", c, &clips);
    for (int64_t i = 0; s == TT_OK && i < t.end - t.begin; i++) {
        bool ok = tt_track_status_valid(tracks[i]);
        read += ok;
        marked += ok && is_failure(tracks[i]);
        none += tracks[i] == TT_TRACK_NO_AUDIO;
    }
    for (int64_t i = 0; s == TT_OK && i < c.end - c.begin; i++) valid += tt_track_status_valid(clips[i]);
    free(tracks);
    free(clips);
    TT_TRY(tt_agree(comm, s));
    *counts = (extract_counts){.found = plan->tracks, .clips = plan->clips};
    counts->read = tt_sum_i64(comm, read);
    counts->no_audio = tt_sum_i64(comm, none);
    counts->marked = tt_sum_i64(comm, marked);
    counts->valid = tt_sum_i64(comm, valid);
    counts->failed = counts->found - counts->read - counts->no_audio;
    return TT_OK;
}

/** The failures of one rank, in manifest order. */
typedef struct failures {
    int64_t n, longest; /**< longest path in bytes */
    int64_t *track;     /**< [n] */
    int32_t *code;      /**< [n] */
    char *message;      /**< [n, MESSAGE_BYTES] */
    char **path;        /**< [n] owned */
} failures;

static void failures_free(failures *f)
{
    for (int64_t i = 0; f->path && i < f->n; i++) free(f->path[i]);
    free(f->path);
    free(f->track);
    free(f->code);
    free(f->message);
}

static tt_status failures_room(failures *f, int64_t n)
{
    f->n = n;
    TT_TRY(tt_alloc(n, sizeof *f->track, "failures", &f->track));
    TT_TRY(tt_alloc(n, sizeof *f->code, "failures", &f->code));
    TT_TRY(tt_alloc(n, MESSAGE_BYTES, "failures", &f->message));
    return tt_alloc(n, sizeof *f->path, "failures", &f->path);
}

static tt_status failures_gather(tt_store *store, tt_store *manifest, tt_range mine, failures *f)
{
    int32_t *status = NULL;
    tt_status s = read_status(store, "/track/status", mine, &status);
    int64_t n = 0, found = 0, tracks = mine.end - mine.begin;
    for (int64_t i = 0; s == TT_OK && i < tracks; i++) n += is_failure(status[i]);
    if (s == TT_OK) s = failures_room(f, n);
    for (int64_t i = 0; s == TT_OK && i < tracks; i++) {
        if (!is_failure(status[i])) continue;
        f->track[found] = mine.begin + i;
        f->code[found] = status[i];
        found++;
    }
    free(status);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        tt_tracks one = {0};
        s = tt_manifest_read(manifest, f->track[i], 1, false, &one);
        if (s != TT_OK) break;
        const tt_track *t = &one.v[0];
        s = t->shard[0] ? tt_format(&f->path[i], "%s:%s", t->shard, t->path)
                        : tt_copy_text(t->path, &f->path[i]);
        tt_tracks_free(&one);
        if (s != TT_OK) break;
        int64_t length = (int64_t)strlen(f->path[i]);
        if (length > f->longest) f->longest = length;
        s = tt_store_read(store, "/track/message", f->track[i], 1, TT_TEXT, f->message + i * MESSAGE_BYTES);
    }
    return s;
}

static tt_status failures_write(tt_store *store, const failures *f, int64_t first, int64_t width)
{
    char *paths;
    TT_TRY(tt_alloc(f->n, (size_t)width, "failures", &paths));
    for (int64_t i = 0; i < f->n; i++) memcpy(paths + i * width, f->path[i], strlen(f->path[i]));
    tt_status s = tt_store_write(store, "/failures/path", first, f->n, paths);
    if (s == TT_OK) s = tt_store_write(store, "/failures/code", first, f->n, f->code);
    if (s == TT_OK) s = tt_store_write(store, "/failures/message", first, f->n, f->message);
    free(paths);
    return s;
}

tt_status outcome_failures(const tt_comm *comm, tt_store *store, tt_store *manifest, const extract_plan *plan)
{
    failures f = {0};
    tt_status s = tt_agree(comm, failures_gather(store, manifest, plan->mine, &f));
    if (s == TT_OK) {
        int64_t rows = tt_sum_i64(comm, f.n), first = tt_prefix_i64(comm, f.n);
        int64_t width = tt_max_i64(comm, f.longest) + 1;
        const tt_column columns[] = {
            {"/failures/path", TT_TEXT, 1, {rows}, width, 1},
            {"/failures/code", TT_I32, 1, {rows}, 0, 1},
            {"/failures/message", TT_TEXT, 1, {rows}, MESSAGE_BYTES, 1},
        };
        for (int i = 0; i < 3 && s == TT_OK; i++) s = tt_store_add_column(store, &columns[i]);
        if (s == TT_OK) s = failures_write(store, &f, first, width);
        s = tt_agree(comm, s);
    }
    failures_free(&f);
    return s;
}
