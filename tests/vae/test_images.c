/* Training on images: the same bits on any number of ranks, what sizes they may have, one scale for all
 * pixels. */
#include "trained.h"

#include "tutti/half.h"

#include <math.h>

enum { TRACKS = 9 };

/* FILE.h5 with /mel [rows, height, width] in dB, of `type`, and /clip/track. */
static const char *make_images(const char *name, int64_t rows, int64_t height, int64_t width, tt_type type)
{
    const tt_column columns[] = {{.name = "/mel", .type = type, .n_dims = 3, .dims = {rows, height, width}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {rows}}};
    tt_store *store;
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t n = mine.end - mine.begin, size = height * width, *track;
    float *x;
    static char spec[2048];
    const char *path = scratch(name);
    assert_ok(tt_alloc(n * size, sizeof *x, "test", &x));
    assert_ok(tt_alloc(n, sizeof *track, "test", &track));
    for (int64_t r = 0; r < n; r++) {
        tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)(mine.begin + r), size, x + r * size);
        track[r] = (mine.begin + r) % TRACKS;
        for (int64_t i = 0; i < size; i++) {
            double db =
                -30 + 4 * (double)x[r * size + i] - (double)(i / width) + (i % width > track[r] ? 0 : 9);
            x[r * size + i] = (float)fmin(fmax(db, -80), 0);
        }
    }
    if (type == TT_F16) tt_half_pack(n * size, x, (uint16_t *)(void *)x);
    assert_ok(tt_store_create(&world, path, &origin, columns, 2, &store));
    tt_status s = tt_store_write(store, "/mel", mine.begin, n, x);
    if (s == TT_OK) s = tt_store_write(store, "/clip/track", mine.begin, n, track);
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    free(track);
    snprintf(spec, sizeof spec, "%s:/mel", path);
    return spec;
}

static tt_model_params small_conv(void)
{
    tt_model_params model = small_model();
    model.kind = "conv";
    model.n_channels = 2;
    model.channels[0] = 4;
    model.channels[1] = 8;
    return model;
}

/* What is trained, and where to. */
typedef struct job {
    const char *model, *latents;
    bool more; /* norms, and the genre is told */
} job;

/* Every third row of a communicator is of no genre. */
static tt_classes classes_of(const tt_comm *comm, int64_t rows)
{
    static char *names[] = {"blues", "folk"};
    static int32_t label[90];
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    for (int64_t r = mine.begin; r < mine.end; r++) label[r - mine.begin] = (int32_t)(r % 3) - 1;
    return (tt_classes){.name = names, .n = 2, .label = label, .rows = rows};
}

static void train_images(const tt_comm *comm, const char *input, void *context)
{
    const job *j = context;
    tt_model_params model = small_conv();
    tt_train_params settings = few_epochs();
    settings.batch_size = 40;
    model.normalise = j->more;
    if (j->more) model.condition = "genre";
    tt_classes classes = classes_of(comm, j->more ? 90 : 0), *told = j->more ? &classes : NULL;
    assert_ok(tt_train(comm, &model, &settings, &origin, input, told, j->model));
    assert_ok(tt_encode(comm, &origin, j->model, input, told, j->latents));
}

static const char *const conv_names[] = {"/param/encoder.0.weight",
                                         "/param/encoder.1.weight",
                                         "/param/encoder.2.weight",
                                         "/param/decoder.0.weight",
                                         "/param/decoder.1.weight",
                                         "/param/decoder.2.weight",
                                         "/param/decoder.2.bias",
                                         "/optimizer/second/encoder.0.weight",
                                         "/input/mean",
                                         "/input/scale",
                                         "/input/shape",
                                         "/history/loss",
                                         "/history/val_loss"};

/* All ranks together, and one alone. */
static void check_ranks(const char *name, int64_t rows, int64_t height, int64_t width, tt_type type)
{
    const char *input = make_images(name, rows, height, width, type);
    job all = {beside(scratch(name), "all.model"), beside(scratch(name), "all.latents"), false};
    job one = {beside(scratch(name), "one.model"), beside(scratch(name), "one.latents"), false};
    train_images(&world, input, &all);
    alone(train_images, input, &one);
    assert_same(all.model, one.model, conv_names, sizeof conv_names / sizeof *conv_names);
    assert_same_latents(all.latents, one.latents);
}

static void test_ranks(void **state)
{
    (void)state;
    check_ranks("mel.h5", 300, 12, 17, TT_F32);
    check_ranks("half.h5", 70, 9, 8, TT_F16);
    check_ranks("one.h5", 1, 7, 9, TT_F32);
}

/* Norms learn too, and what the genre says of the latents; a model with them is read again: the same bits on
 * any ranks. */
