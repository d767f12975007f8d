/* The model against PyTorch (golden_vae.h5 and golden_conv.h5, made by the scripts of these names) and
 * against finite differences. */
#include "test.h"

#include "nn/optimizer.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"
#include "vae/model.h"

#include <math.h>
#include <string.h>

enum { PADDING = 3, ROWS_MAX = 16 };

/* The yardstick's file and one model of it. */
typedef struct golden {
    tt_store *store;
    const char *group;
    tt_vae vae;
    tt_vae_work work;
    int64_t rows, steps;
    float *x, *noise, *params, *gradient; /* x is padded to work.rows */
    double *loss;                         /* [steps, 3] */
    tt_objective objective;
    int32_t condition[ROWS_MAX]; /* of rows, any of padding */
} golden;

/* The whole of "/GROUP/NAME" as `type`; dims of it in *column. */
static void *read_all(const golden *g, const char *name, tt_type type, tt_column *column)
{
    char path[128];
    bool found;
    snprintf(path, sizeof path, "/%s/%s", g->group, name);
    assert_ok(tt_store_column(g->store, path, column, &found));
    assert_true(found);
    int64_t n = 1;
    for (int i = 0; i < column->n_dims; i++) n *= column->dims[i];
    void *out;
    assert_ok(tt_alloc(n, type == TT_TEXT ? (size_t)column->text_bytes : 8, "test", &out));
    assert_ok(tt_store_read(g->store, path, 0, column->dims[0], type, out));
    return out;
}

static void read_block(const golden *g, const char *kind, float *block)
{
    for (int i = 0; i < g->vae.params.n; i++) {
        const tt_tensor *t = &g->vae.params.tensor[i];
        char name[96];
        tt_column column;
        snprintf(name, sizeof name, "%s/%s", kind, t->name);
        float *values = read_all(g, name, TT_F32, &column);
        assert_int_equal(column.n_dims, t->n_dims);
        for (int k = 0; k < t->n_dims; k++) assert_int_equal(column.dims[k], t->dims[k]);
        memcpy(block + t->offset, values, (size_t)t->count * sizeof *block);
        free(values);
    }
}

static bool is_conv(const char *group)
{
    return strncmp(group, "conv", 4) == 0;
}

/* The one that the channels of a conv group say, or /config. */
static void build_model(golden *g, const tt_column *x, int64_t latent)
{
    tt_column column;
    if (!is_conv(g->group)) {
        char *text = read_all(g, "config", TT_TEXT, &column), config[1024];
        snprintf(config, sizeof config, "%.*s", (int)column.text_bytes, text);
        assert_ok(tt_vae_parse("golden_vae.h5", config, &g->vae));
        free(text);
        return;
    }
    int64_t *channels = read_all(g, "channels", TT_I64, &column);
    int64_t *more = read_all(g, "shape", TT_I64, &(tt_column){0});
    tt_vae_shape shape = {.kind = TT_VAE_CONV,
                          .input = x->dims[1] * x->dims[2],
                          .latent = latent,
                          .height = x->dims[1],
                          .width = x->dims[2],
                          .n_channels = (int)column.dims[0],
                          .normalise = more[0] != 0,
                          .classes = more[1]};
    memcpy(shape.channels, channels, (size_t)column.dims[0] * sizeof *channels);
    assert_ok(tt_vae_new(&shape, &g->vae));
    free(channels);
    free(more);
}

/* What is minimised, and the classes of rows: those of padding are none. */
static void read_objective(golden *g)
{
    tt_column column;
    bool conv = is_conv(g->group);
    double *values = read_all(g, conv ? "beta" : "objective", TT_F64, &column);
    g->objective = (tt_objective){.beta = values[0]};
    if (!conv) g->objective = (tt_objective){values[0], values[1], values[2] > 0};
    free(values);
    int64_t *condition = read_all(g, "condition", TT_I64, &column);
    for (int64_t r = 0; r < g->rows; r++) g->condition[r] = (int32_t)condition[r];
    g->work.condition = g->condition;
    free(condition);
}

