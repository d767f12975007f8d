/* Which rows are core. A block's info is how many neighbours each row still lacks: rows that lack none are
 * not counted further, and cells of such rows are not measured against each other. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

/* A block, and which rows of its cells lack neighbours. */
typedef struct party {
    const block *block;
    uint32_t lacks[CELLS];
} party;

typedef struct counting {
    dbscan *d;
    int64_t
        *carried; /* [visitors, TT_BLOCK_ROWS] what the visitors lacked when they came; then what was found */
    int64_t *gained; /* likewise: what another rank found for own blocks */
    letter *letter;  /* neighbours of visitors, for their owners */
    int64_t letters, room;
} counting;

TT_KERNEL static void find_lacking(const int64_t *info, uint32_t lacks[CELLS])
{
    for (int c = 0; c < CELLS; c++) {
        uint32_t bits = 0;
        for (int i = 0; i < CELL; i++) bits |= (uint32_t)(info[c * CELL + i] > 0) << i;
        lacks[c] = bits;
    }
}

/* @return whether any row lacks neighbours */
static bool party_of(const block *b, party *out)
{
    uint32_t any = 0;
    out->block = b;
    find_lacking(b->info, out->lacks);
    for (int c = 0; c < CELLS; c++) any |= out->lacks[c];
    return any != 0;
}

static void give(int64_t *lacking, int64_t found)
{
    *lacking = *lacking > found ? *lacking - found : 0;
}

/* A neighbour of a row of any rank, both in spatial order. */
static tt_status note(counting *c, bool own, int64_t row, int64_t neighbour)
{
    const directory *found = &c->d->found;
    if (own) {
        found_add(found->value + (row - found->first) * found->width, neighbour);
        return TT_OK;
    }
    if (c->letters == c->room) {
        int64_t room = 2 * c->room + 256;
        TT_TRY(tt_grow(c->room, room, sizeof *c->letter, "neighbours", &c->letter));
        c->room = room;
    }
    c->letter[c->letters++] = (letter){row, neighbour};
    return TT_OK;
}

/* Row i of cell `cell`, which lacks neighbours, has found those of cell `other` of b that `hits` tells. */
static tt_status credit(counting *c, party *a, int cell, int i, uint32_t hits, const block *b, int other)
{
    int64_t *lacking = &a->block->info[cell * CELL + i], row = a->block->id * TT_BLOCK_ROWS + cell * CELL + i;
    int64_t noted = c->d->params->min_samples - *lacking, most = found_most(c->d);
    bool own = space_owns(&c->d->space, a->block);
    give(lacking, __builtin_popcount(hits));
    if (*lacking == 0) a->lacks[cell] &= ~((uint32_t)1 << i);
    for (; hits && noted < most; hits &= hits - 1, noted++)
        TT_TRY(note(c, own, row, b->id * TT_BLOCK_ROWS + other * CELL + __builtin_ctz(hits)));
    return TT_OK;
}

/* Measure `rows` of cell i of a against cell j of b, for the sake of those of them that lack neighbours and
 * of `lanes` of the other cell. */
static tt_status count_rows(counting *c, party *a, int i, uint32_t rows, party *b, int j, uint32_t lanes)
{
    int row[CELL], lane[CELL], n = list_bits(rows, i * CELL, row);
    uint32_t hits[CELL];
    cell_hits(&c->d->reach, a->block, row, n, b->block, j, c->d->x->cols, hits);
    for (int k = 0; k < n; k++) {
        int at = row[k] % CELL;
        if (hits[k] && a->lacks[i] >> at & 1) TT_TRY(credit(c, a, i, at, hits[k], b->block, j));
        int m = list_bits(hits[k] & lanes & b->lacks[j], 0, lane);
        for (int l = 0; l < m; l++) TT_TRY(credit(c, b, j, lane[l], (uint32_t)1 << at, a->block, i));
    }
    return TT_OK;
}

/* What it costs to measure `rows`. */
static int cost_of(uint32_t rows)
{
    return (__builtin_popcount(rows) + TT_CELL_ROWS - 1) / TT_CELL_ROWS;
}

/* Count cell i of a and cell j of b. Either the rows of each that lack neighbours are measured against the
 * other cell, or all rows of one, where that is less work. */
static tt_status count_cells(counting *c, party *a, int i, party *b, int j)
{
    uint32_t of_a = a->lacks[i], of_b = b->lacks[j], everything = UINT32_MAX;
    int left = a->block->rows - i * CELL;
    if (a == b && i == j) return count_rows(c, a, i, of_a, b, j, 0);
    if (left < CELL) everything >>= CELL - left;
    if (cost_of(of_a) + cost_of(of_b) > cost_of(everything))
        return count_rows(c, a, i, everything, b, j, of_b);
    if (of_a) TT_TRY(count_rows(c, a, i, of_a, b, j, 0));
    return of_b ? count_rows(c, b, j, of_b, a, i, 0) : TT_OK;
}

