#include "stages.h"

#include "rundir.h"
#include "tutti/embed.h"
#include "tutti/memory.h"
#include "tutti/metrics.h"
#include "tutti/report.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const file_name[RUN_FILES] = {
    [FILE_MANIFEST] = "manifest.h5",
    [FILE_FEATURES] = "features.h5",
    [FILE_LYRICS] = "lyrics.h5",
    [FILE_HYBRID] = "hybrid.h5",
    [FILE_MODEL] = "model.h5",
    [FILE_LATENTS] = "latents.h5",
    [FILE_PCA] = "pca.h5",
    [FILE_CLUSTERS] = "clusters.h5",
    [FILE_METRICS] = "metrics.json",
    [FILE_EMBEDDING] = "embedding.h5",
    [FILE_REPORT] = "results/report.json",
};

static bool reads_images(const run_context *run)
{
    return run->config && strcmp(run->config->model.kind, "conv") == 0;
}

tt_status make_paths(const char *directory, run_context *run)
{
    for (int f = FILE_NONE + 1; f < RUN_FILES; f++) {
        const char *name = file_name[f];
        if (f == FILE_ROWS) name = file_name[reads_images(run) ? FILE_FEATURES : FILE_HYBRID];
        TT_TRY(tt_format(&run->path[f], "%s/%s", directory, name));
    }
    return TT_OK;
}

void free_paths(run_context *run)
{
    for (int f = 0; f < RUN_FILES; f++) free(run->path[f]);
}

/* Whether what a record lists as "files" beside it is all there; a record without a list vouches for itself.
 */
static tt_status files_are_there(const char *record, const json_t *files, bool *there)
{
    size_t i;
    const json_t *file;
    const char *slash = strrchr(record, '/');
    int folder = slash ? (int)(slash + 1 - record) : 0;
    *there = true;
    json_array_foreach(files, i, file)
    {
        char *path;
        TT_TRY(tt_format(&path, "%.*s%s", folder, record, json_string_value(file)));
        *there = *there && access(path, F_OK) == 0;
        free(path);
    }
    return TT_OK;
}

static tt_status json_fingerprint(const char *path, char **out)
{
    bool there;
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *provenance = json_object_get(root, "provenance");
    const char *text = json_string_value(json_object_get(provenance, "fingerprint"));
    tt_status s = files_are_there(path, json_object_get(root, "files"), &there);
    *out = NULL;
    if (s == TT_OK && there) s = tt_copy_text(text, out);
    json_decref(root);
    return s;
}

tt_status stored_fingerprint(const char *path, char **out)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".json") == 0 ? json_fingerprint(path, out) : tt_store_fingerprint(path, out);
}

static tt_status run_scan(const run_context *run, const tt_provenance *p)
{
    return tt_scan(run->comm, &run->config->corpus, p, run->path[FILE_MANIFEST]);
}

static tt_status run_extract(const run_context *run, const tt_provenance *p)
{
    return tt_extract(run->comm, &run->config->audio, &run->config->features, run->options->max_failures, p,
                      run->path[FILE_MANIFEST], run->path[FILE_FEATURES]);
}

static tt_status run_lyrics(const run_context *run, const tt_provenance *p)
{
    return tt_lyrics(run->comm, &run->config->lyrics, p, run->path[FILE_MANIFEST], run->path[FILE_LYRICS]);
}

static tt_status run_fuse(const run_context *run, const tt_provenance *p)
{
    const tt_fuse_inputs inputs = {run->path[FILE_FEATURES], run->path[FILE_LYRICS],
                                   run->path[FILE_MANIFEST]};
    return tt_fuse(run->comm, &run->config->fuse, p, &inputs, run->path[FILE_HYBRID]);
}

/* Genres of the clips, where the model is conditioned on them; *use is NULL otherwise. Collective. */
static tt_status read_classes(const run_context *run, tt_classes *classes, const tt_classes **use)
{
    *classes = (tt_classes){0};
    *use = NULL;
    if (strcmp(run->config->model.condition, "none") == 0) return TT_OK;
    *use = classes;
    return tt_classes_from_manifest(run->comm, run->path[FILE_MANIFEST], run->path[FILE_ROWS],
                                    run->config->model.condition, classes);
}

/* The dataset of FILE_ROWS that the model reads. */
static tt_status rows_of(const run_context *run, char **spec)
{
    return tt_agree(run->comm,
                    tt_format(spec, "%s:%s", run->path[FILE_ROWS], reads_images(run) ? "/mel" : "/x"));
}

static tt_status run_train(const run_context *run, const tt_provenance *p)
{
    tt_classes classes;
    const tt_classes *use;
    char *rows = NULL;
    TT_TRY(read_classes(run, &classes, &use));
    tt_status s = rows_of(run, &rows);
    if (s == TT_OK)
        s = tt_train(run->comm, &run->config->model, &run->config->train, p, rows, use,
                     run->path[FILE_MODEL]);
    free(rows);
    tt_classes_free(&classes);
    return s;
}

