/* DBSCAN against scikit-learn's labels (dbscan_golden.py made the file), and what its definition leaves open.
 */
#include "test.h"

#include "tutti/dbscan.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"blobs2",        "blobs8",     "blobs32",    "blobs128",  "rings",
                                    "moons",         "duplicates", "collinear",  "grid",      "offset",
                                    "everything",    "nothing",    "alone",      "all_equal", "one_row",
                                    "grid_diagonal", "noise1",     "one_lonely", "chain",     "cosine",
                                    "cosine_noise",  "crowded"};
enum { NAMES = sizeof names / sizeof *names };

/* One case of the golden file, this rank's rows. */
typedef struct golden {
    tt_matrix x;
    int32_t *label;
    unsigned char *core;
    double setting[2];
} golden;

static void golden_read(const char *name, golden *g)
{
    char spec[1024], dataset[256];
    tt_store *store;
    snprintf(spec, sizeof spec, "%s/cluster/dbscan_golden.h5:/%s/x", TT_TESTS, name);
    assert_ok(tt_matrix_read(&world, spec, NULL, &g->x));
    snprintf(spec, sizeof spec, "%s/cluster/dbscan_golden.h5", TT_TESTS);
    assert_ok(tt_store_open(&world, spec, &store));
    assert_ok(tt_alloc(g->x.count, sizeof *g->label, "test", &g->label));
    assert_ok(tt_alloc(g->x.count, 1, "test", &g->core));
    snprintf(dataset, sizeof dataset, "/%s/label", name);
    assert_ok(tt_store_read(store, dataset, g->x.first, g->x.count, TT_I32, g->label));
    snprintf(dataset, sizeof dataset, "/%s/core", name);
    assert_ok(tt_store_read(store, dataset, g->x.first, g->x.count, TT_U8, g->core));
    snprintf(dataset, sizeof dataset, "/%s/setting", name);
    assert_ok(tt_store_read(store, dataset, 0, 2, TT_F64, g->setting));
    tt_store_close(store);
}

static void golden_free(golden *g)
{
    tt_matrix_free(&g->x);
    free(g->label);
    free(g->core);
}

static void check(const char *name, const golden *g, const tt_dbscan *fit)
{
    for (int64_t i = 0; i < g->x.count; i++)
        if (fit->label[i] != g->label[i] || fit->core[i] != g->core[i])
            fail_msg("%s row %lld: label %d core %d, scikit-learn says %d %d", name,
                     (long long)(g->x.first + i), fit->label[i], fit->core[i], g->label[i], g->core[i]);
}

static void test_golden(void **state)
{
    (void)state;
    for (int n = 0; n < NAMES; n++) {
        golden g;
        tt_dbscan fit;
        golden_read(names[n], &g);
        const tt_dbscan_params params = {.eps = g.setting[0],
                                         .cosine = strncmp(names[n], "cosine", 6) == 0,
                                         .min_samples = (int)g.setting[1]};
        assert_ok(tt_dbscan_fit(&g.x, &params, 1, &fit));
        assert_true(fit.eps == g.setting[0]);
        check(names[n], &g, &fit);
        assert_null(fit.k_distance);
        tt_dbscan_free(&fit);
        golden_free(&g);
    }
}

