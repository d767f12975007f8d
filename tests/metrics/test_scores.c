/* Scores against scikit-learn's (golden_scores.py made the file), and what its definitions leave open. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/metrics.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

/* One case of the golden file, this rank's rows. */
typedef struct golden {
    tt_matrix x;
    int32_t *label, *truth;
    double internal[3], external[8], cosine;
    double each[160]; /* silhouettes of clusters, where the file has them */
    int64_t n_each;
} golden;

static void golden_read(const char *name, golden *g)
{
    char spec[1024], dataset[256];
    tt_store *store;
    snprintf(spec, sizeof spec, "%s/metrics/golden_scores.h5:/%s/x", TT_TESTS, name);
    assert_ok(tt_matrix_read(&world, spec, NULL, &g->x));
    snprintf(spec, sizeof spec, "%s/metrics/golden_scores.h5", TT_TESTS);
    assert_ok(tt_store_open(&world, spec, &store));
    assert_ok(tt_alloc(g->x.count, sizeof *g->label, "test", &g->label));
    assert_ok(tt_alloc(g->x.count, sizeof *g->truth, "test", &g->truth));
    snprintf(dataset, sizeof dataset, "/%s/label", name);
    assert_ok(tt_store_read(store, dataset, g->x.first, g->x.count, TT_I32, g->label));
    snprintf(dataset, sizeof dataset, "/%s/truth", name);
    assert_ok(tt_store_read(store, dataset, g->x.first, g->x.count, TT_I32, g->truth));
    snprintf(dataset, sizeof dataset, "/%s/internal", name);
    assert_ok(tt_store_read(store, dataset, 0, 3, TT_F64, g->internal));
    snprintf(dataset, sizeof dataset, "/%s/external", name);
    assert_ok(tt_store_read(store, dataset, 0, 8, TT_F64, g->external));
    snprintf(dataset, sizeof dataset, "/%s/cosine", name);
    assert_ok(tt_store_read(store, dataset, 0, 1, TT_F64, &g->cosine));
    snprintf(dataset, sizeof dataset, "/%s/each", name);
    tt_column column;
    bool found;
    assert_ok(tt_store_column(store, dataset, &column, &found));
    g->n_each = found ? column.dims[0] : 0;
    if (found) assert_ok(tt_store_read(store, dataset, 0, g->n_each, TT_F64, g->each));
    tt_store_close(store);
}

static void golden_free(golden *g)
{
    tt_matrix_free(&g->x);
    free(g->label);
    free(g->truth);
}

static const char *const names[] = {
    "blobs",      "offset",    "tight",     "sparse_labels", "noise",      "one_cluster",
    "one_class",  "one_each",  "every_row", "pairs",         "singletons", "all_noise",
    "duplicates", "all_equal", "two_rows",  "three_rows",    "chance",
};
enum { NAMES = sizeof names / sizeof names[0] };

/* Within 1e-6, relative for scores above 1; both NAN is fine. */
static void check(const char *name, const char *score, double got, double expected)
{
    double room = 1e-6 * fmax(1, fabs(expected));
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= room))
        fail_msg("%s of %s is %.12g, scikit-learn says %.12g", score, name, got, expected);
}

static void test_internal(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        golden g;
        tt_internal_scores s;
        golden_read(names[i], &g);
        assert_ok(tt_score_internal(&g.x, g.label, NULL, &s, NULL));
        check(names[i], "silhouette", s.silhouette, g.internal[0]);
        check(names[i], "Davies-Bouldin", s.davies_bouldin, g.internal[1]);
        check(names[i], "Calinski-Harabasz", s.calinski_harabasz, g.internal[2]);
        golden_free(&g);
    }
}

static void test_cosine(void **state)
{
    (void)state;
    const tt_silhouette_options cosine = {TT_COSINE, 0, 0};
    for (int i = 0; i < NAMES; i++) {
        golden g;
        tt_internal_scores s;
        golden_read(names[i], &g);
        assert_ok(tt_score_internal(&g.x, g.label, &cosine, &s, NULL));
        check(names[i], "cosine silhouette", s.silhouette, g.cosine);
        golden_free(&g);
    }
}

static void test_each_cluster(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        golden g;
        tt_internal_scores s;
        tt_cluster_silhouettes each;
        golden_read(names[i], &g);
        assert_ok(tt_score_internal(&g.x, g.label, NULL, &s, &each));
        int64_t rows = 0;
        for (int64_t c = 0; c < each.n; c++) rows += each.cluster[c].rows;
        assert_int_equal(rows, isnan(s.silhouette) ? 0 : s.rows);
        if (g.n_each > 0) assert_int_equal(each.n, g.n_each);
        /* what float32 loses of one distance averages out over a cluster, but not over two rows */
        for (int64_t c = 0; c < g.n_each; c++)
            assert_near(each.cluster[c].silhouette, g.each[c], each.cluster[c].rows > 2 ? 1e-6 : 1e-5);
        free(each.cluster);
        golden_free(&g);
    }
}

