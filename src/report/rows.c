/* What the pictures show of the rows: read by all ranks, each its own. */
#include "report/internal.h"

#include "tutti/corpus.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool file_is_there(const tt_comm *comm, const char *path)
{
    int there = comm->rank == 0 && path && access(path, R_OK) == 0;
    MPI_Bcast(&there, 1, MPI_INT, 0, comm->mpi);
    return there != 0;
}

/* ---- classes ---- */

void classes_free(classes *c)
{
    for (int64_t i = 0; c->name && i < c->n; i++) free(c->name[i]);
    free(c->name);
    free(c->size);
    *c = (classes){0};
}

static tt_status name_classes(const tt_cell *cells, int64_t n, char *const *names, classes *out)
{
    *out = (classes){0};
    TT_TRY(tt_alloc(n, sizeof *out->size, "classes", &out->size));
    TT_TRY(tt_alloc(n, sizeof *out->name, "classes", &out->name));
    out->n = n;
    for (int64_t i = 0; i < n; i++) {
        out->size[i] = cells[i].count;
        if (names)
            TT_TRY(tt_copy_text(names[cells[i].label], &out->name[i]));
        else
            TT_TRY(tt_format(&out->name[i], "%d", (int)cells[i].label));
    }
    return TT_OK;
}

static int compare_labels(const void *a, const void *b)
{
    const tt_cell *x = a, *y = b;
    return (x->label > y->label) - (x->label < y->label);
}

/* Classes of the codes [count] over all ranks, which are replaced by indices. @param names  of each code, or
 * NULL: its number. Collective. */
static tt_status classes_of(const tt_comm *comm, int64_t count, int32_t *code, char *const *names,
                            classes *out)
{
    tt_cell *cells;
    int64_t n;
    TT_TRY(tt_contingency(comm, count, code, NULL, &cells, &n));
    tt_status s = tt_agree(comm, name_classes(cells, n, names, out));
    for (int64_t i = 0; s == TT_OK && i < count; i++) {
        tt_cell key = {code[i], 0, 0};
        const tt_cell *at =
            code[i] < 0 ? NULL : bsearch(&key, cells, (size_t)n, sizeof *cells, compare_labels);
        code[i] = at ? (int32_t)(at - cells) : -1;
    }
    free(cells);
    return s;
}

tt_status genres_of(const tt_comm *comm, const char *manifest, int64_t count, int32_t *code, classes *out)
{
    tt_store *store;
    char **names = NULL;
    int n;
    TT_TRY(tt_store_open(comm, manifest, &store));
    tt_status s = tt_manifest_labels(comm, store, "genre", &names, &n);
    tt_store_close(store);
    if (s == TT_OK) s = classes_of(comm, count, code, names, out);
    free(names);
    return s;
}

/* ---- rows ---- */

void run_rows_free(run_rows *r)
{
    free(r->xy);
    free(r->valid);
    free(r->genre);
    free(r->cluster);
    classes_free(&r->genres);
    classes_free(&r->clusters);
}

/* Rows of a dataset, -1 if the file lacks it. Collective. */
static tt_status rows_in(tt_store *store, const char *dataset, int64_t *rows)
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_column(store, dataset, &column, &found));
    *rows = found ? column.dims[0] : -1;
    return TT_OK;
}

static void set_rows(run_rows *r, int64_t rows)
{
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, r->comm->size, r->comm->rank);
    r->rows = rows;
    r->first = mine.begin;
    r->count = mine.end - mine.begin;
}

/* Coordinates, their shares of variance and marks. Collective. */
static tt_status read_embedding(tt_store *store, run_rows *r)
{
    int64_t rows, marks, shares;
    TT_TRY(rows_in(store, "/pca", &rows));
    TT_TRY(rows_in(store, "/valid", &marks));
    TT_TRY(rows_in(store, "/explained_variance_ratio", &shares));
    if (rows < 0) return tt_fail(TT_ERR_INPUT, "%s has no dataset /pca", tt_store_path(store));
    set_rows(r, rows);
    tt_status s = tt_alloc(2 * r->count, sizeof *r->xy, "coordinates", &r->xy);
    if (s == TT_OK) s = tt_alloc(r->count, 1, "row marks", &r->valid);
    if (s == TT_OK) s = tt_store_read(store, "/pca", r->first, r->count, TT_F32, r->xy);
    if (s == TT_OK) memset(r->valid, 1, (size_t)r->count);
    if (s == TT_OK && marks == rows) s = tt_store_read(store, "/valid", r->first, r->count, TT_U8, r->valid);
    if (s == TT_OK && shares == 2)
        s = tt_store_read(store, "/explained_variance_ratio", 0, 2, TT_F64, r->share);
    return tt_agree(r->comm, s);
}

