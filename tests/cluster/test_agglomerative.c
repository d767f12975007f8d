/* Trees and their cuts against SciPy, on hard inputs, and on any number of ranks. */
#include "test.h"

#include "tutti/agglomerative.h"
#include "tutti/distance.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN TT_TESTS "/cluster/agglomerative_golden.h5"

/* All of a small dataset on every rank. */
static void *load(tt_store *store, const char *group, const char *leaf, tt_type type, int64_t *rows)
{
    tt_column column;
    bool found;
    char name[96];
    void *data;
    snprintf(name, sizeof name, "%s/%s", group, leaf);
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found);
    assert_ok(tt_alloc(column.dims[0], 8, name, &data));
    assert_ok(tt_store_read(store, name, 0, column.dims[0], type, data));
    *rows = column.dims[0];
    return data;
}

/* The same partition, whatever the numbers: ours go up with the first rows. */
static void check_partition(const char *group, const tt_matrix *x, const tt_agglomerative *tree,
                            const int32_t *expected)
{
    int32_t ours[1024], next = 0;
    for (int i = 0; i < 1024; i++) ours[i] = -1;
    for (int64_t i = 0; i < x->rows; i++) {
        int32_t *number = &ours[expected[i]];
        if (*number < 0) *number = next++;
        if (i >= x->first && i < x->first + x->count && tree->label[i - x->first] != *number)
            fail_msg("%s row %lld: label %d, expected %d", group, (long long)i, tree->label[i - x->first],
                     *number);
    }
    assert_int_equal(tree->clusters, next);
}

static void check_tree(tt_store *store, const tt_matrix *x, const char *group, tt_agglomerative_params p)
{
    int64_t n, one;
    char name[64];
    tt_agglomerative tree;
    snprintf(name, sizeof name, "/%s/%s", group, tt_linkage_name(p.linkage));
    double *height = load(store, name, "height", TT_F64, &n),
           *t = load(store, name, "threshold", TT_F64, &one);
    int32_t *label = load(store, name, "label", TT_I32, &n), *below = load(store, name, "below", TT_I32, &n);
    p.k = 7;
    assert_ok(tt_agglomerative_fit(x, &p, 1, &tree));
    assert_int_equal(tree.leaves, n);
    for (int64_t i = 0; i < n - 1; i++) {
        const double *row = tree.linkage + 4 * i;
        assert_near(row[2], height[i], 1e-5 * height[i] + 1e-7 * (p.metric == TT_COSINE));
        assert_true(row[0] < row[1] && row[1] < (double)(n + i) && row[3] >= 2);
        assert_true(i == 0 || row[2] >= row[-2]);
    }
    assert_near(tree.linkage[4 * (n - 2) + 3], n, 0);
    check_partition(name, x, &tree, label);
    tt_agglomerative_free(&tree);
    p.k = 0;
    p.distance_threshold = *t;
    assert_ok(tt_agglomerative_fit(x, &p, 1, &tree));
    check_partition(name, x, &tree, below);
    tt_agglomerative_free(&tree);
    free(height);
    free(t);
    free(label);
    free(below);
}

/* Teams of up to three ranks share the groups: more ranks meet in test_ranks. */
static void test_golden(void **state)
{
    enum { TEAM = 3 };
    (void)state;
    static const char *const groups[] = {"blobs",  "rings", "moons",  "duplicates", "collinear",
                                         "offset", "line",  "angles", "squares"};
    int teams = (world.size + TEAM - 1) / TEAM;
    tt_store *store;
    MPI_Comm mpi;
    MPI_Comm_split(world.mpi, world.rank % teams, 0, &mpi);
    tt_comm team = tt_comm_wrap(mpi);
    assert_ok(tt_store_open(&team, GOLDEN, &store));
    for (size_t i = (size_t)(world.rank % teams); i < sizeof groups / sizeof *groups; i += (size_t)teams) {
        char spec[1024], *metric;
        tt_agglomerative_params p = {0};
        tt_matrix x;
        snprintf(spec, sizeof spec, "%s:/%s/x", GOLDEN, groups[i]);
        assert_ok(tt_matrix_read(&team, spec, NULL, &x));
        assert_ok(tt_store_get_text(store, groups[i], "metric", &metric));
        assert_true(metric && tt_metric_parse(metric, &p.metric));
        for (p.linkage = TT_WARD; p.linkage <= TT_SINGLE; p.linkage++)
            if (p.linkage != TT_WARD || p.metric == TT_EUCLIDEAN) check_tree(store, &x, groups[i], p);
        tt_matrix_free(&x);
        free(metric);
    }
    tt_store_close(store);
    MPI_Comm_free(&mpi);
}

