/* Evaluation of files: truths, the JSON, chance, and row counts that differ. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/metrics.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 600, WIDTH = 12 };

static const tt_provenance origin = {"evaluate", "0123", "seed: 5\n", "", 5};
static const tt_evaluate_params usual = {"euclidean", "drop", 0};

/* x [600, 2] in three groups, y int64 (large, sparse, some unknown), text [600], short [10]. */
static const char *write_data(void)
{
    const char *path = scratch("evaluate.h5");
    static float x[ROWS][2];
    static int64_t y[ROWS];
    static int32_t label[ROWS];
    static char text[ROWS][WIDTH];
    static double real[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i][0] = (float)(i % 3) * 10 + (float)(i % 7) * 0.1f;
        x[i][1] = (float)(i % 5) * 0.1f;
        label[i] = i % 11 == 0 ? -1 : i % 3 + 5;
        y[i] = i % 13 == 0 ? -1 : (int64_t)(i % 3) * 10000000000 + 7;
        snprintf(text[i], WIDTH, "%s",
                 i % 4 == 0   ? ""
                 : i % 3 == 0 ? "zeta"
                 : i % 3 == 1 ? "alpha"
                              : "\xce\xb2");
    }
    const tt_column columns[] = {{"/x", TT_F32, 2, {ROWS, 2}, 0, 0},  {"/y", TT_I64, 1, {ROWS}, 0, 0},
                                 {"/label", TT_I32, 1, {ROWS}, 0, 0}, {"/text", TT_TEXT, 1, {ROWS}, WIDTH, 0},
                                 {"/short", TT_I32, 1, {10}, 0, 0},   {"/real", TT_F64, 1, {ROWS}, 0, 0}};
    const void *data[] = {x, y, label, text, label, real};
    tt_store *store;
    tt_phases phases = {0};
    if (world.rank == 0) unlink(path);
    assert_ok(tt_store_create(&world, path, &origin, columns, 6, &store));
    for (int i = 0; i < 6 && world.rank == 0; i++)
        assert_ok(tt_store_write(store, columns[i].name, 0, columns[i].dims[0], data[i]));
    assert_ok(tt_store_publish(store, &phases, TT_OK));
    return path;
}

static const char *spec(const char *path, const char *dataset)
{
    static char room[4][1100];
    static int next;
    char *to = room[next++ % 4];
    snprintf(to, sizeof room[0], "%s:%s", path, dataset);
    return to;
}

static void test_truths(void **state)
{
    (void)state;
    const char *path = write_data();
    tt_classes y, text;
    tt_range mine = tt_partition(ROWS, TT_BLOCK_ROWS, world.size, world.rank);
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/y"), &y));
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/text"), &text));
    assert_int_equal(y.rows, ROWS);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        int32_t code = i % 3 == 0 ? 1 : i % 3 == 1 ? 0 : 2; /* alpha, zeta, beta in Greek */
        assert_int_equal(y.label[i - mine.begin], i % 13 == 0 ? -1 : i % 3);
        assert_int_equal(text.label[i - mine.begin], i % 4 == 0 ? -1 : code);
    }
    assert_int_equal(y.n, 3);
    assert_string_equal(y.name[2], "20000000007");
    assert_int_equal(text.n, 3);
    assert_string_equal(text.name[0], "alpha");
    tt_classes_free(&y);
    tt_classes_free(&text);
    assert_int_equal(tt_classes_from_dataset(&world, spec(path, "/real"), &y), TT_ERR_INPUT);
    assert_int_equal(tt_classes_from_dataset(&world, spec(path, "/none"), &y), TT_ERR_INPUT);
}

static double number(const json_t *root, const char *truth, const char *method, const char *key)
{
    return json_number_value(json_object_get(json_object_get(json_object_get(root, truth), method), key));
}

static void evaluate(const char *path, const char *output)
{
    tt_evaluate_job job = {"kmeans", "input", spec(path, "/x"), spec(path, "/label"), false};
    tt_truth truth = {.name = "class"};
    tt_classes y;
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/y"), &y));
    truth.rows = y.rows;
    truth.label = y.label;
    assert_ok(tt_evaluate(&world, &usual, &origin, &job, 1, &truth, 1, output));
    tt_classes_free(&y);
    MPI_Barrier(world.mpi);
}

static void test_json(void **state)
{
    (void)state;
    const char *path = write_data(), *output = scratch("evaluate.json");
    evaluate(path, output);
    json_t *root = json_load_file(output, 0, NULL);
    assert_non_null(root);
    assert_near(number(root, "class", "kmeans", "ari"), 1, 1e-12);
    assert_near(number(root, "class", "kmeans", "nmi"), 1, 1e-12);
    assert_near(number(root, "class", "chance", "ari"), 0, 0.02);
    assert_near(number(root, "class", "kmeans", "noise"), 55, 0);
    assert_near(number(root, "class", "kmeans", "rows"), 545, 0);
    assert_near(number(root, "class", "chance", "rows"), 545, 0);
    assert_near(number(root, "class", "chance", "noise"), 55, 0);
    assert_true(number(root, "class", "kmeans", "silhouette") > 0.9);
    assert_true(fabs(number(root, "class", "chance", "silhouette")) < 0.2);
    json_t *from = json_object_get(root, "provenance");
    assert_string_equal(json_string_value(json_object_get(from, "fingerprint")), "0123");
    json_decref(root);
}

