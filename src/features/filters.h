/* The fixed tables of the analysis, made once in double: filter banks and transforms as librosa defines them.
 */
#ifndef TUTTI_FEATURES_FILTERS_H
#define TUTTI_FEATURES_FILTERS_H

#include "tutti/features.h"

#include <stdbool.h>

/** Rows of a filter bank that are zero outside one run of bins. */
typedef struct tt_filters {
    int rows;
    int *first;     /**< [rows] first bin with a weight */
    int *count;     /**< [rows] bins with a weight, 0 for a filter that falls between two bins */
    float *weights; /**< one row after the other */
} tt_filters;

/** librosa.filters.mel(sr, n_fft, n_mels, fmin, fmax, htk, norm = slaney_norm ? "slaney" : None). Free with
 * tt_filters_free(). */
tt_status tt_filters_mel(int sample_rate, int n_fft, int n_mels, double fmin, double fmax, bool htk,
                         bool slaney_norm, tt_filters *out);

void tt_filters_free(tt_filters *filters);

enum { TT_CHROMA = 12, TT_TONNETZ = 6 };

/** librosa.filters.chroma(sr, n_fft, tuning=0), transposed: into out [1 + n_fft / 2, TT_CHROMA]. */
void tt_filters_chroma(int sample_rate, int n_fft, float *out);

/** The projection of librosa.feature.tonnetz into out [TT_TONNETZ, TT_CHROMA]. */
void tt_filters_tonnetz(float *out);

/** Orthonormal DCT-II: out [n_out, n] times a vector [n] gives its first n_out coefficients. */
void tt_filters_dct(int n_out, int n, float *out);

#endif
