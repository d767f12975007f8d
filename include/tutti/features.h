/* Audio features per clip, as librosa defines them, and the extraction stage. */
#ifndef TUTTI_FEATURES_H
#define TUTTI_FEATURES_H

#include "tutti/audio.h"

/** Settings `features:`. */
typedef struct tt_features_params {
    int n_fft, hop_length, n_mels, n_mfcc;
    double fmin, fmax; /**< Hz */
    char *mel_scale;   /**< slaney | htk */
    double top_db;     /**< floor of the log-mel below the clip's maximum, dB */
} tt_features_params;

/** `tutti extract`: features.h5 from manifest.h5.
 *  /clip/{track,start,status}, /mel [clips, n_mels, frames] dB relative to the clip's maximum, /audio [clips,
 * A] with attribute `names`, /failures/{path,code,message} (one row per track that failed or was marked; path
 * is "shard:member" in a shard). Prints found, read, failed, without audio, clips; they add up. Resumes;
 * stops on a signal (TT_STOPPED). Collective. @param max_failures  share of tracks that may fail before the
 * run is given up, 1.0 never */
tt_status tt_extract(const tt_comm *comm, const tt_audio_params *audio, const tt_features_params *features,
                     double max_failures, const tt_provenance *provenance, const char *manifest,
                     const char *output);

#endif
