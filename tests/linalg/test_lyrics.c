/* The lyrics stage, embeddings from elsewhere, and lyrics beside audio. */
#include "test.h"

#include "tutti/corpus.h"
#include "tutti/fuse.h"
#include "tutti/half.h"
#include "tutti/lyrics.h"
#include "tutti/memory.h"

#include <math.h>
#include <string.h>

enum { TRACKS = 300, CLIPS = 2 * TRACKS, AUDIO = 6, DIMS = 4 };

static const tt_lyrics_params settings = {.ngram = {1, 2},
                                          .min_df = {1, false},
                                          .max_df = {1.0, true},
                                          .embedding_dims = 5,
                                          .stemming = "none",
                                          .stop_words = "none",
                                          .embedding_file = "none"};

/* Every fifth track has no lyrics, every fourth is held out. */
static bool has_lyrics(int64_t track)
{
    return track % 5 != 1;
}

static void make_manifest(const char *path)
{
    static const char *const word[] = {"river", "night", "fire", "dance", "home", "stone", "blue"};
    tt_range mine = tt_partition(TRACKS, 1, world.size, world.rank);
    tt_tracks tracks = {.n = mine.end - mine.begin, .first = mine.begin, .total = TRACKS};
    assert_ok(tt_alloc(tracks.n, sizeof *tracks.v, "test", &tracks.v));
    for (int64_t i = 0; i < tracks.n; i++) {
        tt_track *t = &tracks.v[i];
        int64_t k = mine.begin + i;
        char **texts[] = {&t->path, &t->shard, &t->genre};
        for (int j = 0; j < 3; j++) assert_ok(tt_copy_text("", texts[j]));
        assert_ok(tt_copy_text("en", &t->language));
        assert_ok(tt_copy_text(k % 4 == 2 ? "test" : "train", &t->split));
        assert_ok(tt_format(&t->id, "song/%lld", (long long)k));
        t->has_lyrics = has_lyrics(k);
        if (t->has_lyrics)
            assert_ok(tt_format(&t->lyrics, "%s %s %s %s", word[k % 7], word[k * k % 7], word[k / 7 % 7],
                                word[k % 3]));
        else
            assert_ok(tt_copy_text("", &t->lyrics));
    }
    tt_provenance p = {"scan", "lyrics", "", "", 1};
    assert_ok(tt_manifest_write(&world, path, &p, &tracks, &(tt_phases){0}));
    tt_tracks_free(&tracks);
}

/* Clips 2 k and 2 k + 1 are of track k. */
static void make_features(const char *path)
{
    static const char *const names[AUDIO] = {"a", "b", "c", "d", "e", "flat"};
    static float audio[CLIPS][AUDIO];
    static int64_t track[CLIPS];
    tt_provenance p = {"extract", "lyrics", "", "", 1};
    const tt_column columns[] = {{.name = "/audio", .type = TT_F32, .n_dims = 2, .dims = {CLIPS, AUDIO}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {CLIPS}}};
    for (int64_t i = 0; i < CLIPS; i++) {
        for (int j = 0; j < AUDIO; j++)
            audio[i][j] = j == AUDIO - 1 ? 7.0F : (float)sin((double)(i * (j + 1)));
        track[i] = i / 2;
    }
    tt_store *store;
    assert_ok(tt_store_create(&world, path, &p, columns, 2, &store));
    assert_ok(tt_store_set_names(store, "/audio", "names", names, AUDIO));
    tt_status s = TT_OK;
    if (world.rank == 0) s = tt_store_write(store, "/audio", 0, CLIPS, audio);
    if (world.rank == 0 && s == TT_OK) s = tt_store_write(store, "/clip/track", 0, CLIPS, track);
    assert_ok(tt_store_publish(store, &(tt_phases){0}, s));
}

static void *load(const char *path, const char *name, tt_type type, size_t bytes, tt_column *column)
{
    tt_store *store;
    bool found;
    void *data;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_store_column(store, name, column, &found));
    if (!found) fail_msg("%s has no %s", path, name);
    assert_ok(tt_alloc(column->dims[0] * (column->n_dims > 1 ? column->dims[1] : 1), bytes, "test", &data));
    assert_ok(tt_store_read(store, name, 0, column->dims[0], type, data));
    tt_store_close(store);
    return data;
}

