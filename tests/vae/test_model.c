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

/* The yardstick's file and one model of it. */
typedef struct golden {
    tt_store *store;
    const char *group;
    tt_vae vae;
    tt_vae_work work;
    int64_t rows, steps;
    float *x, *noise, *params, *gradient; /* x is padded to work.rows */
    double *loss;                         /* [steps, 3] */
    double beta;
} golden;

enum { PADDING = 3 };

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
    assert_ok(tt_alloc(n, 8, "test", &out));
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

static tt_vae_shape shape_of(const golden *g, const tt_column *x, int64_t latent)
{
    bool conv = is_conv(g->group);
    tt_column column;
    int64_t *dims = read_all(g, conv ? "channels" : "hidden", TT_I64, &column);
    tt_vae_shape shape = {.input = x->dims[1], .latent = latent, .n_hidden = (int)column.dims[0]};
    if (conv)
        shape = (tt_vae_shape){.kind = TT_VAE_CONV,
                               .input = x->dims[1] * x->dims[2],
                               .latent = latent,
                               .height = x->dims[1],
                               .width = x->dims[2],
                               .n_channels = (int)column.dims[0]};
    memcpy(conv ? shape.channels : shape.hidden, dims, (size_t)column.dims[0] * sizeof *dims);
    free(dims);
    return shape;
}

static void open_golden(const char *group, golden *g)
{
    tt_column x, noise, loss, beta;
    *g = (golden){.group = group};
    assert_ok(tt_store_open(
        &world, is_conv(group) ? TT_TESTS "/vae/golden_conv.h5" : TT_TESTS "/vae/golden_vae.h5", &g->store));
    float *rows = read_all(g, "x", TT_F32, &x);
    g->noise = read_all(g, "noise", TT_F32, &noise);
    g->loss = read_all(g, "loss", TT_F64, &loss);
    double *weight = read_all(g, "beta", TT_F64, &beta);
    g->beta = weight[0];
    g->rows = x.dims[0];
    g->steps = loss.dims[0];
    tt_vae_shape shape = shape_of(g, &x, noise.dims[2]);
    assert_ok(tt_vae_new(&shape, &g->vae));
    assert_ok(tt_vae_work_new(&g->vae, 1, g->rows + PADDING, true, &g->work));
    assert_ok(tt_params_block(&g->vae.params, "test", &g->params));
    assert_ok(tt_params_block(&g->vae.params, "test", &g->gradient));
    assert_ok(tt_alloc((g->rows + PADDING) * shape.input, sizeof(float), "test", &g->x));
    memcpy(g->x, rows, (size_t)(g->rows * shape.input) * sizeof *rows);
    read_block(g, "param", g->params);
    free(rows);
    free(weight);
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
    assert_ok(tt_vae_step(&g->vae, &(tt_objective){.beta = g->beta}, 1, g->rows, g->x, &g->work, g->gradient,
                          &loss));
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
        assert_true(largest > 0);
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
        assert_near(loss.reconstruction / n, expected[0], 1e-4 * expected[0]);
        assert_near(loss.kl / n, expected[1], 1e-4 * expected[1]);
        assert_near((loss.reconstruction + g.beta * loss.kl) / n, expected[2], 1e-4 * expected[2]);
        assert_true(tt_optimizer_step(&adam, g.vae.params.size, rate, 1 / n, g.gradient, g.params));
    }
    assert_true(g.loss[3 * (g.steps - 1) + 2] < 0.9 * g.loss[2]);
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
            double slope =
                (more.reconstruction - less.reconstruction + g.beta * (more.kl - less.kl)) / (2 * (double)h);
            assert_near(slope, exact[t->offset + (int64_t)k], 1e-2 * largest);
        }
    }
    free(exact);
    close_golden(&g);
}

static void test_gradients(void **state)
{
    (void)state;
    check_gradients("deep");
    check_gradients("flat");
    check_gradients("conv_odd");
    check_gradients("conv_even");
}

static void test_steps(void **state)
{
    (void)state;
    check_steps("deep", 1e-2);
    check_steps("flat", 1e-2);
    check_steps("conv_odd", 3e-3);
    check_steps("conv_even", 3e-3);
}

static void test_differences(void **state)
{
    (void)state;
    check_differences("deep");
    check_differences("flat");
    check_differences("conv_odd");
    check_differences("conv_even");
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

static void test_describe(void **state)
{
    (void)state;
    tt_vae a, b;
    char *text, *again;
    assert_ok(tt_vae_new(&(tt_vae_shape){.input = 9, .latent = 2, .n_hidden = 1, .hidden = {4}}, &a));
    assert_ok(tt_vae_describe(&a, &text));
    assert_ok(tt_vae_parse("m.h5", text, &b));
    assert_ok(tt_vae_describe(&b, &again));
    assert_string_equal(text, again);
    assert_int_equal(a.params.size, b.params.size);
    tt_vae_free(&b);
    assert_int_equal(tt_vae_parse("m.h5", "{\"kind\":\"fc\"}", &b), TT_ERR_INPUT);
    assert_int_equal(tt_vae_parse("m.h5", "nonsense", &b), TT_ERR_INPUT);
    tt_vae_free(&a);
    free(text);
    free(again);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_gradients),   cmocka_unit_test(test_steps),
    cmocka_unit_test(test_differences), cmocka_unit_test(test_padding_counts_nothing),
    cmocka_unit_test(test_describe),
};
TT_TEST_MAIN(cases)
