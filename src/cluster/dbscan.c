#include "tutti/dbscan.h"

#include "cluster/dbscan.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>

/* Rows that do not exist lack nothing. */
static void begin_count(dbscan *d)
{
    for (int64_t i = 0; i < d->space.blocks; i++) {
        block b = space_block(&d->space, i);
        for (int r = 0; r < b.rows; r++) b.info[r] = d->params->min_samples;
    }
    int64_t n = d->space.rows.end - d->space.rows.begin;
    for (int64_t i = 0; i < n; i++) d->root[i] = -1;
    for (int64_t i = 0; i < d->x->count; i++) d->link.value[i] = d->x->first + i;
}

/* Collective. */
static tt_status run_phase(dbscan *d)
{
    if (d->phase == DBSCAN_COUNT) return dbscan_count(d);
    return d->phase == DBSCAN_JOIN ? dbscan_join(d) : dbscan_border(d);
}

/* Collective. */
static tt_status run_phases(dbscan *d)
{
    tt_status s = TT_OK;
    while (s == TT_OK && d->phase < DBSCAN_DONE) {
        s = run_phase(d);
        if (s != TT_OK) break;
        d->phase++;
        d->at = (place){0};
    }
    if (s != TT_STOPPED) return s;
    tt_status saved = dbscan_save(d);
    return saved == TT_OK ? tt_stop_agree(d->x->comm) : saved;
}

/* ---- the result ---- */

static void take(int64_t *at, int64_t value)
{
    *at = value;
}

/* What each row of the matrix is: twice its root plus 1 for a core row; -1 for noise. Collective. */
static tt_status send_home(dbscan *d)
{
    int64_t n = d->space.rows.end - d->space.rows.begin;
    letter *letters;
    TT_TRY(tt_agree(d->x->comm, tt_alloc(n, sizeof *letters, "labels", &letters)));
    for (int64_t i = 0; i < n; i++) {
        int64_t value = d->root[i] < 0 ? -1 : 2 * d->root[i] + d->core[i];
        letters[i] = (letter){d->space.origin[i], value};
    }
    for (int64_t i = 0; i < d->x->count; i++) d->link.value[i] = -1;
    tt_status s = directory_send(&d->link, letters, n, take);
    free(letters);
    return s;
}

/* The directory becomes the number of each cluster at the row that is its root. @param root  [x->count] */
static void number_roots(dbscan *d, const int64_t *root, tt_dbscan *out)
{
    int64_t mine = 0;
    for (int64_t i = 0; i < d->x->count; i++) mine += root[i] == d->x->first + i;
    int64_t next = tt_prefix_i64(d->x->comm, mine);
    out->clusters = tt_sum_i64(d->x->comm, mine);
    for (int64_t i = 0; i < d->x->count; i++)
        if (root[i] == d->x->first + i) d->link.value[i] = next++;
}

/* Collective. */
static tt_status make_labels(dbscan *d, tt_dbscan *out)
{
    int64_t n = d->x->count, *root = NULL, *number = NULL, noise = 0, core = 0;
    int codes;
    TT_TRY(send_home(d));
    tt_status s = tt_alloc(n, sizeof *root, "labels", &root);
    if (s == TT_OK) s = tt_alloc(n, sizeof *number, "labels", &number);
    if (s == TT_OK) s = tt_alloc(n, sizeof *out->label, "labels", &out->label);
    if (s == TT_OK) s = tt_alloc(n, 1, "labels", &out->core);
    s = tt_agree(d->x->comm, s);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        int64_t value = d->link.value[i];
        root[i] = value < 0 ? -1 : value / 2;
        out->core[i] = value >= 0 && value % 2 == 1;
        noise += d->x->valid[i] && value < 0;
        core += out->core[i];
    }
    if (s == TT_OK) {
        number_roots(d, root, out);
        s = tt_int(out->clusters, "clusters of DBSCAN", &codes);
    }
    if (s == TT_OK) s = directory_ask(&d->link, root, n, number);
    for (int64_t i = 0; s == TT_OK && i < n; i++) out->label[i] = (int32_t)number[i];
    out->core_rows = tt_sum_i64(d->x->comm, core);
    out->noise_rows = tt_sum_i64(d->x->comm, noise);
    free(number);
    free(root);
    return s;
}

