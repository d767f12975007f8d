#include "tutti/svd.h"

#include "eigen.h"
#include "linalg/blas.h"
#include "sparse.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/signal.h"
#include "tutti/sum.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = PANEL,   /* vectors that the basis grows by */
    GROUP = 256,     /* vectors of the basis that a matrix product takes at once */
    GROUPS_MAX = 16, /* the basis holds 4096 vectors at most */
    BASIS_PER_VALUE = 10,
    CHECKS = 8, /* the values are looked at when the basis has grown by an eighth */
};

static const double settled = 5e-5;  /* change of the values that ends the search */
static const double no_value = 1e-3; /* of the largest value: float32 tells no smaller ones from none */
static const double spent = 1e-6; /* of the largest that A'A does to a vector: a direction that is not new */
static const double again = 0.5;  /* a vector made orthonormal a second time has length 1 already */

/* An orthonormal basis, distributed by the columns of A. */
typedef struct basis {
    const tt_comm *comm;
    sparse_product *product;
    int64_t rows, padded, first; /* rows of the vectors on this rank; up to whole blocks of TT_BLOCK_ROWS */
    double *group[GROUPS_MAX];   /* [padded, GROUP] */
    int64_t n, most;             /* vectors; how many there may be */
    double *block, *before; /* [padded, BLOCK] the newest vectors, and those before them; zeros if fewer */
    int64_t block_at, before_at; /* which of the basis the first of them is */
    double *next;                /* [padded, BLOCK] A'A times them */
    double *h;                   /* [most, most] the basis' view of A'A, row-major, upper triangle */
    double *part;                /* [GROUPS_MAX * GROUP + BLOCK, BLOCK] products of the basis with a block */
    float *panel;                /* [rows, PANEL] */
    double *panel_out;           /* [rows, PANEL] */
    double largest;              /* length of what A'A makes of a vector of length 1, so far */
} basis;

static void free_basis(basis *b)
{
    sparse_free(b->product);
    for (int g = 0; g < GROUPS_MAX; g++) free(b->group[g]);
    free(b->block);
    free(b->before);
    free(b->next);
    free(b->h);
    free(b->part);
    free(b->panel);
    free(b->panel_out);
}

static tt_status allocate(basis *b)
{
    TT_TRY(blas_prepare());
    TT_TRY(tt_alloc(b->padded * BLOCK, sizeof *b->block, "singular vectors", &b->block));
    TT_TRY(tt_alloc(b->padded * BLOCK, sizeof *b->before, "singular vectors", &b->before));
    TT_TRY(tt_alloc(b->padded * BLOCK, sizeof *b->next, "singular vectors", &b->next));
    TT_TRY(tt_alloc(b->most * b->most, sizeof *b->h, "singular values", &b->h));
    TT_TRY(tt_alloc((GROUPS_MAX * GROUP + BLOCK) * BLOCK, sizeof *b->part, "singular vectors", &b->part));
    TT_TRY(tt_alloc(b->rows * PANEL, sizeof *b->panel, "singular vectors", &b->panel));
    return tt_alloc(b->rows * PANEL, sizeof *b->panel_out, "singular vectors", &b->panel_out);
}

/* next = A'A block. Collective. */
static void apply(basis *b)
{
    for (int p = 0; p < BLOCK; p += PANEL) {
        for (int64_t i = 0; i < b->rows; i++)
            for (int j = 0; j < PANEL; j++) b->panel[i * PANEL + j] = (float)b->block[i * BLOCK + p + j];
        sparse_forward(b->product, b->panel);
        sparse_backward(b->product, b->panel_out);
        for (int64_t i = 0; i < b->rows; i++)
            memcpy(b->next + i * BLOCK + p, b->panel_out + i * PANEL, PANEL * sizeof *b->next);
    }
}

