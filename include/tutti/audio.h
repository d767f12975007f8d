/* Decoding: any file or shard member that libsndfile reads, as mono float at one sample rate, in blocks. */
#ifndef TUTTI_AUDIO_H
#define TUTTI_AUDIO_H

#include "tutti/corpus.h"
#include "tutti/timer.h"

/** Settings `audio:`. */
typedef struct tt_audio_params {
    int sample_rate;     /**< Hz, 8000 to 192000 */
    double clip_seconds; /**< length of a clip */
    double clip_hop;     /**< seconds between starts of clips */
    int clips_per_track; /**< at most; 0 means all */
    double time_limit;   /**< seconds for a track, or for each piece of a long one; 0 means any */
} tt_audio_params;

/** What a header says. */
typedef struct tt_audio_info {
    double seconds;
    int64_t frames; /**< at the file's own rate */
    int32_t sample_rate, channels;
    char format[16];
} tt_audio_info;

typedef struct tt_audio tt_audio;

/** Read the header of a track's audio. Never fails the run: *status says what is wrong with the track and
 *  tt_message() holds a line about it; what the header says is in *info also for a broken track, with seconds
 * and frames 0 if nothing can be decoded. A file whose header has no length (a stream written to a pipe, MPEG
 * audio without a Xing header) is decoded once to count. Not collective. @return TT_OK or TT_ERR_MEMORY */
tt_status tt_audio_probe(const tt_track *track, tt_audio_info *info, tt_track_status *status);

/** Open for decoding to mono at `sample_rate` (channels averaged; soxr HQ where the rate differs; the first
 * sample is the file's first, with no delay). As tt_audio_probe() in its errors; *out is NULL unless *status
 * is soft. */
tt_status tt_audio_open(const tt_track *track, int sample_rate, tt_audio **out, tt_track_status *status);

/** As tt_audio_open(), for a decoder that gives up after `seconds` (0: never), the opening included:
 * TT_TRACK_TOO_SLOW if it does not open, TT_TRACK_TIMEOUT from tt_audio_read(). Caught is decoding that
 * crawls, not a read that the system does not come back from. */
tt_status tt_audio_open_within(const tt_track *track, int sample_rate, double seconds, tt_audio **out,
                               tt_track_status *status);

/** Go on to sample `sample`, which must not lie behind: by a seek where the format gives the same samples
 * then and a second or more is won, by decoding otherwise. Works for a fraction of a second: call again until
 * *there, which is also true at the end of the track. From a decoder just opened, the samples that follow are
 * the same bits each time, and those of a decoder that came there by decoding but for rounding (of 32-bit
 * floats, in the resampler and in MPEG audio's synthesis). Not collective. @return TT_OK, TT_ERR_MEMORY,
 * TT_ERR_INPUT or TT_ERR_INTERNAL */
tt_status tt_audio_seek(tt_audio *audio, int64_t sample, bool *there);

/** In how many pieces a track of this format (as in the manifest) with so many clips should be worked on,
 * each of them a run of a minute of clips or more; 1 where a seek would cost what it saves. */
int64_t tt_audio_pieces(const tt_audio_params *params, const char *format, int64_t clips);

/** The next samples, at most n into samples [n]; *got < n only at the end. Memory is O(1) in the length of
 * the track, and the samples do not depend on how they are asked for. *status is set when something is wrong
 * with what this call met, with a message, and left alone otherwise: TT_TRACK_TRUNCATED, with the last
 * samples of a file that ends early or fails within; TT_TRACK_DAMAGED, if that leaves none;
 * TT_TRACK_TIMEOUT, with the
 * last samples that came in time; TT_TRACK_NON_FINITE, where some of the samples just read were Inf, NaN or
 * beyond 1e9 in the file (they are given as 0; calls before and after are not touched). Not collective.
 * @return TT_OK or TT_ERR_INTERNAL */
tt_status tt_audio_read(tt_audio *audio, float *samples, int64_t n, int64_t *got, tt_track_status *status);

/** Count what tt_audio_read() spends on resampling into `phases`, which is in phase "decode" before and
 * after, as "resample"; not owned. */
void tt_audio_time(tt_audio *audio, tt_phases *phases);

void tt_audio_close(tt_audio *audio);

/** Samples of a clip, and between the starts of two: clip i begins at sample i * tt_hop_samples(). At
 * least 1. */
int64_t tt_clip_samples(const tt_audio_params *params);
int64_t tt_hop_samples(const tt_audio_params *params);

/** Number of clips that a track of `seconds` gives: every start s = i * clip_hop with s + clip_seconds <=
 * seconds, counted in whole samples; a track shorter than one clip but at least half as long gives one,
 * zero-padded at its end; clips_per_track caps. */
int64_t tt_clips_of(const tt_audio_params *params, double seconds);

/** `tutti scan`: list the corpus, probe headers on all ranks, write the manifest, and log the counts (found,
 * readable, without audio, failed by code). A broken track is a row with its status, never an error.
 * Collective.
 *  @return TT_OK, TT_STOPPED, or as tt_corpus_list() and tt_manifest_write() */
tt_status tt_scan(const tt_comm *comm, const tt_corpus_params *corpus, const tt_provenance *provenance,
                  const char *manifest);

#endif
