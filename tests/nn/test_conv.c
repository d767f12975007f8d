/* Convolutions and norms against PyTorch (golden_conv.h5, made by golden_conv.py). */
#include "test.h"

#include "nn/conv.h"
#include "nn/dnnl_conv.h"
#include "nn/norm.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"

#include <math.h>
#include <string.h>

/* One case of the yardstick's file; image sizes as it has them. */
typedef struct golden {
    tt_store *store;
    const char *name;
    int64_t rows;
    tt_image in, out;
    float *x, *y, *dy, *dx;
} golden;

static float *read_values(const golden *g, const char *name, int64_t *count, tt_column *column)
{
    char path[128];
    bool found;
    snprintf(path, sizeof path, "/%s/%s", g->name, name);
    assert_ok(tt_store_column(g->store, path, column, &found));
    assert_true(found);
    *count = 1;
    for (int i = 0; i < column->n_dims; i++) *count *= column->dims[i];
    float *out;
    assert_ok(tt_alloc(*count, sizeof *out, "test", &out));
    assert_ok(tt_store_read(g->store, path, 0, column->dims[0], TT_F32, out));
    return out;
}

static golden open_golden(const char *name)
{
    golden g = {.name = name};
    tt_column in, out;
    int64_t n;
    assert_ok(tt_store_open(&world, TT_TESTS "/nn/golden_conv.h5", &g.store));
    g.x = read_values(&g, "x", &n, &in);
    g.dx = read_values(&g, "dx", &n, &in);
    g.y = read_values(&g, "y", &n, &out);
    g.dy = read_values(&g, "dy", &n, &out);
    g.rows = in.dims[0];
    g.in = (tt_image){in.dims[1], in.dims[2], in.dims[3]};
    g.out = (tt_image){out.dims[1], out.dims[2], out.dims[3]};
    return g;
}

static void close_golden(golden *g)
{
    tt_store_close(g->store);
    free(g->x);
    free(g->y);
    free(g->dy);
    free(g->dx);
}

static int64_t size_of(const golden *g, tt_image image)
{
    return g->rows * image.height * image.width * image.channels;
}

/* Within `tolerance` of the largest element. */
static void compare(const char *what, int64_t n, const float *got, const float *expected, double tolerance)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)expected[i]));
    assert_true(largest > 0);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= tolerance * largest))
            fail_msg("%s[%lld] is %g, expected %g within %g", what, (long long)i, (double)got[i],
                     (double)expected[i], tolerance * largest);
}

/* The difference as a whole: a ReLU whose input is about zero may cut in one precision and not in the other.
 */
static void compare_whole(const char *what, int64_t n, const float *got, const float *expected,
                          double tolerance)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        off += pow((double)got[i] - (double)expected[i], 2);
        all += pow((double)expected[i], 2);
    }
    if (!(all > 0 && sqrt(off / all) <= tolerance))
        fail_msg("%s is off by %g of its length, expected %g at most", what, sqrt(off / all), tolerance);
}

typedef void comparison(const char *what, int64_t n, const float *got, const float *expected,
                        double tolerance);

static void read_tensor(const golden *g, const char *kind, const tt_tensor *t, float *block)
{
    char name[96];
    int64_t n;
    tt_column column;
    snprintf(name, sizeof name, "%s/%s", kind, t->name);
    float *values = read_values(g, name, &n, &column);
    assert_int_equal(column.n_dims, t->n_dims);
    for (int i = 0; i < t->n_dims; i++) assert_int_equal(column.dims[i], t->dims[i]);
    memcpy(block + t->offset, values, (size_t)n * sizeof *block);
    free(values);
}

static void read_block(const golden *g, const char *kind, const tt_params *params, float *block)
{
    for (int i = 0; i < params->n; i++) read_tensor(g, kind, &params->tensor[i], block);
}

