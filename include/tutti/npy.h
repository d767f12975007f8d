/* Arrays of NumPy: NAME.npy, written by all ranks, each its own rows. */
#ifndef TUTTI_NPY_H
#define TUTTI_NPY_H

#include "tutti/store.h"

/** Give rows [first, first + count) of an array. Called on the rank that owns them, in ascending order; not
 * collective. */
typedef tt_status tt_npy_rows(void *context, int64_t first, int64_t count, void *rows);

/** Write PATH.part: a NumPy array of format 1.0, in C order and this
 * machine's byte order. Ranks own rows by tt_partition(rows, TT_BLOCK_ROWS, ...) and hold about 8 MB of them
 * at a time, or one row. A failed attempt leaves a .part; a signal to stop ends it with TT_STOPPED.
 *  Collective.
 *  @param shape  shape->name is what progress and errors call it; TT_TEXT becomes bytes ("S8"), TT_F16 stays
 *  @param mask   TT_U8 of 0 and 1 becomes NumPy's bool
 *  @return TT_OK, TT_ERR_IO (naming the path), TT_STOPPED or what `rows` returned, the same on every rank
 *  numpy.lib.format, NEP 1. */
tt_status tt_npy_write(const tt_comm *comm, const char *path, const tt_column *shape, bool mask,
                       tt_npy_rows *rows, void *context);

/** tt_npy_write() of a dataset, its checksums verified on the way; scalars become one row. Collective.
 *  @return also TT_ERR_INPUT: no such dataset, or damaged rows */
tt_status tt_npy_from(const tt_comm *comm, tt_store *store, const char *dataset, bool mask, const char *path);

#endif
