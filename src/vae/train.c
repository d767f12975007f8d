#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "vae/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines about epochs in the log of a whole run, about. */
enum { EPOCH_LINES = 10 };

/* Give the rows their classes, and say what is odd about them. Collective. */
static tt_status take_classes(tt_training *t)
{
    const tt_classes *c = t->classes;
    if (c->n == 0)
        return tt_fail(TT_ERR_INPUT, "model.condition is genre, but no row of %s has a known class",
                       t->samples.x.name);
    if (c->n == 1 && t->comm->rank == 0)
        tt_warn("all known classes are \"%s\": a condition on it tells the model nothing", c->name[0]);
    return tt_samples_condition(&t->samples, c, c->name, c->n);
}

/* Read the rows, choose those to train on, learn their scale. Collective. */
static tt_status prepare_data(tt_training *t, const tt_model_params *model, const char *input)
{
    TT_TRY(tt_samples_read(t->comm, input, tt_feed_memory(t->settings), &t->samples));
    const tt_matrix *x = &t->samples.x;
    if (x->n_valid == 0)
        return tt_fail(TT_ERR_INPUT, "%s: none of %lld rows is valid; there is nothing to train on", x->name,
                       (long long)x->rows);
    if (t->classes) TT_TRY(take_classes(t));
    tt_samples_split(&t->samples, t->provenance->seed, t->settings->validation);
    TT_TRY(tt_agree(t->comm, tt_scaling_new(x->cols, &t->scaling)));
    bool images = strcmp(model->kind, "conv") == 0, unit = strcmp(model->reconstruction, "bernoulli") == 0;
    TT_TRY(tt_scaling_fit(&t->samples, images, unit, &t->scaling));
    if (!unit && strcmp(t->settings->scaling, "within") == 0)
        TT_TRY(tt_scaling_fit_within(&t->samples, t->provenance->seed, &t->scaling));
    TT_TRY(tt_agree(t->comm, tt_scaling_settle(&t->scaling, &t->samples)));
    return tt_feed_new(&t->samples, &t->scaling, t->provenance->seed, t->settings, &t->feed);
}

/* What all ranks' processors can do, since their sums must be of one kind. Collective. */
static tt_precision choose_precision(const tt_training *t)
{
    if (strcmp(t->settings->precision, "bf16") != 0) return TT_PRECISION_F32;
    int64_t unable = tt_precision_possible(TT_PRECISION_BF16) != TT_PRECISION_BF16;
    if (tt_max_i64(t->comm, unable) == 0) return TT_PRECISION_BF16;
    if (t->comm->rank == 0)
        tt_warn(
            "train.precision is bf16, which a processor here does not have (it takes AVX512_BF16): training "
            "in f32");
    return TT_PRECISION_F32;
}

static tt_status build_local(tt_training *t, const tt_vae_shape *shape)
{
    TT_TRY(tt_vae_new(shape, &t->vae));
    t->vae.precision = t->precision;
    const tt_params *p = &t->vae.params;
    int64_t lanes = tt_vae_lanes(&t->vae, t->feed.n_lanes > 0 ? t->feed.n_lanes : 1, t->feed.lane_rows);
    TT_TRY(tt_vae_work_new(&t->vae, lanes, t->feed.lane_rows, true, &t->work));
    TT_TRY(tt_alloc(lanes, sizeof *t->loss, "losses", &t->loss));
    TT_TRY(tt_params_block(p, "parameters", &t->params));
    TT_TRY(tt_params_block(p, "first moments", &t->first));
    TT_TRY(tt_params_block(p, "second moments", &t->second));
    if (t->settings->patience > 0) TT_TRY(tt_params_block(p, "the best parameters", &t->best));
    TT_TRY(tt_alloc(t->settings->epochs * TT_HISTORY, sizeof *t->history, "the history", &t->history));
    TT_TRY(tt_alloc(t->vae.latent, sizeof *t->unit, "latent units", &t->unit));
    tt_training_recipe(t);
    return TT_OK;
}

