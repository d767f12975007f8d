/* The table of parameters, the dense layer against plain loops. */
#include "test.h"

#include "nn/bfloat.h"
#include "nn/dense.h"
#include "nn/gemm.h"
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

/* A net of one dense layer, run over `lanes` lanes. */
typedef struct single {
    tt_params params;
    tt_net net;
    tt_run *run;
    float *block;
} single;

static void open_single(int64_t in, int64_t out, int64_t rows, int64_t lanes, tt_activation activation,
                        single *n)
{
    *n = (single){0};
    tt_batch_shape shape = {.lanes = lanes, .rows = rows};
    assert_ok(tt_dense_add(&n->params, &n->net, "layer", in, out, activation, 2));
    assert_ok(tt_params_block(&n->params, "test", &n->block));
    assert_ok(tt_run_new(&n->net, &shape, true, &n->run));
    tt_net_init(&n->net, 4, n->block);
}

static void close_single(single *n)
{
    tt_run_free(n->run);
    tt_net_free(&n->net);
    tt_params_free(&n->params);
    free(n->block);
}

/* Forward over one lane with the weights as they are. */
static const float *run_single(single *n, const float *x)
{
    const float *y;
    assert_ok(tt_run_weights(n->run, n->block));
    assert_ok(tt_run_forward(n->run, 1, x, &y));
    return y;
}

static void check_dense(tt_activation activation)
{
    single n;
    float *gradient, x[ROWS][IN], dy[ROWS][OUT], *dx;
    open_single(IN, OUT, ROWS, 1, activation, &n);
    assert_ok(tt_params_block(&n.params, "test", &gradient));
    float *block = n.block, *bias = block + n.params.tensor[1].offset, *w = block;
    tt_stream s = {1, TT_FOR_TEST, 0};
    tt_random_normals(s, 0, ROWS * IN, &x[0][0]);
    tt_random_normals(s, 1, ROWS * OUT, &dy[0][0]);
    tt_random_normals(s, 2, OUT, bias);
    double upstream[ROWS][OUT];
    const float *y = run_single(&n, &x[0][0]);
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double v = (double)bias[o];
            for (int i = 0; i < IN; i++) v += (double)x[r][i] * (double)w[o * IN + i];
            bool cut = activation == TT_RELU && v < 0;
            double expected = activation == TT_TANH ? tanh(v) : cut ? 0 : v;
            double slope = activation == TT_TANH ? 1 - expected * expected : cut ? 0 : 1;
            assert_near(y[r * OUT + o], expected, 1e-5);
            upstream[r][o] = slope * (double)dy[r][o];
        }
    assert_ok(tt_run_backward(n.run, 1, &dy[0][0], gradient, &dx));
    for (int o = 0; o < OUT; o++) {
        double db = 0;
        for (int r = 0; r < ROWS; r++) db += upstream[r][o];
        assert_near(gradient[n.params.tensor[1].offset + o], db, 1e-5);
        for (int i = 0; i < IN; i++) {
            double dw = 0;
            for (int r = 0; r < ROWS; r++) dw += upstream[r][o] * (double)x[r][i];
            assert_near(gradient[o * IN + i], dw, 1e-5);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < IN; i++) {
            double d = 0;
            for (int o = 0; o < OUT; o++) d += upstream[r][o] * (double)w[o * IN + i];
            assert_near(dx[r * IN + i], d, 1e-5);
        }
    free(gradient);
    close_single(&n);
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
    single n;
    float one = 1;
    open_single(1, 1, 1, 1, TT_TANH, &n);
    for (int i = -4000; i <= 4000; i++) {
        n.block[0] = (float)i / 300;
        assert_near(*run_single(&n, &one), tanh((double)n.block[0]), 2e-7);
    }
    const float far[] = {1e30F, -1e30F, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        n.block[0] = far[i];
        assert_near(*run_single(&n, &one), i % 2 ? -1 : 1, 2e-7);
    }
    n.block[0] = NAN;
    assert_true(isnan(*run_single(&n, &one)));
    close_single(&n);
}

enum { LANES = 4, LANE_ROWS = 11, WIDE_IN = 300, WIDE_OUT = 101 };

