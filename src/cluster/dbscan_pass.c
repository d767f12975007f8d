/* Every pair of blocks meets: own blocks first, near ones before far ones, then those of other ranks, which
 * come round by broadcast. A pair that meets once meets on the rank of either block, by turns. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"
#include "tutti/progress.h"

#include <stdlib.h>
#include <string.h>

static const int64_t visit_bytes = 1 << 20; /* of one broadcast */

typedef struct visit {
    int owner;
    int64_t first, n; /* blocks, over all ranks */
} visit;

typedef struct tour {
    const space *space;
    visit next; /* being broadcast */
    MPI_Request request;
    char *arriving, *here;
    block *block; /* [visitors] */
} tour;

int64_t pass_visitors(const space *s)
{
    return s->slot < (size_t)visit_bytes ? visit_bytes / (int64_t)s->slot : 1;
}

/* Aim at the blocks from `first`; none at the end. */
static void aim(tour *t, int64_t first)
{
    const tt_matrix *x = t->space->x;
    t->next = (visit){.first = first};
    if (first * TT_BLOCK_ROWS >= x->n_valid) return;
    t->next.owner = tt_owner(x->n_valid, TT_BLOCK_ROWS, x->comm->size, first * TT_BLOCK_ROWS);
    int64_t end = tt_partition(x->n_valid, TT_BLOCK_ROWS, x->comm->size, t->next.owner).end;
    t->next.n = (end + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS - first;
    if (t->next.n > pass_visitors(t->space)) t->next.n = pass_visitors(t->space);
}

static void launch(tour *t)
{
    const space *s = t->space;
    size_t bytes = (size_t)t->next.n * s->slot;
    if (t->next.n == 0) return;
    if (s->x->comm->rank == t->next.owner)
        memcpy(t->arriving, s->memory + (size_t)(t->next.first - s->first_block) * s->slot, bytes);
    MPI_Ibcast(t->arriving, (int)bytes, MPI_BYTE, t->next.owner, s->x->comm->mpi, &t->request);
}

static tt_status allocate(tour *t)
{
    int64_t visitors = pass_visitors(t->space);
    int bytes;
    TT_TRY(tt_int(visitors * (int64_t)t->space->slot, "bytes of a block of rows", &bytes));
    TT_TRY(tt_alloc(visitors, t->space->slot, "rows of other ranks", &t->arriving));
    TT_TRY(tt_alloc(visitors, t->space->slot, "rows of other ranks", &t->here));
    return tt_alloc(visitors, sizeof *t->block, "rows of other ranks", &t->block);
}

/* Visit number `skip` comes first. Collective. */
static tt_status tour_start(const space *s, int64_t skip, tour *t)
{
    *t = (tour){.space = s, .request = MPI_REQUEST_NULL};
    TT_TRY(tt_agree(s->x->comm, allocate(t)));
    aim(t, 0);
    for (int64_t i = 0; i < skip && t->next.n > 0; i++) aim(t, t->next.first + t->next.n);
    launch(t);
    return TT_OK;
}

static bool tour_next(tour *t, visit *come)
{
    *come = t->next;
    if (come->n == 0) return false;
    MPI_Wait(&t->request, MPI_STATUS_IGNORE);
    char *held = t->here;
    t->here = t->arriving;
    t->arriving = held;
    for (int64_t i = 0; i < come->n; i++)
        t->block[i] = space_view(t->space, t->here + (size_t)i * t->space->slot, come->first + i);
    aim(t, come->first + come->n);
    launch(t);
    return true;
}

static void tour_end(tour *t)
{
    MPI_Wait(&t->request, MPI_STATUS_IGNORE);
    free(t->arriving);
    free(t->here);
    free(t->block);
}

/* Own blocks that are `apart` blocks from each other. */
static tt_status meet_own(const space *s, const pass *p, int64_t apart)
{
    for (int64_t i = 0; i + apart < s->blocks; i++) {
        block a = space_block(s, i), b = space_block(s, i + apart);
        TT_TRY(p->meet(p->state, &a, &b));
        if (!p->symmetric && apart > 0) TT_TRY(p->meet(p->state, &b, &a));
    }
    return TT_OK;
}

/* Whether the rank of block a, not that of b, has the pair. */
static bool has_pair(int64_t a, int64_t b)
{
    return ((a + b) % 2 == 0) == (a < b);
}

static tt_status meet_visitors(const space *s, const pass *p, const tour *t, int64_t n)
{
    if (p->arrived) TT_TRY(p->arrived(p->state, t->block, n));
    for (int64_t i = 0; i < s->blocks; i++) {
        block a = space_block(s, i);
        for (int64_t v = 0; v < n; v++)
            if (!p->symmetric || has_pair(a.id, t->block[v].id)) TT_TRY(p->meet(p->state, &a, &t->block[v]));
    }
    return TT_OK;
}

/* Collective. */
static tt_status run_own(const space *s, pass *p, tt_progress *progress)
{
    const tt_comm *comm = s->x->comm;
    int64_t most = tt_max_i64(comm, s->blocks);
    for (; p->at.apart < most; p->at.apart++) {
        TT_TRY(tt_stop_agree(comm));
        TT_TRY(tt_agree(comm, meet_own(s, p, p->at.apart)));
        if (p->at.apart < s->blocks) tt_progress_add(progress, s->blocks - p->at.apart);
    }
    return TT_OK;
}

/* Collective. */
static tt_status run_visits(const space *s, pass *p, tour *t, tt_progress *progress)
{
    const tt_comm *comm = s->x->comm;
    visit come;
    while (tour_next(t, &come)) {
        bool own = come.owner == comm->rank;
        TT_TRY(tt_stop_agree(comm));
        TT_TRY(tt_agree(comm, own ? TT_OK : meet_visitors(s, p, t, come.n)));
        if (p->leave) TT_TRY(p->leave(p->state, t->block, come.n, come.owner));
        if (!own) tt_progress_add(progress, come.n * s->blocks / (p->symmetric ? 2 : 1));
        p->at.visited++;
    }
    return TT_OK;
}

tt_status pass_run(const space *s, pass *p)
{
    tt_progress progress;
    tour t;
    int64_t all = (s->x->n_valid + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS;
    int64_t mine = s->blocks * (s->blocks + 1) / 2 + s->blocks * (all - s->blocks) / (p->symmetric ? 2 : 1);
    tt_progress_start(&progress, p->label, "pairs of blocks", mine, tt_sum_i64(s->x->comm, mine));
    tt_status status = run_own(s, p, &progress);
    if (status == TT_OK) {
        if (p->depart) p->depart(p->state);
        status = tour_start(s, p->at.visited, &t);
        if (status == TT_OK) status = run_visits(s, p, &t, &progress);
        tour_end(&t);
    }
    tt_progress_end(&progress);
    return status;
}