static void open_golden(const char *group, golden *g)
{
    tt_column x, noise, loss;
    *g = (golden){.group = group};
    assert_ok(tt_store_open(
        &world, is_conv(group) ? TT_TESTS "/vae/golden_conv.h5" : TT_TESTS "/vae/golden_vae.h5", &g->store));
    float *rows = read_all(g, "x", TT_F32, &x);
    g->noise = read_all(g, "noise", TT_F32, &noise);
    g->loss = read_all(g, "loss", TT_F64, &loss);
    g->rows = x.dims[0];
    g->steps = loss.dims[0];
    build_model(g, &x, noise.dims[2]);
    int64_t cols = g->vae.input;
    assert_ok(tt_vae_work_new(&g->vae, 1, g->rows + PADDING, true, &g->work));
    assert_ok(tt_params_block(&g->vae.params, "test", &g->params));
    assert_ok(tt_params_block(&g->vae.params, "test", &g->gradient));
    assert_ok(tt_alloc((g->rows + PADDING) * cols, sizeof(float), "test", &g->x));
    memcpy(g->x, rows, (size_t)(g->rows * cols) * sizeof *rows);
    read_block(g, "param", g->params);
    read_objective(g);
    free(rows);
}

static void close_golden(golden *g)
{
    tt_store_close(g->store);
    tt_vae_work_free(&g->work);
    tt_vae_free(&g->vae);
    free(g->x);
    free(g->noise);
    free(g->params);
    free(g->gradient);
    free(g->loss);
}

static tt_vae_loss step(golden *g, int64_t at)
{
    int64_t n = g->rows * g->vae.latent;
    memcpy(g->work.noise, g->noise + at * n, (size_t)n * sizeof(float));
    memset(g->gradient, 0, (size_t)g->vae.params.size * sizeof(float));
    tt_vae_loss loss;
    assert_ok(tt_vae_weights(&g->work, g->params));
    assert_ok(tt_vae_step(&g->vae, &g->objective, 1, g->rows, g->x, &g->work, g->gradient, &loss));
    return loss;
}

/* Every tensor within 1e-4 of its largest element: float32 sums of a few dozen terms leave about 1e-6. */
static void check_gradients(const char *group)
{
    golden g;
    float *expected;
    open_golden(group, &g);
    assert_ok(tt_params_block(&g.vae.params, "test", &expected));
    read_block(&g, "gradient", expected);
    step(&g, 0);
    for (int i = 0; i < g.vae.params.n; i++) {
        const tt_tensor *t = &g.vae.params.tensor[i];
        double largest = 0;
        for (int64_t k = 0; k < t->count; k++) largest = fmax(largest, fabs((double)expected[t->offset + k]));
        assert_true(largest > 0 || g.objective.plain);
        for (int64_t k = 0; k < t->count; k++)
            assert_near(g.gradient[t->offset + k] / (float)g.rows, expected[t->offset + k], 1e-4 * largest);
    }
    free(expected);
    close_golden(&g);
}

static void check_steps(const char *group, double rate)
{
    golden g;
    float *first, *second;
    open_golden(group, &g);
    assert_ok(tt_params_block(&g.vae.params, "test", &first));
    assert_ok(tt_params_block(&g.vae.params, "test", &second));
    tt_optimizer adam = tt_optimizer_new(TT_ADAM, first, second);
    for (int64_t s = 0; s < g.steps; s++) {
        const double *expected = g.loss + 3 * s, n = (double)g.rows;
        tt_vae_loss loss = step(&g, s);
        double all = loss.reconstruction + g.objective.beta * loss.penalty;
        assert_near(loss.reconstruction / n, expected[0], 1e-4 * fabs(expected[0]));
        assert_near(loss.kl / n, expected[1], 1e-4 * expected[1]);
        assert_near(all / n, expected[2], 1e-4 * fabs(expected[2]));
        assert_true(tt_optimizer_step(&adam, 0, g.vae.params.size, rate, 1 / n, g.gradient, g.params));
    }
    assert_true(g.loss[3 * (g.steps - 1) + 2] < g.loss[2]);
    free(first);
    free(second);
    close_golden(&g);
}