/* Four lanes at once are, bit by bit, four lanes one by one: rows as they are, gradients in pairs. */
static void test_lanes(void **state)
{
    (void)state;
    single n;
    float *x, *dy, *lane[LANES], *whole, *dx;
    const float *y;
    tt_stream s = {1, TT_FOR_TEST, 3};
    open_single(WIDE_IN, WIDE_OUT, LANE_ROWS, LANES, TT_TANH, &n);
    assert_ok(tt_alloc(LANES * LANE_ROWS * WIDE_IN, sizeof *x, "test", &x));
    assert_ok(tt_alloc(2 * LANES * LANE_ROWS * WIDE_OUT, sizeof *dy, "test", &dy));
    float *spent = dy + LANES * LANE_ROWS * WIDE_OUT;
    tt_random_normals(s, 0, LANES * LANE_ROWS * WIDE_IN, x);
    tt_random_normals(s, 1, LANES * LANE_ROWS * WIDE_OUT, dy);
    memcpy(spent, dy, LANES * LANE_ROWS * WIDE_OUT * sizeof *dy);
    assert_ok(tt_run_weights(n.run, n.block));
    float *parts_y, *parts_dx;
    assert_ok(tt_alloc(LANES * LANE_ROWS * WIDE_OUT, sizeof *x, "test", &parts_y));
    assert_ok(tt_alloc(LANES * LANE_ROWS * WIDE_IN, sizeof *x, "test", &parts_dx));
    for (int l = 0; l < LANES; l++) {
        assert_ok(tt_params_block(&n.params, "test", &lane[l]));
        assert_ok(tt_run_forward(n.run, 1, x + l * LANE_ROWS * WIDE_IN, &y));
        memcpy(parts_y + l * LANE_ROWS * WIDE_OUT, y, LANE_ROWS * WIDE_OUT * sizeof *y);
        assert_ok(tt_run_backward(n.run, 1, spent + l * LANE_ROWS * WIDE_OUT, lane[l], &dx));
        memcpy(parts_dx + l * LANE_ROWS * WIDE_IN, dx, LANE_ROWS * WIDE_IN * sizeof *y);
    }
    assert_ok(tt_params_block(&n.params, "test", &whole));
    assert_ok(tt_run_forward(n.run, LANES, x, &y));
    assert_memory_equal(y, parts_y, LANES * LANE_ROWS * WIDE_OUT * sizeof *y);
    assert_ok(tt_run_backward(n.run, LANES, dy, whole, &dx));
    assert_memory_equal(dx, parts_dx, LANES * LANE_ROWS * WIDE_IN * sizeof *y);
    for (int64_t i = 0; i < n.params.size; i++) {
        float sum = (lane[0][i] + lane[1][i]) + (lane[2][i] + lane[3][i]);
        assert_memory_equal(&whole[i], &sum, sizeof sum);
    }
    for (int l = 0; l < LANES; l++) free(lane[l]);
    free(x);
    free(dy);
    free(parts_y);
    free(parts_dx);
    free(whole);
    close_single(&n);
}

/* Variance gain / in, and the same numbers for the same seed alone. */
static void test_init(void **state)
{
    (void)state;
    single n;
    float *a, *b;
    open_single(200, 100, 1, 1, TT_RELU, &n);
    assert_ok(tt_params_block(&n.params, "test", &a));
    assert_ok(tt_params_block(&n.params, "test", &b));
    tt_net_init(&n.net, 4, a);
    tt_net_init(&n.net, 4, b);
    assert_memory_equal(a, b, (size_t)n.params.size * sizeof *a);
    double sum = 0, square = 0, count = 200 * 100;
    for (int64_t i = 0; i < 200 * 100; i++) {
        sum += (double)a[i];
        square += (double)a[i] * (double)a[i];
    }
    assert_near(sum / count, 0, 5 * sqrt(0.01 / count)); /* five standard errors */
    assert_near(square / count, 0.01, 5 * 0.01 * sqrt(2 / count));
    tt_net_init(&n.net, 5, b);
    assert_memory_not_equal(a, b, (size_t)n.params.size * sizeof *a);
    free(a);
    free(b);
    close_single(&n);
}

static void test_losses(void **state)
{
    (void)state;
    float x[2][20] = {{0}}, y[2][20], dy[2][20];
    const unsigned char second[2] = {0, 1};
    for (int i = 0; i < 40; i++) y[i / 20][i % 20] = (float)(i % 20);
    tt_target t = {20, &x[0][0], 20, NULL};
    assert_near(tt_loss_square(&t, 2, 1, 1, &y[0][0], &dy[0][0]), 2470, 0); /* 0^2 + ... + 19^2 */
    assert_near(tt_loss_square(&t, 2, 2, 1, &y[0][0], NULL), 4940, 0);
    assert_near(dy[0][19], 38, 0);
    assert_near(dy[1][19], 0, 0);
    t.known = second;
    assert_near(tt_loss_square(&t, 2, 2, 0.5, &y[0][0], &dy[0][0]), 2470, 0);
    assert_near(dy[0][19], 0, 0);
    assert_near(dy[1][19], 19, 0);
}

/* Far from 0 the log-odds are the loss themselves; nothing overflows. */
static void test_bernoulli(void **state)
{
    (void)state;
    const float x[4] = {1, 0, 0.25F, 1}, y[4] = {0, 200, 0.5F, -200};
    float dy[4];
    double square;
    tt_target t = {4, x, 4, NULL};
    double p = 1 / (1 + exp(-0.5)), expected = log(2) + 200 - (0.25 * log(p) + 0.75 * log(1 - p)) + 200;
    assert_near(tt_loss_bernoulli(&t, 1, 1, y, dy, &square), expected, 1e-4);
    assert_near(square, 0.25 + 1 + (p - 0.25) * (p - 0.25) + 1, 1e-6);
    assert_near(dy[2], p - 0.25, 1e-6);
    assert_near(dy[1], 1, 0);
    assert_near(dy[3], -1, 0);
}

