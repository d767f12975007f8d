#include "metrics/internal.h"

#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A method's rows and labels while it is scored. */
typedef struct labelling {
    const char *method, *space, *level;
    tt_matrix x;
    int32_t *label; /* [x.count] -1 for rows that are not valid */
    char **name;    /* [n_names] that the labels have in their file, one block */
    int n_names;
    int64_t noise; /* over all ranks, whatever became of it */
    row_tracks tracks;
} labelling;

/* ---- labels ---- */

/* Read labels as they are (clusters.h5 or any integer dataset), -1 for a row that is not valid. Collective.
 */
static tt_status read_labels(const tt_comm *comm, const char *spec, labelling *l)
{
    tt_classes classes;
    TT_TRY(tt_classes_from_dataset(comm, spec, &classes));
    l->label = classes.label;
    l->name = classes.name;
    l->n_names = classes.n;
    if (classes.rows != l->x.rows)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %lld labels, but %s has %lld rows: they must be of the same rows", spec,
                       (long long)classes.rows, l->x.name, (long long)l->x.rows);
    return TT_OK;
}

static void labelling_free(labelling *l)
{
    tt_matrix_free(&l->x);
    free(l->label);
    free(l->name);
    free(l->tracks.track);
    *l = (labelling){0};
}

/* Noise rows become a cluster, or clusters of one row each, behind those that there are. Collective. */
static tt_status label_noise(labelling *l, bool alone)
{
    int64_t largest = -1, noise = 0;
    int last;
    for (int64_t i = 0; i < l->x.count; i++) {
        if (l->x.valid[i] && l->label[i] > largest) largest = l->label[i];
        noise += l->x.valid[i] && l->label[i] < 0;
    }
    int64_t next = 1 + tt_max_i64(l->x.comm, largest);
    if (alone) next += tt_prefix_i64(l->x.comm, noise);
    TT_TRY(tt_agree(l->x.comm, tt_int(next + noise, "clusters of one noise row each", &last)));
    for (int64_t i = 0; i < l->x.count; i++)
        if (l->x.valid[i] && l->label[i] < 0) l->label[i] = (int32_t)(alone ? next++ : next);
    return TT_OK;
}

/* What becomes of noise. Collective. */
static tt_status treat_noise(labelling *l, const tt_evaluate_params *params)
{
    int64_t noise = 0;
    for (int64_t i = 0; i < l->x.count; i++) {
        if (!l->x.valid[i]) l->label[i] = -1;
        noise += l->x.valid[i] && l->label[i] < 0;
    }
    l->noise = tt_sum_i64(l->x.comm, noise);
    if (strcmp(params->noise, "drop") == 0 || l->noise == 0) return TT_OK;
    return label_noise(l, strcmp(params->noise, "singletons") == 0);
}

static tt_status labelling_read(const tt_comm *comm, const tt_evaluate_params *params,
                                const tt_evaluate_job *job, const tt_truth *truths, int n_truths,
                                labelling *l)
{
    *l = (labelling){.method = job->method, .space = job->space, .level = job->by_track ? "track" : "row"};
    tt_status s = tt_matrix_read(comm, job->input, "/x", &l->x);
    if (s == TT_OK && job->by_track) s = tt_matrix_by_track(job->input, &l->x);
    if (s == TT_OK) s = read_labels(comm, job->labels, l);
    for (int t = 0; s == TT_OK && t < n_truths; t++)
        if (truths[t].rows != l->x.rows)
            s = tt_fail(TT_ERR_INPUT,
                        "the truth \"%s\" has %lld rows, but %s has %lld: they must be of the same rows",
                        truths[t].name, (long long)truths[t].rows, l->x.name, (long long)l->x.rows);
    if (s == TT_OK) s = treat_noise(l, params);
    if (s == TT_OK) s = row_tracks_read(&l->x, job->input, &l->tracks);
    if (s != TT_OK) labelling_free(l);
    return s;
}

/* ---- chance ---- */

/* A label on its way to another row: the how manieth labelled row it goes to. */
typedef struct parcel {
    int64_t to;
    int32_t label;
} parcel;

