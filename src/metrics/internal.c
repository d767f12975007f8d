#include "metrics/internal.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/sum.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Index of each row's cluster in c, -1 for rows left out. */
static void index_rows(const tt_matrix *x, const int32_t *label, const clusters *c, int64_t *of)
{
    for (int64_t i = 0; i < x->count; i++) {
        of[i] = -1;
        if (!x->valid[i] || label[i] < 0) continue;
        int64_t low = 0, high = c->n - 1;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (c->cell[middle].label < label[i])
                low = middle + 1;
            else
                high = middle;
        }
        of[i] = low;
    }
}

/* Distinct labels of the rows that are scored, and per row which it has. */
static tt_status find_clusters(const tt_matrix *x, const int32_t *label, clusters *c, int64_t **of)
{
    int32_t *used = NULL;
    *of = NULL;
    tt_status s = tt_alloc(x->count, sizeof *used, "labels", &used);
    if (s == TT_OK) s = tt_alloc(x->count, sizeof **of, "labels", of);
    s = tt_agree(x->comm, s);
    for (int64_t i = 0; s == TT_OK && i < x->count; i++) used[i] = x->valid[i] ? label[i] : -1;
    if (s == TT_OK) s = tt_contingency(x->comm, x->count, used, NULL, &c->cell, &c->n);
    if (s == TT_OK) index_rows(x, label, c, *of);
    free(used);
    return s;
}

/* Add up per cluster, over blocks of rows, in double. @param values  of row i into out [m] at its cluster's
 * place */
typedef void add_row(const tt_matrix *x, int64_t i, int64_t cluster, const double *centroid, double *out);

static tt_status sum_rows(const tt_matrix *x, const int64_t *of, int64_t m, add_row *add,
                          const double *centroid, double *out)
{
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new(m, x->first / TT_BLOCK_ROWS, &sum);
    for (int64_t at = 0; s == TT_OK && at < x->count; at += TT_BLOCK_ROWS) {
        double *part = tt_blocksum_next(sum);
        if (!part) s = TT_ERR_MEMORY;
        for (int64_t i = at; s == TT_OK && i < x->count && i < at + TT_BLOCK_ROWS; i++)
            if (of[i] >= 0) add(x, i, of[i], centroid, part);
        if (s == TT_OK) tt_blocksum_commit(sum);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, out);
    tt_blocksum_free(sum);
    return s;
}

static void add_values(const tt_matrix *x, int64_t i, int64_t cluster, const double *centroid, double *out)
{
    (void)centroid;
    const float *row = x->data + i * x->cols;
    for (int64_t j = 0; j < x->cols; j++) out[cluster * x->cols + j] += (double)row[j];
}

/* out [clusters, 2]: distances to the centroid, and their squares. */
static void add_spread(const tt_matrix *x, int64_t i, int64_t cluster, const double *centroid, double *out)
{
    const float *row = x->data + i * x->cols;
    const double *c = centroid + cluster * x->cols;
    double square = 0;
    for (int64_t j = 0; j < x->cols; j++) square += ((double)row[j] - c[j]) * ((double)row[j] - c[j]);
    out[2 * cluster] += sqrt(square);
    out[2 * cluster + 1] += square;
}

