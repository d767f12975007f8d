/* The extraction stage: manifest.h5 to features.h5. */
#include "features/extract.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>

static tt_status create(extractor *e, const tt_provenance *provenance, const char *output)
{
    row_shape shape = rows_shape(e->analyzer, e->features);
    int64_t n = e->plan.all.clips, frames = tt_analyzer_frames(e->analyzer);
    /* one checksum per row: the journal of what is done, at any granularity of work */
    tt_column column[8] = {
        {"/clip/track", TT_I64, 1, {n}, 0, 1},
        {"/clip/start", TT_F64, 1, {n}, 0, 1},
        {"/clip/status", TT_I32, 1, {n}, 0, 1},
        {"/unit/status", TT_I32, 1, {e->plan.all.units}, 0, 1},
        {"/unit/message", TT_TEXT, 1, {e->plan.all.units}, MESSAGE_BYTES, 1},
    };
    int columns = 5;
    if (shape.mel > 0)
        column[columns++] =
            (tt_column){"/mel", shape.half ? TT_F16 : TT_F32, 3, {n, e->features->n_mels, frames}, 0, 1};
    if (shape.audio > 0) column[columns++] = (tt_column){"/audio", TT_F32, 2, {n, shape.audio}, 0, 1};
    if (shape.lags > 0) column[columns++] = (tt_column){"/clip/tempogram", TT_F32, 2, {n, shape.lags}, 0, 1};
    return tt_store_create(e->comm, output, provenance, column, columns, &e->store);
}

static tt_status describe_mel(const extractor *e)
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
    TT_TRY(tt_store_set_text(e->store, "/mel", "mel_norm", p->mel_norm ? p->mel_norm : "slaney"));
    return tt_store_set_text(e->store, "/mel", "unit", "dB relative to the clip's maximum");
}

static tt_status describe(const extractor *e)
{
    row_shape shape = rows_shape(e->analyzer, e->features);
    if (shape.mel > 0) TT_TRY(describe_mel(e));
    if (shape.lags > 0)
        TT_TRY(
            tt_store_set_text(e->store, "/track/tempo", "unit", "beats per minute, 0 where there is none"));
    if (shape.audio == 0) return TT_OK;
    return tt_store_set_names(e->store, "/audio", "names", tt_analyzer_names(e->analyzer), (int)shape.audio);
}

static void say(const extractor *e, const extract_counts *c, double seconds)
{
    int64_t analysed = tt_sum_i64(e->comm, e->analysed);
    double music = e->seconds;
    MPI_Allreduce(MPI_IN_PLACE, &music, 1, MPI_DOUBLE, MPI_SUM, e->comm->mpi);
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

/** Whether too many tracks came to nothing, pieces of long ones now put together. */
static tt_status judge(const extractor *e, const extract_counts *c)
{
    if (c->valid == 0)
        return tt_fail(TT_ERR_INPUT, "%s: none of %lld tracks gave a clip (%lld failed, %lld without audio)",
                       tt_store_path(e->manifest), (long long)c->found, (long long)c->failed,
                       (long long)c->no_audio);
    if (c->failed > e->allowed)
        return tt_fail(TT_ERR_INPUT,
                       "%lld tracks have failed, more than the share set by max_failures allows (%lld)",
                       (long long)c->failed, (long long)e->allowed);
    return TT_OK;
}

/** From the created store to the published file; frees the store. */
static tt_status fill(extractor *e)
{
    double began = tt_now();
    extract_counts counts = {0};
    TT_TRY(crew_work(e, crew_threads(e->comm)));
    tt_phase(e->phases, "failures");
    TT_TRY(outcome_tracks(e, &counts));
    say(e, &counts, tt_now() - began);
    TT_TRY(judge(e, &counts));
    TT_TRY(outcome_failures(e));
    TT_TRY(describe(e));
    tt_store *store = e->store;
    e->store = NULL;
    return tt_store_publish(store, e->phases, TT_OK);
}

/** Failures that are let pass; an error if the headers show more already. */
static tt_status allowance(extractor *e, double max_failures)
{
    const extract_plan *plan = &e->plan;
    e->allowed = plan->all.tracks;
    if (plan->all.clips == 0)
        return tt_fail(TT_ERR_INPUT,
                       "%s: none of %lld tracks can give a clip (%lld failed, %lld without audio)",
                       tt_store_path(e->manifest), (long long)plan->all.tracks, (long long)plan->bad,
                       (long long)(plan->all.tracks - plan->bad));
    if (max_failures < 1) e->allowed = (int64_t)floor(max_failures * (double)plan->all.tracks);
    if (plan->bad > e->allowed)
        return tt_fail(TT_ERR_INPUT,
                       "%s: %lld of %lld tracks failed when they were scanned; max_failures %g allows %lld",
                       tt_store_path(e->manifest), (long long)plan->bad, (long long)plan->all.tracks,
                       max_failures, (long long)e->allowed);
    return TT_OK;
}

static tt_status extract(extractor *e, double max_failures, const tt_provenance *provenance,
                         const char *output)
{
    tt_phase(e->phases, "plan");
    TT_TRY(plan_make(e->comm, e->audio, e->manifest, &e->plan));
    TT_TRY(allowance(e, max_failures));
    TT_TRY(create(e, provenance, output));
    return fill(e);
}

tt_status tt_extract(const tt_comm *comm, const tt_audio_params *audio, const tt_features_params *features,
                     double max_failures, const tt_provenance *provenance, const char *manifest,
                     const char *output)
{
    tt_phases phases = {0};
    extractor e = {.comm = comm, .audio = audio, .features = features, .phases = &phases};
    tt_analyzer *analyzer = NULL;
    TT_TRY(tt_agree(comm, tt_analyzer_new(audio, features, &analyzer)));
    e.analyzer = analyzer;
    if (comm->rank == 0) tt_analyzer_warn(analyzer);
    tt_status s = tt_store_open(comm, manifest, &e.manifest);
    if (s == TT_OK) s = extract(&e, max_failures, provenance, output);
    tt_analyzer_free(analyzer);
    tt_store_close(e.store);
    tt_store_close(e.manifest);
    return s;
}
