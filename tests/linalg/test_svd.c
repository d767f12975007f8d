/* Truncated SVD against a full one, on any number of ranks, and of matrices with little in them. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"
#include "tutti/svd.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_TESTS "/text/golden_text.h5"

enum { KEPT = 14 };

static void *load(const char *name, tt_type type, size_t bytes, int64_t *rows)
{
    tt_store *store;
    tt_column column;
    bool found;
    void *data;
    assert_ok(tt_store_open(&world, GOLDEN, &store));
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found);
    *rows = column.dims[0];
    assert_ok(tt_alloc(*rows * (column.n_dims > 1 ? column.dims[1] : 1), bytes, "test", &data));
    assert_ok(tt_store_read(store, name, 0, *rows, type, data));
    tt_store_close(store);
    return data;
}

/* A matrix that every rank holds whole, and the rows of it that are a rank's. */
typedef struct whole {
    int64_t rows, cols, *begin, *own;
    int32_t *index;
    float *value;
} whole;

static tt_sparse share(const tt_comm *comm, whole *w)
{
    tt_range mine = tt_partition(w->rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t n = mine.end - mine.begin;
    free(w->own);
    assert_ok(tt_alloc(n + 1, sizeof *w->own, "test", &w->own));
    for (int64_t i = 0; i <= n; i++) w->own[i] = w->begin[mine.begin + i] - w->begin[mine.begin];
    return (tt_sparse){comm,
                       w->rows,
                       w->cols,
                       mine.begin,
                       n,
                       w->own,
                       w->index + w->begin[mine.begin],
                       w->value + w->begin[mine.begin]};
}

static void free_whole(whole *w)
{
    free(w->begin);
    free(w->own);
    free(w->index);
    free(w->value);
}

static whole load_golden(void)
{
    whole w = {0};
    int64_t n;
    w.value = load("/plain/data", TT_F32, sizeof *w.value, &n);
    w.index = load("/plain/indices", TT_I32, sizeof *w.index, &n);
    w.begin = load("/plain/indptr", TT_I64, sizeof *w.begin, &n);
    w.rows = n - 1;
    double *idf = load("/plain/idf", TT_F64, sizeof *idf, &w.cols);
    free(idf);
    return w;
}

static void test_full(void **state)
{
    (void)state;
    int64_t n;
    double *values = load("/svd/values", TT_F64, sizeof *values, &n);
    double *axes = load("/svd/axes", TT_F64, sizeof *axes, &n);
    whole w = load_golden();
    tt_sparse a = share(&world, &w);
    tt_svd svd;
    assert_ok(tt_svd_sparse(&a, KEPT, 1, &svd));
    assert_int_equal(svd.dims, KEPT);
    for (int j = 0; j < KEPT; j++) assert_near(svd.values[j] / values[j], 1, 1e-5);
    for (int64_t i = 0; i < svd.count; i++)
        for (int j = 0; j < KEPT; j++)
            assert_near(svd.axes[i * KEPT + j], axes[(svd.first + i) * KEPT + j],
                        2e-3); /* close values turn axes */
    float *scores;
    double square[KEPT] = {0};
    assert_ok(tt_alloc(a.count * KEPT, sizeof *scores, "test", &scores));
    assert_ok(tt_svd_transform(&svd, &a, scores));
    for (int64_t i = 0; i < a.count * KEPT; i++) square[i % KEPT] += (double)scores[i] * (double)scores[i];
    MPI_Allreduce(MPI_IN_PLACE, square, KEPT, MPI_DOUBLE, MPI_SUM, world.mpi);
    for (int j = 0; j < KEPT; j++) assert_near(sqrt(square[j]) / values[j], 1, 1e-5);
    free(scores);
    tt_svd_free(&svd);
    free_whole(&w);
    free(values);
    free(axes);
}

/* Rows of a few random entries; every tenth is empty. */
static whole random_matrix(int64_t rows, int64_t cols)
{
    enum { EACH = 12 };
    whole w = {.rows = rows, .cols = cols};
    tt_stream s = {3, TT_FOR_TEST, 0};
    assert_ok(tt_alloc(rows + 1, sizeof *w.begin, "test", &w.begin));
    assert_ok(tt_alloc(rows * EACH, sizeof *w.index, "test", &w.index));
    assert_ok(tt_alloc(rows * EACH, sizeof *w.value, "test", &w.value));
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = w.begin[i], step = cols / EACH;
        for (int64_t k = 0; k < EACH && i % 10 != 3; k++, at++) {
            double u = tt_random_uniform(s, (uint64_t)i, (uint64_t)k);
            w.index[at] = (int32_t)(k * step + (int64_t)(u * u * (double)step));
            w.value[at] = (float)(0.1 + u);
        }
        w.begin[i + 1] = at;
    }
    return w;
}