static void run_lyrics(const tt_lyrics_params *params, const char *manifest, const char *output)
{
    tt_provenance p = {"lyrics", output, "", "", 1};
    assert_ok(tt_lyrics(&world, params, &p, manifest, output));
}

static void test_stage(void **state)
{
    (void)state;
    char manifest[1024], output[1024];
    tt_column c;
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("lyrics.h5"));
    make_manifest(manifest);
    run_lyrics(&settings, manifest, output);
    float *x = load(output, "/embedding", TT_F32, sizeof *x, &c);
    assert_int_equal(c.dims[0], TRACKS);
    assert_int_equal(c.dims[1], 5);
    unsigned char *valid = load(output, "/valid", TT_U8, 1, &c);
    for (int64_t i = 0; i < TRACKS; i++) assert_int_equal(valid[i], has_lyrics(i));
    for (int64_t i = 0; i < TRACKS * 5; i++) assert_true(isfinite(x[i]) && (valid[i / 5] || x[i] == 0));
    free(valid);
    free(x);
}

/* With as many dimensions as the texts have, all of their variance is explained. */
static void test_variance(void **state)
{
    (void)state;
    char manifest[1024], output[1024];
    tt_column c;
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest1.h5"));
    snprintf(output, sizeof output, "%s", scratch("lyrics1.h5"));
    make_manifest(manifest);
    tt_lyrics_params p = settings;
    p.embedding_dims = 200;
    run_lyrics(&p, manifest, output);
    double *ratio = load(output, "/explained_variance_ratio", TT_F64, sizeof *ratio, &c), sum = 0;
    assert_true(c.dims[0] > 20 && c.dims[0] < 200);
    for (int64_t j = 0; j < c.dims[0]; j++) sum += ratio[j];
    assert_near(sum, 1, 1e-4);
    free(ratio);
}

/* Vectors of the tracks 0, 2, 4, ... in reverse order, found by their ids, which begin with `kind`; the first
 * `twice` of them are one and the same. */
static void make_foreign(const char *path, const char *kind, int twice)
{
    enum { ROWS = TRACKS / 2, ID = 16 };
    static float x[ROWS][DIMS];
    static char id[ROWS][ID];
    tt_provenance p = {"made", "elsewhere", "", "", 1};
    const tt_column columns[] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {ROWS, DIMS}},
        {.name = "/id", .type = TT_TEXT, .n_dims = 1, .dims = {ROWS}, .text_bytes = ID}};
    for (int i = 0; i < ROWS; i++) {
        int track = 2 * (ROWS - 1 - (i < twice ? 0 : i));
        memset(id[i], 0, ID);
        snprintf(id[i], ID, "%s/%d", kind, track);
        for (int j = 0; j < DIMS; j++) x[i][j] = (float)(track * 10 + j);
    }
    tt_store *store;
    assert_ok(tt_store_create(&world, path, &p, columns, 2, &store));
    tt_status s = TT_OK;
    if (world.rank == 0) s = tt_store_write(store, "/x", 0, ROWS, x);
    if (world.rank == 0 && s == TT_OK) s = tt_store_write(store, "/id", 0, ROWS, id);
    assert_ok(tt_store_publish(store, &(tt_phases){0}, s));
}

static void test_foreign_ids(void **state)
{
    (void)state;
    char manifest[1024], output[1024], file[1024];
    tt_column c;
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest2.h5"));
    snprintf(output, sizeof output, "%s", scratch("lyrics2.h5"));
    snprintf(file, sizeof file, "%s", scratch("foreign.h5"));
    make_manifest(manifest);
    make_foreign(file, "song", 0);
    tt_lyrics_params p = settings;
    p.embedding_file = file;
    run_lyrics(&p, manifest, output);
    float *x = load(output, "/embedding", TT_F32, sizeof *x, &c);
    unsigned char *valid = load(output, "/valid", TT_U8, 1, &c);
    for (int64_t i = 0; i < TRACKS; i++) {
        assert_int_equal(valid[i], i % 2 == 0);
        for (int j = 0; j < DIMS; j++) assert_true(x[i * DIMS + j] == (i % 2 == 0 ? (float)(i * 10 + j) : 0));
    }
    free(valid);
    free(x);
    tt_provenance origin = {"lyrics", "bad", "", "", 1};
    make_foreign(file, "song", 2);
    assert_int_equal(tt_lyrics(&world, &p, &origin, manifest, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "/id has more than one row for track song/298"));
    make_foreign(file, "other", 0);
    assert_int_equal(tt_lyrics(&world, &p, &origin, manifest, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "none of the 150 texts /id is the id of a track"));
}

