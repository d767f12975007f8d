#include "kmeans.h"
#include "stage.h"

#include "tutti/log.h"

#include <string.h>

static tt_status columns(const tt_cluster_params *params, task *t)
{
    int64_t k = t->choice.n > 0 ? t->choice.chosen : params->kmeans.k, tried = t->choice.n;
    TT_TRY(task_column(t, "centroids", TT_F64, k, t->cols));
    TT_TRY(task_column(t, "inertia", TT_F64, 1, 0));
    TT_TRY(task_column(t, "n_iter", TT_I32, 1, 0));
    if (tried == 0) return TT_OK;
    TT_TRY(task_column(t, "k_tried", TT_I32, tried, 0));
    TT_TRY(task_column(t, "k_inertia", TT_F64, tried, 0));
    return task_column(t, "k_silhouette", TT_F64, tried, 0);
}

static tt_status write_fit(const workshop *w, const task *t, const tt_matrix *x, const tt_kmeans *fit)
{
    int32_t iterations = fit->iterations;
    const tt_kmeans_choice *c = &t->choice;
    TT_TRY(task_write_labels(w, t, x, fit->label));
    if (x->comm->rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(task_write(w, t, "centroids", 0, fit->k, fit->centroids));
    TT_TRY(task_write(w, t, "inertia", 0, 1, &fit->inertia));
    TT_TRY(task_write(w, t, "n_iter", 0, 1, &iterations));
    if (c->n == 0) return TT_OK;
    TT_TRY(task_write(w, t, "k_tried", 0, c->n, c->k));
    TT_TRY(task_write(w, t, "k_inertia", 0, c->n, c->inertia));
    return task_write(w, t, "k_silhouette", 0, c->n, c->silhouette);
}

/* Centres of a file are of the latent space: a baseline has other columns, and starts as by default. */
static void choose_init(const task *t, tt_kmeans_params *params)
{
    if (!params->init || !strstr(params->init, ":/") || strncmp(t->job->group, "/baseline/", 10) != 0) return;
    params->init = NULL;
    tt_info("cluster: %s starts by k-means||, the centres of cluster.kmeans.init are of another space",
            t->job->group);
}

static tt_status make(const workshop *w, const task *t, const tt_matrix *x)
{
    tt_kmeans_params params = w->params->kmeans;
    tt_kmeans fit;
    if (t->choice.n > 0) params.k = t->choice.chosen;
    choose_init(t, &params);
    params.checkpoint = w->checkpoint;
    params.provenance = w->provenance;
    TT_TRY(tt_kmeans_fit(x, &params, w->provenance->seed, &fit));
    tt_info("k-means of %s: %lld rows, %d clusters, inertia %.6g after %d iterations", x->name,
            (long long)x->n_valid, fit.k, fit.inertia, fit.iterations);
    tt_status s = tt_agree(x->comm, write_fit(w, t, x, &fit));
    tt_kmeans_free(&fit);
    return s;
}

const cluster_method method_kmeans = {"kmeans", columns, make};
