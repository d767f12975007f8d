/* What is done with a trained model: reconstructions beside their originals, and samples of the prior. */
#include "trained.h"

#include "vae/training.h"

#include <math.h>

enum { ROWS = 600, LATENT = 3 };

static const char *train_once(const char *input)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    const char *path = beside(input, "model");
    assert_ok(tt_train(&world, &model, &settings, &origin, input, NULL, path));
    return path;
}

/* A whole dataset, read by every rank. */
static void *read_all(const char *path, const char *name, tt_type type, int64_t *rows)
{
    tt_store *store;
    tt_column c;
    bool found;
    void *values;
    int64_t elements = 1;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_column(store, name, &c, &found));
    assert_true(found);
    for (int i = 0; i < c.n_dims; i++) elements *= c.dims[i];
    assert_ok(tt_alloc(elements, 8, "test", &values));
    assert_ok(tt_store_read(store, name, 0, c.dims[0], type, values));
    tt_store_close(store);
    *rows = c.dims[0];
    return values;
}

static void reconstruct_all(const tt_comm *comm, const char *input, void *context)
{
    assert_ok(
        tt_reconstruct(comm, &origin, beside(input, "model"), input, NULL, 0, NULL, beside(input, context)));
}

/* Every row beside its original, in its units, with the error that the two have. */
static void check_rows(const char *path, const char *model, const int64_t *list, int64_t n)
{
    int64_t rows;
    float *x = read_all(path, "/x", TT_F32, &rows), *y = read_all(path, "/reconstruction", TT_F32, &rows);
    double *error = read_all(path, "/error", TT_F64, &rows), total = 0;
    int64_t *row = read_all(path, "/row", TT_I64, &rows);
    unsigned char *valid = read_all(path, "/valid", TT_U8, &rows);
    tt_model m;
    assert_ok(tt_model_read(&world, model, &m));
    assert_int_equal(rows, n);
    for (int64_t i = 0; i < n; i++) {
        float original[COLS];
        double sum = 0;
        assert_int_equal(row[i], list ? list[i] : i);
        assert_int_equal(valid[i], row[i] % 11 != 10);
        if (!valid[i]) continue;
        fill(row[i], original);
        assert_memory_equal(x + i * COLS, original, sizeof original);
        for (int k = 0; k < COLS; k++) {
            double d = (double)(y[i * COLS + k] - x[i * COLS + k]) / m.scaling.scale[k];
            sum += d * d / COLS;
        }
        assert_near(error[i], sum, 1e-3 * sum + 1e-6); /* /x has float32's steps at 1e6 */
        total += error[i] / (double)n;
    }
    assert_true(total < 1.2); /* about that of the mean, 1, after three epochs */
    tt_model_free(&m);
    free(x), free(y), free(error), free(row), free(valid);
}

static const char *const names[] = {"/x", "/reconstruction", "/row", "/valid", "/error"};

static void test_reconstruct(void **state)
{
    (void)state;
    const char *input = make_input("rec.h5", ROWS, 0), *model = train_once(input);
    const int64_t list[] = {599, 0, 1, 2, 300, 299};
    reconstruct_all(&world, input, (void *)"all");
    alone(reconstruct_all, input, (void *)"one");
    check_rows(beside(input, "all"), beside(input, "model"), NULL, ROWS);
    assert_same(beside(input, "all"), beside(input, "one"), names, 5);
    assert_ok(tt_reconstruct(&world, &origin, model, input, list, 6, NULL, beside(input, "some")));
    check_rows(beside(input, "some"), beside(input, "model"), list, 6);
    assert_int_equal(
        tt_reconstruct(&world, &origin, model, input, (int64_t[]){3, ROWS}, 2, NULL, beside(input, "no")),
        TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "there is no row 600"));
    assert_int_equal(
        tt_reconstruct(&world, &origin, model, input, (int64_t[]){3, 10}, 2, NULL, beside(input, "no")),
        TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "row 10 is not valid"));
    assert_int_equal(tt_reconstruct(&world, &origin, model, model, NULL, 0, NULL, beside(input, "no")),
                     TT_ERR_INPUT);
}

