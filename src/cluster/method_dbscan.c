#include "stage.h"

#include "tutti/dbscan.h"
#include "tutti/log.h"

#include <math.h>
#include <string.h>

/* Points of the k-distance curve that are kept: enough to draw it. */
enum { CURVE = 1000 };

static tt_status columns(const tt_cluster_params *params, task *t)
{
    TT_TRY(task_column(t, "core", TT_U8, t->rows, 0));
    TT_TRY(task_column(t, "eps", TT_F64, 1, 0));
    if (params->dbscan.eps > 0) return TT_OK;
    return task_column(t, "k_distance", TT_F64, t->n_valid < CURVE ? t->n_valid : CURVE, 0);
}

/* The curve at evenly spaced places, its ends among them; NAN if the rows are too few for one. */
static tt_status write_curve(const workshop *w, const task *t, const tt_dbscan *fit)
{
    double curve[CURVE];
    int64_t n = t->n_valid < CURVE ? t->n_valid : CURVE;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = n > 1 ? i * (fit->n_distances - 1) / (n - 1) : 0;
        curve[i] = fit->n_distances > 0 ? fit->k_distance[at] : NAN;
    }
    return task_write(w, t, "k_distance", 0, n, curve);
}

static tt_status write_fit(const workshop *w, const task *t, const tt_matrix *x, const tt_dbscan *fit)
{
    TT_TRY(task_write_labels(w, t, x, fit->label));
    TT_TRY(task_write(w, t, "core", x->first, x->count, fit->core));
    if (x->comm->rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(task_write(w, t, "eps", 0, 1, &fit->eps));
    return w->params->dbscan.eps > 0 ? TT_OK : write_curve(w, t, fit);
}

static tt_status make(const workshop *w, const task *t, const tt_matrix *x)
{
    tt_dbscan fit;
    tt_dbscan_params params = {.eps = w->params->dbscan.eps,
                               .cosine = strcmp(w->params->dbscan.metric, "cosine") == 0,
                               .min_samples = w->params->dbscan.min_samples,
                               .checkpoint = w->checkpoint,
                               .provenance = w->provenance};
    TT_TRY(tt_dbscan_fit(x, &params, w->provenance->seed, &fit));
    tt_info("DBSCAN of %s: %lld rows, eps %.6g%s, %lld clusters, %lld core rows, %lld noise", x->name,
            (long long)x->n_valid, fit.eps, w->params->dbscan.eps > 0 ? "" : " (chosen)",
            (long long)fit.clusters, (long long)fit.core_rows, (long long)fit.noise_rows);
    tt_status s = tt_agree(x->comm, write_fit(w, t, x, &fit));
    tt_dbscan_free(&fit);
    return s;
}

const cluster_method method_dbscan = {"dbscan", columns, make};
