#include "report/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE = 20000 };

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
        tt_info("report: no training_curves.png without a model");
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
        tt_info("report: %s has no training history, so there is no training_curves.png", model);
    else if (s == TT_OK)
        s = tt_agree(comm, comm->rank == 0 ? draw_curves(folder, &h) : TT_OK);
    history_free(&h);
    return s;
}

/* ---- latent space and clusters ---- */

/* The adjusted Rand index of k-means against genres, NAN if it is not known. */
static double known_ari(const json_t *metrics)
{
    const json_t *method = json_object_get(json_object_get(metrics, "genre"), "kmeans");
    const json_t *ari = json_object_get(method, "ari");
    return json_is_number(ari) ? json_number_value(ari) : NAN;
}

/* Collective. */
static tt_status report_scatter(const run_rows *r, uint64_t seed, const char *folder, double ari)
{
    scatter s;
    TT_TRY(sample_points(r, seed, SAMPLE, &s));
    tt_status status = TT_OK;
    if (r->comm->rank == 0 && s.rows == 0)
        tt_info("report: no row is valid, so there are no pictures of the latent space");
    else if (r->comm->rank == 0) {
        if (r->genres.n > 0) status = draw_scatter(folder, "latent_by_genre.png", &s, &r->genres, true, NAN);
        if (status == TT_OK && r->clusters.n > 0)
            status = draw_scatter(folder, "latent_by_cluster.png", &s, &r->clusters, false, ari);
    }
    free(s.point);
    return tt_agree(r->comm, status);
}

/* Collective. */
static tt_status report_heat(const run_rows *r, const char *folder, double ari)
{
    tt_cell *cells;
    int64_t n;
    TT_TRY(tt_contingency(r->comm, r->count, r->cluster, r->genre, &cells, &n));
    tt_status s =
        r->comm->rank == 0 && n > 0 ? draw_heat(folder, &r->genres, &r->clusters, cells, n, ari) : TT_OK;
    free(cells);
    return tt_agree(r->comm, s);
}

static tt_status report_rows(const run_rows *r, uint64_t seed, const char *folder, double ari)
{
    if (r->genres.n == 0) tt_info("report: no row has a known genre, so there are no pictures by genre");
    if (r->clusters.n == 0) tt_info("report: no row has a cluster, so there are no pictures by cluster");
    if (r->xy) TT_TRY(report_scatter(r, seed, folder, ari));
    if (r->genres.n > 0 && r->clusters.n > 0) TT_TRY(report_heat(r, folder, ari));
    return TT_OK;
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
        tt_info("report: no scores.png without scores");
        return TT_OK;
    }
    TT_TRY(write_table(path, folder));
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
    if (s == TT_OK) s = report_rows(&rows, provenance->seed, results, known_ari(metrics));
    if (s == TT_OK) s = report_dendrogram(comm, in->clusters, results);
    if (s == TT_OK) s = report_mel(comm, in, provenance->seed, results);
    if (s == TT_OK)
        s = tt_agree(comm, comm->rank == 0 ? report_scores(in->metrics, metrics, results) : TT_OK);
    run_rows_free(&rows);
    json_decref(metrics);
    return s;
}
