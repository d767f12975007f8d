/* The space that a model learns for features with names: what it does to columns, there and back, and on any
 * number of ranks. */
#include "trained.h"

#include "vae/kinds.h"
#include "vae/scaling.h"

#include <math.h>

enum { WIDE = 6, TRACK_ROWS = 5 };

static const char *const names[WIDE] = {"mfcc_00_mean", "mfcc_01_mean", "rms_mean",
                                        "lyrics_000",   "mfcc_00_std",  "constant"};

/* Column 0 is skewed, column 2 has an outlier in every hundredth row, column 3 is of lyrics. */
static void fill_row(int64_t r, float *row)
{
    float noise[WIDE], of_track[WIDE];
    tt_random_normals((tt_stream){2, TT_FOR_TEST, 0}, (uint64_t)r, WIDE, noise);
    tt_random_normals((tt_stream){3, TT_FOR_TEST, 0}, (uint64_t)(r / TRACK_ROWS), WIDE, of_track);
    for (int j = 0; j < WIDE; j++) row[j] = of_track[j] + 0.5F * noise[j];
    row[0] = expf(row[0]);
    row[2] = r % 100 == 50 ? 1e6F : row[2];
    row[3] = of_track[3];
    row[5] = 4;
}

static const char *make_features(const char *name, int64_t rows)
{
    static char path[1024];
    const tt_column columns[] = {{.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {rows, WIDE}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {rows}}};
    tt_store *store;
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t n = mine.end - mine.begin, *track;
    float *x;
    assert_ok(tt_alloc(n * WIDE, sizeof *x, "test", &x));
    assert_ok(tt_alloc(n, sizeof *track, "test", &track));
    for (int64_t i = 0; i < n; i++) {
        fill_row(mine.begin + i, x + i * WIDE);
        track[i] = (mine.begin + i) / TRACK_ROWS;
    }
    snprintf(path, sizeof path, "%s", scratch(name));
    assert_ok(tt_store_create(&world, path, &origin, columns, 2, &store));
    assert_ok(tt_store_set_names(store, "/x", "names", names, WIDE));
    tt_status s = tt_store_write(store, "/x", mine.begin, n, x);
    if (s == TT_OK) s = tt_store_write(store, "/clip/track", mine.begin, n, track);
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    free(track);
    return path;
}

static void read_features(const char *input, tt_samples *samples)
{
    assert_ok(tt_samples_read(&world, input, 0, samples));
}

static void test_kinds(void **state)
{
    (void)state;
    static const int32_t expected[WIDE] = {0, 0, 2, -1, 0, 5};
    tt_samples samples;
    read_features(make_features("kinds.h5", 40), &samples);
    assert_memory_equal(samples.kind, expected, sizeof expected);
    tt_samples_free(&samples);
}

/* Total variance of the columns but that of lyrics, over all rows. */
static double total_variance(const tt_within *w, const tt_samples *samples)
{
    const tt_matrix *x = &samples->x;
    double sum[2 * WIDE] = {0}, total = 0;
    float out[WIDE] = {0};
    for (int64_t r = 0; r < x->rows; r++) {
        float row[WIDE];
        double none[WIDE] = {0};
        fill_row(r, row);
        tt_within_apply(w, none, row, out);
        for (int j = 0; j < WIDE; j++) {
            sum[j] += (double)out[j] / (double)x->rows;
            sum[WIDE + j] += (double)out[j] * (double)out[j] / (double)x->rows;
        }
    }
    for (int j = 0; j < WIDE; j++) total += sum[WIDE + j] - sum[j] * sum[j];
    return total;
}

static void test_there_and_back(void **state)
{
    (void)state;
    enum { ROWS = 1500 };
    tt_samples samples;
    tt_within w;
    read_features(make_features("back.h5", ROWS), &samples);
    assert_ok(tt_within_fit(&samples, 1, &w));
    assert_int_equal(w.n, WIDE - 1);
    assert_true(w.weight[WIDE - 2] == 0); /* the constant column */
    /* three columns of one kind, and one: (n)^-0.4, up to the deviations of their scores, which are about 1
     */
    assert_near(w.weight[0] / w.weight[2], pow(3, -0.4), 0.02);
    assert_near(total_variance(&w, &samples), WIDE - 2, 1e-3);
    const double shift[WIDE] = {0, 0, 0, 0, 0.25, 0};
    for (int64_t r = 0; r < ROWS; r++) {
        float row[WIDE], out[WIDE], back[WIDE];
        fill_row(r, row);
        row[4] -= 0.25F;
        tt_within_apply(&w, shift, row, out);
        tt_within_undo(&w, out, back);
        row[4] += 0.25F;
        for (int j = 0; j < WIDE; j++) {
            if (j == 3) continue;
            assert_true(fabsf(out[j]) < 30); /* the outlier steers nothing, but blurs what is near it */
            double slack = j == 0 || j == 2 ? 1e-3 * fabs((double)row[j]) + 2e-3 : 2e-4;
            if (j != 2 || row[j] < 1.5F) assert_near(back[j], row[j], slack);
        }
    }
    tt_within_free(&w);
    tt_samples_free(&samples);
}

static const char *const space[] = {"/input/within/column", "/input/within/score",  "/input/within/knots",
                                    "/input/within/centre", "/input/within/weight", "/input/within/forth",
                                    "/input/within/back"};

/* A sample is drawn of 3,000 rows; the model and the latents have the same bits on one rank. */
static void test_ranks(void **state)
{
    (void)state;
    const char *input = make_features("ranks.h5", 3000);
    train_and_encode(&world, input, (void *)"all");
    alone(train_and_encode, input, (void *)"one");
    const char *all = beside(input, "all.model"), *one = beside(input, "one.model");
    assert_same(all, one, space, sizeof space / sizeof *space);
    assert_same_model(all, one);
    assert_same_latents(beside(input, "all.latents"), beside(input, "one.latents"));
}

/* Too few rows to learn from: columns are scaled as ever. */
static void test_few(void **state)
{
    (void)state;
    tt_samples samples;
    tt_within w;
    read_features(make_features("few.h5", 31), &samples);
    assert_ok(tt_within_fit(&samples, 1, &w));
    assert_int_equal(w.n, 0);
    tt_within_free(&w);
    tt_samples_free(&samples);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_kinds),
    cmocka_unit_test(test_there_and_back),
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_few),
};
TT_TEST_MAIN(cases)
