/* A track opened by its decoder. */
#ifndef TUTTI_AUDIO_SOUND_H
#define TUTTI_AUDIO_SOUND_H

#include "source.h"

#include <sndfile.h>

typedef struct sound {
    source *src;   /**< owned; on the heap, for the decoder keeps its address */
    SNDFILE *file; /**< NULL unless the status was soft */
    SF_INFO info;
    bool rough;   /**< info.frames may be off by a little, as MPEG audio's is */
    bool unknown; /**< info.frames is SF_COUNT_MAX, or more than the bytes can hold */
} sound;

/** Open, to be read within `seconds` (0: any), and look at the header. *status as tt_audio_open(). @return
 * TT_OK or TT_ERR_MEMORY. sound_close() after either. */
tt_status sound_open(const tt_track *track, double seconds, sound *out, tt_track_status *status);

/** Read up to n frames, interleaved [n, channels]; 0 at the end or where decoding fails. */
int64_t sound_read(sound *s, float *frames, int64_t n);

/** Go to a frame. After a failure the decoder is of no use until sound_restart(). */
bool sound_seek(sound *s, int64_t frame);

/** Open the decoder anew, at the first frame. @return TT_OK, or TT_ERR_INPUT if it does not open again */
tt_status sound_restart(sound *s);

void sound_close(sound *s);

#endif
