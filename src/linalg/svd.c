#include "tutti/svd.h"

#include "eigen.h"
#include "panels.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/random.h"
#include "tutti/signal.h"
#include "tutti/sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PANELS_MAX = 256,     /* the basis holds 4096 vectors at most */
    BASIS_PER_VALUE = 10, /* and this many for each value wanted, */
    BASIS_LEAST = 512,    /* or these, where few are: a first value may have others close behind */
    CHECKS = 12,          /* the values are looked at when the basis has grown by a twelfth, or more */
};

static const double settled = 5e-6;  /* error of the values that ends the search */
static const double no_value = 1e-3; /* of the largest value: float32 tells no smaller ones from none */
static const double spent = 1e-6; /* of the largest that A'A does to a vector: a direction that is not new */
static const double again = 0.5;  /* a vector made orthonormal a second time has length 1 already */

/* An orthonormal basis, distributed by the columns of A, in panels of PANEL vectors; what a panel lacks is
 * zeros. It is float32, as what A is multiplied by: errors of rounding are many and random, so that the
 * vectors are orthogonal to about 1e-9, and going through all of them again and again takes half the time. */
typedef struct basis {
    const tt_comm *comm;
    sparse_product *product;
    int64_t rows, padded, first;   /* rows of the vectors on this rank; up to whole blocks of TT_BLOCK_ROWS */
    float *panel[PANELS_MAX];      /* [padded, PANEL] */
    int panels, most;              /* how many there are, and may be */
    int64_t vectors, vectors_most; /* that are not zeros */
    double *next;                  /* [padded, PANEL] A'A times the newest panel, then the panel to come */
    double *turned;                /* [padded, PANEL] */
    double *h;                     /* [order, order] the basis' view of A'A, row-major, upper triangle */
    int64_t order;                 /* most * PANEL */
    double *part, *now; /* [order, PANEL] products of the basis with `next`: all, and those of one pass */
    double rest[PANEL_SQUARE]; /* of what A'A does to the newest panel, the Gram matrix of what is new */
    tt_progress progress;
    double largest; /* length of what A'A makes of a vector of length 1, so far */
} basis;

static void free_basis(basis *b)
{
    sparse_free(b->product);
    for (int p = 0; p < PANELS_MAX; p++) free(b->panel[p]);
    free(b->next);
    free(b->turned);
    free(b->h);
    free(b->part);
    free(b->now);
}

static tt_status allocate(basis *b)
{
    TT_TRY(tt_alloc(b->padded * PANEL, sizeof *b->next, "singular vectors", &b->next));
    TT_TRY(tt_alloc(b->padded * PANEL, sizeof *b->turned, "singular vectors", &b->turned));
    TT_TRY(tt_alloc(b->order * b->order, sizeof *b->h, "singular values", &b->h));
    TT_TRY(tt_alloc(b->order * PANEL, sizeof *b->part, "singular vectors", &b->part));
    return tt_alloc(b->order * PANEL, sizeof *b->now, "singular vectors", &b->now);
}

/* next = A'A x, for x [rows, PANEL]. Collective. */
static void apply(basis *b, const float *x)
{
    sparse_forward(b->product, x);
    sparse_backward(b->product, b->next);
}

/* to [n, PANEL, PANEL] += products of n panels with `next`, or without panels of `next` with itself, over the
 * rows of a strip. */
static void inner_strip(const basis *b, float *const *panel, int n, int64_t row, double *to)
{
    double wide[PANEL_STRIP * PANEL];
    const double *next = b->next + row * PANEL;
    if (!panel) panel_inner(next, next, to);
    for (int p = 0; panel && p < n; p++) {
        panel_widen(panel[p] + row * PANEL, panel[p + 1 < n ? p + 1 : 0] + row * PANEL, wide);
        panel_inner(wide, next, to + (int64_t)p * PANEL_SQUARE);
    }
}

