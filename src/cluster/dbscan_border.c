/* Rows that are not core go to the smallest root among the core rows within reach. A block's info is the root
 * of each core row, -1 for others. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

int list_core(const dbscan *d, const block *own, int cell, bool core, int *row)
{
    const unsigned char *is_core = d->core + (own->id - d->space.first_block) * TT_BLOCK_ROWS;
    int n = 0;
    for (int i = cell * CELL; i < (cell + 1) * CELL && i < own->rows; i++)
        if ((is_core[i] != 0) == core) row[n++] = i;
    return n;
}

TT_KERNEL static void find_near(const float *square, int n, float high, int32_t *near)
{
    for (int i = 0; i < n; i++) {
        int32_t maybe = 0;
        for (int j = 0; j < CELL; j++) maybe += square[i * CELL + j] <= high;
        near[i] = maybe;
    }
}

void rows_near(const float *square, int n, float high, int32_t *near)
{
    find_near(square, n, high, near);
}

bool within(const dbscan *d, float square, const block *a, int i, const block *b, int j)
{
    if (square <= d->reach.low) return true;
    return square <= d->reach.high && exact_square(a, i, b, j, d->x->cols) <= d->reach.square;
}

/* Smallest root of a cell, -1 if it has no core row. */
static int64_t least_root(const block *b, int cell)
{
    int64_t least = -1;
    for (int j = cell * CELL; j < (cell + 1) * CELL; j++)
        if (b->info[j] >= 0 && (least < 0 || b->info[j] < least)) least = b->info[j];
    return least;
}

static void reach_row(const dbscan *d, const block *a, int i, const float *square, const block *b, int cell,
                      int64_t *root)
{
    for (int j = 0; j < CELL; j++) {
        int64_t info = b->info[cell * CELL + j];
        if (info < 0 || (*root >= 0 && info >= *root)) continue;
        if (within(d, square[j], a, i, b, cell * CELL + j)) *root = info;
    }
}

/* The rows [n] of cell i of a that are not core, against cell j of b. */
static void reach_cell(const dbscan *d, const block *a, const int *row, int n, const block *b, int j)
{
    _Alignas(64) float square[CELL * CELL];
    int32_t near[CELL];
    int wanting[CELL], m = 0;
    int64_t least = least_root(b, j), *root = d->root + (a->id - d->space.first_block) * TT_BLOCK_ROWS;
    for (int k = 0; least >= 0 && k < n; k++)
        if (root[row[k]] < 0 || root[row[k]] > least) wanting[m++] = row[k];
    if (m == 0) return;
    cell_squares(a, wanting, m, b, j, d->x->cols, square);
    rows_near(square, m, d->reach.high, near);
    for (int k = 0; k < m; k++)
        if (near[k]) reach_row(d, a, wanting[k], square + (ptrdiff_t)k * CELL, b, j, &root[wanting[k]]);
}

static tt_status meet(void *state, const block *a, const block *b)
{
    const dbscan *d = state;
    unsigned char near[CELLS];
    int row[CELL];
    if (!blocks_near(a, b, d->x->cols, d->reach.high)) return TT_OK;
    cells_near(a, b, d->x->cols, d->reach.high, near);
    for (int i = 0; i < CELLS; i++) {
        int n = near[i] ? list_core(d, a, i, false, row) : 0;
        for (int j = 0; n > 0 && j < CELLS; j++)
            if (near[i] >> j & 1) reach_cell(d, a, row, n, b, j);
    }
    return TT_OK;
}

tt_status dbscan_border(dbscan *d)
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
