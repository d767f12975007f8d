/* One matrix from features: scaled columns, and principal components. */
#ifndef TUTTI_FUSE_H
#define TUTTI_FUSE_H

#include "tutti/matrix.h"
#include "tutti/store.h"

/** Settings `fuse:`. */
typedef struct tt_fuse_params {
    double lyrics_weight; /**< of the lyrics beside the audio; 0 leaves them out */
    int pca;              /**< components to keep, 0 for none */
    bool whiten;          /**< scale the components' scores to variance 1 */
} tt_fuse_params;

/** Files to fuse. */
typedef struct tt_fuse_inputs {
    const char *features;
    const char *lyrics;   /**< NULL for none */
    const char *manifest; /**< says which tracks are for training; NULL: all */
} tt_fuse_inputs;

/** `tutti fuse`: hybrid.h5, a row per clip of features.h5, audio columns and then lyrics columns.
 *
 * Means and deviations are those of the valid rows of training tracks (manifest: split empty or "train...";
 * all valid rows if there are none); of lyrics, of the training rows that have some. Columns of audio are
 * z-scored. An embedding of tt_lyrics() is first weighted by the squares of its singular values and each text
 * brought to length 1 (texts of one language then lie in one place; z-scores of all dimensions would drown
 * that in the many last ones). Columns of lyrics are centred, keep their proportions and carry
 * lyrics_weight^2 A together, with A the columns of audio that vary: at weight 1 both halves have the same
 * variance.
 * Rows without lyrics get the mean, which is 0: they lie between the others and form no cluster of their own.
 *
 * Writes /x [clips, D] (0 in rows that are not valid), /mean and /scale [D] (x = (value - mean) / scale;
 * scale 1 where a column is constant, and the log says which), /names, /valid [clips] uint8, /clip/track
 * [clips]; with lyrics /lyrics_mask [clips] uint8, 1 where they are known; with fuse.pca /components and
 * /explained_variance, and /x then holds the scores. Collective. */
tt_status tt_fuse(const tt_comm *comm, const tt_fuse_params *params, const tt_provenance *provenance,
                  const tt_fuse_inputs *inputs, const char *output);

/** Principal components; free with tt_pca_free(). */
typedef struct tt_pca {
    int64_t cols, components;
    double *mean; /**< [cols] */
    double *axes; /**< [components, cols], unit rows; the entry of largest size in each is positive */
    double *explained_variance; /**< [components], divisor n - 1 as scikit-learn's */
    double total_variance;
} tt_pca;

/** PCA of the valid rows of x by block Gram sums and ScaLAPACK's symmetric eigensolver: of the columns, or
 * where there are fewer rows, of these. Of 65,536 rows and more the products are float32, summed in double,
 * wherever that leaves each eigenvalue that is kept exact to 1e-4 at worst, 1e-7 as a rule; else, and of
 * fewer rows, all is double. The same bits on any rank count. Memory on one rank is four square matrices of
 * double of the smaller side, which may be 16384 at most. Collective. @return TT_OK, TT_ERR_INPUT (fewer than
 * 2 valid rows or than `components` columns; too large) */
tt_status tt_pca_fit(const tt_matrix *x, int64_t components, tt_pca *out);

/** Scores [count, components] of this rank's rows (0 for rows that are not valid). Not collective.
 *  @return TT_OK, or TT_ERR_INPUT where a score is beyond float32 */
tt_status tt_pca_transform(const tt_pca *pca, const tt_matrix *x, float *scores);

void tt_pca_free(tt_pca *pca);

/** `tutti pca`: OUTPUT with /x [rows, c], the scores of the first c = min(components, columns, valid rows -
 * 1) components of "FILE.h5:/x" (0 in rows that are not valid), /components [c, D], /explained_variance [c],
 * /mean [D] and /valid [rows]: the baseline that every learned space has to beat. Collective. */
tt_status tt_pca_stage(const tt_comm *comm, const tt_provenance *provenance, const char *input,
                       int64_t components, const char *output);

#endif
