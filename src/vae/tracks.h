/* Means over the clips of each track, whichever ranks hold them. */
#ifndef TUTTI_VAE_TRACKS_H
#define TUTTI_VAE_TRACKS_H

#include "vae/data.h"

/** Mean of `values` over the valid rows of each track; 0 for a track without any.
 *
 *  Runs of one track within a block of rows are summed where they lie and sent to the track's owner, who adds
 * them in the order of the blocks: the same bits on any rank count.
 *  @param values     [samples->x.count, n]
 *  @param[out] mean  [mine, n], tracks tt_partition(samples->tracks, TT_BLOCK_ROWS, ...) of this rank; free()
 *  @param[out] clips [mine] valid rows of each; free()
 *  Collective. */
tt_status tt_tracks_mean(const tt_samples *samples, int64_t n, const float *values, float **mean,
                         int64_t **clips);

#endif
