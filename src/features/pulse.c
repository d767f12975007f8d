#include "features/extract.h"

#include "tutti/signal.h"
#include "tutti/timer.h"

#include <time.h>

enum { FAILURES, STOPS, ERRORS, FINISHED, DONE, SKIPPED };

static const double beat_seconds = 0.1;

void pulse_start(pulse *p, const tt_comm *comm, deal *lists, int64_t most, int64_t clips)
{
    *p = (pulse){.comm = comm, .lists = lists, .most = most, .request = MPI_REQUEST_NULL, .posted = -1};
    tt_progress_start(&p->progress, "extract", "clips", clips, clips);
}

static bool says_end(const pulse *p)
{
    return p->seen[FAILURES] > p->most || p->seen[STOPS] > 0 || p->seen[ERRORS] > 0 ||
           p->seen[FINISHED] == p->comm->size;
}

/** Send the next beat if the last has come back, and look whether one has come. */
static void beat(pulse *p, bool error, bool finished)
{
    if (p->request == MPI_REQUEST_NULL) {
        p->sent[FAILURES] = p->failures;
        p->sent[STOPS] = tt_stop_asked();
        p->sent[ERRORS] = error;
        p->sent[FINISHED] = finished;
        p->sent[DONE] = p->done;
        p->sent[SKIPPED] = p->skipped;
        MPI_Iallreduce(p->sent, p->seen, PULSES, MPI_INT64_T, MPI_SUM, p->comm->mpi, &p->request);
        p->posted = tt_now();
    }
}

/** Whether the beat that was sent has come back; until then p->seen is being written. */
static bool arrived(pulse *p)
{
    int here = 0;
    MPI_Test(&p->request, &here, MPI_STATUS_IGNORE);
    if (!here) return false;
    tt_progress_skip(&p->progress, p->seen[SKIPPED] - p->progress.skipped);
    tt_progress_add(&p->progress, p->seen[DONE] + p->seen[SKIPPED] - p->progress.done);
    return true;
}

bool pulse_goes_on(pulse *p)
{
    deal_serve(p->lists);
    if (p->request == MPI_REQUEST_NULL) {
        if (p->posted >= 0 && says_end(p)) return false;
        if (tt_now() - p->posted < beat_seconds) return true;
        beat(p, false, false);
    }
    return !arrived(p) || !says_end(p);
}

/** The message of the signal, from whichever rank has seen it. */
static tt_status stop_status(const tt_comm *comm, tt_status status)
{
    tt_status stopped = tt_stop_agree(comm);
    return status == TT_OK ? stopped : status;
}

tt_status pulse_finish(pulse *p, tt_status status)
{
    const struct timespec nap = {.tv_nsec = 200000}; /* leave the core to ranks that still work */
    /* until all have come, whatever ended it: somebody may still wait for an answer */
    while (p->request != MPI_REQUEST_NULL || p->posted < 0 || p->seen[FINISHED] < p->comm->size) {
        beat(p, status != TT_OK, true);
        while (!arrived(p)) {
            deal_serve(p->lists);
            nanosleep(&nap, NULL);
        }
    }
    tt_progress_end(&p->progress);
    if (p->seen[STOPS] > 0) status = stop_status(p->comm, status);
    if (status == TT_OK && p->seen[FAILURES] > p->most)
        status = tt_fail(TT_ERR_INPUT,
                         "%lld tracks have failed, more than the share set by max_failures allows (%lld)",
                         (long long)p->seen[FAILURES], (long long)p->most);
    return tt_agree(p->comm, status);
}
