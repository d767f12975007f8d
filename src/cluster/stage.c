#include "tutti/cluster.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>

enum { COLUMNS_PER_JOB = 4 };

/* One clustering that has been made. */
typedef struct made {
    tt_range rows; /* of this rank */
    tt_kmeans fit;
    int64_t n_rows;
    char *name[COLUMNS_PER_JOB]; /* paths of label, centroids, inertia, n_iter */
} made;

static void free_made(made *list, int n)
{
    for (int i = 0; list && i < n; i++) {
        tt_kmeans_free(&list[i].fit);
        for (int c = 0; c < COLUMNS_PER_JOB; c++) free(list[i].name[c]);
    }
    free(list);
}

static tt_status name_columns(const char *group, made *m)
{
    static const char *const leaves[COLUMNS_PER_JOB] = {"label", "centroids", "inertia", "n_iter"};
    for (int c = 0; c < COLUMNS_PER_JOB; c++) TT_TRY(tt_format(&m->name[c], "%s/%s", group, leaves[c]));
    return TT_OK;
}

static tt_status make(const tt_comm *comm, const tt_kmeans_params *params, uint64_t seed,
                      const tt_cluster_job *job, made *out)
{
    tt_matrix x;
    TT_TRY(tt_agree(comm, name_columns(job->group, out)));
    TT_TRY(tt_matrix_read(comm, job->input, "/x", &x));
    out->n_rows = x.rows;
    out->rows = (tt_range){x.first, x.first + x.count};
    tt_status s = tt_kmeans_fit(&x, params, seed, &out->fit);
    if (s == TT_OK)
        tt_info("k-means of %s: %lld rows, %d clusters, inertia %.6g after %d iterations", x.name,
                (long long)x.n_valid, out->fit.k, out->fit.inertia, out->fit.iterations);
    tt_matrix_free(&x);
    return s;
}

static void describe(const made *m, tt_column *columns)
{
    columns[0] = (tt_column){.name = m->name[0], .type = TT_I32, .n_dims = 1, .dims = {m->n_rows}};
    columns[1] =
        (tt_column){.name = m->name[1], .type = TT_F64, .n_dims = 2, .dims = {m->fit.k, m->fit.cols}};
    columns[2] = (tt_column){.name = m->name[2], .type = TT_F64, .n_dims = 1, .dims = {1}};
    columns[3] = (tt_column){.name = m->name[3], .type = TT_I32, .n_dims = 1, .dims = {1}};
}

static tt_status write_made(int rank, const made *m, tt_store *store)
{
    int32_t iterations = m->fit.iterations;
    TT_TRY(tt_store_write(store, m->name[0], m->rows.begin, m->rows.end - m->rows.begin, m->fit.label));
    if (rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(tt_store_write(store, m->name[1], 0, m->fit.k, m->fit.centroids));
    TT_TRY(tt_store_write(store, m->name[2], 0, 1, &m->fit.inertia));
    return tt_store_write(store, m->name[3], 0, 1, &iterations);
}

static tt_status publish(const tt_comm *comm, const tt_provenance *provenance, const made *list, int n,
                         tt_phases *phases, const char *output)
{
    tt_column *columns = NULL;
    tt_store *store = NULL;
    tt_status s = tt_alloc((int64_t)n * COLUMNS_PER_JOB, sizeof *columns, "columns of clusters", &columns);
    s = tt_agree(comm, s);
    for (int i = 0; s == TT_OK && i < n; i++) describe(&list[i], columns + (ptrdiff_t)i * COLUMNS_PER_JOB);
    if (s == TT_OK) s = tt_store_create(comm, output, provenance, columns, n * COLUMNS_PER_JOB, &store);
    free(columns);
    TT_TRY(s);
    for (int i = 0; s == TT_OK && i < n; i++) s = write_made(comm->rank, &list[i], store);
    return tt_store_publish(store, phases, s);
}

tt_status tt_cluster(const tt_comm *comm, const tt_cluster_params *params, const tt_provenance *provenance,
                     const tt_cluster_job *jobs, int n_jobs, const char *output)
{
    made *list = NULL;
    tt_phases phases = {0};
    tt_phase(&phases, "k-means");
    tt_status s = tt_agree(comm, tt_alloc(n_jobs, sizeof *list, "clusterings", &list));
    for (int i = 0; s == TT_OK && i < n_jobs; i++)
        s = make(comm, &params->kmeans, provenance->seed, &jobs[i], &list[i]);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = publish(comm, provenance, list, n_jobs, &phases, output);
    free_made(list, n_jobs);
    return s;
}
