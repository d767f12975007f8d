/* Samples to the bytes of an audio file, the same bytes every time. */
#ifndef TUTTI_SYNTH_ENCODE_H
#define TUTTI_SYNTH_ENCODE_H

#include "synth/plan.h"

/** Bytes that grow; zero-initialise, free(data). */
typedef struct synth_bytes {
    uint8_t *data;
    int64_t n, room;
} synth_bytes;

/** Make room for n bytes, keeping what is there. @return TT_OK or TT_ERR_MEMORY */
tt_status synth_bytes_reserve(synth_bytes *bytes, int64_t n);

/** Encode samples [plan->frames, plan->channels] in the plan's format into *out (overwritten).
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL (libsndfile refuses). Not collective. */
tt_status synth_encode(const synth_plan *plan, const float *samples, synth_bytes *out);

#endif
