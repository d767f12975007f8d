/* Which rows are core. A block's info is how many neighbours each row still lacks: rows that lack none are
 * not counted further, and cells of such rows are not measured against each other. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

typedef struct counting {
    dbscan *d;
    int64_t *carried; /* [visitors, TT_BLOCK_ROWS] what the visitors lacked when they came */
    int64_t *gained;  /* likewise: what this rank and then all found for them */
    /* one pair of cells */
    _Alignas(64) float square[CELL * CELL];
    int row[CELL];                  /* of cell a, those measured */
    int32_t hits[CELL], near[CELL]; /* by these rows */
    int32_t lane[CELL];             /* hits by row of cell b */
} counting;

/* Hits by row, by lane, and per row what is not surely out. */
TT_KERNEL static void count_hits(const float *square, int n, reach r, int32_t *hits, int32_t *near,
                                 int32_t *lane)
{
    for (int j = 0; j < CELL; j++) lane[j] = 0;
    for (int i = 0; i < n; i++) {
        int32_t in = 0, maybe = 0;
        for (int j = 0; j < CELL; j++) {
            int32_t hit = square[i * CELL + j] <= r.low;
            lane[j] += hit;
            in += hit;
            maybe += square[i * CELL + j] <= r.high;
        }
        hits[i] = in;
        near[i] = maybe;
    }
}

/* Rows of a cell that lack neighbours, or all its rows. */
static int list_rows(const block *b, int cell, bool all, int *row)
{
    int n = 0;
    for (int i = cell * CELL; i < (cell + 1) * CELL && i < b->rows; i++)
        if (all || b->info[i] > 0) row[n++] = i;
    return n;
}

static bool lacks(const block *b, int cell)
{
    int64_t most = 0;
    for (int i = cell * CELL; i < (cell + 1) * CELL; i++) most |= b->info[i];
    return most > 0;
}

/* Look again at pairs that float32 cannot decide. */
static void settle_borderline(counting *c, const block *a, int i, const block *b, int cell)
{
    const reach *r = &c->d->reach;
    for (int j = 0; j < CELL; j++) {
        float square = c->square[i * CELL + j];
        if (!(square > r->low && square <= r->high)) continue;
        if (exact_square(a, c->row[i], b, cell * CELL + j, c->d->x->cols) > r->square) continue;
        c->hits[i]++;
        c->lane[j]++;
    }
}

static void give(int64_t *lacking, int64_t found)
{
    *lacking = *lacking > found ? *lacking - found : 0;
}

/* Count cell i of a and cell j of b; `one` if they are the same cell. Where one side lacks nothing, only rows
 * of the other that do are measured. */
static void count_cells(counting *c, const block *a, int i, const block *b, int j, bool one)
{
    bool a_lacks = lacks(a, i), b_lacks = lacks(b, j);
    if (!a_lacks && !b_lacks) return;
    if (!a_lacks) {
        count_cells(c, b, j, a, i, one);
        return;
    }
    int n = list_rows(a, i, b_lacks, c->row);
    cell_squares(a, c->row, n, b, j, c->d->x->cols, c->square);
    count_hits(c->square, n, c->d->reach, c->hits, c->near, c->lane);
    for (int k = 0; k < n; k++) {
        if (c->near[k] != c->hits[k]) settle_borderline(c, a, k, b, j);
        give(&a->info[c->row[k]], c->hits[k]);
    }
    for (int k = 0; !one && k < CELL; k++) give(&b->info[j * CELL + k], c->lane[k]);
}

static bool block_lacks(const block *b)
{
    for (int i = 0; i < CELLS; i++)
        if (lacks(b, i)) return true;
    return false;
}

static tt_status meet(void *state, const block *a, const block *b)
{
    counting *c = state;
    unsigned char near[CELLS];
    float high = c->d->reach.high;
    int64_t cols = c->d->x->cols;
    if (!blocks_near(a, b, cols, high) || (!block_lacks(a) && !block_lacks(b))) return TT_OK;
    cells_near(a, b, cols, high, near);
    bool same = a->id == b->id;
    for (int i = 0; i < CELLS; i++)
        for (int j = same ? i : 0; j < CELLS; j++)
            if (near[i] >> j & 1) count_cells(c, a, i, b, j, same && i == j);
    return TT_OK;
}

static tt_status arrived(void *state, const block *visitor, int64_t n)
{
    counting *c = state;
    for (int64_t v = 0; v < n; v++)
        memcpy(c->carried + v * TT_BLOCK_ROWS, visitor[v].info, TT_BLOCK_ROWS * sizeof *c->carried);
    return TT_OK;
}

/* What all ranks found for the visitors goes to their owner. */
static tt_status leave(void *state, const block *visitor, int64_t n, int owner)
{
    counting *c = state;
    const space *s = &c->d->space;
    bool own = owner == s->x->comm->rank;
    memset(c->gained, 0, (size_t)n * TT_BLOCK_ROWS * sizeof *c->gained);
    for (int64_t v = 0; v < n && !own; v++)
        for (int i = 0; i < TT_BLOCK_ROWS; i++)
            c->gained[v * TT_BLOCK_ROWS + i] = c->carried[v * TT_BLOCK_ROWS + i] - visitor[v].info[i];
    MPI_Reduce(own ? MPI_IN_PLACE : c->gained, c->gained, (int)n * TT_BLOCK_ROWS, MPI_INT64_T, MPI_SUM, owner,
               s->x->comm->mpi);
    for (int64_t v = 0; v < n && own; v++) {
        block b = space_block(s, visitor[v].id - s->first_block);
        for (int i = 0; i < TT_BLOCK_ROWS; i++) give(&b.info[i], c->gained[v * TT_BLOCK_ROWS + i]);
    }
    return TT_OK;
}

tt_status dbscan_count(dbscan *d)
{
    space *s = &d->space;
    counting *c = NULL;
    int64_t room = pass_visitors(s) * TT_BLOCK_ROWS;
    pass p = {.label = "dbscan: count neighbours", .symmetric = true, .meet = meet, .at = d->at};
    p.arrived = arrived;
    p.leave = leave;
    tt_status status = tt_alloc(1, sizeof *c, "DBSCAN", &c);
    if (status == TT_OK) status = tt_alloc(room, sizeof *c->carried, "DBSCAN", &c->carried);
    if (status == TT_OK) status = tt_alloc(room, sizeof *c->gained, "DBSCAN", &c->gained);
    status = tt_agree(s->x->comm, status);
    if (status == TT_OK) {
        c->d = d;
        p.state = c;
        status = pass_run(s, &p);
        d->at = p.at;
    }
    if (c) {
        free(c->carried);
        free(c->gained);
    }
    free(c);
    for (int64_t i = 0; status == TT_OK && i < s->rows.end - s->rows.begin; i++)
        d->core[i] = space_block(s, i / TT_BLOCK_ROWS).info[i % TT_BLOCK_ROWS] == 0;
    return status;
}
