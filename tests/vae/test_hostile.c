/* Inputs that are wrong or odd: one clear line, or a sound model. */
#include "trained.h"

#include "vae/training.h"

#include <math.h>

/* FILE.h5 with /x [rows, cols] of normals that `change` has had a look at. */
static const char *make_matrix(const char *name, int64_t rows, int64_t cols, void (*change)(float *x))
{
    const char *path = scratch(name);
    const tt_column column = {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {rows, cols}};
    tt_store *store;
    float *x;
    assert_ok(tt_alloc(rows * cols, sizeof *x, "test", &x));
    tt_random_normals((tt_stream){2, TT_FOR_TEST, 0}, 0, rows * cols, x);
    if (change) change(x);
    assert_ok(tt_store_create(&world, path, &origin, &column, 1, &store));
    tt_status s = world.rank == 0 ? tt_store_write(store, "/x", 0, rows, x) : TT_OK;
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    return path;
}

/* Training fails with `words` in its one line, and leaves no model, whether rows lie in memory or not. */
static void refuses(const char *input, const tt_classes *classes, const char *words)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    if (classes) model.condition = (char *)"genre";
    for (int in_file = 0; in_file < 2; in_file++) {
        tt_store *store;
        settings.memory = in_file ? 1e-6 : 0;
        assert_int_not_equal(tt_train(&world, &model, &settings, &origin, input, classes, beside(input, "m")),
                             TT_OK);
        if (!strstr(tt_message(), words)) fail_msg("'%s' is not in '%s'", words, tt_message());
        assert_null(strchr(tt_message(), '\n'));
        assert_int_not_equal(tt_store_open(&world, beside(input, "m"), &store), TT_OK);
    }
}

static void put_nan(float *x)
{
    x[3 * COLS + 2] = NAN;
}

static void put_infinity(float *x)
{
    x[299 * COLS] = -INFINITY;
}

static void test_not_finite(void **state)
{
    (void)state;
    refuses(make_matrix("nan.h5", 300, COLS, put_nan), NULL, "row 3 column 2 is not finite");
    refuses(make_matrix("inf.h5", 300, COLS, put_infinity), NULL, "row 299 column 0 is not finite");
}

static void test_no_rows(void **state)
{
    (void)state;
    refuses(make_matrix("none.h5", 0, COLS, NULL), NULL, "none of 0 rows is valid");
}

/* Train, encode: finite latents. */
static void check_sound(const char *input, const tt_model_params *model, const tt_train_params *settings)
{
    tt_store *store;
    tt_column c;
    bool found;
    assert_ok(tt_train(&world, model, settings, &origin, input, NULL, beside(input, "m")));
    assert_ok(tt_encode(&world, &origin, beside(input, "m"), input, NULL, beside(input, "l")));
    assert_ok(tt_store_open(&world, beside(input, "l"), &store));
    assert_ok(tt_store_column(store, "/mu", &c, &found));
    float *mu;
    assert_ok(tt_alloc(c.dims[0] * c.dims[1], sizeof *mu, "test", &mu));
    assert_ok(tt_store_read(store, "/mu", 0, c.dims[0], TT_F32, mu));
    for (int64_t i = 0; i < c.dims[0] * c.dims[1]; i++) assert_true(isfinite(mu[i]));
    free(mu);
    tt_store_close(store);
}

static void make_constant(float *x)
{
    for (int i = 0; i < 40 * COLS; i++) x[i] = 3;
}

static void make_huge(float *x)
{
    for (int i = 0; i < 40 * COLS; i++) x[i] *= 1e38F;
}

static void test_odd_data(void **state)
{
    (void)state;
    tt_model_params model = small_model(), line = small_model();
    tt_train_params settings = few_epochs(), whole = few_epochs();
    whole.batch_size = 1000000;
    line.latent_dim = 1;
    line.n_hidden = 0;
    check_sound(make_matrix("one.h5", 1, COLS, NULL), &model, &settings);
    check_sound(make_matrix("two.h5", 2, COLS, NULL), &line, &whole);
    check_sound(make_matrix("column.h5", 40, 1, NULL), &line, &settings);
    check_sound(make_matrix("constant.h5", 40, COLS, make_constant), &model, &whole);
    check_sound(make_matrix("huge.h5", 40, COLS, make_huge), &model, &settings);
    settings.patience = 1;
    settings.validation = 0;
    check_sound(make_matrix("unheld.h5", 40, COLS, NULL), &line, &settings);
}

/* A matrix of another width than the model's. */
static void test_other_width(void **state)
{
    (void)state;
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    const char *input = make_matrix("wide.h5", 40, COLS, NULL), *other = make_matrix("slim.h5", 40, 3, NULL);
    const char *path = beside(input, "m");
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, path));
    assert_int_equal(tt_encode(&world, &origin, path, other, NULL, beside(input, "l")), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "has 3 columns"));
    assert_int_equal(tt_reconstruct(&world, &origin, path, other, NULL, 0, NULL, beside(input, "r")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "has 3 columns"));
}

static void test_labels(void **state)
{
    (void)state;
    int32_t label[40] = {0};
    char *name[] = {(char *)"rock"};
    const char *input = make_matrix("labels.h5", 40, COLS, NULL);
    tt_classes classes = {.rows = 41, .label = label, .n = 1, .name = name};
    refuses(input, &classes, "there are 41 labels");
    classes = (tt_classes){.rows = 40, .label = label, .n = 0, .name = name};
    refuses(input, &classes, "no row of");
    tt_model_params model = small_model(); /* one class is odd, but no error */
    tt_train_params settings = few_epochs();
    model.condition = (char *)"genre";
    classes.n = 1;
    tt_range mine = tt_partition(40, TT_BLOCK_ROWS, world.size, world.rank);
    classes.label = label + mine.begin;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, &classes, beside(input, "one")));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_not_finite),  cmocka_unit_test(test_no_rows), cmocka_unit_test(test_odd_data),
    cmocka_unit_test(test_other_width), cmocka_unit_test(test_labels),
};
TT_TEST_MAIN(cases)