/* Scores of labels of the data with noise treated as `noise`; free with json_decref(). */
static json_t *evaluate_noise(const char *noise, char metric[])
{
    const char *path = write_data(), *output = scratch("noise.json");
    tt_evaluate_params params = {metric, (char *)(uintptr_t)noise, 0};
    tt_evaluate_job job = {"dbscan", "input", spec(path, "/x"), spec(path, "/label"), false};
    assert_ok(tt_evaluate(&world, &params, &origin, &job, 1, NULL, 0, output));
    MPI_Barrier(world.mpi);
    json_t *root = json_load_file(output, 0, NULL);
    assert_non_null(root);
    MPI_Barrier(world.mpi);
    return root;
}

/* Noise left out, as a cluster, as clusters of one: said in the file, and counted. */
static void test_noise(void **state)
{
    (void)state;
    char metric[] = "euclidean";
    static const char *const as[] = {"drop", "cluster", "singletons"};
    static const int rows[] = {545, 600, 600}, clusters[] = {3, 4, 58};
    for (int i = 0; i < 3; i++) {
        json_t *root = evaluate_noise(as[i], metric),
               *entry = json_object_get(json_object_get(root, "none"), "dbscan");
        assert_string_equal(json_string_value(json_object_get(entry, "noise_as")), as[i]);
        assert_near(number(root, "none", "dbscan", "noise"), 55, 0);
        assert_near(number(root, "none", "dbscan", "rows"), rows[i], 0);
        assert_near(number(root, "none", "dbscan", "clusters"), clusters[i], 0);
        assert_int_equal(json_array_size(json_object_get(entry, "cluster_silhouettes")), clusters[i]);
        json_decref(root);
    }
}

/* Tracks of four rows by majority, and the confusion table. */
static void test_tracks(void **state)
{
    (void)state;
    enum { CLIPS = 400, TRACKS = 100 };
    char path[1024], x[1100], y[1100];
    snprintf(path, sizeof path, "%s", scratch("tracks.h5"));
    static float data[CLIPS];
    static int32_t label[CLIPS], truth[CLIPS];
    static int64_t track[CLIPS];
    for (int i = 0; i < CLIPS; i++) { /* three of four clips have the label of their track's truth */
        track[i] = (i * 7) % CLIPS / 4;
        truth[i] = (int32_t)track[i] % 3;
        label[i] = (i * 7) % 4 == 3 ? (truth[i] + 1) % 3 : truth[i];
        data[i] = (float)(label[i] + i % 5);
    }
    const tt_column columns[] = {{"/x", TT_F32, 1, {CLIPS}, 0, 0},
                                 {"/y", TT_I32, 1, {CLIPS}, 0, 0},
                                 {"/label", TT_I32, 1, {CLIPS}, 0, 0},
                                 {"/clip/track", TT_I64, 1, {CLIPS}, 0, 0}};
    const void *values[] = {data, truth, label, track};
    tt_store *store;
    assert_ok(tt_store_create(&world, path, &origin, columns, 4, &store));
    for (int i = 0; i < 4 && world.rank == 0; i++)
        assert_ok(tt_store_write(store, columns[i].name, 0, CLIPS, values[i]));
    assert_ok(tt_store_publish(store, NULL, TT_OK));
    snprintf(x, sizeof x, "%s:/x", path);
    snprintf(y, sizeof y, "%s:/label", path);
    tt_evaluate_job job = {"kmeans", "input", x, y, false};
    tt_range mine = tt_partition(CLIPS, TT_BLOCK_ROWS, world.size, world.rank);
    tt_truth one = {.name = "genre", .label = truth + mine.begin, .rows = CLIPS};
    snprintf(path, sizeof path, "%s", scratch("tracks.json"));
    assert_ok(tt_evaluate(&world, &usual, &origin, &job, 1, &one, 1, path));
    MPI_Barrier(world.mpi);
    json_t *root = json_load_file(path, 0, NULL), *table;
    assert_non_null(root);
    assert_near(number(root, "genre", "kmeans", "purity"), 0.75, 0.01);
    assert_near(number(root, "genre_by_track", "kmeans", "purity"), 1, 0);
    assert_near(number(root, "genre_by_track", "kmeans", "rows"), TRACKS, 0);
    table = json_object_get(json_object_get(json_object_get(root, "genre_by_track"), "kmeans"), "confusion");
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(
                json_integer_value(json_array_get(json_array_get(json_object_get(table, "rows"), i), j)),
                i == j ? (i == 0 ? 34 : 33) : 0);
    json_decref(root);
}

/* The table tells labels and truths as they are in the files, text as text; noise that is scored is "noise".
 */
