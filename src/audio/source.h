/* The bytes of one track: a plain file, or a member of a shard read in place. */
#ifndef TUTTI_AUDIO_SOURCE_H
#define TUTTI_AUDIO_SOURCE_H

#include "streams.h"

#include "tutti/audio.h"

enum { SOURCE_BUFFER = 65536 };

typedef struct source {
    int fd;               /**< -1 if closed */
    int64_t begin, bytes; /**< of the audio within the file */
    int64_t at;           /**< the next byte to read, from begin */
    const char *cut;      /**< why the audio is not whole (see container_check); NULL if it is */
    int64_t pretend;      /**< zeros behind the end while the decoder opens it (see container_check) */
    bool opening;
    int error;        /**< errno of the last read that failed, or 0 */
    double deadline;  /**< tt_now() when patience ends; 0 for never */
    bool late;        /**< it has ended: nothing more is read */
    int64_t patch_at; /**< where `patch` stands instead of what the file says; -1 for nowhere */
    int patch_n;      /**< bytes of it */
    unsigned char patch[8];
    int64_t buffer_at, buffer_n; /**< what the buffer holds */
    unsigned char *buffer;       /**< [SOURCE_BUFFER] owned */
    flac_watch watch;            /**< where it sees a change the audio ends */
    char *name;                  /**< "FILE" or "SHARD: MEMBER", for messages; owned */
} source;

/** Open a track's bytes, to be read within `seconds` (0: any). *status is TT_TRACK_OK, or says why not, with
 * a message. Not collective. @return TT_OK or TT_ERR_MEMORY. Free with source_close(), whatever came back. */
tt_status source_open(const tt_track *track, double seconds, source *out, tt_track_status *status);

/** Whether the time is over; then nothing more is read. A read that the system never comes back from (a file
 * system that stalls) is not seen. */
bool source_is_late(source *src);

/** Read up to n bytes at `at` (from the audio's begin) without moving; fewer only at the end or on an error.
 */
int64_t source_peek(source *src, int64_t at, void *data, int64_t n);

void source_close(source *src);

/** Compare what the container says of its length with what is there: sets src->cut, where something is
 * missing, or something stands behind the audio that libsndfile would not decode. Mends a WAV whose writer
 * could not seek back to fill in the length, or had more than the 4 GB that it can count, and a CAF that is
 * cut short or was never closed. Bytes before MPEG audio that are none are left out. */
void container_check(source *src);

/** Whether MPEG audio says its number of frames (a Xing or Info header in its first frame, behind ID3 tags).
 * Without one, decoders guess from the bytes, cover art included. */
bool mpeg_has_length(source *src);

/** Whether another FLAC stream begins where the decoder has stopped reading. */
bool flac_goes_on(source *src);

#endif
