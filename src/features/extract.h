/* The parts of the extraction stage. */
#ifndef TUTTI_FEATURES_EXTRACT_H
#define TUTTI_FEATURES_EXTRACT_H

#include "tutti/features.h"
#include "tutti/progress.h"

enum { MESSAGE_BYTES = 256 }; /**< of /track/message and /failures/message, with a NUL */

/** Who extracts what: a contiguous run of tracks per rank, weighed by their clips. Rows are placed by prefix
 * sums over the manifest, so the deal does not show in the file. */
typedef struct extract_plan {
    int64_t tracks, clips; /**< of the corpus */
    int64_t bad;           /**< tracks whose header says already that they give nothing */
    tt_range mine;         /**< tracks of this rank */
    tt_range rows;         /**< their clips */
} extract_plan;

/** Clips a track of this header gives. */
int64_t plan_clips(const tt_audio_params *audio, int32_t status, double seconds);

/** Deal the tracks of a manifest. Reads n / P of them. Collective. */
tt_status plan_make(const tt_comm *comm, const tt_audio_params *audio, tt_store *manifest,
                    extract_plan *plan);

/** Rows gathered until a write is worth while: clips, and the tracks they end. A track's own row is written
 * after those of its clips: it is the mark that the track is done. */
typedef struct row_buffer {
    tt_store *store;    /**< not owned */
    tt_phases *phases;  /**< not owned */
    int64_t mel, audio; /**< floats per row */
    int64_t room;       /**< clips, and tracks, that fit */
    int64_t first, n;   /**< clips held: rows [first, first + n) */
    int64_t *track;
    double *start;
    int32_t *status;
    float *mels, *audios;
    int64_t first_track, n_tracks;
    int32_t *track_status;
    char (*message)[MESSAGE_BYTES];
} row_buffer;

/** Allocate for rows of `mel` and `audio` floats. Free with rows_free(), also after a failure. */
tt_status rows_new(tt_store *store, tt_phases *phases, int64_t mel, int64_t audio, row_buffer *out);
void rows_free(row_buffer *rows);

/** Room for clip `row`, zeroed, at *slot of the arrays; writes what is held first if it must. */
tt_status rows_clip(row_buffer *rows, int64_t row, int64_t *slot);

/** Note that `track` is done. */
tt_status rows_track(row_buffer *rows, int64_t track, int32_t status, const char *message);

/** Write what is held. */
tt_status rows_flush(row_buffer *rows);

/** Whether an earlier attempt has finished `track` with clips [first, first + clips); then *status is its
 * status. */
tt_status rows_track_done(tt_store *store, int64_t track, int64_t first, int64_t clips, bool *done,
                          int32_t *status);

/** What the ranks tell each other while they work, by one nonblocking reduction after another: nobody waits,
 * and all take the same decision after the same beat. */
typedef struct pulse {
    const tt_comm *comm;
    int64_t failures; /**< tracks of this rank that failed; the caller counts */
    int64_t most;     /**< failures of all ranks that are let pass */
    int64_t sent[4], seen[4];
    MPI_Request request;
    double posted;
} pulse;

void pulse_start(pulse *p, const tt_comm *comm, int64_t most);

/** Whether to go on; a cheap call for every clip. Not collective. */
bool pulse_goes_on(pulse *p);

/** This rank has come to its end with `status`: wait for the others. Collective.
 *  @return the worst status, TT_STOPPED if a signal came, TT_ERR_INPUT if too many tracks failed; the same
 * everywhere */
tt_status pulse_finish(pulse *p, tt_status status);

/** One rank's work. */
typedef struct extractor {
    const tt_comm *comm;
    const tt_audio_params *audio;
    const tt_features_params *features;
    tt_analyzer *analyzer;
    tt_store *store;
    row_buffer rows;
    pulse pulse;
    tt_progress progress;
    tt_phases *phases;
    float *samples;   /**< [samples of a clip] */
    int64_t analysed; /**< clips made in this attempt */
} extractor;

/** Decode and analyse one track, clips [first, first + clips). *finished is false if it was broken off by the
 * pulse. */
tt_status extract_track(extractor *e, const tt_track *track, int64_t index, int64_t first, int64_t clips,
                        bool *finished);

/** What came of all tracks and clips. */
typedef struct extract_counts {
    int64_t found, read, failed, no_audio, marked, clips, valid;
} extract_counts;

/** Count, from the rows of the store. Collective. */
tt_status outcome_count(const tt_comm *comm, tt_store *store, const extract_plan *plan,
                        extract_counts *counts);

/** Write /failures from the tracks' rows. Collective. */
tt_status outcome_failures(const tt_comm *comm, tt_store *store, tt_store *manifest,
                           const extract_plan *plan);

#endif