/* A sample has as many rows as were asked for, is the same again, and one of all rows is exact. */
static void test_sample(void **state)
{
    (void)state;
    golden g;
    tt_internal_scores all, part, again, whole;
    tt_cluster_silhouettes each;
    const tt_silhouette_options some = {TT_EUCLIDEAN, 700, 3}, most = {TT_EUCLIDEAN, 2000, 3};
    golden_read("blobs", &g);
    assert_ok(tt_score_internal(&g.x, g.label, NULL, &all, NULL));
    assert_ok(tt_score_internal(&g.x, g.label, &some, &part, &each));
    assert_ok(tt_score_internal(&g.x, g.label, &some, &again, NULL));
    assert_ok(tt_score_internal(&g.x, g.label, &most, &whole, NULL));
    assert_memory_equal(&part, &again, sizeof part);
    assert_memory_equal(&all, &whole, sizeof all);
    int64_t rows = 0;
    for (int64_t c = 0; c < each.n; c++) rows += each.cluster[c].rows;
    assert_int_equal(rows, 700);
    assert_true(part.silhouette != all.silhouette);
    assert_near(part.silhouette, all.silhouette, 0.05);
    assert_true(part.davies_bouldin == all.davies_bouldin);
    free(each.cluster);
    golden_free(&g);
}

static void test_external(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        golden g;
        tt_external_scores s;
        golden_read(names[i], &g);
        assert_ok(tt_score_external(&world, g.x.count, g.label, g.truth, &s));
        const double got[] = {
            s.ari, s.ami, s.nmi, s.homogeneity, s.completeness, s.v_measure, s.fowlkes_mallows, s.purity};
        static const char *const score[] = {
            "ARI", "AMI", "NMI", "homogeneity", "completeness", "V-measure", "Fowlkes-Mallows", "purity"};
        for (int k = 0; k < 8; k++) check(names[i], score[k], got[k], g.external[k]);
        golden_free(&g);
    }
}

/* Rows that are not valid are left out, whatever they hold. */
static void test_invalid_rows(void **state)
{
    (void)state;
    golden g;
    tt_internal_scores all, part;
    golden_read("noise", &g);
    assert_ok(tt_score_internal(&g.x, g.label, NULL, &all, NULL));
    for (int64_t i = 0; i < g.x.count; i++) {
        if (g.label[i] >= 0) continue;
        g.label[i] = 3;
        g.x.valid[i] = 0;
    }
    assert_ok(tt_score_internal(&g.x, g.label, NULL, &part, NULL));
    assert_memory_equal(&all, &part, sizeof all);
    assert_int_equal(all.clusters, 7);
    assert_true(all.rows > 500 && all.rows < 900);
    golden_free(&g);
}

/* The same bits as one rank alone finds, on any number of ranks. */
static void test_rank_free(void **state)
{
    (void)state;
    golden g, own;
    tt_internal_scores all, alone;
    golden_read("blobs", &g);
    assert_ok(tt_score_internal(&g.x, g.label, NULL, &all, NULL));
    tt_comm mine = tt_comm_wrap(MPI_COMM_SELF), whole = world;
    world = mine;
    golden_read("blobs", &own);
    assert_ok(tt_score_internal(&own.x, own.label, NULL, &alone, NULL));
    world = whole;
    assert_memory_equal(&all, &alone, sizeof all);
    golden_free(&g);
    golden_free(&own);
}

static void score_made(const tt_comm *comm, int64_t rows, tt_internal_scores *out)
{
    enum { COLS = 5 };
    tt_stream stream = {11, TT_FOR_TEST, 0};
    tt_matrix x;
    int32_t *label;
    assert_ok(tt_matrix_new(comm, "made.h5:/x", rows, COLS, &x));
    assert_ok(tt_alloc(x.count, sizeof *label, "labels", &label));
    for (int64_t i = 0; i < x.count; i++) {
        uint64_t row = (uint64_t)(x.first + i);
        tt_random_normals(stream, row, COLS, x.data + i * COLS);
        for (int j = 0; j < COLS; j++) x.data[i * COLS + j] *= ldexpf(1, (int)(row * 31 % 61) - 30);
        label[i] = (int32_t)(row * row % 7);
    }
    assert_ok(tt_score_internal(&x, label, NULL, out, NULL));
    free(label);
    tt_matrix_free(&x);
}

