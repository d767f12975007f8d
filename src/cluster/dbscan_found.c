/* Neighbours that counting came upon: with them core rows are joined and border rows settled without being
 * measured again. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

enum { FORGOTTEN = -1 }; /* in place of how many are missing */

int64_t found_most(const dbscan *d)
{
    return d->found.width - 1;
}

static int64_t *found_at(const dbscan *d, int64_t i)
{
    return d->found.value + i * d->found.width;
}

tt_status found_new(dbscan *d)
{
    const space *s = &d->space;
    int64_t n = s->rows.end - s->rows.begin, most = d->params->min_samples - 1;
    d->found = (directory){.comm = s->x->comm, .rows = s->x->n_valid, .first = s->rows.begin};
    d->found.width = 1 + (most < FOUND ? most : FOUND);
    TT_TRY(tt_alloc(n * d->found.width, sizeof *d->found.value, "neighbours", &d->found.value));
    for (int64_t i = 0; i < n; i++) *found_at(d, i) = found_most(d);
    return TT_OK;
}

void found_add(int64_t *found, int64_t neighbour)
{
    if (found[0] > 0) found[found[0]--] = neighbour;
}

int64_t found_of(const dbscan *d, int64_t i, const int64_t **neighbour)
{
    const int64_t *found = found_at(d, i);
    *neighbour = found + found[0] + 1;
    return found[0] == FORGOTTEN ? 0 : found_most(d) - found[0];
}

bool found_all(const dbscan *d, int64_t i)
{
    return *found_at(d, i) != FORGOTTEN;
}

void found_forget(dbscan *d, int64_t i)
{
    *found_at(d, i) = FORGOTTEN;
}
