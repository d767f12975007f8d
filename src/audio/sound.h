/* A track opened by its decoder. */
#ifndef TUTTI_AUDIO_SOUND_H
#define TUTTI_AUDIO_SOUND_H

#include "source.h"

#include <sndfile.h>
#include <stdio.h>

typedef struct sound {
    source *src;   /**< owned; on the heap, for the decoder keeps its address */
    SNDFILE *file; /**< NULL unless the status was soft */
    FILE *null;    /**< where the MPEG decoder's remarks go; owned */
    SF_INFO info;
    bool rough;   /**< info.frames may be off by a little, as MPEG audio's is */
    bool unknown; /**< info.frames is SF_COUNT_MAX, or more than the bytes can hold */
} sound;

/** Open and look at the header. *status as tt_audio_open(). @return TT_OK or TT_ERR_MEMORY. sound_close()
 * after either. */
tt_status sound_open(const tt_track *track, sound *out, tt_track_status *status);

/** Read up to n frames, interleaved [n, channels]; 0 at the end or where decoding fails. */
int64_t sound_read(sound *s, float *frames, int64_t n);

void sound_close(sound *s);

#endif
