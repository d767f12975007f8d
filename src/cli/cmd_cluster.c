#include "commands.h"
#include "stage.h"

#include "tutti/metrics.h"

#include <stdio.h>
#include <string.h>

/* Options that stand for settings of the method: the texts go there as they are, and are checked there. */
typedef struct setting_option {
    const char *key;
    int methods; /* that have it, a bit each */
    const char *value;
} setting_option;

enum { SETTING_OPTIONS = 13 };

static tt_status find_method(const char *name, tt_cluster_method *method)
{
    for (int i = 0; i < TT_CLUSTER_METHODS; i++)
        if (strcmp(name, tt_cluster_method_name((tt_cluster_method)i)) == 0)
            return *method = (tt_cluster_method)i, TT_OK;
    return tt_fail(TT_ERR_USAGE, "--method %s is not known; expected one of: kmeans agglomerative dbscan",
                   name);
}

static tt_status apply(cli_stage *s, const char *method_name, tt_cluster_method method,
                       const setting_option *option, cli_setting *room)
{
    for (int i = 0; i < SETTING_OPTIONS; i++) {
        if (!option[i].value) continue;
        if (!(option[i].methods & 1 << method)) {
            char name[32];
            snprintf(name, sizeof name, "%s", option[i].key);
            for (char *c = name; *c; c++) *c = *c == '_' ? '-' : *c;
            return tt_fail(TT_ERR_USAGE, "--%s is no option of --method %s", name, method_name);
        }
        TT_TRY(cli_set(s, &room[i], "cluster.%s.%s=%s", method_name, option[i].key, option[i].value));
    }
    return TT_OK;
}

static tt_status cluster_plain(const tt_comm *comm, const cli_stage *s, tt_cluster_method method,
                               const char *input, const char *output)
{
    cli_plain plain;
    char group[32], prefix[64];
    tt_cluster_job job = {method, group, input};
    const char *specs[2] = {input};
    snprintf(group, sizeof group, "/%s", tt_cluster_method_name(method));
    snprintf(prefix, sizeof prefix, "cluster.level,cluster.%s.", tt_cluster_method_name(method));
    tt_status status = cli_plain_load(comm, s, &plain);
    int n = 1;
    if (status == TT_OK && method == TT_KMEANS && strstr(plain.config->cluster.kmeans.init, ":/"))
        specs[n++] = plain.config->cluster.kmeans.init;
    if (status == TT_OK) status = cli_output_check(comm, output, specs, n);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "cluster", prefix, "", specs, n);
    if (status == TT_OK)
        status =
            tt_cluster(comm, &plain.config->cluster, &plain.provenance, &job, 1, tt_score_silhouette, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_cluster(const tt_comm *comm, int argc, char **argv)
{
    enum { K = 1 << TT_KMEANS, A = 1 << TT_AGGLOMERATIVE, D = 1 << TT_DBSCAN };
    cli_stage s = {0};
    cli_setting room[SETTING_OPTIONS];
    setting_option o[SETTING_OPTIONS] = {
        {"k", K | A, NULL},      {"init", K, NULL},      {"n_init", K, NULL},
        {"max_iter", K, NULL},   {"tol", K, NULL},       {"mini_batch", K, NULL},
        {"select", K, NULL},     {"linkage", A, NULL},   {"distance_threshold", A, NULL},
        {"metric", A | D, NULL}, {"presample", A, NULL}, {"eps", D, NULL},
        {"min_samples", D, NULL}};
    const char *input = NULL, *output = NULL, *method_name = "kmeans";
    tt_cluster_method method = TT_KMEANS;
    bool done, in_directory;
    const cli_usage usage = {"tutti cluster --run DIR [options] | tutti cluster --input FILE.h5:/x --method "
                             "kmeans --k 64 --output "
                             "OUT.h5",
                             "Cluster the rows of a matrix.", 0};
    const cli_option options[] = {
        CLI_STAGE_OPTIONS(s),
        {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
        {"output", CLI_TEXT, &output, "FILE", "the clusters to write"},
        {"method", CLI_TEXT, &method_name, "NAME", "kmeans, agglomerative or dbscan (default kmeans)"},
        {"k", CLI_TEXT, &o[0].value, "N", "clusters (default 10); k-means: or a range such as [2,20]"},
        {"init", CLI_TEXT, &o[1].value, "NAME", "k-means||, k-means++, random or FILE.h5:/centroids"},
        {"n-init", CLI_TEXT, &o[2].value, "N", "restarts, the best is kept (default 10)"},
        {"max-iter", CLI_TEXT, &o[3].value, "N", "iterations of one start (default 300)"},
        {"tol", CLI_TEXT, &o[4].value, "X", "tolerance relative to the variance (default 1e-4)"},
        {"mini-batch", CLI_TEXT, &o[5].value, "ROWS", "rows per step (default 0: all of them)"},
        {"select", CLI_TEXT, &o[6].value, "NAME", "k of a range by silhouette (the default) or elbow"},
        {"linkage", CLI_TEXT, &o[7].value, "NAME", "ward (the default), complete, average or single"},
        {"distance-threshold", CLI_TEXT, &o[8].value, "X", "cut the tree at this height, not by k"},
        {"metric", CLI_TEXT, &o[9].value, "NAME",
         "euclidean (the default), cosine; for a tree also sqeuclidean"},
        {"presample", CLI_TEXT, &o[10].value, "N", "leaves are N k-means clusters (default 0: the rows)"},
        {"eps", CLI_TEXT, &o[11].value, "X", "radius of a neighbourhood (default auto)"},
        {"min-samples", CLI_TEXT, &o[12].value, "N", "rows in it that make a core row (default 10)"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    TT_TRY(find_method(method_name, &method));
    TT_TRY(apply(&s, method_name, method, o, room));
    const char *names[] = {"input", "output"}, *given[] = {input, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "cluster", 1.0)
                        : cluster_plain(comm, &s, method, input, output);
}
