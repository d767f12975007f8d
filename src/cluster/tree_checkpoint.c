#include "cluster/tree_checkpoint.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"

#include <stdlib.h>
#include <string.h>

static const double save_interval = 300; /* seconds */

enum { AT_MERGES, AT_ROUNDS, AT_N, MERGE_N = 3 };

/* Marks the file as of this run, this tree and these points. */
static tt_status fingerprint_of(const tree_job *job, char **out)
{
    const tt_agglomerative_params *p = job->params;
    return tt_format(out, "%s %s %s %s %lld", p->provenance->fingerprint, tt_linkage_name(p->linkage),
                     tt_metric_name(p->metric), job->x.name, (long long)job->x.rows);
}

static tt_status write_rows(const tree_job *job, int k, const hit *mine, tt_store *store)
{
    const tt_matrix *x = &job->x;
    double *value = NULL, at[AT_N] = {(double)job->n, (double)job->rounds};
    int32_t *id = NULL;
    tt_status s = tt_alloc(x->count * k, sizeof *value, "a checkpoint", &value);
    if (s == TT_OK) s = tt_alloc(x->count * k, sizeof *id, "a checkpoint", &id);
    for (int64_t i = 0; s == TT_OK && i < x->count * k; i++) {
        value[i] = mine[i].value;
        id[i] = mine[i].id;
    }
    if (s == TT_OK) s = tt_store_write(store, "/nearest/value", x->first, x->count, value);
    if (s == TT_OK) s = tt_store_write(store, "/nearest/id", x->first, x->count, id);
    free(value);
    free(id);
    if (s != TT_OK || job->comm->rank != 0) return s;
    double *merges;
    TT_TRY(tt_alloc((x->rows - 1) * MERGE_N, sizeof *merges, "a checkpoint", &merges));
    for (int64_t i = 0; i < job->n; i++) {
        merges[i * MERGE_N] = job->merges[i].a;
        merges[i * MERGE_N + 1] = job->merges[i].b;
        merges[i * MERGE_N + 2] = job->merges[i].height;
    }
    s = tt_store_write(store, "/merges", 0, x->rows - 1, merges);
    free(merges);
    return s == TT_OK ? tt_store_write(store, "/place", 0, AT_N, at) : s;
}

tt_status tree_save(tree_job *job, int k, const hit *mine)
{
    const tt_agglomerative_params *p = job->params;
    if (!p->checkpoint) return TT_OK;
    const tt_column columns[] = {
        {.name = "/place", .type = TT_F64, .n_dims = 1, .dims = {AT_N}},
        {.name = "/merges", .type = TT_F64, .n_dims = 2, .dims = {job->x.rows - 1, MERGE_N}},
        {.name = "/nearest/value", .type = TT_F64, .n_dims = 2, .dims = {job->x.rows, k}},
        {.name = "/nearest/id", .type = TT_I32, .n_dims = 2, .dims = {job->x.rows, k}},
    };
    tt_provenance provenance = *p->provenance;
    char *fingerprint = NULL;
    tt_store *store = NULL;
    tt_status s = tt_agree(job->comm, fingerprint_of(job, &fingerprint));
    provenance.fingerprint = fingerprint;
    if (s == TT_OK)
        s = tt_store_create(job->comm, p->checkpoint, &provenance, columns,
                            (int)(sizeof columns / sizeof *columns), &store);
    if (s == TT_OK) s = tt_store_publish(store, NULL, write_rows(job, k, mine, store));
    free(fingerprint);
    job->saved = tt_now();
    return s;
}

/* Whether rank 0 sees a checkpoint of this tree. Collective. */
static tt_status is_ours(const tree_job *job, bool *ours)
{
    char *there = NULL, *expected = NULL;
    int64_t same = 0;
    tt_status s = TT_OK;
    if (job->comm->rank == 0) {
        s = fingerprint_of(job, &expected);
        if (s == TT_OK) s = tt_store_fingerprint(job->params->checkpoint, &there);
        same = s == TT_OK && there && strcmp(there, expected) == 0;
    }
    free(there);
    free(expected);
    *ours = tt_max_i64(job->comm, same) > 0;
    return tt_agree(job->comm, s);
}

