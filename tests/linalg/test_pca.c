/* Principal components against scikit-learn, the file of `tutti pca`, and any number of ranks. */
#include "test.h"

#include "tutti/fuse.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_TESTS "/linalg/pca_golden.h5"

static double *load(const char *path, const char *name, int64_t rows, int64_t cols)
{
    tt_store *store;
    double *data;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_alloc(rows * cols, sizeof *data, name, &data));
    assert_ok(tt_store_read(store, name, 0, rows, TT_F64, data));
    tt_store_close(store);
    return data;
}

static double *golden(const char *group, const char *leaf, int64_t rows, int64_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "/%s/%s", group, leaf);
    return load(GOLDEN, name, rows, cols);
}

static void check_golden(const char *group, int64_t k)
{
    char spec[1024];
    tt_matrix x;
    tt_pca pca;
    float *scores;
    snprintf(spec, sizeof spec, "%s:/%s/x", GOLDEN, group);
    assert_ok(tt_matrix_read(&world, spec, NULL, &x));
    assert_ok(tt_pca_fit(&x, k, &pca));
    assert_ok(tt_alloc(x.count * k, sizeof *scores, "test", &scores));
    assert_ok(tt_pca_transform(&pca, &x, scores));
    double *axes = golden(group, "components", k, x.cols);
    double *variance = golden(group, "explained_variance", k, 1);
    double *ratio = golden(group, "ratio", k, 1), *expected = golden(group, "scores", x.rows, k);
    for (int64_t i = 0; i < k; i++) {
        assert_near(pca.explained_variance[i], variance[i], 1e-6 * variance[i]);
        assert_near(pca.explained_variance[i] / pca.total_variance, ratio[i], 1e-6 * ratio[i]);
        for (int64_t j = 0; j < x.cols; j++)
            assert_near(pca.axes[i * x.cols + j], axes[i * x.cols + j], 1e-5);
        for (int64_t r = 0; r < x.count; r++) /* relative to the spread of the component */
            assert_near(scores[r * k + i], expected[(x.first + r) * k + i], 1e-4 * sqrt(variance[i]));
    }
    free(axes);
    free(variance);
    free(ratio);
    free(expected);
    free(scores);
    tt_pca_free(&pca);
    tt_matrix_free(&x);
}

static void test_golden(void **state)
{
    (void)state;
    check_golden("plain", 4);
    check_golden("scaled", 6);
    check_golden("offset", 5);
    check_golden("wide", 11);
}

static void make(const tt_comm *comm, int64_t n, int64_t cols, tt_matrix *x)
{
    int64_t valid = 0;
    assert_ok(tt_matrix_new(comm, "made.h5:/x", n, cols, x));
    for (int64_t i = 0; i < x->count; i++) {
        uint64_t row = (uint64_t)(x->first + i);
        valid += x->valid[i] = row % 7 != 2;
        if (!x->valid[i]) continue;
        tt_random_normals((tt_stream){3, TT_FOR_TEST, 0}, row, cols, x->data + i * cols);
        for (int64_t j = 1; j < cols; j++) x->data[i * cols + j] += x->data[i * cols] / (float)j;
    }
    x->n_valid = tt_sum_i64(comm, valid);
}

/* Axes are of length 1 and at right angles, those of no variance too. */
static void check_axes(const tt_pca *pca)
{
    for (int64_t i = 0; i < pca->components; i++)
        for (int64_t k = 0; k <= i; k++) {
            double sum = 0;
            for (int64_t j = 0; j < pca->cols; j++)
                sum += pca->axes[i * pca->cols + j] * pca->axes[k * pca->cols + j];
            assert_near(sum, i == k, 1e-10);
        }
}

