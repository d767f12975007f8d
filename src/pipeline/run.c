#include "rundir.h"
#include "stages.h"
#include "tutti/hash.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What decides a stage's result, as a fingerprint, and the same in words for its provenance. */
typedef struct origin {
    char fingerprint[TT_HASH_TEXT];
    char inputs[1024]; /* "NAME HASH" lines */
} origin;

/* The names of all stages, separated by spaces. */
static void name_stages(char *text, size_t bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < n_stages && at < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%s", i > 0 ? " " : "", stages[i].name);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void add_input(origin *o, tt_hash *h, const char *name, const char *hash)
{
    size_t at = strlen(o->inputs);
    tt_hash_text(h, hash);
    snprintf(o->inputs + at, sizeof o->inputs - at, "%s %s\n", name, hash);
}

static tt_status add_settings(const tt_config *config, const char *prefixes, tt_hash *h)
{
    char *text;
    TT_TRY(tt_config_text(config, prefixes, &text));
    tt_hash_text(h, text);
    free(text);
    return TT_OK;
}

/* A file of another maker is known by its size and time. */
static tt_status identify_file(const char *path, char **hash)
{
    struct stat st;
    *hash = NULL;
    if (stat(path, &st) != 0) return tt_fail_errno("open", path);
    if (!S_ISDIR(st.st_mode)) TT_TRY(stored_fingerprint(path, hash));
    if (*hash) return TT_OK;
    tt_hash h = tt_hash_start();
    char text[TT_HASH_TEXT];
    tt_hash_i64(&h, st.st_size);
    tt_hash_i64(&h, st.st_mtim.tv_sec);
    tt_hash_i64(&h, st.st_mtim.tv_nsec);
    tt_hash_print(&h, text);
    return tt_copy_text(text, hash);
}

static tt_status identify_specs(const char *const *specs, int n_specs, tt_hash *h, origin *o)
{
    for (int i = 0; i < n_specs; i++) {
        char *file, *dataset, *hash;
        TT_TRY(tt_store_split(specs[i], "", &file, &dataset));
        tt_hash_text(h, dataset);
        tt_status s = identify_file(file, &hash);
        if (s == TT_OK) add_input(o, h, specs[i], hash);
        free(hash);
        free(file);
        free(dataset);
        TT_TRY(s);
    }
    return TT_OK;
}

/* Files that settings of the stage name. @return how many */
static int named_files(const tt_config *config, const stage *st, const char *file[TT_LYRICS_FILES])
{
    const tt_cluster_params *c = &config->cluster;
    if (st->output == FILE_LYRICS) return tt_lyrics_files(&config->lyrics, file);
    if (st->output != FILE_CLUSTERS || !strstr(c->methods, "kmeans") || !strstr(c->kmeans.init, ":/"))
        return 0;
    file[0] = c->kmeans.init;
    return 1;
}

/* Rank 0's part of origin_of(): the stored fingerprints of the inputs. */
static tt_status add_inputs(const run_context *run, const stage *st, tt_hash *h, origin *o)
{
    for (int i = 0; i < STAGE_INPUTS && st->input[i] != FILE_NONE; i++) {
        const char *path = run->path[st->input[i]];
        char *hash = NULL;
        TT_TRY(stored_fingerprint(path, &hash));
        if (!hash) {
            bool there = access(path, F_OK) == 0;
            return tt_fail(TT_ERR_IO, "%s %s; run the stages before %s first (tutti run does all of them)",
                           path, there ? "cannot be read as a file of tutti" : "does not exist", st->name);
        }
        add_input(o, h, base_name(path), hash);
        free(hash);
    }
    const char *file[TT_LYRICS_FILES];
    return identify_specs(file, named_files(run->config, st, file), h, o);
}

static tt_status origin_of(const run_context *run, const stage *st, origin *o)
{
    tt_hash h = tt_hash_start();
    char corpus[TT_HASH_TEXT] = "";
    memset(o, 0, sizeof *o);
    tt_hash_text(&h, st->name);
    tt_hash_i64(&h, st->version);
    if (st->reads_corpus) {
        TT_TRY(tt_corpus_fingerprint(run->comm, &run->config->corpus, corpus));
        add_input(o, &h, "corpus", corpus);
    }
    tt_status s = add_settings(run->config, st->settings, &h);
    if (st->uses_seed) tt_hash_i64(&h, (int64_t)run->config->seed);
    if (s == TT_OK && run->comm->rank == 0) s = add_inputs(run, st, &h, o);
    tt_hash_print(&h, o->fingerprint);
    TT_TRY(tt_agree(run->comm, s));
    return tt_broadcast(run->comm, o, sizeof *o, 0);
}

static tt_status is_current(const run_context *run, const stage *st, const origin *o, bool *current)
{
    tt_status s = TT_OK;
    char *stored = NULL;
    if (run->comm->rank == 0) s = stored_fingerprint(run->path[st->output], &stored);
    int64_t same = stored && strcmp(stored, o->fingerprint) == 0;
    free(stored);
    TT_TRY(tt_agree(run->comm, s));
    *current = tt_max_i64(run->comm, same) > 0;
    return TT_OK;
}

static tt_status run_stage(const run_context *run, const stage *st, const char *config_text, bool *worked)
{
    origin o;
    bool current;
    TT_TRY(origin_of(run, st, &o));
    TT_TRY(is_current(run, st, &o, &current));
    *worked = !current;
    if (current) {
        tt_info("%-9s current", st->name);
        return TT_OK;
    }
    tt_provenance p = {.stage = st->name,
                       .fingerprint = o.fingerprint,
                       .config = config_text,
                       .inputs = o.inputs,
                       .seed = run->config->seed};
    double since = tt_now();
    TT_TRY(st->run(run, &p));
    char took[32];
    tt_format_seconds(tt_now() - since, took, sizeof took);
    tt_info("%-9s done in %s: %s", st->name, took, run->path[st->output]);
    return TT_OK;
}

static tt_status run_line(const run_context *run, const char *config_text)
{
    int done = 0, seen = 0;
    for (int i = 0; i < n_stages; i++) {
        if (run->options->only && strcmp(run->options->only, stages[i].name) != 0) continue;
        bool worked;
        tt_status s = run_stage(run, &stages[i], config_text, &worked);
        if (s != TT_OK) return tt_fail_because(s, "%s", stages[i].name);
        done += worked;
        seen++;
        TT_TRY(tt_stop_agree(run->comm));
    }
    if (seen == 0) {
        char names[256];
        name_stages(names, sizeof names);
        return tt_fail(TT_ERR_USAGE, "'%s' is no stage; the stages are: %s", run->options->only, names);
    }
    if (done == 0 && !run->options->only) tt_info("nothing to do: all %d stages are current", seen);
    if (!run->options->only)
        tt_info("scores: %s; pictures: %s/results", run->path[FILE_METRICS], run->options->directory);
    return TT_OK;
}

tt_status tt_pipeline_run(const tt_comm *comm, const tt_config *config, const tt_run_options *options)
{
    rundir *dir;
    char *config_text = NULL, *given = NULL;
    run_context run = {.comm = comm, .config = config, .options = options};
    TT_TRY(rundir_open(comm, options->directory, &dir));
    tt_status s = make_paths(options->directory, &run);
    if (s == TT_OK) s = tt_config_text(config, NULL, &config_text);
    if (s == TT_OK) s = tt_config_given(config, &given);
    if (s == TT_OK && comm->rank == 0) s = rundir_write(options->directory, "config.yaml", given);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = run_line(&run, config_text);
    free(config_text);
    free(given);
    free_paths(&run);
    rundir_close(dir);
    return s;
}

tt_status tt_provenance_of(const tt_comm *comm, const tt_config *config, const char *stage_name,
                           const char *prefixes, const char *extra, const char *const *specs, int n_specs,
                           tt_provenance *out, char **text)
{
    tt_hash h = tt_hash_start();
    origin o = {.fingerprint = ""};
    char *settings = NULL;
    *text = NULL;
    tt_hash_text(&h, stage_name);
    tt_hash_text(&h, extra);
    tt_hash_i64(&h, (int64_t)config->seed);
    tt_status s = add_settings(config, prefixes, &h);
    if (s == TT_OK && comm->rank == 0) s = identify_specs(specs, n_specs, &h, &o);
    if (s == TT_OK) s = tt_config_text(config, NULL, &settings);
    tt_hash_print(&h, o.fingerprint);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_broadcast(comm, &o, sizeof o, 0);
    if (s == TT_OK) s = tt_agree(comm, tt_format(text, "%s\n%s\n%s", o.fingerprint, o.inputs, settings));
    free(settings);
    TT_TRY(s);
    char *inputs = *text + TT_HASH_TEXT, *config_text = inputs + strlen(o.inputs) + 1;
    inputs[-1] = config_text[-1] = '\0'; /* three texts in one block */
    *out = (tt_provenance){.stage = stage_name,
                           .fingerprint = *text,
                           .config = config_text,
                           .inputs = inputs,
                           .seed = config->seed};
    return TT_OK;
}
