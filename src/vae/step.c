/* One step of training: lanes forward and backward, one reduction, the optimiser. */
#include "tutti/random.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <math.h>
#include <string.h>

double tt_training_beta(const tt_training *t)
{
    int warmup = t->settings->kl_warmup_epochs;
    double done = (double)t->epoch + (double)t->step / (double)t->feed.steps;
    return t->settings->beta * (done < warmup ? done / warmup : 1.0);
}

/* Gradient and sums of one lane over whatever [params.size + TT_TAIL] held. */
static void lane_gradient(tt_training *t, int64_t lane, float *out)
{
    tt_lane rows = tt_feed_lane(&t->feed, t->step, lane);
    float *tail = out + t->vae.params.size;
    float *stale = rows.used > 0 ? tail : out;
    memset(stale, 0, (size_t)(tail + TT_TAIL - stale) * sizeof *stale);
    if (rows.used == 0) return;
    tt_stream noise = {t->provenance->seed, TT_FOR_NOISE, (uint64_t)t->epoch};
    for (int64_t i = 0; i < rows.used; i++)
        tt_random_normals(noise, (uint64_t)rows.id[i], t->vae.latent, t->work.noise + i * t->vae.latent);
    tt_vae_loss loss =
        tt_vae_step(&t->vae, t->params, tt_training_beta(t), rows.used, rows.rows, &t->work, out);
    tail[TT_TAIL_RECONSTRUCTION] = (float)loss.reconstruction;
    tail[TT_TAIL_KL] = (float)loss.kl;
    tail[TT_TAIL_ROWS] = (float)rows.used;
}

/* Rank 0 owns the first lane and its clock decides; the sum tells the others. */
static void mark_due(const tt_training *t, float *out)
{
    if (t->comm->rank == 0 && tt_now() - t->checkpoint_at >= t->settings->checkpoint_seconds)
        out[t->vae.params.size + TT_TAIL_CHECKPOINT] = 1;
}

/* The lanes of this rank, and their sum over all ranks by a tree of fixed shape. */
static tt_status reduce_lanes(tt_training *t)
{
    tt_status s = tt_stop_status();
    tt_phase(&t->phases, "compute");
    for (int64_t lane = 0; s == TT_OK && lane < t->feed.n_lanes; lane++) {
        float *slot = tt_blocksum_room(t->lanes);
        if (!slot) {
            s = TT_ERR_MEMORY;
            break;
        }
        lane_gradient(t, lane, slot);
        if (lane == 0) mark_due(t, slot);
        tt_blocksum_commit(t->lanes);
    }
    tt_phase(&t->phases, "reduce");
    return tt_blocksum_finish(t->lanes, t->comm, s, t->gradient);
}

/* One lane per rank, and the sum in whatever order MPI likes best. */
static tt_status reduce_shares(tt_training *t)
{
    int n;
    tt_phase(&t->phases, "compute");
    int64_t m = t->vae.params.size + TT_TAIL;
    tt_status s = tt_stop_status();
    if (s == TT_OK) s = tt_int(m, "parameters of the model", &n);
    if (s == TT_OK) lane_gradient(t, 0, t->gradient);
    if (s == TT_OK) mark_due(t, t->gradient);
    tt_phase(&t->phases, "reduce");
    TT_TRY(tt_agree(t->comm, s));
    MPI_Allreduce(MPI_IN_PLACE, t->gradient, n, MPI_FLOAT, MPI_SUM, t->comm->mpi);
    return TT_OK;
}

/* Gradient and losses are the same bits on every rank, and so is this verdict. */
static tt_status diverged(const tt_training *t)
{
    const tt_tensor *gradient = tt_params_non_finite(&t->vae.params, t->gradient);
    const tt_tensor *value = gradient ? NULL : tt_params_non_finite(&t->vae.params, t->params);
    const tt_tensor *where = gradient ? gradient : value;
    return tt_fail(TT_ERR_INPUT,
                   "%s: training diverged in epoch %lld, step %lld of %lld: %s%s is not finite; try a "
                   "train.learning_rate below %g, or a train.clip_norm",
                   t->output, (long long)t->epoch + 1, (long long)t->step + 1, (long long)t->feed.steps,
                   gradient ? "the gradient of " : "", where ? where->name : "the loss",
                   t->settings->learning_rate);
}

tt_status tt_training_step(tt_training *t, bool *due)
{
    tt_phase(&t->phases, "exchange");
    TT_TRY(tt_feed_step(&t->feed, t->epoch, t->step));
    TT_TRY(t->lanes ? reduce_lanes(t) : reduce_shares(t));
    tt_phase(&t->phases, "update");
    const float *tail = t->gradient + t->vae.params.size;
    double reconstruction = (double)tail[TT_TAIL_RECONSTRUCTION], kl = (double)tail[TT_TAIL_KL];
    double loss = reconstruction + tt_training_beta(t) * kl, rows = (double)tail[TT_TAIL_ROWS];
    t->rate = tt_training_rate(t);
    if (!isfinite(loss) ||
        !tt_optimizer_step(&t->optimizer, t->vae.params.size, t->rate, 1 / rows, t->gradient, t->params))
        return diverged(t);
    t->sums[0] += loss;
    t->sums[1] += reconstruction;
    t->sums[2] += kl;
    t->sums[3] += rows;
    t->step++;
    *due = tail[TT_TAIL_CHECKPOINT] > 0;
    return TT_OK;
}
