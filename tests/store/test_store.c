/* Row tables: every type, uneven and empty ranks, resume, damage, publish. */
#include "test.h"

#include "tutti/hash.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tt_provenance origin = {"extract", "abc", "seed: 1\n", "x.wav 00\n", 7};

enum { WIDE = 37, TEXT_BYTES = 9 };

/* Element i of row `row` of a column, whatever rank asks. */
static double value_of(tt_type type, int64_t row, int64_t i)
{
    int64_t v = (row * 31 + i * 7) % 251;
    return type == TT_U8 ? (double)v : type == TT_U64 ? (double)(v + 5) : (double)(v - 100);
}

static void fill(const tt_column *c, int64_t first, int64_t count, void *data)
{
    int64_t width = 1;
    for (int i = 1; i < c->n_dims; i++) width *= c->dims[i];
    for (int64_t k = 0; k < count * width; k++) {
        double v = value_of(c->type, first + k / width, k % width);
        switch (c->type) {
        case TT_U8:
            ((uint8_t *)data)[k] = (uint8_t)v;
            break;
        case TT_I32:
            ((int32_t *)data)[k] = (int32_t)v;
            break;
        case TT_I64:
            ((int64_t *)data)[k] = (int64_t)v;
            break;
        case TT_U64:
            ((uint64_t *)data)[k] = (uint64_t)v;
            break;
        case TT_F32:
            ((float *)data)[k] = (float)v;
            break;
        case TT_F64:
            ((double *)data)[k] = v;
            break;
        case TT_TEXT: {
            char text[32];
            memset((char *)data + k * c->text_bytes, 0, (size_t)c->text_bytes);
            int n = snprintf(text, sizeof text, "\xe0\xa6\x95%lld", (long long)v); /* Bengali ka */
            memcpy((char *)data + k * c->text_bytes, text, (size_t)(n < c->text_bytes ? n : c->text_bytes));
        }
        }
    }
}

static size_t row_bytes(const tt_column *c)
{
    static const size_t bytes[] = {1, 4, 8, 8, 4, 8, 0};
    size_t n = c->type == TT_TEXT ? (size_t)c->text_bytes : bytes[c->type];
    for (int i = 1; i < c->n_dims; i++) n *= (size_t)c->dims[i];
    return n;
}

static void *rows_of(const tt_column *c, int64_t first, int64_t count)
{
    char *data;
    assert_ok(tt_alloc(count * (int64_t)row_bytes(c), 1, "rows", &data));
    fill(c, first, count, data);
    return data;
}

static tt_status write_share(tt_store *store, const tt_column *c, int64_t *skipped)
{
    int64_t block = c->block_rows ? c->block_rows : TT_BLOCK_ROWS;
    tt_range mine = tt_partition(c->dims[0], block, world.size, world.rank);
    for (int64_t r = mine.begin; r < mine.end; r += block) {
        int64_t n = mine.end - r < block ? mine.end - r : block;
        bool done;
        TT_TRY(tt_store_rows_done(store, c->name, r, n, &done));
        if (skipped) *skipped += done;
        if (done) continue;
        void *data = rows_of(c, r, n);
        tt_status s = tt_store_write(store, c->name, r, n, data);
        free(data);
        TT_TRY(s);
    }
    return TT_OK;
}

static void check_all(tt_store *store, const tt_column *c)
{
    void *expected = rows_of(c, 0, c->dims[0]), *got = rows_of(c, 0, 0);
    free(got);
    assert_ok(tt_alloc(c->dims[0] * (int64_t)row_bytes(c), 1, "rows", &got));
    assert_ok(tt_store_read(store, c->name, 0, c->dims[0], c->type, got));
    assert_memory_equal(got, expected, (size_t)c->dims[0] * row_bytes(c));
    free(got);
    free(expected);
}

static void all_types(int64_t rows, tt_column c[7])
{
    static const char *const names[] = {"/u8", "/a/i32", "/a/i64", "/a/b/u64", "/f32", "/f64", "/text"};
    for (int t = 0; t < 7; t++) {
        c[t] = (tt_column){.name = names[t],
                           .type = (tt_type)t,
                           .n_dims = 1 + t % 3,
                           .block_rows = t == 4   ? 5
                                         : t == 2 ? 1
                                                  : 0};
        c[t].dims[0] = rows;
        c[t].dims[1] = t % 3 > 0 ? WIDE : 0;
        c[t].dims[2] = t % 3 > 1 ? 2 : 0;
        c[t].text_bytes = t == TT_TEXT ? TEXT_BYTES : 0;
    }
}

static void write_and_read(int64_t rows)
{
    const char *path = scratch("types.h5");
    tt_store *store;
    tt_column c[7];
    all_types(rows, c);
    assert_ok(tt_store_create(&world, path, &origin, c, 7, &store));
    assert_false(tt_store_resumed(store));
    for (int t = 0; t < 7; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    assert_ok(tt_store_open(&world, path, &store));
    for (int t = 0; t < 7; t++) {
        tt_column got;
        bool found;
        assert_ok(tt_store_column(store, c[t].name, &got, &found));
        assert_true(found);
        assert_int_equal(got.type, c[t].type);
        assert_int_equal(got.n_dims, c[t].n_dims);
        for (int d = 0; d < got.n_dims; d++) assert_int_equal(got.dims[d], c[t].dims[d]);
        check_all(store, &c[t]);
    }
    int64_t blocks, damaged;
    assert_ok(tt_store_verify(store, &blocks, &damaged));
    assert_int_equal(blocks, 5 * ((rows + 255) / 256) + (rows + 4) / 5 + rows);
    assert_int_equal(damaged, 0);
    tt_store_close(store);
}

static void test_types(void **state)
{
    (void)state;
    write_and_read(0);
    write_and_read(1);
    write_and_read(700);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_types),
};
TT_TEST_MAIN(cases)
