/* Two-dimensional pictures of a latent space. */
#ifndef TUTTI_EMBED_H
#define TUTTI_EMBED_H

#include "tutti/store.h"

/** `tutti embed`: embedding.h5 with /pca [rows, 2], the first two principal components of "FILE.h5:/mu", and
 *  /explained_variance_ratio [2]; /valid [rows]. Collective. */
tt_status tt_embed(const tt_comm *comm, const tt_provenance *provenance, const char *input,
                   const char *output);

#endif
