/* k-means against scikit-learn, on hard inputs, and on any number of ranks. */
#include "test.h"

#include "cluster/kmeans_filter.h"
#include "tutti/cluster.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_TESTS "/cluster/kmeans_golden.h5"

/* All of a small dataset on every rank. */
static void *load(const char *group, const char *leaf, tt_type type, int64_t *rows)
{
    tt_store *store;
    tt_column column;
    bool found;
    char name[64];
    void *data;
    snprintf(name, sizeof name, "/%s/%s", group, leaf);
    assert_ok(tt_store_open(&world, GOLDEN, &store));
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found);
    int64_t cols = column.n_dims > 1 ? column.dims[1] : 1;
    assert_ok(tt_alloc(column.dims[0] * cols, 8, name, &data));
    assert_ok(tt_store_read(store, name, 0, column.dims[0], type, data));
    tt_store_close(store);
    *rows = column.dims[0];
    return data;
}

static void check_golden(const char *group)
{
    char spec[1024];
    int64_t n, k, one;
    tt_matrix x;
    tt_kmeans fit;
    snprintf(spec, sizeof spec, "%s:/%s/x", GOLDEN, group);
    double *init = load(group, "init", TT_F64, &k), *settings = load(group, "settings", TT_F64, &one);
    double *inertia = load(group, "inertia", TT_F64, &one), *centroids = load(group, "centroids", TT_F64, &k);
    int32_t *label = load(group, "label", TT_I32, &n);
    assert_ok(tt_matrix_read(&world, spec, NULL, &x));
    tt_kmeans_params p = {.k = (int)k, .n_init = 1, .max_iter = (int)settings[0], .tol = settings[1]};
    assert_ok(tt_kmeans_from(&x, &p, init, &fit));
    for (int64_t i = 0; i < x.count; i++)
        if (fit.label[i] != label[x.first + i])
            fail_msg("%s row %lld: label %d, expected %d", group, (long long)(x.first + i), fit.label[i],
                     label[x.first + i]);
    assert_near(fit.inertia, *inertia, 1e-6 * *inertia + 1e-12);
    assert_int_equal(fit.iterations, (int)settings[2]);
    for (int64_t i = 0; i < k * x.cols; i++) /* float32 values, the offset kept in double */
        assert_near(fit.centroids[i], centroids[i], 2e-6 * fmin(fabs(centroids[i]), 100) + 2e-6);
    tt_kmeans_free(&fit);
    tt_matrix_free(&x);
    free(init);
    free(settings);
    free(inertia);
    free(centroids);
    free(label);
}

static void test_golden(void **state)
{
    (void)state;
    static const char *const groups[] = {"blobs",     "overlap", "empty",  "duplicates",
                                         "collinear", "offset",  "shifted"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) check_golden(groups[i]);
}

/* Rows of `clusters` clouds with some rows not valid; every value depends on its global row alone. */
static void make(const tt_comm *comm, int64_t n, int64_t cols, uint64_t clusters, tt_matrix *x)
{
    tt_stream s = {5, TT_FOR_TEST, 0};
    assert_ok(tt_matrix_new(comm, "made.h5:/x", n, cols, x));
    int64_t valid = 0;
    for (int64_t i = 0; i < x->count; i++) {
        uint64_t row = (uint64_t)(x->first + i);
        tt_random_normals(s, row, cols, x->data + i * cols);
        uint64_t cloud = tt_random_below(s, row, 1000, clusters);
        for (int64_t j = 0; j < cols; j++)
            x->data[i * cols + j] += 3.0f * (float)tt_random_normal(s, 1000000 + cloud, (uint64_t)j);
        x->valid[i] = row % 13 != 5;
        if (!x->valid[i]) memset(x->data + i * cols, 0, (size_t)cols * sizeof(float));
        valid += x->valid[i];
    }
    x->n_valid = tt_sum_i64(comm, valid);
}