static void write_npy(const char *path, int rows, const char *type)
{
    if (world.rank == 0) {
        char text[119];
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        memset(text, ' ', sizeof text);
        int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, 2), }",
                         type, rows);
        text[n] = ' ';
        text[117] = '\n';
        fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f);
        fwrite(text, 1, 118, f);
        for (int i = 0; i < 2 * rows; i++) {
            double v = 0.5 * i;
            float narrow = (float)v;
            uint16_t half;
            tt_half_pack(1, &narrow, &half);
            if (type[2] == '2')
                fwrite(&half, sizeof half, 1, f);
            else
                fwrite(&v, sizeof v, 1, f);
        }
        fclose(f);
    }
    MPI_Barrier(world.mpi);
}

static void test_foreign_npy(void **state)
{
    (void)state;
    char manifest[1024], output[1024], file[1024];
    tt_column c;
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest3.h5"));
    snprintf(output, sizeof output, "%s", scratch("lyrics3.h5"));
    snprintf(file, sizeof file, "%s", scratch("foreign.npy"));
    make_manifest(manifest);
    tt_lyrics_params p = settings;
    p.embedding_file = file;
    for (int half = 0; half < 2; half++) {
        write_npy(file, TRACKS, half ? "<f2" : "<f8");
        run_lyrics(&p, manifest, output);
        float *x = load(output, "/embedding", TT_F32, sizeof *x, &c);
        assert_int_equal(c.dims[1], 2);
        for (int i = 0; i < 2 * TRACKS; i++) assert_true(x[i] == 0.5F * (float)i);
        free(x);
    }
    tt_provenance origin = {"lyrics", "bad", "", "", 1};
    write_npy(file, TRACKS - 1, "<f8");
    assert_int_equal(tt_lyrics(&world, &p, &origin, manifest, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "299 rows for 300 tracks"));
    write_npy(file, TRACKS, "<i8");
    assert_int_equal(tt_lyrics(&world, &p, &origin, manifest, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "float16, float32 or float64"));
}

/* Sums of squares of the columns [from, to) over the training clips with lyrics, per such clip. */
static double variance(const float *x, int64_t cols, int64_t from, int64_t to)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < CLIPS; i++) {
        if (i / 2 % 4 == 2 || !has_lyrics(i / 2)) continue;
        for (int64_t j = from; j < to; j++) sum += (double)x[i * cols + j] * (double)x[i * cols + j];
        n++;
    }
    return sum / (double)n;
}

/* Rows of lyrics are the directions of E diag(s^2), centred by those of training clips, all columns over one
 * scale. */
static void check_rows(const char *lyrics, const char *output, const float *x, int64_t cols)
{
    tt_column c;
    double *mean = load(output, "/mean", TT_F64, sizeof *mean, &c);
    double *scale = load(output, "/scale", TT_F64, sizeof *scale, &c);
    double *value = load(lyrics, "/singular_values", TT_F64, sizeof *value, &c);
    float *embedding = load(lyrics, "/embedding", TT_F32, sizeof *embedding, &c);
    double sum[5] = {0}, n = 0;
    for (int64_t i = 0; i < c.dims[0]; i++) {
        double row[5], square = 0;
        for (int j = 0; j < 5; j++) {
            row[j] = value[j] * value[j] * (double)embedding[i * 5 + j];
            square += row[j] * row[j];
        }
        for (int j = 0; has_lyrics(i) && j < 5; j++) {
            double expected = (row[j] / sqrt(square) - mean[AUDIO + j]) / scale[AUDIO];
            assert_near(x[2 * i * cols + AUDIO + j], expected, 1e-4);
            if (i % 4 != 2) sum[j] += row[j] / sqrt(square);
        }
        n += has_lyrics(i) && i % 4 != 2;
    }
    for (int j = 0; j < 5; j++) {
        assert_near(mean[AUDIO + j], sum[j] / n, 1e-6);
        assert_true(scale[AUDIO + j] == scale[AUDIO]);
    }
    free(embedding);
    free(value);
    free(scale);
    free(mean);
}