/* Of (mu, logvar) = (1, 0) and (0, 1), the second costs less than half a nat. */
static void test_kl(void **state)
{
    (void)state;
    const float latent[4] = {1, 0, 0, 1}, none[2] = {0};
    float dlatent[4];
    double penalty, by_dim[2] = {0};
    double first = 0.5, other = 0.5 * (exp(1) - 2);
    assert_near(tt_loss_kl(1, 2, 0, latent, &penalty, by_dim), first + other, 1e-6);
    assert_near(penalty, first + other, 1e-6);
    assert_near(by_dim[1], other, 1e-6);
    assert_near(tt_loss_kl(1, 2, 0.4, latent, &penalty, NULL), first + other, 1e-6);
    assert_near(penalty, first + 0.4, 1e-6);
    tt_latent_backward(1, 1, 2, 3, 0.4, latent, NULL, none, dlatent);
    assert_near(dlatent[0], 3, 1e-6);
    assert_near(dlatent[3], 0, 0);
    tt_latent_backward(1, 1, 2, 3, 0, latent, NULL, none, dlatent);
    assert_near(dlatent[3], 1.5 * (exp(1) - 1), 1e-5);
}

/* ---- products: every element against a sum in double of the factors as they are rounded ---- */

static float rounded(tt_precision precision, float x)
{
    return precision == TT_PRECISION_BF16 ? tt_bfloat_widen(tt_bfloat_narrow(x)) : x;
}

/* c[i][j] = sum over k of a[i * a_row + k * a_step] b[k * b_row + j * b_step] */
static void check_product(tt_precision p, int64_t rows, int64_t cols, int64_t depth, const float *a,
                          int64_t a_row, int64_t a_step, const float *b, int64_t b_row, int64_t b_step,
                          const float *c)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            double sum = 0;
            for (int64_t k = 0; k < depth; k++)
                sum += (double)rounded(p, a[i * a_row + k * a_step]) *
                       (double)rounded(p, b[k * b_row + j * b_step]);
            assert_near(c[i * cols + j], sum, 1e-6 * (double)(depth + 20));
        }
}

static void check_products(tt_precision p, int64_t lanes, int64_t lane_rows, int64_t in, int64_t out)
{
    int64_t rows = lanes * lane_rows;
    float *x, *w, *y, *dx, *dw, *room;
    tt_stream s = {2, TT_FOR_TEST, 0};
    assert_ok(tt_alloc(rows * in, sizeof *x, "test", &x));
    assert_ok(tt_alloc(out * in, sizeof *w, "test", &w));
    assert_ok(tt_alloc(rows * out, sizeof *y, "test", &y));
    assert_ok(tt_alloc(rows * in, sizeof *dx, "test", &dx));
    assert_ok(tt_alloc(out * in, sizeof *dw, "test", &dw));
    assert_ok(tt_alloc(tt_gemm_room(rows, out), sizeof *room, "test", &room));
    tt_random_normals(s, 0, rows * in, x);
    tt_random_normals(s, 1, out * in, w);
    tt_gemm_forward(p, rows, in, out, x, w, room, y);
    check_product(p, rows, out, in, x, in, 1, w, 1, in, y);
    tt_random_normals(s, 2, rows * out, y);
    tt_gemm_backward_input(p, rows, in, out, y, w, room, dx);
    check_product(p, rows, in, out, y, out, 1, w, in, 1, dx);
    tt_gemm_backward_weight(p, lanes, lane_rows, in, out, y, x, room, dw);
    check_product(p, out, in, rows, y, 1, out, x, in, 1, dw);
    float *all[] = {x, w, y, dx, dw, room};
    for (int i = 0; i < 6; i++) free(all[i]);
}

/* Sizes that fill tiles, and that end within a tile, a pair, a panel of each width, a piece. */
static void test_products(void **state)
{
    (void)state;
    const int64_t sizes[][4] = {
        {1, 1, 1, 1}, {1, 9, 17, 33}, {2, 8, 32, 48}, {8, 5, 80, 65}, {4, 16, 530, 97}};
    for (int i = 0; i < 5; i++)
        for (tt_precision p = TT_PRECISION_F32; p <= TT_PRECISION_BF16; p++)
            check_products(tt_precision_possible(p), sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_params),    cmocka_unit_test(test_products), cmocka_unit_test(test_dense),
    cmocka_unit_test(test_tanh),      cmocka_unit_test(test_init),     cmocka_unit_test(test_losses),
    cmocka_unit_test(test_bernoulli), cmocka_unit_test(test_kl),       cmocka_unit_test(test_lanes),
};
TT_TEST_MAIN(cases)
