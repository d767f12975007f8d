/* SIGTERM, SIGINT and SIGUSR1 ask for a checkpoint and an early end (exit status 75). */
#ifndef TUTTI_SIGNAL_H
#define TUTTI_SIGNAL_H

#include "tutti/comm.h"

/** Catch the signals that ask to stop, and leave a file size limit (SIGXFSZ) to the write that meets it.
 *  Call once, after MPI_Init. Not collective. */
void tt_signals_catch(void);

/** Whether this rank has been asked to stop. Not collective. */
bool tt_stop_asked(void);

/** TT_STOPPED on every rank if any rank has been asked to stop, else TT_OK. Collective. */
tt_status tt_stop_agree(const tt_comm *comm);

#endif