static void compare_block(const golden *g, const tt_params *params, const float *gradient, comparison *check,
                          double tolerance)
{
    float *expected;
    assert_ok(tt_params_block(params, "test", &expected));
    read_block(g, "gradient", params, expected);
    for (int i = 0; i < params->n; i++) {
        const tt_tensor *t = &params->tensor[i];
        check(t->name, t->count, gradient + t->offset, expected + t->offset, tolerance);
    }
    free(expected);
}

/* Float32 sums of a few hundred products leave about 1e-6 of the largest. */
static const double near_f32 = 1e-5;
/* bfloat16 has 8 bits: inputs, results and what is summed are each within 0.4 %, and one unit that is cut in
 * one precision alone is that much of these small images. */
static const double near_bf16 = 0.1;

/* One layer or a chain over the yardstick's rows, dealt to lanes. */
static void check_net(const char *name, const tt_params *params, const tt_net *net, int64_t lanes,
                      tt_precision precision)
{
    golden g = open_golden(name);
    const tt_batch_shape shape = {.lanes = lanes, .rows = g.rows / lanes, .precision = precision};
    tt_run *run;
    float *block, *gradient, *dx;
    const float *y;
    bool bf16 = precision == TT_PRECISION_BF16;
    double tolerance = bf16 ? near_bf16 : near_f32;
    comparison *check = bf16 ? compare_whole : compare;
    assert_ok(tt_params_block(params, "test", &block));
    assert_ok(tt_params_block(params, "test", &gradient));
    read_block(&g, "param", params, block);
    assert_ok(tt_run_new(net, &shape, true, &run));
    assert_ok(tt_run_weights(run, block));
    assert_ok(tt_run_forward(run, lanes, g.x, &y));
    check("y", size_of(&g, g.out), y, g.y, tolerance);
    assert_ok(tt_run_backward(run, lanes, g.dy, gradient, &dx));
    check("dx", size_of(&g, g.in), dx, g.dx, tolerance);
    compare_block(&g, params, gradient, check, tolerance);
    free(block);
    free(gradient);
    tt_run_free(run);
    close_golden(&g);
}

static void check_conv(const char *name, tt_activation activation, bool up, tt_precision precision)
{
    golden g = open_golden(name);
    tt_params p = {0};
    tt_net net = {0};
    if (up)
        assert_ok(tt_deconv_add(&p, &net, "layer.0", g.in, g.out, activation, 1));
    else
        assert_ok(tt_conv_add(&p, &net, "layer.0", g.in, g.out.channels, activation, 1));
    for (int64_t lanes = 1; lanes <= g.rows; lanes *= 2) check_net(name, &p, &net, lanes, precision);
    tt_net_free(&net);
    tt_params_free(&p);
    close_golden(&g);
}

static void check_all(tt_precision precision)
{
    check_conv("conv", TT_LINEAR, false, precision);
    check_conv("conv_relu", TT_RELU, false, precision);
    check_conv("conv_first", TT_RELU, false, precision);
    check_conv("conv_point", TT_RELU, false, precision);
    check_conv("deconv", TT_LINEAR, true, precision);
    check_conv("deconv_relu", TT_RELU, true, precision);
    check_conv("deconv_last", TT_LINEAR, true, precision);
}

static void test_conv(void **state)
{
    (void)state;
    check_all(TT_PRECISION_F32);
}

/* Whether this CPU has bfloat16 at all. */
static bool has_bf16(void)
{
    tt_dnnl_conv *conv;
    bool can = tt_dnnl_conv_new(&(tt_conv_shape){1, 4, 4, 16, 16}, true, TT_CONV_PLAIN, &conv) == TT_OK;
    tt_dnnl_conv_free(conv);
    return can;
}

static void test_conv_bf16(void **state)
{
    (void)state;
    if (!has_bf16()) skip();
    check_all(TT_PRECISION_BF16);
}

static void check_norm(const char *name, int64_t groups, tt_activation activation, tt_precision precision)
{
    golden g = open_golden(name);
    tt_params p = {0};
    tt_net net = {0};
    const tt_norm_shape shape = {g.in.height * g.in.width, g.in.channels, groups};
    assert_ok(tt_norm_add(&p, &net, "layer.0", &shape, activation));
    for (int64_t lanes = 1; lanes <= g.rows; lanes *= 2) check_net(name, &p, &net, lanes, precision);
    tt_net_free(&net);
    tt_params_free(&p);
    close_golden(&g);
}

