/* Files of other programs (foreign.h5, written by foreign.py), and what is no such file. */
#include "test.h"

#include "tutti/store.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tt_store *open_foreign(void)
{
    tt_store *store;
    assert_ok(tt_store_open(&world, TT_TESTS "/store/foreign.h5", &store));
    return store;
}

static tt_column column_of(tt_store *store, const char *name)
{
    tt_column c;
    bool found;
    assert_ok(tt_store_column(store, name, &c, &found));
    assert_true(found);
    return c;
}

static void expect_rows(tt_store *store, const char *name, tt_type type, int64_t width, double from,
                        double per_row, double per_column)
{
    tt_column c = column_of(store, name);
    double x[40 * 5];
    assert_int_equal(c.type, type);
    assert_int_equal(c.dims[0], 40);
    assert_ok(tt_store_read(store, name, 3, 37, TT_F64, x));
    for (int64_t i = 0; i < 37 * width; i++)
        assert_near(x[i], from + per_row * (double)(3 + i / width) + per_column * (double)(i % width), 0);
}

static void test_numbers(void **state)
{
    (void)state;
    tt_store *store = open_foreign();
    expect_rows(store, "/f16", TT_F16, 3, 0, 0.5, 1);
    float halves[3 * 3];
    assert_ok(tt_store_read(store, "/f16", 37, 3, TT_F32, halves));
    for (int i = 0; i < 9; i++) assert_near(halves[i], (37 + i / 3) * 0.5 + i % 3, 0);
    expect_rows(store, "/big_f32", TT_F32, 1, 0, 0.25, 0);
    expect_rows(store, "/i8", TT_I32, 1, -20, 1, 0);
    expect_rows(store, "/u16", TT_I32, 1, 60000, 1, 0);
    expect_rows(store, "/big_i64", TT_I64, 1, 0, 1e12, 0);
    expect_rows(store, "/deflated", TT_I32, 5, 0, 7, 1);
    uint8_t yes[40];
    column_of(store, "/bool");
    assert_ok(tt_store_read(store, "/bool", 0, 40, TT_U8, yes));
    for (int i = 0; i < 40; i++) assert_int_equal(yes[i], i % 3 == 0);
    float scalar, none;
    assert_int_equal(column_of(store, "/scalar").dims[0], 1);
    assert_ok(tt_store_read(store, "/scalar", 0, 1, TT_F32, &scalar));
    assert_near(scalar, 2.5, 0);
    assert_int_equal(column_of(store, "/empty").dims[0], 0);
    assert_ok(tt_store_read(store, "/empty", 0, 0, TT_F32, &none));
    tt_store_close(store);
}

static void test_texts(void **state)
{
    (void)state;
    tt_store *store = open_foreign();
    tt_column c = column_of(store, "/text");
    char text[40 * 64], expected[64];
    assert_int_equal(c.type, TT_TEXT);
    assert_int_equal(c.text_bytes, 3 * strlen("গান 39"));
    assert_ok(tt_store_read(store, "/text", 0, 40, TT_TEXT, text));
    for (int i = 0; i < 40; i++) {
        char once[32];
        snprintf(once, sizeof once, "গান %d", i);
        memset(expected, 0, sizeof expected);
        for (int k = 0; k < i % 4; k++) strcat(expected, once);
        assert_memory_equal(text + i * c.text_bytes, expected, (size_t)c.text_bytes);
    }
    c = column_of(store, "/fixed");
    assert_int_equal(c.text_bytes, 6);
    assert_ok(tt_store_read(store, "/fixed", 7, 1, TT_TEXT, text));
    assert_memory_equal(text, "t7\0\0\0\0", 6);
    tt_store_close(store);
}

