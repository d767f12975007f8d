/* What is known of tracks, for their clips. Private to the room. */
#ifndef TUTTI_LINALG_COMPANIONS_H
#define TUTTI_LINALG_COMPANIONS_H

#include "scores.h"

/** What /embedding of a lyrics file says about the clips; valid where the clip's track has lyrics.
 *
 * Where the file has /singular_values s (an embedding E of its own making: E^T E = diag(s^2)) the rows are
 * those of E diag(s^2) = (E E^T) E, brought to length 1: every text is moved to the sum of all texts, each
 * weighted by its likeness to it, and of that the direction is kept. Texts of one language, which share
 * words, so end up in one place, whether they are long or short, of a frequent language or a rare one. It is
 * a step of power iteration and the unit rows of spectral clustering (Ng, Jordan, Weiss 2002). Vectors from
 * elsewhere are left as they are.
 *
 *  @param[in]  like  a matrix with the clips' rows
 *  @param[out] out   [clips, L]; 0 columns and no memory where the file has no /embedding
 *  Collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT (a clip of a track that the file does not have),
 * TT_ERR_MEMORY */
tt_status lyrics_of_clips(const char *lyrics, const clip_track *clips, const tt_matrix *like, tt_matrix *out);

/** Mark the clips of tracks for training: those whose `split` in the manifest is empty or begins with
 * "train".
 *  @param[out] mark  [like->count]
 *  Collective. */
tt_status training_clips(const char *manifest, const clip_track *clips, const tt_matrix *like,
                         unsigned char *mark);

#endif
