/* The run directory: where one pipeline's files live, and who may write there. Private to the room. */
#ifndef TUTTI_PIPELINE_RUNDIR_H
#define TUTTI_PIPELINE_RUNDIR_H

#include "tutti/comm.h"

typedef struct rundir rundir;

/* Make the directory if it is missing, check that it is of this version, and lock it. A lock that is taken
 * over by another run disowns this one: tt_stop_disown(). Collective. Returns TT_OK, TT_ERR_IO (cannot be
 * made or written, in use), TT_ERR_USAGE (of another version). */
tt_status rundir_open(const tt_comm *comm, const char *path, rundir **out);

/* Unlock. NULL is fine. Not collective. */
void rundir_close(rundir *dir);

/* Make a folder and those above it, as far as they are missing (mkdir -p). Not collective. */
tt_status rundir_make(const char *path);

/* Write a small text file and bring it to the disk. Not collective. */
tt_status rundir_write_part(const char *part, const char *text);

/* Write a small text file of the directory as a whole or not at all. Call from rank 0. */
tt_status rundir_write(const char *directory, const char *name, const char *text);

#endif
