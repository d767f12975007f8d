/* Arrays for NumPy: the header byte for byte as numpy.save() writes it, the rows where they belong. */
#include "test.h"

#include "tutti/half.h"
#include "tutti/memory.h"
#include "tutti/npy.h"

#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20 };

/* The whole of a file; its size in *n. */
static char *slurp(const char *path, int64_t *n)
{
    static char all[FILE_BYTES];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *n = (int64_t)fread(all, 1, sizeof all, f);
    fclose(f);
    return all;
}

/* Header of 64 or 128 bytes around the dictionary; returns where the rows begin. */
static const char *check_header(const char *path, const char *dictionary, int64_t data_bytes)
{
    int64_t n, expected = strlen(dictionary) + 11 <= 64 ? 64 : 128;
    const char *all = slurp(path, &n);
    assert_int_equal(n, expected + data_bytes);
    assert_memory_equal(all, "\x93NUMPY\x01\x00", 8);
    assert_int_equal((unsigned char)all[8] + 256 * all[9], expected - 10);
    assert_memory_equal(all + 10, dictionary, strlen(dictionary));
    for (int64_t i = 10 + (int64_t)strlen(dictionary); i < expected - 1; i++) assert_int_equal(all[i], ' ');
    assert_int_equal(all[expected - 1], '\n');
    return all + expected;
}

static float value(int64_t row, int64_t i)
{
    return (float)(row % 1000) + (float)i / 8;
}

static tt_status floats(void *context, int64_t first, int64_t count, void *rows)
{
    int64_t width = *(const int64_t *)context;
    float *x = rows;
    for (int64_t i = 0; i < count * width; i++) x[i] = value(first + i / width, i % width);
    return TT_OK;
}

static void write_floats(const char *path, int64_t rows, int64_t width)
{
    const tt_column shape = {.name = "x", .type = TT_F32, .n_dims = 2, .dims = {rows, width}};
    assert_ok(tt_npy_write(&world, path, &shape, false, floats, &width));
    MPI_Barrier(world.mpi);
}

/* What numpy.save() of NumPy 1.24 writes for these shapes. */
static void test_matrix(void **state)
{
    (void)state;
    write_floats(scratch("m.npy"), 3000, 5);
    const char *data = check_header(scratch("m.npy.part"),
                                    "{'descr': '<f4', 'fortran_order': False, 'shape': (3000, 5), }", 60000);
    for (int64_t i = 0; i < 15000; i++) {
        float x;
        memcpy(&x, data + 4 * i, 4);
        assert_near(x, value(i / 5, i % 5), 0);
    }
    write_floats(scratch("none.npy"), 0, 5);
    check_header(scratch("none.npy.part"), "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }", 0);
    assert_int_equal(access(scratch("m.npy"), F_OK), -1); /* names are the caller's to publish */
}

static tt_status marks(void *context, int64_t first, int64_t count, void *rows)
{
    (void)context;
    for (int64_t i = 0; i < count; i++) ((uint8_t *)rows)[i] = (first + i) % 3 == 0;
    return TT_OK;
}

static void test_mask(void **state)
{
    (void)state;
    const tt_column shape = {.name = "valid", .type = TT_U8, .n_dims = 1, .dims = {700}};
    assert_ok(tt_npy_write(&world, scratch("b.npy"), &shape, true, marks, NULL));
    MPI_Barrier(world.mpi);
    const char *data = check_header(scratch("b.npy.part"),
                                    "{'descr': '|b1', 'fortran_order': False, 'shape': (700,), }", 700);
    for (int i = 0; i < 700; i++) assert_int_equal(data[i], i % 3 == 0);
}

/* Rows of the last rank fail: all ranks hear of it. */
static tt_status fail_late(void *context, int64_t first, int64_t count, void *rows)
{
    (void)context;
    memset(rows, 0, (size_t)count * 4);
    return first + count == 700 ? tt_fail(TT_ERR_INPUT, "row 699 is damaged") : TT_OK;
}

static void test_failure(void **state)
{
    (void)state;
    const tt_column shape = {.name = "x", .type = TT_F32, .n_dims = 1, .dims = {700}};
    assert_int_equal(tt_npy_write(&world, scratch("f.npy"), &shape, false, fail_late, NULL), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "row 699 is damaged");
    assert_int_equal(tt_npy_write(&world, scratch("no/f.npy"), &shape, false, fail_late, NULL), TT_ERR_IO);
    assert_non_null(strstr(tt_message(), "no/f.npy.part"));
}

/* Datasets keep their types: foreign.h5 is what h5py wrote. */
static void test_datasets(void **state)
{
    (void)state;
    static const struct {
        const char *dataset, *dictionary;
        int64_t bytes;
    } table[] = {
        {"/f16", "{'descr': '<f2', 'fortran_order': False, 'shape': (40, 3), }", 240},
        {"/big_i64", "{'descr': '<i8', 'fortran_order': False, 'shape': (40,), }", 320},
        {"/i8", "{'descr': '<i4', 'fortran_order': False, 'shape': (40,), }", 160},
        {"/fixed", "{'descr': '|S6', 'fortran_order': False, 'shape': (40,), }", 240},
        {"/scalar", "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8},
        {"/empty", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", 0},
    };
    tt_store *store;
    assert_ok(tt_store_open(&world, TT_TESTS "/store/foreign.h5", &store));
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        char name[64];
        snprintf(name, sizeof name, "%s.npy", table[t].dataset + 1);
        assert_ok(tt_npy_from(&world, store, table[t].dataset, false, scratch(name)));
        MPI_Barrier(world.mpi);
        strcat(name, ".part");
        const char *data = check_header(scratch(name), table[t].dictionary, table[t].bytes);
        if (t > 0) continue;
        uint16_t half[120];
        float x[120];
        memcpy(half, data, sizeof half);
        tt_half_unpack(120, half, x);
        for (int i = 0; i < 120; i++) assert_near(x[i], i / 3 * 0.5 + i % 3, 0);
    }
    assert_int_equal(tt_npy_from(&world, store, "/nothing", false, scratch("x.npy")), TT_ERR_INPUT);
    tt_store_close(store);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_matrix),
    cmocka_unit_test(test_mask),
    cmocka_unit_test(test_failure),
    cmocka_unit_test(test_datasets),
};
TT_TEST_MAIN(cases)
