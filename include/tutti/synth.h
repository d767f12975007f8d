/* Labelled corpora made from nothing, for demos and scaling runs. */
#ifndef TUTTI_SYNTH_H
#define TUTTI_SYNTH_H

#include "tutti/comm.h"

typedef struct tt_synth_params {
    int64_t tracks;
    const char *out;    /**< folder, made if missing; must be empty or hold the same corpus */
    const char *format; /**< folder | csv | tar */
    double broken;      /**< share of tracks that are broken on purpose, 0 to 1 */
    double seconds;     /**< mean length of a track */
    uint64_t seed;
} tt_synth_params;

/** Write the corpus; the same bytes for the same parameters on any number of ranks. Collective.
 *  @return TT_OK, TT_ERR_USAGE (parameter), TT_ERR_IO, TT_STOPPED */
tt_status tt_synth(const tt_comm *comm, const tt_synth_params *params);

#endif
