#include "tutti/audio.h"
#include "tutti/log.h"
#include "tutti/progress.h"
#include "tutti/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUSES = 32 }; /* codes of tt_track_status, and room for more */

/* What was found, over all ranks once it is summed. */
typedef struct counts {
    int64_t by_status[STATUSES];
    int64_t milliseconds; /* whole numbers: the sum does not depend on its order */
} counts;

static tt_status probe(tt_track *t)
{
    tt_audio_info info;
    tt_track_status status;
    TT_TRY(tt_audio_probe(t, &info, &status));
    t->seconds = info.seconds;
    t->sample_rate = info.sample_rate;
    t->channels = info.channels;
    memcpy(t->format, info.format, sizeof t->format);
    t->status = (int32_t)status;
    if (status != TT_TRACK_OK && status != TT_TRACK_NO_AUDIO) tt_debug("%s", tt_message());
    return TT_OK;
}

static tt_status probe_all(tt_tracks *tracks, counts *c)
{
    tt_progress progress;
    tt_progress_start(&progress, "scan", "tracks", tracks->n, tracks->total);
    tt_status s = TT_OK;
    for (int64_t i = 0; s == TT_OK && i < tracks->n && !tt_stop_asked(); i++) {
        tt_track *t = &tracks->v[i];
        s = probe(t);
        c->by_status[t->status < STATUSES ? t->status : STATUSES - 1]++;
        if (tt_track_status_valid(t->status)) c->milliseconds += (int64_t)(1000 * t->seconds + 0.5);
        tt_progress_add(&progress, 1);
    }
    tt_progress_end(&progress);
    return s;
}

/* "3 unreadable, 1 empty": the statuses from `from` on that occurred. */
static void list_statuses(const counts *c, int from, char *text, size_t bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = from; i < STATUSES && at < bytes; i++) {
        if (c->by_status[i] == 0) continue;
        at += (size_t)snprintf(text + at, bytes - at, "%s%lld %s", at > 0 ? ", " : "",
                               (long long)c->by_status[i], tt_track_status_name(i));
    }
}

static void report(const counts *c, int64_t total, int genres, int languages)
{
    char failed[512], marked[256] = "";
    int64_t readable = 0, silent = c->by_status[TT_TRACK_NO_AUDIO];
    for (int i = 0; i <= TT_CLIP_SOFT; i++) readable += c->by_status[i];
    int64_t n_failed = total - readable - silent;
    list_statuses(c, TT_TRACK_MISSING, failed, sizeof failed);
    if (c->by_status[TT_TRACK_TRUNCATED] > 0)
        snprintf(marked, sizeof marked, " (%lld of them truncated)",
                 (long long)c->by_status[TT_TRACK_TRUNCATED]);
    tt_info("scan: %lld tracks found, %d genres, %d languages; %.2f hours of audio", (long long)total, genres,
            languages, (double)c->milliseconds / 3.6e6);
    tt_info("scan: %lld readable%s, %lld without audio, %lld failed%s%s", (long long)readable, marked,
            (long long)silent, (long long)n_failed, n_failed > 0 ? ": " : "", failed);
    if (readable == 0 && tt_log_rank() == 0)
        tt_warn("scan: no track of this corpus has audio that can be read");
}

static tt_status count_labels(const tt_comm *comm, const char *manifest, int *genres, int *languages)
{
    tt_store *store;
    char **labels = NULL;
    TT_TRY(tt_store_open(comm, manifest, &store));
    tt_status s = tt_manifest_labels(comm, store, "genre", &labels, genres);
    free(labels);
    labels = NULL;
    if (s == TT_OK) s = tt_manifest_labels(comm, store, "language", &labels, languages);
    free(labels);
    tt_store_close(store);
    return s;
}

static tt_status scan_tracks(const tt_comm *comm, tt_tracks *tracks, tt_phases *phases, counts *c)
{
    tt_phase(phases, "probe");
    TT_TRY(tt_agree(comm, probe_all(tracks, c)));
    TT_TRY(tt_stop_agree(comm));
    MPI_Allreduce(MPI_IN_PLACE, c, sizeof *c / sizeof(int64_t), MPI_INT64_T, MPI_SUM, comm->mpi);
    return TT_OK;
}

tt_status tt_scan(const tt_comm *comm, const tt_corpus_params *corpus, const tt_provenance *provenance,
                  const char *manifest)
{
    tt_tracks tracks;
    tt_phases phases = {0};
    counts c = {0};
    int genres = 0, languages = 0;
    tt_phase(&phases, "list");
    TT_TRY(tt_corpus_list(comm, corpus, &tracks));
    tt_status s = scan_tracks(comm, &tracks, &phases, &c);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = tt_manifest_write(comm, manifest, provenance, &tracks, &phases);
    int64_t total = tracks.total;
    tt_tracks_free(&tracks);
    if (s == TT_OK) s = count_labels(comm, manifest, &genres, &languages);
    if (s == TT_OK) report(&c, total, genres, languages);
    return s;
}