/* ---- all of it ---- */

static tt_status check(const tt_dbscan_params *params)
{
    if (params->min_samples < 1)
        return tt_fail(TT_ERR_CONFIG, "cluster.dbscan.min_samples is %d: 1 or more is needed",
                       params->min_samples);
    if (isnan(params->eps) || isinf(params->eps))
        return tt_fail(TT_ERR_CONFIG, "cluster.dbscan.eps is %g: a distance, or auto, is needed",
                       params->eps);
    return TT_OK;
}

/* Collective. */
static tt_status prepare(dbscan *d, uint64_t seed, tt_dbscan *out)
{
    TT_TRY(space_new(d->x, &d->space));
    int64_t n = d->space.rows.end - d->space.rows.begin;
    tt_status s = tt_alloc(n, 1, "core rows", &d->core);
    if (s == TT_OK) s = tt_alloc(n, sizeof *d->root, "roots of rows", &d->root);
    if (s == TT_OK) s = tt_alloc(d->x->count, sizeof *d->link.value, "names of clusters", &d->link.value);
    if (s == TT_OK) s = found_new(d);
    TT_TRY(tt_agree(d->x->comm, s));
    out->eps = d->params->eps > 0 ? d->params->eps : 0;
    if (!(d->params->eps > 0)) TT_TRY(dbscan_choose_eps(&d->space, d->params->min_samples, seed, out));
    d->reach = reach_of(out->eps, d->x->cols);
    begin_count(d);
    return dbscan_resume(d);
}

/* Collective. */
static tt_status fit_euclidean(const tt_matrix *x, const tt_dbscan_params *params, uint64_t seed,
                               tt_dbscan *out)
{
    dbscan d = {.x = x, .params = params, .link = directory_of(x)};
    tt_status s = prepare(&d, seed, out);
    if (s == TT_OK) s = run_phases(&d);
    if (s == TT_OK) s = make_labels(&d, out);
    free(d.core);
    free(d.root);
    free(d.link.value);
    free(d.found.value);
    space_free(&d.space);
    if (s != TT_OK) tt_dbscan_free(out);
    return s;
}

/* Collective. */
static tt_status fit_cosine(const tt_matrix *x, const tt_dbscan_params *params, uint64_t seed, tt_dbscan *out)
{
    tt_points points;
    TT_TRY(tt_points_of(x, TT_COSINE, &points));
    tt_matrix unit = *x; /* but for its rows, which the points own */
    tt_dbscan_params euclidean = *params;
    unit.data = points.centred;
    if (params->eps > 0) euclidean.eps = sqrt(tt_metric_square(TT_COSINE, params->eps));
    tt_status s = fit_euclidean(&unit, &euclidean, seed, out);
    out->eps = params->eps > 0 ? params->eps : tt_metric_value(TT_COSINE, out->eps * out->eps);
    for (int64_t i = 0; s == TT_OK && i < out->n_distances; i++)
        out->k_distance[i] = tt_metric_value(TT_COSINE, out->k_distance[i] * out->k_distance[i]);
    tt_points_free(&points);
    return s;
}

tt_status tt_dbscan_fit(const tt_matrix *x, const tt_dbscan_params *params, uint64_t seed, tt_dbscan *out)
{
    *out = (tt_dbscan){0};
    TT_TRY(check(params));
    return params->cosine ? fit_cosine(x, params, seed, out) : fit_euclidean(x, params, seed, out);
}

void tt_dbscan_free(tt_dbscan *fit)
{
    free(fit->label);
    free(fit->core);
    free(fit->k_distance);
    *fit = (tt_dbscan){0};
}