static void check_ranks(int64_t n, int64_t cols, int64_t k)
{
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x, all;
    tt_pca a, b;
    float *scores, *alone;
    make(&world, n, cols, &x);
    make(&self, n, cols, &all);
    assert_ok(tt_pca_fit(&x, k, &a));
    assert_ok(tt_pca_fit(&all, k, &b));
    check_axes(&a);
    assert_memory_equal(a.axes, b.axes, (size_t)(k * cols) * sizeof *a.axes);
    assert_memory_equal(a.explained_variance, b.explained_variance, (size_t)k * sizeof *a.axes);
    assert_ok(tt_alloc(x.count * k, sizeof *scores, "test", &scores));
    assert_ok(tt_alloc(n * k, sizeof *alone, "test", &alone));
    assert_ok(tt_pca_transform(&a, &x, scores));
    assert_ok(tt_pca_transform(&b, &all, alone));
    if (x.count > 0) assert_memory_equal(scores, alone + x.first * k, (size_t)(x.count * k) * sizeof *scores);
    for (int64_t i = 0; i < x.count; i++) assert_true(x.valid[i] || scores[i * k] == 0);
    free(scores);
    free(alone);
    tt_pca_free(&a);
    tt_pca_free(&b);
    tt_matrix_free(&x);
    tt_matrix_free(&all);
}

static void test_ranks(void **state)
{
    (void)state;
    check_ranks(4, 3, 2);
    check_ranks(1900, 37, 5);
    check_ranks(700, 130, 130); /* more than one block of the solver */
    check_ranks(40, 300, 34);   /* fewer rows than columns; as many components as valid rows */
    check_ranks(300, 301, 20);
}

/* The same numbers by the rows' products as by the columns': a matrix beside itself with rows that are not
 * valid until they are as many as its columns. */
static void test_wide_as_tall(void **state)
{
    (void)state;
    enum { ROWS = 60, COLS = 90, KEPT = 12 };
    tt_matrix wide, tall;
    tt_pca a, b;
    make(&world, ROWS, COLS, &wide);
    assert_ok(tt_matrix_new(&world, "tall", COLS + 1, COLS, &tall));
    int64_t n = 0;
    for (int64_t i = 0; i < tall.count; i++) {
        bool there = tall.first + i < ROWS && wide.valid[i]; /* one block: they are dealt alike */
        n += tall.valid[i] = there;
        if (there) memcpy(tall.data + i * COLS, wide.data + i * COLS, COLS * sizeof *tall.data);
    }
    tall.n_valid = tt_sum_i64(&world, n);
    assert_ok(tt_pca_fit(&wide, KEPT, &a));
    assert_ok(tt_pca_fit(&tall, KEPT, &b));
    assert_near(a.total_variance, b.total_variance, 1e-12 * b.total_variance);
    for (int i = 0; i < KEPT; i++)
        assert_near(a.explained_variance[i], b.explained_variance[i], 1e-12 * b.explained_variance[0]);
    for (int i = 0; i < KEPT * COLS; i++) assert_near(a.axes[i], b.axes[i], 1e-9);
    tt_pca_free(&a);
    tt_pca_free(&b);
    tt_matrix_free(&wide);
    tt_matrix_free(&tall);
}

/* Sums of many rows are formed otherwise than of few: the rows of `few` again and again until they are many
 * have the same axes, and its variances but for the divisor. */
static void check_many(const tt_matrix *few, int64_t k)
{
    const int64_t rows = 80000;
    tt_matrix many;
    tt_pca a, b;
    int64_t n = 0;
    size_t bytes = (size_t)few->cols * sizeof *few->data;
    assert_ok(tt_matrix_new(&world, "many", rows, few->cols, &many));
    for (int64_t i = 0; i < many.count; i++) {
        int64_t from = (many.first + i) % few->rows;
        memcpy(many.data + i * few->cols, few->data + from * few->cols, bytes);
        n += many.valid[i] = few->valid[from];
    }
    many.n_valid = tt_sum_i64(&world, n);
    assert_ok(tt_pca_fit(few, k, &a));
    assert_ok(tt_pca_fit(&many, k, &b));
    double times = (double)(rows / few->rows) * (double)(few->n_valid - 1) / (double)(many.n_valid - 1);
    for (int64_t i = 0; i < k; i++)
        assert_near(b.explained_variance[i], times * a.explained_variance[i], 1e-6 * a.explained_variance[i]);
    for (int64_t i = 0; i < k * few->cols; i++) assert_near(a.axes[i], b.axes[i], 1e-5);
    tt_pca_free(&a);
    tt_pca_free(&b);
    tt_matrix_free(&many);
}