static int owner_of(const int64_t *start, int size, int64_t place)
{
    int low = 0, high = size; /* start[low] <= place < start[high]; ranks without rows are never met */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (start[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_labelled(const labelling *l, int64_t i)
{
    return l->x.valid[i] && l->label[i] >= 0;
}

/* Parcels of this rank's labelled rows, grouped by the rank they go to. @param start  [size + 1] labelled
 * rows before each rank. */
static tt_status pack_parcels(const labelling *l, uint64_t seed, const int64_t *start, int64_t *bytes,
                              parcel **out)
{
    const tt_comm *comm = l->x.comm;
    tt_stream stream = {seed, TT_FOR_CHANCE, 0};
    int64_t mine = start[comm->rank + 1] - start[comm->rank], *at = NULL, *to = NULL;
    tt_status s = tt_alloc(comm->size + 1, sizeof *at, "labels by chance", &at);
    if (s == TT_OK) s = tt_alloc(mine, sizeof *to, "labels by chance", &to);
    if (s == TT_OK) s = tt_alloc(mine, sizeof **out, "labels by chance", out);
    if (s == TT_OK) {
        for (int64_t k = 0; k < mine; k++) {
            to[k] = (int64_t)tt_random_permute(stream, (uint64_t)(start[comm->rank] + k),
                                               (uint64_t)start[comm->size]);
            at[owner_of(start, comm->size, to[k]) + 1]++;
        }
        for (int r = 0; r < comm->size; r++) {
            bytes[r] = at[r + 1] * (int64_t)sizeof **out;
            at[r + 1] += at[r];
        }
        for (int64_t i = 0, k = 0; i < l->x.count; i++)
            if (is_labelled(l, i)) {
                (*out)[at[owner_of(start, comm->size, to[k])]++] = (parcel){to[k], l->label[i]};
                k++;
            }
    }
    free(to);
    free(at);
    return s;
}

/* Hand the labels of all labelled rows round by a random permutation. Collective. */
static tt_status shuffle(labelling *l, uint64_t seed)
{
    const tt_comm *comm = l->x.comm;
    int64_t *start = NULL, *bytes = NULL, mine = 0;
    parcel *sent = NULL, *got = NULL;
    for (int64_t i = 0; i < l->x.count; i++) mine += is_labelled(l, i);
    tt_status s = tt_alloc(comm->size + 1, sizeof *start, "labels by chance", &start);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *bytes, "labels by chance", &bytes);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        MPI_Allgather(&mine, 1, MPI_INT64_T, start + 1, 1, MPI_INT64_T, comm->mpi);
        for (int r = 0; r < comm->size; r++) start[r + 1] += start[r];
        s = tt_agree(comm, pack_parcels(l, seed, start, bytes, &sent));
    }
    if (s == TT_OK) s = tt_exchange(comm, sent, bytes, &got, bytes + comm->size);
    if (s == TT_OK) {
        int32_t *in_order = NULL;
        s = tt_agree(comm, tt_alloc(mine, sizeof *in_order, "labels by chance", &in_order));
        for (int64_t k = 0; s == TT_OK && k < mine; k++)
            in_order[got[k].to - start[comm->rank]] = got[k].label;
        for (int64_t i = 0, k = 0; s == TT_OK && i < l->x.count; i++)
            if (is_labelled(l, i)) l->label[i] = in_order[k++];
        free(in_order);
    }
    free(got);
    free(sent);
    free(bytes);
    free(start);
    return s;
}

/* ---- scores ---- */

/* What a run of the stage works with. */
typedef struct evaluation {
    const tt_evaluate_params *params;
    tt_silhouette_options silhouette;
    const tt_truth *truths;
    int n_truths;
    json_t *root; /* NULL on ranks other than 0 */
} evaluation;

/* Whether this truth went into the space of these labels; none goes into chance. */
static bool was_told(const labelling *l, const tt_truth *truth)
{
    return truth->told && strcmp(truth->told, l->space) == 0 && strcmp(l->method, "chance") != 0;
}

/* Add the entry of labels [count] against truth [count] (NULL: none) under `name`. Collective; takes `entry`.
 */
static tt_status add_entry(const evaluation *e, const labelling *l, int64_t count, const int32_t *label,
                           const int32_t *truth, const code_names *classes, const char *name, json_t *entry)
{
    tt_external_scores outside;
    const code_names labels = code_names_of(l->name, l->n_names);
    tt_cell *cells = NULL;
    int64_t n = 0;
    tt_status s = TT_OK;
    if (truth) {
        s = tt_contingency(l->x.comm, count, label, truth, &cells, &n);
        if (s == TT_OK) s = tt_agree(l->x.comm, score_cells(cells, n, &outside));
        if (s == TT_OK) entry_add_external(entry, &outside);
        if (s == TT_OK && entry) entry_add_confusion(entry, cells, n, &outside, &labels, classes);
    }
    if (s == TT_OK)
        entry_put(e->root, name, l->method, entry);
    else
        json_decref(entry);
    free(cells);
    return s;
}

/* Clusters among labels [count], and rows that have one. Collective. */
static tt_status count_labels(const tt_comm *comm, int64_t count, const int32_t *label,
                              tt_internal_scores *out)
{
    tt_cell *cells;
    *out = (tt_internal_scores){NAN, NAN, NAN, 0, 0};
    TT_TRY(tt_contingency(comm, count, label, NULL, &cells, &out->clusters));
    for (int64_t i = 0; i < out->clusters; i++) out->rows += cells[i].count;
    free(cells);
    return TT_OK;
}

/* Tracks by what most of their rows have: against truth t, under NAME_by_track. Geometry is not scored, since
 * a track has no place in the space that its rows were clustered in. Collective.
 *  @param label  [tracks of this rank] */
static tt_status score_by_track(const evaluation *e, const labelling *l, int t, const int32_t *label)
{
    const tt_comm *comm = l->x.comm;
    tt_range mine = tt_partition(l->tracks.tracks, TT_BLOCK_ROWS, comm->size, comm->rank);
    const code_names classes = code_names_of(e->truths[t].classes, e->truths[t].n_classes);
    int64_t count = mine.end - mine.begin;
    tt_internal_scores tracks;
    int32_t *truth = NULL;
    char *name = NULL;
    tt_status s = tt_alloc(count, sizeof *truth, "truths of tracks", &truth);
    if (s == TT_OK) s = tt_format(&name, "%s_by_track", e->truths[t].name);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = majority_labels(comm, &l->tracks, e->truths[t].label, truth);
    if (s == TT_OK) s = count_labels(comm, count, label, &tracks);
    if (s == TT_OK) {
        const entry_head head = {
            l->space, "track", e->params->metric, e->params->noise, l->tracks.tracks - tracks.rows, 0};
        json_t *entry = e->root ? entry_new(&head, &tracks) : NULL;
        if (was_told(l, &e->truths[t])) entry_add_told(entry);
        s = add_entry(e, l, count, label, truth, &classes, name, entry);
    }
    free(name);
    free(truth);
    return s;
}

/* Collective. */
static tt_status score_tracks(const evaluation *e, const labelling *l)
{
    tt_range mine = tt_partition(l->tracks.tracks, TT_BLOCK_ROWS, l->x.comm->size, l->x.comm->rank);
    int32_t *label;
    if (l->tracks.tracks == 0 || e->n_truths == 0) return TT_OK;
    TT_TRY(tt_agree(l->x.comm, tt_alloc(mine.end - mine.begin, sizeof *label, "labels of tracks", &label)));
    tt_status s = majority_labels(l->x.comm, &l->tracks, l->label, label);
    for (int t = 0; s == TT_OK && t < e->n_truths; t++) s = score_by_track(e, l, t, label);
    free(label);
    return s;
}

/* Score one labelling against every truth. Collective. */
static tt_status score(const evaluation *e, const labelling *l)
{
    const entry_head head = {l->space,         l->level, e->params->metric,
                             e->params->noise, l->noise, e->params->sample};
    const code_names labels = code_names_of(l->name, l->n_names);
    tt_internal_scores inside;
    tt_cluster_silhouettes each;
    tt_status s = tt_score_internal(&l->x, l->label, &e->silhouette, &inside, &each);
    for (int t = 0; s == TT_OK && t < (e->n_truths > 0 ? e->n_truths : 1); t++) {
        const tt_truth *truth = e->n_truths > 0 ? &e->truths[t] : NULL;
        json_t *entry = e->root ? entry_new(&head, &inside) : NULL;
        const code_names classes = code_names_of(truth ? truth->classes : NULL, truth ? truth->n_classes : 0);
        if (entry) entry_add_clusters(entry, &each, &labels);
        if (truth && was_told(l, truth)) entry_add_told(entry);
        s = add_entry(e, l, l->x.count, l->label, truth ? truth->label : NULL, &classes,
                      truth ? truth->name : "none", entry);
    }
    free(each.cluster);
    return s == TT_OK ? score_tracks(e, l) : s;
}

static tt_status score_all(const tt_comm *comm, const evaluation *e, const tt_evaluate_job *jobs, int n_jobs)
{
    tt_status s = TT_OK;
    for (int j = 0; s == TT_OK && j <= n_jobs; j++) {
        bool chance = j == n_jobs;
        labelling l;
        TT_TRY(labelling_read(comm, e->params, &jobs[chance ? 0 : j], e->truths, e->n_truths, &l));
        if (chance) {
            l.method = "chance";
            s = shuffle(&l, e->silhouette.seed);
        }
        if (s == TT_OK) s = score(e, &l);
        labelling_free(&l);
    }
    return s;
}

/* ---- the file ---- */

static tt_status write_file(const char *path, const json_t *root)
{
    char *part = NULL;
    TT_TRY(tt_format(&part, "%s.part", path));
    tt_status s = TT_OK;
    FILE *file = fopen(part, "w");
    if (!file) s = tt_fail_errno("create", part);
    if (s == TT_OK && (json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) != 0 ||
                       fputc('\n', file) == EOF || fflush(file) != 0 || fsync(fileno(file)) != 0))
        s = tt_fail_errno("write", part);
    if (file && fclose(file) != 0 && s == TT_OK) s = tt_fail_errno("write", part);
    if (s == TT_OK && rename(part, path) != 0) s = tt_fail_errno("rename to", path);
    free(part);
    return s;
}