/* What fusion goes by, made with these settings; paths [1024]. */
static void make_inputs(const tt_lyrics_params *params, char *manifest, char *lyrics, char *features,
                        char *output)
{
    snprintf(manifest, 1024, "%s", scratch("manifest4.h5"));
    snprintf(lyrics, 1024, "%s", scratch("lyrics4.h5"));
    snprintf(features, 1024, "%s", scratch("features4.h5"));
    snprintf(output, 1024, "%s", scratch("hybrid4.h5"));
    make_manifest(manifest);
    make_features(features);
    run_lyrics(params, manifest, lyrics);
}

static void test_fusion(void **state)
{
    (void)state;
    char manifest[1024], lyrics[1024], features[1024], output[1024];
    tt_column c;
    make_inputs(&settings, manifest, lyrics, features, output);
    tt_provenance p = {"fuse", "weight 2", "", "", 1};
    const tt_fuse_inputs inputs = {features, lyrics, manifest};
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.lyrics_weight = 2}, &p, &inputs, output));
    float *x = load(output, "/x", TT_F32, sizeof *x, &c);
    int64_t cols = c.dims[1];
    assert_int_equal(cols, AUDIO + 5);
    unsigned char *mask = load(output, "/lyrics_mask", TT_U8, 1, &c);
    for (int64_t i = 0; i < CLIPS; i++) {
        assert_int_equal(mask[i], has_lyrics(i / 2));
        assert_true(x[i * cols + AUDIO - 1] == 0); /* a constant column */
        for (int64_t j = AUDIO; j < cols; j++)
            assert_true(isfinite(x[i * cols + j]) && (mask[i] || x[i * cols + j] == 0));
    }
    assert_near(variance(x, cols, AUDIO, cols), 4.0 * (AUDIO - 1),
                1e-3); /* weight 2: four times that of audio */
    check_rows(lyrics, output, x, cols);
    free(mask);
    free(x);
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.lyrics_weight = 1, .pca = 3, .whiten = true}, &p, &inputs,
                      output));
    x = load(output, "/x", TT_F32, sizeof *x, &c);
    double square[3] = {0};
    int64_t n = 0;
    for (int64_t i = 0; i < CLIPS; i++) {
        if (i / 2 % 4 == 2) continue;
        for (int j = 0; j < 3; j++) square[j] += (double)x[i * 3 + j] * (double)x[i * 3 + j];
        n++;
    }
    for (int j = 0; j < 3; j++) assert_near(square[j] / (double)(n - 1), 1, 1e-4);
    free(x);
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.lyrics_weight = 0}, &p, &inputs, output));
    x = load(output, "/x", TT_F32, sizeof *x, &c);
    assert_int_equal(c.dims[1], AUDIO);
    free(x);
}

/* Vectors from elsewhere keep their proportions. */
static void test_foreign_fusion(void **state)
{
    (void)state;
    char manifest[1024], lyrics[1024], features[1024], output[1024], file[1024];
    tt_column c;
    snprintf(file, sizeof file, "%s", scratch("foreign4.h5"));
    make_foreign(file, "song", 0);
    tt_lyrics_params l = settings;
    l.embedding_file = file;
    make_inputs(&l, manifest, lyrics, features, output);
    tt_provenance p = {"fuse", "foreign", "", "", 1};
    assert_ok(tt_fuse(&world, &(tt_fuse_params){.lyrics_weight = 1}, &p,
                      &(tt_fuse_inputs){features, lyrics, manifest}, output));
    float *x = load(output, "/x", TT_F32, sizeof *x, &c);
    int64_t cols = c.dims[1];
    assert_int_equal(cols, AUDIO + DIMS);
    double *mean = load(output, "/mean", TT_F64, sizeof *mean, &c);
    double *scale = load(output, "/scale", TT_F64, sizeof *scale, &c);
    for (int64_t i = 0; i < CLIPS; i++) {
        int64_t track = i / 2;
        for (int j = 0; track % 2 == 0 && j < DIMS; j++)
            assert_near(x[i * cols + AUDIO + j], ((double)(10 * track + j) - mean[AUDIO + j]) / scale[AUDIO],
                        1e-5);
    }
    free(scale);
    free(mean);
    free(x);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_stage),       cmocka_unit_test(test_variance),
    cmocka_unit_test(test_foreign_ids), cmocka_unit_test(test_foreign_npy),
    cmocka_unit_test(test_fusion),      cmocka_unit_test(test_foreign_fusion),
};
TT_TEST_MAIN(cases)
