/* Order-independent sums: the bits of a sum over blocks do not depend on the number of ranks. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/sum.h"

#include <string.h>

static double leaf(int64_t block, int64_t i)
{
    tt_stream s = {7, TT_FOR_TEST, 0};
    double size = tt_random_normal(s, (uint64_t)block, (uint64_t)(2 * i));
    return size * (1 + 1e8 * tt_random_uniform(s, (uint64_t)block, (uint64_t)(2 * i + 1)));
}

/* The tree written naively: the sum over [first, first + width) of the blocks below n. */
static double tree(int64_t first, int64_t width, int64_t n, int64_t i)
{
    if (width == 1) return leaf(first, i);
    if (first + width / 2 >= n) return tree(first, width / 2, n, i);
    return tree(first, width / 2, n, i) + tree(first + width / 2, width / 2, n, i);
}

static void check(int64_t blocks, int64_t m)
{
    tt_range mine = tt_partition(blocks, 1, world.size, world.rank);
    tt_blocksum *sum;
    double *out, *row;
    assert_ok(tt_blocksum_new(m, mine.begin, &sum));
    assert_ok(tt_alloc(m, sizeof *out, "test", &out));
    assert_ok(tt_alloc(m, sizeof *row, "test", &row));
    for (int again = 0; again < 2; again++) {
        for (int64_t b = mine.begin; b < mine.end; b++) {
            for (int64_t i = 0; i < m; i++) row[i] = leaf(b, i);
            assert_ok(tt_blocksum_push(sum, row));
        }
        assert_ok(tt_blocksum_finish(sum, &world, TT_OK, out));
    }
    int64_t width = 1;
    while (width < blocks) width *= 2;
    for (int64_t i = 0; i<m; i += m> 100 ? 997 : 1) {
        double expected = tree(0, width, blocks, i);
        assert_memory_equal(&out[i], &expected, sizeof expected);
    }
    tt_blocksum_free(sum);
    free(out);
    free(row);
}

static void test_small(void **state)
{
    (void)state;
    for (int64_t blocks = 1; blocks < 40; blocks++) check(blocks, 3);
}

static void test_sliced(void **state)
{
    (void)state;
    check(1, 20000);
    check(13, 20001);
}

static void test_nothing(void **state)
{
    (void)state;
    tt_blocksum *sum;
    double out[2] = {1, 1};
    assert_ok(tt_blocksum_new(2, 0, &sum));
    assert_ok(tt_blocksum_finish(sum, &world, TT_OK, out));
    assert_true(out[0] == 0 && out[1] == 0);
    tt_blocksum_free(sum);
}

static void test_error_is_everyones(void **state)
{
    (void)state;
    tt_blocksum *sum;
    double out;
    assert_ok(tt_blocksum_new(1, 0, &sum));
    tt_status mine = world.rank == world.size - 1 ? tt_fail(TT_ERR_IO, "the last rank's") : TT_OK;
    assert_int_equal(tt_blocksum_finish(sum, &world, mine, &out), TT_ERR_IO);
    assert_string_equal(tt_message(), "the last rank's");
    tt_blocksum_free(sum);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_small),
    cmocka_unit_test(test_sliced),
    cmocka_unit_test(test_nothing),
    cmocka_unit_test(test_error_is_everyones),
};
TT_TEST_MAIN(cases)