static void test_many(void **state)
{
    (void)state;
    enum { ROWS = 200, COLS = 37 };
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x;
    make(&self, ROWS, COLS, &x);
    check_many(&x, COLS);
    for (int64_t i = 0; i < ROWS; i++) /* nearly the same column again: float32 loses what sets them apart */
        x.data[i * COLS + 1] = x.data[i * COLS] + 1e-4F * x.data[i * COLS + 1];
    check_many(&x, COLS);
    for (int64_t i = 0; i < ROWS * COLS; i++) x.data[i] *= 1e-25F; /* squares are beyond float32 */
    check_many(&x, COLS - 1);
    tt_matrix_free(&x);
}

static void check_constant(int64_t rows, int64_t cols)
{
    tt_matrix x;
    tt_pca pca;
    assert_ok(tt_matrix_new(&world, "constant.h5:/x", rows, cols, &x));
    for (int64_t i = 0; i < x.count * cols; i++) x.data[i] = 0.1f;
    assert_ok(tt_pca_fit(&x, 2, &pca));
    assert_true(pca.total_variance == 0 && pca.explained_variance[0] == 0);
    check_axes(&pca);
    tt_pca_free(&pca);
    tt_matrix_free(&x);
}

static void test_constant(void **state)
{
    (void)state;
    check_constant(300, 3);
    check_constant(3, 300);
}

static void test_errors(void **state)
{
    (void)state;
    tt_matrix x;
    tt_pca pca;
    assert_ok(tt_matrix_new(&world, "one.h5:/x", 1, 3, &x));
    assert_int_equal(tt_pca_fit(&x, 1, &pca), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "one.h5:/x has 1 valid rows; principal components need at least 2");
    tt_matrix_free(&x);
    assert_ok(tt_matrix_new(&world, "few.h5:/x", 9, 3, &x));
    assert_int_equal(tt_pca_fit(&x, 4, &pca), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "4 principal components cannot be kept"));
    tt_matrix_free(&x);
}

static void test_stage(void **state)
{
    (void)state;
    char output[1024];
    tt_provenance provenance = {"pca", "test", "", "", 1};
    snprintf(output, sizeof output, "%s", scratch("pca.h5"));
    assert_ok(tt_pca_stage(&world, &provenance, GOLDEN ":/wide/x", 64, output)); /* 12 rows: 11 are left */
    double *x = load(output, "/x", 12, 11), *expected = golden("wide", "scores", 12, 11);
    double *axes = load(output, "/components", 11, 30), *mean = load(output, "/mean", 30, 1);
    for (int64_t i = 0; i < 12 * 11; i++) assert_near(x[i], expected[i], 1e-4);
    assert_true(isfinite(axes[0]) && isfinite(mean[29]));
    free(x);
    free(expected);
    free(axes);
    free(mean);
}

/* Rows as long as float32 goes: their scores are longer, which must be said and not stored as infinite. */
static void test_overflow(void **state)
{
    (void)state;
    tt_matrix x;
    tt_pca pca;
    float *scores;
    assert_ok(tt_matrix_new(&world, "long rows", 600, 3, &x));
    for (int64_t i = 0; i < x.count * 3; i++) x.data[i] = (x.first + i / 3) % 2 ? 3e38F : -3e38F;
    assert_ok(tt_alloc(x.count, sizeof *scores, "test", &scores));
    assert_ok(tt_pca_fit(&x, 1, &pca));
    assert_int_equal(tt_agree(&world, tt_pca_transform(&pca, &x, scores)), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "scale the columns"));
    free(scores);
    tt_pca_free(&pca);
    tt_matrix_free(&x);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),   cmocka_unit_test(test_ranks),  cmocka_unit_test(test_wide_as_tall),
    cmocka_unit_test(test_constant), cmocka_unit_test(test_errors), cmocka_unit_test(test_stage),
    cmocka_unit_test(test_overflow), cmocka_unit_test(test_many),
};
TT_TEST_MAIN(cases)