/* Clusters of the rows; left out if they are of other rows. Collective. */
static tt_status read_clusters(tt_store *store, run_rows *r)
{
    int64_t rows;
    TT_TRY(rows_in(store, "/kmeans/label", &rows));
    if (r->rows < 0 && rows >= 0) set_rows(r, rows);
    if (rows < 0 || rows != r->rows) {
        tt_info("report: the clusters are of %lld rows, the rest of the run has %lld: pictures by cluster "
                "are left out",
                (long long)rows, (long long)r->rows);
        return TT_OK;
    }
    tt_status s = tt_alloc(r->count, sizeof *r->cluster, "labels", &r->cluster);
    if (s == TT_OK) s = tt_store_read(store, "/kmeans/label", r->first, r->count, TT_I32, r->cluster);
    s = tt_agree(r->comm, s);
    for (int64_t i = 0; s == TT_OK && i < r->count; i++)
        if (r->valid && !r->valid[i]) r->cluster[i] = -1;
    if (s == TT_OK) s = classes_of(r->comm, r->count, r->cluster, NULL, &r->clusters);
    return s;
}

/* Collective. */
static tt_status read_genres(const tt_report_inputs *in, run_rows *r)
{
    int64_t rows;
    TT_TRY(tt_truth_from_manifest(r->comm, in->manifest, in->latents, "genre", &r->genre, &rows));
    if (rows != r->rows) {
        tt_info("report: the genres are of %lld rows, the rest of the run has %lld: pictures by genre are "
                "left out",
                (long long)rows, (long long)r->rows);
        free(r->genre);
        r->genre = NULL;
        return TT_OK;
    }
    for (int64_t i = 0; i < r->count; i++)
        if (r->valid && !r->valid[i]) r->genre[i] = -1;
    return genres_of(r->comm, in->manifest, r->count, r->genre, &r->genres);
}

static tt_status read_file(const tt_comm *comm, const char *path, tt_status (*read)(tt_store *, run_rows *),
                           run_rows *r)
{
    tt_store *store;
    if (!file_is_there(comm, path)) return TT_OK;
    TT_TRY(tt_store_open(comm, path, &store));
    tt_status s = read(store, r);
    tt_store_close(store);
    return s;
}

tt_status run_rows_read(const tt_comm *comm, const tt_report_inputs *in, run_rows *out)
{
    *out = (run_rows){.comm = comm, .rows = -1, .share = {NAN, NAN}};
    tt_status s = read_file(comm, in->embedding, read_embedding, out);
    if (s == TT_OK) s = read_file(comm, in->clusters, read_clusters, out);
    if (s == TT_OK && out->rows >= 0) {
        bool manifest = file_is_there(comm, in->manifest), latents = file_is_there(comm, in->latents);
        if (manifest && latents) s = read_genres(in, out);
    }
    if (s != TT_OK) run_rows_free(out);
    return s;
}

/* ---- sample ---- */

/* This rank's share of the sampled rows. */
static tt_status own_points(const run_rows *r, uint64_t seed, int64_t most, point **points, int64_t *n)
{
    tt_stream stream = {seed, TT_FOR_SAMPLE, 0};
    int64_t k = 0;
    TT_TRY(tt_alloc(most < r->count ? most : r->count, sizeof **points, "a sample of rows", points));
    for (int64_t order = 0; order < most; order++) {
        int64_t i = (int64_t)tt_random_permute(stream, (uint64_t)order, (uint64_t)r->rows) - r->first;
        if (i < 0 || i >= r->count || !r->valid[i]) continue;
        (*points)[k++] = (point){order, r->xy[2 * i], r->xy[2 * i + 1], r->genre ? r->genre[i] : -1,
                                 r->cluster ? r->cluster[i] : -1};
    }
    *n = k;
    return TT_OK;
}

static int compare_points(const void *a, const void *b)
{
    const point *p = a, *q = b;
    return (p->order > q->order) - (p->order < q->order);
}

/* Collective. @param bytes, at  [size] */
static tt_status gather_points(const tt_comm *comm, const point *own, int n, int *bytes, int *at, scatter *s)
{
    int mine = n * (int)sizeof *own;
    MPI_Gather(&mine, 1, MPI_INT, bytes, 1, MPI_INT, 0, comm->mpi);
    for (int k = 0; comm->rank == 0 && k < comm->size; k++) {
        at[k] = (int)((size_t)s->n * sizeof *own);
        s->n += bytes[k] / (int)sizeof *own;
    }
    TT_TRY(tt_agree(comm, tt_alloc(s->n, sizeof *own, "a sample of rows", &s->point)));
    MPI_Gatherv(own, mine, MPI_BYTE, s->point, bytes, at, MPI_BYTE, 0, comm->mpi);
    qsort(s->point, (size_t)s->n, sizeof *own, compare_points);
    return TT_OK;
}

tt_status sample_points(const run_rows *r, uint64_t seed, int64_t most, scatter *s)
{
    const tt_comm *comm = r->comm;
    point *own = NULL;
    int *bytes = NULL;
    int64_t n = 0, valid = 0;
    *s = (scatter){.share = {r->share[0], r->share[1]}};
    for (int64_t i = 0; i < r->count; i++) valid += r->valid[i] != 0;
    s->rows = tt_sum_i64(comm, valid);
    tt_status status = own_points(r, seed, most < r->rows ? most : r->rows, &own, &n);
    if (status == TT_OK) status = tt_alloc(2 * comm->size, sizeof *bytes, "a sample of rows", &bytes);
    status = tt_agree(comm, status);
    if (status == TT_OK) status = gather_points(comm, own, (int)n, bytes, bytes + comm->size, s);
    free(bytes);
    free(own);
    return status;
}
