/* Messages, allocation, hashes, half-precision numbers, times in words. */
#include "test.h"

#include "tutti/half.h"
#include "tutti/hash.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/timer.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

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
    assert_int_equal(tt_exit_code(TT_UNCHECKED), 3);
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

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Every half there is, and floats beside the middle between two: the definition, in double. */
static void test_halves(void **state)
{
    (void)state;
    static float all[65536];
    static uint16_t half[65536], back[65536];
    for (int i = 0; i < 65536; i++) half[i] = (uint16_t)i;
    tt_half_unpack(65536, half, all);
    tt_half_pack(65536, all, back);
    for (int i = 0; i < 65536; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
        if (exponent == 31) value = fraction ? NAN : INFINITY;
        if (i >= 32768) value = -value;
        if (isnan(value)) {
            assert_true(isnan(all[i]) && (back[i] & 0x7fff) > 0x7c00);
        } else {
            assert_true((double)all[i] == value);
            assert_int_equal(back[i], i);
        }
    }
    for (int i = 0; i < 0x7bff; i++) { /* three floats around the middle of i and i + 1 */
        uint32_t u;
        uint16_t got[3];
        float middle = (all[i] + all[i + 1]) / 2;
        memcpy(&u, &middle, sizeof u);
        float x[3] = {from_bits(u - 1), middle, from_bits(u + 1)};
        tt_half_pack(3, x, got);
        assert_int_equal(got[0], i);
        assert_int_equal(got[1], i + (i & 1));
        assert_int_equal(got[2], i + 1);
    }
    float large[4] = {65519.996f, 65520, 1e30f, -65536};
    uint16_t got[4], expected[4] = {0x7bff, 0x7c00, 0x7c00, 0xfc00};
    tt_half_pack(4, large, got);
    assert_memory_equal(got, expected, sizeof got);
    tt_half_unpack(2048, memcpy(all + 1024, half, 4096), all); /* in place */
    assert_true(all[1024] == from_bits(0x38800000u) && all[2047] == from_bits(0x38ffe000u));
}

static void test_memory_available(void **state)
{
    (void)state;
    double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    assert_true(tt_memory_available() > 0 && tt_memory_available() <= all);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_messages),         cmocka_unit_test(test_exit_codes),
    cmocka_unit_test(test_allocation),       cmocka_unit_test(test_hash_frames_fields),
    cmocka_unit_test(test_seconds_in_words), cmocka_unit_test(test_phases_add_up),
    cmocka_unit_test(test_halves),           cmocka_unit_test(test_memory_available),
};
TT_TEST_MAIN(cases)
