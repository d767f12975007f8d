/* Fitting a mixture to rows: k-means++ seeds (Arthur, Vassilvitskii 2007), Lloyd's iterations, then EM. */
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/signal.h"
#include "tutti/sum.h"
#include "vae/prior.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Starts of k-means, and the most iterations of each method. */
enum { STARTS = 4, LLOYD_MAX = 50, EM_MAX = 200 };

/* Both methods end when a step improves by less than this share. */
static const double tolerance = 1e-6;

/* Least variance of a component, as a share of all rows' variance in that dimension: a component that closes
 * in on equal rows would have a density without bound. */
static const double variance_floor = 1e-3;

/* Why a row's distance gets this much more: log(0) of a row that is a seed already. */
static const double tiny = DBL_MIN;

/* A mixture in double, while it is fitted. */
typedef struct fit {
    const tt_mixture_rows *rows;
    int64_t n, k; /* dimensions, components */
    uint64_t seed;
    double *weight;   /* [k] log p(c); owns the rest */
    double *bias;     /* [k] what of the log-likelihood does not depend on the row */
    double *mean;     /* [k, n] */
    double *variance; /* [k, n] */
    double *floor;    /* [n] */
    double *best;     /* [k, n] means of the best start so far */
    double *sum;      /* [sums] over all rows */
    double *log_p;    /* [k] posteriors of one row */
    double *distance; /* [count] squared, to the nearest seed */
    tt_blocksum *blocks;
} fit;

/* Sums of EM, the larger: log-likelihood, then of each component its weight, first and second moments. */
static int64_t sums_of(const fit *f)
{
    return 1 + f->k * (1 + 2 * f->n);
}

static tt_status fit_new(const tt_mixture *m, const tt_mixture_rows *rows, uint64_t seed, fit *f)
{
    int64_t n = m->latent, k = m->components;
    *f = (fit){.rows = rows, .n = n, .k = k, .seed = seed};
    TT_TRY(tt_alloc(3 * k + 3 * k * n + n + sums_of(f), sizeof *f->weight, "a mixture", &f->weight));
    f->bias = f->weight + k;
    f->mean = f->bias + k;
    f->variance = f->mean + k * n;
    f->best = f->variance + k * n;
    f->floor = f->best + k * n;
    f->log_p = f->floor + n;
    f->sum = f->log_p + k;
    TT_TRY(tt_alloc(rows->count, sizeof *f->distance, "distances of rows", &f->distance));
    return tt_blocksum_new(sums_of(f), rows->first / TT_BLOCK_ROWS, &f->blocks);
}

static void fit_free(fit *f)
{
    free(f->weight);
    free(f->distance);
    tt_blocksum_free(f->blocks);
}

typedef void (*row_sums)(fit *f, const float *mu, double *sum);

/* f->sum of all rows, block by block. Collective. */
static tt_status add_rows(fit *f, row_sums add)
{
    const tt_mixture_rows *rows = f->rows;
    tt_status s = tt_stop_status();
    for (int64_t begin = 0; s == TT_OK && begin < rows->count; begin += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_next(f->blocks);
        if (!partial) {
            s = TT_ERR_MEMORY;
            break;
        }
        int64_t end = begin + TT_BLOCK_ROWS < rows->count ? begin + TT_BLOCK_ROWS : rows->count;
        for (int64_t i = begin; i < end; i++)
            if (rows->use[i]) add(f, rows->mu + i * f->n, partial);
        tt_blocksum_commit(f->blocks);
    }
    return tt_blocksum_finish(f->blocks, rows->comm, s, f->sum);
}

/* ---- moments of all rows ---- */

static void add_moments(fit *f, const float *mu, double *sum)
{
    for (int64_t i = 0; i < f->n; i++) {
        double d = (double)mu[i] - f->mean[i];
        sum[i] += d;
        sum[f->n + i] += d * d;
    }
}

/* The floor of variances: two passes, the second about the mean. Collective. */
static tt_status measure(fit *f)
{
    double rows = (double)f->rows->n;
    memset(f->mean, 0, (size_t)f->n * sizeof *f->mean);
    TT_TRY(add_rows(f, add_moments));
    for (int64_t i = 0; i < f->n; i++) f->mean[i] = f->sum[i] / rows;
    TT_TRY(add_rows(f, add_moments));
    for (int64_t i = 0; i < f->n; i++) f->floor[i] = variance_floor * f->sum[f->n + i] / rows + 1e-12;
    return TT_OK;
}

