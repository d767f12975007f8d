/* One unit: a run of clips of one track, from samples to rows. */
#include "features/extract.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/** What is read of a track: the samples of the clip at hand. */
typedef struct reader {
    const tt_track *track;
    tt_audio *audio;
    float *samples; /**< [length] */
    int64_t length, hop;
    int64_t have; /**< samples in place */
    int64_t bad;  /**< first of them that lies behind every non-finite one */
    bool ended;
    tt_track_status status; /**< of the unit so far */
    char message[MESSAGE_BYTES];
} reader;

const char *track_reason(const tt_track *track)
{
    const char *text = tt_message(), *const names[] = {track->shard, track->path};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(names[i]);
        if (n > 0 && strncmp(text, names[i], n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    }
    return text;
}

/** Read at most n samples behind those in place. */
static tt_status read_piece(reader *r, int64_t n)
{
    tt_track_status status = TT_TRACK_OK;
    int64_t got = 0;
    TT_TRY(tt_audio_read(r->audio, r->samples + r->have, n, &got, &status));
    r->have += got;
    r->ended = got < n;
    if (status == TT_TRACK_OK) return TT_OK;
    if (status == TT_TRACK_NON_FINITE) r->bad = r->have;
    if (r->status == TT_TRACK_OK) {
        r->status = status;
        snprintf(r->message, sizeof r->message, "%s", track_reason(r->track));
    }
    return TT_OK;
}

/** Read n samples behind those in place, in pieces: a bad sample costs the clips with its piece, not all that
 * overlap the clip. */
static tt_status read_more(reader *r, int64_t n)
{
    enum { PIECE = 1024 };
    for (int64_t end = r->have + n; !r->ended && r->have < end;)
        TT_TRY(read_piece(r, end - r->have < PIECE ? end - r->have : PIECE));
    return TT_OK;
}

/** Go on to a sample, unless the pulse says otherwise; the way there may be long. */
static tt_status go_to(worker *w, reader *r, int64_t sample, bool *go)
{
    for (bool there = false; !there && (*go = crew_goes_on(w));)
        TT_TRY(tt_audio_seek(r->audio, sample, &there));
    return TT_OK;
}

/** Put clip i of the track in place; that before it may be there. */
static tt_status read_clip(worker *w, reader *r, int64_t i, bool *go)
{
    int64_t drop = r->hop < r->have ? r->hop : r->have;
    r->have -= drop;
    r->bad = r->bad > drop ? r->bad - drop : 0;
    memmove(r->samples, r->samples + drop, (size_t)r->have * sizeof *r->samples);
    if (r->have == 0) TT_TRY(go_to(w, r, i * r->hop, go));
    return *go ? read_more(r, r->length - r->have) : TT_OK;
}

/** Samples of full scale, and the largest of all. Sizes are compared by their bits, which order finite
 * numbers as their values do and which every compiler makes vector code of. */
TT_KERNEL static int64_t loudness(const float *restrict samples, int64_t n, float *peak)
{
    const float full_scale = 0.999f;
    uint32_t limit, most = 0;
    int64_t full = 0;
    memcpy(&limit, &full_scale, sizeof limit);
    for (int64_t i = 0; i < n; i++) {
        uint32_t size;
        memcpy(&size, &samples[i], sizeof size);
        size &= 0x7fffffffu;
        most = size > most ? size : most;
        full += size >= limit;
    }
    memcpy(peak, &most, sizeof most);
    return full;
}

/** Status of the clip in place; what lacks at its end is zero. A clip may lack 50 ms, since headers of
 * compressed files are not exact; the only clip of a short track may lack half, as tt_clips_of() allows. */
static tt_track_status judge(reader *r, int rate, bool only)
{
    int64_t lack = r->length - r->have;
    bool broken =
        r->status == TT_TRACK_TRUNCATED || r->status == TT_TRACK_DAMAGED || r->status == TT_TRACK_TIMEOUT;
    if (r->bad > 0) return TT_TRACK_NON_FINITE;
    if (lack > 0 && (r->have == 0 || (lack > rate / 20 && (broken || !only || 2 * r->have < r->length))))
        return r->status == TT_TRACK_TIMEOUT ? TT_TRACK_TOO_SLOW : TT_TRACK_DAMAGED;
    memset(r->samples + r->have, 0, (size_t)lack * sizeof *r->samples);
    float peak;
    int64_t full = loudness(r->samples, r->length, &peak);
    if (peak < 1e-4f) return TT_TRACK_SILENT; /* -80 dB of full scale */
    return full * 100 > r->length ? TT_TRACK_CLIPPED : TT_TRACK_OK;
}

static tt_status write_clip(worker *w, const unit *u, int64_t i, const float *samples, int32_t status)
{
    const tt_audio_params *audio = w->e->audio;
    int64_t slot;
    TT_TRY(rows_clip(&w->rows, u->row + i, &slot));
    w->rows.track[slot] = u->track;
    w->rows.start[slot] = (double)((u->first + i) * tt_hop_samples(audio)) / audio->sample_rate;
    w->rows.status[slot] = status;
    w->e->pulse.done++;
    if (!tt_track_status_valid(status)) return TT_OK;
    const row_shape *shape = &w->rows.shape;
    tt_analyzer_clip(w->analyzer, samples, w->rows.mels + slot * shape->mel,
                     w->rows.audios + slot * shape->audio);
    tt_analyzer_tempogram(w->analyzer, w->rows.tempograms + slot * shape->lags);
    w->analysed++;
    return TT_OK;
}

/** Clips of an open track, of which *valid give features; stops early, with *finished false, if the pulse
 * says so. */
static tt_status read_clips(worker *w, reader *r, const unit *u, int64_t *valid, bool *finished)
{
    bool go = true;
    for (int64_t i = 0; i < u->clips; i++) {
        if (!crew_goes_on(w)) return TT_OK;
        tt_phase(&w->phases, "decode");
        TT_TRY(read_clip(w, r, u->first + i, &go));
        if (!go) return TT_OK;
        tt_track_status status = judge(r, w->e->audio->sample_rate, u->of == 1);
        *valid += tt_track_status_valid((int)status);
        TT_TRY(write_clip(w, u, i, r->samples, (int32_t)status));
    }
    *finished = true;
    return TT_OK;
}

/** A track that does not open: its rows carry the reason. */
static tt_status lose_unit(worker *w, const unit *u, int32_t status, const char *message)
{
    for (int64_t i = 0; i < u->clips; i++) TT_TRY(write_clip(w, u, i, NULL, status));
    w->e->pulse.failures += unit_fails_track(u, status);
    return rows_unit(&w->rows, u->index, status, message);
}

/** What the unit has to say of its track: that it was marked, or why it gave no clip. */
static tt_status finish_unit(worker *w, const unit *u, const reader *r, int64_t valid)
{
    tt_track_status status = r->status;
    bool soft = tt_track_status_valid((int)status);
    if (valid > 0 && !soft) status = TT_TRACK_TRUNCATED;
    if (valid == 0 && soft) status = status == TT_TRACK_TIMEOUT ? TT_TRACK_TOO_SLOW : TT_TRACK_DAMAGED;
    w->e->pulse.failures += unit_fails_track(u, (int32_t)status);
    return rows_unit(&w->rows, u->index, (int32_t)status, r->message);
}

tt_status unit_extract(worker *w, const tt_track *track, const unit *u, bool *finished)
{
    const tt_audio_params *audio = w->e->audio;
    reader r = {.track = track,
                .samples = w->samples,
                .length = tt_clip_samples(audio),
                .hop = tt_hop_samples(audio)};
    tt_track_status opened = TT_TRACK_OK;
    tt_phase(&w->phases, "decode");
    *finished = true;
    TT_TRY(tt_audio_open_within(track, audio->sample_rate, audio->time_limit, &r.audio, &opened));
    if (!r.audio) return lose_unit(w, u, (int32_t)opened, track_reason(track));
    tt_audio_time(r.audio, &w->phases);
    if (opened != TT_TRACK_OK) {
        r.status = opened;
        snprintf(r.message, sizeof r.message, "%s", track_reason(track));
    } else if (track->status == TT_TRACK_TRUNCATED) { /* seen by the scan, which decoded all of it */
        r.status = TT_TRACK_TRUNCATED;
        snprintf(r.message, sizeof r.message, "the data ends early or is damaged after %.2f s",
                 track->seconds);
    }
    int64_t valid = 0;
    *finished = false;
    tt_status s = read_clips(w, &r, u, &valid, finished);
    tt_audio_close(r.audio);
    return s == TT_OK && *finished ? finish_unit(w, u, &r, valid) : s;
}
