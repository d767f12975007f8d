#include "commands.h"
#include "stage.h"

#include "tutti/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the labelling is called in the output: "FILE:/kmeans/label" is kmeans, "FILE:/y" is y. */
static void name_method(const char *labels, char name[64])
{
    char path[256];
    const char *colon = strstr(labels, ":/");
    snprintf(path, sizeof path, "%s", colon ? colon + 1 : "/label");
    char *slash = strrchr(path, '/');
    if (slash > path && strcmp(slash, "/label") == 0) *slash = '\0';
    slash = strrchr(path, '/');
    snprintf(name, 64, "%.63s", slash ? slash + 1 : path);
}

static tt_status evaluate_files(const tt_comm *comm, cli_plain *plain, const tt_evaluate_job *job,
                                const char *truth, const char *output)
{
    const char *specs[] = {job->input, job->labels, truth};
    TT_TRY(cli_output_check(comm, output, specs, truth ? 3 : 2));
    TT_TRY(cli_plain_origin(comm, plain, "evaluate", "evaluate.", "", specs, truth ? 3 : 2));
    if (!truth)
        return tt_evaluate(comm, &plain->config->evaluate, &plain->provenance, job, 1, NULL, 0, output);
    tt_classes classes;
    tt_status s = tt_classes_from_dataset(comm, truth, &classes);
    tt_truth truths[] = {{"truth", classes.label, classes.rows, classes.name, classes.n, NULL}};
    if (s == TT_OK)
        s = tt_evaluate(comm, &plain->config->evaluate, &plain->provenance, job, 1, truths, 1, output);
    tt_classes_free(&classes);
    return s;
}

static tt_status evaluate_plain(const tt_comm *comm, const cli_stage *s, const char *input,
                                const char *labels, const char *truth, const char *output)
{
    cli_plain plain;
    char method[64];
    name_method(labels, method);
    tt_evaluate_job job = {method, "input", input, labels, false};
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = evaluate_files(comm, &plain, &job, truth, output);
    cli_plain_free(&plain);
    return status;
}

/* Options that stand for settings: the texts go there as they are, and are checked there. */
enum { SETTINGS = 3 };

static tt_status apply(cli_stage *s, const char *const *value, cli_setting *room)
{
    static const char *const key[SETTINGS] = {"metric", "noise", "sample"};
    for (int i = 0; i < SETTINGS; i++)
        if (value[i]) TT_TRY(cli_set(s, &room[i], "evaluate.%s=%s", key[i], value[i]));
    return TT_OK;
}

tt_status cmd_evaluate(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    cli_setting room[SETTINGS];
    const char *setting[SETTINGS] = {NULL};
    const char *input = NULL, *labels = NULL, *truth = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti evaluate --run DIR [options] | tutti evaluate --input X.h5:/x --labels "
        "C.h5:/label [--truth X.h5:/y] --output OUT.json",
        "Silhouette, Davies-Bouldin and Calinski-Harabasz of a clustering; with truth also ARI, AMI, NMI,\n"
        "V-measure, Fowlkes-Mallows and purity. Definitions are scikit-learn's.",
        0};
    const cli_option options[] = {
        CLI_STAGE_OPTIONS(s),
        {"input", CLI_TEXT, &input, "FILE.h5:/x", "the matrix, rows are samples"},
        {"labels", CLI_TEXT, &labels, "FILE.h5:/label", "cluster of each row; negative: none"},
        {"truth", CLI_TEXT, &truth, "FILE.h5:/y", "true class of each row; negative: unknown"},
        {"output", CLI_TEXT, &output, "FILE", "the JSON file to write"},
        {"metric", CLI_TEXT, &setting[0], "NAME", "of the silhouette: euclidean (default) or cosine"},
        {"noise", CLI_TEXT, &setting[1], "NAME", "negative labels: drop (default), cluster or singletons"},
        {"sample", CLI_TEXT, &setting[2], "N", "rows drawn for the silhouette (default 0: all)"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    TT_TRY(apply(&s, setting, room));
    const char *names[] = {"input", "labels", "output"}, *given[] = {input, labels, output};
    TT_TRY(cli_choose(&s, names, given, 3, &in_directory));
    if (in_directory && truth)
        return tt_fail(TT_ERR_USAGE,
                       "--run and --truth exclude each other: the run's truth is in its manifest");
    return in_directory ? cli_run_in_directory(comm, &s, "evaluate", 1.0)
                        : evaluate_plain(comm, &s, input, labels, truth, output);
}