/* ---- seeds ---- */

static double square_distance(int64_t n, const float *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/* Draw a row with probability in proportion to its distance: the largest of log distance + a Gumbel variable
 * of the row's own, which needs no sum over ranks. Its place over all ranks, -1 if there are no rows. */
static int64_t draw_row(const fit *f, uint64_t draw)
{
    const tt_mixture_rows *rows = f->rows;
    tt_stream stream = {f->seed, TT_FOR_SEEDING, draw};
    double largest = -INFINITY, all;
    int64_t at = INT64_MAX, first;
    for (int64_t i = 0; i < rows->count; i++) {
        if (!rows->use[i]) continue;
        double u = tt_random_uniform(stream, (uint64_t)(rows->first + i), 0);
        double v = log(f->distance[i] + tiny) - log(-log(u + 0x1p-60));
        if (v > largest) {
            largest = v;
            at = rows->first + i;
        }
    }
    MPI_Allreduce(&largest, &all, 1, MPI_DOUBLE, MPI_MAX, rows->comm->mpi);
    if (largest < all) at = INT64_MAX;
    MPI_Allreduce(&at, &first, 1, MPI_INT64_T, MPI_MIN, rows->comm->mpi);
    return first;
}

/* The values of a row on every rank: all others add zeros. Collective. */
static void share_row(const fit *f, int64_t row, double *out)
{
    const tt_mixture_rows *rows = f->rows;
    int64_t i = row - rows->first;
    for (int64_t j = 0; j < f->n; j++)
        out[j] = i >= 0 && i < rows->count ? (double)rows->mu[i * f->n + j] : 0;
    for (int64_t j = 0; j < f->n; j += INT32_MAX)
        MPI_Allreduce(MPI_IN_PLACE, out + j, (int)(f->n - j < INT32_MAX ? f->n - j : INT32_MAX), MPI_DOUBLE,
                      MPI_SUM, rows->comm->mpi);
}

/* Collective. */
static void seed_means(fit *f, int start)
{
    const tt_mixture_rows *rows = f->rows;
    for (int64_t i = 0; i < rows->count; i++) f->distance[i] = 1;
    for (int64_t c = 0; c < f->k; c++) {
        double *mean = f->mean + c * f->n;
        share_row(f, draw_row(f, (uint64_t)start << 32 | (uint64_t)c), mean);
        for (int64_t i = 0; i < rows->count; i++) {
            double d = square_distance(f->n, rows->mu + i * f->n, mean);
            if (c == 0 || d < f->distance[i]) f->distance[i] = d;
        }
    }
}

/* ---- k-means ---- */

static int64_t nearest(const fit *f, const float *mu, double *distance)
{
    int64_t at = 0;
    double least = INFINITY;
    for (int64_t c = 0; c < f->k; c++) {
        double d = square_distance(f->n, mu, f->mean + c * f->n);
        if (d >= least) continue;
        least = d;
        at = c;
    }
    if (distance) *distance = least;
    return at;
}

/* sum: inertia, then of each component its rows and their sum. */
static void add_nearest(fit *f, const float *mu, double *sum)
{
    double d;
    double *to = sum + 1 + nearest(f, mu, &d) * (1 + f->n);
    sum[0] += d;
    to[0]++;
    for (int64_t i = 0; i < f->n; i++) to[1 + i] += (double)mu[i];
}

/* A component without rows stays where it is. */
static void move_means(fit *f)
{
    for (int64_t c = 0; c < f->k; c++) {
        const double *from = f->sum + 1 + c * (1 + f->n);
        for (int64_t i = 0; from[0] > 0 && i < f->n; i++) f->mean[c * f->n + i] = from[1 + i] / from[0];
    }
}

/* Collective. */
static tt_status run_lloyd(fit *f, double *inertia)
{
    *inertia = INFINITY;
    for (int i = 0; i < LLOYD_MAX; i++) {
        TT_TRY(add_rows(f, add_nearest));
        bool done = *inertia - f->sum[0] <= tolerance * f->sum[0];
        *inertia = f->sum[0];
        if (done) return TT_OK;
        move_means(f);
    }
    return TT_OK;
}

/* The best of several starts. Collective. */
static tt_status run_kmeans(fit *f)
{
    double least = INFINITY, inertia;
    size_t bytes = (size_t)(f->k * f->n) * sizeof *f->mean;
    for (int start = 0; start < STARTS; start++) {
        seed_means(f, start);
        TT_TRY(run_lloyd(f, &inertia));
        if (inertia < least || start == 0) memcpy(f->best, f->mean, bytes);
        if (inertia < least) least = inertia;
    }
    memcpy(f->mean, f->best, bytes);
    return TT_OK;
}

/* ---- EM ---- */

/* Weight, first and second moment about the present mean of one row in one component. */
static void add_share(const fit *f, int64_t c, double p, const float *mu, double *sum)
{
    double *to = sum + 1 + c * (1 + 2 * f->n);
    to[0] += p;
    for (int64_t i = 0; i < f->n; i++) {
        double d = (double)mu[i] - f->mean[c * f->n + i];
        to[1 + i] += p * d;
        to[1 + f->n + i] += p * d * d;
    }
}

/* Posteriors of a row into f->log_p; @return its log-likelihood. */
static double expect(fit *f, const float *mu)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < f->k; c++) {
        const double *mean = f->mean + c * f->n, *variance = f->variance + c * f->n;
        double p = 0;
        for (int64_t i = 0; i < f->n; i++)
            p += ((double)mu[i] - mean[i]) * ((double)mu[i] - mean[i]) / variance[i];
        f->log_p[c] = f->bias[c] - 0.5 * p;
        largest = fmax(largest, f->log_p[c]);
    }
    for (int64_t c = 0; c < f->k; c++) sum += f->log_p[c] = exp(f->log_p[c] - largest);
    for (int64_t c = 0; c < f->k; c++) f->log_p[c] /= sum;
    return largest + (sum > 0 ? log(sum) : 0);
}

