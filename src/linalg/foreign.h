/* An embedding of tracks that was made elsewhere. Private to the room. */
#ifndef TUTTI_LINALG_FOREIGN_H
#define TUTTI_LINALG_FOREIGN_H

#include "tutti/matrix.h"
#include "tutti/store.h"

/** Read the embedding of a manifest's tracks from "FILE.h5:/x" or "FILE.npy" (C order, float32 or float64).
 * Where the HDF5 file has a dataset of texts /id, or /track/id, with an entry per row, rows go to the tracks
 * of these ids, and tracks that have none are not valid; otherwise rows are in the order of the tracks, and
 * as many.
 *  @param[out] out  [tracks, D] free with tt_matrix_free(), also on failure
 *  Collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT, TT_ERR_MEMORY, the same on every rank */
tt_status foreign_embedding(const tt_comm *comm, const char *spec, tt_store *manifest, tt_matrix *out);

#endif
