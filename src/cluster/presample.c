#include "cluster/presample.h"

#include "tutti/cluster.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

void micro_free(micro_clusters *m)
{
    tt_matrix_free(&m->x);
    free(m->size);
    free(m->first_row);
    free(m->label);
    *m = (micro_clusters){0};
}

tt_status micro_checkpoint(const char *checkpoint, char **path)
{
    return tt_format(path, "%s.micro", checkpoint);
}

/* k-means of the rows as they are measured: about their origin, or at length 1. Collective. */
static tt_status cluster_rows(const tt_points *p, const tt_agglomerative_params *tree, uint64_t seed,
                              tt_kmeans *out)
{
    double *no_shift = NULL;
    char *checkpoint = NULL;
    tt_kmeans_params params = {.n_init = 1, .max_iter = 20, .tol = 1e-3, .provenance = tree->provenance};
    tt_status s = tt_int(tree->presample, "micro-clusters", &params.k);
    if (s == TT_OK && tree->checkpoint) s = micro_checkpoint(tree->checkpoint, &checkpoint);
    params.checkpoint = checkpoint;
    if (s == TT_OK) s = tt_alloc(p->x->cols, sizeof *no_shift, "column shifts", &no_shift);
    s = tt_agree(p->x->comm, s);
    tt_matrix view = *p->x;
    view.data = (float *)(uintptr_t)p->data; /* read only */
    view.shift = no_shift;
    if (s == TT_OK) s = tt_kmeans_fit(&view, &params, seed, out);
    free(checkpoint);
    free(no_shift);
    return s;
}

/* Collective. */
static void reduce(const tt_comm *comm, int64_t *value, int64_t n, MPI_Op op)
{
    for (int64_t at = 0; at < n; at += 1 << 20) {
        int part = (int)(n - at < 1 << 20 ? n - at : 1 << 20);
        MPI_Allreduce(MPI_IN_PLACE, value + at, part, MPI_INT64_T, op, comm->mpi);
    }
}

/* Rows of each cluster and the smallest of them. Collective. */
static void count_rows(const tt_matrix *x, const tt_kmeans *fit, int64_t *size, int64_t *first)
{
    for (int64_t c = 0; c < fit->k; c++) {
        size[c] = 0;
        first[c] = INT64_MAX;
    }
    for (int64_t i = x->count - 1; i >= 0; i--) {
        if (fit->label[i] < 0) continue;
        size[fit->label[i]]++;
        first[fit->label[i]] = x->first + i;
    }
    reduce(x->comm, size, fit->k, MPI_SUM);
    reduce(x->comm, first, fit->k, MPI_MIN);
}

/* Where fewer rows differ than there are to be clusters, some have no row: give each one of a cluster that
 * has more, and its centre. The tree joins such equal points at height 0, as it would join equal rows.
 * Collective.
 * @param empty  [n_empty] the clusters without rows */
static tt_status fill_clusters(const tt_matrix *x, const int64_t *empty, int64_t n_empty,
                               const int64_t *first, tt_kmeans *fit)
{
    int64_t spare = 0, *giver = NULL; /* 1 more than the cluster that gives, on the rank of the row */
    TT_TRY(tt_agree(x->comm, tt_alloc(n_empty, sizeof *giver, "micro-clusters", &giver)));
    for (int64_t i = 0; i < x->count; i++)
        spare += fit->label[i] >= 0 && first[fit->label[i]] != x->first + i;
    int64_t next = tt_prefix_i64(x->comm, spare);
    for (int64_t i = 0; i < x->count && next < n_empty; i++) {
        int32_t c = fit->label[i];
        if (c < 0 || first[c] == x->first + i) continue;
        giver[next] = c + 1;
        fit->label[i] = (int32_t)empty[next++];
    }
    reduce(x->comm, giver, n_empty, MPI_SUM);
    for (int64_t i = 0; i < n_empty; i++)
        memcpy(fit->centroids + empty[i] * fit->cols, fit->centroids + (giver[i] - 1) * fit->cols,
               (size_t)fit->cols * sizeof *fit->centroids);
    free(giver);
    return TT_OK;
}

/* Rows of each cluster, one at least, and the smallest of them. Collective. */
static tt_status take_rows(const tt_matrix *x, tt_kmeans *fit, int64_t *size, int64_t *first)
{
    int64_t *empty = NULL, n = 0;
    count_rows(x, fit, size, first);
    TT_TRY(tt_agree(x->comm, tt_alloc(fit->k, sizeof *empty, "micro-clusters", &empty)));
    for (int64_t c = 0; c < fit->k; c++)
        if (size[c] == 0) empty[n++] = c;
    tt_status s = n > 0 ? fill_clusters(x, empty, n, first, fit) : TT_OK;
    if (s == TT_OK && n > 0) count_rows(x, fit, size, first);
    free(empty);
    return s;
}

