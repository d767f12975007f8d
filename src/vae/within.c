#include "vae/within.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <stdlib.h>
#include <string.h>

enum { KNOTS = TT_WITHIN_KNOTS };

/* The block behind `column`, in elements of 8 bytes; floats are two each, rounded up. */
static int64_t block_words(int64_t n)
{
    return n + KNOTS + n * KNOTS + 2 * n + 2 * ((n * n + 1) / 2);
}

tt_status tt_within_new(int64_t n, tt_within *out)
{
    *out = (tt_within){.n = n};
    TT_TRY(tt_alloc(block_words(n), sizeof *out->column, "the space within clusters", &out->column));
    out->score = (double *)(void *)(out->column + n);
    out->knots = out->score + KNOTS;
    out->centre = out->knots + n * KNOTS;
    out->weight = out->centre + n;
    out->forth = (float *)(void *)(out->weight + n);
    out->back = out->forth + 2 * ((n * n + 1) / 2);
    return TT_OK;
}

void tt_within_free(tt_within *within)
{
    free(within->column);
    *within = (tt_within){0};
}

/* Knots below v, or not above it. */
static int count_below(const double *knot, double v, bool or_equal)
{
    int low = 0, high = KNOTS;
    while (low < high) {
        int middle = (low + high) / 2;
        bool below = or_equal ? knot[middle] <= v : knot[middle] < v;
        if (below)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* y at v of the monotone polygon (x, y), constant outside; where several x equal v, the middle of their y. */
static double interpolate(const double *x, const double *y, double v)
{
    int below = count_below(x, v, false), upto = count_below(x, v, true);
    if (upto > below) return 0.5 * (y[below] + y[upto - 1]);
    if (below == 0) return y[0];
    if (below == KNOTS) return y[KNOTS - 1];
    double share = (v - x[below - 1]) / (x[below] - x[below - 1]);
    return y[below - 1] + share * (y[below] - y[below - 1]);
}

double tt_within_score(const tt_within *w, int64_t k, double value)
{
    return interpolate(w->knots + k * KNOTS, w->score, value);
}

/* y = m u for symmetric m [n, n]: sums in the order of u, whatever the width of vectors. */
TT_KERNEL static void multiply_symmetric(int64_t n, const float *restrict m, const float *restrict u,
                                         float *restrict y)
{
    memset(y, 0, (size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) y[j] += u[i] * m[i * n + j];
}

void tt_within_apply(const tt_within *w, const double *shift, const float *row, float *out)
{
    float u[TT_WITHIN_MAX] = {0}, y[TT_WITHIN_MAX];
    for (int64_t k = 0; k < w->n; k++) {
        int64_t j = w->column[k];
        double score = tt_within_score(w, k, (double)row[j] + shift[j]);
        u[k] = (float)((score - w->centre[k]) * w->weight[k]);
    }
    multiply_symmetric(w->n, w->forth, u, y);
    for (int64_t k = 0; k < w->n; k++) out[w->column[k]] = y[k];
}

void tt_within_undo(const tt_within *w, const float *row, float *out)
{
    float u[TT_WITHIN_MAX], y[TT_WITHIN_MAX] = {0};
    for (int64_t k = 0; k < w->n; k++) y[k] = row[w->column[k]];
    multiply_symmetric(w->n, w->back, y, u);
    for (int64_t k = 0; k < w->n; k++) {
        double score = w->centre[k] + (w->weight[k] > 0 ? (double)u[k] / w->weight[k] : 0);
        out[w->column[k]] = (float)interpolate(w->score, w->knots + k * KNOTS, score);
    }
}

/* Names, shapes and places of what a file keeps. */
int tt_within_columns(const tt_within *w, tt_column *out)
{
    int64_t n = w->n;
    const tt_column parts[TT_WITHIN_PARTS] = {
        {.name = "/input/within/column", .type = TT_I64, .n_dims = 1, .dims = {n}},
        {.name = "/input/within/score", .type = TT_F64, .n_dims = 1, .dims = {KNOTS}},
        {.name = "/input/within/knots", .type = TT_F64, .n_dims = 2, .dims = {n, KNOTS}},
        {.name = "/input/within/centre", .type = TT_F64, .n_dims = 1, .dims = {n}},
        {.name = "/input/within/weight", .type = TT_F64, .n_dims = 1, .dims = {n}},
        {.name = "/input/within/forth", .type = TT_F32, .n_dims = 2, .dims = {n, n}},
        {.name = "/input/within/back", .type = TT_F32, .n_dims = 2, .dims = {n, n}}};
    if (n == 0) return 0;
    memcpy(out, parts, sizeof parts);
    return TT_WITHIN_PARTS;
}

static void list_parts(const tt_within *w, void *part[TT_WITHIN_PARTS])
{
    void *const all[TT_WITHIN_PARTS] = {w->column, w->score, w->knots, w->centre,
                                        w->weight, w->forth, w->back};
    memcpy(part, all, sizeof all);
}

tt_status tt_within_write(const tt_within *w, tt_store *store)
{
    tt_column column[TT_WITHIN_PARTS];
    void *part[TT_WITHIN_PARTS];
    list_parts(w, part);
    for (int i = 0, n = tt_within_columns(w, column); i < n; i++)
        TT_TRY(tt_store_write(store, column[i].name, 0, column[i].dims[0], part[i]));
    return TT_OK;
}

static tt_status read_parts(tt_store *store, int64_t cols, const tt_within *w, const tt_column *column)
{
    void *part[TT_WITHIN_PARTS];
    list_parts(w, part);
    for (int i = 0; i < TT_WITHIN_PARTS; i++)
        TT_TRY(tt_store_read(store, column[i].name, 0, column[i].dims[0], column[i].type, part[i]));
    for (int64_t k = 0; k < w->n; k++)
        if (w->column[k] < (k > 0 ? w->column[k - 1] + 1 : 0) || w->column[k] >= cols)
            return tt_fail(TT_ERR_INPUT, "%s: %s is not an ascending list of columns", tt_store_path(store),
                           column[0].name);
    return TT_OK;
}

/* Collective. */
static tt_status check_parts(tt_store *store, const tt_column *column)
{
    for (int i = 0; i < TT_WITHIN_PARTS; i++) {
        tt_column there;
        bool found;
        TT_TRY(tt_store_column(store, column[i].name, &there, &found));
        if (!found || there.type == TT_TEXT || there.n_dims != column[i].n_dims ||
            memcmp(there.dims, column[i].dims, (size_t)there.n_dims * sizeof *there.dims) != 0)
            return tt_fail(TT_ERR_INPUT, "%s: %s is missing or has another shape than %s asks for",
                           tt_store_path(store), column[i].name, column[0].name);
    }
    return TT_OK;
}

tt_status tt_within_read(const tt_comm *comm, tt_store *store, int64_t cols, tt_within *out)
{
    tt_column first, column[TT_WITHIN_PARTS] = {{.name = "/input/within/column"}};
    bool found;
    *out = (tt_within){0};
    TT_TRY(tt_store_column(store, column[0].name, &first, &found));
    if (!found) return TT_OK;
    if (first.n_dims != 1 || first.dims[0] < 1 || first.dims[0] > cols || first.dims[0] > TT_WITHIN_MAX)
        return tt_fail(TT_ERR_INPUT, "%s: %s has no sound shape", tt_store_path(store), column[0].name);
    TT_TRY(tt_agree(comm, tt_within_new(first.dims[0], out)));
    tt_within_columns(out, column);
    TT_TRY(check_parts(store, column));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? read_parts(store, cols, out, column) : TT_OK));
    return tt_broadcast(comm, out->column, block_words(out->n) * (int64_t)sizeof *out->column, 0);
}
