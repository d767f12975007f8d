/* Training and encoding as a whole: the same bits on any number of ranks and edge cases. */
#include "trained.h"

static void check_ranks(const char *name, int64_t rows, int64_t tracks)
{
    const char *input = make_input(name, rows, tracks);
    train_and_encode(&world, input, "all");
    alone(train_and_encode, input, "one");
    assert_same_model(beside(input, "all.model"), beside(input, "one.model"));
    assert_same_latents(beside(input, "all.latents"), beside(input, "one.latents"));
}

static void test_ranks(void **state)
{
    (void)state;
    check_ranks("tracks.h5", 1500, 500);
    check_ranks("rows.h5", 300, 0);
    check_ranks("few.h5", 4, 2);
    check_ranks("one.h5", 1, 0);
}

/* The mean of each track against a plain sum over the file. */
static void test_track_means(void **state)
{
    (void)state;
    const char *input = make_input("means.h5", 700, 20);
    train_and_encode(&world, input, "m");
    tt_store *store;
    static float mu[700][3], mean[20][3];
    static unsigned char valid[700];
    assert_ok(tt_store_open(&world, beside(input, "m.latents"), &store));
    assert_ok(tt_store_read(store, "/mu", 0, 700, TT_F32, mu));
    assert_ok(tt_store_read(store, "/track/mu", 0, 20, TT_F32, mean));
    assert_ok(tt_store_read(store, "/valid", 0, 700, TT_U8, valid));
    for (int64_t t = 0; t < 20; t++)
        for (int k = 0; k < 3; k++) {
            double sum = 0, n = 0;
            for (int64_t r = t; r < 700; r += 20) {
                sum += valid[r] ? (double)mu[r][k] : 0;
                n += valid[r];
            }
            assert_near(mean[t][k], sum / n, 1e-5);
        }
    tt_store_close(store);
}

/* One reduction in any order: close to the reproducible weights, since only rounding differs. */
static void test_not_reproducible(void **state)
{
    (void)state;
    const char *input = make_input("loose.h5", 600, 0);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    static float w[2][12][COLS];
    for (int i = 0; i < 2; i++) {
        tt_store *store;
        settings.reproducible = i == 0;
        assert_ok(
            tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, i ? "loose" : "strict")));
        assert_ok(tt_store_open(&world, beside(input, i ? "loose" : "strict"), &store));
        assert_ok(tt_store_read(store, "/param/encoder.0.weight", 0, 12, TT_F32, w[i]));
        tt_store_close(store);
    }
    for (int o = 0; o < 12; o++)
        for (int k = 0; k < COLS; k++) assert_near(w[0][o][k], w[1][o][k], 1e-5);
}

static void test_shapes(void **state)
{
    (void)state;
    const char *input = make_input("shapes.h5", 40, 0);
    tt_model_params model = small_model();
    model.latent_dim = 1;
    model.n_hidden = 0;
    tt_train_params settings = few_epochs();
    settings.validation = 0;
    settings.batch_size = 100000;
    settings.kl_warmup_epochs = 0;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, "line")));
    assert_ok(tt_encode(&world, &origin, beside(input, "line"), input, NULL, beside(input, "latents")));
    settings.batch_size = 1;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, "single")));
}

static void test_refusals(void **state)
{
    (void)state;
    const char *input = make_input("refuse.h5", 0, 0);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, "m")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "nothing to train on"));
    model.latent_dim = 0;
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, "m")),
                     TT_ERR_CONFIG);
    assert_int_equal(tt_encode(&world, &origin, input, input, NULL, beside(input, "l")), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "is not a model"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_ranks),    cmocka_unit_test(test_track_means),
    cmocka_unit_test(test_shapes),   cmocka_unit_test(test_not_reproducible),
    cmocka_unit_test(test_refusals),
};
TT_TEST_MAIN(cases)
