/* What files with principal components share. */
#ifndef TUTTI_LINALG_SCORES_H
#define TUTTI_LINALG_SCORES_H

#include "tutti/fuse.h"

enum { SCORES_COLUMNS = 2 };

/** The columns /components [c, D] and /explained_variance [c]. */
void scores_columns(int64_t components, int64_t cols, tt_column columns[SCORES_COLUMNS]);

/** Write them: the same on every rank, so one does. Not collective. */
tt_status scores_write(tt_store *store, const tt_pca *pca);

/** /clip/track of an input, where it has one, goes on into what is made of it. */
typedef struct clip_track {
    bool found;
    int64_t *track; /**< [count] of this rank's rows; owned */
} clip_track;

/** Read it for the rows of x. Collective. Free track with free(). */
tt_status clip_track_read(const tt_matrix *x, tt_store *store, clip_track *out);

#endif