/* Central differences in every tensor. float32 noise in the loss is about 1e-7 of it, so the step is chosen
 * to leave differences of a few per mille of the largest gradient; PyTorch's numbers are the sharp test. */
static void check_differences(const char *group)
{
    golden g;
    float *exact;
    open_golden(group, &g);
    assert_ok(tt_params_block(&g.vae.params, "test", &exact));
    step(&g, 0);
    memcpy(exact, g.gradient, (size_t)g.vae.params.size * sizeof *exact);
    tt_stream s = {3, TT_FOR_TEST, 0};
    for (int i = 0; i < g.vae.params.n; i++) {
        const tt_tensor *t = &g.vae.params.tensor[i];
        double largest = 0;
        for (int64_t k = 0; k < t->count; k++) largest = fmax(largest, fabs((double)exact[t->offset + k]));
        for (uint64_t trial = 0; trial < 5; trial++) {
            uint64_t k = tt_random_below(s, (uint64_t)i, trial, (uint64_t)t->count);
            float *p = g.params + t->offset + k, kept = *p, h = 2e-3F;
            *p = kept + h;
            tt_vae_loss more = step(&g, 0);
            *p = kept - h;
            tt_vae_loss less = step(&g, 0);
            *p = kept;
            double slope = (more.reconstruction - less.reconstruction +
                            g.objective.beta * (more.penalty - less.penalty)) /
                           (2 * (double)h);
            assert_near(slope, exact[t->offset + (int64_t)k], 1e-2 * largest + 1e-9);
        }
    }
    free(exact);
    close_golden(&g);
}

static const char *const group_name[] = {"deep",  "flat",    "autoencoder", "learned",  "bernoulli", "free",
                                         "genre", "mixture", "pretraining", "branches", "everything"};

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof group_name / sizeof *group_name; i++) check_gradients(group_name[i]);
    check_gradients("conv_odd");
    check_gradients("conv_even");
    check_gradients("conv_norm");
    check_gradients("conv_told");
}

static void test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof group_name / sizeof *group_name; i++) check_steps(group_name[i], 1e-2);
    check_steps("conv_odd", 3e-3);
    check_steps("conv_even", 3e-3);
    check_steps("conv_norm", 3e-3);
    check_steps("conv_told", 3e-3);
}

static void test_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof group_name / sizeof *group_name; i++) check_differences(group_name[i]);
    check_differences("conv_odd");
    check_differences("conv_even");
    check_differences("conv_told");
}

/* What a row is encoded to must not depend on the rows after it, which are padding. */
static void test_padding_counts_nothing(void **state)
{
    (void)state;
    golden g;
    float *clean;
    open_golden("deep", &g);
    assert_ok(tt_params_block(&g.vae.params, "test", &clean));
    tt_vae_loss before = step(&g, 0);
    memcpy(clean, g.gradient, (size_t)g.vae.params.size * sizeof *clean);
    for (int64_t i = g.rows * g.vae.input; i < g.work.rows * g.vae.input; i++) g.x[i] = 5;
    tt_vae_loss after = step(&g, 0);
    assert_memory_equal(clean, g.gradient, (size_t)g.vae.params.size * sizeof *clean);
    assert_true(before.kl == after.kl && before.reconstruction == after.reconstruction);
    free(clean);
    close_golden(&g);
}

