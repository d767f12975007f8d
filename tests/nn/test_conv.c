/* Convolutions and norms against PyTorch (golden_conv.h5, made by golden_conv.py). */
#include "test.h"

#include "nn/bfloat.h"
#include "nn/conv.h"
#include "nn/norm.h"
#include "tutti/memory.h"
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

static void to_bf16(int64_t n, float *values)
{
    uint16_t *half = (uint16_t *)(void *)values;
    for (int64_t i = 0; i < n; i++) half[i] = tt_bfloat_narrow(values[i]);
}

static void from_bf16(int64_t n, float *values)
{
    const uint16_t *half = (const uint16_t *)(const void *)values;
    for (int64_t i = n; i-- > 0;) values[i] = tt_bfloat_widen(half[i]);
}

static void check_conv(const char *name, tt_activation activation, bool up, bool bf16)
{
    golden g = open_golden(name);
    tt_params p = {0};
    tt_conv layer;
    tt_conv_work work;
    float *block, *gradient, *y, *dx;
    int64_t n_in = size_of(&g, g.in), n_out = size_of(&g, g.out);
    if (up)
        assert_ok(tt_deconv_new(&p, "layer.0", g.in, g.out, activation, &layer));
    else
        assert_ok(tt_conv_new(&p, "layer.0", g.in, g.out.channels, activation, &layer));
    assert_memory_equal(&layer.out, &g.out, sizeof g.out);
    assert_ok(tt_params_block(&p, "test", &block));
    assert_ok(tt_params_block(&p, "test", &gradient));
    assert_ok(tt_alloc(n_out, sizeof *y, "test", &y));
    assert_ok(tt_alloc(n_in, sizeof *dx, "test", &dx));
    read_block(&g, "param", &p, block);
    assert_ok(tt_conv_work_new(&layer, g.rows, bf16, &work));
    assert_ok(tt_conv_work_weights(&work, block));
    if (bf16) to_bf16(n_in, g.x);
    if (bf16 && !work.single) to_bf16(n_out, g.dy);
    assert_ok(tt_conv_forward(&work, g.x, y));
    assert_ok(tt_conv_backward(&work, g.x, y, g.dy, gradient, dx));
    if (bf16) from_bf16(n_in, dx);
    if (bf16 && !work.single) from_bf16(n_out, y);
    double tolerance = bf16 ? near_bf16 : near_f32;
    comparison *check = bf16 ? compare_whole : compare;
    check("y", n_out, y, g.y, tolerance);
    check("dx", n_in, dx, g.dx, tolerance);
    compare_block(&g, &p, gradient, check, tolerance);
    free(block);
    free(gradient);
    free(y);
    free(dx);
    tt_conv_work_free(&work);
    tt_params_free(&p);
    close_golden(&g);
}

static void check_all(bool bf16)
{
    check_conv("conv", TT_LINEAR, false, bf16);
    check_conv("conv_relu", TT_RELU, false, bf16);
    check_conv("conv_first", TT_RELU, false, bf16);
    check_conv("conv_point", TT_RELU, false, bf16);
    check_conv("deconv", TT_LINEAR, true, bf16);
    check_conv("deconv_relu", TT_RELU, true, bf16);
    check_conv("deconv_last", TT_LINEAR, true, bf16);
}

static void test_conv(void **state)
{
    (void)state;
    check_all(false);
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
    check_all(true);
}

static void check_norm(const char *name, int64_t groups, bool relu)
{
    golden g = open_golden(name);
    int64_t c = g.in.channels, pixels = g.in.height * g.in.width, row = pixels * c, n;
    const tt_norm_shape shape = {pixels, c, groups};
    tt_column column;
    float *gamma = read_values(&g, "param/layer.0.weight", &n, &column);
    float *beta = read_values(&g, "param/layer.0.bias", &n, &column);
    float *dgamma = read_values(&g, "gradient/layer.0.weight", &n, &column);
    float *dbeta = read_values(&g, "gradient/layer.0.bias", &n, &column);
    float *y, *got, moments[64];
    double *scratch_;
    assert_ok(tt_alloc(row, sizeof *y, "test", &y));
    assert_ok(tt_alloc(2 * c, sizeof *got, "test", &got));
    assert_ok(tt_alloc(tt_norm_scratch(&shape), sizeof *scratch_, "test", &scratch_));
    for (int64_t r = 0; r < g.rows; r++) {
        float *dy = g.dy + r * row;
        tt_norm_forward(&shape, g.x + r * row, gamma, beta, moments, scratch_, y);
        for (int64_t i = 0; relu && i < row; i++) {
            if (y[i] <= 0) dy[i] = 0;
            y[i] = fmaxf(y[i], 0);
        }
        compare("y", row, y, g.y + r * row, near_f32);
        tt_norm_backward(&shape, g.x + r * row, gamma, moments, dy, scratch_, got, got + c, dy);
        compare("dx", row, dy, g.dx + r * row, near_f32);
    }
    compare("dgamma", c, got, dgamma, near_f32);
    compare("dbeta", c, got + c, dbeta, near_f32);
    free(gamma);
    free(beta);
    free(dgamma);
    free(dbeta);
    free(y);
    free(got);
    free(scratch_);
    close_golden(&g);
}

static void test_norm(void **state)
{
    (void)state;
    check_norm("norm", 1, false);
    check_norm("norm_relu", 4, true);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_conv),
    cmocka_unit_test(test_conv_bf16),
    cmocka_unit_test(test_norm),
};
TT_TEST_MAIN(cases)
