/* Results as NumPy arrays, for those who go on in Python. */
#ifndef TUTTI_EXPORT_H
#define TUTTI_EXPORT_H

#include "tutti/comm.h"

/** Write what a run directory has so far to DIRECTORY (made if missing). All arrays have one row per clip, in
 * the same order; clips without features are rows of zeros:
 *  - mel_spectrograms.npy [clips, mels, frames], dB below the clip's maximum, float32 or float16 as stored
 *  - audio_features.npy [clips, A]; its columns' names are in audio_feature_names.json
 *  - valid.npy [clips] bool; tracks.npy [clips] int64, the row of the manifest each clip comes from
 *  - labels.npy [clips] int64, as genre_mapping.json {genre: label} says, genres sorted; -1 unknown
 *  - lyrics_embeddings.npy [clips, L]: of the clip's track
 *  - hybrid_features.npy [clips, D]; latents.npy [clips, Z]
 * Each file appears under its name when all of them are whole. Collective.
 *  @return TT_OK, TT_ERR_INPUT (rows of two files differ, damaged rows), TT_ERR_IO (no features.h5, full
 * disk), TT_STOPPED or TT_ERR_MEMORY, the same on every rank */
tt_status tt_export_run(const tt_comm *comm, const char *run, const char *directory);

/** Write datasets of any HDF5 files, "FILE.h5:/a/x" as a_x.npy; "FILE.h5" stands for all that hold numbers or
 * text. Collective. @return as tt_export_run(); TT_ERR_USAGE if two would have one name */
tt_status tt_export_datasets(const tt_comm *comm, const char *const *specs, int n, const char *directory);

#endif
