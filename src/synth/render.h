/* From notes to samples. */
#ifndef TUTTI_SYNTH_RENDER_H
#define TUTTI_SYNTH_RENDER_H

#include "synth/patch.h"

/** Working memory that tracks take in turn; zero-initialise, free with synth_studio_free(). */
typedef struct synth_studio {
    synth_bank *bank;
    int64_t frames; /**< room of each buffer */
    float *part, *scratch, *send, *side[2];
} synth_studio;

/** Play a song: *samples [frames, channels] interleaved, in the studio's memory until the next call.
 *  @return TT_OK or TT_ERR_MEMORY. Not collective. */
tt_status synth_render(synth_studio *studio, const synth_plan *plan, const synth_song *song,
                       const float **samples);

void synth_studio_free(synth_studio *studio);

#endif
