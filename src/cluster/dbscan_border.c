/* Rows that are not core go to the smallest root among the core rows within reach: of those whose neighbours
 * are all known, these are asked; others are measured again. A block's info is the root of each core row, -1
 * for others. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

#include <stdlib.h>

enum { BATCH = 8192 }; /* rows that ask at once */

static void take_smaller(int64_t *root, int64_t other)
{
    if (other >= 0 && (*root < 0 || other < *root)) *root = other;
}

/* ---- rows whose neighbours are known ---- */

/* Neighbours of the rows from `begin` to `end` that are not core, if `asked`, or else their roots to these
 * rows. @return how many */
static int64_t gather(dbscan *d, int64_t begin, int64_t end, int64_t *asked, const int64_t *root)
{
    int64_t n = 0;
    for (int64_t i = begin; i < end; i++) {
        const int64_t *neighbour;
        int64_t m = d->core[i] ? 0 : found_of(d, i, &neighbour);
        for (int64_t k = 0; k < m; k++, n++) {
            if (asked) asked[n] = neighbour[k];
            if (root) take_smaller(&d->root[i], root[n]);
        }
    }
    return n;
}

/* Collective. @param roots  of core rows, by row in spatial order @param work  [2, BATCH * found_most()] */
static tt_status ask_batches(dbscan *d, const directory *roots, int64_t *work)
{
    int64_t n = d->space.rows.end - d->space.rows.begin, *answer = work + BATCH * found_most(d);
    int64_t most = tt_max_i64(roots->comm, n);
    for (int64_t at = 0; at < most; at += BATCH) {
        int64_t begin = at < n ? at : n, end = at + BATCH < n ? at + BATCH : n;
        int64_t asked = gather(d, begin, end, work, NULL);
        TT_TRY(directory_ask(roots, work, asked, answer));
        gather(d, begin, end, NULL, answer);
    }
    return TT_OK;
}

/* Collective. */
static tt_status settle_known(dbscan *d)
{
    int64_t n = d->space.rows.end - d->space.rows.begin, *work = NULL;
    directory roots = d->found; /* the same rows */
    roots.width = 1;
    roots.value = NULL;
    tt_status s = tt_alloc(n, sizeof *roots.value, "roots of rows", &roots.value);
    if (s == TT_OK) s = tt_alloc(2 * BATCH * found_most(d), sizeof *work, "roots of rows", &work);
    s = tt_agree(roots.comm, s);
    for (int64_t i = 0; s == TT_OK && i < n; i++) roots.value[i] = d->core[i] ? d->root[i] : -1;
    if (s == TT_OK) s = ask_batches(d, &roots, work);
    free(work);
    free(roots.value);
    return s;
}

/* ---- the others ---- */

static bool is_unknown(const dbscan *d, int64_t i)
{
    return !d->core[i] && !found_all(d, i);
}

/* Smallest root of a cell, -1 if it has no core row. */
static int64_t least_root(const block *b, int cell)
{
    int64_t least = -1;
    for (int j = cell * CELL; j < (cell + 1) * CELL; j++) take_smaller(&least, b->info[j]);
    return least;
}

/* The rows [n] of block a, whose roots are `root`, against a cell of b. */
static void reach_cell(const dbscan *d, const block *a, const int *row, int n, const block *b, int cell,
                       int64_t *root)
{
    uint32_t hits[CELL];
    int wanting[CELL], lane[CELL], m = 0;
    int64_t least = least_root(b, cell);
    for (int k = 0; least >= 0 && k < n; k++)
        if (root[row[k]] < 0 || root[row[k]] > least) wanting[m++] = row[k];
    if (m == 0) return;
    cell_hits(&d->reach, a, wanting, m, b, cell, d->x->cols, hits);
    for (int k = 0; k < m; k++) {
        int found = list_bits(hits[k], cell * CELL, lane);
        for (int l = 0; l < found; l++) take_smaller(&root[wanting[k]], b->info[lane[l]]);
    }
}

static tt_status meet(void *state, const block *a, const block *b)
{
    const dbscan *d = state;
    unsigned char near[CELLS];
    int64_t first = (a->id - d->space.first_block) * TT_BLOCK_ROWS;
    if (!blocks_near(a, b, d->x->cols, d->reach.high)) return TT_OK;
    cells_near(a, b, d->x->cols, d->reach.high, near);
    for (int i = 0; i < CELLS; i++) {
        int row[CELL], n = 0;
        for (int r = i * CELL; near[i] && r < (i + 1) * CELL && r < a->rows; r++)
            if (is_unknown(d, first + r)) row[n++] = r;
        for (int j = 0; n > 0 && j < CELLS; j++)
            if (near[i] >> j & 1) reach_cell(d, a, row, n, b, j, d->root + first);
    }
    return TT_OK;
}

/* Collective. */
static tt_status measure_unknown(dbscan *d)
{
    const space *s = &d->space;
    pass p = {.label = "dbscan: border rows", .state = d, .meet = meet, .at = d->at};
    for (int64_t i = 0; i < s->blocks; i++) {
        block b = space_block(s, i);
        for (int r = 0; r < TT_BLOCK_ROWS; r++) {
            int64_t row = i * TT_BLOCK_ROWS + r;
            b.info[r] = r < b.rows && d->core[row] ? d->root[row] : -1;
        }
    }
    tt_status status = pass_run(s, &p);
    d->at = p.at;
    return status;
}

tt_status dbscan_border(dbscan *d)
{
    int64_t unknown = 0;
    TT_TRY(settle_known(d));
    for (int64_t i = 0; i < d->space.rows.end - d->space.rows.begin; i++) unknown += is_unknown(d, i);
    return tt_max_i64(d->x->comm, unknown) > 0 ? measure_unknown(d) : TT_OK;
}
