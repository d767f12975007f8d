#include "commands.h"
#include "stage.h"

#include <string.h>

/* Options that stand for settings: the texts go there as they are, and are checked there. */
enum { KMEANS_OPTIONS = 4 };

static tt_status apply(cli_stage *s, const char *const *value, cli_setting *room)
{
    static const char *const key[KMEANS_OPTIONS] = {"k", "n_init", "max_iter", "tol"};
    for (int i = 0; i < KMEANS_OPTIONS; i++)
        if (value[i]) TT_TRY(cli_set(s, &room[i], "cluster.kmeans.%s=%s", key[i], value[i]));
    return TT_OK;
}

static tt_status cluster_plain(const tt_comm *comm, const cli_stage *s, const char *input, const char *output)
{
    cli_plain plain;
    tt_cluster_job job = {"/kmeans", input};
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_output_check(comm, output, &input, 1);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "cluster", "cluster.kmeans.", "", &input, 1);
    if (status == TT_OK)
        status = tt_cluster(comm, &plain.config->cluster, &plain.provenance, &job, 1, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_cluster(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    cli_setting room[KMEANS_OPTIONS];
    const char *kmeans[KMEANS_OPTIONS] = {NULL};
    const char *input = NULL, *output = NULL, *method = "kmeans";
    bool done, in_directory;
    const cli_usage usage = {
        "tutti cluster --run DIR [options] | tutti cluster --input FILE.h5:/x --k 64 --output OUT.h5",
        "Cluster the rows of a matrix.", 0};
    const cli_option options[] = {
        CLI_STAGE_OPTIONS(s),
        {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
        {"output", CLI_TEXT, &output, "FILE", "the clusters to write"},
        {"method", CLI_TEXT, &method, "NAME", "kmeans"},
        {"k", CLI_TEXT, &kmeans[0], "N", "number of clusters (default 10)"},
        {"n-init", CLI_TEXT, &kmeans[1], "N", "restarts, the best is kept (default 10)"},
        {"max-iter", CLI_TEXT, &kmeans[2], "N", "iterations of one start (default 300)"},
        {"tol", CLI_TEXT, &kmeans[3], "X", "tolerance relative to the variance (default 1e-4)"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (strcmp(method, "kmeans") != 0)
        return tt_fail(TT_ERR_USAGE, "--method %s is not known; expected one of: kmeans", method);
    TT_TRY(apply(&s, kmeans, room));
    const char *names[] = {"input", "output"}, *given[] = {input, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "cluster", 1.0)
                        : cluster_plain(comm, &s, input, output);
}