/* The state before the first step, also after a checkpoint that broke off in reading. */
static void begin(tt_training *t)
{
    size_t bytes = (size_t)t->vae.params.size * sizeof(float);
    memset(t->params, 0, bytes);
    memset(t->first, 0, bytes);
    memset(t->second, 0, bytes);
    tt_vae_init(&t->vae, t->provenance->seed, t->params);
    for (int64_t i = 0; i < t->settings->epochs * TT_HISTORY; i++) t->history[i] = NAN;
    t->best_loss = INFINITY;
}

void tt_training_free(tt_training *t)
{
    tt_lanes_free(t->lanes);
    free(t->params);
    free(t->first);
    free(t->second);
    free(t->best);
    free(t->history);
    free(t->unit);
    free(t->loss);
    tt_vae_work_free(&t->work);
    tt_vae_free(&t->vae);
    tt_feed_free(&t->feed);
    tt_scaling_free(&t->scaling);
    tt_samples_free(&t->samples);
}

static void say_epoch(const tt_training *t, const double *h)
{
    int64_t e = t->epoch + 1, n = t->settings->epochs, lines = n < EPOCH_LINES ? n : EPOCH_LINES;
    if (e * lines / n == (e - 1) * lines / n) return;
    char validation[48] = "";
    if (t->samples.n_held > 0)
        snprintf(validation, sizeof validation, ", validation %.4g", h[TT_H_VALIDATION]);
    double rate = h[TT_H_SECONDS] > 0 ? (double)t->samples.n_train / h[TT_H_SECONDS] : 0;
    tt_info("train: epoch %lld of %lld: loss %.4g (reconstruction %.4g, KL %.4g)%s, %.3g samples/s",
            (long long)e, (long long)n, h[TT_H_LOSS], h[TT_H_RECONSTRUCTION], h[TT_H_KL], validation, rate);
}

/* Keep the parameters of the best epoch. */
static void note_best(tt_training *t, double loss)
{
    if (!t->best || t->epoch < tt_training_pretrain(t) || !(loss < t->best_loss)) return;
    t->best_loss = loss;
    t->best_epoch = t->epoch + 1;
    memcpy(t->best, t->params, (size_t)t->vae.params.size * sizeof *t->best);
}

/* Patience runs from the best epoch, but not while beta still rises. */
static bool lost_patience(const tt_training *t)
{
    int64_t risen = tt_training_risen(t), since = t->best_epoch > risen ? t->best_epoch : risen;
    return t->best && t->step == 0 && t->epoch - since >= t->settings->patience;
}

bool tt_training_done(const tt_training *t)
{
    return t->epoch >= t->settings->epochs || lost_patience(t);
}

/* Close the epoch: validate, write its line of the history. Collective. */
static tt_status end_epoch(tt_training *t)
{
    double *h = t->history + t->epoch * TT_HISTORY, rows = t->sums[3];
    tt_scores held = {.reconstruction = NAN, .kl = NAN};
    tt_phase(&t->phases, "validate");
    if (t->samples.n_held > 0) TT_TRY(tt_training_score(t, t->samples.held, &held, NULL));
    h[TT_H_EPOCH] = (double)t->epoch + 1;
    h[TT_H_LOSS] = t->sums[0] / rows;
    h[TT_H_RECONSTRUCTION] = t->sums[1] / rows;
    h[TT_H_KL] = t->sums[2] / rows;
    bool plain = tt_training_objective(t).plain;
    h[TT_H_VALIDATION] = held.reconstruction + (plain ? 0 : t->settings->beta * held.kl);
    h[TT_H_RATE] = t->rate;
    double now = tt_now();
    h[TT_H_SECONDS] = t->seconds + now - t->epoch_began;
    say_epoch(t, h);
    note_best(t, t->samples.n_held > 0 ? h[TT_H_VALIDATION] : h[TT_H_LOSS]);
    t->epoch_began = now;
    t->seconds = 0;
    memset(t->sums, 0, sizeof t->sums);
    t->epoch++;
    t->step = 0;
    return TT_OK;
}

tt_status tt_training_advance(tt_training *t, bool *due)
{
    TT_TRY(tt_training_start_prior(t));
    TT_TRY(tt_training_step(t, due));
    return t->step == t->feed.steps ? end_epoch(t) : TT_OK;
}

