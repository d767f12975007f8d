/* Learning the space of within.h from a sample of rows, which rank 0 holds. */
#include "linalg/within.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "vae/within.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KNOTS = TT_WITHIN_KNOTS, SAMPLE = 2048, SAMPLE_MAX = 2 * SAMPLE, SAMPLE_MIN = 32, PER_TRACK = 8 };

/* Columns are divided by this power of the number of their kind: 0.5 would give each kind the same say,
 * whatever it holds; 0 one to every column, so that twenty MFCCs drown the rest. */
static const double evening = 0.4;

static const double constant_below = 1e-6; /* deviations of normal scores */

/* Rows in the sample are drawn by track and then by row. */
typedef struct draw {
    tt_stream stream;
    double track_share, row_share;
} draw;

typedef struct sample {
    int64_t rows, n;
    int64_t *track; /* [rows] */
    double *z;      /* [rows, n] */
} sample;

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Few rows of many tracks rather than all of a few, and still several of each. */
static draw plan_draw(const tt_samples *s, uint64_t seed)
{
    double rows = (double)s->n_train, tracks = s->tracks > 0 ? (double)s->tracks : 1;
    double row_share = least(1, PER_TRACK * tracks / rows);
    double track_share = least(1, SAMPLE / (row_share * rows));
    if (track_share == 1) row_share = least(1, SAMPLE / rows);
    return (draw){{seed, TT_FOR_SCALING, 0}, track_share, row_share};
}

static bool drawn(const draw *d, const tt_samples *s, int64_t i)
{
    return s->train[i] && tt_random_uniform(d->stream, (uint64_t)s->track[i], 0) < d->track_share &&
           tt_random_uniform(d->stream, (uint64_t)(s->x.first + i), 1) < d->row_share;
}

/* What travels: the track, then the values of the columns. */
static void pack_row(const tt_samples *s, const tt_within *w, const float *row, int64_t track, double *out)
{
    memcpy(out, &track, sizeof track);
    for (int64_t k = 0; k < w->n; k++) {
        int64_t j = w->column[k];
        out[1 + k] = (double)row[j] + s->x.shift[j];
    }
}

/* Rows that were drawn of those of this rank, at most SAMPLE_MAX. */
static tt_status pack_rows(const tt_samples *s, const tt_within *w, const draw *d, double **out, int64_t *n)
{
    int64_t chosen = 0, used = 0;
    float *room = NULL;
    for (int64_t i = 0; i < s->x.count; i++) chosen += drawn(d, s, i);
    if (chosen > SAMPLE_MAX) chosen = SAMPLE_MAX;
    TT_TRY(tt_alloc(chosen * (1 + w->n), sizeof **out, "a sample of rows", out));
    if (!s->x.data) TT_TRY(tt_alloc(TT_BLOCK_ROWS * s->x.cols, sizeof *room, "a block of rows", &room));
    tt_status status = TT_OK;
    for (int64_t i = 0; status == TT_OK && used < chosen && i < s->x.count; i += TT_BLOCK_ROWS) {
        tt_matrix m;
        status = tt_samples_block(s, i, room, &m);
        for (int64_t r = 0; status == TT_OK && r < m.count && used < chosen; r++)
            if (drawn(d, s, i + r))
                pack_row(s, w, m.data + r * m.cols, s->track[i + r], *out + used++ * (1 + w->n));
    }
    free(room);
    *n = used;
    return status;
}

/* What arrived at rank 0, in the order of global rows, its first SAMPLE_MAX rows. */
static tt_status unpack_rows(const double *arrived, int64_t rows, int64_t n, sample *out)
{
    out->rows = rows < SAMPLE_MAX ? rows : SAMPLE_MAX;
    TT_TRY(tt_alloc(out->rows * n, sizeof *out->z, "a sample of rows", &out->z));
    TT_TRY(tt_alloc(out->rows, sizeof *out->track, "the tracks of a sample", &out->track));
    for (int64_t i = 0; i < out->rows; i++) {
        memcpy(&out->track[i], arrived + i * (1 + n), sizeof *out->track);
        memcpy(out->z + i * n, arrived + i * (1 + n) + 1, (size_t)n * sizeof *out->z);
    }
    return TT_OK;
}

/* Bring the drawn rows to rank 0. Collective. */
static tt_status gather(const tt_samples *s, const tt_within *w, uint64_t seed, sample *out)
{
    const tt_comm *comm = s->x.comm;
    draw d = plan_draw(s, seed);
    double *mine = NULL, *arrived = NULL;
    int64_t *count = NULL, rows = 0, bytes = 0, row_bytes = (1 + w->n) * (int64_t)sizeof *mine;
    tt_status status = pack_rows(s, w, &d, &mine, &rows);
    if (status == TT_OK) status = tt_alloc(2 * comm->size, sizeof *count, "counts of ranks", &count);
    status = tt_agree(comm, status);
    if (status == TT_OK) {
        count[0] = rows * row_bytes;
        status = tt_exchange(comm, mine, count, &arrived, count + comm->size);
    }
    for (int r = 0; status == TT_OK && r < comm->size; r++) bytes += count[comm->size + r];
    if (status == TT_OK) status = unpack_rows(arrived, bytes / row_bytes, w->n, out);
    free(mine);
    free(arrived);
    free(count);
    return tt_agree(comm, status);
}

