/* A lock file that outlives neither its holder nor a partition of the network. Private to the room.
 *
 * The file names its holder (host, pid, SLURM job) and is touched every few seconds by a thread. A holder
 * that is dead (same host), was requeued (same SLURM job, later attempt) or has not touched it for a minute
 * loses it to the next run; when it finds out, at its next touch, its own run stops. */
#ifndef TUTTI_PIPELINE_LOCK_H
#define TUTTI_PIPELINE_LOCK_H

#include "tutti/status.h"

#include <stdbool.h>

typedef struct lock lock;

/* Take the lock at `path`, waiting a short while for a holder that may be ending. Not collective.
 * Returns TT_OK, TT_ERR_IO (cannot be written; in use by whom) or TT_ERR_MEMORY. */
tt_status lock_take(const char *path, lock **out);

/* Whether another run has taken it. */
bool lock_lost(const lock *l);

/* Give it back, unless it was lost. NULL is fine. */
void lock_drop(lock *l);

#endif
