/* Audio features per clip, as librosa defines them, and the extraction stage. */
#ifndef TUTTI_FEATURES_H
#define TUTTI_FEATURES_H

#include "tutti/audio.h"
#include "tutti/timer.h"

/** What features.set chooses from, in the order of the columns: the log-mel, frame features, tempo. */
#define TT_FEATURE_NAMES                                                                                     \
    "mel zero_crossing_rate rms spectral_centroid spectral_bandwidth spectral_rolloff spectral_flatness "    \
    "spectral_contrast mfcc chroma_stft tonnetz onset_strength spectral_flux tempo"

/** Settings `features:`. Of the texts, mel_norm, mel_dtype and set may be NULL for their defaults. */
typedef struct tt_features_params {
    int n_fft, hop_length, n_mels, n_mfcc;
    double fmin, fmax; /**< Hz */
    char *mel_scale;   /**< slaney | htk (librosa's htk=True) */
    char *mel_norm; /**< slaney (default): triangles of equal area; none: of height 1 (librosa's norm=None) */
    char *mel_dtype; /**< f32 (default) | f16: of /mel in the file */
    char *set;       /**< list of TT_FEATURE_NAMES, or "[all]" (default) */
    double top_db;   /**< floor of the log-mel below the clip's maximum, dB */
} tt_features_params;

/** Whether /mel is written as half floats: mel_dtype is f16. */
bool tt_features_half(const tt_features_params *params);

/** Everything that turns one clip of samples into its features: the FFT plan, window, filters and work space.
 *  One per thread. The numbers of a clip depend on its samples and the settings alone. */
typedef struct tt_analyzer tt_analyzer;

/** Make an analyzer for clips of audio->clip_seconds. Free with tt_analyzer_free(). Not collective: FFTW's
 * planner is not thread-safe, so one thread makes them all.
 *  @return TT_OK, TT_ERR_CONFIG (naming the setting) or TT_ERR_MEMORY */
tt_status tt_analyzer_new(const tt_audio_params *audio, const tt_features_params *features,
                          tt_analyzer **out);

/** NULL is fine. */
void tt_analyzer_free(tt_analyzer *analyzer);

/** Warn of settings that are allowed and hardly meant: mel bands without a bin, named as librosa counts them.
 */
void tt_analyzer_warn(const tt_analyzer *analyzer);

/** Samples of a clip; frames of a clip, 1 + samples / hop_length. */
int64_t tt_analyzer_samples(const tt_analyzer *analyzer);
int64_t tt_analyzer_frames(const tt_analyzer *analyzer);

/** Bands of the log-mel, columns of the feature row and lags of the tempogram; 0 for what features.set leaves
 * out. */
int64_t tt_analyzer_mels(const tt_analyzer *analyzer);
int64_t tt_analyzer_columns(const tt_analyzer *analyzer);
int64_t tt_analyzer_lags(const tt_analyzer *analyzer);

/** Names of the columns, `<feature>[_<band>]_<statistic>` ("mfcc_03_mean"), owned by the analyzer. */
const char *const *tt_analyzer_names(const tt_analyzer *analyzer);

/** Analyse one clip. Finite samples give finite features, digital silence included.
 *
 *  Frames are centred, with zeros beyond the clip (librosa's center=True, pad_mode="constant"); the window is
 * a periodic Hann. A clip may be shorter than n_fft. Where a feature of
 * single bins is chosen (spectral_*, chroma_stft, tonnetz) the transform is in double, else in float: a mel
 * alone differs from the mel among all features by rounding, far below 0.01 dB. spectral_flux is librosa's
 * onset_strength of the magnitudes instead of the log-mel: the mean over bins of what each has gained on the
 * frame before, moved right by half a window. Not collective.
 *  @param[in]  samples  [samples]
 *  @param[out] mel      [n_mels, frames] dB relative to the largest mel power of the clip, at least -top_db
 * (librosa's power_to_db, ref=np.max, amin=1e-10); NULL if it is not wanted
 *  @param[out] audio    [columns], or NULL if it is not wanted */
void tt_analyzer_clip(tt_analyzer *analyzer, const float *samples, float *mel, float *audio);

/** Frames of one feature of the last clip that was analysed with `audio`: "mfcc", "chroma_stft", ..., or
 * "mel_power".
 *  @param[out] out  [bands, frames], at least as large as n_mels x frames
 *  @return bands, 0 if there is no such feature */
int tt_analyzer_feature(const tt_analyzer *analyzer, const char *feature, float *out);

/** Tempogram of the last clip that was analysed with `audio`: into out [lags] the mean over frames of
 * librosa.feature.tempogram (8 s windows, norm=np.inf) of the clip's onset strength. */
void tt_analyzer_tempogram(tt_analyzer *analyzer, float *out);

/** Beats per minute of a mean tempogram [lags], by librosa.feature.tempo's prior (start_bpm 120, std_bpm 1,
 * max_tempo 320); 0 where the tempogram is all zero. */
float tt_tempo(const double *tempogram, int64_t lags, double frames_per_second);

/** Count the time of all that the analyzer does from now on into `phases` ("transform", "mel", "spectral",
 * "time", "cepstral", "statistics", "tempo"); NULL ends it. It costs a few clock readings for every 16
 * frames. */
void tt_analyzer_time(tt_analyzer *analyzer, tt_phases *phases);

/** `tutti extract`: features.h5 from manifest.h5.
 *
 *  /clip/{track,start,status} (start in seconds), /mel [clips, n_mels, frames] dB relative to the clip's
 * maximum, /audio [clips, columns] with attribute `names`, /clip/tempogram [clips, lags] of
 * tt_analyzer_tempogram(), each as far as features.set has it; /track/{status,message} [tracks], and
 * /track/tempo [tracks] in beats per minute, tt_tempo() of the mean tempogram of the track's valid clips (0:
 * none, or silence); /failures/{path,code,message}, one row per track that failed or was marked, in manifest
 * order (path is "shard:member" in a shard). A clip has a status of its own: soft codes have features, hard
 * ones (TT_TRACK_DAMAGED, TT_TRACK_NON_FINITE, or why the track could not be opened) have rows of zeros. A
 * track with a clip missing is TT_TRACK_TRUNCATED while it has another; its code is hard only if it gave
 * none. TT_TRACK_SILENT: every clip below -80 dB; TT_TRACK_CLIPPED: more than half of the clips have 1 % of
 * their samples at full scale; TT_TRACK_TIMEOUT: audio.time_limit cut it short. Prints found, read, failed,
 * without audio, clips; they add up.
 *
 * Works on units, runs of clips of one track that follow from the manifest and the settings alone: whole
 * tracks, and pieces of a minute and more of long ones (tt_audio_pieces()). /unit/{status,message} say what
 * each met, and mark what a resumed run need not do again. OMP_NUM_THREADS threads per rank (1 without it),
 * if MPI was started with MPI_THREAD_SERIALIZED. Stops on a signal within a clip. Collective. @param
 * max_failures  share of tracks that may fail before the run is given up, 1.0 never
 *  @return TT_OK, TT_STOPPED, TT_ERR_INPUT (no clip at all, or too many failures), TT_ERR_CONFIG, TT_ERR_IO,
 * TT_ERR_MEMORY; the same on every rank */
tt_status tt_extract(const tt_comm *comm, const tt_audio_params *audio, const tt_features_params *features,
                     double max_failures, const tt_provenance *provenance, const char *manifest,
                     const char *output);

#endif
