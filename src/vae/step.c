/* One step of training: lanes forward and backward, one reduction, the optimiser. */
#include "tutti/random.h"
#include "tutti/signal.h"
#include "tutti/sum.h"
#include "vae/training.h"

#include <math.h>
#include <string.h>

/* What a step adds up over lanes, as their gradients are: pairs, pairs of pairs. */
static tt_vae_loss sum_losses(int64_t lanes, const tt_vae_loss *loss)
{
    if (lanes == 1)
        return (tt_vae_loss){.reconstruction = (float)loss->reconstruction,
                             .kl = (float)loss->kl,
                             .penalty = (float)loss->penalty};
    tt_vae_loss left = sum_losses(lanes / 2, loss), right = sum_losses(lanes / 2, loss + lanes / 2);
    return (tt_vae_loss){.reconstruction = (float)left.reconstruction + (float)right.reconstruction,
                         .kl = (float)left.kl + (float)right.kl,
                         .penalty = (float)left.penalty + (float)right.penalty};
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

/* The lanes of this rank. */
static tt_status sum_lanes(tt_training *t)
{
    int64_t first, lanes;
    float *room;
    TT_TRY(tt_stop_status());
    TT_TRY(tt_vae_weights(&t->work, t->params));
    while ((lanes = tt_lanes_next(t->lanes, &first, &room)) > 0) {
        TT_TRY(lanes_gradient(t, first, lanes, room));
        if (first == 0) mark_due(t, room);
        tt_lanes_commit(t->lanes);
    }
    return TT_OK;
}

/* Sums of squares of the slices' blocks, added in an order that no rank shows in. Collective. */
static tt_status clip(const tt_training *t, tt_range slice, const float *gradient, double *scale)
{
    tt_blocksum *sum = NULL;
    double squares;
    tt_status s = tt_blocksum_new(1, slice.begin / TT_LANES_BLOCK, &sum);
    for (int64_t at = slice.begin; s == TT_OK && at < slice.end; at += TT_LANES_BLOCK) {
        int64_t left = slice.end - at;
        double part =
            tt_optimizer_squares(left < TT_LANES_BLOCK ? left : TT_LANES_BLOCK, gradient + at - slice.begin);
        s = tt_blocksum_push(sum, &part);
    }
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, t->comm, TT_OK, &squares);
    if (s == TT_OK) *scale = tt_optimizer_clip(&t->optimizer, *scale, squares);
    tt_blocksum_free(sum);
    return s;
}

/* The first element that is not finite, of all ranks' slices; INT64_MAX if there is none. Collective. */
static int64_t first_non_finite(const tt_training *t, tt_range slice, const float *values)
{
    int64_t at = INT64_MAX;
    for (int64_t i = slice.begin; i < slice.end && at == INT64_MAX; i++)
        if (!isfinite(values[i - slice.begin])) at = i;
    MPI_Allreduce(MPI_IN_PLACE, &at, 1, MPI_INT64_T, MPI_MIN, t->comm->mpi);
    return at;
}

/* The same words on every rank. Collective. */
static tt_status diverged(const tt_training *t)
{
    const float *sum;
    tt_range slice = tt_lanes_slice(t->lanes, &sum);
    const tt_tensor *gradient = tt_params_at(&t->vae.params, first_non_finite(t, slice, sum));
    const tt_tensor *value = gradient ? NULL : tt_params_non_finite(&t->vae.params, t->params);
    const tt_tensor *where = gradient ? gradient : value;
    return tt_fail(TT_ERR_INPUT,
                   "%s: training diverged in epoch %lld, step %lld of %lld: %s%s is not finite; try a "
                   "train.learning_rate below %g, or a train.clip_norm",
                   t->output, (long long)t->epoch + 1, (long long)t->step + 1, (long long)t->feed.steps,
                   gradient ? "the gradient of " : "", where ? where->name : "the loss",
                   t->settings->learning_rate);
}

/* Each rank updates its slice of the parameters, whose moments it alone keeps up, and gets the others'.
 * Collective. */
static tt_status update(tt_training *t, double loss, double rows)
{
    const float *gradient;
    double scale = 1 / rows;
    MPI_Request told;
    tt_range slice = tt_lanes_slice(t->lanes, &gradient);
    if (t->optimizer.clip_norm > 0) TT_TRY(clip(t, slice, gradient, &scale));
    t->rate = tt_training_rate(t);
    int good = isfinite(loss) && tt_optimizer_step(&t->optimizer, slice.begin, slice.end - slice.begin,
                                                   t->rate, scale, gradient, t->params);
    int all_good;
    MPI_Iallreduce(&good, &all_good, 1, MPI_INT, MPI_MIN, t->comm->mpi, &told);
    tt_phase(&t->phases, "share");
    tt_lanes_share(t->lanes, t->params);
    MPI_Wait(&told, MPI_STATUS_IGNORE);
    return all_good ? TT_OK : diverged(t);
}

void tt_training_gather(const tt_training *t)
{
    tt_lanes_share(t->lanes, t->first);
    tt_lanes_share(t->lanes, t->second);
}

tt_status tt_training_step(tt_training *t, bool *due)
{
    tt_phase(&t->phases, "exchange");
    TT_TRY(tt_feed_step(&t->feed, t->epoch, t->step));
    float tail[TT_TAIL];
    tt_phase(&t->phases, "compute");
    TT_TRY(tt_lanes_finish(t->lanes, sum_lanes(t), tail, &t->phases));
    tt_phase(&t->phases, "update");
    double reconstruction = (double)tail[TT_TAIL_RECONSTRUCTION], kl = (double)tail[TT_TAIL_KL];
    double penalty = (double)tail[TT_TAIL_PENALTY], rows = (double)tail[TT_TAIL_ROWS];
    double loss = reconstruction + tt_training_beta(t) * penalty;
    TT_TRY(update(t, loss, rows));
    t->sums[0] += loss;
    t->sums[1] += reconstruction;
    t->sums[2] += kl;
    t->sums[3] += rows;
    t->step++;
    *due = tail[TT_TAIL_CHECKPOINT] > 0;
    return TT_OK;
}