static void add_posteriors(fit *f, const float *mu, double *sum)
{
    sum[0] += expect(f, mu);
    for (int64_t c = 0; c < f->k; c++) add_share(f, c, f->log_p[c], mu, sum);
}

static void add_hard(fit *f, const float *mu, double *sum)
{
    add_share(f, nearest(f, mu, NULL), 1, mu, sum);
}

/* From the sums; a component that has lost its rows keeps its place and spread. */
static void maximise(fit *f)
{
    double rows = (double)f->rows->n;
    for (int64_t c = 0; c < f->k; c++) {
        const double *from = f->sum + 1 + c * (1 + 2 * f->n);
        double *mean = f->mean + c * f->n, *variance = f->variance + c * f->n;
        double bias = log((from[0] + 1e-3) / (rows + 1e-3 * (double)f->k));
        f->weight[c] = bias;
        for (int64_t i = 0; i < f->n; i++) {
            double move = from[0] > 1e-3 ? from[1 + i] / from[0] : 0;
            double spread = from[0] > 1e-3 ? from[1 + f->n + i] / from[0] - move * move : variance[i];
            mean[i] += move;
            variance[i] = fmax(spread, f->floor[i]);
            bias -= 0.5 * log(2 * M_PI * variance[i]);
        }
        f->bias[c] = bias;
    }
}

/* Collective. */
static tt_status run_em(fit *f)
{
    double before = -INFINITY;
    for (int64_t i = 0; i < f->k * f->n; i++) f->variance[i] = f->floor[i % f->n] / variance_floor;
    TT_TRY(add_rows(f, add_hard));
    maximise(f);
    for (int i = 0; i < EM_MAX; i++) {
        TT_TRY(add_rows(f, add_posteriors));
        double likelihood = f->sum[0] / (double)f->rows->n;
        if (likelihood - before <= tolerance * fabs(likelihood)) return TT_OK;
        before = likelihood;
        maximise(f);
    }
    return TT_OK;
}

static void write_block(const fit *f, const tt_mixture *m, float *block)
{
    for (int64_t c = 0; c < f->k; c++) block[m->logit + c] = (float)f->weight[c];
    for (int64_t i = 0; i < f->k * f->n; i++) {
        block[m->mean + i] = (float)f->mean[i];
        block[m->logvar + i] = (float)log(f->variance[i]);
    }
}

tt_status tt_mixture_fit(const tt_mixture *m, const tt_mixture_rows *rows, uint64_t seed, float *block)
{
    fit f;
    tt_status s = tt_agree(rows->comm, fit_new(m, rows, seed, &f));
    if (s == TT_OK) s = measure(&f);
    if (s == TT_OK) s = run_kmeans(&f);
    if (s == TT_OK) s = run_em(&f);
    if (s == TT_OK) write_block(&f, m, block);
    fit_free(&f);
    return s;
}