static void check_ranks(int64_t n, int64_t cols, int k, const char *init, int mini_batch)
{
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x, all;
    tt_kmeans fit, alone;
    tt_kmeans_params p = {.k = k, .n_init = 2, .max_iter = 30, .tol = 1e-4, .mini_batch = mini_batch};
    p.init = (char *)init;
    make(&world, n, cols, 7, &x);
    make(&self, n, cols, 7, &all);
    assert_ok(tt_kmeans_fit(&x, &p, 3, &fit));
    assert_ok(tt_kmeans_fit(&all, &p, 3, &alone));
    assert_memory_equal(&fit.inertia, &alone.inertia, sizeof fit.inertia);
    assert_int_equal(fit.iterations, alone.iterations);
    assert_memory_equal(fit.centroids, alone.centroids, (size_t)(k * cols) * sizeof *fit.centroids);
    if (x.count > 0)
        assert_memory_equal(fit.label, alone.label + x.first, (size_t)x.count * sizeof *fit.label);
    for (int64_t i = 0; i < x.count; i++)
        assert_true(x.valid[i] ? fit.label[i] >= 0 && fit.label[i] < k : fit.label[i] == -1);
    tt_kmeans_free(&fit);
    tt_kmeans_free(&alone);
    tt_matrix_free(&x);
    tt_matrix_free(&all);
}

static void test_ranks(void **state)
{
    (void)state;
    check_ranks(9, 3, 4, NULL, 0);             /* one block: ranks without rows */
    check_ranks(1700, 8, 7, "k-means||", 0);   /* k-means++ over all rows */
    check_ranks(6001, 10, 20, "k-means||", 0); /* in rounds */
    check_ranks(6001, 10, 20, "k-means++", 0);
    check_ranks(2001, 5, 150, "random", 0); /* several groups of several panels */
    check_ranks(6001, 10, 20, "random", 500);
}

/* The labels that bounds, bytes and float tiles gave are those of a naive loop in double. */
static void check_nearest(int64_t n, int64_t cols, uint64_t clusters, int k, int iterations)
{
    tt_matrix x;
    tt_kmeans fit;
    tt_kmeans_params p = {.k = k, .n_init = 1, .max_iter = iterations, .tol = 0, .init = (char *)"random"};
    make(&world, n, cols, clusters, &x);
    assert_ok(tt_kmeans_fit(&x, &p, 9, &fit));
    double inertia = 0;
    for (int64_t i = 0; i < x.count; i++) {
        int nearest = -1;
        double best = INFINITY;
        for (int c = 0; c < fit.k; c++) {
            double d = 0;
            for (int64_t j = 0; j < x.cols; j++)
                d += pow((double)x.data[i * x.cols + j] - fit.centroids[c * x.cols + j], 2);
            if (d >= best) continue;
            best = d;
            nearest = c;
        }
        if (!x.valid[i]) continue;
        assert_int_equal(fit.label[i], nearest);
        inertia += best;
    }
    MPI_Allreduce(MPI_IN_PLACE, &inertia, 1, MPI_DOUBLE, MPI_SUM, world.mpi);
    assert_near(fit.inertia, inertia, 1e-9 * inertia);
    tt_kmeans_free(&fit);
    tt_matrix_free(&x);
}

static void test_labels_are_nearest(void **state)
{
    (void)state;
    check_nearest(5000, 6, 5, 17, 12);
    check_nearest(6000, 18, 1, 60, 9);
    for (int iterations = 10; iterations <= 80; iterations += 10) check_nearest(3000, 2, 12, 24, iterations);
}

/* Rows that bytes leave out, as nothing is nearer to them than `part` of the squared distance to their
 * nearest centre. The others are in some set. */
static int64_t count_left_out(const kmeans_filter *f, const tt_points *p, float *square, float part)
{
    const tt_matrix *x = p->x;
    int64_t out = 0;
    for (int64_t i = 0; i < x->count; i++) square[i] *= part;
    for (int64_t first = 0; first < x->count; first += FILTER_ROWS) {
        filter_nearest found;
        int32_t label[FILTER_ROWS];
        int64_t n = x->count - first < FILTER_ROWS ? x->count - first : FILTER_ROWS;
        for (int64_t r = 0; r < n; r++) label[r] = -1;
        kmeans_filter_nearest(f, first, n, label, x->valid + first, square, &found);
        for (int64_t r = 0; r < n; r++)
            out += x->valid[first + r] && !((found.moved | found.pair | found.open) >> r & 1);
    }
    for (int64_t i = 0; i < x->count; i++) square[i] /= part;
    return out;
}

