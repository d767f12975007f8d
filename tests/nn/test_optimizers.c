/* Optimisers and schedules against PyTorch (golden_optimizers.h5, made by golden_optimizers.py). */
#include "test.h"

#include "nn/optimizer.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <math.h>
#include <string.h>

enum { ROWS = 24, N = 37, STEPS = 20, WARMUP = 6 };

typedef struct problem {
    float w[ROWS][N], y[ROWS];
} problem;

static void read_dataset(tt_store *store, const char *group, const char *name, tt_type type, void *out)
{
    char path[96];
    tt_column column;
    bool found;
    snprintf(path, sizeof path, "/%s%s%s", group, group[0] ? "/" : "", name);
    assert_ok(tt_store_column(store, path, &column, &found));
    assert_true(found);
    assert_ok(tt_store_read(store, path, 0, column.dims[0], type, out));
}

/* |w p - y|^2 and its gradient by p. */
static double loss_of(const problem *q, const float *p, float *gradient)
{
    double sum = 0, slope[N] = {0};
    for (int r = 0; r < ROWS; r++) {
        double d = -(double)q->y[r];
        for (int i = 0; i < N; i++) d += (double)q->w[r][i] * (double)p[i];
        for (int i = 0; i < N; i++) slope[i] += 2 * d * (double)q->w[r][i];
        sum += d * d;
    }
    for (int i = 0; i < N; i++) gradient[i] = (float)slope[i];
    return sum;
}

/* A step along half of g, clipped if need be. */
static bool advance(tt_optimizer *o, int64_t n, double rate, const float *g, float *p)
{
    double scale = o->clip_norm > 0 ? tt_optimizer_clip(o, 0.5, tt_optimizer_squares(n, g)) : 0.5;
    return tt_optimizer_step(o, 0, n, rate, scale, g, p);
}

/* The steps of one case; the gradient comes doubled, to be halved by the scale. */
static void check_case(tt_store *store, const problem *q, const char *name)
{
    static const char *const kinds[] = {"adamw", "adam", "sgd"};
    double settings[3], rate[STEPS], loss[STEPS];
    float expected[STEPS + 1][N], p[N], g[N], first[N] = {0}, second[N] = {0};
    tt_optimizer_kind kind = TT_ADAM;
    for (int i = 2; i >= 0; i--)
        if (strncmp(name, kinds[i], strlen(kinds[i])) == 0) assert_true(tt_optimizer_parse(kinds[i], &kind));
    read_dataset(store, name, "settings", TT_F64, settings);
    read_dataset(store, name, "rate", TT_F64, rate);
    read_dataset(store, name, "loss", TT_F64, loss);
    read_dataset(store, name, "params", TT_F32, expected);
    tt_optimizer o = tt_optimizer_new(kind, first, second);
    o.weight_decay = settings[0];
    o.momentum = settings[1];
    o.clip_norm = settings[2];
    memcpy(p, expected[0], sizeof p);
    for (int s = 0; s < STEPS; s++) {
        assert_near(loss_of(q, p, g), loss[s], 1e-4 * loss[s]);
        for (int i = 0; i < N; i++) g[i] *= 2;
        assert_true(advance(&o, N, rate[s], g, p));
        for (int i = 0; i < N; i++) assert_near(p[i], expected[s + 1][i], 1e-4);
    }
    assert_int_equal(o.step, STEPS);
}

static void test_steps(void **state)
{
    (void)state;
    static const char *const cases[] = {"adam",         "adam_decay", "adam_clip",    "adamw",
                                        "adamw_cosine", "sgd",        "sgd_momentum", "sgd_warmup"};
    problem q;
    tt_store *store;
    assert_ok(tt_store_open(&world, TT_TESTS "/nn/golden_optimizers.h5", &store));
    read_dataset(store, "", "w", TT_F32, q.w);
    read_dataset(store, "", "y", TT_F32, q.y);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(store, &q, cases[i]);
    tt_store_close(store);
}

static void check_schedule(tt_store *store, const char *name, tt_schedule schedule)
{
    double rate[STEPS];
    read_dataset(store, name, "rate", TT_F64, rate);
    for (int s = 0; s < STEPS; s++) assert_near(tt_schedule_rate(&schedule, s), rate[s], 1e-12);
}

static void test_schedules(void **state)
{
    (void)state;
    tt_store *store;
    assert_ok(tt_store_open(&world, TT_TESTS "/nn/golden_optimizers.h5", &store));
    check_schedule(store, "adam", (tt_schedule){0.05, 0, STEPS, false});
    check_schedule(store, "sgd_warmup", (tt_schedule){0.05, WARMUP, STEPS, false});
    check_schedule(store, "adamw_cosine", (tt_schedule){0.05, WARMUP, STEPS, true});
    tt_store_close(store);
}

static void test_names(void **state)
{
    (void)state;
    tt_optimizer_kind kind;
    assert_true(tt_optimizer_parse("sgd", &kind));
    assert_int_equal(kind, TT_SGD);
    assert_false(tt_optimizer_parse("Adam", &kind));
}

/* What is not finite is told, whichever optimiser meets it, wherever it stands. */
static void check_guard(tt_optimizer_kind kind, double clip)
{
    enum { MANY = 40 };
    float w[MANY], m[MANY], v[MANY];
    for (int bad = 0; bad < 4; bad++) {
        float g[MANY] = {0};
        memset(w, 0, sizeof w);
        memset(m, 0, sizeof m);
        memset(v, 0, sizeof v);
        tt_optimizer o = tt_optimizer_new(kind, m, v);
        o.clip_norm = clip;
        g[3] = -2;
        assert_true(advance(&o, MANY, 0.1, g, w));
        assert_near(w[3], 0.1, 1e-6); /* of Adam the rate itself, of the others the rate times 1 */
        assert_true(w[4] == 0);
        if (bad == 0) g[0] = -INFINITY;
        if (bad == 1) g[MANY - 1] = NAN;
        if (bad == 2) w[5] = INFINITY;
        if (bad == 3) w[MANY - 1] = NAN;
        assert_false(advance(&o, MANY, 0.1, g, w));
    }
}

static void test_guard(void **state)
{
    (void)state;
    for (int kind = TT_ADAM; kind <= TT_SGD; kind++) {
        check_guard((tt_optimizer_kind)kind, 0);
        check_guard((tt_optimizer_kind)kind, 100);
    }
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_steps),
    cmocka_unit_test(test_schedules),
    cmocka_unit_test(test_names),
    cmocka_unit_test(test_guard),
};
TT_TEST_MAIN(cases)
