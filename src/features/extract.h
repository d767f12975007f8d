/* The parts of the extraction stage. */
#ifndef TUTTI_FEATURES_EXTRACT_H
#define TUTTI_FEATURES_EXTRACT_H

#include "tutti/features.h"
#include "tutti/progress.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MESSAGE_BYTES = 256 }; /**< of /unit/message, /track/message and /failures/message, with a NUL */

/* plan.c: what there is to do, and whose it is at first
 *
 * A unit of work is a run of clips of one track: all of them, or a piece of a long track that can be entered
 * in the middle. Units follow from the manifest and the settings alone, so that nothing in the file shows who
 * did what. */

/** What the header of a track promises. */
typedef struct track_shape {
    int64_t clips, units;
} track_shape;

/** A run of clips of one track. */
typedef struct unit {
    int64_t track, index; /**< of the manifest; of /unit */
    int64_t row;          /**< of its first clip */
    int64_t left;         /**< work in this unit and those behind it on the same list */
    int32_t first, clips; /**< clips [first, first + clips) of the track */
    int32_t of, units;    /**< clips and units of the track */
} unit;

/** Tracks, clips (rows) and units, counted. */
typedef struct extent {
    int64_t tracks, clips, units;
} extent;

typedef struct extract_plan {
    extent all;     /**< of the corpus */
    int64_t bad;    /**< tracks whose header says already that they give nothing */
    tt_range share; /**< tracks that this rank concludes when all units are done: n / P of them */
    extent before;  /**< tracks, clips and units before the share */
    extent home;    /**< before the track of the first unit that this rank begins with */
    int64_t home_first, home_units; /**< the units it begins with: about an equal part of the work */
} extract_plan;

/** What headers say of a run of tracks. */
typedef struct headers {
    int64_t n;
    double *seconds;
    int32_t *status;
    track_shape *shape;
} headers;

/** Read the headers of tracks [first, first + n). Free with headers_free(), also after a failure. */
tt_status headers_read(tt_store *manifest, const tt_audio_params *audio, int64_t first, int64_t n,
                       headers *out);
void headers_free(headers *h);

/** Count the corpus and part the work. Reads n / P headers. Collective. */
tt_status plan_make(const tt_comm *comm, const tt_audio_params *audio, tt_store *manifest,
                    extract_plan *plan);

/** Work of a run of clips, in eighths of a clip. */
int64_t plan_work(int64_t clips);

/** The home units of this rank, longest first, into out [plan->home_units]. */
tt_status plan_units(const extract_plan *plan, const tt_audio_params *audio, tt_store *manifest, unit *out);

/* deal.c: who does what in the end
 *
 * Every rank has its list of units; whoever has nothing left asks the others in turn, and gets half of what
 * one still has. Asking is done by messages, which are looked for at every clip: MPI's one-sided calls would
 * need that too where the network has no atomics (the target has to call MPI), and Open MPI 4.1 does not open
 * a window on every pair of nodes that can exchange messages. */

enum { TAKE_MAX = 64 }; /**< units taken at once */

typedef struct deal {
    MPI_Comm link; /**< of its own */
    tt_comm comm;  /**< the same */
    unit *units;   /**< [n] of this rank; not owned */
    int64_t n, next;
    int threads;
    bool *empty; /**< [comm size] lists known to be empty, which they stay */
    int victim;  /**< the rank to ask next */
} deal;

/** Begin with a list of units, longest first, for `threads` threads. Collective; deal_free() also after a
 * failure. */
tt_status deal_new(const tt_comm *comm, unit *units, int64_t n, int threads, deal *out);

/** Take the next units into out [TAKE_MAX], this rank's or another's; they are neighbours on their list.
 *  Not collective, but the others must call deal_serve() until all have got 0. One thread at a time.
 *  @return how many, 0 when none are left anywhere */
int deal_take(deal *d, unit *out);

/** Answer those who ask; a cheap call for every clip. Not collective; one thread at a time. */
void deal_serve(deal *d);

/** Collective. */
void deal_free(deal *d);

/* rows.c */

/** Numbers in a row of /mel, /audio, /clip/tempogram; 0 for what features.set leaves out. */
typedef struct row_shape {
    int64_t mel, audio, lags;
    bool half; /**< /mel is half floats */
} row_shape;

/** Rows gathered by one thread until a write is worth while: clips, and the units they end. A unit's own row
 * is written after those of its clips: it is the mark that the unit is done. */
typedef struct row_buffer {
    tt_store *store;          /**< not owned */
    pthread_mutex_t *outside; /**< held while HDF5 and MPI are called; not owned */
    tt_phases *phases;        /**< not owned */
    row_shape shape;
    int64_t room;     /**< clips, and units, that fit */
    int64_t first, n; /**< clips held: rows [first, first + n) */
    int64_t *track;
    double *start;
    int32_t *status;
    float *mels, *audios, *tempograms;
    uint16_t *halves; /**< for what is written of mels as half floats, else NULL */
    int64_t first_unit, n_units;
    int32_t *unit_status;
    char (*message)[MESSAGE_BYTES];
} row_buffer;

/** The rows that an analyzer makes. */
row_shape rows_shape(const tt_analyzer *analyzer, const tt_features_params *features);

