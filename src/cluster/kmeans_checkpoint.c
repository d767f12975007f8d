#include "kmeans.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4 };

static void describe(const kmeans *m, tt_column columns[COLUMNS])
{
    columns[0] = (tt_column){.name = "/place", .type = TT_F64, .n_dims = 1, .dims = {KMEANS_PLACE}};
    columns[1] = (tt_column){.name = "/centre", .type = TT_F64, .n_dims = 2, .dims = {m->k, m->cols}};
    columns[2] = (tt_column){.name = "/best", .type = TT_F64, .n_dims = 2, .dims = {m->k, m->cols}};
    columns[3] = (tt_column){.name = "/weight", .type = TT_F64, .n_dims = 1, .dims = {m->k}};
}

static tt_status write_all(const kmeans *m, tt_store *store)
{
    if (m->points->x->comm->rank != 0) return TT_OK; /* the same on every rank */
    TT_TRY(tt_store_write(store, "/place", 0, KMEANS_PLACE, m->place));
    TT_TRY(tt_store_write(store, "/centre", 0, m->k, m->centre));
    TT_TRY(tt_store_write(store, "/weight", 0, m->k, m->weight));
    return tt_store_write(store, "/best", 0, m->k, m->best);
}

tt_status kmeans_checkpoint_write(kmeans *m, const tt_kmeans_params *params)
{
    tt_column columns[COLUMNS];
    tt_store *store;
    m->saved_at = tt_now();
    if (!params->checkpoint) return TT_OK;
    describe(m, columns);
    TT_TRY(tt_store_create(m->points->x->comm, params->checkpoint, params->provenance, columns, COLUMNS,
                           &store));
    return tt_store_publish(store, NULL, write_all(m, store));
}

/* Rank 0 reads; everybody gets it. Collective. */
static tt_status read_all(kmeans *m, tt_store *store)
{
    const tt_comm *comm = m->points->x->comm;
    int64_t bytes = m->k * m->cols * (int64_t)sizeof(double);
    tt_status s = TT_OK;
    if (comm->rank == 0) {
        s = tt_store_read(store, "/place", 0, KMEANS_PLACE, TT_F64, m->place);
        if (s == TT_OK) s = tt_store_read(store, "/centre", 0, m->k, TT_F64, m->centre);
        if (s == TT_OK) s = tt_store_read(store, "/weight", 0, m->k, TT_F64, m->weight);
        if (s == TT_OK) s = tt_store_read(store, "/best", 0, m->k, TT_F64, m->best);
    }
    TT_TRY(tt_agree(comm, s));
    TT_TRY(tt_broadcast(comm, m->place, (int64_t)sizeof m->place, 0));
    TT_TRY(tt_broadcast(comm, m->weight, m->k * (int64_t)sizeof *m->weight, 0));
    TT_TRY(tt_broadcast(comm, m->centre, bytes, 0));
    return tt_broadcast(comm, m->best, bytes, 0);
}

static tt_status take_up(kmeans *m, const char *path)
{
    tt_column column = {0};
    tt_store *store = NULL;
    bool found = false;
    tt_status s = tt_store_open(m->points->x->comm, path, &store);
    if (s == TT_OK) s = tt_store_column(store, "/centre", &column, &found);
    bool fits = found && column.n_dims == 2 && column.dims[0] == m->k && column.dims[1] == m->cols;
    if (s == TT_OK && !fits) s = tt_fail(TT_ERR_INPUT, "%s is of other centroids", path);
    if (s == TT_OK) s = read_all(m, store);
    tt_store_close(store);
    return s;
}

tt_status checkpoint_is_ours(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                             bool *ours)
{
    char *fingerprint = NULL;
    int64_t same = 0;
    tt_status s = TT_OK;
    *ours = false;
    if (!path) return TT_OK;
    if (comm->rank == 0) {
        s = tt_store_fingerprint(path, &fingerprint);
        same = fingerprint && strcmp(fingerprint, provenance->fingerprint) == 0;
    }
    free(fingerprint);
    *ours = tt_max_i64(comm, same) > 0;
    return tt_agree(comm, s);
}

tt_status kmeans_checkpoint_read(kmeans *m, const tt_kmeans_params *params, bool *found)
{
    const tt_comm *comm = m->points->x->comm;
    TT_TRY(checkpoint_is_ours(comm, params->checkpoint, params->provenance, found));
    if (!*found) return TT_OK;
    tt_status s = take_up(m, params->checkpoint);
    if (s == TT_ERR_MEMORY || s == TT_ERR_INTERNAL) return s;
    *found = s == TT_OK;
    if (!*found) memset(m->place, 0, sizeof m->place);
    if (!*found && comm->rank == 0) tt_warn("checkpoint not used, k-means starts anew: %s", tt_message());
    return TT_OK;
}