static void test_names(void **state)
{
    (void)state;
    const char *path = write_data(), *output = scratch("names.json");
    tt_evaluate_params params = {(char[]){"euclidean"}, (char[]){"cluster"}, 0};
    tt_evaluate_job job = {"kmeans", "input", spec(path, "/x"), spec(path, "/label"), false};
    tt_classes c[2];
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/text"), &c[0]));
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/y"), &c[1]));
    tt_truth text = {"text", c[0].label, ROWS, c[0].name, c[0].n, NULL},
             number = {"number", c[1].label, ROWS, c[1].name, c[1].n, NULL};
    assert_ok(tt_evaluate(&world, &params, &origin, &job, 1, (tt_truth[]){text, number}, 2, output));
    MPI_Barrier(world.mpi);
    json_t *root = json_load_file(output, 0, NULL), *clusters, *classes, *numbers;
    assert_int_equal(json_unpack(root, "{s:{s:{s:{s:o,s:o}}},s:{s:{s:{s:o}}}}", "text", "kmeans", "confusion",
                                 "clusters", &clusters, "classes", &classes, "number", "kmeans", "confusion",
                                 "classes", &numbers),
                     0);
    json_t *expected = json_pack("[[i,i,i,s],[s,s,s],[I,I,I]]", 5, 6, 7, "noise", "alpha", "zeta", "\xce\xb2",
                                 (json_int_t)7, (json_int_t)10000000007, (json_int_t)20000000007);
    assert_true(json_equal(clusters, json_array_get(expected, 0)));
    assert_true(json_equal(classes, json_array_get(expected, 1)));
    assert_true(json_equal(numbers, json_array_get(expected, 2)));
    json_decref(expected);
    json_decref(root);
    for (int i = 0; i < 2; i++) tt_classes_free(&c[i]);
}

/* The file has the same bytes as one that a single rank writes. */
static void test_same_bytes(void **state)
{
    (void)state;
    const char *path = write_data(), *output = scratch("evaluate_all.json"),
               *alone = scratch("evaluate_one.json");
    evaluate(path, output);
    tt_comm whole = world;
    if (whole.rank == 0) {
        world = tt_comm_wrap(MPI_COMM_SELF);
        evaluate(path, alone);
        world = whole;
    }
    MPI_Barrier(world.mpi);
    json_t *a = json_load_file(output, 0, NULL), *b = json_load_file(alone, 0, NULL);
    char *x = json_dumps(a, JSON_REAL_PRECISION(17)), *y = json_dumps(b, JSON_REAL_PRECISION(17));
    assert_string_equal(x, y);
    free(x);
    free(y);
    json_decref(a);
    json_decref(b);
}

/* A truth that went into a space is marked there, and nowhere else. */
static void test_told(void **state)
{
    (void)state;
    const char *path = write_data(), *output = scratch("told.json");
    tt_evaluate_job job[] = {{"kmeans", "latent", spec(path, "/x"), spec(path, "/label"), false},
                             {"kmeans_raw", "raw", spec(path, "/x"), spec(path, "/label"), false}};
    tt_classes y;
    assert_ok(tt_classes_from_dataset(&world, spec(path, "/y"), &y));
    tt_truth truths[] = {{.name = "genre", .label = y.label, .rows = y.rows, .told = "latent"},
                         {.name = "language", .label = y.label, .rows = y.rows}};
    assert_ok(tt_evaluate(&world, &usual, &origin, job, 2, truths, 2, output));
    tt_classes_free(&y);
    MPI_Barrier(world.mpi);
    json_t *root = json_load_file(output, 0, NULL);
    const char *method[] = {"kmeans", "kmeans_raw", "chance"};
    for (int i = 0; i < 3; i++) {
        json_t *genre = json_object_get(json_object_get(root, "genre"), method[i]);
        json_t *language = json_object_get(json_object_get(root, "language"), method[i]);
        assert_int_equal(json_is_true(json_object_get(genre, "truth_went_in")), i == 0);
        assert_null(json_object_get(language, "truth_went_in"));
    }
    json_decref(root);
}

static void test_mismatch(void **state)
{
    (void)state;
    const char *path = write_data(), *output = scratch("mismatch.json");
    tt_evaluate_job job = {"kmeans", "input", spec(path, "/x"), spec(path, "/short"), false};
    assert_int_equal(tt_evaluate(&world, &usual, &origin, &job, 1, NULL, 0, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "has 10 labels"));
    assert_non_null(strstr(tt_message(), "has 600 rows"));
    job.labels = spec(path, "/label");
    tt_truth truth = {.name = "class", .rows = 10};
    assert_int_equal(tt_evaluate(&world, &usual, &origin, &job, 1, &truth, 1, output), TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "\"class\" has 10 rows"));
    assert_int_equal(access(output, F_OK), -1);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_truths), cmocka_unit_test(test_json),     cmocka_unit_test(test_noise),
    cmocka_unit_test(test_tracks), cmocka_unit_test(test_names),    cmocka_unit_test(test_same_bytes),
    cmocka_unit_test(test_told),   cmocka_unit_test(test_mismatch),
};
TT_TEST_MAIN(cases)
