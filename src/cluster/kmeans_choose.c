/* The number of clusters, chosen from a range. */
#include "kmeans.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tt_kmeans_choice_free(tt_kmeans_choice *choice)
{
    free(choice->k);
    free(choice->inertia);
    *choice = (tt_kmeans_choice){0};
}

static tt_status allocate(const tt_kmeans_params *params, tt_kmeans_choice *c)
{
    c->n = params->k_max - params->k + 1;
    TT_TRY(tt_alloc(c->n, sizeof *c->k, "scores of k", &c->k));
    TT_TRY(tt_alloc(2 * (int64_t)c->n, sizeof *c->inertia, "scores of k", &c->inertia));
    c->silhouette = c->inertia + c->n;
    for (int i = 0; i < c->n; i++) {
        c->k[i] = params->k + i;
        c->inertia[i] = c->silhouette[i] = NAN;
    }
    return TT_OK;
}

/* ---- what an earlier attempt has measured ---- */

static tt_status save(const tt_comm *comm, const tt_kmeans_params *params, const tt_kmeans_choice *c)
{
    const tt_column column = {.name = "/scores", .type = TT_F64, .n_dims = 1, .dims = {2 * (int64_t)c->n}};
    tt_store *store;
    if (!params->checkpoint) return TT_OK;
    TT_TRY(tt_store_create(comm, params->checkpoint, params->provenance, &column, 1, &store));
    tt_status s =
        comm->rank == 0 ? tt_store_write(store, "/scores", 0, 2 * (int64_t)c->n, c->inertia) : TT_OK;
    return tt_store_publish(store, NULL, s);
}

static tt_status read_scores(const tt_comm *comm, const char *path, tt_kmeans_choice *c)
{
    tt_store *store = NULL;
    tt_status s = tt_store_open(comm, path, &store);
    if (s == TT_OK && comm->rank == 0)
        s = tt_store_read(store, "/scores", 0, 2 * (int64_t)c->n, TT_F64, c->inertia);
    tt_store_close(store);
    TT_TRY(tt_agree(comm, s));
    return tt_broadcast(comm, c->inertia, 2 * (int64_t)c->n * (int64_t)sizeof *c->inertia, 0);
}

/* ---- the choice ---- */

static int largest_silhouette(const tt_kmeans_choice *c)
{
    int best = 0;
    for (int i = 1; i < c->n; i++)
        if (c->silhouette[i] > c->silhouette[best] || isnan(c->silhouette[best])) best = i;
    return best;
}

/* Farthest below the chord of the curve from its first to its last point. */
static int elbow(const tt_kmeans_choice *c)
{
    int best = 0;
    double farthest = 0, fall = c->inertia[0] - c->inertia[c->n - 1];
    for (int i = 1; i < c->n - 1; i++) {
        double chord = c->inertia[0] - fall * i / (c->n - 1), below = chord - c->inertia[i];
        if (below > farthest) {
            farthest = below;
            best = i;
        }
    }
    return best;
}

/* Fit and score one k. Collective. */
static tt_status try_k(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed,
                       tt_silhouette silhouette, int i, tt_kmeans_choice *c)
{
    tt_kmeans_params one = *params;
    tt_kmeans fit;
    char *path = NULL;
    one.k = one.k_max = c->k[i];
    if (params->checkpoint) TT_TRY(tt_agree(x->comm, tt_format(&path, "%s.fit", params->checkpoint)));
    one.checkpoint = path;
    tt_status s = tt_kmeans_fit(x, &one, seed, &fit);
    if (s == TT_OK) {
        c->inertia[i] = fit.inertia;
        if (silhouette) s = silhouette(x, fit.label, seed, &c->silhouette[i]);
        tt_kmeans_free(&fit);
    }
    if (s == TT_OK) s = save(x->comm, params, c);
    if (s == TT_OK && path) s = tt_store_discard(x->comm, path);
    free(path);
    return s;
}

static void say(const tt_matrix *x, const tt_kmeans_choice *c, int best, bool by_silhouette)
{
    for (int i = 0; i < c->n; i++) {
        char score[48] = "";
        if (by_silhouette) snprintf(score, sizeof score, ", silhouette %.4f", c->silhouette[i]);
        tt_info("k-means of %s: k = %d, inertia %.6g%s%s", x->name, c->k[i], c->inertia[i], score,
                i == best ? " (chosen)" : "");
    }
}

tt_status tt_kmeans_choose(const tt_matrix *x, const tt_kmeans_params *params, uint64_t seed,
                           tt_silhouette silhouette, tt_kmeans_choice *out)
{
    bool by_silhouette = strcmp(params->select, "silhouette") == 0, ours = false;
    *out = (tt_kmeans_choice){0};
    if (params->k_max > x->n_valid) /* said now, not after all smaller ones */
        return tt_fail(TT_ERR_INPUT, "cluster.kmeans.k goes up to %d but %s has only %lld valid rows",
                       params->k_max, x->name, (long long)x->n_valid);
    tt_status s = tt_agree(x->comm, allocate(params, out));
    if (s == TT_OK) s = checkpoint_is_ours(x->comm, params->checkpoint, params->provenance, &ours);
    if (s == TT_OK && ours && read_scores(x->comm, params->checkpoint, out) != TT_OK) ours = false;
    for (int i = 0; s == TT_OK && i < out->n; i++)
        if (!ours || isnan(out->inertia[i]))
            s = try_k(x, params, seed, by_silhouette ? silhouette : NULL, i, out);
    if (s != TT_OK) {
        tt_kmeans_choice_free(out);
        return s;
    }
    int best = by_silhouette ? largest_silhouette(out) : elbow(out);
    out->chosen = out->k[best];
    say(x, out, best, by_silhouette);
    return TT_OK;
}
