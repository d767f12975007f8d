/* Every pair of blocks meets: own blocks first, near ones before far ones, then those of other ranks, which
 * come round a ring: in each round every rank has blocks of one other rank and is visited upon another, so
 * that all have work. A pair that meets once meets on the rank of either block, by turns. */
#include "cluster/dbscan.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/progress.h"

#include <stdlib.h>
#include <string.h>

static const int64_t visit_bytes = 1 << 20;  /* of the blocks that visit at once */
static const int64_t work_at_once = 1 << 19; /* pairs of blocks, times columns: then the ranks agree whether
                                                to go on; of the order of a second */

typedef struct tour {
    const space *space;
    int64_t chunks; /* in which the blocks of a rank visit, of the rank that has most */
    int64_t round;  /* being sent */
    visit came, went;
    MPI_Request request[2];
    char *leaving, *arriving, *here;
    block *block; /* [visitors] */
} tour;

block visit_block(const space *s, const visit *went, int64_t i)
{
    return space_block(s, went->first + i * went->step - s->first_block);
}

static int64_t pairs_at_once(const space *s)
{
    return work_at_once / (s->x->cols + 1) + 1;
}

static int64_t blocks_in(int64_t rows)
{
    return tt_ceil_div(rows, TT_BLOCK_ROWS);
}

int64_t pass_visitors(const space *s)
{
    int64_t size = s->x->comm->size, hosts = tt_ceil_div(blocks_in(s->x->n_valid), size) + 1,
            room = visit_bytes / (int64_t)s->slot, most = 2 * pairs_at_once(s) / hosts;
    if (most > room) most = room;
    return most < 1 ? 1 : most;
}

/* Blocks of chunk `chunk` of those of `owner`, on a visit to or from `rank`: every so manieth, so that chunks
 * are alike and no rank waits long for the others. */
static visit visit_of(const tour *t, int owner, int64_t chunk, int rank)
{
    const tt_matrix *x = t->space->x;
    tt_range rows = tt_partition(x->n_valid, TT_BLOCK_ROWS, x->comm->size, owner);
    int64_t blocks = blocks_in(rows.end - rows.begin);
    visit v = {.rank = rank, .first = rows.begin / TT_BLOCK_ROWS + chunk, .step = t->chunks};
    v.n = blocks > chunk ? tt_ceil_div(blocks - chunk, t->chunks) : 0;
    return v;
}

/* Send the blocks of the next round on their way, and await those that come in it. */
static void launch(tour *t)
{
    const space *s = t->space;
    const tt_comm *comm = s->x->comm;
    if (t->round >= (comm->size - 1) * t->chunks) return;
    int64_t apart = t->round / t->chunks + 1, chunk = t->round % t->chunks;
    int from = (int)((comm->rank + comm->size - apart) % comm->size),
        to = (int)((comm->rank + apart) % comm->size);
    t->came = visit_of(t, from, chunk, from);
    t->went = visit_of(t, comm->rank, chunk, to);
    size_t out = (size_t)t->went.n * s->slot, in = (size_t)t->came.n * s->slot;
    for (int64_t i = 0; i < t->went.n; i++)
        memcpy(t->leaving + (size_t)i * s->slot, visit_block(s, &t->went, i).info /* comes first */, s->slot);
    MPI_Irecv(t->arriving, (int)in, MPI_BYTE, in > 0 ? from : MPI_PROC_NULL, TAG_BLOCKS, comm->mpi,
              &t->request[0]);
    MPI_Isend(t->leaving, (int)out, MPI_BYTE, out > 0 ? to : MPI_PROC_NULL, TAG_BLOCKS, comm->mpi,
              &t->request[1]);
}

static tt_status allocate(tour *t)
{
    int64_t visitors = pass_visitors(t->space);
    int bytes;
    TT_TRY(tt_int(visitors * (int64_t)t->space->slot, "bytes of a block of rows", &bytes));
    TT_TRY(tt_alloc(visitors, t->space->slot, "rows of other ranks", &t->leaving));
    TT_TRY(tt_alloc(visitors, t->space->slot, "rows of other ranks", &t->arriving));
    TT_TRY(tt_alloc(visitors, t->space->slot, "rows of other ranks", &t->here));
    return tt_alloc(visitors, sizeof *t->block, "rows of other ranks", &t->block);
}

