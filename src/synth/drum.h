/* Drums: each voice of a kit is made once per track and then struck as often as needed. */
#ifndef TUTTI_SYNTH_DRUM_H
#define TUTTI_SYNTH_DRUM_H

#include "synth/patch.h"

enum { DRUM_SECONDS = 1 };

/** Make one drum of a kit. @param[out] out  [frames] overwritten, at most DRUM_SECONDS. @return frames that
 * sound */
int64_t synth_drum_make(const synth_bank *bank, const synth_kit *kit, synth_drum drum, int sample_rate,
                        uint32_t where, float *out, int64_t frames);

#endif