/* The same over all rows, by sums over blocks of them. Collective. */
static tt_status inner(const basis *b, float *const *panel, int n, double *out)
{
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new((int64_t)n * PANEL_SQUARE, b->first / TT_BLOCK_ROWS, &sum);
    for (int64_t i = 0; s == TT_OK && i < b->padded; i += TT_BLOCK_ROWS) {
        double *to = tt_blocksum_next(sum);
        if (!to) s = TT_ERR_MEMORY;
        for (int64_t r = i; s == TT_OK && r < i + TT_BLOCK_ROWS; r += PANEL_STRIP)
            inner_strip(b, panel, n, r, to);
        if (s == TT_OK) tt_blocksum_commit(sum);
    }
    s = tt_agree(b->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, b->comm, TT_OK, out);
    tt_blocksum_free(sum);
    return s;
}

/* next += n panels times t [n, PANEL, PANEL]. */
static void add_panels(basis *b, float *const *panel, int n, const double *t)
{
    double wide[PANEL_STRIP * PANEL];
    for (int64_t i = 0; i < b->padded; i += PANEL_STRIP)
        for (int p = 0; p < n; p++) {
            panel_widen(panel[p] + i * PANEL, panel[p + 1 < n ? p + 1 : 0] + i * PANEL, wide);
            panel_add(wide, t + (int64_t)p * PANEL_SQUARE, b->next + i * PANEL);
        }
}

/* Take from `next` what lies along panels [from, panels); part += what that was. Collective. */
static tt_status project_on(basis *b, int from)
{
    int n = b->panels - from;
    TT_TRY(inner(b, b->panel + from, n, b->now));
    double *part = b->part + from * PANEL_SQUARE;
    for (int64_t i = 0; i < (int64_t)n * PANEL_SQUARE; i++) {
        part[i] += b->now[i];
        b->now[i] = -b->now[i];
    }
    add_panels(b, b->panel + from, n, b->now);
    return TT_OK;
}

/* Take from `next` what lies along the basis, the two newest panels first: but for rounding there is nothing
 * along the others (Lanczos), so that this is orthogonalising twice, which is enough (Parlett 1980).
 * Collective. */
static tt_status project(basis *b)
{
    memset(b->part, 0, (size_t)(b->order * PANEL) * sizeof *b->part);
    TT_TRY(project_on(b, b->panels > 2 ? b->panels - 2 : 0));
    return project_on(b, 0);
}

/* Make the vectors of `next` orthonormal: the eigenvectors of their Gram matrix, scaled (SVQB: Stathopoulos,
 * Wu 2002). *kept of them were longer than `floor`, or than that share of the longest; the others become 0.
 * Collective. @param[out] gram  [PANEL, PANEL] */
static tt_status orthonormalise(basis *b, double floor, bool share, double *gram, int *kept)
{
    double values[PANEL], vectors[PANEL_SQUARE], t[PANEL_SQUARE] = {0};
    TT_TRY(inner(b, NULL, 1, gram));
    TT_TRY(eigen_symmetric(b->comm, PANEL, gram, PANEL, values, vectors));
    if (share) floor *= sqrt(fmax(values[0], 0));
    *kept = 0;
    while (*kept < PANEL && values[*kept] > floor * floor) ++*kept;
    for (int j = 0; j < *kept; j++)
        for (int i = 0; i < PANEL; i++) t[i * PANEL + j] = vectors[j * PANEL + i] / sqrt(values[j]);
    memset(b->turned, 0, (size_t)(b->padded * PANEL) * sizeof *b->turned);
    for (int64_t i = 0; i < b->padded; i += PANEL_STRIP)
        panel_add(b->next + i * PANEL, t, b->turned + i * PANEL);
    double *turned = b->turned;
    b->turned = b->next;
    b->next = turned;
    return TT_OK;
}

/* Write down what A'A does to the newest panel, and how much at most. */
static void note(basis *b)
{
    int64_t from = (int64_t)(b->panels - 1) * PANEL;
    for (int64_t j = 0; j < PANEL; j++) {
        for (int64_t i = 0; i <= from + j; i++) b->h[i * b->order + from + j] = b->part[i * PANEL + j];
        b->largest = fmax(b->largest, b->part[(from + j) * PANEL + j]);
    }
}

