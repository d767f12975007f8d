/* Training in bfloat16: the same bits on any number of ranks, and about the loss of float. */
#include "trained.h"

enum { EPOCHS = 12 };

static tt_train_params many_epochs(char *precision)
{
    tt_train_params settings = few_epochs();
    settings.precision = precision;
    settings.epochs = EPOCHS;
    settings.learning_rate = 1e-2;
    return settings;
}

static void train_short(const tt_comm *comm, const char *input, void *context)
{
    char output[2048], *suffix = context;
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    settings.precision = "bf16";
    snprintf(output, sizeof output, "%s.%s", input, suffix);
    assert_ok(tt_train(comm, &model, &settings, &origin, input, NULL, output));
}

static void test_ranks(void **state)
{
    (void)state;
    const char *input = make_input("half_ranks.h5", 600, 300);
    train_short(&world, input, "all");
    alone(train_short, input, "one");
    assert_same_model(beside(input, "all"), beside(input, "one"));
}

/* Held-out loss of the last epoch. */
static double last_loss(const char *input, char *precision)
{
    double loss[EPOCHS];
    tt_store *store;
    tt_model_params model = small_model();
    tt_train_params settings = many_epochs(precision);
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, precision)));
    assert_ok(tt_store_open(&world, beside(input, precision), &store));
    assert_ok(tt_store_read(store, "/history/val_loss", 0, EPOCHS, TT_F64, loss));
    tt_store_close(store);
    return loss[EPOCHS - 1];
}

/* 8 bits of significand in the factors, float in sums and weights: within 1 % of float's loss. */
static void test_loss(void **state)
{
    (void)state;
    const char *input = make_input("half_loss.h5", 500, 0);
    double whole = last_loss(input, "f32");
    assert_near(last_loss(input, "bf16"), whole, 0.01 * whole);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_loss),
};
TT_TEST_MAIN(cases)
