/* What the pictures show of the rows: read by all ranks, each its own. */
#include "report/internal.h"

#include "tutti/corpus.h"
#include "tutti/log.h"
#include "tutti/matrix.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const kind_words kind_words_of[KINDS] = {
    [BY_GENRE] = {"genre", "genre", "genre", "genres", "unknown"},
    [BY_LANGUAGE] = {"language", "language", "language", "languages", "unknown"},
    [BY_KMEANS] = {"kmeans", "cluster", "k-means cluster", "clusters", "noise"},
    [BY_AGGLOMERATIVE] = {"agglomerative", "agglomerative", "agglomerative cluster", "clusters", "noise"},
    [BY_DBSCAN] = {"dbscan", "dbscan", "DBSCAN cluster", "clusters", "noise"},
};

const char *rows_word(const run_rows *r)
{
    return r->by_track ? "tracks" : "clips";
}

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

/* Classes of a column of the manifest. Collective. */
static tt_status truths_of(const tt_comm *comm, const char *manifest, const char *column, int64_t count,
                           int32_t *code, classes *out)
{
    tt_store *store;
    char **names = NULL;
    int n;
    TT_TRY(tt_store_open(comm, manifest, &store));
    tt_status s = tt_manifest_labels(comm, store, column, &names, &n);
    tt_store_close(store);
    if (s == TT_OK) s = classes_of(comm, count, code, names, out);
    free(names);
    return s;
}

tt_status genres_of(const tt_comm *comm, const char *manifest, int64_t count, int32_t *code, classes *out)
{
    return truths_of(comm, manifest, "genre", count, code, out);
}

/* ---- rows ---- */