/* Rows that are not valid are noise, and the others' labels are as if they were not there. */
static void test_invalid_rows(void **state)
{
    (void)state;
    golden g;
    tt_dbscan fit;
    tt_matrix wide;
    golden_read("blobs2", &g);
    assert_ok(tt_matrix_new(&world, "wide", 2 * g.x.rows, 2, &wide));
    /* row 2i is row i of the case where this rank has both, which is so on one rank; else all are invalid */
    wide.n_valid = 0;
    for (int64_t i = 0; i < wide.count; i++) {
        int64_t at = (wide.first + i) / 2 - g.x.first;
        wide.valid[i] = (wide.first + i) % 2 == 0 && at >= 0 && at < g.x.count && world.size == 1;
        if (wide.valid[i]) memcpy(wide.data + 2 * i, g.x.data + 2 * at, 2 * sizeof(float));
        wide.n_valid += wide.valid[i];
    }
    wide.n_valid = tt_sum_i64(&world, wide.n_valid);
    const tt_dbscan_params params = {.eps = g.setting[0], .min_samples = (int)g.setting[1]};
    assert_ok(tt_dbscan_fit(&wide, &params, 1, &fit));
    for (int64_t i = 0; i < wide.count; i++) {
        int64_t at = wide.first + i;
        assert_int_equal(fit.label[i], wide.valid[i] ? g.label[at / 2] : -1);
        assert_int_equal(fit.core[i], wide.valid[i] ? g.core[at / 2] : 0);
    }
    assert_int_equal(fit.clusters, world.size == 1 ? 6 : 0);
    tt_dbscan_free(&fit);
    tt_matrix_free(&wide);
    golden_free(&g);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The curve against a naive loop on one rank's whole copy, and what is core at its eps. */
static void test_eps_auto(void **state)
{
    (void)state;
    enum { N = 600, K = 7, COLS = 3 };
    tt_matrix x;
    tt_dbscan fit;
    static float all[N][COLS];
    static double curve[N], row[N];
    for (int i = 0; i < N; i++) {
        tt_random_normals((tt_stream){5, TT_FOR_TEST, 0}, (uint64_t)i, COLS, all[i]);
        for (int j = 0; j < COLS; j++) all[i][j] += i % 10 < 7 ? 6.0f * (float)(i % 3) : 2 * all[i][j];
    }
    assert_ok(tt_matrix_new(&world, "made", N, COLS, &x));
    for (int64_t i = 0; i < x.count; i++) memcpy(x.data + i * COLS, all[x.first + i], sizeof all[0]);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            row[j] = 0;
            for (int c = 0; c < COLS; c++)
                row[j] += ((double)all[i][c] - (double)all[j][c]) * ((double)all[i][c] - (double)all[j][c]);
        }
        qsort(row, N, sizeof *row, compare);
        curve[i] = sqrt(row[K - 1]);
    }
    qsort(curve, N, sizeof *curve, compare);
    const tt_dbscan_params params = {.eps = 0, .min_samples = K};
    assert_ok(tt_dbscan_fit(&x, &params, 1, &fit));
    assert_int_equal(fit.n_distances, N);
    for (int i = 0; i < N; i++) assert_near(fit.k_distance[i], curve[i], 1e-14);
    assert_true(fit.eps == fit.k_distance[fit.knee] && fit.knee > N / 2 && fit.knee < N);
    assert_true(llabs(fit.core_rows - fit.knee - 1) <= 1); /* eps squared may round either way */
    tt_dbscan_free(&fit);
    tt_matrix_free(&x);
}

/* A curve that is flat, of zeros alone, or of rows too few. */
static void test_eps_corners(void **state)
{
    (void)state;
    const int64_t rows[] = {0, 1, 3, 300};
    for (int c = 0; c < 4; c++)
        for (int samples = 1; samples < 8; samples += 3) {
            tt_matrix x;
            tt_dbscan fit;
            assert_ok(tt_matrix_new(&world, "zeros", rows[c], 2, &x));
            const tt_dbscan_params params = {.eps = 0, .min_samples = samples};
            assert_ok(tt_dbscan_fit(&x, &params, 1, &fit));
            assert_true(fit.eps == 0);
            assert_int_equal(fit.clusters, rows[c] >= samples);
            assert_int_equal(fit.noise_rows, rows[c] >= samples ? 0 : rows[c]);
            tt_dbscan_free(&fit);
            tt_matrix_free(&x);
        }
}

static const tt_provenance origin = {"cluster", "dbscan-test", "", "", 1};

/* A checkpoint as another number of ranks would leave it at the start of a phase (0 count, 1 join, 2 border),
 * with what the golden file says is known by then; `wipe` makes it say that no row is core. */
static const char *write_checkpoint(const char *name, const golden *g, int phase, bool wipe)
{
    enum { MOST = 1500 };
    static int32_t label[MOST];
    static unsigned char is_core[MOST];
    static int64_t state[MOST], core[MOST], root[MOST];
    const double place[] = {phase, 99, 5, 1};
    const char *path = scratch("dbscan.checkpoint");
    char file[1024], dataset[64];
    tt_store *store;
    snprintf(file, sizeof file, "%s/cluster/dbscan_golden.h5", TT_TESTS);
    assert_ok(tt_store_open(&world, file, &store));
    snprintf(dataset, sizeof dataset, "/%s/label", name);
    assert_ok(tt_store_read(store, dataset, 0, g->x.rows, TT_I32, label));
    snprintf(dataset, sizeof dataset, "/%s/core", name);
    assert_ok(tt_store_read(store, dataset, 0, g->x.rows, TT_U8, is_core));
    tt_store_close(store);
    for (int64_t i = g->x.rows; i-- > 0;)
        if (is_core[i]) root[label[i]] = i;
    for (int64_t i = 0; i < g->x.count; i++) {
        int64_t row = g->x.first + i;
        core[i] = phase > 0 && !wipe && is_core[row];
        state[i] = phase == 2 && core[i] ? root[label[row]] : phase == 0 ? 2 : -1;
    }
    const tt_column columns[] = {{"/state", TT_I64, 1, {g->x.rows}, 0, 0},
                                 {"/core", TT_I64, 1, {g->x.rows}, 0, 0},
                                 {"/place", TT_F64, 1, {4}, 0, 0}};
    assert_ok(tt_store_discard(&world, path));
    assert_ok(tt_store_create(&world, path, &origin, columns, 3, &store));
    assert_ok(tt_store_write(store, "/state", g->x.first, g->x.count, state));
    assert_ok(tt_store_write(store, "/core", g->x.first, g->x.count, core));
    if (world.rank == 0) assert_ok(tt_store_write(store, "/place", 0, 4, place));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    return path;
}

