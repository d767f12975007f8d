/* SIGTERM, SIGINT and SIGUSR1 ask for a checkpoint and an early end (exit status 75). */
#ifndef TUTTI_SIGNAL_H
#define TUTTI_SIGNAL_H

#include "tutti/comm.h"

/** Catch the signals that ask to stop, and leave a file size limit (SIGXFSZ) to the write that meets it.
 *  Call once, after MPI_Init. Not collective. */
void tt_signals_catch(void);

/** Whether this rank has been asked to stop. Not collective. */
bool tt_stop_asked(void);

/** As a status with its message: TT_OK, TT_STOPPED by a signal, TT_ERR_IO if what is being written belongs to
 *  another run now, and not even a checkpoint may be written. Not collective. */
tt_status tt_stop_status(void);

/** tt_stop_status() of all ranks. Collective. */
tt_status tt_stop_agree(const tt_comm *comm);

/** Another run has taken over the files that this process writes: ask for an end without a checkpoint. From
 * any thread. Not collective. */
void tt_stop_disown(void);

/** TT_ERR_IO after tt_stop_disown(): look before a change that another run would trip over. Not collective.
 */
tt_status tt_stop_owned(void);

#endif
