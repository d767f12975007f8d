/* The parts of an analyzer, shared by the files of this room. */
#ifndef TUTTI_FEATURES_INTERNAL_H
#define TUTTI_FEATURES_INTERNAL_H

#include "features/filters.h"
#include "features/lanes.h"

#include <fftw3.h>

enum { CONTRAST_BANDS = 7, STATISTICS = 7 };

/** One frame feature: `bands` rows of the frame matrix from `row` on. */
typedef struct frame_feature {
    const char *name;
    int row, bands;
    bool wanted; /**< has columns */
} frame_feature;

typedef enum feature_id {
    ZERO_CROSSING_RATE,
    RMS,
    CENTROID,
    BANDWIDTH,
    ROLLOFF,
    FLATNESS,
    CONTRAST,
    MFCC,
    CHROMA,
    TONNETZ,
    ONSET,
    FLUX,
    FEATURES
} feature_id;

/** A sub-band of spectral contrast: bins [begin, end), of which the `extreme` smallest and largest are
 * averaged. */
typedef struct contrast_band {
    int begin, end, extreme;
} contrast_band;

struct tt_analyzer {
    int n_fft, hop, bins, n_mels, n_mfcc, sample_rate;
    float top_db;
    bool mel_wanted, tempo_wanted;
    int64_t samples, frames;
    int64_t stride; /**< frames rounded up to LANES: the length of a row of the matrices below */

    fftwf_plan plan;     /**< complex, n_fft / 2: even samples real, odd ones imaginary */
    float *window;       /**< [n_fft] half a Hann window (the half belongs to the split of the spectrum) */
    float *twiddle;      /**< [n_fft / 4 + 1, 2] cos, sin of 2 pi k / n_fft */
    float *frame;        /**< [n_fft] windowed */
    float *turned;       /**< [pitch, LANES] the complex spectra, frames last */
    fftw_plan plan_wide; /**< real, n_fft, where single bins count: see spectrum.c */
    double *window_wide; /**< [n_fft] */
    double *frame_wide;  /**< [n_fft] */
    fftw_complex *spectrum_wide; /**< [bins] */

    float *hz; /**< [bins] */
    tt_filters mel_filters;
    float *chroma_filters; /**< [bins, TT_CHROMA] */
    float *tonnetz;        /**< [TT_TONNETZ, TT_CHROMA] */
    float *dct;            /**< [n_mfcc, n_mels] */
    contrast_band contrast[CONTRAST_BANDS];
    int n_contrast;

    float *padded;    /**< [n_fft / 2 + samples + n_fft / 2 or more] the clip between zeros */
    int64_t pitch;    /**< length of a row of the next, a multiple of 2 LANES */
    float *transform; /**< [LANES, pitch] complex spectra, or powers */
    float *power;     /**< [bins, LANES] */
    float *magnitude_room;
    float *magnitude;          /**< [bins, LANES] in it, behind a row of zeros */
    float *before;             /**< [bins] magnitudes of the last frame of the tile before */
    float *extremes;           /**< [2 x largest contrast_band.extreme, LANES] */
    float *mel_power, *mel_db; /**< [n_mels, stride] dB relative to 1 */
    float *valley, *peak;      /**< [n_contrast, stride] */
    float *rise;               /**< [stride] gain of each frame's magnitudes on the frame before */
    double *energy;            /**< running sums of squares at the block borders of the clip */
    int64_t *crossings;

    frame_feature feature[FEATURES];
    int rows;        /**< of the frame matrix: all features */
    int wanted;      /**< rows of wanted features */
    float *matrix;   /**< [rows, stride] */
    float *sorted;   /**< [frames, lane_rows] the wanted rows, turned, for statistics */
    double *moments; /**< [4, lane_rows] */
    char **names;    /**< [wanted x STATISTICS] one block */

    tt_phases *phases; /**< not owned, or NULL */

    int lags;      /**< of the tempogram, its window in frames */
    double *tempo; /**< work space of tempo.c */
};

/** Go on in a phase of a->phases, if they are counted. */
void analyzer_phase(tt_analyzer *a, const char *name);

/* params.c: settings */

/** @return TT_OK or TT_ERR_CONFIG, naming the setting and what it takes */
tt_status params_check(const tt_audio_params *audio, const tt_features_params *p);

/** Whether features.set has `feature`. */
bool params_want(const tt_features_params *p, const char *feature);

bool params_htk(const tt_features_params *p);  /**< mel_scale htk */
bool params_norm(const tt_features_params *p); /**< mel_norm slaney */

/* spectrum.c */

/** Windows, tables and plans; `deep`: every bin counts, however small beside the others of its frame. */
tt_status spectrum_new(tt_analyzer *a, bool deep);
void spectrum_free(tt_analyzer *a);

/** Power of frames [first, first + LANES) of the padded clip; frames beyond the last are zero. */
void spectrum_frames(tt_analyzer *a, int64_t first);

/* frames.c */

/** Mel power of the frames in a->power, into columns [first, first + LANES) of a->mel_power. */
void frames_mel(tt_analyzer *a, int64_t first);

/** Every feature that needs one spectrum alone, into columns [first, first + LANES) of the matrix. */
void frames_spectral(tt_analyzer *a, int64_t first);

/** Features of the samples themselves: zero-crossing rate and RMS. */
void frames_time(tt_analyzer *a, const float *samples);

/** a->mel_db from a->mel_power, floored; returns the largest value. */
float frames_mel_db(tt_analyzer *a);

/** Features that need all frames: contrast, MFCC, onset strength, flux. */
void frames_whole(tt_analyzer *a);

/** The row of a feature in the frame matrix. */
float *frames_row(const tt_analyzer *a, feature_id id);

/* statistics.c */

/** Columns of the statistics' work matrix for `rows` features. */
int statistics_width(int rows);

/** Names of the statistics, in the order of the columns. */
extern const char *const statistics_names[STATISTICS];

/** The statistics of every wanted row of a->matrix over its frames: into out [wanted, STATISTICS]. */
void statistics_rows(tt_analyzer *a, float *out);

/* tempo.c */

/** Frames of the tempogram's window, as librosa.feature.tempo has it: ac_size 8 s. */
int tempo_lags(int sample_rate, int hop);

/** Make a->tempo, if tempo is wanted. */
tt_status tempo_new(tt_analyzer *a);

#endif