/** Allocate for rows of a shape. Free with rows_free(), also after a failure. */
tt_status rows_new(tt_store *store, pthread_mutex_t *outside, tt_phases *phases, row_shape shape,
                   row_buffer *out);
void rows_free(row_buffer *rows);

/** Room for clip `row`, zeroed, at *slot of the arrays; writes what is held first if it must. */
tt_status rows_clip(row_buffer *rows, int64_t row, int64_t *slot);

/** Note that a unit is done. */
tt_status rows_unit(row_buffer *rows, int64_t index, int32_t status, const char *message);

/** Write what is held. */
tt_status rows_flush(row_buffer *rows);

/** Copy text, cut between two characters of UTF-8 if it is too long; the rest of out is zero. */
void rows_message(const char *text, char out[MESSAGE_BYTES]);

/** Whether an earlier attempt has finished a unit; then *status is its status. */
tt_status rows_unit_done(const row_buffer *rows, const unit *u, bool *done, int32_t *status);

/* pulse.c */

enum { PULSES = 6 };

/** What the ranks tell each other while they work, by one nonblocking reduction after another: nobody waits,
 * and all take the same decision after the same beat. */
typedef struct pulse {
    const tt_comm *comm;
    deal *lists;                   /**< served at every call; not owned */
    _Atomic int64_t failures;      /**< tracks of this rank that failed; the caller counts */
    _Atomic int64_t done, skipped; /**< clips; the caller counts. Skipped ones were there already */
    int64_t most;                  /**< failures of all ranks that are let pass */
    int64_t sent[PULSES], seen[PULSES];
    MPI_Request request;
    double posted;
    tt_progress progress;
} pulse;

/** @param clips  of all ranks, for the progress that rank 0 shows */
void pulse_start(pulse *p, const tt_comm *comm, deal *lists, int64_t most, int64_t clips);

/** Whether to go on; a cheap call for every clip. Not collective; one thread at a time. */
bool pulse_goes_on(pulse *p);

/** This rank has come to its end with `status`: wait for the others. Collective.
 *  @return the worst status, TT_STOPPED if a signal came, TT_ERR_INPUT if too many tracks failed; the same
 * everywhere */
tt_status pulse_finish(pulse *p, tt_status status);

/* extract.c, crew.c, unit.c */

/** One rank's work. */
typedef struct extractor {
    const tt_comm *comm;
    const tt_audio_params *audio;
    const tt_features_params *features;
    const tt_analyzer *analyzer; /**< for the shape of the rows; not owned */
    tt_phases *phases;
    tt_store *manifest, *store;
    extract_plan plan;
    int64_t allowed; /**< tracks that may fail */
    pulse pulse;
    deal deal;
    pthread_mutex_t outside; /**< held by the one thread that calls HDF5 or MPI */
    atomic_bool stop;        /**< what the pulse said, or that a thread of this rank has failed */
    int64_t analysed;        /**< clips made in this attempt */
    double seconds;          /**< of audio, that they cover */
} extractor;

/** One thread of a rank. */
typedef struct worker {
    extractor *e;
    tt_analyzer *analyzer;
    float *samples; /**< [samples of a clip] */
    row_buffer rows;
    tt_phases phases;
    int64_t analysed;
    double seconds;
    tt_status status;
    char message[1024]; /**< with `status` */
} worker;

/** Threads per rank: OMP_NUM_THREADS, 1 without it or where MPI allows no more. */
int crew_threads(const tt_comm *comm);

/** Do units, on this and other ranks' lists, until there are none or the pulse says so; then wait for all
 * ranks. Collective. */
tt_status crew_work(extractor *e, int threads);

/** Whether a worker should go on, for every clip. */
bool crew_goes_on(worker *w);

/** Decode and analyse one unit. *finished is false if it was broken off by the pulse. */
tt_status unit_extract(worker *w, const tt_track *track, const unit *u, bool *finished);

/** The present message without the name of the track that it begins with: /failures/path has that. */
const char *track_reason(const tt_track *track);

/** Whether a unit of this status says that its whole track failed; true for one unit of a track at most. */
bool unit_fails_track(const unit *u, int32_t status);

/* beats.c */

/** Tempograms of clips, read in pieces from first to last; zero-initialise before use. */
typedef struct beats {
    int64_t first, n; /**< rows held */
    float *rows;      /**< [n, lags] */
    double *sum;      /**< [lags] */
} beats;

/** Tempo of the track whose clips are rows [first, first + n) with these states [n]: that of the mean
 * tempogram of its valid clips, 0 without one. Rows are asked for in ascending order. */
tt_status beats_tempo(beats *b, const extractor *e, int64_t first, int64_t n, const int32_t *status,
                      float *tempo);
void beats_free(beats *b);

/* outcome.c */

/** What came of all tracks and clips. */
typedef struct extract_counts {
    int64_t found, read, failed, no_audio, marked, clips, valid;
} extract_counts;

/** /track/status and /track/message from the rows of clips and units, whoever made them, and their counts.
 * Collective.
 */
tt_status outcome_tracks(extractor *e, extract_counts *counts);

/** Write /failures from the tracks' rows. Collective. */
tt_status outcome_failures(extractor *e);

#endif
