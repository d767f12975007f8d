/* Reading matrices that other programs wrote. */
#include "test.h"

#include "tutti/matrix.h"

#include <math.h>
#include <string.h>

#define CASES TT_TESTS "/linalg/matrix_cases.h5"
#define VALID TT_TESTS "/linalg/matrix_valid.h5"

enum { ROWS = 300 };

static double value(const tt_matrix *x, int64_t i, int64_t j)
{
    return x->shift[j] + (double)x->data[i * x->cols + j];
}

static void test_types(void **state)
{
    (void)state;
    tt_matrix x;
    assert_ok(tt_matrix_read(&world, CASES ":/f32", NULL, &x));
    assert_true(x.rows == ROWS && x.cols == 2 && x.n_valid == ROWS);
    assert_true(x.shift[0] == 0 && x.shift[1] == 0);
    for (int64_t i = 0; i < x.count; i++) assert_true(value(&x, i, 1) == -(double)(x.first + i));
    tt_matrix_free(&x);
    assert_ok(tt_matrix_read(&world, CASES, "/i64", &x));
    assert_true(x.rows == ROWS && x.cols == 1);
    for (int64_t i = 0; i < x.count; i++) assert_true(value(&x, i, 0) == (double)(x.first + i));
    tt_matrix_free(&x);
    assert_ok(tt_matrix_read(&world, CASES ":/u8", NULL, &x));
    for (int64_t i = 0; i < x.count; i++) assert_true(value(&x, i, 0) == (double)((x.first + i) % 200));
    tt_matrix_free(&x);
    assert_ok(tt_matrix_read(&world, CASES ":/cube", NULL, &x));
    assert_int_equal(x.cols, 6);
    for (int64_t i = 0; i < x.count; i++) assert_true(value(&x, i, 4) == (double)((x.first + i) * 6 + 4));
    tt_matrix_free(&x);
}

static void test_offset_is_kept(void **state)
{
    (void)state;
    tt_matrix x;
    double mean[2], deviation[2];
    assert_ok(tt_matrix_read(&world, CASES ":/f64", NULL, &x));
    assert_true(x.shift[0] != 0 && x.shift[1] == 0);
    for (int64_t i = 0; i < x.count; i++) {
        double exact = (double)(x.first + i) / 1024; /* a value of few bits is held as it is */
        assert_true((double)x.data[i * 2] == (1e9 - x.shift[0]) + exact);
        assert_true(value(&x, i, 0) == 1e9 + exact);
        assert_near(value(&x, i, 1), (double)(x.first + i) / 7, 3e-6);
    }
    assert_ok(tt_matrix_moments(&x, mean, deviation));
    double spread = sqrt((ROWS * (double)ROWS - 1) / 12); /* of 0 .. n - 1 */
    assert_near(mean[0] - 1e9, 149.5 / 1024, 3e-7);
    assert_near(deviation[0], spread / 1024, 1e-6);
    assert_near(mean[1], 149.5 / 7, 1e-5);
    assert_near(deviation[1], spread / 7, 1e-5);
    tt_matrix_free(&x);
}

static void expect(const char *spec, const char *message)
{
    tt_matrix x;
    assert_int_equal(tt_matrix_read(&world, spec, NULL, &x), TT_ERR_INPUT);
    assert_null(x.data);
    if (!strstr(tt_message(), message)) fail_msg("\"%s\" does not say \"%s\"", tt_message(), message);
}

static void test_errors(void **state)
{
    (void)state;
    expect(CASES ":/nan",
           "matrix_cases.h5:/nan row 17 column 3 is not finite; a 0 in /valid of the file leaves a row out");
    expect(
        CASES ":/inf64",
        "matrix_cases.h5:/inf64 row 270 column 0 is not finite; a 0 in /valid of the file leaves a row out");
    expect(CASES ":/huge", "matrix_cases.h5:/huge row 9 column 0 is 1e+300, beyond the range of float32");
    expect(CASES ":/text", "holds text");
    expect(CASES ":/no_columns", "has no columns");
    expect(CASES ":/missing", "has no dataset /missing");
}

static void test_empty(void **state)
{
    (void)state;
    tt_matrix x;
    double mean[4], deviation[4];
    assert_ok(tt_matrix_read(&world, CASES ":/empty", NULL, &x));
    assert_true(x.rows == 0 && x.cols == 4 && x.n_valid == 0 && x.count == 0);
    assert_ok(tt_matrix_moments(&x, mean, deviation));
    assert_true(mean[3] == 0 && deviation[3] == 0);
    tt_matrix_free(&x);
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const specs[] = {VALID ":/x", VALID ":/wide"};
    for (int s = 0; s < 2; s++) {
        tt_matrix x;
        assert_ok(tt_matrix_read(&world, specs[s], NULL, &x));
        assert_int_equal(x.n_valid, ROWS - 2);
        for (int64_t i = 0; i < x.count; i++) {
            int64_t row = x.first + i;
            assert_int_equal(x.valid[i], row != 17 && row != 270);
            assert_true(x.data[i * x.cols + 1] == (x.valid[i] ? (float)row : 0));
        }
        tt_matrix_free(&x);
    }
}

/* The same bits as one rank computes alone. */
static void test_ranks(void **state)
{
    (void)state;
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x, all;
    double a[4], b[4];
    assert_ok(tt_matrix_read(&world, CASES ":/f64", NULL, &x));
    assert_ok(tt_matrix_read(&self, CASES ":/f64", NULL, &all));
    assert_memory_equal(x.shift, all.shift, 2 * sizeof *x.shift);
    for (int64_t i = 0; i < x.count * 2; i++) assert_true(x.data[i] == all.data[x.first * 2 + i]);
    assert_ok(tt_matrix_moments(&x, a, a + 2));
    assert_ok(tt_matrix_moments(&all, b, b + 2));
    assert_memory_equal(a, b, sizeof a);
    tt_matrix_free(&x);
    tt_matrix_free(&all);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_types), cmocka_unit_test(test_offset_is_kept), cmocka_unit_test(test_errors),
    cmocka_unit_test(test_empty), cmocka_unit_test(test_valid),          cmocka_unit_test(test_ranks),
};
TT_TEST_MAIN(cases)
