/* One step of training: lanes forward and backward, one reduction, the optimiser. */
#include "tutti/random.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <math.h>
#include <string.h>

/* The sums of lanes, added as their gradients are: pairs, pairs of pairs. */
static tt_vae_loss sum_losses(int64_t lanes, const tt_vae_loss *loss)
{
    if (lanes == 1)
        return (tt_vae_loss){(float)loss->reconstruction, (float)loss->kl, (float)loss->penalty,
                             (float)loss->square};
    tt_vae_loss left = sum_losses(lanes / 2, loss), right = sum_losses(lanes / 2, loss + lanes / 2);
    return (tt_vae_loss){(float)left.reconstruction + (float)right.reconstruction,
                         (float)left.kl + (float)right.kl, (float)left.penalty + (float)right.penalty,
                         (float)left.square + (float)right.square};
}

/* Gradient and sums of `lanes` lanes from one of this rank, over whatever [params.size + TT_TAIL] held. */
static tt_status lanes_gradient(tt_training *t, int64_t lane, int64_t lanes, float *out)
{
    float *tail = out + t->vae.params.size;
    int64_t used = 0, n = t->vae.latent;
    tt_lane rows = tt_feed_lane(&t->feed, t->step, lane);
    for (int64_t i = 0; i < lanes; i++) used += tt_feed_lane(&t->feed, t->step, lane + i).used;
    float *stale = used > 0 ? tail : out;
    memset(stale, 0, (size_t)(tail + TT_TAIL - stale) * sizeof *stale);
    if (used == 0) return TT_OK;
    tt_stream noise = {t->provenance->seed, TT_FOR_NOISE, (uint64_t)t->epoch};
    for (int64_t i = 0; i < used; i++)
        tt_random_normals(noise, (uint64_t)rows.id[i], n, t->work.noise + i * n);
    tt_objective objective = tt_training_objective(t);
    t->work.condition = rows.condition;
    TT_TRY(tt_vae_step(&t->vae, &objective, lanes, used, rows.rows, &t->work, out, t->loss));
    tt_vae_loss loss = sum_losses(lanes, t->loss);
    tail[TT_TAIL_RECONSTRUCTION] = (float)loss.reconstruction;
    tail[TT_TAIL_KL] = (float)loss.kl;
    tail[TT_TAIL_PENALTY] = (float)loss.penalty;
    tail[TT_TAIL_ROWS] = (float)used;
    return TT_OK;
}

/* Rank 0 owns the first lane and its clock decides; the sum tells the others. */
static void mark_due(const tt_training *t, float *out)
{
    if (t->comm->rank == 0 && tt_now() - t->checkpoint_at >= t->settings->checkpoint_seconds)
        out[t->vae.params.size + TT_TAIL_CHECKPOINT] = 1;
}

/* From this lane on, how many make up a whole subtree that the model takes in one pass. */
static int64_t lanes_from(const tt_training *t, int64_t lane)
{
    int64_t lanes = 1, first = t->feed.first_lane + lane;
    while (2 * lanes <= t->work.lanes && lane + 2 * lanes <= t->feed.n_lanes && first % (2 * lanes) == 0)
        lanes *= 2;
    return lanes;
}

static tt_status sum_lanes(tt_training *t)
{
    TT_TRY(tt_stop_status());
    TT_TRY(tt_vae_weights(&t->work, t->params));
    for (int64_t lane = 0, lanes; lane < t->feed.n_lanes; lane += lanes) {
        float *slot = tt_blocksum_room(t->lanes);
        if (!slot) return TT_ERR_MEMORY;
        lanes = lanes_from(t, lane);
        TT_TRY(lanes_gradient(t, lane, lanes, slot));
        if (lane == 0) mark_due(t, slot);
        tt_blocksum_commit_tree(t->lanes, lanes);
    }
    return TT_OK;
}

/* The lanes of this rank, and their sum over all ranks by a tree of fixed shape. */
static tt_status reduce_lanes(tt_training *t)
{
    tt_phase(&t->phases, "compute");
    tt_status s = sum_lanes(t);
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
    if (s == TT_OK) s = tt_vae_weights(&t->work, t->params);
    if (s == TT_OK) s = lanes_gradient(t, 0, 1, t->gradient);
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
    double penalty = (double)tail[TT_TAIL_PENALTY];
    double loss = reconstruction + tt_training_beta(t) * penalty, rows = (double)tail[TT_TAIL_ROWS];
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
