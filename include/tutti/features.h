/* Audio features per clip, as librosa defines them, and the extraction stage. */
#ifndef TUTTI_FEATURES_H
#define TUTTI_FEATURES_H

#include "tutti/audio.h"

/** Settings `features:`. */
typedef struct tt_features_params {
    int n_fft, hop_length, n_mels, n_mfcc;
    double fmin, fmax; /**< Hz */
    char *mel_scale;   /**< slaney | htk: scale and norm as librosa's htk=False, norm="slaney"; htk=True,
                          norm=None */
    double top_db;     /**< floor of the log-mel below the clip's maximum, dB */
} tt_features_params;

/** Everything that turns one clip of samples into its features: the FFT plan, window, filters and work space.
 *  One per thread. The numbers of a clip depend on its samples and the settings alone. */
typedef struct tt_analyzer tt_analyzer;

/** Make an analyzer for clips of audio->clip_seconds. Free with tt_analyzer_free(). Not collective.
 *  @return TT_OK, TT_ERR_CONFIG (naming the setting) or TT_ERR_MEMORY */
tt_status tt_analyzer_new(const tt_audio_params *audio, const tt_features_params *features,
                          tt_analyzer **out);

/** NULL is fine. */
void tt_analyzer_free(tt_analyzer *analyzer);

/** Samples of a clip; frames of a clip, 1 + samples / hop_length; columns of its feature row. */
int64_t tt_analyzer_samples(const tt_analyzer *analyzer);
int64_t tt_analyzer_frames(const tt_analyzer *analyzer);
int64_t tt_analyzer_columns(const tt_analyzer *analyzer);

/** Names of the columns, `<feature>[_<band>]_<statistic>` ("mfcc_03_mean"), owned by the analyzer. */
const char *const *tt_analyzer_names(const tt_analyzer *analyzer);

/** Analyse one clip. Finite samples give finite features, digital silence included.
 *
 *  Frames are centred, with zeros beyond the clip (librosa's center=True, pad_mode="constant"); the window is
 * a periodic Hann. Not collective.
 *  @param[in]  samples  [samples]
 *  @param[out] mel      [n_mels, frames] dB relative to the largest mel power of the clip, at least -top_db
 * (librosa's power_to_db, ref=np.max, amin=1e-10)
 *  @param[out] audio    [columns], or NULL where the mel is all that is wanted */
void tt_analyzer_clip(tt_analyzer *analyzer, const float *samples, float *mel, float *audio);

/** Frames of one feature of the last clip that was analysed with `audio`: "mfcc", "chroma_stft", ..., or
 * "mel_power".
 *  @param[out] out  [bands, frames], at least as large as n_mels x frames
 *  @return bands, 0 if there is no such feature */
int tt_analyzer_feature(const tt_analyzer *analyzer, const char *feature, float *out);

/** `tutti extract`: features.h5 from manifest.h5.
 *
 *  /clip/{track,start,status} (start in seconds), /mel [clips, n_mels, frames] dB relative to the clip's
 * maximum, /audio [clips, columns] with attribute `names`; /track/{status,message} [tracks];
 * /failures/{path,code,message}, one row per track that failed or was marked, in manifest order (path is
 * "shard:member" in a shard). A clip has a status of its own: soft codes have features, hard ones
 * (TT_TRACK_DAMAGED, TT_TRACK_NON_FINITE, or why the track could not be opened) have rows of zeros. A track
 * with a clip missing is TT_TRACK_TRUNCATED while it has another; its code is hard only if it gave none.
 * TT_TRACK_SILENT: every clip below -80 dB; TT_TRACK_CLIPPED: more than half of the clips have 1 % of their
 * samples at full scale. Prints found, read, failed, without audio, clips; they add up. Resumes, track by
 * track; stops on a signal within a clip. Collective. @param max_failures  share of tracks that may fail
 * before the run is given up, 1.0 never
 *  @return TT_OK, TT_STOPPED, TT_ERR_INPUT (no clip at all, or too many failures), TT_ERR_CONFIG, TT_ERR_IO,
 * TT_ERR_MEMORY; the same on every rank */
tt_status tt_extract(const tt_comm *comm, const tt_audio_params *audio, const tt_features_params *features,
                     double max_failures, const tt_provenance *provenance, const char *manifest,
                     const char *output);

#endif
