#include "scores.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>

void scores_columns(int64_t components, int64_t cols, tt_column columns[SCORES_COLUMNS])
{
    columns[0] = (tt_column){.name = "/components", .type = TT_F64, .n_dims = 2, .dims = {components, cols}};
    columns[1] =
        (tt_column){.name = "/explained_variance", .type = TT_F64, .n_dims = 1, .dims = {components}};
}

tt_status scores_write(tt_store *store, const tt_pca *pca)
{
    TT_TRY(tt_store_write(store, "/components", 0, pca->components, pca->axes));
    return tt_store_write(store, "/explained_variance", 0, pca->components, pca->explained_variance);
}

tt_status clip_track_read(const tt_matrix *x, tt_store *store, clip_track *out)
{
    tt_column column;
    *out = (clip_track){0};
    TT_TRY(tt_store_column(store, "/clip/track", &column, &out->found));
    out->found = out->found && column.type != TT_TEXT && column.n_dims == 1 && column.dims[0] == x->rows;
    if (!out->found) return TT_OK;
    tt_status s = tt_alloc(x->count, sizeof *out->track, "tracks of clips", &out->track);
    if (s == TT_OK) s = tt_store_read(store, "/clip/track", x->first, x->count, TT_I64, out->track);
    return tt_agree(x->comm, s);
}

/* What `tutti pca` writes. */
typedef struct pca_file {
    const tt_matrix *x;
    tt_pca pca;
    clip_track clips;
    float *scores;
} pca_file;

static tt_status write_file(const tt_comm *comm, const pca_file *f, tt_store *store)
{
    const tt_matrix *x = f->x;
    TT_TRY(tt_store_write(store, "/x", x->first, x->count, f->scores));
    TT_TRY(tt_store_write(store, "/valid", x->first, x->count, x->valid));
    if (f->clips.found) TT_TRY(tt_store_write(store, "/clip/track", x->first, x->count, f->clips.track));
    if (comm->rank != 0) return TT_OK;
    TT_TRY(tt_store_write(store, "/mean", 0, x->cols, f->pca.mean));
    return scores_write(store, &f->pca);
}

static tt_status publish(const tt_comm *comm, const pca_file *f, const tt_provenance *provenance,
                         tt_phases *phases, const char *output)
{
    const tt_matrix *x = f->x;
    tt_store *store;
    tt_column columns[4 + SCORES_COLUMNS] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {x->rows, f->pca.components}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {x->rows}},
        {.name = "/mean", .type = TT_F64, .n_dims = 1, .dims = {x->cols}}};
    int n = 3;
    if (f->clips.found)
        columns[n++] = (tt_column){.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {x->rows}};
    scores_columns(f->pca.components, x->cols, columns + n);
    TT_TRY(tt_store_create(comm, output, provenance, columns, n + SCORES_COLUMNS, &store));
    return tt_store_publish(store, phases, write_file(comm, f, store));
}

/* Components, scores and companions of a matrix. Collective. */
static tt_status analyse(pca_file *f, const char *input, int64_t components)
{
    const tt_matrix *x = f->x;
    tt_store *store = NULL;
    int64_t most = x->cols < x->n_valid - 1 ? x->cols : x->n_valid - 1;
    if (components > most && most >= 1) {
        tt_warn("pca: %s has %lld components to keep, not %lld", x->name, (long long)most,
                (long long)components);
        components = most;
    }
    TT_TRY(tt_pca_fit(x, components, &f->pca));
    tt_status s = tt_alloc(x->count * components, sizeof *f->scores, "scores", &f->scores);
    if (s == TT_OK) s = tt_pca_transform(&f->pca, x, f->scores);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_store_open_spec(x->comm, input, "/x", &store, NULL);
    if (s == TT_OK) s = clip_track_read(x, store, &f->clips);
    tt_store_close(store);
    return s;
}

tt_status tt_pca_stage(const tt_comm *comm, const tt_provenance *provenance, const char *input,
                       int64_t components, const char *output)
{
    tt_matrix x;
    pca_file f = {.x = &x};
    tt_phases phases = {0};
    tt_phase(&phases, "read");
    TT_TRY(tt_matrix_read(comm, input, "/x", &x));
    tt_phase(&phases, "components");
    tt_status s = analyse(&f, input, components);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = publish(comm, &f, provenance, &phases, output);
    free(f.clips.track);
    free(f.scores);
    tt_pca_free(&f.pca);
    tt_matrix_free(&x);
    return s;
}
