/* hybrid.h5 from a features.h5 made here. */
#include "test.h"

#include "tutti/corpus.h"
#include "tutti/fuse.h"
#include "tutti/memory.h"

#include <math.h>
#include <string.h>

enum { ROWS = 700, COLS = 3 };

static const char *const names[COLS] = {"rms_mean", "flat_mean", "spectral_centroid_std"};

static bool row_is_valid(int64_t row, bool none)
{
    return !none && row % 5 != 3;
}

/* Column 1 is constant; rows without features hold NaN. */
static void make_features(const char *path, bool none)
{
    tt_provenance provenance = {"extract", none ? "none" : "some", "", "", 1};
    const tt_column columns[] = {{.name = "/audio", .type = TT_F32, .n_dims = 2, .dims = {ROWS, COLS}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {ROWS}},
                                 {.name = "/clip/status", .type = TT_I32, .n_dims = 1, .dims = {ROWS}}};
    tt_range mine = tt_partition(ROWS, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t n = mine.end - mine.begin;
    tt_store *store;
    float *audio;
    int64_t *track;
    int32_t *status;
    assert_ok(tt_alloc(n * COLS, sizeof *audio, "test", &audio));
    assert_ok(tt_alloc(n, sizeof *track, "test", &track));
    assert_ok(tt_alloc(n, sizeof *status, "test", &status));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = mine.begin + i;
        bool valid = row_is_valid(row, none);
        audio[i * COLS] = valid ? (float)(row * row) : NAN;
        audio[i * COLS + 1] = valid ? 0.1f : NAN;
        audio[i * COLS + 2] = valid ? (float)cos((double)row) : NAN;
        track[i] = row / 10;
        status[i] = valid ? (row % 2 ? TT_TRACK_CLIPPED : TT_TRACK_OK) : TT_TRACK_DAMAGED;
    }
    assert_ok(tt_store_create(&world, path, &provenance, columns, 3, &store));
    assert_ok(tt_store_set_names(store, "/audio", "names", names, COLS));
    tt_status s = TT_OK;
    if (n > 0) {
        s = tt_store_write(store, "/audio", mine.begin, n, audio);
        if (s == TT_OK) s = tt_store_write(store, "/clip/track", mine.begin, n, track);
        if (s == TT_OK) s = tt_store_write(store, "/clip/status", mine.begin, n, status);
    }
    assert_ok(tt_store_publish(store, &(tt_phases){0}, s));
    free(audio);
    free(track);
    free(status);
}

static void read_all(const char *path, const char *name, tt_type type, int64_t rows, void *data)
{
    tt_store *store;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_read(store, name, 0, rows, type, data));
    tt_store_close(store);
}

static void test_z_scores(void **state)
{
    (void)state;
    char features[1024], output[1024], text[COLS][21];
    snprintf(features, sizeof features, "%s", scratch("features.h5"));
    snprintf(output, sizeof output, "%s", scratch("hybrid.h5"));
    make_features(features, false);
    tt_provenance provenance = {"fuse", "test", "", "", 1};
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.pca = 0}, &provenance,
                      &(tt_fuse_inputs){.features = features}, output));
    static float x[ROWS][COLS];
    static int64_t track[ROWS];
    unsigned char valid[ROWS];
    double mean[COLS], scale[COLS], expected = 0, square = 0, n = 0;
    read_all(output, "/x", TT_F32, ROWS, x);
    read_all(output, "/clip/track", TT_I64, ROWS, track);
    read_all(output, "/valid", TT_U8, ROWS, valid);
    read_all(output, "/mean", TT_F64, COLS, mean);
    read_all(output, "/scale", TT_F64, COLS, scale);
    read_all(output, "/names", TT_TEXT, COLS, text);
    for (int64_t r = 0; r < ROWS; r++)
        if (row_is_valid(r, false)) {
            expected += (double)(r * r);
            n++;
        }
    expected /= n;
    for (int64_t r = 0; r < ROWS; r++)
        if (row_is_valid(r, false)) square += pow((double)(r * r) - expected, 2);
    assert_near(mean[0], expected, 1e-9 * expected);
    assert_near(scale[0], sqrt(square / n), 1e-9 * expected);
    assert_true(scale[1] == 1.0 && mean[1] == (double)0.1f);
    assert_memory_equal(text[2], names[2], 21);
    for (int64_t r = 0; r < ROWS; r++) {
        assert_int_equal(valid[r], row_is_valid(r, false));
        assert_int_equal(track[r], r / 10);
        assert_true(x[r][1] == 0);
        assert_near(x[r][0], valid[r] ? ((double)(r * r) - mean[0]) / scale[0] : 0, 1e-6);
    }
}

static void test_components(void **state)
{
    (void)state;
    char features[1024], output[1024];
    snprintf(features, sizeof features, "%s", scratch("features_pca.h5"));
    snprintf(output, sizeof output, "%s", scratch("hybrid_pca.h5"));
    make_features(features, false);
    tt_provenance provenance = {"fuse", "pca", "", "", 1};
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.pca = 2}, &provenance,
                      &(tt_fuse_inputs){.features = features}, output));
    static float x[ROWS][2];
    double variance[2], axes[2][COLS], sum = 0;
    read_all(output, "/x", TT_F32, ROWS, x);
    read_all(output, "/explained_variance", TT_F64, 2, variance);
    read_all(output, "/components", TT_F64, 2, axes);
    int64_t n = 0;
    for (int64_t r = 0; r < ROWS; r++) {
        sum += pow((double)x[r][0], 2);
        n += row_is_valid(r, false);
    }
    assert_near(sum / (double)(n - 1), variance[0], 1e-5);
    assert_near(variance[0] + variance[1], 2.0 * (double)n / (double)(n - 1),
                1e-6); /* two columns vary, in float32 */
    assert_near(axes[0][1], 0, 1e-9);
    assert_int_equal(tt_fuse(&world, &(tt_fuse_params){.pca = 9}, &provenance,
                             &(tt_fuse_inputs){.features = features}, output),
                     TT_ERR_CONFIG);
    assert_non_null(strstr(tt_message(), "fuse.pca is 9"));
}

static void test_nothing_valid(void **state)
{
    (void)state;
    char features[1024];
    snprintf(features, sizeof features, "%s", scratch("features_none.h5"));
    make_features(features, true);
    tt_provenance provenance = {"fuse", "none", "", "", 1};
    assert_int_equal(tt_fuse(&world, &(tt_fuse_params){.pca = 0}, &provenance,
                             &(tt_fuse_inputs){.features = features}, scratch("no.h5")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "none of its 700 clips holds features"));
}

/** A file of mels alone: the message says what to change. */
static void test_no_audio(void **state)
{
    (void)state;
    char features[1024];
    snprintf(features, sizeof features, "%s", scratch("mel.h5"));
    tt_provenance provenance = {"extract", "mel", "", "", 1};
    const tt_column column = {.name = "/mel", .type = TT_F32, .n_dims = 3, .dims = {0, 2, 2}};
    tt_store *store;
    assert_ok(tt_store_create(&world, features, &provenance, &column, 1, &store));
    assert_ok(tt_store_publish(store, &(tt_phases){0}, TT_OK));
    tt_status s = tt_fuse(&world, &(tt_fuse_params){.pca = 0}, &provenance,
                          &(tt_fuse_inputs){.features = features}, scratch("none.h5"));
    assert_int_equal(s, TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "features.set"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_z_scores),
    cmocka_unit_test(test_components),
    cmocka_unit_test(test_nothing_valid),
    cmocka_unit_test(test_no_audio),
};
TT_TEST_MAIN(cases)