static tt_status publish(json_t *root, const tt_provenance *p, const char *path)
{
    json_t *origin =
        json_pack("{s:s, s:s?, s:s?, s:I, s:s?, s:s?}", "tutti", TT_VERSION, "stage", p->stage, "fingerprint",
                  p->fingerprint, "seed", (json_int_t)p->seed, "inputs", p->inputs, "config", p->config);
    if (!origin || json_object_set_new(root, "provenance", origin) != 0)
        return tt_fail(TT_ERR_INTERNAL, "%s: the provenance is not UTF-8 text", path);
    TT_TRY(write_file(path, root));
    return tt_scores_print(path, stdout);
}

static tt_status check(const tt_evaluate_params *params, int n_jobs, tt_metric *metric)
{
    static const char *const noise[] = {"drop", "cluster", "singletons"};
    bool known = false;
    for (int i = 0; i < 3; i++) known = known || strcmp(params->noise, noise[i]) == 0;
    if (n_jobs < 1) return tt_fail(TT_ERR_USAGE, "nothing to evaluate: no labels were given");
    if (!known)
        return tt_fail(TT_ERR_CONFIG,
                       "evaluate.noise: '%s' is not known; expected one of: drop cluster singletons",
                       params->noise);
    if (!tt_metric_parse(params->metric, metric) || *metric == TT_SQEUCLIDEAN)
        return tt_fail(TT_ERR_CONFIG, "evaluate.metric: '%s' is not known; expected one of: euclidean cosine",
                       params->metric);
    return TT_OK;
}

tt_status tt_evaluate(const tt_comm *comm, const tt_evaluate_params *params, const tt_provenance *provenance,
                      const tt_evaluate_job *jobs, int n_jobs, const tt_truth *truths, int n_truths,
                      const char *output)
{
    tt_metric metric;
    TT_TRY(check(params, n_jobs, &metric));
    evaluation e = {params, {metric, params->sample, provenance->seed}, truths, n_truths, NULL};
    if (comm->rank == 0) e.root = json_object();
    tt_status s = comm->rank == 0 && !e.root ? tt_fail(TT_ERR_MEMORY, "no memory for scores") : TT_OK;
    s = tt_agree(comm, s);
    if (s == TT_OK) s = score_all(comm, &e, jobs, n_jobs);
    if (s == TT_OK) s = tt_agree(comm, e.root ? publish(e.root, provenance, output) : TT_OK);
    json_decref(e.root);
    return s;
}
