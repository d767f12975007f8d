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
    int64_t samples, frames;
    int64_t stride; /**< frames rounded up to LANES: the length of a row of the matrices below */

    fftwf_plan plan; /**< complex, n_fft / 2: even samples real, odd ones imaginary */
    float *window;   /**< [n_fft] half a Hann window (the half belongs to the split of the spectrum) */
    float *twiddle;  /**< [n_fft / 4 + 1, 2] cos, sin of 2 pi k / n_fft */
    float *hz;       /**< [bins] */
    tt_filters mel_filters;
    float *chroma_filters; /**< [bins, TT_CHROMA] */
    float *tonnetz;        /**< [TT_TONNETZ, TT_CHROMA] */
    float *dct;            /**< [n_mfcc, n_mels] */
    contrast_band contrast[CONTRAST_BANDS];
    int n_contrast;

    float *padded;             /**< [n_fft / 2 + samples + n_fft / 2 or more] the clip between zeros */
    float *frame;              /**< [n_fft] windowed */
    float *transform;          /**< [LANES, n_fft] */
    float *turned;             /**< [n_fft / 2, 2, LANES] */
    float *power, *magnitude;  /**< [bins, LANES] */
    float *extremes;           /**< [2 x largest contrast_band.extreme, LANES] */
    float *mel_power, *mel_db; /**< [n_mels, stride] dB relative to 1 */
    float *valley, *peak;      /**< [n_contrast, stride] */
    double *energy;            /**< running sums of squares at the block borders of the clip */
    int64_t *crossings;

    frame_feature feature[FEATURES];
    int rows;        /**< of the frame matrix */
    float *matrix;   /**< [rows, stride] */
    float *sorted;   /**< [frames, lane_rows] the same, turned, for statistics */
    double *moments; /**< [4, lane_rows] */
    char **names;    /**< [rows x STATISTICS] one block */
};

/** Power and magnitude of frames [first, first + LANES) of the padded clip; frames beyond the last are zero.
 */
void spectrum_frames(tt_analyzer *a, int64_t first, bool with_magnitude);

/** Mel power of the frames in a->power, into columns [first, first + LANES) of a->mel_power. */
void frames_mel(tt_analyzer *a, int64_t first);

/** Every feature that needs one spectrum alone, into columns [first, first + LANES) of the matrix. */
void frames_spectral(tt_analyzer *a, int64_t first);

/** Features of the samples themselves: zero-crossing rate and RMS. */
void frames_time(tt_analyzer *a, const float *samples);

/** a->mel_db from a->mel_power, floored; returns the largest value. */
float frames_mel_db(tt_analyzer *a);

/** Features that need all frames: contrast, MFCC, onset strength. */
void frames_whole(tt_analyzer *a);

/** Columns of the statistics' work matrix for `rows` features. */
int statistics_width(int rows);

/** Names of the statistics, in the order of the columns. */
extern const char *const statistics_names[STATISTICS];

/** The statistics of every row of a->matrix over its frames: into out [rows, STATISTICS]. */
void statistics_rows(tt_analyzer *a, float *out);

#endif
