/* What the settings of training say of the optimiser and its rate. */
#include "vae/training.h"

#include <math.h>
#include <string.h>

/* Batch that train.learning_rate is meant for where it is scaled. */
static const double reference_batch = 256;

static tt_status check_not_negative(const char *name, double value)
{
    if (value >= 0 && isfinite(value)) return TT_OK;
    return tt_fail(TT_ERR_CONFIG, "train.%s is %g; 0 or more is needed", name, value);
}

static tt_status check_word(const char *name, const char *value, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(value, words[i]) == 0) return TT_OK;
    return tt_fail(TT_ERR_CONFIG, "train.%s is \"%s\"; expected \"%s\" or \"%s\"", name, value, words[0],
                   words[1]);
}

static tt_status check_optimizer(const tt_train_params *t)
{
    static const char *const schedules[] = {"constant", "cosine"}, *const scales[] = {"none", "linear"};
    tt_optimizer_kind kind;
    if (!tt_optimizer_parse(t->optimizer, &kind))
        return tt_fail(TT_ERR_CONFIG, "train.optimizer is \"%s\"; expected adam, adamw or sgd", t->optimizer);
    if (!(t->learning_rate > 0) || !isfinite(t->learning_rate))
        return tt_fail(TT_ERR_CONFIG, "train.learning_rate is %g; a number above 0 is needed",
                       t->learning_rate);
    if (!(t->momentum >= 0 && t->momentum < 1))
        return tt_fail(TT_ERR_CONFIG, "train.momentum is %g; a number from 0 to below 1 is needed",
                       t->momentum);
    TT_TRY(check_word("schedule", t->schedule, schedules, 2));
    TT_TRY(check_word("scale_learning_rate", t->scale_learning_rate, scales, 2));
    TT_TRY(check_not_negative("weight_decay", t->weight_decay));
    TT_TRY(check_not_negative("clip_norm", t->clip_norm));
    return check_not_negative("warmup_epochs", t->warmup_epochs);
}

tt_status tt_training_check(const tt_train_params *t)
{
    if (t->epochs < 1) return tt_fail(TT_ERR_CONFIG, "train.epochs is %d; at least 1 is needed", t->epochs);
    if (t->batch_size < 1)
        return tt_fail(TT_ERR_CONFIG, "train.batch_size is %d; at least 1 is needed", t->batch_size);
    static const char *const precisions[] = {"f32", "bf16"};
    TT_TRY(check_word("precision", t->precision, precisions, 2));
    TT_TRY(check_optimizer(t));
    TT_TRY(check_not_negative("memory", t->memory));
    TT_TRY(tt_objective_check(t));
    if (!(t->validation >= 0 && t->validation < 1))
        return tt_fail(TT_ERR_CONFIG, "train.validation is %g; a share from 0 to below 1 is needed",
                       t->validation);
    return TT_OK;
}

void tt_training_recipe(tt_training *t)
{
    const tt_train_params *p = t->settings;
    tt_optimizer_kind kind = TT_ADAM;
    tt_optimizer_parse(p->optimizer, &kind);
    t->optimizer = tt_optimizer_new(kind, t->first, t->second);
    t->optimizer.weight_decay = p->weight_decay;
    t->optimizer.momentum = p->momentum;
    t->optimizer.clip_norm = p->clip_norm;
    double scale = strcmp(p->scale_learning_rate, "linear") == 0 ? p->batch_size / reference_batch : 1;
    t->schedule = (tt_schedule){.rate = p->learning_rate * scale,
                                .warmup = llround(p->warmup_epochs * (double)t->feed.steps),
                                .steps = p->epochs * t->feed.steps,
                                .cosine = strcmp(p->schedule, "cosine") == 0};
}

double tt_training_rate(const tt_training *t)
{
    return tt_schedule_rate(&t->schedule, t->epoch * t->feed.steps + t->step);
}