/* x with Phi(x) = p, by bisection of the error function: a few hundred are asked for. */
static double normal_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 64; i++) {
        double middle = 0.5 * (low + high);
        if (0.5 * erfc(-middle * sqrt(0.5)) < p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Knots of a column at even steps between its least and largest value, by rank. */
static void set_knots(const double *sorted, int64_t rows, double *knots)
{
    for (int k = 0; k < KNOTS; k++) {
        double at = (double)k * (double)(rows - 1) / (KNOTS - 1);
        int64_t i = (int64_t)at;
        double share = at - (double)i;
        knots[k] = i + 1 < rows && share > 0 ? sorted[i] + share * (sorted[i + 1] - sorted[i]) : sorted[i];
    }
}

/* Columns of the same kind as k. */
static int64_t count_kind(const tt_samples *s, const tt_within *w, int64_t k)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->n; i++) n += s->kind[w->column[i]] == s->kind[w->column[k]];
    return n;
}

/* Centre and weight of a column from the scores of the sample, which they are then applied to. */
static void weigh(sample *p, int64_t k, int64_t of_kind, tt_within *w)
{
    double mean = 0, square = 0, rows = (double)p->rows;
    for (int64_t i = 0; i < p->rows; i++) mean += p->z[i * p->n + k] / rows;
    for (int64_t i = 0; i < p->rows; i++) {
        double v = p->z[i * p->n + k] - mean;
        square += v * v / rows;
    }
    bool varies = sqrt(square) > constant_below;
    w->centre[k] = mean;
    w->weight[k] = varies ? 1 / (sqrt(square) * pow((double)of_kind, evening)) : 0;
    for (int64_t i = 0; i < p->rows; i++) p->z[i * p->n + k] = (p->z[i * p->n + k] - mean) * w->weight[k];
}

/* Rank 0: knots, centres and weights; the sample becomes weighted scores. */
static tt_status fit_columns(const tt_samples *s, sample *p, tt_within *w)
{
    double *sorted;
    p->n = w->n;
    TT_TRY(tt_alloc(p->rows, sizeof *sorted, "a column of a sample", &sorted));
    for (int k = 0; k < KNOTS; k++)
        w->score[k] =
            normal_quantile(((double)k * (double)(p->rows - 1) / (KNOTS - 1) + 0.5) / (double)p->rows);
    for (int64_t k = 0; k < w->n; k++) {
        for (int64_t i = 0; i < p->rows; i++) sorted[i] = p->z[i * p->n + k];
        qsort(sorted, (size_t)p->rows, sizeof *sorted, by_value);
        set_knots(sorted, p->rows, w->knots + k * KNOTS);
        for (int64_t i = 0; i < p->rows; i++) p->z[i * p->n + k] = tt_within_score(w, k, p->z[i * p->n + k]);
        weigh(p, k, count_kind(s, w, k), w);
    }
    free(sorted);
    return TT_OK;
}

/* Columns of known kind, those of lyrics aside. */
static tt_status choose_columns(const tt_samples *s, tt_within *out)
{
    int64_t n = 0;
    for (int64_t j = 0; s->kind && j < s->x.cols; j++) n += s->kind[j] >= 0;
    if (n == 0 || n > TT_WITHIN_MAX) return TT_OK;
    TT_TRY(tt_within_new(n, out));
    for (int64_t j = 0, k = 0; j < s->x.cols; j++)
        if (s->kind[j] >= 0) out->column[k++] = j;
    return TT_OK;
}

/* With the sample at rank 0. Collective. */
static tt_status fit_sample(const tt_samples *s, sample *p, tt_within *w, bool *found)
{
    const tt_comm *comm = s->x.comm;
    double vary = 0;
    *found = tt_max_i64(comm, p->rows) >= SAMPLE_MIN;
    if (!*found) return TT_OK;
    TT_TRY(tt_agree(comm, comm->rank == 0 ? fit_columns(s, p, w) : TT_OK));
    int64_t words = (const int64_t *)(const void *)w->forth - w->column;
    TT_TRY(tt_broadcast(comm, w->column, words * (int64_t)sizeof *w->column, 0));
    for (int64_t k = 0; k < w->n; k++) vary += w->weight[k] > 0;
    return within_whitening(comm, p->rows, w->n, p->z, p->track, vary, w->forth, w->back, found);
}

tt_status tt_within_fit(const tt_samples *samples, uint64_t seed, tt_within *out)
{
    sample p = {0};
    bool found = false;
    *out = (tt_within){0};
    TT_TRY(tt_agree(samples->x.comm, choose_columns(samples, out)));
    if (out->n == 0) return TT_OK;
    tt_status s = gather(samples, out, seed, &p);
    if (s == TT_OK) s = fit_sample(samples, &p, out, &found);
    if (s != TT_OK || !found) tt_within_free(out);
    free(p.z);
    free(p.track);
    return s;
}
