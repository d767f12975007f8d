/* The table of parameters, the dense layer against plain loops. */
#include "test.h"

#include "nn/dense.h"
#include "nn/loss.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

static void test_params(void **state)
{
    (void)state;
    tt_params p = {0};
    int a, b;
    assert_ok(tt_params_add(&p, "a", 2, (int64_t[]){3, 5}, &a));
    assert_ok(tt_params_add(&p, "b", 1, (int64_t[]){17}, &b));
    assert_int_equal(p.tensor[b].offset, 16);
    assert_int_equal(p.size, 48);
    float *block;
    assert_ok(tt_params_block(&p, "test", &block));
    assert_null(tt_params_non_finite(&p, block));
    block[p.tensor[b].offset + 16] = NAN;
    assert_string_equal(tt_params_non_finite(&p, block)->name, "b");
    block[0] = INFINITY;
    assert_string_equal(tt_params_non_finite(&p, block)->name, "a");
    assert_int_equal(tt_params_add(&p, "none", 1, (int64_t[]){0}, &a), TT_ERR_MEMORY);
    free(block);
    tt_params_free(&p);
}

enum { ROWS = 5, IN = 19, OUT = 33 };

static void check_dense(tt_activation activation)
{
    tt_params p = {0};
    tt_dense layer;
    float *block, *gradient, x[ROWS][IN], y[ROWS][OUT], dy[ROWS][OUT], dx[ROWS][IN];
    assert_ok(tt_dense_new(&p, "layer", IN, OUT, activation, &layer));
    assert_ok(tt_params_block(&p, "test", &block));
    assert_ok(tt_params_block(&p, "test", &gradient));
    tt_dense_init(&layer, 4, 2, block);
    tt_stream s = {1, TT_FOR_TEST, 0};
    tt_random_normals(s, 0, ROWS * IN, &x[0][0]);
    tt_random_normals(s, 1, ROWS * OUT, &dy[0][0]);
    tt_random_normals(s, 2, OUT, block + layer.bias);
    const float *w = block + layer.weight;
    double upstream[ROWS][OUT];
    tt_dense_forward(&layer, block, ROWS, &x[0][0], &y[0][0]);
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double v = (double)block[layer.bias + o];
            for (int i = 0; i < IN; i++) v += (double)x[r][i] * (double)w[o * IN + i];
            bool cut = activation == TT_RELU && v < 0;
            double expected = activation == TT_TANH ? tanh(v) : cut ? 0 : v;
            double slope = activation == TT_TANH ? 1 - expected * expected : cut ? 0 : 1;
            assert_near(y[r][o], expected, 1e-5);
            upstream[r][o] = slope * (double)dy[r][o];
        }
    tt_dense_backward(&layer, block, ROWS, &x[0][0], &y[0][0], &dy[0][0], gradient, &dx[0][0]);
    for (int o = 0; o < OUT; o++) {
        double db = 0;
        for (int r = 0; r < ROWS; r++) db += upstream[r][o];
        assert_near(gradient[layer.bias + o], db, 1e-5);
        for (int i = 0; i < IN; i++) {
            double dw = 0;
            for (int r = 0; r < ROWS; r++) dw += upstream[r][o] * (double)x[r][i];
            assert_near(gradient[layer.weight + o * IN + i], dw, 1e-5);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < IN; i++) {
            double d = 0;
            for (int o = 0; o < OUT; o++) d += upstream[r][o] * (double)w[o * IN + i];
            assert_near(dx[r][i], d, 1e-5);
        }
    free(block);
    free(gradient);
    tt_params_free(&p);
}

static void test_dense(void **state)
{
    (void)state;
    check_dense(TT_LINEAR);
    check_dense(TT_RELU);
    check_dense(TT_TANH);
}

/* tanh to 2e-7 wherever float32 goes; what is not a number stays one. */
static void test_tanh(void **state)
{
    (void)state;
    tt_params p = {0};
    tt_dense layer;
    float *block, one = 1, y;
    assert_ok(tt_dense_new(&p, "layer", 1, 1, TT_TANH, &layer));
    assert_ok(tt_params_block(&p, "test", &block));
    for (int i = -4000; i <= 4000; i++) {
        block[layer.weight] = (float)i / 300;
        tt_dense_forward(&layer, block, 1, &one, &y);
        assert_near(y, tanh((double)block[layer.weight]), 2e-7);
    }
    const float far[] = {1e30F, -1e30F, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        block[layer.weight] = far[i];
        tt_dense_forward(&layer, block, 1, &one, &y);
        assert_near(y, i % 2 ? -1 : 1, 2e-7);
    }
    block[layer.weight] = NAN;
    tt_dense_forward(&layer, block, 1, &one, &y);
    assert_true(isnan(y));
    free(block);
    tt_params_free(&p);
}

/* Variance gain / in, and the same numbers for the same seed alone. */
static void test_init(void **state)
{
    (void)state;
    tt_params p = {0};
    tt_dense layer;
    float *a, *b;
    assert_ok(tt_dense_new(&p, "layer", 200, 100, TT_RELU, &layer));
    assert_ok(tt_params_block(&p, "test", &a));
    assert_ok(tt_params_block(&p, "test", &b));
    tt_dense_init(&layer, 4, 2, a);
    tt_dense_init(&layer, 4, 2, b);
    assert_memory_equal(a, b, (size_t)p.size * sizeof *a);
    double sum = 0, square = 0, n = 200 * 100;
    for (int64_t i = 0; i < 200 * 100; i++) {
        sum += (double)a[layer.weight + i];
        square += (double)a[layer.weight + i] * (double)a[layer.weight + i];
    }
    assert_near(sum / n, 0, 5 * sqrt(0.01 / n)); /* five standard errors */
    assert_near(square / n, 0.01, 5 * 0.01 * sqrt(2 / n));
    tt_dense_init(&layer, 5, 2, b);
    assert_memory_not_equal(a, b, (size_t)p.size * sizeof *a);
    free(a);
    free(b);
    tt_params_free(&p);
}

static void test_losses(void **state)
{
    (void)state;
    float x[2][20] = {{0}}, y[2][20], dy[2][20];
    for (int i = 0; i < 40; i++) y[i / 20][i % 20] = (float)(i % 20);
    assert_near(tt_loss_square(2, 1, 20, &x[0][0], &y[0][0], &dy[0][0]), 2470, 0); /* 0^2 + ... + 19^2 */
    assert_near(tt_loss_square(2, 2, 20, &x[0][0], &y[0][0], NULL), 4940, 0);
    assert_near(dy[0][19], 38, 0);
    assert_near(dy[1][19], 0, 0);
    float latent[4] = {1, 0, 0, 1}; /* mu (1, 0), logvar (0, 1) */
    assert_near(tt_loss_kl(1, 2, latent), 0.5 + 0.5 * (exp(1) - 2), 1e-6);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_params), cmocka_unit_test(test_dense),      cmocka_unit_test(test_tanh),
    cmocka_unit_test(test_init),   cmocka_unit_test(test_losses),
};
TT_TEST_MAIN(cases)
