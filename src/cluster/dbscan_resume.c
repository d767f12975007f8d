/* The checkpoint: what is known of every row of the matrix, so that any number of ranks can go on from it.
 * The place within a pass counts for as many ranks as wrote it: others know the same and look at all pairs
 * again, most of which they skip. */
#include "cluster/dbscan.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Place in the file; counts are exact below 2^53. */
enum { AT_PHASE, AT_RANKS, AT_APART, AT_VISITED, AT_N };

static void take(int64_t *at, int64_t value)
{
    *at = value;
}

/* What is known of this rank's row i: neighbours it lacks in the first phase, its root later. */
static int64_t *known(const dbscan *d, int64_t i)
{
    if (d->phase > DBSCAN_COUNT) return &d->root[i];
    int64_t *info = space_block(&d->space, i / TT_BLOCK_ROWS).info;
    return info + i % TT_BLOCK_ROWS;
}

/* What is known, two words per row of the matrix, at its rank. Collective. */
static tt_status send_home(const dbscan *d, directory *state, directory *core)
{
    int64_t n = d->space.rows.end - d->space.rows.begin;
    letter *letters;
    TT_TRY(tt_agree(d->x->comm, tt_alloc(n, sizeof *letters, "a checkpoint", &letters)));
    for (int64_t i = 0; i < n; i++) letters[i] = (letter){d->space.origin[i], *known(d, i)};
    tt_status s = directory_send(state, letters, n, take);
    for (int64_t i = 0; i < n; i++) letters[i].value = d->core[i];
    if (s == TT_OK) s = directory_send(core, letters, n, take);
    free(letters);
    return s;
}

static tt_status write_rows(const dbscan *d, tt_store *store, const directory *state, const directory *core)
{
    const double at[AT_N] = {d->phase, d->x->comm->size, (double)d->at.apart, (double)d->at.visited};
    TT_TRY(tt_store_write(store, "/state", d->x->first, d->x->count, state->value));
    TT_TRY(tt_store_write(store, "/core", d->x->first, d->x->count, core->value));
    return d->x->comm->rank == 0 ? tt_store_write(store, "/place", 0, AT_N, at) : TT_OK;
}

static tt_status directory_new(const tt_matrix *x, directory *d)
{
    *d = directory_of(x);
    return tt_alloc(x->count, sizeof *d->value, "a checkpoint", &d->value);
}

tt_status dbscan_save(const dbscan *d)
{
    const tt_column columns[] = {
        {.name = "/state", .type = TT_I64, .n_dims = 1, .dims = {d->x->rows}},
        {.name = "/core", .type = TT_I64, .n_dims = 1, .dims = {d->x->rows}},
        {.name = "/place", .type = TT_F64, .n_dims = 1, .dims = {AT_N}},
    };
    directory state = {0}, core = {0};
    tt_store *store = NULL;
    if (!d->params->checkpoint) return TT_OK;
    tt_status s = directory_new(d->x, &state);
    if (s == TT_OK) s = directory_new(d->x, &core);
    s = tt_agree(d->x->comm, s);
    if (s == TT_OK) s = send_home(d, &state, &core);
    if (s == TT_OK)
        s = tt_store_create(d->x->comm, d->params->checkpoint, d->params->provenance, columns, 3, &store);
    if (s == TT_OK) s = tt_store_publish(store, NULL, write_rows(d, store, &state, &core));
    free(core.value);
    free(state.value);
    return s;
}

/* Whether rank 0 sees a checkpoint of this run. Collective. */
static tt_status is_ours(const dbscan *d, bool *ours)
{
    char *fingerprint = NULL;
    int64_t same = 0;
    tt_status s = TT_OK;
    if (d->x->comm->rank == 0) {
        s = tt_store_fingerprint(d->params->checkpoint, &fingerprint);
        same = fingerprint && strcmp(fingerprint, d->params->provenance->fingerprint) == 0;
    }
    free(fingerprint);
    *ours = tt_max_i64(d->x->comm, same) > 0;
    return tt_agree(d->x->comm, s);
}

static tt_status read_rows(tt_store *store, const tt_matrix *x, directory *state, directory *core,
                           double at[AT_N])
{
    TT_TRY(tt_store_read(store, "/state", x->first, x->count, TT_I64, state->value));
    TT_TRY(tt_store_read(store, "/core", x->first, x->count, TT_I64, core->value));
    return tt_store_read(store, "/place", 0, AT_N, TT_F64, at);
}

/* What a checkpoint knows goes to the rows in their present order. Collective. */
static tt_status fetch(dbscan *d, const directory *state, const directory *core, const double at[AT_N])
{
    int64_t n = d->space.rows.end - d->space.rows.begin, *value;
    bool same_ranks = (int)at[AT_RANKS] == d->x->comm->size;
    TT_TRY(tt_agree(d->x->comm, tt_alloc(2 * n, sizeof *value, "a checkpoint", &value)));
    tt_status s = directory_ask(state, d->space.origin, n, value);
    if (s == TT_OK) s = directory_ask(core, d->space.origin, n, value + n);
    if (s == TT_OK) {
        d->phase = (int)at[AT_PHASE];
        if (same_ranks) d->at = (place){(int64_t)at[AT_APART], (int64_t)at[AT_VISITED]};
        d->resumed = true;
    }
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        /* neighbours that are counted half are of use only to those who know which half */
        bool half = d->phase == DBSCAN_COUNT && value[i] > 0 && !same_ranks;
        *known(d, i) = half ? d->params->min_samples : value[i];
        d->core[i] = value[n + i] != 0;
        if (d->phase > DBSCAN_COUNT) found_forget(d, i);
    }
    free(value);
    return s;
}

static tt_status read_checkpoint(tt_store *store, const tt_matrix *x, directory *state, directory *core,
                                 double at[AT_N])
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_column(store, "/state", &column, &found));
    tt_status s = directory_new(x, state);
    if (s == TT_OK) s = directory_new(x, core);
    if (s == TT_OK && (!found || column.dims[0] != x->rows))
        s = tt_fail(TT_ERR_INPUT, "%s is not of these rows", tt_store_path(store));
    if (s == TT_OK) s = read_rows(store, x, state, core, at);
    return tt_agree(x->comm, s);
}

/* Where it goes on. */
static void say(const dbscan *d, const double at[AT_N])
{
    static const char *const phase[] = {"count neighbours", "join core rows", "border rows", "done"};
    int ranks = (int)at[AT_RANKS];
    tt_info("DBSCAN goes on from %s: %s%s", d->params->checkpoint, phase[d->phase],
            ranks == d->x->comm->size ? "" : ", of other ranks: pairs are looked at again");
}

tt_status dbscan_resume(dbscan *d)
{
    directory state = {0}, core = {0};
    double at[AT_N];
    tt_store *store = NULL;
    bool ours = false;
    if (!d->params->checkpoint) return TT_OK;
    TT_TRY(is_ours(d, &ours));
    if (!ours) return TT_OK;
    tt_status s = tt_store_open(d->x->comm, d->params->checkpoint, &store);
    if (s == TT_OK) s = read_checkpoint(store, d->x, &state, &core, at);
    tt_store_close(store);
    if (s == TT_OK) {
        s = fetch(d, &state, &core, at);
        if (s == TT_OK) say(d, at);
    } else if (s == TT_ERR_INPUT || s == TT_ERR_IO) {
        if (d->x->comm->rank == 0) tt_warn("checkpoint not used, DBSCAN starts anew: %s", tt_message());
        s = TT_OK;
    }
    free(core.value);
    free(state.value);
    return s;
}