/* One step, and what is due after it. Collective. */
static tt_status advance(tt_training *t, tt_progress *progress)
{
    bool due = false;
    tt_range batch = tt_feed_batch(&t->feed, t->step);
    tt_status s = tt_training_advance(t, &due);
    if (s == TT_STOPPED) {
        TT_TRY(tt_checkpoint_write(t));
        return tt_fail(TT_STOPPED, "training stopped in epoch %lld of %d with a checkpoint",
                       (long long)t->epoch + 1, t->settings->epochs);
    }
    TT_TRY(s);
    tt_progress_add(progress, batch.end - batch.begin);
    return due && !tt_training_done(t) ? tt_checkpoint_write(t) : TT_OK;
}

static tt_status run_epochs(tt_training *t)
{
    tt_progress progress;
    int64_t n = t->samples.n_train, total = n * t->settings->epochs;
    tt_progress_start(&progress, "train", "samples", total, total);
    tt_progress_skip(&progress, t->epoch * n + tt_feed_batch(&t->feed, t->step).begin);
    tt_status s = TT_OK;
    while (s == TT_OK && !tt_training_done(t)) s = advance(t, &progress);
    tt_progress_end(&progress);
    tt_phase(&t->phases, NULL);
    return s;
}

/* The best epoch's parameters are what is published. */
static void take_best(tt_training *t)
{
    if (t->best_epoch == 0) return;
    memcpy(t->params, t->best, (size_t)t->vae.params.size * sizeof *t->params);
    bool early = t->epoch < t->settings->epochs;
    tt_info("train: %s after epoch %lld of %d; the weights are those of epoch %lld (loss %.4g)",
            early ? "no better for long, stopped" : "done", (long long)t->epoch, t->settings->epochs,
            (long long)t->best_epoch, t->best_loss);
}

/* Share of what the mean leaves of rows that the model leaves too, %. */
static double left_of(const tt_scores *scores)
{
    return scores->predictor > 0 ? 100 * scores->square / scores->predictor : 0;
}

/* The ways in which a model learns nothing that is of use. */
static void warn_of(const tt_training *t, const tt_scores *train, const tt_scores *held)
{
    static const double useless = 95;
    if (2 * train->active < t->vae.latent)
        tt_warn("fewer than half of the latent units are active (%lld of %lld): train longer, or with a "
                "smaller train.beta (%g) or model.latent_dim, or with train.free_bits",
                (long long)train->active, (long long)t->vae.latent, t->settings->beta);
    if (left_of(train) > useless)
        tt_warn("reconstruction leaves %.1f %% of what the mean leaves: the decoder hardly uses the latents; "
                "train longer, or with a smaller train.beta (%g)",
                left_of(train), t->settings->beta);
    else if (left_of(held) > useless)
        tt_warn(
            "reconstruction leaves %.1f %% of what the mean leaves of training rows, but %.1f %% of "
            "held-out rows: the model knows its rows by heart; more of them, train.patience, or a smaller "
            "model would help",
            left_of(train), left_of(held));
}

/* Seconds of this rank in phases of these names. */
static double seconds_in(const tt_training *t, const char *const *names, int n)
{
    double sum = 0;
    for (int i = 0; i < t->phases.n; i++)
        for (int k = 0; k < n; k++)
            if (strcmp(t->phases.phase[i].name, names[k]) == 0) sum += t->phases.phase[i].seconds;
    return sum;
}

/* Where the time of the steps went. No communication goes on while a rank computes: none is overlapped. */
static void say_time(const tt_training *t)
{
    static const char *const computing[] = {"compute", "update"}, *const talking[] = {"reduce", "share"};
    static const char *const waiting[] = {"wait"}, *const feeding[] = {"exchange"};
    double compute = seconds_in(t, computing, 2), talk = seconds_in(t, talking, 2);
    double wait = seconds_in(t, waiting, 1), feed = seconds_in(t, feeding, 1);
    double all = compute + talk + wait + feed;
    if (all > 0)
        tt_info("train: of the time of steps %.1f %% computing (%s), %.1f %% communication, none of it "
                "overlapped, %.1f %% waiting for other ranks, %.1f %% fetching rows",
                100 * compute / all, t->precision == TT_PRECISION_BF16 ? "bf16" : "f32", 100 * talk / all,
                100 * wait / all, 100 * feed / all);
}