static void test_attributes(void **state)
{
    (void)state;
    tt_store *store = open_foreign();
    char **names, *unit;
    int n;
    double rate;
    bool found;
    assert_ok(tt_store_get_names(store, "/f16", "names", &names, &n));
    assert_int_equal(n, 3);
    assert_string_equal(names[2], "তিন");
    free(names);
    assert_ok(tt_store_get_names(store, "/f16", "fixed_names", &names, &n));
    assert_int_equal(n, 3);
    assert_string_equal(names[2], "three");
    free(names);
    assert_ok(tt_store_get_text(store, "/f16", "unit", &unit));
    assert_string_equal(unit, "dB");
    free(unit);
    assert_ok(tt_store_get_number(store, "/f16", "rate", &rate, &found));
    assert_true(found);
    assert_near(rate, 22050, 0);
    assert_ok(tt_store_get_text(store, "/f16", "nothing", &unit));
    assert_null(unit);
    assert_ok(tt_store_get_number(store, "/nowhere", "nothing", &rate, &found));
    assert_false(found);
    tt_store_close(store);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    tt_store *store = open_foreign();
    tt_column c;
    bool found;
    float x[4];
    assert_int_equal(tt_store_column(store, "/pair", &c, &found), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "/pair holds neither numbers nor text"));
    assert_int_equal(tt_store_column(store, "/cube5", &c, &found), TT_ERR_INPUT);
    assert_int_equal(tt_store_read(store, "/text", 0, 1, TT_F32, x), TT_ERR_INPUT);
    assert_int_equal(tt_store_read(store, "/u16", 0, 1, TT_TEXT, x), TT_ERR_INPUT);
    assert_int_equal(tt_store_read(store, "/u1", 0, 1, TT_F32, x), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "foreign.h5 has no dataset /u1 (it has /big_f32, /big_i64, "));
    assert_ok(tt_store_column(store, "/u1/x", &c, &found));
    assert_false(found);
    int64_t blocks, damaged;
    assert_ok(tt_store_verify(store, &blocks, &damaged));
    assert_int_equal(blocks, 0);
    tt_store_close(store);
}

static void put(const char *path, const char *bytes, long n)
{
    if (world.rank == 0) {
        FILE *f = fopen(path, "wb");
        fwrite(bytes, 1, (size_t)n, f);
        fclose(f);
    }
    MPI_Barrier(world.mpi);
}

static void expect_refused(const char *path, tt_status status, const char *message)
{
    tt_store *store;
    char *fingerprint;
    assert_int_equal(tt_store_open(&world, path, &store), status);
    if (!strstr(tt_message(), message) || !strstr(tt_message(), path)) fail_msg("%s", tt_message());
    assert_null(store);
    assert_ok(tt_store_fingerprint(path, &fingerprint));
    assert_null(fingerprint);
}

static void test_no_such_file(void **state)
{
    (void)state;
    static char bytes[16384];
    FILE *f = fopen(TT_TESTS "/store/foreign.h5", "rb");
    long n = (long)fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    expect_refused(scratch("nothing.h5"), TT_ERR_IO, "No such file");
    expect_refused(TT_TESTS "/store", TT_ERR_INPUT, "is a folder");
    expect_refused("/dev/null", TT_ERR_INPUT, "not a regular file");
    put(scratch("text.h5"), "hello", 5);
    expect_refused(scratch("text.h5"), TT_ERR_INPUT, "is not an HDF5 file");
    put(scratch("empty.h5"), "", 0);
    expect_refused(scratch("empty.h5"), TT_ERR_INPUT, "is empty");
    put(scratch("cut.h5"), bytes, n / 2);
    expect_refused(scratch("cut.h5"), TT_ERR_INPUT, "truncated or damaged");
}

static void split(const char *spec, const char *file, const char *dataset)
{
    char *f, *d;
    assert_ok(tt_store_split(spec, "/x", &f, &d));
    assert_string_equal(f, file);
    assert_string_equal(d, dataset);
    free(f);
    free(d);
}

static void test_split(void **state)
{
    (void)state;
    char *f, *d;
    split("a.h5", "a.h5", "/x");
    split("a.h5:/mu", "a.h5", "/mu");
    split("c:d/a.h5:/clip/track", "c:d/a.h5", "/clip/track");
    assert_int_equal(tt_store_split("a.h5", NULL, &f, &d), TT_ERR_USAGE);
    assert_int_equal(tt_store_split("", "/x", &f, &d), TT_ERR_USAGE);
    assert_int_equal(tt_store_split(":/x", "/x", &f, &d), TT_ERR_USAGE);
    assert_int_equal(tt_store_split("a.h5:/", "/x", &f, &d), TT_ERR_USAGE);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_numbers),      cmocka_unit_test(test_texts),
    cmocka_unit_test(test_attributes),   cmocka_unit_test(test_what_cannot_be_read),
    cmocka_unit_test(test_no_such_file), cmocka_unit_test(test_split),
};
TT_TEST_MAIN(cases)
