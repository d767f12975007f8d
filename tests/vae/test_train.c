/* Training and encoding as a whole: the same bits on any number of ranks and after a stop, and edge cases. */
#include "test.h"

#include "nn/params.h"
#include "tutti/hash.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"
#include "vae/training.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const tt_provenance origin = {"train", "fingerprint of the test", "", "", 5};

static tt_model_params small_model(void)
{
    return (tt_model_params){.kind = "fc", .latent_dim = 3, .n_hidden = 1, .hidden_dims = {12}};
}

static tt_train_params few_epochs(void)
{
    return (tt_train_params){.beta = 0.5,
                             .kl_warmup_epochs = 2,
                             .epochs = 3,
                             .batch_size = 90,
                             .optimizer = "adam",
                             .learning_rate = 1e-3,
                             .scale_learning_rate = "none",
                             .schedule = "constant",
                             .precision = "f32",
                             .reproducible = true,
                             .validation = 0.2,
                             .checkpoint_seconds = 1e6};
}

enum { COLS = 7, CLIPS = 3 };

/* Row r of the input: column 2 is constant, column 4 is wide, every 11th row is not valid. */
static void fill(int64_t r, float *row)
{
    tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)r, COLS, row);
    row[0] += r % 2 ? 3 : -3;
    row[2] = 0.1F;
    row[4] = 1e4F * row[4] + 1e6F;
}

/* FILE.h5 with /x, /valid and, unless tracks is 0, /clip/track: rows of a track are not neighbours. */
static const char *make_input(const char *name, int64_t rows, int64_t tracks)
{
    static char path[1024];
    const tt_column columns[] = {{.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {rows, COLS}},
                                 {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {rows}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {rows}}};
    tt_store *store;
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t n = mine.end - mine.begin, *track;
    float *x;
    unsigned char *valid;
    assert_ok(tt_alloc(n * COLS, sizeof *x, "test", &x));
    assert_ok(tt_alloc(n, 1, "test", &valid));
    assert_ok(tt_alloc(n, sizeof *track, "test", &track));
    for (int64_t i = 0; i < n; i++) {
        fill(mine.begin + i, x + i * COLS);
        valid[i] = (mine.begin + i) % 11 != 10;
        track[i] = tracks > 0 ? (mine.begin + i) % tracks : 0;
    }
    snprintf(path, sizeof path, "%s", scratch(name));
    assert_ok(tt_store_create(&world, path, &origin, columns, tracks > 0 ? 3 : 2, &store));
    tt_status s = tt_store_write(store, "/x", mine.begin, n, x);
    if (s == TT_OK) s = tt_store_write(store, "/valid", mine.begin, n, valid);
    if (s == TT_OK && tracks > 0) s = tt_store_write(store, "/clip/track", mine.begin, n, track);
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    free(valid);
    free(track);
    return path;
}

/* Hash of one-or-more-dimensional numeric datasets of a file. Every rank reads them whole. */
static void hash_file(const char *path, const char *const *names, int n, char text[TT_HASH_TEXT])
{
    tt_store *store;
    tt_hash h = tt_hash_start();
    assert_ok(tt_store_open(&world, path, &store));
    for (int i = 0; i < n; i++) {
        tt_column c;
        bool found;
        assert_ok(tt_store_column(store, names[i], &c, &found));
        assert_true(found);
        int64_t elements = 1;
        for (int k = 0; k < c.n_dims; k++) elements *= c.dims[k];
        void *values;
        assert_ok(tt_alloc(elements, 8, "test", &values));
        assert_ok(tt_store_read(store, names[i], 0, c.dims[0], c.type, values));
        tt_hash_add(&h, values, (size_t)elements * (c.type == TT_F32 ? 4 : c.type == TT_U8 ? 1 : 8));
        free(values);
    }
    tt_store_close(store);
    tt_hash_print(&h, text);
}