/* Say in the end whether the model learnt something. Collective. */
static tt_status say_result(tt_training *t)
{
    bool held = t->samples.n_held > 0;
    tt_scores train, other;
    tt_phase(&t->phases, "validate");
    TT_TRY(tt_training_score(t, t->samples.train, &train, t->unit));
    other = train;
    if (held) TT_TRY(tt_training_score(t, t->samples.held, &other, NULL));
    tt_info("train: %lld of %lld latent units active; reconstruction of %s rows leaves %.1f %% of what the "
            "mean leaves",
            (long long)train.active, (long long)t->vae.latent, held ? "held-out" : "training",
            left_of(&other));
    if (t->comm->rank == 0) warn_of(t, &train, &other);
    return TT_OK;
}

static void say_start(const tt_training *t, bool resumed)
{
    const tt_samples *s = &t->samples;
    tt_info("train: %lld rows of %lld columns (%lld held out by %s, %lld not valid), %lld parameters, %lld "
            "steps an epoch",
            (long long)s->n_train, (long long)s->x.cols, (long long)s->n_held,
            s->has_tracks ? "track" : "row", (long long)(s->x.rows - s->x.n_valid),
            (long long)t->vae.params.size, (long long)t->feed.steps);
    if (!s->x.data)
        tt_info("train: the rows stay in the file, read in %lld pools an epoch",
                (long long)tt_pools_count(t->feed.pools));
    if (resumed)
        tt_info("train: going on from the checkpoint at epoch %lld, step %lld", (long long)t->epoch + 1,
                (long long)t->step + 1);
}

tt_status tt_training_new(const tt_comm *comm, const tt_model_params *model, const tt_train_params *settings,
                          const tt_provenance *provenance, const char *input, const tt_classes *classes,
                          const char *output, tt_training *out)
{
    *out = (tt_training){.comm = comm, .settings = settings, .provenance = provenance, .output = output};
    if (strcmp(model->condition, "none") != 0) out->classes = classes;
    TT_TRY(tt_training_check(settings));
    TT_TRY(tt_model_check(model, settings));
    bool resumed;
    tt_vae_shape shape;
    tt_phase(&out->phases, "read");
    TT_TRY(prepare_data(out, model, input));
    out->precision = choose_precision(out);
    TT_TRY(tt_model_shape(&out->samples, model, input, &shape));
    TT_TRY(tt_agree(comm, build_local(out, &shape)));
    TT_TRY(tt_lanes_new(comm, out->feed.lanes, out->work.lanes, out->vae.params.size, TT_TAIL, &out->lanes));
    TT_TRY(tt_checkpoint_read(out, &resumed));
    if (!resumed) begin(out);
    say_start(out, resumed);
    out->epoch_began = out->checkpoint_at = tt_now();
    return TT_OK;
}

/* Train, and publish what came of it. Collective. */
static tt_status train(tt_training *t)
{
    tt_store *store = NULL;
    TT_TRY(tt_model_create(t, &store));
    tt_status s = run_epochs(t);
    tt_feed_settle(&t->feed);
    if (s == TT_OK) say_time(t);
    if (s == TT_OK) take_best(t);
    if (s == TT_OK) s = say_result(t);
    if (s != TT_OK) {
        tt_store_close(store);
        return s;
    }
    TT_TRY(tt_model_publish(t, store));
    tt_checkpoint_remove(t);
    return TT_OK;
}

tt_status tt_train(const tt_comm *comm, const tt_model_params *model, const tt_train_params *settings,
                   const tt_provenance *provenance, const char *input, const tt_classes *classes,
                   const char *output)
{
    tt_training t;
    tt_status s = tt_training_new(comm, model, settings, provenance, input, classes, output, &t);
    if (s == TT_OK) s = train(&t);
    tt_training_free(&t);
    return s;
}
