#include "report/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE = 20000 };

void leave_out(const char *folder, const char *name, const char *why)
{
    tt_info("report: no %s: %s", name, why);
    plot_remove(folder, name);
}

double score_of(const json_t *metrics, const char *truth, const char *method, const char *score)
{
    const json_t *scores = json_object_get(json_object_get(metrics, truth), method);
    const json_t *value = json_object_get(scores, score);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static tt_status make_folder(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? TT_OK : tt_fail_errno("create the folder", path);
}

/* ---- training curves ---- */

static void history_free(history *h)
{
    free(h->epoch);
    free(h->loss);
    free(h->reconstruction);
    free(h->kl);
    free(h->val_loss);
}

/* One column of /history; *out stays NULL if there is none. Collective. */
static tt_status read_history(tt_store *store, const char *dataset, int64_t *n, double **out)
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_column(store, dataset, &column, &found));
    if (!found) return TT_OK;
    if (*n >= 0 && column.dims[0] != *n)
        return tt_fail(TT_ERR_INPUT, "%s:%s has %lld epochs, other columns of /history have %lld",
                       tt_store_path(store), dataset, (long long)column.dims[0], (long long)*n);
    *n = column.dims[0];
    TT_TRY(tt_alloc(*n, sizeof **out, "training history", out));
    return tt_store_read(store, dataset, 0, *n, TT_F64, *out);
}

static tt_status report_curves(const tt_comm *comm, const char *model, const char *folder)
{
    tt_store *store;
    history h = {.n = -1};
    if (!file_is_there(comm, model)) {
        leave_out(folder, "training_curves.png", "there is no model");
        return TT_OK;
    }
    TT_TRY(tt_store_open(comm, model, &store));
    const char *name[] = {"/history/epoch", "/history/loss", "/history/reconstruction", "/history/kl",
                          "/history/val_loss"};
    double **column[] = {&h.epoch, &h.loss, &h.reconstruction, &h.kl, &h.val_loss};
    tt_status s = TT_OK;
    for (int i = 0; s == TT_OK && i < 5; i++)
        s = tt_agree(comm, read_history(store, name[i], &h.n, column[i]));
    tt_store_close(store);
    if (s == TT_OK && (h.n < 1 || !h.loss))
        leave_out(folder, "training_curves.png", "the model has no history of its training");
    else if (s == TT_OK)
        s = tt_agree(comm, comm->rank == 0 ? draw_curves(folder, &h) : TT_OK);
    history_free(&h);
    return s;
}

/* ---- latent space and clusters ---- */

/* Languages are drawn where there are several: most corpora have one. */
static bool is_drawn(const run_rows *r, kind k)
{
    return r->of[k].code && r->of[k].classes.n > (k == BY_LANGUAGE);
}

/* Collective. */
static tt_status report_scatter(const run_rows *r, uint64_t seed, const char *folder, const json_t *metrics)
{
    scatter s;
    char name[64];
    TT_TRY(sample_points(r, seed, SAMPLE, &s));
    tt_status status = TT_OK;
    for (int k = 0; status == TT_OK && r->comm->rank == 0 && k < KINDS; k++) {
        snprintf(name, sizeof name, "latent_by_%s.png", kind_words_of[k].file);
        if (s.rows > 0 && is_drawn(r, (kind)k))
            status = draw_scatter(folder, r, &s, (kind)k, metrics);
        else
            plot_remove(folder, name);
    }
    free(s.point);
    return tt_agree(r->comm, status);
}

/* The clusters of a rank's rows, with noise as one more. */
static void mark_noise(const run_rows *r, kind by, int32_t *cluster)
{
    const labelling *l = &r->of[by];
    for (int64_t i = 0; i < r->count; i++) {
        cluster[i] = l->code[i];
        if (cluster[i] < 0 && (!r->valid || r->valid[i])) cluster[i] = (int32_t)l->classes.n;
    }
}

/* One truth against one clustering. Collective. */
static tt_status report_heat(const run_rows *r, kind truth, kind by, const char *folder,
                             const json_t *metrics)
{
    int32_t *cluster = NULL;
    tt_cell *cells = NULL;
    int64_t n = 0;
    double ari = score_of(metrics, kind_words_of[truth].key, kind_words_of[by].key, "ari");
    TT_TRY(tt_agree(r->comm, tt_alloc(r->count, sizeof *cluster, "labels", &cluster)));
    mark_noise(r, by, cluster);
    tt_status s = tt_contingency(r->comm, r->count, cluster, r->of[truth].code, &cells, &n);
    if (s == TT_OK && r->comm->rank == 0 && n > 0) s = draw_heat(folder, r, truth, by, cells, n, ari);
    free(cells);
    free(cluster);
    return tt_agree(r->comm, s);
}

