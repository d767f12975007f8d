/* Parting the work: every unit is done once, whoever begins with it. */
#include "test.h"

#include "features/extract.h"
#include "tutti/memory.h"

#include <string.h>

/** Lists of `units[r]` units on rank r, numbered over all; take them all, each rank at its own pace. */
static void take_all(const int64_t *units)
{
    int64_t before = 0, all = 0;
    for (int r = 0; r < world.size; r++) {
        before += r < world.rank ? units[r] : 0;
        all += units[r];
    }
    int64_t mine = units[world.rank], *times;
    deal d;
    unit *list;
    assert_ok(tt_alloc(mine, sizeof *list, "units", &list));
    for (int64_t i = mine - 1, left = 0; i >= 0; i--) {
        list[i] = (unit){.index = before + i, .clips = (int32_t)(1 + i % 7)};
        list[i].left = left += plan_work(list[i].clips);
    }
    assert_ok(deal_new(&world, list, mine, 1, &d));
    assert_ok(tt_alloc(all, sizeof *times, "units", &times));
    unit took[TAKE_MAX];
    for (int n; (n = deal_take(&d, took)) > 0;)
        for (int i = 0; i < n; i++) {
            assert_true(took[i].index >= 0 && took[i].index < all);
            assert_true(i == 0 || took[i].index == took[i - 1].index + 1);
            times[took[i].index]++;
        }
    assert_int_equal(deal_take(&d, took), 0);
    MPI_Request others;
    int done = 0;
    for (MPI_Ibarrier(world.mpi, &others); !done; MPI_Test(&others, &done, MPI_STATUS_IGNORE)) deal_serve(&d);
    deal_free(&d);
    free(list);
    MPI_Allreduce(MPI_IN_PLACE, times, (int)all, MPI_INT64_T, MPI_SUM, world.mpi);
    for (int64_t i = 0; i < all; i++) assert_int_equal(times[i], 1);
    free(times);
}

static void every_unit_is_taken_once(void **state)
{
    (void)state;
    int64_t units[64] = {0};
    take_all(units); /* nothing to do */
    units[world.size - 1] = 1;
    take_all(units); /* more ranks than units */
    units[world.size - 1] = 1000;
    take_all(units); /* all with one */
    for (int r = 0; r < world.size; r++) units[r] = 37 * ((r * 5) % 8);
    take_all(units);
}

/** One list of a long unit and many short ones: the first take is the long one alone, later ones are of
 * several. */
static void long_units_go_alone(void **state)
{
    (void)state;
    tt_comm alone = tt_comm_wrap(MPI_COMM_SELF);
    deal d;
    enum { N = 401 };
    unit list[N], took[TAKE_MAX];
    for (int64_t i = N - 1, left = 0; i >= 0; i--) {
        list[i] = (unit){.index = i, .clips = i == 0 ? 1000 : 1};
        list[i].left = left += plan_work(list[i].clips);
    }
    assert_ok(deal_new(&alone, list, N, 2, &d));
    assert_int_equal(deal_take(&d, took), 1);
    int last = deal_take(&d, took), n;
    assert_true(last > 1 && last <= TAKE_MAX);
    for (int sum = 1 + last; sum < N; sum += n, last = n) {
        n = deal_take(&d, took);
        assert_true(n >= 1 && n <= last); /* smaller and smaller towards the end */
    }
    assert_int_equal(last, 1);
    deal_free(&d);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(every_unit_is_taken_once),
    cmocka_unit_test(long_units_go_alone),
};
TT_TEST_MAIN(cases)