/* Orthonormal vectors that are new to the basis out of A'A times its newest. Collective. */
static tt_status renew(basis *b, int *kept)
{
    double gram[PANEL_SQUARE];
    TT_TRY(project(b));
    note(b);
    TT_TRY(orthonormalise(b, spent * b->largest, false, b->rest, kept));
    return orthonormalise(b, again, false, gram, kept);
}

/* Add `next`, whose first `kept` vectors are not zeros, to the basis. */
static tt_status take(basis *b, int kept)
{
    int64_t room = b->vectors_most - b->vectors;
    TT_TRY(tt_alloc(b->padded * PANEL, sizeof *b->next, "singular vectors", &b->panel[b->panels]));
    for (int64_t i = 0; i < b->rows; i++)
        for (int j = 0; j < kept && j < room; j++)
            b->panel[b->panels][i * PANEL + j] = (float)b->next[i * PANEL + j];
    b->panels++;
    b->vectors += kept < room ? kept : room;
    tt_progress_add(&b->progress, kept < room ? kept : room);
    return TT_OK;
}

/* The first vectors: A'A times random ones. Collective. */
static tt_status start(basis *b, uint64_t seed, int *kept)
{
    const tt_stream stream = {seed, TT_FOR_SKETCH, 0};
    float *random;
    double gram[PANEL_SQUARE];
    TT_TRY(tt_agree(b->comm, tt_alloc(b->rows * PANEL, sizeof *random, "singular vectors", &random)));
    for (int64_t i = 0; i < b->rows; i++)
        tt_random_normals(stream, (uint64_t)(b->first + i), PANEL, random + i * PANEL);
    for (int64_t i = 0; i < b->rows * PANEL; i++) b->next[i] = (double)random[i];
    tt_status s = orthonormalise(b, spent, true, gram, kept);
    for (int64_t i = 0; i < b->rows * PANEL; i++) random[i] = (float)b->next[i];
    if (s == TT_OK) apply(b, random);
    free(random);
    if (s == TT_OK) s = orthonormalise(b, spent, true, gram, kept);
    return s == TT_OK && *kept > 0 ? orthonormalise(b, again, false, gram, kept) : s;
}

/* The basis' view of the `dims` largest eigenvalues of A'A, descending, and their vectors [dims, n] in the
 * basis. Collective. */
static tt_status view(const basis *b, int64_t dims, double *values, double *vectors)
{
    double *h;
    int64_t n = (int64_t)b->panels * PANEL;
    tt_status s = tt_alloc(n * n, sizeof *h, "singular values", &h);
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        memcpy(h + i * n, b->h + i * b->order, (size_t)n * sizeof *h);
    s = tt_agree(b->comm, s);
    if (s == TT_OK) s = eigen_symmetric(b->comm, (int)n, h, (int)dims, values, vectors);
    free(h);
    return s;
}

/* The largest relative error of `dims` singular values, whose squares are seen as `values`. What A'A makes of
 * a vector of the basis beyond itself comes through the newest panel: of length r, it puts a square off by
 * about r^2 / gap (second-order perturbation), where the gap is to what A'A usually does to new vectors. It
 * was within a factor of two of the true error from 1e-4 down. */
static double estimate_error(const basis *b, int64_t dims, const double *values, const double *vectors)
{
    int64_t n = (int64_t)b->panels * PANEL;
    double worst = 0, usual = 0;
    for (int64_t i = n - PANEL; i < n; i++) usual += b->h[i * b->order + i] / PANEL;
    for (int64_t j = 0; j < dims && values[j] > no_value * no_value * values[0]; j++) {
        const double *last = vectors + (j + 1) * n - PANEL;
        double square = 0;
        for (int i = 0; i < PANEL_SQUARE; i++) square += last[i / PANEL] * b->rest[i] * last[i % PANEL];
        double off = sqrt(fmax(square, 0)), gap = values[j] - usual;
        worst = fmax(worst, off * (off < gap ? off / gap : 1) / (2 * values[j]));
    }
    return worst;
}