/* Many blocks of rows, each pair of which one rank measures. */
static void test_rank_free_pairs(void **state)
{
    (void)state;
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_internal_scores all, alone;
    score_made(&world, 2900, &all);
    score_made(&self, 2900, &alone);
    assert_memory_equal(&all, &alone, sizeof all);
}

/* The table of cells, and counts that need more than 64 bits when squared. */
static void test_contingency(void **state)
{
    (void)state;
    tt_range mine = tt_partition(1000, 1, world.size, world.rank);
    int32_t label[1000], truth[1000];
    int64_t count = mine.end - mine.begin, n;
    tt_cell *cells;
    for (int64_t i = 0; i < count; i++) {
        label[i] = (int32_t)((mine.begin + i) % 3) * 1000000000;
        truth[i] = (int32_t)((mine.begin + i) % 2) - 1;
    }
    assert_ok(tt_contingency(&world, count, label, truth, &cells, &n));
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cells[i].label, i * 1000000000);
        assert_int_equal(cells[i].truth, 0);
        assert_in_range(cells[i].count, 166, 167);
    }
    free(cells);
    assert_ok(tt_contingency(&world, 0, label, NULL, &cells, &n));
    assert_int_equal(n, 0);
    free(cells);
}

/* What tt_scores_print() makes of a file with these rows of known genre and language. */
static void print_scores(int genre, int language, char *text, size_t bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", scratch("metrics.json"));
    FILE *json = fopen(path, "w"), *table = tmpfile();
    assert_true(json && table);
    fprintf(json,
            "{\"genre\": {\"kmeans\": {\"rows\": 9, \"silhouette\": 0.5, \"truth_rows\": %d}},"
            " \"language\": {\"kmeans\": {\"rows\": 9, \"silhouette\": 0.5, \"truth_rows\": %d}}}",
            genre, language);
    fclose(json);
    assert_ok(tt_scores_print(path, table));
    rewind(table);
    text[fread(text, 1, bytes - 1, table)] = '\0';
    fclose(table);
}

/* A truth that knows no row takes one line, not a table of dashes. */
static void test_unknown_truth(void **state)
{
    char text[8192];
    (void)state;
    if (world.rank != 0) return;
    print_scores(9, 0, text, sizeof text);
    assert_non_null(strstr(text, "Scores against genre"));
    assert_non_null(strstr(text, "No row has a known language"));
    assert_null(strstr(text, "Scores against language"));
    print_scores(0, 0, text, sizeof text);
    assert_non_null(strstr(text, "No row has a known genre"));
    assert_null(strstr(text, "ARI"));
    char *scores = strstr(text, "Scores: 9 rows");
    assert_non_null(scores);
    assert_null(strstr(scores + 1, "Scores: 9 rows"));
}

/* Hashes as labels: unsigned, above 2^63. */
static void test_high_labels(void **state)
{
    (void)state;
    enum { N = 300 };
    tt_store *store;
    char file[900], spec[1024];
    uint64_t value[N];
    tt_classes classes;
    const tt_column column = {.name = "/y", .type = TT_U64, .n_dims = 1, .dims = {N}};
    const tt_provenance origin = {.stage = "test", .fingerprint = "test", .config = ""};
    for (int i = 0; i < N; i++) value[i] = UINT64_MAX - (uint64_t)(i % 3);
    snprintf(file, sizeof file, "%s", scratch("labels.h5"));
    assert_ok(tt_store_create(&world, file, &origin, &column, 1, &store));
    tt_range mine = tt_partition(N, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t count = mine.end - mine.begin;
    assert_ok(tt_store_publish(
        store, NULL, tt_store_write(store, "/y", mine.begin, count, count > 0 ? value + mine.begin : value)));
    snprintf(spec, sizeof spec, "%s:/y", file);
    assert_ok(tt_classes_from_dataset(&world, spec, &classes));
    for (int64_t i = 0; i < count; i++) assert_int_equal(classes.label[i], 2 - (mine.begin + i) % 3);
    assert_string_equal(classes.name[2], "18446744073709551615");
    tt_classes_free(&classes);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_internal),        cmocka_unit_test(test_cosine),
    cmocka_unit_test(test_each_cluster),    cmocka_unit_test(test_sample),
    cmocka_unit_test(test_external),        cmocka_unit_test(test_invalid_rows),
    cmocka_unit_test(test_rank_free),       cmocka_unit_test(test_contingency),
    cmocka_unit_test(test_rank_free_pairs), cmocka_unit_test(test_unknown_truth),
    cmocka_unit_test(test_high_labels),
};
TT_TEST_MAIN(cases)