/* Clouds with rows that are not valid, equal rows, and few values a column; by global row alone. */
static void make(const tt_comm *comm, int64_t n, int64_t cols, tt_matrix *x)
{
    tt_stream s = {5, TT_FOR_TEST, 0};
    int64_t valid = 0;
    assert_ok(tt_matrix_new(comm, "made.h5:/x", n, cols, x));
    for (int64_t i = 0; i < x->count; i++) {
        uint64_t row = (uint64_t)(x->first + i);
        float *to = x->data + i * cols;
        tt_random_normals(s, row % 11 == 3 ? row - 3 : row, cols, to);
        for (int64_t j = 0; row % 5 == 0 && j < cols; j++) to[j] = rintf(to[j]); /* ties */
        x->valid[i] = row % 13 != 5;
        if (!x->valid[i]) memset(to, 0, (size_t)cols * sizeof *to);
        valid += x->valid[i];
    }
    x->n_valid = tt_sum_i64(comm, valid);
}

static void check_ranks(int64_t n, int64_t cols, tt_agglomerative_params p)
{
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x, all;
    tt_agglomerative tree, alone;
    make(&world, n, cols, &x);
    make(&self, n, cols, &all);
    assert_ok(tt_agglomerative_fit(&x, &p, 3, &tree));
    assert_ok(tt_agglomerative_fit(&all, &p, 3, &alone));
    assert_int_equal(tree.leaves, alone.leaves);
    assert_memory_equal(tree.linkage, alone.linkage, (size_t)(tree.leaves - 1) * 4 * sizeof(double));
    assert_memory_equal(tree.leaf_row, alone.leaf_row, (size_t)tree.leaves * sizeof(int64_t));
    if (x.count > 0)
        assert_memory_equal(tree.label, alone.label + x.first, (size_t)x.count * sizeof *tree.label);
    int64_t rows = 0;
    for (int64_t i = 0; i < tree.leaves; i++) rows += tree.leaf_size[i];
    assert_int_equal(rows, x.n_valid);
    for (int64_t i = 0; i < x.count; i++)
        assert_true(x.valid[i] ? tree.label[i] >= 0 && tree.label[i] < tree.clusters : tree.label[i] == -1);
    tt_agglomerative_free(&tree);
    tt_agglomerative_free(&alone);
    tt_matrix_free(&x);
    tt_matrix_free(&all);
}

