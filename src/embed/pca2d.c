#include "tutti/embed.h"

#include "tutti/fuse.h"
#include "tutti/memory.h"

#include <stdlib.h>

enum { PLANE = 2 };

/* Scores on the plane [count, 2]; a matrix of one column has zeros as its second coordinate. */
static tt_status project(const tt_matrix *x, float *plane, double ratio[PLANE])
{
    tt_pca pca;
    float *scores = NULL;
    int64_t c = x->cols < PLANE ? x->cols : PLANE;
    TT_TRY(tt_pca_fit(x, c, &pca));
    tt_status s = tt_alloc(x->count * c, sizeof *scores, "scores", &scores);
    if (s == TT_OK) s = tt_pca_transform(&pca, x, scores);
    for (int64_t i = 0; s == TT_OK && i < x->count * c; i++) plane[i / c * PLANE + i % c] = scores[i];
    for (int64_t i = 0; i < c && pca.total_variance > 0; i++)
        ratio[i] = pca.explained_variance[i] / pca.total_variance;
    free(scores);
    tt_pca_free(&pca);
    return tt_agree(x->comm, s);
}

static tt_status write_rows(const tt_matrix *x, tt_store *store, const float *plane, const double *ratio)
{
    TT_TRY(tt_store_write(store, "/pca", x->first, x->count, plane));
    TT_TRY(tt_store_write(store, "/valid", x->first, x->count, x->valid));
    return x->comm->rank == 0 ? tt_store_write(store, "/explained_variance_ratio", 0, PLANE, ratio) : TT_OK;
}

static tt_status publish(const tt_matrix *x, const tt_provenance *provenance, tt_phases *phases,
                         const float *plane, const double *ratio, const char *output)
{
    tt_store *store;
    const tt_column columns[] = {
        {.name = "/pca", .type = TT_F32, .n_dims = 2, .dims = {x->rows, PLANE}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {x->rows}},
        {.name = "/explained_variance_ratio", .type = TT_F64, .n_dims = 1, .dims = {PLANE}}};
    TT_TRY(tt_store_create(x->comm, output, provenance, columns, 3, &store));
    return tt_store_publish(store, phases, write_rows(x, store, plane, ratio));
}

tt_status tt_embed(const tt_comm *comm, const tt_provenance *provenance, const char *input,
                   const char *output)
{
    tt_matrix x;
    float *plane = NULL;
    double ratio[PLANE] = {0};
    tt_phases phases = {0};
    tt_phase(&phases, "read");
    TT_TRY(tt_matrix_read(comm, input, "/mu", &x));
    tt_phase(&phases, "components");
    tt_status s = tt_agree(comm, tt_alloc(x.count * PLANE, sizeof *plane, "a plane", &plane));
    if (s == TT_OK) s = project(&x, plane, ratio);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = publish(&x, provenance, &phases, plane, ratio, output);
    free(plane);
    tt_matrix_free(&x);
    return s;
}