static tt_status run_encode(const run_context *run, const tt_provenance *p)
{
    tt_classes classes;
    const tt_classes *use;
    char *rows = NULL;
    TT_TRY(read_classes(run, &classes, &use));
    tt_status s = rows_of(run, &rows);
    if (s == TT_OK) s = tt_encode(run->comm, p, run->path[FILE_MODEL], rows, use, run->path[FILE_LATENTS]);
    free(rows);
    tt_classes_free(&classes);
    return s;
}

/* The baseline has as many dimensions as the latent space. */
static tt_status run_pca(const run_context *run, const tt_provenance *p)
{
    return tt_pca_stage(run->comm, p, run->path[FILE_HYBRID], run->config->model.latent_dim,
                        run->path[FILE_PCA]);
}

/* The spaces that are clustered and scored side by side, the latent one first. */
static const struct {
    const char *space, *prefix, *suffix, *dataset; /* group PREFIX/METHOD, scored as METHODSUFFIX */
    run_file file;
} spaces[] = {
    {"latent", "", "", "/mu", FILE_LATENTS},
    {"raw", "/baseline/raw", "_raw", "/x", FILE_HYBRID},
    {"pca", "/baseline/pca", "_pca", "/x", FILE_PCA},
};
enum { SPACES = sizeof spaces / sizeof *spaces, CLUSTERINGS_MAX = SPACES * TT_CLUSTER_METHODS };

/* One method in one space, and what it is called where. */
typedef struct clustering {
    tt_cluster_method method;
    int space;
    char group[64], name[32];
    char *input, *labels;
} clustering;

static tt_status name_clustering(const run_context *run, tt_cluster_method method, int space, clustering *c)
{
    const char *name = tt_cluster_method_name(method);
    *c = (clustering){.method = method, .space = space};
    snprintf(c->group, sizeof c->group, "%s/%s", spaces[space].prefix, name);
    snprintf(c->name, sizeof c->name, "%s%s", name, spaces[space].suffix);
    TT_TRY(tt_format(&c->input, "%s:%s", run->path[spaces[space].file], spaces[space].dataset));
    return tt_format(&c->labels, "%s:%s/label", run->path[FILE_CLUSTERS], c->group);
}

/* All clusterings of the run, those of one space together. Collective. */
static tt_status list_clusterings(const run_context *run, clustering list[CLUSTERINGS_MAX], int *n)
{
    tt_status s = TT_OK;
    *n = 0;
    for (int space = 0; space < SPACES; space++)
        for (int i = 0; i < TT_CLUSTER_METHODS; i++) {
            tt_cluster_method method = (tt_cluster_method)i;
            if (s == TT_OK && strstr(run->config->cluster.methods, tt_cluster_method_name(method)))
                s = name_clustering(run, method, space, &list[(*n)++]);
        }
    return tt_agree(run->comm, s);
}

static void free_clusterings(clustering *list, int n)
{
    for (int i = 0; i < n; i++) {
        free(list[i].input);
        free(list[i].labels);
    }
}

static tt_status run_cluster(const run_context *run, const tt_provenance *p)
{
    clustering list[CLUSTERINGS_MAX];
    tt_cluster_job job[CLUSTERINGS_MAX];
    int n;
    tt_status s = list_clusterings(run, list, &n);
    for (int i = 0; i < n; i++) job[i] = (tt_cluster_job){list[i].method, list[i].group, list[i].input};
    if (s == TT_OK)
        s = tt_cluster(run->comm, &run->config->cluster, p, job, n, tt_score_silhouette,
                       run->path[FILE_CLUSTERS]);
    free_clusterings(list, n);
    return s;
}

static tt_status run_embed(const run_context *run, const tt_provenance *p)
{
    return tt_embed(run->comm, p, run->path[FILE_LATENTS], run->path[FILE_EMBEDDING]);
}

static bool by_track(const run_context *run)
{
    return strcmp(run->config->cluster.level, "track") == 0;
}

static tt_status evaluate_truths(const run_context *run, const tt_provenance *p, const tt_evaluate_job *jobs,
                                 int n_jobs)
{
    tt_classes genre = {0}, language = {0};
    const char *manifest = run->path[FILE_MANIFEST],
               *rows = run->path[by_track(run) ? FILE_CLUSTERS : FILE_LATENTS];
    const char *told = strcmp(run->config->model.condition, "genre") == 0 ? spaces[0].space : NULL;
    tt_status s = tt_classes_from_manifest(run->comm, manifest, rows, "genre", &genre);
    if (s == TT_OK) s = tt_classes_from_manifest(run->comm, manifest, rows, "language", &language);
    tt_truth truths[] = {{"genre", genre.label, genre.rows, genre.name, genre.n, told},
                         {"language", language.label, language.rows, language.name, language.n, NULL}};
    if (s == TT_OK)
        s = tt_evaluate(run->comm, &run->config->evaluate, p, jobs, n_jobs, truths, 2,
                        run->path[FILE_METRICS]);
    tt_classes_free(&genre);
    tt_classes_free(&language);
    return s;
}