static void check_left_out(int64_t cols, int k)
{
    tt_matrix x;
    tt_points points;
    kmeans_filter f;
    double *centre;
    float *square;
    make(&world, 5000, cols, 3, &x);
    assert_ok(tt_points_new(&x, &points));
    assert_ok(kmeans_filter_init(&f, &points, (k + TILE - 1) / TILE));
    assert_ok(tt_alloc(k * cols, sizeof *centre, "centres", &centre));
    assert_ok(tt_alloc(x.count, sizeof *square, "squares", &square));
    for (int64_t e = 0; e < k * cols; e++)
        centre[e] = 3 * tt_random_normal((tt_stream){6, TT_FOR_TEST, 0}, 0, (uint64_t)e);
    for (int64_t i = 0; i < x.count; i++) {
        double best = INFINITY;
        for (int64_t c = 0; c < k; c++) {
            double d = 0;
            for (int64_t j = 0; j < cols; j++)
                d += pow((double)points.data[i * cols + j] - centre[c * cols + j], 2);
            best = fmin(best, d);
        }
        square[i] = (float)best;
    }
    if (f.rows) { /* else this CPU has no products of bytes */
        kmeans_filter_centres(&f, centre, k);
        assert_int_equal(count_left_out(&f, &points, square, 1.000001f), 0);
        assert_true(2 * count_left_out(&f, &points, square, 0.8f) >= x.count);
    }
    free(centre);
    free(square);
    kmeans_filter_clear(&f);
    tt_points_free(&points);
    tt_matrix_free(&x);
}

static void test_rows_left_out(void **state)
{
    (void)state;
    check_left_out(6, 1);
    check_left_out(30, 21);
}

static void test_all_equal(void **state)
{
    (void)state;
    for (int64_t n = 300; n <= 6000; n += 5700) {
        tt_matrix x;
        tt_kmeans fit;
        tt_kmeans_params p = {.k = 5, .n_init = 2, .max_iter = 10, .tol = 1e-4};
        assert_ok(tt_matrix_new(&world, "equal.h5:/x", n, 3, &x));
        for (int64_t i = 0; i < x.count * 3; i++) x.data[i] = 0.1f;
        assert_ok(tt_kmeans_fit(&x, &p, 1, &fit));
        for (int64_t i = 0; i < x.count; i++) assert_int_equal(fit.label[i], 0);
        for (int64_t i = 0; i < 5 * 3; i++) assert_near(fit.centroids[i], 0.1f, 1e-9);
        assert_near(fit.inertia, 0, 1e-12);
        tt_kmeans_free(&fit);
        tt_matrix_free(&x);
    }
}

static void test_k_is_rows(void **state)
{
    (void)state;
    tt_matrix x;
    tt_kmeans fit;
    tt_kmeans_params p = {.k = 8, .n_init = 1, .max_iter = 10, .tol = 0};
    assert_ok(tt_matrix_new(&world, "few.h5:/x", 8, 2, &x));
    for (int64_t i = 0; i < x.count * 2; i++) x.data[i] = (float)(i * i);
    assert_ok(tt_kmeans_fit(&x, &p, 1, &fit));
    assert_near(fit.inertia, 0, 1e-9);
    tt_kmeans_free(&fit);
    p.k = 1;
    assert_ok(tt_kmeans_fit(&x, &p, 1, &fit));
    for (int64_t i = 0; i < x.count; i++) assert_int_equal(fit.label[i], 0);
    tt_kmeans_free(&fit);
    tt_matrix_free(&x);
}

