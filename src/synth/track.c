#include "synth/track.h"

#include "synth/dice.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_status make_text(const synth_plan *plan, synth_bytes *out)
{
    TT_TRY(synth_bytes_reserve(out, 256));
    out->n =
        snprintf((char *)out->data, 256, "This is a text under the name of an audio file.\nTrack %s, %s.\n",
                 plan->id, plan->genre);
    return TT_OK;
}

static tt_status make_garbage(const synth_plan *plan, synth_bytes *out)
{
    dice d = dice_new(plan->seed, DICE_GARBAGE, plan->index);
    int64_t n = 2048 + 8 * dice_below(&d, 4096);
    TT_TRY(synth_bytes_reserve(out, n));
    for (out->n = 0; out->n < n; out->n += 8) {
        uint64_t word = dice_word(&d);
        memcpy(out->data + out->n, &word, 8);
    }
    return TT_OK;
}

static tt_status make_silence(const synth_plan *plan, synth_bytes *out)
{
    float *zeros;
    TT_TRY(tt_alloc(plan->frames * plan->channels, sizeof *zeros, "silence", &zeros));
    tt_status status = synth_encode(plan, zeros, out);
    free(zeros);
    return status;
}

static tt_status make_music(synth_studio *studio, const synth_plan *plan, synth_bytes *out)
{
    synth_song song;
    const float *samples = NULL;
    tt_status status = synth_song_compose(plan, &song);
    if (status == TT_OK) status = synth_render(studio, plan, &song, &samples);
    if (status == TT_OK) status = synth_encode(plan, samples, out);
    synth_song_free(&song);
    return status;
}

static void truncate_audio(const synth_plan *plan, synth_bytes *out)
{
    dice d = dice_new(plan->seed, DICE_GARBAGE, plan->index);
    out->n = (int64_t)((double)out->n * dice_real(&d, 0.3, 0.7));
}

tt_status synth_track_make(synth_studio *studio, const synth_plan *plan, synth_track *track)
{
    synth_lyrics_write(plan, track->lyrics);
    track->audio.n = 0;
    switch (plan->broken) {
    case BROKEN_EMPTY:
    case BROKEN_MISSING:
        return TT_OK;
    case BROKEN_TEXT:
        return make_text(plan, &track->audio);
    case BROKEN_GARBAGE:
        return make_garbage(plan, &track->audio);
    case BROKEN_SILENT:
        return make_silence(plan, &track->audio);
    default:
        break;
    }
    TT_TRY(make_music(studio, plan, &track->audio));
    if (plan->broken == BROKEN_TRUNCATED) truncate_audio(plan, &track->audio);
    return TT_OK;
}
