/* Messages, allocation, hashes, times in words. */
#include "test.h"

#include "tutti/hash.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/timer.h"

#include <string.h>

static void test_messages(void **state)
{
    (void)state;
    assert_int_equal(tt_fail(TT_ERR_IO, "cannot open %s", "a.wav"), TT_ERR_IO);
    assert_string_equal(tt_message(), "cannot open a.wav");
    assert_int_equal(tt_fail_because(TT_ERR_INPUT, "extract"), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "extract: cannot open a.wav");
    assert_int_equal(tt_fail(TT_ERR_IO, "again: %s", tt_message()), TT_ERR_IO);
    assert_string_equal(tt_message(), "again: extract: cannot open a.wav");
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(tt_exit_code(TT_OK), 0);
    assert_int_equal(tt_exit_code(TT_ERR_IO), 1);
    assert_int_equal(tt_exit_code(TT_ERR_CONFIG), 2);
    assert_int_equal(tt_exit_code(TT_ERR_USAGE), 2);
    assert_int_equal(tt_exit_code(TT_STOPPED), 75);
}

static void test_allocation(void **state)
{
    (void)state;
    double *x;
    assert_ok(tt_alloc(3, sizeof *x, "three", &x));
    assert_int_equal((uintptr_t)x % 64, 0);
    assert_true(x[0] == 0 && x[2] == 0);
    x[2] = 5;
    assert_ok(tt_grow(3, 100, sizeof *x, "more", &x));
    assert_true(x[2] == 5 && x[99] == 0);
    free(x);
    assert_int_equal(tt_alloc(INT64_MAX, 16, "the moon", &x), TT_ERR_MEMORY);
    assert_null(x);
    assert_non_null(strstr(tt_message(), "the moon"));
}

/* "ab","c" and "a","bc" differ; so do no text and an empty one; a checksum is never 0. */
static void test_hash_frames_fields(void **state)
{
    (void)state;
    tt_hash a = tt_hash_start(), b = tt_hash_start(), c = tt_hash_start(), d = tt_hash_start();
    tt_hash_text(&a, "ab");
    tt_hash_text(&a, "c");
    tt_hash_text(&b, "a");
    tt_hash_text(&b, "bc");
    tt_hash_text(&c, NULL);
    tt_hash_text(&d, "");
    assert_true(a.low != b.low && c.low != d.low);
    char text[TT_HASH_TEXT];
    tt_hash_print(&a, text);
    assert_int_equal(strlen(text), 32);
    assert_true(tt_checksum("", 0) != 0);
    tt_checksum_sum *sum;
    assert_ok(tt_checksum_new(&sum));
    assert_true(tt_checksum_get(sum) == tt_checksum("", 0));
    tt_checksum_add(sum, "ab", 2);
    tt_checksum_add(sum, "c", 1);
    assert_true(tt_checksum_get(sum) == tt_checksum("abc", 3));
    tt_checksum_free(sum);
}

static void test_seconds_in_words(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } table[] = {{0.84, "0.8 s"},      {9.96, "10 s"},      {59.4, "59 s"},
                 {59.9, "1 min 00 s"}, {200, "3 min 20 s"}, {7500, "2 h 05 min"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[32];
        tt_format_seconds(table[i].seconds, text, sizeof text);
        assert_string_equal(text, table[i].text);
    }
}

static void test_phases_add_up(void **state)
{
    (void)state;
    tt_phases p = {0};
    double since = tt_now();
    tt_phase(&p, "a");
    tt_phase(&p, "b");
    tt_phase(&p, "a");
    tt_phase(&p, NULL);
    assert_int_equal(p.n, 2);
    assert_true(p.phase[0].seconds + p.phase[1].seconds <= tt_now() - since);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_messages),         cmocka_unit_test(test_exit_codes),
    cmocka_unit_test(test_allocation),       cmocka_unit_test(test_hash_frames_fields),
    cmocka_unit_test(test_seconds_in_words), cmocka_unit_test(test_phases_add_up),
};
TT_TEST_MAIN(cases)