/* Whatever phase a checkpoint is of, the result is that of a run without one; and it is made use of. */
static void test_resume(void **state)
{
    (void)state;
    static const char *const name[] = {"blobs2", "grid", "chain"};
    for (int n = 0; n < 3; n++)
        for (int phase = 0; phase < 4; phase++) {
            golden g;
            tt_dbscan fit;
            bool wipe = phase == 3;
            golden_read(name[n], &g);
            tt_dbscan_params params = {.eps = g.setting[0], .min_samples = (int)g.setting[1]};
            params.checkpoint = write_checkpoint(name[n], &g, wipe ? 2 : phase, wipe);
            params.provenance = &origin;
            assert_ok(tt_dbscan_fit(&g.x, &params, 1, &fit));
            if (wipe)
                assert_int_equal(fit.noise_rows, g.x.rows);
            else
                check(name[n], &g, &fit);
            tt_dbscan_free(&fit);
            assert_ok(tt_store_discard(&world, params.checkpoint));
            golden_free(&g);
        }
}

static void test_refused(void **state)
{
    (void)state;
    tt_matrix x;
    tt_dbscan fit;
    assert_ok(tt_matrix_new(&world, "zeros", 10, 2, &x));
    const tt_dbscan_params none = {.eps = 1, .min_samples = 0}, nan = {.eps = NAN, .min_samples = 3},
                           fine = {.eps = 1, .min_samples = 3};
    assert_int_equal(tt_dbscan_fit(&x, &none, 1, &fit), TT_ERR_CONFIG);
    assert_int_equal(tt_dbscan_fit(&x, &nan, 1, &fit), TT_ERR_CONFIG);
    const tt_dbscan_params cosine = {.eps = 1, .cosine = true, .min_samples = 3};
    assert_int_equal(tt_dbscan_fit(&x, &cosine, 1, &fit), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "no direction"));
    if (x.count > 0) x.data[0] = 1e20f;
    assert_int_equal(tt_dbscan_fit(&x, &fine, 1, &fit), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "row 0 column 0"));
    tt_matrix_free(&x);
}

/* Lines of 100 rows each, of which the two at the ends are not core, in so many columns that the blocks of a
 * rank visit the others in some rounds. */
static void test_rounds(void **state)
{
    (void)state;
    enum { N = 9000, COLS = 128, LINE = 100, LINES = N / LINE, STRIDE = 1009 };
    static int32_t label[LINES];
    tt_matrix x;
    tt_dbscan fit;
    int32_t seen = 0;
    memset(label, -1, sizeof label);
    for (int64_t i = 0; i < N; i++) {
        int64_t at = i * STRIDE % N, line = at / LINE, place = at % LINE;
        if (label[line] < 0 && place > 0 && place < LINE - 1) label[line] = seen++;
    }
    assert_ok(tt_matrix_new(&world, "lines", N, COLS, &x));
    for (int64_t i = 0; i < x.count; i++) {
        int64_t at = (x.first + i) * STRIDE % N;
        x.data[i * COLS] = (float)(at + 10 * (at / LINE));
    }
    const tt_dbscan_params params = {.eps = 1, .min_samples = 3};
    assert_ok(tt_dbscan_fit(&x, &params, 1, &fit));
    assert_int_equal(fit.clusters, LINES);
    for (int64_t i = 0; i < x.count; i++) {
        int64_t at = (x.first + i) * STRIDE % N, place = at % LINE;
        assert_int_equal(fit.label[i], label[at / LINE]);
        assert_int_equal(fit.core[i], place > 0 && place < LINE - 1);
    }
    tt_dbscan_free(&fit);
    tt_matrix_free(&x);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),      cmocka_unit_test(test_invalid_rows), cmocka_unit_test(test_eps_auto),
    cmocka_unit_test(test_eps_corners), cmocka_unit_test(test_refused),      cmocka_unit_test(test_resume),
    cmocka_unit_test(test_rounds),
};
TT_TEST_MAIN(cases)
