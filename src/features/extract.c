/* The extraction stage: manifest.h5 to features.h5. */
#include "features/extract.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 }; /* tracks whose texts are in memory at once */

static tt_status create(extractor *e, const extract_plan *plan, const tt_provenance *provenance,
                        const char *output)
{
    int64_t n = plan->clips, frames = tt_analyzer_frames(e->analyzer),
            columns = tt_analyzer_columns(e->analyzer);
    /* one checksum per row: the journal of what is done, at any granularity of work */
    const tt_column all[] = {
        {"/clip/track", TT_I64, 1, {n}, 0, 1},
        {"/clip/start", TT_F64, 1, {n}, 0, 1},
        {"/clip/status", TT_I32, 1, {n}, 0, 1},
        {"/mel", TT_F32, 3, {n, e->features->n_mels, frames}, 0, 1},
        {"/audio", TT_F32, 2, {n, columns}, 0, 1},
        {"/track/status", TT_I32, 1, {plan->tracks}, 0, 1},
        {"/track/message", TT_TEXT, 1, {plan->tracks}, MESSAGE_BYTES, 1},
    };
    return tt_store_create(e->comm, output, provenance, all, sizeof all / sizeof *all, &e->store);
}

static tt_status describe(const extractor *e)
{
    const tt_features_params *p = e->features;
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"sample_rate", e->audio->sample_rate},
        {"clip_seconds", e->audio->clip_seconds},
        {"clip_hop", e->audio->clip_hop},
        {"n_fft", p->n_fft},
        {"hop_length", p->hop_length},
        {"n_mels", p->n_mels},
        {"fmin", p->fmin},
        {"fmax", p->fmax},
        {"top_db", p->top_db},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        TT_TRY(tt_store_set_number(e->store, "/mel", numbers[i].name, numbers[i].value));
    TT_TRY(tt_store_set_text(e->store, "/mel", "mel_scale", p->mel_scale));
    TT_TRY(tt_store_set_text(e->store, "/mel", "unit", "dB relative to the clip's maximum"));
    return tt_store_set_names(e->store, "/audio", "names", tt_analyzer_names(e->analyzer),
                              (int)tt_analyzer_columns(e->analyzer));
}

/** One track, unless an earlier attempt has done it. */
static tt_status do_track(extractor *e, const tt_track *track, int64_t index, int64_t first, int64_t clips,
                          bool *finished)
{
    if (tt_store_resumed(e->store)) {
        bool done = false;
        int32_t status = TT_TRACK_OK;
        tt_phase(e->phases, "resume");
        TT_TRY(rows_track_done(e->store, index, first, clips, &done, &status));
        if (done) {
            tt_progress_skip(&e->progress, clips);
            e->pulse.failures += clips > 0 && !tt_track_status_valid(status);
            *finished = true;
            return TT_OK;
        }
    }
    return extract_track(e, track, index, first, clips, finished);
}

/** All tracks of this rank. Rows that are complete are written also when something goes wrong. */
static tt_status work(extractor *e, tt_store *manifest, const extract_plan *plan)
{
    int64_t row = plan->rows.begin;
    tt_status s = TT_OK;
    bool finished = true;
    for (int64_t at = plan->mine.begin; at < plan->mine.end && s == TT_OK && finished; at += CHUNK) {
        int64_t n = plan->mine.end - at < CHUNK ? plan->mine.end - at : CHUNK;
        tt_tracks tracks = {0};
        s = tt_manifest_read(manifest, at, n, false, &tracks);
        for (int64_t i = 0; i < n && s == TT_OK && finished; i++) {
            int64_t clips = plan_clips(e->audio, tracks.v[i].status, tracks.v[i].seconds);
            finished = pulse_goes_on(&e->pulse);
            if (finished) s = do_track(e, &tracks.v[i], at + i, row, clips, &finished);
            row += clips;
        }
        tt_tracks_free(&tracks);
    }
    return s == TT_OK ? rows_flush(&e->rows) : s;
}

static void say(const extractor *e, const extract_counts *c, double seconds)
{
    int64_t analysed = tt_sum_i64(e->comm, e->analysed);
    double music = (double)analysed * e->audio->clip_seconds;
    tt_info("extract: found %lld tracks = %lld read + %lld failed + %lld without audio (%lld read ones are "
            "marked)",
            (long long)c->found, (long long)c->read, (long long)c->failed, (long long)c->no_audio,
            (long long)c->marked);
    char time[32];
    tt_format_seconds(seconds, time, sizeof time);
    tt_info("extract: %lld clips = %lld valid + %lld not; %lld made now in %s, %.0f x realtime",
            (long long)c->clips, (long long)c->valid, (long long)(c->clips - c->valid), (long long)analysed,
            time, seconds > 0 ? music / seconds : 0.0);
}

