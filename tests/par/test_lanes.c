/* Sums over lanes: the bits of the tree written naively, on any number of ranks, in passes of any size. */
#include "test.h"

#include "tutti/lanes.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <string.h>

enum { TAIL = 3 };

static float leaf(int64_t lane, int64_t i)
{
    tt_stream s = {7, TT_FOR_TEST, 0};
    double size = tt_random_normal(s, (uint64_t)lane, (uint64_t)(2 * i));
    return (float)(size * (1 + 1e4 * tt_random_uniform(s, (uint64_t)lane, (uint64_t)(2 * i + 1))));
}

/* The sum over [first, first + width) of the lanes below n. */
static float tree(int64_t first, int64_t width, int64_t n, int64_t i)
{
    if (width == 1) return leaf(first, i);
    if (first + width / 2 >= n) return tree(first, width / 2, n, i);
    return tree(first, width / 2, n, i) + tree(first + width / 2, width / 2, n, i);
}

/* This rank's lanes; whole subtrees come summed up already. */
static void push_all(tt_lanes *sum, int64_t lanes, int64_t m)
{
    tt_range mine = tt_partition(lanes, 1, world.size, world.rank);
    int64_t first, n, done = 0;
    float *room;
    while ((n = tt_lanes_next(sum, &first, &room)) > 0) {
        assert_int_equal(first, done);
        assert_int_equal((mine.begin + first) % n, 0);
        for (int64_t i = 0; i < m + TAIL; i++) room[i] = tree(mine.begin + first, n, lanes, i);
        tt_lanes_commit(sum);
        done += n;
    }
    assert_int_equal(done, mine.end - mine.begin);
}

static void check(int64_t lanes, int64_t at_once, int64_t m)
{
    tt_lanes *sum;
    tt_phases phases = {0};
    const float *part;
    float tail[TAIL], *whole;
    int64_t width = 1;
    while (width < lanes) width *= 2;
    assert_ok(tt_lanes_new(&world, lanes, at_once, m, TAIL, &sum));
    assert_ok(tt_alloc(m, sizeof *whole, "test", &whole));
    for (int again = 0; again < 2; again++) {
        push_all(sum, lanes, m);
        assert_ok(tt_lanes_finish(sum, TT_OK, tail, &phases));
        tt_range slice = tt_lanes_slice(sum, &part);
        memset(whole, 0, (size_t)m * sizeof *whole);
        memcpy(whole + slice.begin, part, (size_t)(slice.end - slice.begin) * sizeof *whole);
        tt_lanes_share(sum, whole);
        for (int64_t i = 0; i < m + TAIL; i += i + 40 < m ? 37 : 1) {
            float expected = tree(0, width, lanes, i);
            assert_memory_equal(i < m ? &whole[i] : &tail[i - m], &expected, sizeof expected);
        }
    }
    tt_lanes_free(sum);
    free(whole);
}

static void test_trees(void **state)
{
    (void)state;
    for (int64_t lanes = 1; lanes < 20; lanes += 3) check(lanes, 1, 5);
    for (int64_t lanes = 1; lanes < 20; lanes += 2) check(lanes, 4, 3000);
    check(16, 16, 2 * TT_LANES_BLOCK);
}

/* Everyone hears of it, and the next sum is whole again. */
static void test_error_is_everyones(void **state)
{
    (void)state;
    tt_lanes *sum;
    tt_phases phases = {0};
    float tail[TAIL];
    assert_ok(tt_lanes_new(&world, 8, 8, 2000, TAIL, &sum));
    tt_status mine = world.rank == world.size - 1 ? tt_fail(TT_ERR_IO, "the last rank's") : TT_OK;
    assert_int_equal(tt_lanes_finish(sum, mine, tail, &phases), TT_ERR_IO);
    assert_string_equal(tt_message(), "the last rank's");
    push_all(sum, 8, 2000);
    assert_ok(tt_lanes_finish(sum, TT_OK, tail, &phases));
    float expected = tree(0, 8, 8, 2000);
    assert_memory_equal(&tail[0], &expected, sizeof expected);
    tt_lanes_free(sum);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_trees),
    cmocka_unit_test(test_error_is_everyones),
};
TT_TEST_MAIN(cases)
