#include "nn/adam.h"

#include "tutti/simd.h"

#include <float.h>
#include <math.h>

tt_adam tt_adam_new(double learning_rate, float *first, float *second)
{
    return (tt_adam){learning_rate, 0.9, 0.999, 1e-8, 0, first, second};
}

/* Constants of one step, as the loop needs them. */
typedef struct step_constants {
    float scale, keep1, add1, keep2, add2, rate, root, epsilon;
} step_constants;

TT_KERNEL static int update(int64_t n, step_constants c, const float *restrict gradient,
                            float *restrict first, float *restrict second, float *restrict params)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) {
        float g = c.scale * gradient[i];
        bad |= !(fabsf(g) <= FLT_MAX);
        float m = c.keep1 * first[i] + c.add1 * g;
        float v = c.keep2 * second[i] + c.add2 * (g * g);
        first[i] = m;
        second[i] = v;
        params[i] -= c.rate * m / (sqrtf(v) * c.root + c.epsilon);
    }
    return bad;
}

bool tt_adam_step(tt_adam *adam, int64_t n, double scale, const float *gradient, float *params)
{
    double t = (double)++adam->step;
    step_constants c = {
        .scale = (float)scale,
        .keep1 = (float)adam->beta1,
        .add1 = (float)(1 - adam->beta1),
        .keep2 = (float)adam->beta2,
        .add2 = (float)(1 - adam->beta2),
        .rate = (float)(adam->learning_rate / (1 - pow(adam->beta1, t))),
        .root = (float)(1 / sqrt(1 - pow(adam->beta2, t))),
        .epsilon = (float)adam->epsilon,
    };
    return update(n, c, gradient, adam->first, adam->second, params) == 0;
}