/* When to look at the values again: it is the work of one rank. Errors fall ever faster, so that half of the
 * way that the last two looks foretell is not too far. */
static int64_t next_look(int64_t vectors, int64_t before, double error, double error_before)
{
    double least = (double)vectors / CHECKS, fall = log(error_before / error);
    double way = fall > 0 ? (double)(vectors - before) * log(error / settled) / fall : 0.0;
    return vectors + (int64_t)fmax(least, fmin(way / 2, (double)vectors));
}

/* Enlarge the basis until the `dims` largest values settle. Collective.
 *  @param[out] values   [dims]
 *  @param[out] vectors  [dims, order] of which [out->dims, panels * PANEL] is used */
static tt_status search(basis *b, int64_t dims, uint64_t seed, double *values, double *vectors, tt_svd *out)
{
    int kept;
    int64_t due = 3 * dims, looked = 0;
    double before = 0;
    TT_TRY(start(b, seed, &kept));
    while (kept > 0) {
        TT_TRY(tt_agree(b->comm, take(b, kept)));
        apply(b, b->panel[b->panels - 1]);
        TT_TRY(tt_stop_agree(b->comm));
        TT_TRY(renew(b, &kept));
        if (b->panels == b->most || b->vectors == b->vectors_most) kept = 0;
        if (kept > 0 && b->vectors < due) continue;
        out->dims = dims < b->vectors ? dims : b->vectors;
        TT_TRY(view(b, out->dims, values, vectors));
        out->error = estimate_error(b, out->dims, values, vectors);
        if (out->error < settled) break;
        due = next_look(b->vectors, looked, out->error, before);
        looked = b->vectors;
        before = out->error;
    }
    for (int64_t j = 0; j < out->dims; j++) values[j] = sqrt(fmax(values[j], 0));
    while (out->dims > 0 && !(values[out->dims - 1] > no_value * values[0])) out->dims--;
    out->basis = b->vectors;
    return TT_OK;
}

/* PANEL axes from the at-th on, out of the basis, into `next`. */
static void form_panel(basis *b, const double *vectors, int64_t at, int64_t width)
{
    int64_t n = (int64_t)b->panels * PANEL;
    memset(b->next, 0, (size_t)(b->padded * PANEL) * sizeof *b->next);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < PANEL; j++)
            b->now[i * PANEL + j] = j < width ? vectors[(at + j) * n + i] : 0.0;
    add_panels(b, b->panel, b->panels, b->now);
}

/* The axes in float32. Not collective. */
static tt_status form_axes(basis *b, const double *vectors, tt_svd *out)
{
    TT_TRY(tt_alloc(b->rows * out->dims, sizeof *out->axes, "singular vectors", &out->axes));
    for (int64_t at = 0; at < out->dims; at += PANEL) {
        int64_t width = out->dims - at < PANEL ? out->dims - at : PANEL;
        form_panel(b, vectors, at, width);
        for (int64_t i = 0; i < b->rows; i++)
            for (int64_t j = 0; j < width; j++)
                out->axes[i * out->dims + at + j] = (float)b->next[i * PANEL + j];
    }
    return TT_OK;
}

/* The entry of largest size of each axis, the first of several, decides its sign. Collective. */
static tt_status fix_signs(tt_svd *out)
{
    const tt_comm *comm = out->comm;
    int dims = (int)out->dims;
    float *all = NULL, *mine;
    TT_TRY(tt_agree(comm, tt_alloc((int64_t)(comm->size + 1) * dims, sizeof *all, "singular vectors", &all)));
    mine = all + (int64_t)comm->size * dims;
    for (int64_t i = 0; i < out->count; i++)
        for (int j = 0; j < dims; j++)
            if (fabsf(out->axes[i * dims + j]) > fabsf(mine[j])) mine[j] = out->axes[i * dims + j];
    MPI_Allgather(mine, dims, MPI_FLOAT, all, dims, MPI_FLOAT, comm->mpi);
    memset(mine, 0, (size_t)dims * sizeof *mine);
    for (int r = 0; r < comm->size; r++)
        for (int j = 0; j < dims; j++)
            if (fabsf(all[r * dims + j]) > fabsf(mine[j])) mine[j] = all[r * dims + j];
    for (int64_t i = 0; i < out->count; i++)
        for (int j = 0; j < dims; j++)
            if (mine[j] < 0) out->axes[i * dims + j] = -out->axes[i * dims + j];
    free(all);
    return TT_OK;
}

