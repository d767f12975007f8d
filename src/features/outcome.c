/* What came of the tracks, from their rows in the store, so that it is the same after any number of
 * interruptions. */
#include "features/extract.h"

#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_failure(int32_t status)
{
    return status != TT_TRACK_OK && status != TT_TRACK_NO_AUDIO;
}

static tt_status read_status(tt_store *store, const char *column, int64_t first, int64_t n, int32_t **out)
{
    TT_TRY(tt_alloc(n, sizeof **out, "status", out));
    return tt_store_read(store, column, first, n, TT_I32, *out);
}

/** Of one track. */
typedef struct verdict {
    int32_t status;
    char message[MESSAGE_BYTES];
} verdict;

/** What became of the clips of a track. */
typedef struct tally {
    int64_t clips, valid, silent, clipped, non_finite, late;
} tally;

static tally count_clips(const int32_t *status, int64_t n)
{
    tally t = {.clips = n};
    for (int64_t i = 0; i < n; i++) {
        t.valid += tt_track_status_valid(status[i]);
        t.silent += status[i] == TT_TRACK_SILENT;
        t.clipped += status[i] == TT_TRACK_CLIPPED;
        t.non_finite += status[i] == TT_TRACK_NON_FINITE;
        t.late += status[i] == TT_TRACK_TOO_SLOW;
    }
    return t;
}

/** All clips of the track are there, and nothing was said against it. */
static void conclude_whole(const tally *t, verdict *v)
{
    *v = (verdict){.status = TT_TRACK_OK};
    if (t->silent == t->clips) {
        v->status = TT_TRACK_SILENT;
        snprintf(v->message, sizeof v->message, "every clip is silent (below -80 dB)");
    } else if (2 * t->clipped > t->clips) {
        v->status = TT_TRACK_CLIPPED;
        snprintf(v->message, sizeof v->message,
                 "%lld of %lld clips have more than 1 %% of samples at full scale", (long long)t->clipped,
                 (long long)t->clips);
    }
}

/** The status of a track that lacks clips, or was marked; `first` is the status of its first unit. */
static int32_t conclude_broken(const tally *t, int32_t first)
{
    if (t->valid > 0) return t->late > 0 ? TT_TRACK_TIMEOUT : TT_TRACK_TRUNCATED;
    if (t->non_finite > 0) return TT_TRACK_NON_FINITE;
    return tt_track_status_valid(first) ? TT_TRACK_DAMAGED : first;
}

/** The first unit that has something to say. */
static int64_t first_telling(const int32_t *status, int64_t n)
{
    int64_t i = 0;
    while (i < n - 1 && status[i] == TT_TRACK_OK) i++;
    return i;
}

/** A track that was to give clips, from the rows of its units [n] from `first` on and of its clips. */
static tt_status conclude(tt_store *store, double seconds, int64_t first, const int32_t *units, int64_t n,
                          const tally *t, verdict *v)
{
    int64_t telling = first_telling(units, n);
    if (t->valid == t->clips && units[telling] != TT_TRACK_TRUNCATED) {
        conclude_whole(t, v);
        return TT_OK;
    }
    v->status = conclude_broken(t, units[0]);
    TT_TRY(tt_store_read(store, "/unit/message", first + telling, 1, TT_TEXT, v->message));
    if (v->message[0] == '\0')
        snprintf(v->message, sizeof v->message, "ends before the %.1f s that its header says", seconds);
    return TT_OK;
}

/** A track whose header says already that it gives no clip. */
static tt_status note(extractor *e, int64_t track, int32_t status, double seconds, verdict *v)
{
    *v = (verdict){.status = status};
    if (status == TT_TRACK_NO_AUDIO) return TT_OK;
    if (tt_track_status_valid(status)) {
        v->status = TT_TRACK_TOO_SHORT;
        snprintf(v->message, sizeof v->message, "%.6g s is less than half of audio.clip_seconds (%g)",
                 seconds, e->audio->clip_seconds);
        return TT_OK;
    }
    tt_tracks one = {0};
    TT_TRY(tt_manifest_read(e->manifest, track, 1, false, &one));
    tt_audio_info info;
    tt_track_status now = TT_TRACK_OK;
    tt_status s = tt_audio_probe(&one.v[0], &info, &now);
    if (now == TT_TRACK_OK)
        snprintf(v->message, sizeof v->message, "%s when it was scanned", tt_track_status_name(status));
    else
        rows_message(track_reason(&one.v[0]), v->message);
    tt_tracks_free(&one);
    return s;
}

/** A run of tracks that is concluded at once. */
typedef struct chunk {
    extent before; /**< tracks, clips and units before it */
    headers h;
    int32_t *units, *clips;         /**< status of its units and clips */
    int32_t *status;                /**< [h.n] */
    char (*message)[MESSAGE_BYTES]; /**< [h.n] */
    float *tempo;                   /**< [h.n] */
} chunk;

