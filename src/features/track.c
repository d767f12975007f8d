/* One track: from samples to rows. */
#include "features/extract.h"

#include "tutti/memory.h"

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
    tt_track_status status; /**< of the track so far */
    char message[MESSAGE_BYTES];
} reader;

/** The present message without the name of the track that it begins with: /failures/path has that. */
static const char *reason(const tt_track *track)
{
    const char *text = tt_message(), *const names[] = {track->shard, track->path};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(names[i]);
        if (n > 0 && strncmp(text, names[i], n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    }
    return text;
}

/** What became of the clips of a track. */
typedef struct tally {
    int64_t valid, silent, clipped, non_finite;
} tally;

/** Read n samples behind those in place. */
static tt_status read_more(reader *r, int64_t n)
{
    tt_track_status status = TT_TRACK_OK;
    int64_t got = 0;
    if (r->ended || n == 0) return TT_OK;
    TT_TRY(tt_audio_read(r->audio, r->samples + r->have, n, &got, &status));
    r->have += got;
    r->ended = got < n;
    if (status == TT_TRACK_OK) return TT_OK;
    if (status == TT_TRACK_NON_FINITE) r->bad = r->have;
    if (r->status == TT_TRACK_OK) {
        r->status = status;
        snprintf(r->message, sizeof r->message, "%s", reason(r->track));
    }
    return TT_OK;
}

/** Put the next clip in place; `again` is false for the first. */
static tt_status read_clip(reader *r, bool again)
{
    int64_t skip = again ? r->hop : 0, drop = skip < r->have ? skip : r->have;
    r->have -= drop;
    r->bad = r->bad > drop ? r->bad - drop : 0;
    memmove(r->samples, r->samples + drop, (size_t)r->have * sizeof *r->samples);
    for (skip -= drop; skip > 0 && !r->ended;) {
        int64_t n = skip < r->length ? skip : r->length;
        tt_track_status kept = r->status;
        TT_TRY(read_more(r, n));
        if (r->status == TT_TRACK_NON_FINITE) r->status = kept; /* between clips nothing is missed */
        skip -= n;
        r->have = r->bad = 0;
    }
    return read_more(r, r->length - r->have);
}

/** Status of the clip in place; what lacks at its end is zero. A clip may lack 50 ms, since headers of
 * compressed files are not exact; the only clip of a short track may lack half, as tt_clips_of() allows. */
static tt_track_status judge(reader *r, int rate, bool only)
{
    int64_t lack = r->length - r->have;
    bool broken = r->status == TT_TRACK_TRUNCATED || r->status == TT_TRACK_DAMAGED;
    if (r->bad > 0) return TT_TRACK_NON_FINITE;
    if (lack > 0 && (r->have == 0 || (lack > rate / 20 && (broken || !only || 2 * r->have < r->length))))
        return TT_TRACK_DAMAGED;
    memset(r->samples + r->have, 0, (size_t)lack * sizeof *r->samples);
    float peak = 0;
    int64_t full = 0;
    for (int64_t i = 0; i < r->length; i++) {
        float size = fabsf(r->samples[i]);
        peak = size > peak ? size : peak;
        full += size >= 0.999f;
    }
    if (peak < 1e-4f) return TT_TRACK_SILENT; /* -80 dB of full scale */
    return full * 100 > r->length ? TT_TRACK_CLIPPED : TT_TRACK_OK;
}

static tt_status write_clip(extractor *e, int64_t index, int64_t row, int64_t i, const float *samples,
                            int32_t status)
{
    int64_t slot;
    TT_TRY(rows_clip(&e->rows, row + i, &slot));
    e->rows.track[slot] = index;
    e->rows.start[slot] = (double)(i * tt_hop_samples(e->audio)) / e->audio->sample_rate;
    e->rows.status[slot] = status;
    if (!tt_track_status_valid(status)) return TT_OK;
    tt_phase(e->phases, "features");
    tt_analyzer_clip(e->analyzer, samples, e->rows.mels + slot * e->rows.mel,
                     e->rows.audios + slot * e->rows.audio);
    e->analysed++;
    return TT_OK;
}

/** Clips of an open track; stops early, with *finished false, if the pulse says so. */
static tt_status read_clips(extractor *e, reader *r, int64_t index, int64_t first, int64_t clips, tally *t,
                            bool *finished)
{
    for (int64_t i = 0; i < clips; i++) {
        if (!pulse_goes_on(&e->pulse)) return TT_OK;
        tt_phase(e->phases, "decode");
        TT_TRY(read_clip(r, i > 0));
        tt_track_status status = judge(r, e->audio->sample_rate, clips == 1);
        t->valid += tt_track_status_valid((int)status);
        t->silent += status == TT_TRACK_SILENT;
        t->clipped += status == TT_TRACK_CLIPPED;
        t->non_finite += status == TT_TRACK_NON_FINITE;
        TT_TRY(write_clip(e, index, first, i, r->samples, (int32_t)status));
        tt_progress_add(&e->progress, 1);
    }
    *finished = true;
    return TT_OK;
}

/** The track's status and message from what became of its clips. */
static int32_t conclude(reader *r, int64_t clips, const tally *t)
{
    if (t->valid == clips && r->status != TT_TRACK_TRUNCATED) {
        if (t->silent == clips) {
            snprintf(r->message, sizeof r->message, "every clip is silent (below -80 dB)");
            return TT_TRACK_SILENT;
        }
        if (2 * t->clipped > clips) {
            snprintf(r->message, sizeof r->message,
                     "%lld of %lld clips have more than 1 %% of samples at full scale", (long long)t->clipped,
                     (long long)clips);
            return TT_TRACK_CLIPPED;
        }
        r->message[0] = '\0';
        return TT_TRACK_OK;
    }
    if (r->message[0] == '\0')
        snprintf(r->message, sizeof r->message, "ends before the %.1f s that its header says",
                 r->track->seconds);
    if (t->valid > 0) return TT_TRACK_TRUNCATED;
    return t->non_finite > 0 ? TT_TRACK_NON_FINITE : TT_TRACK_DAMAGED;
}

/** A track that gives no clip at all: its rows, if it has any, carry the reason. */
static tt_status lose_track(extractor *e, int64_t index, int64_t first, int64_t clips, int32_t status,
                            const char *message)
{
    for (int64_t i = 0; i < clips; i++) TT_TRY(write_clip(e, index, first, i, NULL, status));
    tt_progress_add(&e->progress, clips);
    return rows_track(&e->rows, index, status, message);
}

/** A track whose header says already that it gives no clip. */
static tt_status note_track(extractor *e, const tt_track *track, int64_t index)
{
    char message[MESSAGE_BYTES] = "";
    int32_t status = track->status;
    if (tt_track_status_valid(status)) {
        status = TT_TRACK_TOO_SHORT;
        snprintf(message, sizeof message, "%.6g s is less than half of audio.clip_seconds (%g)",
                 track->seconds, e->audio->clip_seconds);
    } else if (status != TT_TRACK_NO_AUDIO) {
        tt_audio_info info;
        tt_track_status now = TT_TRACK_OK;
        TT_TRY(tt_audio_probe(track, &info, &now));
        if (now == TT_TRACK_OK)
            snprintf(message, sizeof message, "%s when it was scanned", tt_track_status_name(status));
        else
            snprintf(message, sizeof message, "%s", reason(track));
    }
    return rows_track(&e->rows, index, status, message);
}

tt_status extract_track(extractor *e, const tt_track *track, int64_t index, int64_t first, int64_t clips,
                        bool *finished)
{
    tt_phase(e->phases, "decode");
    *finished = true;
    if (clips == 0) return note_track(e, track, index);
    reader r = {.track = track,
                .samples = e->samples,
                .length = tt_clip_samples(e->audio),
                .hop = tt_hop_samples(e->audio)};
    tt_track_status opened = TT_TRACK_OK;
    TT_TRY(tt_audio_open(track, e->audio->sample_rate, &r.audio, &opened));
    if (!r.audio) {
        e->pulse.failures++;
        return lose_track(e, index, first, clips, (int32_t)opened, reason(track));
    }
    if (opened != TT_TRACK_OK) {
        r.status = opened;
        snprintf(r.message, sizeof r.message, "%s", reason(track));
    } else if (track->status == TT_TRACK_TRUNCATED) { /* seen by the scan, which decoded all of it */
        r.status = TT_TRACK_TRUNCATED;
        snprintf(r.message, sizeof r.message, "the data ends early or is damaged after %.2f s",
                 track->seconds);
    }
    *finished = false;
    tally t = {0};
    tt_status s = read_clips(e, &r, index, first, clips, &t, finished);
    tt_audio_close(r.audio);
    if (s != TT_OK || !*finished) return s;
    e->pulse.failures += t.valid == 0;
    int32_t status = conclude(&r, clips, &t);
    return rows_track(&e->rows, index, status, r.message);
}
