/* What is known of tracks, for their clips. Private to the room. */
#ifndef TUTTI_LINALG_COMPANIONS_H
#define TUTTI_LINALG_COMPANIONS_H

#include "scores.h"

/** The rows of /embedding of a lyrics file that go with the clips; valid where the clip's track has lyrics.
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