static tt_status meet(void *state, const block *a, const block *b)
{
    counting *c = state;
    unsigned char near[CELLS];
    float high = c->d->reach.high;
    int64_t cols = c->d->x->cols;
    party own = {0}, other = {0}, *one = &own, *two = a->id == b->id ? &own : &other;
    if (!blocks_near(a, b, cols, high)) return TT_OK;
    bool any = party_of(a, one);
    any = party_of(b, two) || any;
    if (any) cells_near(a, b, cols, high, near);
    for (int i = 0; any && i < CELLS; i++)
        for (int j = one == two ? i : 0; j < CELLS; j++)
            if (near[i] >> j & 1 && (one->lacks[i] | two->lacks[j])) TT_TRY(count_cells(c, one, i, two, j));
    return TT_OK;
}

static tt_status arrived(void *state, const block *visitor, const visit *came)
{
    counting *c = state;
    for (int64_t v = 0; v < came->n; v++)
        memcpy(c->carried + v * TT_BLOCK_ROWS, visitor[v].info, TT_BLOCK_ROWS * sizeof *c->carried);
    return TT_OK;
}

/* Neighbours of other ranks' rows go there. Collective. */
static tt_status post(counting *c)
{
    tt_status s = directory_send(&c->d->found, c->letter, c->letters, found_add);
    c->letters = 0;
    return s;
}

/* What this rank found for the visitors goes to their owner, and what another found for own blocks comes. */
static tt_status leave(void *state, const block *visitor, const visit *came, const visit *went)
{
    counting *c = state;
    const space *s = &c->d->space;
    for (int64_t v = 0; v < came->n; v++)
        for (int i = 0; i < TT_BLOCK_ROWS; i++) c->carried[v * TT_BLOCK_ROWS + i] -= visitor[v].info[i];
    MPI_Sendrecv(c->carried, (int)came->n * TT_BLOCK_ROWS, MPI_INT64_T,
                 came->n > 0 ? came->rank : MPI_PROC_NULL, TAG_GAINED, c->gained,
                 (int)went->n * TT_BLOCK_ROWS, MPI_INT64_T, went->n > 0 ? went->rank : MPI_PROC_NULL,
                 TAG_GAINED, s->x->comm->mpi, MPI_STATUS_IGNORE);
    for (int64_t v = 0; v < went->n; v++) {
        block b = visit_block(s, went, v);
        for (int i = 0; i < TT_BLOCK_ROWS; i++) give(&b.info[i], c->gained[v * TT_BLOCK_ROWS + i]);
    }
    int64_t full = c->letters > s->rows.end - s->rows.begin + 4096; /* so that they stay few */
    return tt_max_i64(s->x->comm, full) ? post(c) : TT_OK;
}

/* Rows that lack none are core; of others all neighbours are known, or they are forgotten. */
static void settle(dbscan *d)
{
    const int64_t *neighbour;
    for (int64_t i = 0; i < d->space.rows.end - d->space.rows.begin; i++) {
        int64_t lacking = space_block(&d->space, i / TT_BLOCK_ROWS).info[i % TT_BLOCK_ROWS];
        d->core[i] = lacking == 0;
        if (found_of(d, i, &neighbour) < d->params->min_samples - lacking && lacking > 0) found_forget(d, i);
    }
}

/* Collective. */
static tt_status count(counting *c)
{
    dbscan *d = c->d;
    int64_t room = pass_visitors(&d->space) * TT_BLOCK_ROWS;
    pass p = {.label = "dbscan: count neighbours", .state = c, .symmetric = true, .meet = meet, .at = d->at};
    p.arrived = arrived;
    p.leave = leave;
    tt_status s = tt_alloc(room, sizeof *c->carried, "DBSCAN", &c->carried);
    if (s == TT_OK) s = tt_alloc(room, sizeof *c->gained, "DBSCAN", &c->gained);
    TT_TRY(tt_agree(d->x->comm, s));
    s = pass_run(&d->space, &p);
    d->at = p.at;
    if (s == TT_OK) s = post(c);
    if (s == TT_OK) settle(d);
    return s;
}

tt_status dbscan_count(dbscan *d)
{
    counting c = {.d = d};
    tt_status s = count(&c);
    free(c.carried);
    free(c.gained);
    free(c.letter);
    return s;
}
