#include "metrics/internal.h"

#include "tutti/memory.h"
#include "tutti/random.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A method's rows and labels while it is scored. */
typedef struct labelling {
    const char *method, *space;
    tt_matrix x;
    int32_t *label; /* [x.count] */
} labelling;

/* ---- labels ---- */

/* Read labels as they are (clusters.h5 or any integer dataset), -1 for a row that is not valid. Collective.
 */
static tt_status read_labels(const tt_comm *comm, const char *spec, const tt_matrix *x, int32_t **label)
{
    int64_t rows;
    TT_TRY(tt_truth_from_dataset(comm, spec, label, &rows));
    if (rows != x->rows)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %lld labels, but %s has %lld rows: they must be of the same rows", spec,
                       (long long)rows, x->name, (long long)x->rows);
    return TT_OK;
}

static void labelling_free(labelling *l)
{
    tt_matrix_free(&l->x);
    free(l->label);
    *l = (labelling){0};
}

static tt_status labelling_read(const tt_comm *comm, const tt_evaluate_job *job, const tt_truth *truths,
                                int n_truths, labelling *l)
{
    *l = (labelling){.method = job->method, .space = job->space};
    tt_status s = tt_matrix_read(comm, job->input, "/x", &l->x);
    if (s == TT_OK) s = read_labels(comm, job->labels, &l->x, &l->label);
    for (int t = 0; s == TT_OK && t < n_truths; t++)
        if (truths[t].rows != l->x.rows)
            s = tt_fail(TT_ERR_INPUT,
                        "the truth \"%s\" has %lld rows, but %s has %lld: they must be of the same rows",
                        truths[t].name, (long long)truths[t].rows, l->x.name, (long long)l->x.rows);
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

/* ---- scores to JSON; on ranks other than 0 `root` is NULL, and jansson lets that pass ---- */

static void set_number(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, isfinite(value) ? json_real(value) : json_null());
}

static void set_count(json_t *object, const char *name, int64_t value)
{
    json_object_set_new(object, name, json_integer(value));
}

static json_t *entry_of(const labelling *l, const tt_internal_scores *inside, int64_t noise)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "space", json_string(l->space));
    set_count(entry, "rows", inside->rows);
    set_count(entry, "noise", noise);
    set_count(entry, "clusters", inside->clusters);
    set_number(entry, "silhouette", inside->silhouette);
    set_number(entry, "davies_bouldin", inside->davies_bouldin);
    set_number(entry, "calinski_harabasz", inside->calinski_harabasz);
    return entry;
}

static void add_external(json_t *entry, const tt_external_scores *e)
{
    set_count(entry, "truth_rows", e->rows);
    set_count(entry, "classes", e->classes);
    set_number(entry, "ari", e->ari);
    set_number(entry, "ami", e->ami);
    set_number(entry, "nmi", e->nmi);
    set_number(entry, "homogeneity", e->homogeneity);
    set_number(entry, "completeness", e->completeness);
    set_number(entry, "v_measure", e->v_measure);
    set_number(entry, "fowlkes_mallows", e->fowlkes_mallows);
    set_number(entry, "purity", e->purity);
}

/* Put `entry` under root[truth][method]; takes `entry`. */
static void put_entry(json_t *root, const char *truth, const char *method, json_t *entry)
{
    json_t *methods = json_object_get(root, truth);
    if (!methods) {
        json_object_set_new(root, truth, json_object());
        methods = json_object_get(root, truth);
    }
    json_object_set_new(methods, method, entry);
}

/* Score one labelling against every truth. Collective. */
static tt_status score(const labelling *l, const tt_truth *truths, int n_truths, json_t *root)
{
    const tt_comm *comm = l->x.comm;
    tt_internal_scores inside;
    int64_t noise = 0;
    int32_t *known = NULL;
    TT_TRY(tt_score_internal(&l->x, l->label, &inside));
    TT_TRY(tt_agree(comm, tt_alloc(l->x.count, sizeof *known, "labels", &known)));
    for (int64_t i = 0; i < l->x.count; i++) {
        noise += l->x.valid[i] && l->label[i] < 0;
        known[i] = is_labelled(l, i) ? l->label[i] : -1;
    }
    noise = tt_sum_i64(comm, noise);
    tt_status s = TT_OK;
    for (int t = 0; s == TT_OK && t < n_truths; t++) {
        tt_external_scores outside;
        s = tt_score_external(comm, l->x.count, known, truths[t].label, &outside);
        if (s != TT_OK || !root) continue;
        json_t *entry = entry_of(l, &inside, noise);
        add_external(entry, &outside);
        put_entry(root, truths[t].name, l->method, entry);
    }
    if (root && n_truths == 0) put_entry(root, "none", l->method, entry_of(l, &inside, noise));
    free(known);
    return s;
}

static tt_status score_all(const tt_comm *comm, uint64_t seed, const tt_evaluate_job *jobs, int n_jobs,
                           const tt_truth *truths, int n_truths, json_t *root)
{
    tt_status s = TT_OK;
    for (int j = 0; s == TT_OK && j <= n_jobs; j++) {
        bool chance = j == n_jobs;
        labelling l;
        TT_TRY(labelling_read(comm, &jobs[chance ? 0 : j], truths, n_truths, &l));
        if (chance) {
            l.method = "chance";
            s = shuffle(&l, seed);
        }
        if (s == TT_OK) s = score(&l, truths, n_truths, root);
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

tt_status tt_evaluate(const tt_comm *comm, const tt_provenance *provenance, const tt_evaluate_job *jobs,
                      int n_jobs, const tt_truth *truths, int n_truths, const char *output)
{
    if (n_jobs < 1) return tt_fail(TT_ERR_USAGE, "nothing to evaluate: no labels were given");
    json_t *root = comm->rank == 0 ? json_object() : NULL;
    tt_status s = comm->rank == 0 && !root ? tt_fail(TT_ERR_MEMORY, "no memory for scores") : TT_OK;
    s = tt_agree(comm, s);
    if (s == TT_OK) s = score_all(comm, provenance->seed, jobs, n_jobs, truths, n_truths, root);
    if (s == TT_OK) s = tt_agree(comm, root ? publish(root, provenance, output) : TT_OK);
    json_decref(root);
    return s;
}