static void test_ranks(void **state)
{
    (void)state;
    enum { DIMS = 20 };
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    whole w = random_matrix(1500, 1100);
    tt_svd all, one;
    tt_sparse a = share(&self, &w);
    assert_ok(tt_svd_sparse(&a, DIMS, 5, &one));
    a = share(&world, &w);
    assert_ok(tt_svd_sparse(&a, DIMS, 5, &all));
    assert_int_equal(all.dims, DIMS);
    assert_int_equal(all.basis, one.basis);
    assert_memory_equal(all.values, one.values, DIMS * sizeof *all.values);
    assert_memory_equal(all.axes, one.axes + all.first * DIMS, (size_t)(all.count * DIMS) * sizeof *all.axes);
    assert_true(all.error < 1e-5);
    tt_svd_free(&all);
    tt_svd_free(&one);
    free_whole(&w);
}

/* Matrices of low rank give as many values as they have, and nothing that is not a number. */
static void test_low_rank(void **state)
{
    (void)state;
    const struct {
        int64_t rows, cols, kinds; /* rows of one kind are alike */
        int64_t dims, expected;
    } cases[] = {{600, 40, 1, 8, 1}, {600, 40, 3, 8, 3}, {3, 40, 3, 8, 3}, {600, 2, 2, 8, 2},
                 {600, 40, 0, 8, 0}, {0, 5, 1, 3, 0},    {5, 0, 1, 3, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        whole w = {.rows = cases[k].rows, .cols = cases[k].cols};
        assert_ok(tt_alloc(w.rows + 1, sizeof *w.begin, "test", &w.begin));
        assert_ok(tt_alloc(2 * w.rows, sizeof *w.index, "test", &w.index));
        assert_ok(tt_alloc(2 * w.rows, sizeof *w.value, "test", &w.value));
        for (int64_t i = 0; i < w.rows; i++) {
            bool filled = cases[k].kinds > 0 && w.cols > 0;
            if (filled) {
                w.index[w.begin[i]] = (int32_t)(i % cases[k].kinds);
                w.value[w.begin[i]] = 1;
            }
            w.begin[i + 1] = w.begin[i] + filled;
        }
        tt_sparse a = share(&world, &w);
        tt_svd svd;
        assert_ok(tt_svd_sparse(&a, cases[k].dims, 1, &svd));
        assert_int_equal(svd.dims, cases[k].expected);
        for (int64_t j = 0; j < svd.dims; j++)
            assert_near(svd.values[j], sqrt((double)(cases[k].rows / cases[k].kinds)), 1e-4);
        for (int64_t i = 0; i < svd.count * svd.dims; i++) assert_true(isfinite(svd.axes[i]));
        tt_svd_free(&svd);
        free_whole(&w);
    }
}

/* Few values that many others are close behind: each is as exact as among many. */
static void test_few_values(void **state)
{
    (void)state;
    whole w = random_matrix(1500, 1100);
    tt_sparse a = share(&world, &w);
    tt_svd many, few;
    assert_ok(tt_svd_sparse(&a, 20, 5, &many));
    for (int dims = 1; dims <= 3; dims += 2) {
        assert_ok(tt_svd_sparse(&a, dims, 5, &few));
        assert_int_equal(few.dims, dims);
        assert_true(few.error < 1e-5);
        for (int j = 0; j < dims; j++) assert_near(few.values[j] / many.values[j], 1, 2e-5);
        tt_svd_free(&few);
    }
    tt_svd_free(&many);
    free_whole(&w);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_full),
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_few_values),
    cmocka_unit_test(test_low_rank),
};
TT_TEST_MAIN(cases)
