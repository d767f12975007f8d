/* What the streams of FLAC and MPEG audio say of themselves where libsndfile does not ask. */
#ifndef TUTTI_AUDIO_STREAMS_H
#define TUTTI_AUDIO_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

/** Watches a FLAC stream for frames of another sample rate than its header's, which libFLAC decodes as if
 * they had that. */
typedef struct flac_watch {
    int rate;     /**< of the header, Hz; 0: not a FLAC stream, nothing is watched */
    int other;    /**< of the last frame header at another rate, 0 if there was none */
    int64_t next; /**< number of the frame, or sample, behind that frame */
} flac_watch;

/** The sample rate in the STREAMINFO that begins a stream, data [at least 21 bytes]; 0 if this is none. */
int flac_rate(const unsigned char *data);

/** Look for a change in the next n bytes. @return where the first frame at another rate begins, -1 for
 * nowhere. A change counts when two frames in a row have it, so that chance does not look like one. */
int64_t flac_watch_bytes(flac_watch *watch, const unsigned char *data, int64_t n);

/** Where MPEG audio begins in data [n]: the first of four frames that follow one another; -1 for nowhere. */
int64_t mpeg_find(const unsigned char *data, int64_t n);

#endif