/* out [width, BLOCK] = x' y, with x [padded, width], by sums over blocks of rows. Collective. */
static tt_status inner(const basis *b, const double *x, int width, const double *y, double *out)
{
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new((int64_t)width * BLOCK, b->first / TT_BLOCK_ROWS, &sum);
    for (int64_t i = 0; s == TT_OK && i < b->padded; i += TT_BLOCK_ROWS) {
        double *to = tt_blocksum_room(sum);
        if (!to) s = TT_ERR_MEMORY;
        if (s != TT_OK) break;
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, BLOCK, TT_BLOCK_ROWS, 1.0, x + i * width,
                    width, y + i * BLOCK, BLOCK, 0.0, to, BLOCK);
        tt_blocksum_commit(sum);
    }
    s = tt_agree(b->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, b->comm, TT_OK, out);
    tt_blocksum_free(sum);
    return s;
}

/* Take from `next` what lies along x [padded, width], vectors of the basis from the at-th; part += what that
 * was. Collective. */
static tt_status project_on(const basis *b, const double *x, int width, int64_t at)
{
    double *now;
    TT_TRY(tt_agree(b->comm, tt_alloc((int64_t)width * BLOCK, sizeof *now, "singular vectors", &now)));
    tt_status s = inner(b, x, width, b->next, now);
    for (int64_t i = 0; s == TT_OK && i < b->padded; i += TT_BLOCK_ROWS)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TT_BLOCK_ROWS, BLOCK, width, -1.0,
                    x + i * width, width, now, BLOCK, 1.0, b->next + i * BLOCK, BLOCK);
    for (int64_t i = 0; s == TT_OK && i < (int64_t)width * BLOCK; i++) b->part[at * BLOCK + i] += now[i];
    free(now);
    return s;
}

/* Take from `next` what lies along the basis, the newest blocks first: but for rounding there is nothing
 * along the others (Lanczos), so that this is orthogonalising twice, which is enough (Parlett 1980).
 * Collective. */
static tt_status project(const basis *b)
{
    memset(b->part, 0, sizeof *b->part * (GROUPS_MAX * GROUP + BLOCK) * BLOCK);
    TT_TRY(project_on(b, b->block, BLOCK, b->block_at));
    TT_TRY(project_on(b, b->before, BLOCK, b->before_at));
    for (int64_t g = 0; g * GROUP < b->n; g++) TT_TRY(project_on(b, b->group[g], GROUP, g * GROUP));
    return TT_OK;
}

/* next = next T, T [BLOCK, BLOCK] */
static void turn(const basis *b, const double *t)
{
    for (int64_t i = 0; i < b->padded; i += TT_BLOCK_ROWS) {
        double rows[TT_BLOCK_ROWS * BLOCK];
        memcpy(rows, b->next + i * BLOCK, sizeof rows);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TT_BLOCK_ROWS, BLOCK, BLOCK, 1.0, rows, BLOCK,
                    t, BLOCK, 0.0, b->next + i * BLOCK, BLOCK);
    }
}

/* Make the vectors of `next` orthonormal: the eigenvectors of their Gram matrix, scaled (SVQB: Stathopoulos,
 * Wu 2002). *kept of them were longer than `floor`, or than that share of the longest; the others become 0.
 * Collective. */
static tt_status orthonormalise(const basis *b, double floor, bool share, int *kept)
{
    double gram[BLOCK * BLOCK], values[BLOCK], vectors[BLOCK * BLOCK], t[BLOCK * BLOCK] = {0};
    TT_TRY(inner(b, b->next, BLOCK, b->next, gram));
    TT_TRY(eigen_symmetric(b->comm, BLOCK, gram, BLOCK, values, vectors));
    if (share) floor *= sqrt(fmax(values[0], 0));
    *kept = 0;
    while (*kept < BLOCK && values[*kept] > floor * floor) ++*kept;
    for (int j = 0; j < *kept; j++)
        for (int i = 0; i < BLOCK; i++) t[i * BLOCK + j] = vectors[j * BLOCK + i] / sqrt(values[j]);
    turn(b, t);
    return TT_OK;
}

