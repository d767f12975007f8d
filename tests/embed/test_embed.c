/* embedding.h5: the plane of the first two principal components. */
#include "test.h"

#include "tutti/embed.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_TESTS "/linalg/pca_golden.h5"

enum { ROWS = 700 };

static void embed(const char *input, const char *output)
{
    tt_provenance provenance = {"embed", input, "", "", 1};
    assert_ok(tt_embed(&world, &provenance, input, output));
}

static void read_all(const char *path, const char *name, int64_t rows, double *data)
{
    tt_store *store;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_read(store, name, 0, rows, TT_F64, data));
    tt_store_close(store);
}

static void test_plane(void **state)
{
    (void)state;
    static double plane[ROWS][2], expected[ROWS][4];
    double ratio[2], golden_ratio[4];
    char output[1024];
    snprintf(output, sizeof output, "%s", scratch("embedding.h5"));
    embed(GOLDEN ":/plain/x", output);
    read_all(output, "/pca", ROWS, plane[0]);
    read_all(output, "/explained_variance_ratio", 2, ratio);
    read_all(GOLDEN, "/plain/scores", ROWS, expected[0]);
    read_all(GOLDEN, "/plain/ratio", 4, golden_ratio);
    for (int i = 0; i < ROWS; i++)
        for (int c = 0; c < 2; c++) assert_near(plane[i][c], expected[i][c], 1e-4);
    assert_near(ratio[0], golden_ratio[0], 1e-6);
    assert_near(ratio[1], golden_ratio[1], 1e-6);
}

static void test_one_column(void **state)
{
    (void)state;
    static double plane[300][2];
    double ratio[2];
    char output[1024];
    snprintf(output, sizeof output, "%s", scratch("line.h5"));
    embed(TT_TESTS "/linalg/matrix_cases.h5:/i64", output);
    read_all(output, "/pca", 300, plane[0]);
    read_all(output, "/explained_variance_ratio", 2, ratio);
    for (int i = 0; i < 300; i++) {
        assert_near(plane[i][0], i - 149.5, 1e-4);
        assert_true(plane[i][1] == 0);
    }
    assert_true(ratio[0] == 1 && ratio[1] == 0);
}

static void test_nothing(void **state)
{
    (void)state;
    tt_provenance provenance = {"embed", "none", "", "", 1};
    assert_int_equal(
        tt_embed(&world, &provenance, TT_TESTS "/linalg/matrix_cases.h5:/empty", scratch("no.h5")),
        TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "/empty has 0 valid rows"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_plane),
    cmocka_unit_test(test_one_column),
    cmocka_unit_test(test_nothing),
};
TT_TEST_MAIN(cases)