static void test_normalised(void **state)
{
    (void)state;
    const char *input = make_images("norm.h5", 90, 12, 17, TT_F32);
    job all = {scratch("norm.all"), scratch("norm.all.latents"), true};
    job one = {scratch("norm.one"), scratch("norm.one.latents"), true};
    static const char *const names[] = {"/param/encoder.1.weight", "/param/encoder.3.bias",
                                        "/param/encoder.class.0.weight", "/param/decoder.2.weight",
                                        "/param/decoder.3.weight"};
    train_images(&world, input, &all);
    alone(train_images, input, &one);
    assert_same(all.model, one.model, names, sizeof names / sizeof *names);
    assert_same_latents(all.latents, one.latents);
    float gamma[4], moved = 0;
    tt_store *store;
    assert_ok(tt_store_open(&world, all.model, &store));
    assert_ok(tt_store_read(store, "/param/encoder.1.weight", 0, 4, TT_F32, gamma));
    tt_store_close(store);
    for (int i = 0; i < 4; i++) moved += fabsf(gamma[i] - 1);
    assert_true(moved > 0 && moved < 1);
}

/* One mean and one deviation, of what is stored. */
static void test_scale(void **state)
{
    (void)state;
    const char *input = make_images("scale.h5", 200, 6, 7, TT_F32);
    tt_model_params model = small_conv();
    tt_train_params settings = few_epochs();
    double mean[42], scale[42], sum = 0, square = 0;
    static float x[200][42];
    tt_store *store;
    settings.validation = 0;
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, scratch("scale.model")));
    assert_ok(tt_store_open(&world, scratch("scale.h5"), &store));
    assert_ok(tt_store_read(store, "/mel", 0, 200, TT_F32, x));
    tt_store_close(store);
    for (int i = 0; i < 200 * 42; i++) {
        sum += (double)x[i / 42][i % 42];
        square += (double)x[i / 42][i % 42] * (double)x[i / 42][i % 42];
    }
    assert_ok(tt_store_open(&world, scratch("scale.model"), &store));
    assert_ok(tt_store_read(store, "/input/mean", 0, 42, TT_F64, mean));
    assert_ok(tt_store_read(store, "/input/scale", 0, 42, TT_F64, scale));
    tt_store_close(store);
    sum /= 200 * 42;
    for (int j = 0; j < 42; j++) {
        assert_near(mean[j], sum, 1e-6);
        assert_near(scale[j], sqrt(square / (200 * 42) - sum * sum), 1e-6);
    }
}

/* bfloat16 learns as much: the loss of held-out rows is within 1 % of float's. */
static void test_precision(void **state)
{
    (void)state;
    const char *input = make_images("bf16.h5", 200, 12, 17, TT_F32);
    tt_model_params model = small_conv();
    tt_train_params settings = few_epochs();
    double loss[2][12];
    settings.epochs = 12;
    settings.batch_size = 40;
    settings.learning_rate = 1e-2;
    for (int i = 0; i < 2; i++) {
        tt_store *store;
        settings.precision = i ? "bf16" : "f32";
        assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, scratch("bf16.model")));
        assert_ok(tt_store_open(&world, scratch("bf16.model"), &store));
        assert_ok(tt_store_read(store, "/history/val_loss", 0, 12, TT_F64, loss[i]));
        tt_store_close(store);
    }
    assert_true(loss[0][11] < 0.8 * loss[0][0]);
    assert_near(loss[1][11], loss[0][11], 0.01 * loss[0][11]);
}

static int64_t stored_rows(const char *path, const char *name)
{
    tt_store *store;
    tt_column column;
    bool found;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_column(store, name, &column, &found));
    tt_store_close(store);
    return found ? column.dims[0] : -1;
}

/* Sides that cannot be halved again take fewer stages; none at all is told. */
static void test_sizes(void **state)
{
    (void)state;
    tt_model_params model = small_conv();
    tt_train_params settings = few_epochs();
    assert_ok(tt_train(&world, &model, &settings, &origin, make_images("thin.h5", 20, 31, 5, TT_F32), NULL,
                       scratch("thin.model")));
    assert_int_equal(stored_rows(scratch("thin.model"), "/param/encoder.2.weight"), -1);
    assert_int_equal(stored_rows(scratch("thin.model"), "/param/encoder.1.weight"), 6);
    assert_int_equal(tt_train(&world, &model, &settings, &origin, make_images("line.h5", 20, 40, 3, TT_F32),
                              NULL, scratch("line.model")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "images of 40 x 3"));
    model.n_channels = 0;
    assert_int_equal(tt_train(&world, &model, &settings, &origin, make_images("none.h5", 20, 8, 8, TT_F32),
                              NULL, scratch("none.model")),
                     TT_ERR_INPUT);
    model = small_conv();
    assert_int_equal(tt_train(&world, &model, &settings, &origin, make_input("flat.h5", 30, 0), NULL,
                              scratch("flat.model")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "has 2 dimensions"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_ranks),     cmocka_unit_test(test_normalised), cmocka_unit_test(test_scale),
    cmocka_unit_test(test_precision), cmocka_unit_test(test_sizes),
};
TT_TEST_MAIN(cases)