static double distance(const double *a, const double *b, int64_t cols)
{
    double sum = 0;
    for (int64_t j = 0; j < cols; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(sum);
}

/* Largest ratio of spreads to distance of cluster i to any other; centroids that coincide do not count. */
static double worst_ratio(const clusters *c, int64_t cols, const double *centroid, const double *spread,
                          int64_t i, double *farthest)
{
    double worst = 0;
    for (int64_t j = 0; j < c->n; j++) {
        double apart = distance(centroid + i * cols, centroid + j * cols, cols);
        if (apart > *farthest) *farthest = apart;
        if (apart > 0) worst = fmax(worst, (spread[2 * i] + spread[2 * j]) / apart);
    }
    return worst;
}

/* Davies, Bouldin (1979). Clusters are dealt over the ranks. @param spread  [clusters, 2] mean distance first
 */
static tt_status davies_bouldin(const tt_matrix *x, const clusters *c, const double *centroid,
                                const double *spread, double *out)
{
    const tt_comm *comm = x->comm;
    tt_range mine = tt_partition(c->n, 1, comm->size, comm->rank);
    double *worst = NULL, farthest = 0, widest = 0, sum = 0;
    int n;
    tt_status s = tt_int(c->n, "clusters", &n);
    if (s == TT_OK) s = tt_alloc(c->n, sizeof *worst, "cluster ratios", &worst);
    s = tt_agree(comm, s);
    if (s != TT_OK) {
        free(worst);
        return s;
    }
    for (int64_t i = mine.begin; i < mine.end; i++)
        worst[i] = worst_ratio(c, x->cols, centroid, spread, i, &farthest);
    MPI_Allreduce(MPI_IN_PLACE, worst, n, MPI_DOUBLE, MPI_MAX, comm->mpi); /* others hold 0 */
    MPI_Allreduce(MPI_IN_PLACE, &farthest, 1, MPI_DOUBLE, MPI_MAX, comm->mpi);
    for (int64_t i = 0; i < c->n; i++) {
        sum += worst[i];
        widest = fmax(widest, spread[2 * i]);
    }
    free(worst);
    *out = widest <= 1e-8 || farthest <= 1e-8 ? 0
                                              : sum / (double)c->n; /* numpy.allclose(., 0) of scikit-learn */
    return TT_OK;
}

/* Calinski, Harabasz (1974): dispersion between clusters over that within. */
static double calinski_harabasz(const clusters *c, int64_t cols, const double *centroid, const double *spread,
                                double *mean)
{
    double n = 0, between = 0, within = 0;
    for (int64_t j = 0; j < cols; j++) mean[j] = 0;
    for (int64_t i = 0; i < c->n; i++) {
        double size = (double)c->cell[i].count;
        n += size;
        for (int64_t j = 0; j < cols; j++) mean[j] += size * centroid[i * cols + j];
    }
    for (int64_t j = 0; j < cols; j++) mean[j] /= n;
    for (int64_t i = 0; i < c->n; i++) {
        double apart = distance(centroid + i * cols, mean, cols);
        between += (double)c->cell[i].count * apart * apart;
        within += spread[2 * i + 1];
    }
    return within == 0 ? 1 : between * (n - (double)c->n) / (within * ((double)c->n - 1));
}

/* Both scores that need centroids alone. */
static tt_status score_centroids(const tt_matrix *x, const clusters *c, const int64_t *of,
                                 tt_internal_scores *out)
{
    double *centroid = NULL, *spread = NULL, *mean = NULL;
    tt_status s = tt_alloc(c->n * x->cols, sizeof *centroid, "centroids", &centroid);
    if (s == TT_OK) s = tt_alloc(2 * c->n, sizeof *spread, "cluster spreads", &spread);
    if (s == TT_OK) s = tt_alloc(x->cols, sizeof *mean, "column means", &mean);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = sum_rows(x, of, c->n * x->cols, add_values, NULL, centroid);
    for (int64_t i = 0; s == TT_OK && i < c->n * x->cols; i++)
        centroid[i] /= (double)c->cell[i / x->cols].count;
    if (s == TT_OK) s = sum_rows(x, of, 2 * c->n, add_spread, centroid, spread);
    for (int64_t i = 0; s == TT_OK && i < c->n; i++) spread[2 * i] /= (double)c->cell[i].count;
    if (s == TT_OK) s = davies_bouldin(x, c, centroid, spread, &out->davies_bouldin);
    if (s == TT_OK) out->calinski_harabasz = calinski_harabasz(c, x->cols, centroid, spread, mean);
    free(mean);
    free(spread);
    free(centroid);
    return s;
}

/* ---- silhouette ---- */

/* Labels of drawn rows alone, of rows that have one: the others get -1. Collective. */
static tt_status draw_rows(const tt_matrix *x, const int64_t *of, const int32_t *label, int64_t rows,
                           const tt_silhouette_options *options, int32_t *drawn)
{
    tt_stream stream = {options->seed, TT_FOR_SAMPLE, 1};
    int64_t mine = 0;
    for (int64_t i = 0; i < x->count; i++) mine += of[i] >= 0;
    int64_t at = tt_prefix_i64(x->comm, mine);
    for (int64_t i = 0; i < x->count; i++) {
        drawn[i] = -1;
        if (of[i] < 0) continue;
        if ((int64_t)tt_random_permute(stream, (uint64_t)at++, (uint64_t)rows) < options->sample)
            drawn[i] = label[i];
    }
    return TT_OK;
}

static bool is_defined(const clusters *c, int64_t rows)
{
    return c->n >= 2 && c->n < rows;
}

static int64_t rows_of(const clusters *c)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < c->n; i++) rows += c->cell[i].count;
    return rows;
}

