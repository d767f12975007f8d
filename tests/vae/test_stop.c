/* Ends of training before its time: a stop and a resume, patience, what diverges, damaged checkpoints. */
#include "trained.h"

#include "vae/training.h"

#include <math.h>
#include <unistd.h>

/* `steps` steps of the training of `settings`, a checkpoint, and no more. */
static void train_some(const tt_comm *comm, const tt_train_params *settings, int64_t steps, const char *input,
                       const char *output)
{
    tt_model_params model = small_model();
    tt_training t;
    bool due;
    assert_ok(tt_training_new(comm, &model, settings, &origin, input, NULL, output, &t));
    for (int64_t i = 0; i < steps; i++) assert_ok(tt_training_advance(&t, &due));
    assert_ok(tt_checkpoint_write(&t));
    tt_training_free(&t);
}

/* An epoch and four steps: the batches of 90 make 11 an epoch. */
static void train_partly(const tt_comm *comm, const char *input, void *context)
{
    tt_train_params settings = few_epochs();
    train_some(comm, &settings, 15, input, context);
}

/* Begun on all ranks and ended on one, begun on one and ended on all: the bits of never stopped. */
static void test_resume(void **state)
{
    (void)state;
    const char *input = make_input("resume.h5", 1500, 500);
    train_and_encode(&world, input, "whole");
    char first[2048], second[2048];
    snprintf(first, sizeof first, "%s.first.model", input);
    snprintf(second, sizeof second, "%s.second.model", input);
    train_partly(&world, input, first);
    alone(train_and_encode, input, "first");
    alone(train_partly, input, second);
    train_and_encode(&world, input, "second");
    assert_same_model(first, beside(input, "whole.model"));
    assert_same_model(second, beside(input, "whole.model"));
    assert_int_not_equal(access(beside(input, "second.model.checkpoint"), F_OK), 0);
}

/* Flip bytes in the middle of a file, or cut it there. */
static void damage(const char *path, bool cut)
{
    if (world.rank == 0) {
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        fseek(f, 0, SEEK_END);
        long middle = ftell(f) / 2;
        if (cut) {
            assert_int_equal(ftruncate(fileno(f), middle), 0);
        } else {
            fseek(f, middle, SEEK_SET);
            for (int i = 0; i < 2000; i++) fputc(0xa5, f);
        }
        fclose(f);
    }
    MPI_Barrier(world.mpi);
}

/* Where a resumed training stands: steps from the start, -1 if it starts anew. */
static int64_t resumed_at(const tt_train_params *settings, const char *input, const char *output)
{
    tt_model_params model = small_model();
    tt_training t;
    assert_ok(tt_training_new(&world, &model, settings, &origin, input, NULL, output, &t));
    int64_t at = t.epoch * t.feed.steps + t.step;
    tt_training_free(&t);
    return at;
}

/* The newer checkpoint, the one before it where that is damaged or gone, and a new start without both. */
static void test_two_checkpoints(void **state)
{
    (void)state;
    const char *input = make_input("two.h5", 1500, 500);
    tt_train_params settings = few_epochs();
    char output[2048], newer[2080], older[2080];
    snprintf(output, sizeof output, "%s.m", input);
    snprintf(newer, sizeof newer, "%s.checkpoint", output);
    snprintf(older, sizeof older, "%s.checkpoint.old", output);
    for (int cut = 0; cut < 3; cut++) {
        train_some(&world, &settings, 3, input, output);
        train_some(&world, &settings, 2, input, output);
        assert_int_equal(resumed_at(&settings, input, output), 5);
        if (cut < 2)
            damage(newer, cut);
        else if (world.rank == 0)
            unlink(newer);
        MPI_Barrier(world.mpi);
        assert_int_equal(resumed_at(&settings, input, output), 3);
        damage(older, cut);
        assert_int_equal(resumed_at(&settings, input, output), 0);
        if (world.rank == 0) unlink(newer), unlink(older);
        MPI_Barrier(world.mpi);
    }
}

static void read_history(const char *path, const char *name, double *values, int64_t *n)
{
    tt_store *store;
    tt_column c;
    bool found;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_column(store, name, &c, &found));
    *n = c.dims[0];
    assert_ok(tt_store_read(store, name, 0, *n, TT_F64, values));
    tt_store_close(store);
}

/* Settings under which the held-out loss soon gets no better. */
static tt_train_params impatient(void)
{
    tt_train_params settings = few_epochs();
    settings.epochs = 60;
    settings.learning_rate = 0.05;
    settings.patience = 3;
    return settings;
}

/* Training ends `patience` epochs after the best one, whose weights are published; a stop in between changes
 * nothing. */
static void test_patience(void **state)
{
    (void)state;
    const char *input = make_input("patience.h5", 900, 300);
    tt_model_params model = small_model();
    tt_train_params settings = impatient();
    char whole[2048], parts[2048], cut[2048];
    double loss[60], shorter[60], best = INFINITY;
    int64_t n, m, at = 0;
    snprintf(whole, sizeof whole, "%s.whole", input);
    snprintf(parts, sizeof parts, "%s.parts", input);
    snprintf(cut, sizeof cut, "%s.cut", input);
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, whole));
    read_history(whole, "/history/val_loss", loss, &n);
    for (int64_t e = 0; e < n; e++)
        if (loss[e] < best) best = loss[e], at = e + 1;
    assert_true(n < 60);
    assert_int_equal(n, (at > 2 ? at : 2) + 3);
    train_some(&world, &settings, at * 7 + 3, input, parts); /* past the best epoch, of 7 steps */
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, parts));
    assert_same_model(whole, parts);
    settings.patience = 0; /* the weights after so many epochs are those that were kept */
    settings.epochs = (int)at;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, cut));
    read_history(cut, "/history/val_loss", shorter, &m);
    assert_int_equal(m, at);
    assert_same(whole, cut, model_names, 6);
}

/* A step so large that it breaks: the message says where, and what was there before stays. */
static void test_divergence(void **state)
{
    (void)state;
    const char *input = make_input("diverge.h5", 300, 0);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    char output[2048];
    snprintf(output, sizeof output, "%s.m", input);
    train_some(&world, &settings, 2, input, output);
    settings.learning_rate = 1e30;
    settings.checkpoint_seconds = 0;
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, NULL, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "diverged in epoch "));
    assert_non_null(strstr(tt_message(), "is not finite"));
    tt_training t;
    assert_ok(tt_training_new(&world, &model, &settings, &origin, input, NULL, output, &t));
    assert_null(tt_params_non_finite(&t.vae.params, t.params));
    assert_null(tt_params_non_finite(&t.vae.params, t.second));
    assert_true(t.epoch * t.feed.steps + t.step >= 2);
    tt_training_free(&t);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_resume),
    cmocka_unit_test(test_two_checkpoints),
    cmocka_unit_test(test_patience),
    cmocka_unit_test(test_divergence),
};
TT_TEST_MAIN(cases)
