#include "nn/optimizer.h"

#include "tutti/simd.h"

#include <float.h>
#include <math.h>
#include <string.h>

bool tt_optimizer_parse(const char *name, tt_optimizer_kind *out)
{
    static const char *const names[] = {[TT_ADAM] = "adam", [TT_ADAMW] = "adamw", [TT_SGD] = "sgd"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (tt_optimizer_kind)i;
        return true;
    }
    return false;
}

tt_optimizer tt_optimizer_new(tt_optimizer_kind kind, float *first, float *second)
{
    return (tt_optimizer){
        .kind = kind, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .first = first, .second = second};
}

/* Constants of one step, as the loops need them. */
typedef struct step_constants {
    float scale, decay, shrink, rate;              /* of every optimiser */
    float keep1, add1, keep2, add2, root, epsilon; /* of Adam */
} step_constants;

TT_KERNEL static int adam_update(int64_t n, step_constants c, const float *restrict gradient,
                                 float *restrict first, float *restrict second, float *restrict params)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) {
        float g = c.scale * gradient[i] + c.decay * params[i];
        float m = c.keep1 * first[i] + c.add1 * g;
        float v = c.keep2 * second[i] + c.add2 * (g * g);
        float p = c.shrink * params[i] - c.rate * m / (sqrtf(v) * c.root + c.epsilon);
        bad |= !(v <= FLT_MAX) | !(fabsf(p) <= FLT_MAX);
        first[i] = m;
        second[i] = v;
        params[i] = p;
    }
    return bad;
}

TT_KERNEL static int sgd_update(int64_t n, step_constants c, const float *restrict gradient,
                                float *restrict first, float *restrict params)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) {
        float g = c.scale * gradient[i] + c.decay * params[i];
        float m = c.keep1 * first[i] + g;
        float p = params[i] - c.rate * m;
        bad |= !(fabsf(m) <= FLT_MAX) | !(fabsf(p) <= FLT_MAX);
        first[i] = m;
        params[i] = p;
    }
    return bad;
}

enum { NORM_LANES = 16 };

/* Squares of float32 do not overflow a double. */
TT_KERNEL static double sum_squares(int64_t n, const float *restrict x)
{
    double lane[NORM_LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + NORM_LANES <= n; i += NORM_LANES)
        for (int k = 0; k < NORM_LANES; k++) lane[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (int k = 0; k < NORM_LANES; k++) sum += lane[k];
    return sum;
}

double tt_optimizer_squares(int64_t n, const float *gradient)
{
    return sum_squares(n, gradient);
}

double tt_optimizer_clip(const tt_optimizer *o, double scale, double squares)
{
    double norm = scale * sqrt(squares), factor = o->clip_norm / (norm + 1e-6);
    return factor < 1 ? factor * scale : scale;
}

bool tt_optimizer_step(tt_optimizer *o, int64_t begin, int64_t n, double rate, double scale,
                       const float *gradient, float *params)
{
    float *first = o->first + begin, *second = o->second + begin;
    params += begin;
    double t = (double)++o->step;
    bool decoupled = o->kind == TT_ADAMW;
    step_constants c = {
        .scale = (float)scale,
        .decay = decoupled ? 0.0F : (float)o->weight_decay,
        .shrink = decoupled ? (float)(1 - rate * o->weight_decay) : 1.0F,
        .rate = (float)rate,
        .keep1 = (float)o->momentum,
    };
    if (o->kind == TT_SGD) return sgd_update(n, c, gradient, first, params) == 0;
    c.rate = (float)(rate / (1 - pow(o->beta1, t)));
    c.keep1 = (float)o->beta1;
    c.add1 = (float)(1 - o->beta1);
    c.keep2 = (float)o->beta2;
    c.add2 = (float)(1 - o->beta2);
    c.root = (float)(1 / sqrt(1 - pow(o->beta2, t)));
    c.epsilon = (float)o->epsilon;
    return adam_update(n, c, gradient, first, second, params) == 0;
}

double tt_schedule_rate(const tt_schedule *s, int64_t step)
{
    if (step < s->warmup) return s->rate * (double)(step + 1) / (double)s->warmup;
    if (!s->cosine) return s->rate;
    double done = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->rate * 0.5 * (1 + cos(acos(-1.0) * done));
}
