#include "stage.h"

#include "presample.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cluster_method *const methods[TT_CLUSTER_METHODS] = {
    [TT_KMEANS] = &method_kmeans, [TT_AGGLOMERATIVE] = &method_agglomerative, [TT_DBSCAN] = &method_dbscan};

typedef struct stage {
    const tt_comm *comm;
    const tt_cluster_params *params;
    const tt_provenance *provenance;
    tt_silhouette silhouette;
    const char *output;
    bool by_track;
    int n;
    task *task;         /* [n] */
    tt_matrix x;        /* rows of the job at hand: the next job often has the same */
    const char *loaded; /* the input that x is, NULL for none */
    bool exact;         /* with the rest that trees measure near pairs by */
    tt_store *store;
} stage;

static const cluster_method *method_of(const task *t)
{
    return methods[t->job->method];
}

const char *tt_cluster_method_name(tt_cluster_method method)
{
    return methods[method]->name;
}

/* ---- columns ---- */

tt_status task_column(task *t, const char *leaf, tt_type type, int64_t rows, int64_t cols)
{
    int i = t->n_columns++, n = snprintf(t->name[i], TASK_NAME, "%s/%s", t->job->group, leaf);
    if (n < 0 || n >= TASK_NAME)
        return tt_fail(TT_ERR_INTERNAL, "the name of group %s is too long", t->job->group);
    t->column[i] =
        (tt_column){.name = t->name[i], .type = type, .n_dims = cols > 0 ? 2 : 1, .dims = {rows, cols}};
    return TT_OK;
}

tt_status task_write(const workshop *w, const task *t, const char *leaf, int64_t first, int64_t count,
                     const void *data)
{
    char name[TASK_NAME];
    snprintf(name, sizeof name, "%s/%s", t->job->group, leaf);
    return tt_store_write(w->store, name, first, count, data);
}

tt_status task_write_labels(const workshop *w, const task *t, const tt_matrix *x, const int32_t *label)
{
    return tt_store_write(w->store, t->column[0].name, x->first, x->count, label);
}

/* ---- what is known before ---- */

/* Have the rows of a job in st->x. Collective. */
static tt_status load(stage *st, const tt_cluster_job *job)
{
    bool exact = job->method == TT_AGGLOMERATIVE;
    if (st->loaded && strcmp(st->loaded, job->input) == 0 && (st->exact || !exact)) return TT_OK;
    tt_matrix_free(&st->x);
    st->loaded = NULL;
    TT_TRY((exact ? tt_matrix_read_exact : tt_matrix_read)(st->comm, job->input, "/x", &st->x));
    if (st->by_track) TT_TRY(tt_matrix_by_track(job->input, &st->x));
    st->loaded = job->input;
    st->exact = exact;
    return TT_OK;
}

static tt_status measure(stage *st, task *t)
{
    if (!st->by_track) return tt_matrix_size(st->comm, t->job->input, "/x", &t->rows, &t->cols, &t->n_valid);
    TT_TRY(load(st, t->job));
    t->rows = st->x.rows;
    t->cols = st->x.cols;
    t->n_valid = st->x.n_valid;
    return TT_OK;
}

/* OUTPUT.checkpoint of the job at hand, OUTPUT.WORD.checkpoint of what is chosen for job `i`. */
static tt_status checkpoint_path(const stage *st, int i, char **out)
{
    return i < 0 ? tt_format(out, "%s.checkpoint", st->output)
                 : tt_format(out, "%s.k%d.checkpoint", st->output, i);
}

static tt_status provenance_of(const stage *st, const task *t, tt_provenance *out, char **text)
{
    *out = *st->provenance;
    TT_TRY(tt_format(text, "%s %s", st->provenance->fingerprint, t->job->group));
    out->fingerprint = *text;
    return TT_OK;
}

/* The k of job i from its range. Collective. */
static tt_status choose(stage *st, int i)
{
    task *t = &st->task[i];
    tt_kmeans_params params = st->params->kmeans;
    tt_provenance provenance;
    char *path = NULL, *fingerprint = NULL;
    tt_status s = checkpoint_path(st, i, &path);
    if (s == TT_OK) s = provenance_of(st, t, &provenance, &fingerprint);
    s = tt_agree(st->comm, s);
    if (s == TT_OK) s = load(st, t->job);
    if (s == TT_OK) {
        params.checkpoint = path;
        params.provenance = &provenance;
        s = tt_kmeans_choose(&st->x, &params, provenance.seed, st->silhouette, &t->choice);
    }
    free(fingerprint);
    free(path);
    return s;
}

static tt_status plan(stage *st, const tt_cluster_job *jobs)
{
    TT_TRY(tt_agree(st->comm, tt_alloc(st->n, sizeof *st->task, "clusterings", &st->task)));
    for (int i = 0; i < st->n; i++) {
        task *t = &st->task[i];
        t->job = &jobs[i];
        TT_TRY(measure(st, t));
        if (t->job->method == TT_KMEANS && st->params->kmeans.k_max > st->params->kmeans.k)
            TT_TRY(choose(st, i));
        TT_TRY(task_column(t, "label", TT_I32, t->rows, 0));
        TT_TRY(method_of(t)->columns(st->params, t));
    }
    return TT_OK;
}

/* ---- the file ---- */