static tt_status decompose(basis *b, int64_t dims, uint64_t seed, tt_svd *out)
{
    double *vectors = NULL;
    tt_status s = allocate(b);
    if (s == TT_OK) s = tt_alloc(dims, sizeof *out->values, "singular values", &out->values);
    if (s == TT_OK) s = tt_alloc(dims * b->order, sizeof *vectors, "singular vectors", &vectors);
    s = tt_agree(b->comm, s);
    tt_progress_start(&b->progress, "embedding", "vectors at most", b->vectors_most, b->vectors_most);
    if (s == TT_OK) s = search(b, dims, seed, out->values, vectors, out);
    tt_progress_end(&b->progress);
    if (s == TT_OK) s = tt_agree(b->comm, form_axes(b, vectors, out));
    if (s == TT_OK) s = fix_signs(out);
    free(vectors);
    return s;
}

/* Room for the basis: what the matrix can fill, or what the values need at most. */
static void size_basis(const tt_sparse *a, int64_t dims, basis *b)
{
    int64_t smaller = a->rows < a->cols ? a->rows : a->cols, most = BASIS_PER_VALUE * dims + PANEL;
    if (most < BASIS_LEAST) most = BASIS_LEAST;
    tt_range own = tt_partition(a->cols, TT_BLOCK_ROWS, a->comm->size, a->comm->rank);
    if (most > (int64_t)PANELS_MAX * PANEL) most = (int64_t)PANELS_MAX * PANEL;
    b->vectors_most = most < smaller ? most : smaller;
    b->most = (int)((most + PANEL - 1) / PANEL);
    b->order = (int64_t)b->most * PANEL;
    b->first = own.begin;
    b->rows = own.end - own.begin;
    b->padded = tt_round_up(b->rows, TT_BLOCK_ROWS);
}

tt_status tt_svd_sparse(const tt_sparse *a, int64_t dims, uint64_t seed, tt_svd *out)
{
    basis b = {.comm = a->comm};
    size_basis(a, dims, &b);
    *out = (tt_svd){.comm = a->comm, .cols = a->cols, .first = b.first, .count = b.rows};
    if (dims > b.vectors_most) dims = b.vectors_most;
    if (dims < 1) return TT_OK;
    tt_status s = sparse_new(a, &b.product);
    if (s == TT_OK) s = decompose(&b, dims, seed, out);
    free_basis(&b);
    if (s != TT_OK) tt_svd_free(out);
    return s;
}

void tt_svd_free(tt_svd *svd)
{
    free(svd->values);
    free(svd->axes);
    *svd = (tt_svd){0};
}

tt_status tt_svd_transform(const tt_svd *svd, const tt_sparse *a, float *scores)
{
    sparse_product *p = NULL;
    float *x = NULL;
    tt_status s = sparse_new(a, &p);
    if (s == TT_OK) s = tt_agree(a->comm, tt_alloc(svd->count * PANEL, sizeof *x, "scores", &x));
    for (int64_t at = 0; s == TT_OK && at < svd->dims; at += PANEL) {
        int64_t width = svd->dims - at < PANEL ? svd->dims - at : PANEL;
        memset(x, 0, (size_t)(svd->count * PANEL) * sizeof *x);
        for (int64_t i = 0; i < svd->count; i++)
            memcpy(x + i * PANEL, svd->axes + i * svd->dims + at, (size_t)width * sizeof *x);
        const float *y = sparse_forward(p, x);
        for (int64_t i = 0; i < a->count; i++)
            memcpy(scores + i * svd->dims + at, y + i * PANEL, (size_t)width * sizeof *y);
    }
    free(x);
    sparse_free(p);
    return s;
}