/* Lane by lane and then added, or all in one pass: the same bits of every tensor. */
static void test_lanes(void **state)
{
    (void)state;
    enum { LANES = 4, LANE_ROWS = 3 };
    golden g;
    tt_vae_work work = {0};
    tt_vae_loss loss[LANES];
    float *one[LANES];
    open_golden("everything", &g);
    int64_t size = g.vae.params.size, in = g.vae.input, n = g.vae.latent;
    assert_ok(tt_vae_work_new(&g.vae, LANES, LANE_ROWS, true, &work));
    assert_ok(tt_vae_weights(&work, g.params));
    for (int64_t lane = 0; lane < LANES; lane++) {
        int64_t at = lane * LANE_ROWS, used = g.rows - at < LANE_ROWS ? g.rows - at : LANE_ROWS;
        assert_ok(tt_params_block(&g.vae.params, "test", &one[lane]));
        work.condition = g.condition + at;
        memcpy(work.noise, g.noise + at * n, (size_t)(used * n) * sizeof(float));
        assert_ok(tt_vae_step(&g.vae, &g.objective, 1, used, g.x + at * in, &work, one[lane], loss));
    }
    work.condition = g.condition;
    memcpy(work.noise, g.noise, (size_t)(g.rows * n) * sizeof(float));
    assert_ok(tt_vae_step(&g.vae, &g.objective, LANES, g.rows, g.x, &work, g.gradient, loss));
    for (int64_t i = 0; i < size; i++) one[0][i] = one[0][i] + one[1][i] + (one[2][i] + one[3][i]);
    assert_memory_equal(one[0], g.gradient, (size_t)size * sizeof(float));
    for (int i = 0; i < LANES; i++) free(one[i]);
    tt_vae_work_free(&work);
    close_golden(&g);
}

static void check_description(const tt_vae_shape *shape)
{
    tt_vae a, b;
    char *text, *again;
    assert_ok(tt_vae_new(shape, &a));
    assert_ok(tt_vae_describe(&a, &text));
    assert_ok(tt_vae_parse("m.h5", text, &b));
    assert_ok(tt_vae_describe(&b, &again));
    assert_string_equal(text, again);
    assert_memory_equal(&a.shape, &b.shape, sizeof a.shape);
    assert_int_equal(a.params.size, b.params.size);
    tt_vae_free(&a);
    tt_vae_free(&b);
    free(text);
    free(again);
}

static void refuses(const char *text)
{
    tt_vae vae;
    assert_int_equal(tt_vae_parse("m.h5", text, &vae), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "m.h5:/config"));
}

static void test_describe(void **state)
{
    (void)state;
    const tt_vae_shape shapes[] = {
        {.input = 9, .latent = 2, .n_hidden = 1, .hidden = {4}},
        {.kind = TT_VAE_AUTOENCODER, .input = 9, .latent = 2, .likelihood = TT_BERNOULLI},
        {.kind = TT_VAE_TWO_BRANCH, .input = 9, .latent = 2, .audio = 4, .likelihood = TT_LEARNED},
        {.input = 9, .latent = 2, .classes = 3, .components = 5},
        {.kind = TT_VAE_CONV,
         .input = 128,
         .latent = 2,
         .height = 16,
         .width = 8,
         .n_channels = 2,
         .channels = {4, 16}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_description(&shapes[i]);
    refuses("{\"kind\":\"fc\"}");
    refuses("nonsense");
    refuses("{\"kind\":\"two_branch\",\"input_dim\":4,\"latent_dim\":1,\"hidden_dims\":[],"
            "\"activation\":\"tanh\"}");
    refuses("{\"kind\":\"flow\",\"input_dim\":4,\"latent_dim\":1,\"hidden_dims\":[],"
            "\"activation\":\"tanh\"}");
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_gradients),   cmocka_unit_test(test_steps),
    cmocka_unit_test(test_differences), cmocka_unit_test(test_padding_counts_nothing),
    cmocka_unit_test(test_lanes),       cmocka_unit_test(test_describe),
};
TT_TEST_MAIN(cases)
