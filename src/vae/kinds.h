/* Which columns of a matrix of features are of one kind, by the names that stand beside it. */
#ifndef TUTTI_VAE_KINDS_H
#define TUTTI_VAE_KINDS_H

#include "tutti/store.h"

/** Kinds of the columns of `dataset`, whose names are the file's dataset /names [cols] (hybrid.h5) or the
 * attribute `names` of `dataset` (/audio of features.h5): "mfcc_07_mean" is of the kind "mfcc". Collective.
 *  @param[out] kind  [cols] number of the first column of the same kind, -1 for columns of lyrics; NULL where
 *                    there are no names. Free with free() */
tt_status tt_column_kinds(const tt_comm *comm, tt_store *store, const char *dataset, int64_t cols,
                          int32_t **kind);

#endif