/* The clustering that a mixture prior is: the likeliest component. */
static tt_status name_mixture(const run_context *run, char **rows, char **labels)
{
    const char *latents = run->path[FILE_LATENTS];
    TT_TRY(tt_format(rows, "%s:%s", latents, spaces[0].dataset));
    return tt_format(labels, "%s:%s", latents, by_track(run) ? "/track/mixture/label" : "/mixture/label");
}

static tt_status run_evaluate(const run_context *run, const tt_provenance *p)
{
    clustering list[CLUSTERINGS_MAX];
    tt_evaluate_job job[CLUSTERINGS_MAX + 1];
    char *rows = NULL, *labels = NULL;
    int n;
    tt_status s = list_clusterings(run, list, &n);
    for (int i = 0; i < n; i++)
        job[i] = (tt_evaluate_job){list[i].name, spaces[list[i].space].space, list[i].input, list[i].labels,
                                   by_track(run)};
    bool mixture = strcmp(run->config->model.prior, "mixture") == 0;
    if (s == TT_OK && mixture) s = tt_agree(run->comm, name_mixture(run, &rows, &labels));
    if (mixture) job[n] = (tt_evaluate_job){"mixture", spaces[0].space, rows, labels, by_track(run)};
    if (s == TT_OK) s = evaluate_truths(run, p, job, n + mixture);
    free(rows);
    free(labels);
    free_clusterings(list, n);
    return s;
}

/* Pictures and tables, not the record itself nor what is half written. */
static int is_result(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (strcmp(dot, ".png") == 0 || strcmp(dot, ".txt") == 0);
}

static json_t *list_results(const char *results)
{
    struct dirent **entry = NULL;
    int n = scandir(results, &entry, is_result, alphasort);
    json_t *names = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(names, json_string(entry[i]->d_name));
        free(entry[i]);
    }
    free(entry);
    return names;
}

/* The record that the report is whole: what it was made from, and the files that are the result. */
static tt_status record_report(const char *results, const tt_provenance *p)
{
    char *text = NULL;
    json_t *root = json_pack("{s:{s:s,s:s,s:I},s:o}", "provenance", "tutti", TT_VERSION, "fingerprint",
                             p->fingerprint, "seed", (json_int_t)p->seed, "files", list_results(results));
    if (root) text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    tt_status s =
        text ? rundir_write(results, "report.json", text) : tt_fail(TT_ERR_MEMORY, "no memory for a report");
    free(text);
    return s;
}

static tt_status run_report(const run_context *run, const tt_provenance *p)
{
    tt_report_inputs in = {run->path[FILE_MANIFEST], run->path[FILE_FEATURES], run->path[FILE_MODEL],
                           run->path[FILE_LATENTS],  run->path[FILE_CLUSTERS], run->path[FILE_EMBEDDING],
                           run->path[FILE_METRICS]};
    char *results = NULL;
    tt_status s = tt_agree(run->comm, tt_format(&results, "%s/results", run->options->directory));
    if (s == TT_OK) s = tt_report(run->comm, p, &in, results);
    if (s == TT_OK) s = tt_agree(run->comm, run->comm->rank == 0 ? record_report(results, p) : TT_OK);
    free(results);
    return s;
}

const stage stages[] = {
    {"scan", 2, FILE_MANIFEST, {FILE_NONE}, "corpus.", true, false, run_scan},
    {"extract", 1, FILE_FEATURES, {FILE_MANIFEST}, "audio.,features.", false, false, run_extract},
    {"lyrics", 3, FILE_LYRICS, {FILE_MANIFEST}, "lyrics.", false, true, run_lyrics},
    {"fuse", 5, FILE_HYBRID, {FILE_FEATURES, FILE_LYRICS, FILE_MANIFEST}, "fuse.", false, false, run_fuse},
    {"train", 2, FILE_MODEL, {FILE_ROWS, FILE_MANIFEST}, TT_TRAIN_SETTINGS, false, true, run_train},
    {"encode", 2, FILE_LATENTS, {FILE_MODEL, FILE_ROWS, FILE_MANIFEST}, "-", false, false, run_encode},
    {"pca", 4, FILE_PCA, {FILE_HYBRID}, "model.latent_dim", false, false, run_pca},
    {"cluster",
     3,
     FILE_CLUSTERS,
     {FILE_LATENTS, FILE_HYBRID, FILE_PCA},
     "cluster.",
     false,
     true,
     run_cluster},
    {"embed", 1, FILE_EMBEDDING, {FILE_LATENTS}, "-", false, false, run_embed},
    {"evaluate",
     2,
     FILE_METRICS,
     {FILE_MANIFEST, FILE_LATENTS, FILE_HYBRID, FILE_PCA, FILE_CLUSTERS},
     "cluster.level,cluster.methods,evaluate.",
     false,
     true,
     run_evaluate},
    {"report",
     2,
     FILE_REPORT,
     {FILE_MANIFEST, FILE_FEATURES, FILE_MODEL, FILE_LATENTS, FILE_CLUSTERS, FILE_EMBEDDING, FILE_METRICS},
     "-",
     false,
     true,
     run_report},
};
const int n_stages = (int)(sizeof stages / sizeof *stages);