/* Where rows are tracks, /clip/track says so to who looks for the truth of a row. */
static int row_column(const stage *st, tt_column *out)
{
    if (!st->by_track || st->n == 0) return 0;
    *out = (tt_column){.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {st->task[0].rows}};
    return 1;
}

static tt_status open_file(stage *st)
{
    tt_column *columns = NULL;
    int n = 0;
    tt_status s =
        tt_alloc((int64_t)st->n * TASK_COLUMNS + 1, sizeof *columns, "columns of clusters", &columns);
    s = tt_agree(st->comm, s);
    for (int i = 0; s == TT_OK && i < st->n; i++)
        for (int c = 0; c < st->task[i].n_columns; c++) columns[n++] = st->task[i].column[c];
    if (s == TT_OK) n += row_column(st, &columns[n]);
    if (s == TT_OK) s = tt_store_create(st->comm, st->output, st->provenance, columns, n, &st->store);
    free(columns);
    return s;
}

static tt_status write_tracks(const stage *st)
{
    tt_column column;
    int64_t *track = NULL;
    if (row_column(st, &column) == 0) return TT_OK;
    tt_range mine = tt_partition(column.dims[0], TT_BLOCK_ROWS, st->comm->size, st->comm->rank);
    tt_status s = tt_alloc(mine.end - mine.begin, sizeof *track, "tracks", &track);
    for (int64_t i = mine.begin; s == TT_OK && i < mine.end; i++) track[i - mine.begin] = i;
    if (s == TT_OK) s = tt_store_write(st->store, column.name, mine.begin, mine.end - mine.begin, track);
    free(track);
    return tt_agree(st->comm, s);
}

/* Whether an earlier attempt has written all columns of a task; one without any rows is made anew, which may
 * tell why it cannot be. Collective. */
static tt_status is_made(const stage *st, const task *t, bool *made)
{
    tt_status s = TT_OK;
    bool all = true;
    int64_t rows = 0;
    for (int c = 0; s == TT_OK && all && c < t->n_columns; c++) {
        const tt_column *column = &t->column[c];
        int size = st->comm->size;
        tt_range mine = tt_partition(column->dims[0], TT_BLOCK_ROWS, size, st->comm->rank);
        s = tt_store_rows_done(st->store, column->name, mine.begin, mine.end - mine.begin, &all);
        rows += column->dims[0];
    }
    *made = tt_sum_i64(st->comm, !all || rows == 0) == 0;
    return tt_agree(st->comm, s);
}

/* The checkpoint of a task that is made, and the one of its micro-clusters. Collective. */
static tt_status discard(const tt_comm *comm, const char *checkpoint)
{
    char *path = NULL;
    tt_status s = tt_store_discard(comm, checkpoint);
    if (s == TT_OK) s = tt_agree(comm, micro_checkpoint(checkpoint, &path));
    if (s == TT_OK) s = tt_store_discard(comm, path);
    free(path);
    return s;
}

static tt_status make(stage *st, const task *t)
{
    bool made = false;
    tt_provenance provenance;
    char *path = NULL, *fingerprint = NULL;
    if (tt_store_resumed(st->store)) TT_TRY(is_made(st, t, &made));
    if (made) {
        tt_info("cluster: %s is there from an earlier attempt", t->job->group);
        return TT_OK;
    }
    tt_status s = checkpoint_path(st, -1, &path);
    if (s == TT_OK) s = provenance_of(st, t, &provenance, &fingerprint);
    s = tt_agree(st->comm, s);
    if (s == TT_OK) s = load(st, t->job);
    workshop w = {st->params, &provenance, path, st->store};
    if (s == TT_OK) s = method_of(t)->make(&w, t, &st->x);
    if (s == TT_OK) s = discard(st->comm, path);
    free(fingerprint);
    free(path);
    return s;
}

static tt_status discard_choices(const stage *st)
{
    tt_status s = TT_OK;
    for (int i = 0; s == TT_OK && i < st->n; i++) {
        char *path = NULL;
        if (st->task[i].choice.n == 0) continue;
        s = tt_agree(st->comm, checkpoint_path(st, i, &path));
        if (s == TT_OK) s = tt_store_discard(st->comm, path);
        free(path);
    }
    return s;
}

tt_status tt_cluster(const tt_comm *comm, const tt_cluster_params *params, const tt_provenance *provenance,
                     const tt_cluster_job *jobs, int n_jobs, tt_silhouette silhouette, const char *output)
{
    stage st = {.comm = comm,
                .params = params,
                .provenance = provenance,
                .silhouette = silhouette,
                .output = output,
                .by_track = strcmp(params->level, "track") == 0,
                .n = n_jobs};
    tt_phases phases = {0};
    tt_phase(&phases, "choose");
    tt_status s = plan(&st, jobs);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = open_file(&st);
    if (s == TT_OK) s = write_tracks(&st);
    for (int i = 0; s == TT_OK && i < n_jobs; i++) {
        tt_phase(&phases, method_of(&st.task[i])->name);
        s = make(&st, &st.task[i]);
    }
    tt_phase(&phases, "write");
    if (st.store && s == TT_OK)
        s = tt_store_publish(st.store, &phases, s);
    else
        tt_store_close(st.store);
    if (s == TT_OK) s = discard_choices(&st);
    for (int i = 0; st.task && i < n_jobs; i++) tt_kmeans_choice_free(&st.task[i].choice);
    free(st.task);
    tt_matrix_free(&st.x);
    return s;
}
