/* Verses from a small stock of phrases per language and theme. */
#ifndef TUTTI_SYNTH_LYRICS_H
#define TUTTI_SYNTH_LYRICS_H

#include "synth/plan.h"

enum { LYRICS_MAX = 8192 };

/** Lyrics of a track as UTF-8 text with [Verse] and [Chorus] marks; "" for an instrumental one. Not
 * collective.
 *  @param[out] text  [LYRICS_MAX] */
void synth_lyrics_write(const synth_plan *plan, char text[LYRICS_MAX]);

#endif
