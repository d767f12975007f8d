#include "tutti/agglomerative.h"

#include "cluster/leaves.h"
#include "cluster/presample.h"
#include "cluster/tree.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const linkage_names[] = {"ward", "complete", "average", "single"};

bool tt_linkage_parse(const char *text, tt_linkage *out)
{
    for (int i = 0; i <= TT_SINGLE; i++)
        if (strcmp(text, linkage_names[i]) == 0) {
            *out = (tt_linkage)i;
            return true;
        }
    return false;
}

const char *tt_linkage_name(tt_linkage linkage)
{
    return linkage_names[linkage];
}

void tt_agglomerative_free(tt_agglomerative *tree)
{
    free(tree->linkage);
    free(tree->leaf_row);
    free(tree->leaf_size);
    free(tree->label);
    *tree = (tt_agglomerative){0};
}

static tt_status check_params(const tt_matrix *x, const tt_agglomerative_params *p)
{
    int64_t most = p->presample > 0 && p->presample < x->n_valid ? p->presample : x->n_valid;
    if (p->k < 0)
        return tt_fail(TT_ERR_CONFIG,
                       "cluster.agglomerative.k is %lld; it must be at least 1, or 0 for a cut by "
                       "distance_threshold",
                       (long long)p->k);
    if (p->k == 0 && !(p->distance_threshold >= 0))
        return tt_fail(TT_ERR_CONFIG, "cluster.agglomerative.distance_threshold is %g; it must be 0 or more",
                       p->distance_threshold);
    if (p->linkage == TT_WARD && p->metric != TT_EUCLIDEAN)
        return tt_fail(TT_ERR_CONFIG, "cluster.agglomerative.metric is %s; linkage ward needs euclidean",
                       tt_metric_name(p->metric));
    if (p->presample < 0 || p->presample > INT32_MAX)
        return tt_fail(TT_ERR_CONFIG, "cluster.agglomerative.presample is %lld; it must be 0 to %d",
                       (long long)p->presample, INT32_MAX);
    if (x->n_valid == 0)
        return tt_fail(TT_ERR_INPUT, "%s has no valid rows to cluster (%lld rows in all)", x->name,
                       (long long)x->rows);
    if (p->k > most)
        return tt_fail(TT_ERR_INPUT, "cluster.agglomerative.k is %lld but %s has only %lld %s",
                       (long long)p->k, x->name, (long long)most,
                       most < x->n_valid ? "micro-clusters" : "valid rows");
    return TT_OK;
}

/* Leaves of given weights (by row; NULL: 1 each) that each point stands for. */
static tt_status weigh_points(const leaves *l, const double *weight, double **size)
{
    int32_t *number; /* of the point that a leaf is */
    TT_TRY(tt_alloc(l->points, sizeof **size, "sizes", size));
    TT_TRY(tt_alloc(l->n, sizeof *number, "sizes", &number));
    for (int32_t i = 0; i < l->points; i++) number[l->point[i]] = i;
    for (int64_t i = 0; i < l->n; i++) (*size)[number[l->twin[i]]] += weight ? weight[l->row[i]] : 1;
    free(number);
    return TT_OK;
}

/* Squares of very small values are lost in float32: bring the largest to 1/2 to 1, by a power of two, which
 * rounds nothing. Collective. */
static void scale_points(tree_job *job)
{
    tt_matrix *x = &job->x;
    float most = 0;
    int exponent;
    for (int64_t i = 0; i < x->count * x->cols; i++) most = fmaxf(most, fabsf(x->data[i]));
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_FLOAT, MPI_MAX, x->comm->mpi);
    frexpf(most, &exponent);
    for (int64_t i = 0; i < x->count * x->cols; i++) x->data[i] = ldexpf(x->data[i], -exponent);
    for (int64_t i = 0; x->rest && i < x->count * x->cols; i++) x->rest[i] = ldexpf(x->rest[i], -exponent);
    job->unit = ldexp(1, job->params->metric == TT_SQEUCLIDEAN ? 2 * exponent : exponent);
}

/* The points of x and their sizes, ready to be joined. Collective. */
static tt_status make_job(const tt_matrix *x, const double *weight, leaves *l, tree_job *job)
{
    tt_points p;
    TT_TRY(tt_points_of(x, job->params->metric, &p));
    tt_status s = leaves_find(&p, l);
    if (s == TT_OK) s = leaves_points(&p, job->params->metric, l, &job->x);
    tt_points_free(&p);
    if (s != TT_OK) return s;
    if (job->params->metric != TT_COSINE) scale_points(job);
    s = weigh_points(l, weight, &job->size);
    if (s == TT_OK) s = tt_alloc(l->points - 1, sizeof *job->merges, "merges", &job->merges);
    return tt_agree(x->comm, s);
}

static void clear_job(tree_job *job)
{
    tt_matrix_free(&job->x);
    free(job->size);
    free(job->merges);
}

static tt_status join_points(tree_job *job)
{
    switch (job->params->linkage) {
    case TT_WARD:
        return tree_ward(job);
    case TT_SINGLE:
        return tree_single(job);
    default:
        return tree_matrix(job);
    }
}

