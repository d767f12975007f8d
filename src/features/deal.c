#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* The window of a rank: its counter, on a cache line of its own, and its units. */
enum { UNITS_AT = 64, LOOK_MAX = 32 };

tt_status deal_new(const tt_comm *comm, int64_t units, int threads, deal *out)
{
    *out = (deal){.comm = comm, .looked_at = comm->rank};
    out->takers = tt_sum_i64(comm, threads);
    tt_status s = tt_alloc(comm->size, sizeof *out->count, "lists of work", &out->count);
    if (s == TT_OK) s = tt_alloc(comm->size, sizeof *out->empty, "lists of work", &out->empty);
    s = tt_agree(comm, s);
    if (s != TT_OK) {
        free(out->count);
        free(out->empty);
        *out = (deal){0};
        return s;
    }
    MPI_Allgather(&units, 1, MPI_INT64_T, out->count, 1, MPI_INT64_T, comm->mpi);
    MPI_Win_allocate(UNITS_AT + units * (MPI_Aint)sizeof(unit), 1, MPI_INFO_NULL, comm->mpi, &out->memory,
                     &out->window);
    memset(out->memory, 0, UNITS_AT);
    return TT_OK;
}

unit *deal_units(deal *d)
{
    return (unit *)(void *)(d->memory + UNITS_AT);
}

void deal_begin(deal *d)
{
    MPI_Win_lock_all(0, d->window);
    MPI_Win_sync(d->window);
    MPI_Barrier(d->comm->mpi);
    MPI_Win_sync(d->window);
}

void deal_free(deal *d)
{
    if (!d->count) return;
    MPI_Win_unlock_all(d->window);
    MPI_Win_free(&d->window);
    free(d->count);
    free(d->empty);
    *d = (deal){0};
}

/** Move the counter of `rank` on by n; returns where it was. */
static int64_t advance(deal *d, int rank, int64_t n)
{
    int64_t was = 0;
    MPI_Fetch_and_op(&n, &was, MPI_INT64_T, rank, 0, n > 0 ? MPI_SUM : MPI_NO_OP, d->window);
    MPI_Win_flush(rank, d->window);
    return was;
}

static void get_units(deal *d, int rank, int64_t first, int n, unit *out)
{
    int bytes = n * (int)sizeof *out;
    MPI_Get(out, bytes, MPI_BYTE, rank, UNITS_AT + first * (MPI_Aint)sizeof *out, bytes, MPI_BYTE, d->window);
    MPI_Win_flush(rank, d->window);
}

static int at_most(int64_t n, int most)
{
    return n < most ? (int)n : most;
}

/** How many of the next units [n] to take: a fraction of the work that is left on the list, so that nobody is
 * left with a large part at the end, but one at least. */
static int how_many(const deal *d, const unit *next, int n)
{
    int64_t part = next[0].left / (4 * d->takers), work = plan_work(next[0].clips);
    int k = 1;
    while (k < n && (work += plan_work(next[k].clips)) <= part) k++;
    return k;
}

/** Take from the list of `rank`; 0 if it is empty. */
static int take_from(deal *d, int rank, unit *out)
{
    int64_t all = d->count[rank], at = advance(d, rank, 0);
    int n = 0;
    if (at < all) {
        int seen = at_most(all - at, TAKE_MAX);
        get_units(d, rank, at, seen, out);
        int want = how_many(d, out, seen);
        at = advance(d, rank, want); /* others may have been here since */
        n = at < all ? at_most(all - at, want) : 0;
        if (n > 0) get_units(d, rank, at, n, out);
    }
    d->empty[rank] = n == 0;
    return n;
}

/** Of the next lists that are not empty the one with most work left, -1 if all are empty. */
static int fullest(deal *d)
{
    int best = -1, found = 0;
    int64_t most = 0;
    for (int i = 0; i < d->comm->size && found < LOOK_MAX; i++) {
        d->looked_at = (d->looked_at + 1) % d->comm->size;
        int rank = d->looked_at;
        if (d->empty[rank]) continue;
        int64_t at = advance(d, rank, 0);
        d->empty[rank] = at >= d->count[rank];
        if (d->empty[rank]) continue;
        unit next;
        get_units(d, rank, at, 1, &next);
        found++;
        if (next.left > most) {
            most = next.left;
            best = rank;
        }
    }
    return best;
}

int deal_take(deal *d, unit *out)
{
    int from = d->comm->rank, n = 0;
    if (d->empty[from]) from = fullest(d);
    while (from >= 0 && (n = take_from(d, from, out)) == 0) from = fullest(d);
    return n;
}
