/* A decoder on its way through a track, shared by the files that move it. */
#ifndef TUTTI_AUDIO_DECODER_H
#define TUTTI_AUDIO_DECODER_H

#include "sound.h"

#include <soxr.h>

struct tt_audio {
    sound sound;
    soxr_t resampler; /**< NULL where the rates agree */
    int from, to;     /**< sample rates, Hz */
    double limit;     /**< seconds that it may take, 0 for any */
    int64_t frames;   /**< announced, at the target rate */
    int64_t block;    /**< frames per decoded block */
    float *raw;       /**< [block, channels] */
    float *mono;      /**< [block]: the samples at the file's own rate that are ready to go on */
    int64_t mono_at, mono_n;
    int64_t decoded;          /**< the next frame to decode */
    int64_t begin;            /**< frames before this one are decoded for the decoder's sake alone */
    int64_t delivered;        /**< the next sample to give out */
    int64_t bad_from, bad_to; /**< samples, at the target rate, that were not finite in the file */
    bool no_seek;             /**< a seek has failed */
    bool ended;
    tt_track_status end; /**< how it ended */
    tt_phases *phases;   /**< not owned, or NULL */
};

/** Name of a libsndfile format, as the manifest has it. */
const char *decoder_format(int format);

/** Start the resampler anew, as at the beginning of a file. */
tt_status decoder_resample(tt_audio *audio);

#endif
