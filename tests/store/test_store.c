/* Row tables: every type, uneven and empty ranks, resume, damage, publish. */
#include "test.h"

#include "tutti/half.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include "store/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tt_provenance origin = {"extract", "abc", "seed: 1\n", "x.wav 00\n", 7};

enum { WIDE = 37, TEXT_BYTES = 9, TYPES = TT_TEXT + 1 };

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
        case TT_F16: {
            float x = (float)v;
            tt_half_pack(1, &x, (uint16_t *)data + k);
            break;
        }
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
    static const size_t bytes[TYPES] = {1, 4, 8, 8, 2, 4, 8, 0};
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

static void all_types(int64_t rows, tt_column c[TYPES])
{
    static const char *const names[] = {"/u8",  "/a/i32", "/a/i64", "/a/b/u64",
                                        "/f16", "/f32",   "/f64",   "/text"};
    for (int t = 0; t < TYPES; t++) {
        c[t] = (tt_column){.name = names[t],
                           .type = (tt_type)t,
                           .n_dims = 1 + t % 3,
                           .block_rows = t == TT_F32   ? 5
                                         : t == TT_I64 ? 3
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
    tt_column c[TYPES];
    all_types(rows, c);
    assert_ok(tt_store_create(&world, path, &origin, c, TYPES, &store));
    assert_false(tt_store_resumed(store));
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    assert_ok(tt_store_open(&world, path, &store));
    for (int t = 0; t < TYPES; t++) {
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
    assert_int_equal(blocks, 1 + 6 * ((rows + 255) / 256) + (rows + 4) / 5 + (rows + 2) / 3);
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

static void create(const char *path, const tt_provenance *p, const tt_column c[TYPES], bool resumed,
                   tt_store **store)
{
    assert_ok(tt_store_create(&world, path, p, c, TYPES, store));
    assert_int_equal(tt_store_resumed(*store), resumed);
}

/* What an attempt has written, the next need not; what another setting has written, it must not use. */
static void test_resume(void **state)
{
    (void)state;
    const char *path = scratch("resume.h5");
    tt_provenance other = origin;
    tt_store *store;
    tt_column c[TYPES];
    int64_t skipped = 0;
    other.fingerprint = "abd";
    all_types(600, c);
    create(path, &other, c, false, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    tt_store_close(store);
    create(path, &origin, c, false, &store);
    for (int t = 0; t < 3; t++) assert_ok(write_share(store, &c[t], &skipped));
    assert_int_equal(skipped, 0);
    tt_store_close(store);
    create(path, &origin, c, true, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], &skipped));
    assert_int_equal(tt_sum_i64(&world, skipped), 3 + 3 + 200);
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    assert_int_equal(access(scratch("resume.h5.part"), F_OK), -1);
    assert_ok(tt_store_open(&world, path, &store));
    for (int t = 0; t < TYPES; t++) check_all(store, &c[t]);
    tt_store_close(store);
}

static void test_other_columns_start_afresh(void **state)
{
    (void)state;
    const char *path = scratch("columns.h5");
    tt_store *store;
    tt_column c[TYPES];
    for (int change = 0; change < 5; change++) {
        all_types(30, c);
        create(path, &origin, c, false, &store);
        tt_store_close(store);
        if (change == 0) c[1].name = "/a/other";
        if (change == 1) c[1].type = TT_F32;
        if (change == 2) c[1].dims[1]++;
        if (change == 3) c[TT_TEXT].text_bytes++;
        if (change == 4) c[TT_TEXT].block_rows = 2;
        create(path, &origin, c, false, &store);
        tt_store_close(store);
        if (world.rank == 0) unlink(scratch("columns.h5.part"));
        MPI_Barrier(world.mpi);
    }
}

/* A kill while the structure was being changed: the old bytes are put back. */
static void test_undo(void **state)
{
    (void)state;
    const char *path = scratch("undo.h5"), *part = scratch("undo.h5.part");
    tt_store *store;
    tt_column c[TYPES];
    int64_t skipped = 0;
    all_types(300, c);
    create(path, &origin, c, false, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    tt_store_close(store);
    if (world.rank == 0) {
        struct stat info;
        char junk[600];
        int fd = open(part, O_RDWR);
        ranges r = {&(tt_range){0, sizeof junk}, 1};
        memset(junk, 0x5a, sizeof junk);
        assert_int_equal(fstat(fd, &info), 0);
        assert_ok(undo_save(part, fd, &r, info.st_size));
        assert_true(write_all(fd, junk, sizeof junk, 0));
        assert_true(write_all(fd, junk, sizeof junk, info.st_size));
        close(fd);
    }
    MPI_Barrier(world.mpi);
    create(path, &origin, c, true, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], &skipped));
    assert_int_equal(tt_sum_i64(&world, skipped), 6 * 2 + 60 + 100);
    assert_ok(tt_store_publish(store, NULL, TT_OK));
}

static void test_torn_part_starts_afresh(void **state)
{
    (void)state;
    const char *path = scratch("torn.h5"), *part = scratch("torn.h5.part");
    tt_store *store;
    tt_column c[TYPES];
    all_types(300, c);
    for (int how = 0; how < 2; how++) {
        create(path, &origin, c, false, &store);
        tt_store_close(store);
        if (world.rank == 0) assert_int_equal(truncate(part, how == 0 ? 0 : 5000), 0);
        MPI_Barrier(world.mpi);
    }
    create(path, &origin, c, false, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
}

/* Late datasets differ from attempt to attempt; those of an earlier one must not stay. */
static void test_late_column(void **state)
{
    (void)state;
    const char *path = scratch("late.h5");
    tt_store *store;
    tt_column c[TYPES], late = {.name = "/failures/code", .type = TT_I32, .n_dims = 1}, got;
    bool found;
    all_types(20, c);
    for (int64_t rows = 0; rows < 1000; rows += 333) {
        create(path, &origin, c, rows > 0, &store);
        for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
        late.dims[0] = 999 - rows;
        assert_ok(tt_store_add_column(store, &late));
        int64_t skipped = 0;
        assert_ok(write_share(store, &late, &skipped));
        assert_int_equal(skipped, 0);
        if (rows < 999) tt_store_close(store);
    }
    assert_int_equal(tt_store_add_column(store, &late), TT_ERR_INTERNAL);
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_column(store, late.name, &got, &found));
    assert_int_equal(got.dims[0], 0);
    for (int t = 0; t < TYPES; t++) check_all(store, &c[t]);
    tt_store_close(store);
}

static int64_t find_bytes(FILE *f, const void *bytes, size_t n)
{
    static char all[4 << 20];
    size_t size = fread(all, 1, sizeof all, f);
    char *at = memmem(all, size, bytes, n);
    assert_non_null(at);
    return at - all;
}

static void test_flipped_byte(void **state)
{
    (void)state;
    const char *path = scratch("flip.h5");
    tt_store *store;
    tt_column c[TYPES];
    all_types(700, c);
    create(path, &origin, c, false, &store);
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    if (world.rank == 0) {
        FILE *f = fopen(path, "r+b");
        void *row = rows_of(&c[1], 0, 700);
        int64_t at = find_bytes(f, row, 700 * row_bytes(&c[1])) + 300 * (int64_t)row_bytes(&c[1]);
        fseek(f, at, SEEK_SET);
        int byte = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(byte ^ 1, f);
        fclose(f);
        free(row);
    }
    MPI_Barrier(world.mpi);
    int32_t x[700 * WIDE];
    double d[WIDE];
    int64_t blocks, damaged;
    assert_ok(tt_store_open(&world, path, &store));
    for (int again = 0; again < 2; again++) { /* whole blocks, a part of one, converted */
        assert_ok(tt_store_read(store, "/a/i32", 0, 256, TT_I32, x));
        assert_ok(tt_store_read(store, "/a/i32", 600, 1, TT_I32, x));
        assert_int_equal(tt_store_read(store, "/a/i32", 0, 700, TT_I32, x), TT_ERR_INPUT);
        assert_non_null(
            strstr(tt_message(), "flip.h5: /a/i32 rows 256 to 511 are damaged (checksum differs)"));
        assert_int_equal(tt_store_read(store, "/a/i32", 500, 2, TT_I32, x), TT_ERR_INPUT);
        assert_int_equal(tt_store_read(store, "/a/i32", 400, 1, TT_F64, d), TT_ERR_INPUT);
        assert_ok(tt_store_read(store, "/a/i32", 512, 1, TT_F64, d));
        assert_near(d[1], value_of(TT_I32, 512, 1), 0);
    }
    assert_ok(tt_store_verify(store, &blocks, &damaged));
    assert_int_equal(damaged, 1);
    tt_store_close(store);
}

static void test_attributes(void **state)
{
    (void)state;
    const char *path = scratch("attributes.h5");
    enum { NAMES = 1500 };
    static char text[NAMES][64];
    const char *names[NAMES];
    char **got, *unit;
    int n;
    double number;
    bool found;
    tt_phases phases = {0};
    tt_store *store;
    tt_column c[TYPES];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text[i], sizeof text[i], "spectral_contrast_of_a_very_long_name_indeed_%04d_mean", i);
        names[i] = text[i];
    }
    all_types(3, c);
    create(path, &origin, c, false, &store);
    tt_phase(&phases, "write");
    for (int t = 0; t < TYPES; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_ok(tt_store_set_text(store, "/f32", "unit", "dB"));
    assert_ok(tt_store_set_names(store, "/f32", "names", names, NAMES));
    assert_ok(tt_store_set_number(store, "/", "clips", 2));
    assert_ok(tt_store_set_number(store, "/", "clips", 3));
    tt_phase(&phases, world.rank == world.size - 1 ? "only_the_last" : NULL);
    tt_phase(&phases, NULL);
    for (int open = 0; open < 2; open++) { /* before and after they are in the file */
        assert_ok(tt_store_get_names(store, "/f32", "names", &got, &n));
        assert_int_equal(n, NAMES);
        for (int i = 0; i < n; i++) assert_string_equal(got[i], names[i]);
        free(got);
        assert_ok(tt_store_get_text(store, "/f32", "unit", &unit));
        assert_string_equal(unit, "dB");
        free(unit);
        assert_ok(tt_store_get_number(store, "/", "clips", &number, &found));
        assert_true(found);
        assert_near(number, 3, 0);
        if (open == 0) assert_ok(tt_store_publish(store, &phases, TT_OK));
        if (open == 0) assert_ok(tt_store_open(&world, path, &store));
    }
    assert_ok(tt_store_get_number(store, "/", "seconds_only_the_last", &number, &found));
    assert_true(found);
    assert_ok(tt_store_get_number(store, "/", "ranks", &number, &found));
    assert_near(number, world.size, 0);
    assert_ok(tt_store_fingerprint(path, &unit));
    assert_string_equal(unit, "abc");
    free(unit);
    tt_store_close(store);
}

static void test_not_published(void **state)
{
    (void)state;
    const char *path = scratch("unpublished.h5");
    tt_store *store;
    tt_column c[TYPES];
    all_types(300, c);
    create(path, &origin, c, false, &store);
    for (int t = 0; t < TT_TEXT; t++) assert_ok(write_share(store, &c[t], NULL));
    assert_int_equal(tt_store_publish(store, NULL, TT_OK), TT_ERR_INTERNAL);
    assert_non_null(strstr(tt_message(), "/text rows 0 to 255 are missing"));
    create(path, &origin, c, true, &store);
    tt_status mine = world.rank == world.size - 1 ? tt_fail(TT_ERR_INPUT, "no") : TT_OK;
    assert_int_equal(tt_store_publish(store, NULL, mine), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "no");
    create(path, &origin, c, true, &store);
    assert_ok(write_share(store, &c[TT_TEXT], NULL));
    if (world.rank == 0) unlink(scratch("unpublished.h5.part"));
    MPI_Barrier(world.mpi);
    assert_int_equal(tt_store_publish(store, NULL, TT_OK), TT_ERR_IO);
    assert_non_null(strstr(tt_message(), "unpublished.h5.part"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(tt_store_create(&world, scratch("no/such/folder.h5"), &origin, c, TYPES, &store),
                     TT_ERR_IO);
    assert_non_null(strstr(tt_message(), "No such file"));
}

static void test_whole_blocks_only(void **state)
{
    (void)state;
    tt_store *store;
    tt_column c[TYPES];
    static double x[512 * WIDE * 2];
    all_types(300, c);
    create(scratch("blocks.h5"), &origin, c, false, &store);
    assert_int_equal(tt_store_write(store, "/f64", 0, 255, x), TT_ERR_INTERNAL);
    assert_int_equal(tt_store_write(store, "/f64", 1, 299, x), TT_ERR_INTERNAL);
    assert_int_equal(tt_store_write(store, "/f64", 256, 45, x), TT_ERR_INTERNAL);
    assert_int_equal(tt_store_write(store, "/none", 0, 1, x), TT_ERR_INPUT);
    assert_ok(tt_store_write(store, "/f64", 300, 0, NULL));
    assert_ok(tt_store_write(store, "/f64", 512, 0, NULL)); /* a rank beyond the last row */
    tt_store_close(store);
    MPI_Barrier(world.mpi);
    if (world.rank == 0) unlink(scratch("blocks.h5.part"));
}

typedef struct seen {
    char *cover;
    int64_t width, next, most;
} seen;

static tt_status see(void *context, const column *c, const piece *p)
{
    seen *s = context;
    int64_t at = 0, n = 1;
    for (int i = 0; i < c->shape.n_dims; i++) {
        at = at * c->shape.dims[i] + (int64_t)p->start[i];
        n *= (int64_t)p->count[i];
    }
    assert_int_equal(n, p->elements);
    assert_int_equal(p->at, s->next);
    assert_int_equal(at, 2 * s->width + s->next); /* contiguous, in order, from row 2 on */
    if (n > s->most) s->most = n;
    s->next += n;
    return TT_OK;
}

/* Rows wider than a transfer may be. */
static void test_pieces(void **state)
{
    (void)state;
    for (int64_t limit = 1; limit < 200; limit += 7) {
        column c = {.shape = {.n_dims = 4, .dims = {9, 5, 1, 7}}};
        seen s = {.width = 35};
        assert_ok(for_pieces(&c, 2, 5, limit, see, &s));
        assert_int_equal(s.next, 5 * 35);
        assert_true(s.most <= limit && s.most > 0);
    }
}

/* A block larger than the checking buffer has the same checksum, whole in memory or in pieces. */
static void test_large_block(void **state)
{
    (void)state;
    const char *path = scratch("large.h5");
    tt_column c = {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {3, 2500000}, .block_rows = 1};
    tt_store *store;
    float *row;
    bool done;
    int64_t blocks, damaged;
    assert_ok(tt_alloc(c.dims[1], sizeof *row, "row", &row));
    for (int64_t i = 0; i < c.dims[1]; i++) row[i] = (float)i;
    assert_ok(tt_store_create(&world, path, &origin, &c, 1, &store));
    for (int64_t r = world.rank; r < 3; r += world.size) assert_ok(tt_store_write(store, "/x", r, 1, row));
    MPI_Barrier(world.mpi);
    assert_ok(tt_store_rows_done(store, "/x", 0, 3, &done));
    assert_true(done);
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_verify(store, &blocks, &damaged));
    assert_int_equal(damaged, 0);
    assert_ok(tt_store_read(store, "/x", 1, 1, TT_F32, row));
    for (int64_t i = 0; i < c.dims[1]; i += 1000) assert_near(row[i], i, 0);
    tt_store_close(store);
    free(row);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_types),
    cmocka_unit_test(test_resume),
    cmocka_unit_test(test_other_columns_start_afresh),
    cmocka_unit_test(test_undo),
    cmocka_unit_test(test_torn_part_starts_afresh),
    cmocka_unit_test(test_late_column),
    cmocka_unit_test(test_flipped_byte),
    cmocka_unit_test(test_attributes),
    cmocka_unit_test(test_not_published),
    cmocka_unit_test(test_whole_blocks_only),
    cmocka_unit_test(test_pieces),
    cmocka_unit_test(test_large_block),
};
TT_TEST_MAIN(cases)