/* Round number `skip` comes first. Collective. */
static tt_status tour_start(const space *s, int64_t skip, tour *t)
{
    int64_t visitors = pass_visitors(s);
    *t = (tour){.space = s, .round = skip, .request = {MPI_REQUEST_NULL, MPI_REQUEST_NULL}};
    t->chunks = tt_max_i64(s->x->comm, tt_ceil_div(s->blocks, visitors));
    TT_TRY(tt_agree(s->x->comm, allocate(t)));
    launch(t);
    return TT_OK;
}

/* The next round: who came, into block, and which of this rank's went. @return false after the last one */
static bool tour_next(tour *t, visit *came, visit *went)
{
    if (t->round >= (t->space->x->comm->size - 1) * t->chunks) return false;
    MPI_Waitall(2, t->request, MPI_STATUSES_IGNORE);
    *came = t->came;
    *went = t->went;
    char *held = t->here;
    t->here = t->arriving;
    t->arriving = held;
    for (int64_t i = 0; i < came->n; i++)
        t->block[i] =
            space_view(t->space, t->here + (size_t)i * t->space->slot, came->first + i * came->step);
    t->round++;
    launch(t);
    return true;
}

static void tour_end(tour *t)
{
    MPI_Waitall(2, t->request, MPI_STATUSES_IGNORE);
    free(t->leaving);
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

/* Whether the rank of block a, not that of b, has the pair. What is near lies at like distances in the order
 * of blocks, so that evenness of numbers would not deal it evenly. */
static bool has_pair(int64_t a, int64_t b)
{
    uint64_t low = (uint64_t)(a < b ? a : b), high = (uint64_t)(a < b ? b : a);
    uint64_t mixed = (low * 0x9e3779b97f4a7c15u ^ high * 0xc2b2ae3d27d4eb4fu) * 0xd6e8feb86659fd93u;
    return (mixed >> 63 == 0) == (a < b);
}

static tt_status meet_visitors(const space *s, const pass *p, const tour *t, const visit *came)
{
    if (p->arrived) TT_TRY(p->arrived(p->state, t->block, came));
    for (int64_t i = 0; i < s->blocks; i++) {
        block a = space_block(s, i);
        for (int64_t v = 0; v < came->n; v++)
            if (!p->symmetric || has_pair(a.id, t->block[v].id)) TT_TRY(p->meet(p->state, &a, &t->block[v]));
    }
    return TT_OK;
}

/* Own blocks from `apart` on, as many distances apart as make so many pairs on the rank with most blocks. The
 * next distance goes to *end, the pairs of this rank are counted. */
static tt_status meet_batch(const space *s, const pass *p, int64_t most, int64_t *end, int64_t *pairs)
{
    *pairs = 0;
    *end = p->at.apart;
    for (int64_t n = 0; *end < most && n < pairs_at_once(s); n += most - *end, (*end)++) {
        TT_TRY(meet_own(s, p, *end));
        if (*end < s->blocks) *pairs += s->blocks - *end;
    }
    return TT_OK;
}

/* Collective. */
static tt_status run_own(const space *s, pass *p, tt_progress *progress)
{
    const tt_comm *comm = s->x->comm;
    int64_t most = tt_max_i64(comm, s->blocks), end, pairs;
    for (; p->at.apart < most; p->at.apart = end) {
        TT_TRY(tt_stop_agree(comm));
        TT_TRY(tt_agree(comm, meet_batch(s, p, most, &end, &pairs)));
        tt_progress_add(progress, pairs);
    }
    return TT_OK;
}

/* Collective. */
static tt_status run_visits(const space *s, pass *p, tour *t, tt_progress *progress)
{
    const tt_comm *comm = s->x->comm;
    visit came, went;
    while (tour_next(t, &came, &went)) {
        TT_TRY(tt_stop_agree(comm));
        TT_TRY(tt_agree(comm, came.n > 0 ? meet_visitors(s, p, t, &came) : TT_OK));
        if (p->leave) TT_TRY(p->leave(p->state, t->block, &came, &went));
        tt_progress_add(progress, came.n * s->blocks / (p->symmetric ? 2 : 1));
        p->at.visited++;
    }
    return TT_OK;
}

tt_status pass_run(const space *s, pass *p)
{
    tt_progress progress;
    tour t;
    int64_t all = blocks_in(s->x->n_valid);
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
