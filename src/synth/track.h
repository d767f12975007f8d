/* One finished track: the bytes of its audio file, broken on purpose where the plan says so, and its lyrics.
 */
#ifndef TUTTI_SYNTH_TRACK_H
#define TUTTI_SYNTH_TRACK_H

#include "synth/encode.h"
#include "synth/lyrics.h"
#include "synth/render.h"

typedef struct synth_track {
    synth_bytes audio;
    char lyrics[LYRICS_MAX];
} synth_track;

/** Make the track of a plan into *track (overwritten; zero-initialise before first use, then
 * free(track->audio.data)).
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL. Not collective. */
tt_status synth_track_make(synth_studio *studio, const synth_plan *plan, synth_track *track);

#endif