/* Write down what A'A does to the newest vectors of the basis, and how much at most. */
static void note(basis *b)
{
    int64_t from = b->block_at;
    for (int64_t j = 0; from + j < b->n; j++) {
        for (int64_t i = 0; i <= from + j; i++) b->h[i * b->most + from + j] = b->part[i * BLOCK + j];
        b->largest = fmax(b->largest, b->part[(from + j) * BLOCK + j]);
    }
}

/* Orthonormal vectors that are new to the basis out of A'A times its newest. Collective. */
static tt_status renew(basis *b, int *kept)
{
    TT_TRY(project(b));
    note(b);
    TT_TRY(orthonormalise(b, spent * b->largest, false, kept));
    return orthonormalise(b, again, false, kept);
}

/* Add the first `kept` vectors of `next` to the basis, and make them the block. */
static tt_status take(basis *b, int kept)
{
    for (int64_t j = b->n; j < b->n + kept; j++) {
        double **group = &b->group[j / GROUP];
        if (!*group) TT_TRY(tt_alloc(b->padded * GROUP, sizeof **group, "singular vectors", group));
        for (int64_t i = 0; i < b->rows; i++)
            (*group)[i * GROUP + j % GROUP] = b->next[i * BLOCK + (j - b->n)];
    }
    double *room = b->before;
    b->before = b->block;
    b->before_at = b->block_at;
    b->block = memset(room, 0, (size_t)b->padded * BLOCK * sizeof *room);
    b->block_at = b->n;
    for (int64_t i = 0; i < b->rows; i++)
        memcpy(b->block + i * BLOCK, b->next + i * BLOCK, (size_t)kept * sizeof *b->block);
    b->n += kept;
    return TT_OK;
}

/* The first vectors: A'A times random ones. Collective. */
static tt_status start(basis *b, uint64_t seed, int *kept)
{
    const tt_stream stream = {seed, TT_FOR_SKETCH, 0};
    for (int64_t i = 0; i < b->rows; i++) {
        float row[BLOCK];
        tt_random_normals(stream, (uint64_t)(b->first + i), BLOCK, row);
        for (int j = 0; j < BLOCK; j++) b->next[i * BLOCK + j] = (double)row[j];
    }
    TT_TRY(orthonormalise(b, spent, true, kept));
    memcpy(b->block, b->next, (size_t)b->padded * BLOCK * sizeof *b->block);
    apply(b);
    memset(b->block, 0, (size_t)b->padded * BLOCK * sizeof *b->block); /* no vectors of the basis */
    TT_TRY(orthonormalise(b, spent, true, kept));
    return *kept > 0 ? orthonormalise(b, again, false, kept) : TT_OK;
}

/* The basis' view of the `dims` largest eigenvalues of A'A, and their vectors [dims, n] in the basis.
 * Collective. */
static tt_status view(const basis *b, int64_t dims, double *values, double *vectors)
{
    double *h;
    tt_status s = tt_alloc(b->n * b->n, sizeof *h, "singular values", &h);
    for (int64_t i = 0; s == TT_OK && i < b->n; i++)
        memcpy(h + i * b->n, b->h + i * b->most, (size_t)b->n * sizeof *h);
    s = tt_agree(b->comm, s);
    if (s == TT_OK) s = eigen_symmetric(b->comm, (int)b->n, h, (int)dims, values, vectors);
    free(h);
    for (int64_t j = 0; s == TT_OK && j < dims; j++) values[j] = sqrt(fmax(values[j], 0));
    return s;
}

static double largest_change(int64_t n, const double *before, const double *now)
{
    double worst = 0;
    for (int64_t j = 0; j < n && now[j] > no_value * now[0]; j++)
        worst = fmax(worst, fabs(now[j] - before[j]) / now[j]);
    return worst;
}

/* Enlarge the basis until the `dims` largest values settle. Collective.
 *  @param[out] values   [dims], those before them in [dims, 2 dims)
 *  @param[out] vectors  [dims, most] of which [out->dims, n] is used */
