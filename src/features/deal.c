#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <time.h>

enum { ASK = 1, GIVE = 2 }; /* tags */

tt_status deal_new(const tt_comm *comm, unit *units, int64_t n, int threads, deal *out)
{
    *out = (deal){.units = units, .n = n, .threads = threads, .link = MPI_COMM_NULL};
    tt_status s = tt_alloc(comm->size, sizeof *out->empty, "lists of work", &out->empty);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        MPI_Comm_dup(comm->mpi, &out->link); /* no other message can be mistaken for ours */
        out->comm = tt_comm_wrap(out->link);
        out->victim = out->comm.rank;
        out->empty[out->comm.rank] = true; /* nobody asks himself */
    }
    return s;
}

void deal_free(deal *d)
{
    if (d->link != MPI_COMM_NULL) MPI_Comm_free(&d->link);
    free(d->empty);
    *d = (deal){.link = MPI_COMM_NULL};
}

/** The next units of this rank's list: at most a `share`th of the work left on it, so that nobody is left
 * with a large part at the end, but one at least. */
static int next_units(deal *d, int share, const unit **first)
{
    int64_t begin = d->next, n = d->n - begin < TAKE_MAX ? d->n - begin : TAKE_MAX;
    *first = d->units + begin;
    if (n == 0) return 0;
    int64_t part = (*first)->left / share, work = plan_work((*first)->clips);
    int k = 1;
    while (k < n && (work += plan_work((*first)[k].clips)) <= part) k++;
    d->next += k;
    return k;
}

void deal_serve(deal *d)
{
    int asked;
    MPI_Status who;
    const unit *units;
    for (MPI_Iprobe(MPI_ANY_SOURCE, ASK, d->link, &asked, &who); asked;
         MPI_Iprobe(MPI_ANY_SOURCE, ASK, d->link, &asked, &who)) {
        MPI_Recv(NULL, 0, MPI_BYTE, who.MPI_SOURCE, ASK, d->link, MPI_STATUS_IGNORE);
        int n = next_units(d, 2 * d->threads, &units);
        MPI_Send(units, n * (int)sizeof *units, MPI_BYTE, who.MPI_SOURCE, GIVE, d->link);
    }
}

/** Ask a rank for work, and serve others until it has an answer: it may be in the midst of a clip. */
static int ask(deal *d, int rank, unit *out)
{
    const struct timespec nap = {.tv_nsec = 50000};
    MPI_Request request;
    MPI_Status status;
    int there = 0, bytes;
    MPI_Irecv(out, TAKE_MAX * (int)sizeof *out, MPI_BYTE, rank, GIVE, d->link, &request);
    MPI_Send(NULL, 0, MPI_BYTE, rank, ASK, d->link);
    for (MPI_Test(&request, &there, &status); !there; MPI_Test(&request, &there, &status)) {
        deal_serve(d);
        nanosleep(&nap, NULL);
    }
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    return bytes / (int)sizeof *out;
}

int deal_take(deal *d, unit *out)
{
    const unit *mine;
    int n = next_units(d, 4 * d->threads, &mine);
    for (int i = 0; i < n; i++) out[i] = mine[i];
    for (int asked = 0; n == 0 && asked < d->comm.size; asked++) {
        if (!d->empty[d->victim]) n = ask(d, d->victim, out);
        if (n > 0) break; /* who had something may have more */
        d->empty[d->victim] = true;
        d->victim = (d->victim + 1) % d->comm.size;
    }
    return n;
}
