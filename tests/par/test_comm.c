/* Partition, agreement and exchange. */
#include "test.h"

#include <string.h>

static void test_partition_covers(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 60; n += 7)
        for (int64_t block = 1; block < 9; block += 3)
            for (int size = 1; size < 8; size++) {
                int64_t next = 0;
                for (int r = 0; r < size; r++) {
                    tt_range range = tt_partition(n, block, size, r);
                    assert_int_equal(range.begin, next);
                    assert_true(range.begin == n || range.begin % block == 0);
                    for (int64_t i = range.begin; i < range.end; i++)
                        assert_int_equal(tt_owner(n, block, size, i), r);
                    next = range.end;
                }
                assert_int_equal(next, n);
            }
}

static void test_partition_is_64_bit(void **state)
{
    (void)state;
    int64_t n = INT64_C(5000000000);
    assert_int_equal(tt_partition(n, TT_BLOCK_ROWS, 3, 2).end, n);
    assert_int_equal(tt_owner(n, TT_BLOCK_ROWS, 3, n - 1), 2);
}

static void test_worst_status_wins(void **state)
{
    (void)state;
    tt_status mine = world.rank == 0 ? tt_fail(TT_ERR_INPUT, "first") : TT_OK;
    if (world.rank == world.size - 1) mine = tt_fail(TT_ERR_MEMORY, "last");
    assert_int_equal(tt_agree(&world, mine), TT_ERR_MEMORY);
    assert_string_equal(tt_message(), "last");
    assert_int_equal(tt_agree(&world, TT_OK), TT_OK);
}

static void test_exchange(void **state)
{
    (void)state;
    int64_t count[64], got[64], total = 0;
    char sent[64 * 64], *received;
    for (int r = 0; r < world.size; r++) { /* r bytes of my rank number to rank r */
        count[r] = r;
        memset(sent + total, world.rank, (size_t)r);
        total += r;
    }
    assert_ok(tt_exchange(&world, sent, count, &received, got));
    for (int r = 0, at = 0; r < world.size; r++) {
        assert_int_equal(got[r], world.rank);
        for (int i = 0; i < world.rank; i++) assert_int_equal(received[at++], r);
    }
    free(received);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_partition_covers),
    cmocka_unit_test(test_partition_is_64_bit),
    cmocka_unit_test(test_worst_status_wins),
    cmocka_unit_test(test_exchange),
};
TT_TEST_MAIN(cases)
