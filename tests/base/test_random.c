/* Counter-based random numbers: published vectors, moments, and the permutation. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

/* Known answers for philox4x64-10 that Random123 publishes (kat_vectors). */
static void test_published_vectors(void **state)
{
    (void)state;
    static const uint64_t zeros[4] = {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b,
                                      0x7e68b68aec7ba23b};
    uint64_t words[4];
    tt_random_words((tt_stream){0, (tt_purpose)0, 0}, 0, 0, words);
    assert_memory_equal(words, zeros, sizeof zeros);
}

static void test_streams_differ(void **state)
{
    (void)state;
    tt_stream s = {1, TT_FOR_TEST, 0}, seed = {2, TT_FOR_TEST, 0}, purpose = {1, TT_FOR_NOISE, 0},
              epoch = {1, TT_FOR_TEST, 1};
    double u = tt_random_uniform(s, 5, 7);
    assert_true(u != tt_random_uniform(seed, 5, 7));
    assert_true(u != tt_random_uniform(purpose, 5, 7));
    assert_true(u != tt_random_uniform(epoch, 5, 7));
    assert_true(u != tt_random_uniform(s, 6, 7));
    assert_true(u != tt_random_uniform(s, 5, 8));
    assert_true(u == tt_random_uniform(s, 5, 7));
}

/* Mean and variance within five standard errors of the distribution's own. */
static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    tt_stream s = {3, TT_FOR_TEST, 0};
    float *x;
    double sum = 0, squares = 0, uniform = 0, fourth = 0;
    assert_ok(tt_alloc(N, sizeof *x, "test", &x));
    tt_random_normals(s, 0, N, x);
    for (int i = 0; i < N; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        fourth += pow(x[i], 4);
        uniform += tt_random_uniform(s, 1, (uint64_t)i);
    }
    assert_near(sum / N, 0, 5 / sqrt(N));
    assert_near(squares / N, 1, 5 * sqrt(2.0 / N));
    assert_near(fourth / N, 3, 5 * sqrt(96.0 / N));
    assert_near(uniform / N, 0.5, 5 / sqrt(12.0 * N));
    free(x);
}

static void test_prefix(void **state)
{
    (void)state;
    tt_stream s = {4, TT_FOR_TEST, 0};
    float few[3], many[10];
    tt_random_normals(s, 9, 3, few);
    tt_random_normals(s, 9, 10, many);
    assert_memory_equal(few, many, sizeof few);
}

static void test_permutation_is_one(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 1000, 4097};
    unsigned char seen[4097];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        tt_stream s = {5, TT_FOR_TEST, k};
        uint64_t fixed = 0;
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < sizes[k]; i++) {
            uint64_t to = tt_random_permute(s, i, sizes[k]);
            assert_true(to < sizes[k] && !seen[to]);
            seen[to] = 1;
            fixed += to == i;
        }
        if (sizes[k] >= 1000) assert_true(fixed < 12); /* one is expected; more than 11 has odds of 1e-9 */
    }
}

static void test_below_is_even(void **state)
{
    (void)state;
    int count[7] = {0};
    for (uint64_t i = 0; i < 70000; i++) count[tt_random_below((tt_stream){6, TT_FOR_TEST, 0}, 0, i, 7)]++;
    for (int i = 0; i < 7; i++) assert_near(count[i], 10000, 5 * sqrt(10000 * 6 / 7.0));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_published_vectors),
    cmocka_unit_test(test_streams_differ),
    cmocka_unit_test(test_moments),
    cmocka_unit_test(test_prefix),
    cmocka_unit_test(test_permutation_is_one),
    cmocka_unit_test(test_below_is_even),
};
TT_TEST_MAIN(cases)