typedef struct by_row {
    int64_t first, cluster;
} by_row;

static int ascending(const void *left, const void *right)
{
    const by_row *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

/* Take the clusters of a fit in the order of their smallest rows. No MPI inside. */
static tt_status order_clusters(const tt_kmeans *fit, const int64_t *size, const int64_t *first,
                                int64_t count, micro_clusters *m)
{
    int64_t n = fit->k;
    by_row *order = NULL;
    int32_t *place = NULL;
    tt_status s = tt_alloc(n, sizeof *order, "micro-clusters", &order);
    if (s == TT_OK) s = tt_alloc(n, sizeof *place, "micro-clusters", &place);
    for (int64_t c = 0; s == TT_OK && c < n; c++) order[c] = (by_row){first[c], c};
    if (s == TT_OK) qsort(order, (size_t)n, sizeof *order, ascending);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        int64_t c = order[i].cluster, at = i - m->x.first;
        m->size[i] = (double)size[c];
        m->first_row[i] = first[c];
        place[c] = (int32_t)i;
        if (at < 0 || at >= m->x.count) continue;
        for (int64_t j = 0; j < fit->cols; j++)
            m->x.data[at * fit->cols + j] = (float)fit->centroids[c * fit->cols + j];
    }
    for (int64_t i = 0; s == TT_OK && i < count; i++)
        m->label[i] = fit->label[i] < 0 ? -1 : place[fit->label[i]];
    free(order);
    free(place);
    return s;
}

static tt_status allocate(const tt_matrix *x, int64_t n, micro_clusters *m, int64_t **count)
{
    TT_TRY(tt_alloc(n, sizeof *m->size, "micro-clusters", &m->size));
    TT_TRY(tt_alloc(n, sizeof *m->first_row, "micro-clusters", &m->first_row));
    TT_TRY(tt_alloc(x->count, sizeof *m->label, "micro-clusters", &m->label));
    return tt_alloc(2 * n, sizeof **count, "micro-clusters", count);
}

/* Micro-clusters from a fit. Collective. */
static tt_status take_fit(const tt_matrix *x, tt_kmeans *fit, micro_clusters *m)
{
    int64_t *count = NULL, n = fit->k;
    TT_TRY(tt_matrix_new(x->comm, x->name, n, x->cols, &m->x));
    tt_status s = tt_agree(x->comm, allocate(x, n, m, &count));
    if (s == TT_OK) s = take_rows(x, fit, count, count + n);
    if (s == TT_OK) s = tt_agree(x->comm, order_clusters(fit, count, count + n, x->count, m));
    free(count);
    return s;
}

tt_status micro_make(const tt_matrix *x, const tt_agglomerative_params *params, uint64_t seed,
                     micro_clusters *out)
{
    tt_points p;
    tt_kmeans fit = {0};
    *out = (micro_clusters){0};
    TT_TRY(tt_points_of(x, params->metric, &p));
    tt_status s = cluster_rows(&p, params, seed, &fit);
    tt_points_free(&p);
    if (s == TT_OK) s = take_fit(x, &fit, out);
    tt_kmeans_free(&fit);
    if (s == TT_OK)
        tt_info("%s tree of %s is an approximation: its leaves are %lld k-means clusters of %lld rows",
                tt_linkage_name(params->linkage), x->name, (long long)out->x.rows, (long long)x->n_valid);
    else
        micro_free(out);
    return s;
}

tt_status micro_labels(const micro_clusters *m, const tt_matrix *x, tt_agglomerative *tree, int32_t **label)
{
    int32_t *all = NULL;
    tt_status s = tt_alloc(m->x.rows, sizeof *all, "labels", &all);
    if (s == TT_OK) s = tt_alloc(x->count, sizeof **label, "labels", label);
    s = tt_agree(x->comm, s);
    for (int64_t i = 0; s == TT_OK && i < m->x.count; i++) all[m->x.first + i] = tree->label[i] + 1;
    if (s == TT_OK) MPI_Allreduce(MPI_IN_PLACE, all, (int)m->x.rows, MPI_INT32_T, MPI_SUM, x->comm->mpi);
    for (int64_t i = 0; s == TT_OK && i < x->count; i++)
        (*label)[i] = m->label[i] < 0 ? -1 : all[m->label[i]] - 1;
    for (int64_t i = 0; s == TT_OK && i < tree->leaves; i++)
        tree->leaf_row[i] = m->first_row[tree->leaf_row[i]];
    free(all);
    return s;
}