void run_rows_free(run_rows *r)
{
    free(r->xy);
    free(r->valid);
    for (int k = 0; k < KINDS; k++) {
        free(r->of[k].code);
        classes_free(&r->of[k].classes);
    }
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

/* Put the rows in the middle of those of their track: a linear map of means is the mean of what is mapped.
 * Collective. @param track  [r->count] */
static tt_status place_tracks(run_rows *r, const int64_t *track, int64_t tracks)
{
    const tt_matrix clips = {.comm = r->comm,
                             .rows = r->rows,
                             .first = r->first,
                             .count = r->count,
                             .cols = 2,
                             .data = r->xy,
                             .valid = r->valid};
    float *mean = NULL;
    int64_t *n = NULL;
    unsigned char *valid = NULL;
    tt_status s = tt_track_means(&clips, track, tracks, 2, r->xy, &mean, &n);
    set_rows(r, tracks);
    if (s == TT_OK) s = tt_agree(r->comm, tt_alloc(r->count, 1, "row marks", &valid));
    for (int64_t i = 0; s == TT_OK && i < r->count; i++) valid[i] = n[i] > 0;
    free(n);
    free(r->xy);
    free(r->valid);
    r->xy = mean;
    r->valid = valid;
    return s;
}

/* The coordinates of clips become those of `tracks` tracks; they are given up where the clips' tracks are not
 * known. Collective. */
static tt_status average_clips(const char *latents, int64_t tracks, run_rows *r)
{
    tt_store *store;
    int64_t rows = -1, *track = NULL;
    TT_TRY(tt_store_open(r->comm, latents, &store));
    tt_status s = tt_agree(r->comm, rows_in(store, "/clip/track", &rows));
    bool known = s == TT_OK && rows == r->rows;
    if (known) {
        s = tt_alloc(r->count, sizeof *track, "tracks of clips", &track);
        if (s == TT_OK) s = tt_store_read(store, "/clip/track", r->first, r->count, TT_I64, track);
        for (int64_t i = 0; s == TT_OK && i < r->count; i++)
            if (track[i] < 0 || track[i] >= tracks)
                s = tt_fail(TT_ERR_INPUT, "%s:/clip/track names track %lld, but %lld tracks were clustered",
                            latents, (long long)track[i], (long long)tracks);
        s = tt_agree(r->comm, s);
    }
    tt_store_close(store);
    if (s == TT_OK && known)
        s = place_tracks(r, track, tracks);
    else if (s == TT_OK) {
        free(r->xy);
        free(r->valid);
        r->xy = NULL;
        r->valid = NULL;
        set_rows(r, tracks);
    }
    free(track);
    return s;
}

/* Clusters of the rows by one method; left out if they are of other rows. Collective. */
static tt_status read_clusters(tt_store *store, kind by, run_rows *r)
{
    int64_t rows;
    char dataset[64];
    labelling *l = &r->of[by];
    snprintf(dataset, sizeof dataset, "/%s/label", kind_words_of[by].key);
    TT_TRY(rows_in(store, dataset, &rows));
    if (rows < 0) return TT_OK;
    if (r->rows < 0) set_rows(r, rows);
    if (rows != r->rows) {
        tt_info("report: the clusters %s are of %lld rows, the rest of the run has %lld: pictures of them "
                "are left out",
                dataset, (long long)rows, (long long)r->rows);
        return TT_OK;
    }
    tt_status s = tt_alloc(r->count, sizeof *l->code, "labels", &l->code);
    if (s == TT_OK) s = tt_store_read(store, dataset, r->first, r->count, TT_I32, l->code);
    s = tt_agree(r->comm, s);
    for (int64_t i = 0; s == TT_OK && i < r->count; i++)
        if (r->valid && !r->valid[i]) l->code[i] = -1;
    return s == TT_OK ? classes_of(r->comm, r->count, l->code, NULL, &l->classes) : s;
}

/* Collective. */
static tt_status read_clusterings(const tt_report_inputs *in, run_rows *r)
{
    tt_store *store;
    int64_t tracks = -1;
    bool latents = file_is_there(r->comm, in->latents);
    if (!file_is_there(r->comm, in->clusters)) return TT_OK;
    TT_TRY(tt_store_open(r->comm, in->clusters, &store));
    tt_status s = tt_agree(r->comm, rows_in(store, "/clip/track", &tracks));
    r->by_track = tracks >= 0;
    if (s == TT_OK && r->by_track && r->xy && latents) s = average_clips(in->latents, tracks, r);
    for (int k = TRUTHS; s == TT_OK && k < KINDS; k++) s = read_clusters(store, (kind)k, r);
    tt_store_close(store);
    return s;
}

/* Collective. */
static tt_status read_truth(const tt_report_inputs *in, kind by, run_rows *r)
{
    int64_t rows;
    const kind_words *words = &kind_words_of[by];
    labelling *l = &r->of[by];
    TT_TRY(tt_truth_from_manifest(r->comm, in->manifest, r->by_track ? in->clusters : in->latents, words->key,
                                  &l->code, &rows));
    if (rows != r->rows) {
        tt_info("report: the %s are of %lld rows, the rest of the run has %lld: pictures by %s are left out",
                words->many, (long long)rows, (long long)r->rows, words->one);
        free(l->code);
        l->code = NULL;
        return TT_OK;
    }
    for (int64_t i = 0; i < r->count; i++)
        if (r->valid && !r->valid[i]) l->code[i] = -1;
    return truths_of(r->comm, in->manifest, words->key, r->count, l->code, &l->classes);
}

/* Collective. */
static tt_status read_coordinates(const char *embedding, run_rows *r)
{
    tt_store *store;
    if (!file_is_there(r->comm, embedding)) return TT_OK;
    TT_TRY(tt_store_open(r->comm, embedding, &store));
    tt_status s = read_embedding(store, r);
    tt_store_close(store);
    return s;
}

tt_status run_rows_read(const tt_comm *comm, const tt_report_inputs *in, run_rows *out)
{
    *out = (run_rows){.comm = comm, .rows = -1, .share = {NAN, NAN}};
    bool manifest = file_is_there(comm, in->manifest), latents = file_is_there(comm, in->latents);
    tt_status s = read_coordinates(in->embedding, out);
    if (s == TT_OK) s = read_clusterings(in, out);
    for (int k = 0; s == TT_OK && out->rows >= 0 && manifest && latents && k < TRUTHS; k++)
        s = read_truth(in, (kind)k, out);
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
        point *q = &(*points)[k++];
        *q = (point){.order = order, .x = r->xy[2 * i], .y = r->xy[2 * i + 1]};
        for (int by = 0; by < KINDS; by++) q->class[by] = r->of[by].code ? r->of[by].code[i] : -1;
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