/* Of all rows that have a cluster. Collective. */
static tt_status score_rows(const tt_matrix *x, const clusters *c, const int64_t *of, tt_metric metric,
                            double *out, tt_cluster_silhouettes *each)
{
    sorted_rows rows;
    double *mean = NULL;
    bool wanted = each && c->n <= TT_CLUSTER_SILHOUETTES;
    if (!is_defined(c, rows_of(c))) return TT_OK;
    tt_status s = wanted ? tt_alloc(c->n, sizeof *mean, "silhouettes of clusters", &mean) : TT_OK;
    if (s == TT_OK && wanted)
        s = tt_alloc(c->n, sizeof *each->cluster, "silhouettes of clusters", &each->cluster);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = sorted_rows_new(x, c, of, &rows);
    if (s == TT_OK) {
        s = silhouette_mean(&rows, metric, out, mean);
        sorted_rows_free(&rows);
    }
    for (int64_t i = 0; s == TT_OK && wanted && i < c->n; i++)
        each->cluster[each->n++] = (tt_cluster_silhouette){c->cell[i].label, c->cell[i].count, mean[i]};
    free(mean);
    return s;
}

/* Of drawn rows among each other. Collective. */
static tt_status score_drawn(const tt_matrix *x, const int64_t *of, const int32_t *label, int64_t rows,
                             const tt_silhouette_options *options, double *out, tt_cluster_silhouettes *each)
{
    clusters c = {0};
    int32_t *drawn;
    int64_t *of_drawn = NULL;
    TT_TRY(tt_agree(x->comm, tt_alloc(x->count, sizeof *drawn, "labels", &drawn)));
    tt_status s = draw_rows(x, of, label, rows, options, drawn);
    if (s == TT_OK) s = find_clusters(x, drawn, &c, &of_drawn);
    if (s == TT_OK) s = score_rows(x, &c, of_drawn, options->metric, out, each);
    free(of_drawn);
    free(c.cell);
    free(drawn);
    return s;
}

tt_status tt_score_internal(const tt_matrix *x, const int32_t *label, const tt_silhouette_options *options,
                            tt_internal_scores *out, tt_cluster_silhouettes *each)
{
    const tt_silhouette_options usual = {TT_EUCLIDEAN, 0, 0};
    clusters c = {0};
    int64_t *of;
    *out = (tt_internal_scores){NAN, NAN, NAN, 0, 0};
    if (each) *each = (tt_cluster_silhouettes){0};
    if (!options) options = &usual;
    tt_status s = find_clusters(x, label, &c, &of);
    if (s == TT_OK) out->rows = rows_of(&c);
    out->clusters = c.n;
    if (s == TT_OK && is_defined(&c, out->rows)) {
        bool all = options->sample == 0 || options->sample >= out->rows;
        s = score_centroids(x, &c, of, out);
        if (s == TT_OK)
            s = all ? score_rows(x, &c, of, options->metric, &out->silhouette, each)
                    : score_drawn(x, of, label, out->rows, options, &out->silhouette, each);
    }
    free(of);
    free(c.cell);
    return s;
}

tt_status tt_score_silhouette(const tt_matrix *x, const int32_t *label, uint64_t seed, double *out)
{
    const tt_silhouette_options options = {TT_EUCLIDEAN, 20000, seed};
    tt_internal_scores scores;
    tt_status s = tt_score_internal(x, label, &options, &scores, NULL);
    *out = scores.silhouette;
    return s;
}