static void draw(const tt_comm *comm, const char *input, void *context)
{
    assert_ok(tt_sample(comm, &origin, beside(input, "model"), ROWS, NULL, beside(input, context)));
}

/* The prior's mean and variance, rows that decoding gives, the same on any ranks. */
static void test_sample(void **state)
{
    (void)state;
    static const char *const drawn[] = {"/x", "/z"};
    const char *input = make_input("draw.h5", ROWS, 0);
    int64_t rows;
    train_once(input);
    draw(&world, input, (void *)"all");
    alone(draw, input, (void *)"one");
    assert_same(beside(input, "all"), beside(input, "one"), drawn, 2);
    float *z = read_all(beside(input, "all"), "/z", TT_F32, &rows);
    float *x = read_all(beside(input, "all"), "/x", TT_F32, &rows);
    double sum = 0, square = 0, n = ROWS * LATENT;
    for (int i = 0; i < ROWS * LATENT; i++) {
        sum += (double)z[i] / n;
        square += (double)z[i] * (double)z[i] / n;
    }
    assert_int_equal(rows, ROWS);
    assert_near(sum, 0, 5 / sqrt(n));
    assert_near(square, 1, 5 * sqrt(2 / n));
    for (int i = 0; i < ROWS; i++) {
        assert_near(x[i * COLS + 2], 0.1, 1);   /* constant, of scale 1 */
        assert_near(x[i * COLS + 4], 1e6, 1e5); /* 1e6 +- 1e4 */
    }
    free(z);
    free(x);
    assert_int_equal(tt_sample(&world, &origin, beside(input, "model"), 3, "pop", beside(input, "no")),
                     TT_ERR_INPUT);
    assert_int_equal(tt_sample(&world, &origin, beside(input, "model"), 0, NULL, beside(input, "no")),
                     TT_ERR_USAGE);
}

/* Rows of more dimensions keep their shape, and wide columns far from zero their values. */
static void test_shapes(void **state)
{
    (void)state;
    enum { N = 300, HIGH = 2, WIDE = 3 };
    const char *path = scratch("shapes.h5");
    const tt_column column = {.name = "/x", .type = TT_F64, .n_dims = 3, .dims = {N, HIGH, WIDE}};
    tt_store *store;
    static double x[N][HIGH * WIDE];
    for (int i = 0; i < N; i++)
        for (int k = 0; k < HIGH * WIDE; k++)
            x[i][k] = 1e9 + 1000 * tt_random_normal((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)i, (uint64_t)k);
    assert_ok(tt_store_create(&world, path, &origin, &column, 1, &store));
    tt_status s = world.rank == 0 ? tt_store_write(store, "/x", 0, N, x) : TT_OK;
    assert_ok(tt_store_publish(store, NULL, s));
    const char *model = train_once(path);
    assert_ok(tt_reconstruct(&world, &origin, model, path, NULL, 0, NULL, beside(path, "rec")));
    assert_ok(tt_sample(&world, &origin, model, 5, NULL, beside(path, "drawn")));
    tt_column c;
    bool found;
    float *y;
    int64_t rows;
    assert_ok(tt_store_open(&world, beside(path, "drawn"), &store));
    assert_ok(tt_store_column(store, "/x", &c, &found));
    assert_true(c.n_dims == 3 && c.dims[0] == 5 && c.dims[1] == HIGH && c.dims[2] == WIDE);
    tt_store_close(store);
    y = read_all(beside(path, "rec"), "/x", TT_F32, &rows);
    for (int i = 0; i < N * HIGH * WIDE; i++)
        assert_near(y[i], x[i / 6][i % 6], 33); /* float32's step at 1e9 */
    free(y);
}

/* Classes of this rank's rows, row r of class r % n. */
static tt_classes make_classes(const tt_comm *comm, int64_t rows, char *const *name, int n)
{
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    tt_classes c = {.rows = rows, .n = n, .name = (char **)name};
    assert_ok(tt_alloc(mine.end - mine.begin, sizeof *c.label, "test", &c.label));
    for (int64_t r = mine.begin; r < mine.end; r++) c.label[r - mine.begin] = (int32_t)(r % n);
    return c;
}

