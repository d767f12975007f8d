/* Loss without noise over marked rows: validation, and the picture of what the model learnt. */
#include "tutti/memory.h"
#include "tutti/sum.h"
#include "vae/training.h"

#include <stdlib.h>
#include <string.h>

/* Rows per forward pass. Small, since held-out rows are few in a block and a pass is padded to this. */
enum { CHUNK_ROWS = 64 };

static const double active_above = 0.01;

/* Elements of the sums; the means, squares and KL of latent units follow. */
enum { SUM_ROWS, SUM_RECONSTRUCTION, SUM_KL, SUM_SQUARE, SUM_PREDICTOR, SUM_LATENT };

/* Square of what the mean of the training rows leaves of a row. */
static double from_mean(const tt_scaling *scaling, const float *row)
{
    double sum = 0;
    for (int64_t j = 0; j < scaling->cols; j++) {
        double d = (double)row[j] - scaling->centre[j];
        sum += d * d;
    }
    return sum;
}

static tt_status add_chunk(const tt_training *t, tt_vae_work *work, const float *x, int64_t used, double *sum)
{
    int64_t n = t->vae.latent;
    tt_vae_loss loss;
    TT_TRY(tt_vae_evaluate(&t->vae, used, x, work, &loss));
    const float *latent = work->latent;
    sum[SUM_ROWS] += (double)used;
    sum[SUM_RECONSTRUCTION] += loss.reconstruction;
    sum[SUM_KL] += loss.kl;
    sum[SUM_SQUARE] += loss.square;
    for (int64_t r = 0; r < used; r++) sum[SUM_PREDICTOR] += from_mean(&t->scaling, x + r * t->vae.input);
    tt_vae_kl_by_dim(work, used, sum + SUM_LATENT + 2 * n);
    for (int64_t r = 0; r < used; r++)
        for (int64_t k = 0; k < n; k++) {
            double mu = (double)latent[r * 2 * n + k];
            sum[SUM_LATENT + k] += mu;
            sum[SUM_LATENT + n + k] += mu * mu;
        }
    return TT_OK;
}

/* A block's marked rows in chunks of one shape; where there are none, nothing is read. */
static tt_status add_block(const tt_training *t, const unsigned char *mask, int64_t begin, tt_vae_work *work,
                           float *room, float *x, double *sum)
{
    tt_matrix m;
    int64_t used = 0;
    int32_t condition[CHUNK_ROWS] = {0};
    if (!memchr(mask + begin, 1, TT_BLOCK_ROWS)) return TT_OK;
    TT_TRY(tt_samples_block(&t->samples, begin, room, &m));
    work->condition = t->samples.condition ? condition : NULL;
    for (int64_t i = 0; i < m.count; i++) {
        if (!mask[begin + i]) continue;
        if (t->samples.condition) condition[used] = t->samples.condition[begin + i];
        tt_scaling_apply(&t->scaling, &m, i, x + used++ * m.cols);
        if (used < CHUNK_ROWS) continue;
        TT_TRY(add_chunk(t, work, x, used, sum));
        used = 0;
    }
    return used > 0 ? add_chunk(t, work, x, used, sum) : TT_OK;
}

static tt_status add_rows(const tt_training *t, const unsigned char *mask, tt_blocksum *sum)
{
    tt_vae_work work = {0};
    float *x = NULL, *room = NULL;
    tt_status s = tt_vae_work_new(&t->vae, 1, CHUNK_ROWS, false, &work);
    if (s == TT_OK) s = tt_vae_weights(&work, t->params);
    if (s == TT_OK) s = tt_alloc(CHUNK_ROWS * t->vae.input, sizeof *x, "rows to score", &x);
    if (s == TT_OK && !t->samples.x.data)
        s = tt_alloc(TT_BLOCK_ROWS * t->vae.input, sizeof *room, "a block of rows", &room);
    for (int64_t i = 0; s == TT_OK && i < t->samples.x.count; i += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_next(sum);
        if (!partial) {
            s = TT_ERR_MEMORY;
            break;
        }
        s = add_block(t, mask, i, &work, room, x, partial);
        tt_blocksum_commit(sum);
    }
    free(room);
    free(x);
    tt_vae_work_free(&work);
    return s;
}

static void summarise(int64_t latent, const double *sum, tt_scores *out, tt_unit *units)
{
    double n = sum[SUM_ROWS] > 0 ? sum[SUM_ROWS] : 1;
    *out = (tt_scores){.rows = sum[SUM_ROWS],
                       .reconstruction = sum[SUM_RECONSTRUCTION] / n,
                       .kl = sum[SUM_KL] / n,
                       .square = sum[SUM_SQUARE] / n,
                       .predictor = sum[SUM_PREDICTOR] / n};
    for (int64_t k = 0; k < latent; k++) {
        const double *of = sum + SUM_LATENT + k;
        double mean = of[0] / n, variance = of[latent] / n - mean * mean;
        bool active = variance > active_above;
        out->active += active;
        if (units) units[k] = (tt_unit){of[2 * latent] / n, variance, active};
    }
}

tt_status tt_training_score(const tt_training *t, const unsigned char *mask, tt_scores *out, tt_unit *units)
{
    int64_t m = SUM_LATENT + 3 * t->vae.latent;
    double *total = NULL;
    tt_blocksum *sum = NULL;
    tt_feed_settle(&t->feed);
    tt_status s = tt_alloc(m, sizeof *total, "scores", &total);
    if (s == TT_OK) s = tt_blocksum_new(m, t->samples.x.first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = add_rows(t, mask, sum);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, t->comm, TT_OK, total);
    if (s == TT_OK) summarise(t->vae.latent, total, out, units);
    tt_blocksum_free(sum);
    free(total);
    return s;
}