static const char *const model_names[] = {"/param/encoder.0.weight",
                                          "/param/encoder.0.bias",
                                          "/param/encoder.1.weight",
                                          "/param/decoder.0.weight",
                                          "/param/decoder.1.weight",
                                          "/param/decoder.1.bias",
                                          "/optimizer/first/encoder.0.weight",
                                          "/optimizer/second/decoder.1.weight",
                                          "/optimizer/step",
                                          "/input/mean",
                                          "/input/scale",
                                          "/history/loss",
                                          "/history/val_loss",
                                          "/history/kl"};
static const char *const latent_names[] = {"/mu",         "/logvar",   "/valid",
                                           "/clip/track", "/track/mu", "/track/clips"};

static void assert_same(const char *a, const char *b, const char *const *names, size_t n)
{
    char one[TT_HASH_TEXT], other[TT_HASH_TEXT];
    hash_file(a, names, (int)n, one);
    hash_file(b, names, (int)n, other);
    assert_string_equal(one, other);
}

#define assert_same_model(a, b)   assert_same(a, b, model_names, sizeof model_names / sizeof *model_names)
#define assert_same_latents(a, b) assert_same(a, b, latent_names, sizeof latent_names / sizeof *latent_names)

/* Run f on rank 0 alone, on a communicator of its own. */
static void alone(void (*f)(const tt_comm *, const char *, void *), const char *input, void *context)
{
    MPI_Comm mpi;
    MPI_Comm_split(world.mpi, world.rank, 0, &mpi);
    tt_comm self = tt_comm_wrap(mpi);
    if (world.rank == 0) f(&self, input, context);
    MPI_Barrier(world.mpi);
    MPI_Comm_free(&mpi);
}

static void train_and_encode(const tt_comm *comm, const char *input, void *context)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    const char *suffix = context;
    char output[2048], latents[2048];
    snprintf(output, sizeof output, "%s.%s.model", input, suffix);
    snprintf(latents, sizeof latents, "%s.%s.latents", input, suffix);
    assert_ok(tt_train(comm, &model, &settings, &origin, input, output));
    assert_ok(tt_encode(comm, &origin, output, input, latents));
}

static const char *beside(const char *input, const char *suffix)
{
    static char path[4][2048];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s.%s", input, suffix);
    return p;
}

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

/* Some steps, a checkpoint, and no more. */
static void train_partly(const tt_comm *comm, const char *input, void *context)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    tt_training t;
    bool due;
    const char *output = context;
    assert_ok(tt_training_new(comm, &model, &settings, &origin, input, output, &t));
    for (int64_t i = 0; i < t.feed.steps + 4; i++) assert_ok(tt_training_advance(&t, &due));
    assert_int_equal(t.step, 4);
    assert_ok(tt_checkpoint_write(&t));
    tt_training_free(&t);
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
        assert_ok(tt_train(&world, &model, &settings, &origin, input, beside(input, i ? "loose" : "strict")));
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
    tt_model_params model = {.kind = "fc", .latent_dim = 1, .n_hidden = 0};
    tt_train_params settings = few_epochs();
    settings.validation = 0;
    settings.batch_size = 100000;
    settings.kl_warmup_epochs = 0;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, beside(input, "line")));
    assert_ok(tt_encode(&world, &origin, beside(input, "line"), input, beside(input, "latents")));
    settings.batch_size = 1;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, beside(input, "single")));
}

static void test_refusals(void **state)
{
    (void)state;
    const char *input = make_input("refuse.h5", 0, 0);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, beside(input, "m")), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "nothing to train on"));
    model.latent_dim = 0;
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, beside(input, "m")), TT_ERR_CONFIG);
    assert_int_equal(tt_encode(&world, &origin, input, input, beside(input, "l")), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "is not a model"));
}

/* A step so large that it breaks: the message says where, and what was there before stays. */
static void test_divergence(void **state)
{
    (void)state;
    const char *input = make_input("diverge.h5", 300, 0);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    settings.learning_rate = 1e30;
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, beside(input, "m")), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "diverged in epoch 1, step 2"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_resume),
    cmocka_unit_test(test_track_means),
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_not_reproducible),
    cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_divergence),
};
TT_TEST_MAIN(cases)
