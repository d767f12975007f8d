#include "stage.h"

#include "tutti/agglomerative.h"
#include "tutti/log.h"

static tt_status columns(const tt_cluster_params *params, task *t)
{
    int64_t presample = params->agglomerative.presample;
    int64_t leaves = presample > 0 && presample < t->n_valid ? presample : t->n_valid;
    TT_TRY(task_column(t, "linkage", TT_F64, leaves > 0 ? leaves - 1 : 0, 4));
    TT_TRY(task_column(t, "leaf_row", TT_I64, leaves, 0));
    return task_column(t, "leaf_size", TT_I64, leaves, 0);
}

static tt_status write_tree(const workshop *w, const task *t, const tt_matrix *x,
                            const tt_agglomerative *tree)
{
    TT_TRY(task_write_labels(w, t, x, tree->label));
    if (x->comm->rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(task_write(w, t, "linkage", 0, tree->leaves - 1, tree->linkage));
    TT_TRY(task_write(w, t, "leaf_row", 0, tree->leaves, tree->leaf_row));
    return task_write(w, t, "leaf_size", 0, tree->leaves, tree->leaf_size);
}

/* As many clusters as are asked for, or as there are leaves: a run over few rows must not end at a default.
 */
static int64_t clusters_of(const tt_agglomerative_params *params, const task *t, const tt_matrix *x)
{
    int64_t leaves = t->column[2].dims[0];
    if (params->k <= leaves || leaves == 0) return params->k;
    tt_warn("cluster.agglomerative.k is %lld but %s has only %lld rows to join: each is a cluster of its own",
            (long long)params->k, x->name, (long long)leaves);
    return leaves;
}

static tt_status make(const workshop *w, const task *t, const tt_matrix *x)
{
    tt_agglomerative tree;
    double threshold = w->params->agglomerative.distance_threshold;
    tt_agglomerative_params params = {.k = threshold >= 0 ? 0 : w->params->agglomerative.k,
                                      .distance_threshold = threshold,
                                      .presample = w->params->agglomerative.presample,
                                      .checkpoint = w->checkpoint,
                                      .provenance = w->provenance};
    if (!tt_linkage_parse(w->params->agglomerative.linkage, &params.linkage) ||
        !tt_metric_parse(w->params->agglomerative.metric, &params.metric))
        return tt_fail(TT_ERR_CONFIG, "cluster.agglomerative: linkage %s of metric %s is not known",
                       w->params->agglomerative.linkage, w->params->agglomerative.metric);
    params.k = clusters_of(&params, t, x);
    TT_TRY(tt_agglomerative_fit(x, &params, w->provenance->seed, &tree));
    tt_info("agglomerative clustering of %s: %lld rows, %s linkage, %lld clusters", x->name,
            (long long)x->n_valid, w->params->agglomerative.linkage, (long long)tree.clusters);
    tt_status s = tt_agree(x->comm, write_tree(w, t, x, &tree));
    tt_agglomerative_free(&tree);
    return s;
}

const cluster_method method_agglomerative = {"agglomerative", columns, make};