static tt_status take_merges(tree_job *job, const double *at, const double *merges)
{
    int64_t points = job->x.rows;
    if (!(at[AT_MERGES] >= 0 && at[AT_MERGES] <= (double)(points - 1)))
        return tt_fail(TT_ERR_INPUT, "%s: /place does not fit", job->params->checkpoint);
    job->n = (int64_t)at[AT_MERGES];
    job->rounds = (uint64_t)at[AT_ROUNDS];
    for (int64_t i = 0; i < job->n; i++)
        job->merges[i] =
            (merge){(int32_t)merges[i * MERGE_N], (int32_t)merges[i * MERGE_N + 1], merges[i * MERGE_N + 2]};
    return TT_OK;
}

static tt_status read_hits(tt_store *store, int k, tt_range rows, hit *out)
{
    int64_t n = (rows.end - rows.begin) * k;
    double *value = NULL;
    int32_t *id = NULL;
    tt_status s = tt_alloc(n, sizeof *value, "a checkpoint", &value);
    if (s == TT_OK) s = tt_alloc(n, sizeof *id, "a checkpoint", &id);
    if (s == TT_OK) s = tt_store_read(store, "/nearest/value", rows.begin, n / k, TT_F64, value);
    if (s == TT_OK) s = tt_store_read(store, "/nearest/id", rows.begin, n / k, TT_I32, id);
    for (int64_t i = 0; s == TT_OK && i < n; i++) out[i] = (hit){value[i], id[i]};
    free(value);
    free(id);
    return s;
}

static tt_status read_rows(tree_job *job, tt_store *store, int k, tt_range rows, hit *out)
{
    double at[AT_N], *merges = NULL;
    int64_t points = job->x.rows;
    TT_TRY(tt_alloc((points - 1) * MERGE_N, sizeof *merges, "a checkpoint", &merges));
    tt_status s = tt_store_read(store, "/place", 0, AT_N, TT_F64, at);
    if (s == TT_OK) s = tt_store_read(store, "/merges", 0, points - 1, TT_F64, merges);
    if (s == TT_OK) s = read_hits(store, k, rows, out);
    if (s == TT_OK) s = take_merges(job, at, merges);
    free(merges);
    return s;
}

tt_status tree_load(tree_job *job, int k, tt_range rows, hit *out, bool *found)
{
    bool ours = false;
    *found = false;
    job->saved = tt_now();
    if (!job->params->checkpoint) return TT_OK;
    TT_TRY(is_ours(job, &ours));
    if (!ours) return TT_OK;
    tt_store *store = NULL;
    tt_status s = tt_store_open(job->comm, job->params->checkpoint, &store);
    if (s == TT_OK) s = tt_agree(job->comm, read_rows(job, store, k, rows, out));
    tt_store_close(store);
    if (s == TT_ERR_MEMORY || s == TT_ERR_INTERNAL) return s;
    *found = s == TT_OK;
    if (*found)
        tt_info("%s goes on from %s: %lld of %lld merges", tt_linkage_name(job->params->linkage),
                job->params->checkpoint, (long long)job->n, (long long)(job->x.rows - 1));
    else if (job->comm->rank == 0)
        tt_warn("checkpoint not used, the tree starts anew: %s", tt_message());
    if (!*found) job->n = 0;
    return TT_OK;
}

tt_status tree_pause(tree_job *job, int k, const hit *mine)
{
    tt_status stop = tt_stop_agree(job->comm);
    if (stop == TT_STOPPED) {
        TT_TRY(tree_save(job, k, mine));
        return tt_stop_agree(job->comm);
    }
    TT_TRY(stop);
    if (!job->params->checkpoint) return TT_OK;
    bool due = job->comm->rank == 0 && tt_now() - job->saved > save_interval;
    return tt_max_i64(job->comm, due) > 0 ? tree_save(job, k, mine) : TT_OK;
}