/** From the created store to the published file; frees the store. */
static tt_status fill(extractor *e, tt_store *manifest, const extract_plan *plan)
{
    double began = tt_now();
    tt_progress_start(&e->progress, "extract", "clips", plan->rows.end - plan->rows.begin, plan->clips);
    tt_status s = pulse_finish(&e->pulse, work(e, manifest, plan));
    tt_progress_end(&e->progress);
    extract_counts counts = {0};
    tt_phase(e->phases, "failures");
    if (s == TT_OK) s = outcome_count(e->comm, e->store, plan, &counts);
    if (s == TT_OK) say(e, &counts, tt_now() - began);
    if (s == TT_OK && counts.valid == 0)
        s = tt_fail(TT_ERR_INPUT, "%s: none of %lld tracks gave a clip (%lld failed, %lld without audio)",
                    tt_store_path(manifest), (long long)counts.found, (long long)counts.failed,
                    (long long)counts.no_audio);
    if (s == TT_OK) s = outcome_failures(e->comm, e->store, manifest, plan);
    if (s == TT_OK) s = describe(e);
    if (s != TT_OK) return s;
    tt_store *store = e->store;
    e->store = NULL;
    return tt_store_publish(store, e->phases, s);
}

static tt_status prepare(extractor *e)
{
    TT_TRY(tt_analyzer_new(e->audio, e->features, &e->analyzer));
    return tt_alloc(tt_clip_samples(e->audio), sizeof *e->samples, "a clip", &e->samples);
}

/** Failures that are let pass beyond those the headers show; an error if these are too many already. */
static tt_status allowance(const extract_plan *plan, double max_failures, const char *manifest, int64_t *most)
{
    *most = INT64_MAX;
    if (plan->clips == 0)
        return tt_fail(TT_ERR_INPUT,
                       "%s: none of %lld tracks can give a clip (%lld failed, %lld without audio)", manifest,
                       (long long)plan->tracks, (long long)plan->bad, (long long)(plan->tracks - plan->bad));
    if (max_failures >= 1) return TT_OK;
    int64_t allowed = (int64_t)floor(max_failures * (double)plan->tracks);
    if (plan->bad > allowed)
        return tt_fail(TT_ERR_INPUT,
                       "%s: %lld of %lld tracks failed when they were scanned; max_failures %g allows %lld",
                       manifest, (long long)plan->bad, (long long)plan->tracks, max_failures,
                       (long long)allowed);
    *most = allowed - plan->bad;
    return TT_OK;
}

static tt_status extract(extractor *e, double max_failures, const tt_provenance *provenance,
                         tt_store *manifest, const char *output)
{
    extract_plan plan;
    int64_t most;
    tt_phase(e->phases, "plan");
    TT_TRY(tt_agree(e->comm, prepare(e)));
    TT_TRY(plan_make(e->comm, e->audio, manifest, &plan));
    TT_TRY(allowance(&plan, max_failures, tt_store_path(manifest), &most));
    TT_TRY(create(e, &plan, provenance, output));
    pulse_start(&e->pulse, e->comm, most);
    tt_status s = rows_new(e->store, e->phases, e->features->n_mels * tt_analyzer_frames(e->analyzer),
                           tt_analyzer_columns(e->analyzer), &e->rows);
    TT_TRY(tt_agree(e->comm, s));
    return fill(e, manifest, &plan);
}

tt_status tt_extract(const tt_comm *comm, const tt_audio_params *audio, const tt_features_params *features,
                     double max_failures, const tt_provenance *provenance, const char *manifest,
                     const char *output)
{
    tt_phases phases = {0};
    extractor e = {.comm = comm, .audio = audio, .features = features, .phases = &phases};
    tt_store *in = NULL;
    TT_TRY(tt_store_open(comm, manifest, &in));
    tt_status s = extract(&e, max_failures, provenance, in, output);
    rows_free(&e.rows);
    tt_analyzer_free(e.analyzer);
    free(e.samples);
    tt_store_close(e.store);
    tt_store_close(in);
    return s;
}