static tt_status search(basis *b, int64_t dims, uint64_t seed, double *values, double *vectors, tt_svd *out)
{
    int kept;
    int64_t due = 2 * dims;
    out->change = INFINITY;
    TT_TRY(start(b, seed, &kept));
    while (kept > 0) {
        if (kept > b->most - b->n) kept = (int)(b->most - b->n);
        TT_TRY(tt_agree(b->comm, take(b, kept)));
        apply(b);
        TT_TRY(tt_stop_agree(b->comm));
        TT_TRY(renew(b, &kept));
        if (b->n == b->most) kept = 0;
        if (kept > 0 && b->n < due) continue;
        out->dims = dims < b->n ? dims : b->n;
        memcpy(values + dims, values, (size_t)dims * sizeof *values);
        TT_TRY(view(b, out->dims, values, vectors));
        out->change = largest_change(out->dims, values + dims, values);
        if (out->change < settled) break;
        due = b->n + b->n / CHECKS;
    }
    while (out->dims > 0 && !(values[out->dims - 1] > no_value * values[0])) out->dims--;
    out->basis = b->n;
    return TT_OK;
}

/* The axes out of the basis, in float32. Not collective. */
static tt_status form_axes(const basis *b, const double *vectors, tt_svd *out)
{
    int64_t dims = out->dims;
    double *turned = NULL, *rows = NULL;
    tt_status s = tt_alloc(GROUPS_MAX * GROUP * dims, sizeof *turned, "singular vectors", &turned);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * dims, sizeof *rows, "singular vectors", &rows);
    if (s == TT_OK) s = tt_alloc(b->rows * dims, sizeof *out->axes, "singular vectors", &out->axes);
    for (int64_t j = 0; s == TT_OK && j < dims; j++)
        for (int64_t i = 0; i < b->n; i++) turned[i * dims + j] = vectors[j * b->n + i];
    for (int64_t i = 0; s == TT_OK && i < b->padded; i += TT_BLOCK_ROWS) {
        int64_t n = b->rows - i < TT_BLOCK_ROWS ? b->rows - i : TT_BLOCK_ROWS;
        for (int64_t g = 0; g * GROUP < b->n; g++)
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TT_BLOCK_ROWS, (int)dims, GROUP, 1.0,
                        b->group[g] + i * GROUP, GROUP, turned + g * GROUP * dims, (int)dims,
                        g > 0 ? 1.0 : 0.0, rows, (int)dims);
        for (int64_t k = 0; k < n * dims; k++) out->axes[i * dims + k] = (float)rows[k];
    }
    free(rows);
    free(turned);
    return s;
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
    if (s == TT_OK) s = tt_alloc(2 * dims, sizeof *out->values, "singular values", &out->values);
    if (s == TT_OK) s = tt_alloc(dims * b->most, sizeof *vectors, "singular vectors", &vectors);
    s = tt_agree(b->comm, s);
    if (s == TT_OK) s = search(b, dims, seed, out->values, vectors, out);
    if (s == TT_OK) s = tt_agree(b->comm, form_axes(b, vectors, out));
    if (s == TT_OK) s = fix_signs(out);
    free(vectors);
    return s;
}

tt_status tt_svd_sparse(const tt_sparse *a, int64_t dims, uint64_t seed, tt_svd *out)
{
    tt_range own = tt_partition(a->cols, TT_BLOCK_ROWS, a->comm->size, a->comm->rank);
    int64_t smaller = a->rows < a->cols ? a->rows : a->cols, most = BASIS_PER_VALUE * dims + BLOCK;
    if (most > GROUPS_MAX * GROUP) most = GROUPS_MAX * GROUP;
    basis b = {.comm = a->comm, .first = own.begin, .rows = own.end - own.begin};
    b.padded = (b.rows + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS * TT_BLOCK_ROWS;
    b.most = most < smaller ? most : smaller;
    *out = (tt_svd){.comm = a->comm, .cols = a->cols, .first = b.first, .count = b.rows};
    if (dims > b.most) dims = b.most;
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
        memset(x, 0, (size_t)svd->count * PANEL * sizeof *x);
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
