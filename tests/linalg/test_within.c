/* Whitening by what varies within tracks and between near rows against NumPy and scikit-learn. */
#include "test.h"

#include "linalg/within.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <math.h>

#define GOLDEN TT_TESTS "/linalg/within_golden.h5"

static void *golden(const char *group, const char *leaf, tt_type type, int64_t rows, int64_t cols)
{
    char name[64];
    tt_store *store;
    void *data;
    snprintf(name, sizeof name, "/%s/%s", group, leaf);
    assert_ok(tt_store_open(&world, GOLDEN, &store));
    assert_ok(tt_alloc(rows * cols, 8, name, &data));
    assert_ok(tt_store_read(store, name, 0, rows, type, data));
    tt_store_close(store);
    return data;
}

static void check_near(const float *got, const double *expected, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(expected[i]));
    for (int64_t i = 0; i < n; i++) assert_near(got[i], expected[i], 1e-6 * largest); /* they are floats */
}

static void check(const char *group, int64_t rows, int64_t n)
{
    double *z = golden(group, "z", TT_F64, rows, n), *forth = golden(group, "forth", TT_F64, n, n),
           *back = golden(group, "back", TT_F64, n, n);
    int64_t *track = golden(group, "track", TT_I64, rows, 1);
    float got[2][64];
    bool found, first = world.rank == 0;
    assert_ok(within_whitening(&world, first ? rows : 0, n, first ? z : NULL, first ? track : NULL, 3.5,
                               got[0], got[1], &found));
    assert_true(found);
    check_near(got[0], forth, n * n);
    check_near(got[1], back, n * n);
    free(z);
    free(forth);
    free(back);
    free(track);
}

static void test_golden(void **state)
{
    (void)state;
    check("tracks", 300, 8);
    check("single", 700, 5); /* more than a chunk of rows */
    check("few", 4, 6);
}

/* Rows that are all equal have nothing within. */
static void test_equal(void **state)
{
    (void)state;
    const double z[3 * 2] = {0};
    const int64_t track[3] = {0, 0, 1};
    float forth[4] = {0}, back[4];
    bool found = true;
    assert_ok(within_whitening(&world, world.rank == 0 ? 3 : 0, 2, z, track, 2, forth, back, &found));
    assert_false(found);
    assert_true(forth[0] == 0);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),
    cmocka_unit_test(test_equal),
};
TT_TEST_MAIN(cases)