static tt_status chunk_read(extractor *e, chunk *c, int64_t n)
{
    int64_t units = 0, clips = 0;
    TT_TRY(headers_read(e->manifest, e->audio, c->before.tracks, n, &c->h));
    for (int64_t i = 0; i < n; i++) {
        units += c->h.shape[i].units;
        clips += c->h.shape[i].clips;
    }
    TT_TRY(read_status(e->store, "/unit/status", c->before.units, units, &c->units));
    TT_TRY(read_status(e->store, "/clip/status", c->before.clips, clips, &c->clips));
    TT_TRY(tt_alloc(n, sizeof *c->status, "status of tracks", &c->status));
    TT_TRY(tt_alloc(n, sizeof *c->tempo, "tempo of tracks", &c->tempo));
    return tt_alloc(n, sizeof *c->message, "status of tracks", &c->message);
}

static void chunk_free(chunk *c)
{
    headers_free(&c->h);
    free(c->units);
    free(c->clips);
    free(c->status);
    free(c->message);
    free(c->tempo);
}

static void count_track(const verdict *v, const tally *t, extract_counts *counts)
{
    bool read = tt_track_status_valid(v->status);
    counts->read += read;
    counts->marked += read && v->status != TT_TRACK_OK;
    counts->no_audio += v->status == TT_TRACK_NO_AUDIO;
    counts->valid += t->valid;
}

static bool has_tempo(const extractor *e)
{
    return tt_analyzer_lags(e->analyzer) > 0;
}

/** Conclude the tracks of a chunk; c->before moves on behind it. */
static tt_status chunk_conclude(extractor *e, chunk *c, beats *b, extract_counts *counts)
{
    const int32_t *units = c->units, *clips = c->clips;
    for (int64_t i = 0; i < c->h.n; i++) {
        track_shape shape = c->h.shape[i];
        tally t = count_clips(clips, shape.clips);
        verdict v;
        TT_TRY(shape.clips > 0
                   ? conclude(e->store, c->h.seconds[i], c->before.units, units, shape.units, &t, &v)
                   : note(e, c->before.tracks, c->h.status[i], c->h.seconds[i], &v));
        if (has_tempo(e)) TT_TRY(beats_tempo(b, e, c->before.clips, shape.clips, clips, &c->tempo[i]));
        c->status[i] = v.status;
        rows_message(v.message, c->message[i]);
        count_track(&v, &t, counts);
        units += shape.units;
        clips += shape.clips;
        c->before =
            (extent){c->before.tracks + 1, c->before.clips + shape.clips, c->before.units + shape.units};
    }
    return TT_OK;
}

static tt_status conclude_share(extractor *e, beats *b, extract_counts *counts)
{
    enum { CHUNK = 1024 };
    extent before = e->plan.before;
    while (before.tracks < e->plan.share.end) {
        int64_t first = before.tracks, left = e->plan.share.end - first, n = left < CHUNK ? left : CHUNK;
        chunk c = {.before = before};
        tt_status s = chunk_read(e, &c, n);
        if (s == TT_OK) s = chunk_conclude(e, &c, b, counts);
        if (s == TT_OK && has_tempo(e)) s = tt_store_write(e->store, "/track/tempo", first, n, c.tempo);
        if (s == TT_OK) s = tt_store_write(e->store, "/track/message", first, n, c.message);
        if (s == TT_OK) s = tt_store_write(e->store, "/track/status", first, n, c.status);
        before = c.before;
        chunk_free(&c);
        TT_TRY(s);
    }
    return TT_OK;
}

tt_status outcome_tracks(extractor *e, extract_counts *counts)
{
    const extract_plan *plan = &e->plan;
    const tt_column columns[] = {
        {"/track/status", TT_I32, 1, {plan->all.tracks}, 0, 1},
        {"/track/message", TT_TEXT, 1, {plan->all.tracks}, MESSAGE_BYTES, 1},
        {"/track/tempo", TT_F32, 1, {plan->all.tracks}, 0, 1},
    };
    extract_counts mine = {0};
    /* adding a column closes the file on all ranks and opens it: from here on each sees what others have
     * written */
    for (int i = 0; i < 2 + has_tempo(e); i++) TT_TRY(tt_store_add_column(e->store, &columns[i]));
    beats b = {0};
    tt_status s = conclude_share(e, &b, &mine);
    beats_free(&b);
    TT_TRY(tt_agree(e->comm, s));
    *counts = (extract_counts){.found = plan->all.tracks, .clips = plan->all.clips};
    counts->read = tt_sum_i64(e->comm, mine.read);
    counts->no_audio = tt_sum_i64(e->comm, mine.no_audio);
    counts->marked = tt_sum_i64(e->comm, mine.marked);
    counts->valid = tt_sum_i64(e->comm, mine.valid);
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
    int64_t n = 0, found = 0, tracks = mine.end - mine.begin;
    tt_status s = read_status(store, "/track/status", mine.begin, tracks, &status);
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

tt_status outcome_failures(extractor *e)
{
    const tt_comm *comm = e->comm;
    tt_store *store = e->store;
    failures f = {0};
    tt_status s = tt_agree(comm, failures_gather(store, e->manifest, e->plan.share, &f));
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