static void test_norm(void **state)
{
    (void)state;
    check_norm("norm", 1, TT_LINEAR, TT_PRECISION_F32);
    check_norm("norm_relu", 4, TT_RELU, TT_PRECISION_F32);
}

/* Down, norm, down, up, up: what neighbours hand each other, also in bfloat16. */
static void check_chain(tt_precision precision)
{
    golden g = open_golden("chain");
    tt_params p = {0};
    tt_net net = {0};
    tt_image a = tt_image_coarse(g.in, 4), b = tt_image_coarse(a, 8);
    const tt_norm_shape norm = {a.height * a.width, 4, 2};
    assert_ok(tt_conv_add(&p, &net, "layer.0", g.in, 4, TT_LINEAR, 1));
    assert_ok(tt_norm_add(&p, &net, "layer.1", &norm, TT_RELU));
    assert_ok(tt_conv_add(&p, &net, "layer.2", a, 8, TT_RELU, 1));
    assert_ok(tt_deconv_add(&p, &net, "layer.3", b, a, TT_RELU, 1));
    assert_ok(tt_deconv_add(&p, &net, "layer.4", a, g.out, TT_LINEAR, 1));
    for (int64_t lanes = 1; lanes <= g.rows; lanes *= 2) check_net("chain", &p, &net, lanes, precision);
    assert_int_equal(tt_deconv_add(&p, &net, "layer.5", g.out, g.out, TT_LINEAR, 1), TT_ERR_INTERNAL);
    tt_net_free(&net);
    tt_params_free(&p);
    close_golden(&g);
}

static void test_chain(void **state)
{
    (void)state;
    check_chain(TT_PRECISION_F32);
    if (has_bf16()) check_chain(TT_PRECISION_BF16);
}

/* Rows whose activations are too many to hold pass the layers in parts, and come out the same. */
static void test_parts(void **state)
{
    (void)state;
    enum { ROWS = 40, SIDE = 256 };
    tt_params p = {0};
    tt_net net = {0};
    const tt_image image = {SIDE, SIDE, 1};
    const tt_batch_shape shape = {.lanes = 1, .rows = ROWS};
    tt_run *whole, *parts;
    float *block, *x;
    const float *a, *b;
    assert_ok(tt_conv_add(&p, &net, "layer.0", image, 32, TT_RELU, 2));
    assert_ok(tt_conv_add(&p, &net, "layer.1", tt_image_coarse(image, 32), 1, TT_LINEAR, 1));
    assert_ok(tt_params_block(&p, "test", &block));
    assert_ok(tt_alloc(ROWS * SIDE * SIDE, sizeof *x, "test", &x));
    tt_net_init(&net, 3, block);
    tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, 0, ROWS * SIDE * SIDE, x);
    assert_ok(tt_run_new(&net, &shape, true, &whole));
    assert_ok(tt_run_new(&net, &shape, false, &parts));
    assert_ok(tt_run_weights(whole, block));
    assert_ok(tt_run_weights(parts, block));
    assert_ok(tt_run_forward(whole, 1, x, &a));
    assert_ok(tt_run_forward(parts, 1, x, &b));
    compare("y", ROWS * tt_image_size(tt_image_coarse(tt_image_coarse(image, 1), 1)), b, a, near_f32);
    assert_int_equal(tt_net_lanes(&net, 4, ROWS), 1);
    assert_int_equal(tt_net_lanes(&net, 4, 4), 4);
    tt_run_free(whole);
    tt_run_free(parts);
    free(block);
    free(x);
    tt_net_free(&net);
    tt_params_free(&p);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_conv),  cmocka_unit_test(test_conv_bf16), cmocka_unit_test(test_norm),
    cmocka_unit_test(test_chain), cmocka_unit_test(test_parts),
};
TT_TEST_MAIN(cases)
