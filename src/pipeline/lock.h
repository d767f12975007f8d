/* A lock file that outlives neither its holder nor a partition of the network. Private to the room.
 *
 * The file names its holder (host, pid, SLURM job) and is touched every few seconds by a thread. A holder
 * that is dead (same host), was requeued (same SLURM job, later attempt) or has not touched it for a minute
 * loses it to the next run. When it finds out, at its next touch, it calls tt_stop_disown(); the next run
 * gives an earlier attempt of its own job the time for that. */
#ifndef TUTTI_PIPELINE_LOCK_H
#define TUTTI_PIPELINE_LOCK_H

#include "tutti/status.h"

typedef struct lock lock;

/* Take the lock at `path`, waiting a short while for a holder that may be ending. Not collective.
 * Returns TT_OK, TT_STOPPED by a signal, TT_ERR_IO (cannot be written; in use by whom) or TT_ERR_MEMORY. */
tt_status lock_take(const char *path, lock **out);

/* Give it back, unless it was lost. NULL is fine. */
void lock_drop(lock *l);

#endif