static void test_ranks(void **state)
{
    (void)state;
    for (tt_linkage l = TT_WARD; l <= TT_SINGLE; l++) {
        tt_agglomerative_params p = {.linkage = l, .metric = TT_EUCLIDEAN, .k = 4};
        check_ranks(9, 3, p); /* one block: ranks without rows */
        check_ranks(1100, 4, p);
        p.presample = 60;
        check_ranks(1100, 4, p);
    }
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Lengths of the minimum spanning tree, ascending, as Prim (1957) finds it. @param nearest  [n] */
static void prim(int64_t n, int64_t cols, const float *rows, double *nearest, double *length)
{
    for (int64_t i = 0; i < n; i++) nearest[i] = INFINITY;
    for (int64_t in = 0, step = 0; step < n - 1; step++) {
        int64_t next = -1;
        nearest[in] = -1; /* in the tree */
        for (int64_t i = 0; i < n; i++) {
            if (nearest[i] < 0) continue;
            nearest[i] = fmin(nearest[i], sqrt(tt_distance(rows + i * cols, rows + in * cols, cols)));
            if (next < 0 || nearest[i] < nearest[next]) next = i;
        }
        length[step] = nearest[next];
        in = next;
    }
    qsort(length, (size_t)(n - 1), sizeof *length, by_value);
}

/* Clouds far from each other, most of whose points need not be measured: heights are those of a naive tree.
 */
static void test_single_of_clouds(void **state)
{
    enum { ROWS = 2300, COLS = 6, CLOUDS = 9 };
    (void)state;
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_agglomerative_params p = {.linkage = TT_SINGLE, .metric = TT_EUCLIDEAN, .k = CLOUDS};
    const tt_comm *comms[] = {&self, &world};
    double *length;
    assert_ok(tt_alloc((int64_t)2 * ROWS, sizeof *length, "lengths", &length));
    for (int c = 0; c < 2; c++) {
        tt_matrix x;
        tt_agglomerative tree;
        make(comms[c], ROWS, COLS, &x);
        for (int64_t i = 0; i < x.count; i++) {
            uint64_t row = (uint64_t)(x.first + i);
            x.valid[i] = 1;
            for (int j = 0; j < COLS; j++)
                x.data[i * COLS + j] =
                    4.0f * (float)((row % CLOUDS) * (row % CLOUDS + (uint64_t)j) % 7) +
                    (float)tt_random_normal((tt_stream){8, TT_FOR_TEST, 0}, row, (uint64_t)j);
        }
        x.n_valid = ROWS;
        if (c == 0) prim(ROWS, COLS, x.data, length + ROWS, length);
        assert_ok(tt_agglomerative_fit(&x, &p, 3, &tree));
        assert_int_equal(tree.leaves, ROWS);
        for (int i = 0; i < ROWS - 1; i++) assert_near(tree.linkage[4 * i + 2], length[i], 2e-6 * length[i]);
        tt_agglomerative_free(&tree);
        tt_matrix_free(&x);
    }
    free(length);
}

/* Values whose squares float32 does not have give the same tree, in other units. */
static void test_tiny(void **state)
{
    (void)state;
    for (tt_linkage l = TT_WARD; l <= TT_SINGLE; l++) {
        tt_agglomerative_params p = {.linkage = l, .metric = TT_EUCLIDEAN, .k = 4};
        tt_matrix x;
        tt_agglomerative tree, tiny;
        make(&world, 90, 3, &x);
        assert_ok(tt_agglomerative_fit(&x, &p, 3, &tree));
        for (int64_t i = 0; i < x.count * x.cols; i++) x.data[i] *= 0x1p-80f;
        assert_ok(tt_agglomerative_fit(&x, &p, 3, &tiny));
        for (int64_t i = 0; i + 1 < tree.leaves; i++) tree.linkage[4 * i + 2] *= 0x1p-80;
        assert_memory_equal(tree.linkage, tiny.linkage, (size_t)(tree.leaves - 1) * 4 * sizeof(double));
        tt_agglomerative_free(&tree);
        tt_agglomerative_free(&tiny);
        tt_matrix_free(&x);
    }
}

static void fill(tt_matrix *x, int64_t rows, int64_t cols, float value)
{
    assert_ok(tt_matrix_new(&world, "few.h5:/x", rows, cols, x));
    for (int64_t i = 0; i < x->count * cols; i++) x->data[i] = value;
}

static void test_equal_and_few(void **state)
{
    (void)state;
    for (tt_linkage l = TT_WARD; l <= TT_SINGLE; l++) {
        tt_agglomerative_params p = {.linkage = l, .metric = TT_EUCLIDEAN, .k = 3};
        tt_matrix x;
        tt_agglomerative tree;
        fill(&x, 600, 3, 0.1f);
        assert_ok(tt_agglomerative_fit(&x, &p, 1, &tree));
        for (int64_t i = 0; i < 599; i++) assert_true(tree.linkage[4 * i + 2] == 0);
        assert_int_equal(tree.clusters, 3);
        tt_agglomerative_free(&tree);
        tt_matrix_free(&x);
        fill(&x, 1, 1, 5);
        p.k = 1;
        assert_ok(tt_agglomerative_fit(&x, &p, 1, &tree));
        assert_int_equal(tree.leaves, 1);
        assert_int_equal(tree.clusters, 1);
        tt_agglomerative_free(&tree);
        tt_matrix_free(&x);
    }
}

/* Pairs of doubles that are one point, or nearly, in float32: their heights are those of doubles. */
static void test_double(void **state)
{
    (void)state;
    enum { PAIRS = 300 };
    static double x[2 * PAIRS][2];
    for (int i = 0; i < 2 * PAIRS; i++) {
        x[i][0] = i / 2 + i % 2 * 1e-5 * (1 + i / 2 / 1000.0);
        x[i][1] = 1 / 3.0;
    }
    char file[900], spec[1000];
    const tt_column column = {.name = "/x", .type = TT_F64, .n_dims = 2, .dims = {2 * PAIRS, 2}};
    const tt_provenance origin = {.stage = "test", .fingerprint = "pairs", .config = ""};
    tt_store *store;
    snprintf(file, sizeof file, "%s", scratch("pairs.h5"));
    snprintf(spec, sizeof spec, "%s:/x", file);
    assert_ok(tt_store_create(&world, file, &origin, &column, 1, &store));
    tt_status s = world.rank == 0 ? tt_store_write(store, "/x", 0, 2 * PAIRS, x) : TT_OK;
    assert_ok(tt_store_publish(store, NULL, s));
    for (tt_linkage l = TT_WARD; l <= TT_SINGLE; l++) {
        tt_agglomerative_params p = {.linkage = l, .metric = TT_EUCLIDEAN, .k = PAIRS};
        tt_matrix rows;
        tt_agglomerative tree;
        assert_ok(tt_matrix_read_exact(&world, spec, "/x", &rows));
        assert_ok(tt_agglomerative_fit(&rows, &p, 1, &tree));
        for (int i = 0; i < PAIRS; i++) {
            double height = x[2 * i + 1][0] - x[2 * i][0];
            assert_near(tree.linkage[4 * i + 2], height, 1e-7 * height);
        }
        for (int64_t i = 0; i < rows.count; i++) assert_int_equal(tree.label[i], (rows.first + i) / 2);
        tt_agglomerative_free(&tree);
        tt_matrix_free(&rows);
    }
}

/* More micro-clusters than rows that differ: the tree over those that do, with equal leaves joined at 0. */
static void test_presample_equal(void **state)
{
    (void)state;
    enum { ROWS = 700, DIFFERENT = 7, LEAVES = 60 };
    tt_agglomerative_params p = {
        .linkage = TT_WARD, .metric = TT_EUCLIDEAN, .k = DIFFERENT, .presample = LEAVES};
    tt_matrix x;
    tt_agglomerative tree, exact;
    int64_t rows = 0;
    fill(&x, ROWS, 1, 0);
    for (int64_t i = 0; i < x.count; i++) {
        int64_t value = (x.first + i) % DIFFERENT;
        x.data[i] = (float)(value * value);
    }
    assert_ok(tt_agglomerative_fit(&x, &p, 1, &tree));
    p.presample = 0;
    assert_ok(tt_agglomerative_fit(&x, &p, 1, &exact));
    assert_int_equal(tree.leaves, LEAVES);
    assert_int_equal(tree.clusters, DIFFERENT);
    for (int64_t i = 0; i < LEAVES; i++) {
        assert_true(tree.leaf_size[i] >= 1);
        rows += tree.leaf_size[i];
    }
    assert_int_equal(rows, ROWS);
    for (int64_t i = 0; i < LEAVES - DIFFERENT; i++) assert_true(tree.linkage[4 * i + 2] == 0);
    for (int64_t i = 1; i < DIFFERENT; i++)
        assert_true(tree.linkage[4 * (LEAVES - 1 - i) + 2] == exact.linkage[4 * (ROWS - 1 - i) + 2]);
    if (x.count > 0) assert_memory_equal(tree.label, exact.label, (size_t)x.count * sizeof *tree.label);
    tt_agglomerative_free(&tree);
    tt_agglomerative_free(&exact);
    tt_matrix_free(&x);
}

static void expect(const tt_matrix *x, tt_agglomerative_params p, tt_status status, const char *message)
{
    tt_agglomerative tree;
    assert_int_equal(tt_agglomerative_fit(x, &p, 1, &tree), status);
    assert_string_equal(tt_message(), message);
    assert_null(tree.linkage);
}

static void test_errors(void **state)
{
    (void)state;
    tt_matrix x;
    tt_agglomerative_params p = {.linkage = TT_WARD, .metric = TT_EUCLIDEAN, .k = 4};
    fill(&x, 3, 2, 1);
    expect(&x, p, TT_ERR_INPUT, "cluster.agglomerative.k is 4 but few.h5:/x has only 3 valid rows");
    p.k = 2;
    p.metric = TT_COSINE;
    expect(&x, p, TT_ERR_CONFIG, "cluster.agglomerative.metric is cosine; linkage ward needs euclidean");
    p = (tt_agglomerative_params){.linkage = TT_WARD, .metric = TT_EUCLIDEAN, .distance_threshold = NAN};
    expect(&x, p, TT_ERR_CONFIG, "cluster.agglomerative.distance_threshold is nan; it must be 0 or more");
    tt_matrix_free(&x);
    fill(&x, 0, 2, 1);
    p.k = 1;
    expect(&x, p, TT_ERR_INPUT, "few.h5:/x has no valid rows to cluster (0 rows in all)");
    tt_matrix_free(&x);
    p = (tt_agglomerative_params){.linkage = TT_AVERAGE, .metric = TT_EUCLIDEAN, .k = 1, .memory_limit = 100};
    fill(&x, 600, 1, 0);
    for (int64_t i = 0; i < x.count; i++) x.data[i] = (float)(x.first + i);
    assert_int_equal(tt_agglomerative_fit(&x, &p, 1, &(tt_agglomerative){0}), TT_ERR_CONFIG);
    assert_non_null(strstr(tt_message(), "set cluster.agglomerative.presample"));
    tt_matrix_free(&x);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),           cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_single_of_clouds), cmocka_unit_test(test_tiny),
    cmocka_unit_test(test_double),           cmocka_unit_test(test_equal_and_few),
    cmocka_unit_test(test_presample_equal),  cmocka_unit_test(test_errors),
};
TT_TEST_MAIN(cases)