static void test_errors(void **state)
{
    (void)state;
    tt_matrix x;
    tt_kmeans fit;
    tt_kmeans_params p = {.k = 4, .n_init = 1, .max_iter = 10, .tol = 0};
    assert_ok(tt_matrix_new(&world, "few.h5:/x", 3, 2, &x));
    assert_int_equal(tt_kmeans_fit(&x, &p, 1, &fit), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "cluster.kmeans.k is 4 but few.h5:/x has only 3 valid rows");
    tt_kmeans_choice choice;
    p.k = 2;
    p.k_max = 4;
    p.select = (char *)"elbow";
    assert_int_equal(tt_kmeans_choose(&x, &p, 1, NULL, &choice), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "cluster.kmeans.k goes up to 4 but few.h5:/x has only 3 valid rows");
    p.k = 0;
    assert_int_equal(tt_kmeans_fit(&x, &p, 1, &fit), TT_ERR_CONFIG);
    tt_matrix_free(&x);
    p.k = 1;
    assert_ok(tt_matrix_new(&world, "none.h5:/x", 0, 2, &x));
    assert_int_equal(tt_kmeans_fit(&x, &p, 1, &fit), TT_ERR_INPUT);
    assert_string_equal(tt_message(), "none.h5:/x has no valid rows to cluster (0 rows in all)");
    tt_matrix_free(&x);
}

static void test_stage(void **state)
{
    (void)state;
    tt_cluster_params p = {.level = (char *)"clip",
                           .kmeans = {.k = 3, .k_max = 3, .n_init = 2, .max_iter = 50, .tol = 1e-4}};
    tt_provenance provenance = {"cluster", "test", "", "", 1};
    tt_cluster_job jobs[] = {{TT_KMEANS, "/kmeans", GOLDEN ":/blobs/x"},
                             {TT_KMEANS, "/baseline/raw/kmeans", GOLDEN ":/empty/x"}};
    char output[1024];
    snprintf(output, sizeof output, "%s", scratch("clusters.h5"));
    assert_ok(tt_cluster(&world, &p, &provenance, jobs, 2, NULL, output));
    tt_store *store;
    tt_column column;
    bool found;
    double inertia;
    int32_t label[900];
    assert_ok(tt_store_open(&world, output, &store));
    assert_ok(tt_store_column(store, "/kmeans/centroids", &column, &found));
    assert_true(found && column.dims[0] == 3 && column.dims[1] == 5);
    assert_ok(tt_store_read(store, "/baseline/raw/kmeans/inertia", 0, 1, TT_F64, &inertia));
    assert_true(inertia > 0);
    assert_ok(tt_store_read(store, "/baseline/raw/kmeans/label", 0, 900, TT_I32, label));
    for (int i = 0; i < 900; i++) assert_in_range(label[i], 0, 2);
    tt_store_close(store);
}

static int32_t iterations_of(const char *output, const char *group)
{
    tt_store *store;
    int32_t n;
    assert_ok(tt_store_open(&world, output, &store));
    assert_ok(tt_store_read(store, group, 0, 1, TT_I32, &n));
    tt_store_close(store);
    return n;
}

/* The second job fails; when it can be made, the first is not made again, though it would come out otherwise.
 */
static void test_resumed_stage(void **state)
{
    (void)state;
    tt_cluster_params p = {.level = (char *)"clip",
                           .kmeans = {.k = 6, .k_max = 6, .n_init = 1, .max_iter = 1, .tol = 0}};
    tt_provenance provenance = {"cluster", "resumed", "", "", 1};
    tt_cluster_job jobs[] = {{TT_KMEANS, "/kmeans", GOLDEN ":/blobs/x"},
                             {TT_KMEANS, "/other", GOLDEN ":/empty/x"}};
    char output[1024];
    snprintf(output, sizeof output, "%s", scratch("resumed.h5"));
    p.kmeans.init = (char *)GOLDEN ":/blobs/init";
    assert_int_equal(tt_cluster(&world, &p, &provenance, jobs, 2, NULL, output), TT_ERR_INPUT);
    p.kmeans.init = NULL;
    p.kmeans.max_iter = 50;
    assert_ok(tt_cluster(&world, &p, &provenance, jobs, 2, NULL, output));
    assert_int_equal(iterations_of(output, "/kmeans/n_iter"), 1);
    assert_true(iterations_of(output, "/other/n_iter") > 1);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_labels_are_nearest),
    cmocka_unit_test(test_rows_left_out),
    cmocka_unit_test(test_all_equal),
    cmocka_unit_test(test_k_is_rows),
    cmocka_unit_test(test_errors),
    cmocka_unit_test(test_stage),
    cmocka_unit_test(test_resumed_stage),
};
TT_TEST_MAIN(cases)