/* Collective. */
static tt_status report_tables(const run_rows *r, const char *folder, const json_t *metrics)
{
    char name[64];
    tt_status s = TT_OK;
    for (int truth = 0; truth < TRUTHS; truth++)
        for (int by = TRUTHS; s == TT_OK && by < KINDS; by++) {
            snprintf(name, sizeof name, "%s_by_%s.png", kind_words_of[truth].file, kind_words_of[by].file);
            if (is_drawn(r, (kind)truth) && is_drawn(r, (kind)by))
                s = report_heat(r, (kind)truth, (kind)by, folder, metrics);
            else if (r->comm->rank == 0)
                plot_remove(folder, name);
        }
    return s;
}

static void say_what_is_missing(const run_rows *r)
{
    for (int k = 0; k < TRUTHS; k++)
        if (!is_drawn(r, (kind)k))
            tt_info("report: no pictures by %s, %s", kind_words_of[k].one,
                    r->of[k].classes.n == 1 ? "all rows have the same" : "no row has a known one");
    for (int k = TRUTHS; k < KINDS; k++)
        if (r->of[k].code && !is_drawn(r, (kind)k))
            tt_info("report: no pictures by %s: all rows are noise", kind_words_of[k].one);
    if (!r->xy) tt_info("report: no pictures of the latent space without its coordinates");
}

/* Collective. @param metrics  NULL on ranks other than 0 */
static tt_status report_rows(const run_rows *r, uint64_t seed, const char *folder, const json_t *metrics)
{
    say_what_is_missing(r);
    if (r->xy) TT_TRY(report_scatter(r, seed, folder, metrics));
    return report_tables(r, folder, metrics);
}

/* ---- scores ---- */

static tt_status write_table(const char *metrics, const char *folder)
{
    char *path = NULL, *part = NULL;
    tt_status s = tt_format(&path, "%s/scores.txt", folder);
    if (s == TT_OK) s = tt_format(&part, "%s.part", path);
    FILE *to = s == TT_OK ? fopen(part, "w") : NULL;
    if (s == TT_OK && !to) s = tt_fail_errno("create", part);
    if (s == TT_OK && (s = tt_scores_print(metrics, to)) != TT_OK) s = tt_fail_because(s, "%s", part);
    if (to && fclose(to) != 0 && s == TT_OK) s = tt_fail_errno("write", part);
    if (s == TT_OK && rename(part, path) != 0) s = tt_fail_errno("write", path);
    free(part);
    free(path);
    return s;
}

static tt_status report_scores(const char *path, const json_t *metrics, const char *folder)
{
    if (!metrics) {
        leave_out(folder, "scores.png", "there are no scores");
        leave_out(folder, "silhouettes.png", "there are no scores");
        return TT_OK;
    }
    TT_TRY(write_table(path, folder));
    TT_TRY(draw_silhouettes(folder, metrics));
    return draw_scores(folder, metrics);
}

static tt_status load_metrics(const char *path, json_t **out)
{
    json_error_t error;
    *out = NULL;
    if (!path || access(path, R_OK) != 0) return TT_OK;
    *out = json_load_file(path, 0, &error);
    return *out ? TT_OK : tt_fail(TT_ERR_INPUT, "%s line %d: %s", path, error.line, error.text);
}

tt_status tt_report(const tt_comm *comm, const tt_provenance *provenance, const tt_report_inputs *in,
                    const char *results)
{
    run_rows rows = {0};
    json_t *metrics = NULL; /* on rank 0 */
    tt_status s = comm->rank == 0 ? make_folder(results) : TT_OK;
    if (s == TT_OK && comm->rank == 0) s = load_metrics(in->metrics, &metrics);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = report_curves(comm, in->model, results);
    if (s == TT_OK) s = run_rows_read(comm, in, &rows);
    if (s == TT_OK) s = report_rows(&rows, provenance->seed, results, metrics);
    if (s == TT_OK) s = report_dendrogram(comm, in->clusters, rows.of[BY_AGGLOMERATIVE].classes.n, results);
    if (s == TT_OK) s = report_choices(comm, in->clusters, results);
    if (s == TT_OK) s = report_mel(comm, in, provenance->seed, results);
    if (s == TT_OK)
        s = tt_agree(comm, comm->rank == 0 ? report_scores(in->metrics, metrics, results) : TT_OK);
    run_rows_free(&rows);
    json_decref(metrics);
    return s;
}