static char *const genres[] = {(char *)"pop", (char *)"rock"};

static void use_classes(const tt_comm *comm, const char *input, void *context)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    tt_classes c = make_classes(comm, ROWS, genres, 2);
    char path[64];
    model.condition = (char *)"genre";
    model.prior = (char *)"mixture";
    model.components = 3;
    settings.pretrain_epochs = 1;
    snprintf(path, sizeof path, "%s.model", (const char *)context);
    assert_ok(tt_train(comm, &model, &settings, &origin, input, &c, beside(input, path)));
    const char *trained = beside(input, path);
    snprintf(path, sizeof path, "%s.latents", (const char *)context);
    assert_ok(tt_encode(comm, &origin, trained, input, &c, beside(input, path)));
    snprintf(path, sizeof path, "%s.rec", (const char *)context);
    assert_ok(tt_reconstruct(comm, &origin, trained, input, NULL, 0, &c, beside(input, path)));
    snprintf(path, sizeof path, "%s.drawn", (const char *)context);
    assert_ok(tt_sample(comm, &origin, trained, 300, NULL, beside(input, path)));
    free(c.label);
}

/* A model conditioned on genre, with a mixture prior: the same on any ranks, and classes found by name. */
static void test_classes(void **state)
{
    (void)state;
    static const char *const latent[] = {"/mu", "/mixture/posterior", "/mixture/label",
                                         "/track/mixture/label"};
    static const char *const drawn[] = {"/x", "/z"};
    static char *const other[] = {(char *)"folk", (char *)"pop"};
    const char *input = make_input("classes.h5", ROWS, 200);
    use_classes(&world, input, (void *)"all");
    alone(use_classes, input, (void *)"one");
    assert_same(beside(input, "all.latents"), beside(input, "one.latents"), latent, 4);
    assert_same(beside(input, "all.drawn"), beside(input, "one.drawn"), drawn, 2);
    assert_same(beside(input, "all.rec"), beside(input, "one.rec"), names, 5);
    const char *trained = beside(input, "all.model");
    assert_ok(tt_sample(&world, &origin, trained, 300, "rock", beside(input, "rock")));
    int64_t rows;
    float *both = read_all(beside(input, "all.drawn"), "/x", TT_F32, &rows);
    assert_int_equal(rows, 600);
    float *rock = read_all(beside(input, "rock"), "/x", TT_F32, &rows);
    assert_int_equal(rows, 300);
    assert_memory_equal(rock, both + 300 * COLS, 300 * COLS * sizeof *rock);
    assert_memory_not_equal(rock, both, 300 * COLS * sizeof *rock);
    assert_int_equal(tt_sample(&world, &origin, trained, 3, "jazz", beside(input, "no")), TT_ERR_INPUT);
    free(both);
    free(rock);
    tt_classes c = make_classes(&world, ROWS, other, 2); /* odd rows are pop now, even ones unknown */
    const int64_t list[] = {1, 3, 400};
    assert_ok(tt_reconstruct(&world, &origin, trained, input, list, 3, &c, beside(input, "some")));
    assert_ok(tt_reconstruct(&world, &origin, trained, input, NULL, 0, &c, beside(input, "other")));
    free(c.label);
    float *some = read_all(beside(input, "some"), "/reconstruction", TT_F32, &rows);
    float *all = read_all(beside(input, "other"), "/reconstruction", TT_F32, &rows);
    float *own = read_all(beside(input, "all.rec"), "/reconstruction", TT_F32, &rows);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < COLS; k++) {
            double scale = k == 4 ? 1e4 : 4;
            assert_near(some[i * COLS + k], all[list[i] * COLS + k], 1e-4 * scale);
        }
    assert_memory_not_equal(all + 3 * COLS, own + 3 * COLS, COLS * sizeof *all);
    free(some), free(all), free(own);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_reconstruct),
    cmocka_unit_test(test_sample),
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_classes),
};
TT_TEST_MAIN(cases)
