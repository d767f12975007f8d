#include "tutti/synth.h"

#include "synth/output.h"
#include "tutti/log.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "tutti/timer.h"

#include <stdlib.h>
#include <string.h>

/** What one rank works with, and what it did. */
typedef struct worker {
    const synth_corpus *corpus;
    synth_studio studio;
    synth_track track;
    tt_progress progress;
    int64_t made, skipped; /**< tracks */
    int64_t seconds;       /**< of audio made */
} worker;

static tt_status file_exists(const synth_corpus *corpus, const char *name, bool *exists)
{
    char *path;
    TT_TRY(synth_path(corpus, name, false, &path));
    *exists = synth_exists(path);
    free(path);
    return TT_OK;
}

/* The audio is renamed last: where it is, the lyrics are. A missing track has lyrics alone, which are soon
 * made. */
static tt_status write_track(worker *w, int64_t index)
{
    const synth_corpus *corpus = w->corpus;
    synth_plan plan = synth_plan_track(corpus, index);
    char audio[NAME_MAX_BYTES], lyrics[NAME_MAX_BYTES];
    bool exists;
    synth_name_file(corpus, &plan, plan.extension, audio);
    synth_name_file(corpus, &plan, "txt", lyrics);
    TT_TRY(file_exists(corpus, audio, &exists));
    if (exists) {
        w->skipped++;
        tt_progress_skip(&w->progress, 1);
        return TT_OK;
    }
    TT_TRY(synth_track_make(&w->studio, &plan, &w->track));
    if (*w->track.lyrics)
        TT_TRY(synth_file_write(corpus, lyrics, w->track.lyrics, (int64_t)strlen(w->track.lyrics)));
    if (plan.broken != BROKEN_MISSING)
        TT_TRY(synth_file_write(corpus, audio, w->track.audio.data, w->track.audio.n));
    w->made++;
    w->seconds += plan.frames / plan.sample_rate;
    tt_progress_add(&w->progress, 1);
    return TT_OK;
}

static tt_status write_files_local(worker *w, tt_range mine)
{
    tt_progress_start(&w->progress, "synth", "tracks", mine.end - mine.begin, w->corpus->tracks);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        TT_TRY(tt_stop_status());
        TT_TRY(write_track(w, i));
    }
    return TT_OK;
}

static int64_t tracks_before(const synth_corpus *corpus, int64_t shard)
{
    int64_t n = shard * corpus->shard_tracks;
    return n < corpus->tracks ? n : corpus->tracks;
}

static tt_status write_shards_local(worker *w, tt_range mine)
{
    const synth_corpus *corpus = w->corpus;
    int64_t local = tracks_before(corpus, mine.end) - tracks_before(corpus, mine.begin);
    tt_progress_start(&w->progress, "synth", "tracks", local, corpus->tracks);
    for (int64_t s = mine.begin; s < mine.end; s++) {
        TT_TRY(tt_stop_status());
        bool skipped;
        int64_t n = tracks_before(corpus, s + 1) - tracks_before(corpus, s);
        TT_TRY(synth_shard_write(corpus, s, &w->studio, &w->track, &skipped, &w->seconds));
        *(skipped ? &w->skipped : &w->made) += n;
        (skipped ? tt_progress_skip : tt_progress_add)(&w->progress, n);
    }
    return TT_OK;
}

static tt_status work_local(const tt_comm *comm, worker *w)
{
    const synth_corpus *corpus = w->corpus;
    bool tar = corpus->layout == LAYOUT_TAR;
    tt_range mine = tt_partition(tar ? synth_shards(corpus) : corpus->tracks, 1, comm->size, comm->rank);
    tt_status status = tar ? write_shards_local(w, mine) : write_files_local(w, mine);
    tt_progress_end(&w->progress);
    free(w->track.audio.data);
    synth_studio_free(&w->studio);
    return status;
}

static void say_what_was_done(const tt_comm *comm, const worker *w, double started)
{
    int64_t made = tt_sum_i64(comm, w->made), skipped = tt_sum_i64(comm, w->skipped);
    int64_t seconds = tt_sum_i64(comm, w->seconds);
    double took = tt_now() - started;
    char text[32], audio[32];
    tt_format_seconds(took, text, sizeof text);
    tt_format_seconds((double)seconds, audio, sizeof audio);
    tt_info("synth: %lld tracks made (%lld broken on purpose in the corpus), %lld were there; %s of audio in "
            "%s (%.0f x real time)",
            (long long)made, (long long)w->corpus->broken, (long long)skipped, audio, text,
            (double)seconds / took);
}

tt_status tt_synth(const tt_comm *comm, const tt_synth_params *params)
{
    double started = tt_now();
    synth_corpus corpus;
    TT_TRY(tt_agree(comm, synth_corpus_check(params, &corpus)));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? synth_output_prepare(&corpus) : TT_OK));
    worker w = {.corpus = &corpus};
    TT_TRY(tt_agree(comm, work_local(comm, &w)));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? synth_output_lists(&corpus) : TT_OK));
    say_what_was_done(comm, &w, started);
    return TT_OK;
}
