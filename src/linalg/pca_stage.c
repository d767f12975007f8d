#include "tutti/fuse.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>

/* As many components as there is something to find in: no more than columns, and than rows less one. */
static tt_status usable_components(const tt_matrix *x, int64_t asked, int64_t *components)
{
    if (x->n_valid < 2)
        return tt_fail(TT_ERR_INPUT, "%s has %lld usable rows; principal components need at least 2", x->name,
                       (long long)x->n_valid);
    int64_t most = x->cols < x->n_valid - 1 ? x->cols : x->n_valid - 1;
    *components = asked < most ? asked : most;
    if (asked > most)
        tt_info("%s has %lld columns and %lld usable rows: %lld components, not %lld", x->name,
                (long long)x->cols, (long long)x->n_valid, (long long)most, (long long)asked);
    return TT_OK;
}

/* What is the same on every rank, written by rank 0. */
static tt_status write_model(const tt_comm *comm, tt_store *store, const tt_pca *pca)
{
    if (comm->rank != 0) return TT_OK;
    TT_TRY(tt_store_write(store, "/components", 0, pca->components, pca->axes));
    TT_TRY(tt_store_write(store, "/explained_variance", 0, pca->components, pca->explained_variance));
    return tt_store_write(store, "/mean", 0, pca->cols, pca->mean);
}

static tt_status write_rows(tt_store *store, const tt_pca *pca, const tt_matrix *x)
{
    float *scores;
    TT_TRY(tt_alloc(x->count * pca->components, sizeof *scores, "principal components", &scores));
    tt_status s = tt_pca_transform(pca, x, scores);
    if (s == TT_OK) s = tt_store_write(store, "/x", x->first, x->count, scores);
    if (s == TT_OK) s = tt_store_write(store, "/valid", x->first, x->count, x->valid);
    free(scores);
    return s;
}

static tt_status write_all(const tt_comm *comm, const tt_provenance *provenance, const tt_matrix *x,
                           const tt_pca *pca, tt_phases *phases, const char *output)
{
    const tt_column columns[] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {x->rows, pca->components}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {x->rows}},
        {.name = "/components", .type = TT_F64, .n_dims = 2, .dims = {pca->components, pca->cols}},
        {.name = "/explained_variance", .type = TT_F64, .n_dims = 1, .dims = {pca->components}},
        {.name = "/mean", .type = TT_F64, .n_dims = 1, .dims = {pca->cols}},
    };
    tt_store *store;
    TT_TRY(tt_store_create(comm, output, provenance, columns, sizeof columns / sizeof *columns, &store));
    tt_phase(phases, "write");
    tt_status s = write_model(comm, store, pca);
    if (s == TT_OK) s = write_rows(store, pca, x);
    tt_phase(phases, NULL);
    return tt_store_publish(store, phases, s);
}

tt_status tt_pca_stage(const tt_comm *comm, const tt_provenance *provenance, const char *input,
                       int64_t components, const char *output)
{
    tt_matrix x;
    tt_pca pca = {0};
    tt_phases phases = {0};
    tt_phase(&phases, "read");
    TT_TRY(tt_matrix_read(comm, input, "/x", &x));
    tt_phase(&phases, "fit");
    tt_status s = usable_components(&x, components, &components);
    if (s == TT_OK) s = tt_pca_fit(&x, components, &pca);
    if (s == TT_OK) s = write_all(comm, provenance, &x, &pca, &phases, output);
    tt_pca_free(&pca);
    tt_matrix_free(&x);
    return s;
}