/* Merges between leaves: equal ones first, at height 0. */
static void merges_of_leaves(const leaves *l, const tree_job *job, merge *all)
{
    int64_t n = 0;
    for (int32_t i = 0; i < l->n; i++)
        if (l->twin[i] != i) all[n++] = (merge){l->twin[i], i, 0};
    for (int64_t i = 0; i < job->n; i++)
        all[n++] = (merge){l->point[job->merges[i].a], l->point[job->merges[i].b],
                           job->merges[i].height * job->unit};
}

/* The linkage; takes over the rows of the leaves. */
static tt_status make_tree(leaves *l, const tree_job *job, const double *weight, tt_agglomerative *out)
{
    merge *all = NULL;
    tt_status s = tt_alloc(l->n - 1, sizeof *all, "merges", &all);
    if (s == TT_OK) s = tt_alloc(4 * (l->n - 1), sizeof *out->linkage, "a linkage", &out->linkage);
    if (s == TT_OK) s = tt_alloc(l->n, sizeof *out->leaf_size, "sizes of leaves", &out->leaf_size);
    if (s == TT_OK) {
        merges_of_leaves(l, job, all);
        s = tree_linkage(l->n, all, out->linkage);
    }
    free(all);
    out->leaves = l->n;
    out->leaf_row = l->row;
    l->row = NULL;
    for (int64_t i = 0; s == TT_OK && i < out->leaves; i++)
        out->leaf_size[i] = weight ? (int64_t)weight[out->leaf_row[i]] : 1;
    return s;
}

/* Merges that the cut keeps. */
static int64_t kept_merges(const tt_agglomerative_params *p, const tt_agglomerative *tree)
{
    if (p->k > 0) return p->k < tree->leaves ? tree->leaves - p->k : 0;
    int64_t kept = 0;
    while (kept < tree->leaves - 1 && tree->linkage[4 * kept + 2] <= p->distance_threshold) kept++;
    return kept;
}

/* Labels of this rank's valid rows, which are leaves from `first`. */
static tt_status label_rows(const tt_matrix *x, const tt_agglomerative_params *p, int64_t first,
                            tt_agglomerative *out)
{
    int32_t *label = NULL;
    tt_status s = tt_alloc(out->leaves, sizeof *label, "labels", &label);
    if (s == TT_OK) s = tt_alloc(x->count, sizeof *out->label, "labels", &out->label);
    if (s == TT_OK) s = tree_cut(out->leaves, out->linkage, kept_merges(p, out), label, &out->clusters);
    for (int64_t i = 0, leaf = first; s == TT_OK && i < x->count; i++)
        out->label[i] = x->valid[i] ? label[leaf++] : -1;
    free(label);
    return s;
}

/* The exact tree over the valid rows of x, row i of weight[i]. Collective. */
static tt_status fit(const tt_matrix *x, const tt_agglomerative_params *params, const double *weight,
                     tt_agglomerative *out)
{
    leaves l = {0};
    tree_job job = {.comm = x->comm, .params = params, .unit = 1};
    double began = tt_now();
    char seconds[32];
    tt_status s = make_job(x, weight, &l, &job);
    if (s == TT_OK) s = join_points(&job);
    if (s == TT_OK) s = tt_agree(x->comm, make_tree(&l, &job, weight, out));
    if (s == TT_OK) s = tt_agree(x->comm, label_rows(x, params, l.first, out));
    if (s == TT_OK) {
        tt_format_seconds(tt_now() - began, seconds, sizeof seconds);
        tt_info("%s tree of %s: %lld leaves, %lld different, in %lld rounds and %s; cut into %lld clusters",
                tt_linkage_name(params->linkage), x->name, (long long)l.n, (long long)l.points,
                (long long)job.rounds, seconds, (long long)out->clusters);
    }
    clear_job(&job);
    leaves_free(&l);
    return s;
}

/* The tree over micro-clusters, whose rows it is then told for. Collective. */
static tt_status fit_presampled(const tt_matrix *x, const tt_agglomerative_params *params, uint64_t seed,
                                tt_agglomerative *out)
{
    micro_clusters m;
    TT_TRY(micro_make(x, params, seed, &m));
    tt_status s = fit(&m.x, params, m.size, out);
    int32_t *label = NULL;
    if (s == TT_OK) s = tt_agree(x->comm, micro_labels(&m, x, out, &label));
    if (s == TT_OK) {
        free(out->label);
        out->label = label;
    }
    micro_free(&m);
    return s;
}

tt_status tt_agglomerative_fit(const tt_matrix *x, const tt_agglomerative_params *params, uint64_t seed,
                               tt_agglomerative *out)
{
    *out = (tt_agglomerative){0};
    TT_TRY(check_params(x, params)); /* the same on every rank */
    bool sampled = params->presample > 0 && params->presample < x->n_valid;
    tt_status s = sampled ? fit_presampled(x, params, seed, out) : fit(x, params, NULL, out);
    if (s != TT_OK) tt_agglomerative_free(out);
    return s;
}
