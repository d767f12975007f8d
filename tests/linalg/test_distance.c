/* Distance tiles against a naive loop, and tours that look the same from every rank. */
#include "test.h"

#include "tutti/distance.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <string.h>

static void make(const tt_comm *comm, int64_t n, int64_t cols, float offset, tt_matrix *x)
{
    assert_ok(tt_matrix_new(comm, "made.h5:/x", n, cols, x));
    for (int64_t i = 0; i < x->count; i++) {
        tt_random_normals((tt_stream){2, TT_FOR_TEST, 0}, (uint64_t)(x->first + i), cols, x->data + i * cols);
        for (int64_t j = 0; j < cols; j++) x->data[i * cols + j] += offset;
    }
}

/* The whole matrix on this rank, as row `i` must come by on a tour. */
static void check_block(const tt_block *b, const tt_matrix *all, const tt_points *points)
{
    int64_t cols = all->cols;
    for (int64_t r = 0; r < TT_BLOCK_ROWS; r++) {
        int64_t row = b->first + r;
        assert_int_equal(b->valid[r], r < b->count && all->valid[row]);
        if (r >= b->count) continue;
        assert_int_equal(((const int32_t *)b->extra)[r], 3 * row);
        for (int64_t j = 0; j < cols; j++) {
            float expected = all->data[row * cols + j] - points->origin[j];
            assert_true(b->rows[r * cols + j] == expected);
            assert_true(b->targets.columns[j * TT_BLOCK_ROWS + r] == expected);
        }
    }
}

static void check_tile(const tt_points *p, int64_t first, const tt_block *b, const float *tile)
{
    const tt_matrix *x = p->x;
    double slack = tt_distance_slack(x->cols);
    for (int64_t r = first; r < first + TT_BLOCK_ROWS && r < x->count; r++)
        for (int64_t c = 0; c < b->count; c++) {
            double d = 0;
            for (int64_t j = 0; j < x->cols; j++)
                d += pow((double)p->data[r * x->cols + j] - (double)b->rows[c * x->cols + j], 2);
            assert_near(tile[(r - first) * TT_BLOCK_ROWS + c], d,
                        slack * ((double)p->norm[r] + (double)b->targets.norm[c]));
            assert_near(tt_distance(p->data + r * x->cols, b->rows + c * x->cols, x->cols), d, 1e-12 * d);
        }
}

static void check_tour(int64_t n, int64_t cols, float offset)
{
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_matrix x, all;
    tt_points p;
    tt_tour *tour;
    tt_chunk chunk;
    int32_t *extra;
    float *tile;
    make(&world, n, cols, offset, &x);
    make(&self, n, cols, offset, &all);
    assert_ok(tt_alloc(x.count, sizeof *extra, "test", &extra));
    assert_ok(tt_alloc(TT_BLOCK_ROWS * TT_BLOCK_ROWS, sizeof *tile, "test", &tile));
    for (int64_t i = 0; i < x.count; i++) extra[i] = (int32_t)(3 * (x.first + i));
    assert_ok(tt_points_new(&x, &p));
    assert_true((p.origin[0] != 0) == (offset != 0 && n > 0));
    assert_ok(tt_tour_new(&p, extra, sizeof *extra, &tour));
    int64_t next = 0;
    while (tt_tour_next(tour, &chunk))
        for (int64_t b = 0; b < chunk.n; b++) {
            assert_int_equal(chunk.block[b].first, next);
            next += chunk.block[b].count;
            check_block(&chunk.block[b], &all, &p);
            if (x.count == 0) continue;
            assert_ok(tt_distance_tile(p.data, p.norm, cols, &chunk.block[b].targets, tile));
            check_tile(&p, 0, &chunk.block[b], tile);
        }
    assert_int_equal(next, n);
    tt_tour_free(tour);
    tt_points_free(&p);
    tt_matrix_free(&x);
    tt_matrix_free(&all);
    free(extra);
    free(tile);
}

static void test_tour(void **state)
{
    (void)state;
    check_tour(0, 3, 0);
    check_tour(10, 3, 0);
    check_tour(900, 33, 0);
    check_tour(1500, 2, 1e4f);
    check_tour(300, 1500, 0); /* a block is more than a chunk */
}

static void test_tour_left_early(void **state)
{
    (void)state;
    tt_matrix x;
    tt_points p;
    tt_tour *tour;
    tt_chunk chunk;
    make(&world, 3000, 600, 0, &x);
    assert_ok(tt_points_new(&x, &p));
    assert_ok(tt_tour_new(&p, NULL, 0, &tour));
    assert_true(tt_tour_next(tour, &chunk));
    tt_tour_free(tour);
    tt_points_free(&p);
    tt_matrix_free(&x);
}

static void test_too_long(void **state)
{
    (void)state;
    tt_matrix x;
    tt_points p;
    assert_ok(tt_matrix_new(&world, "long.h5:/x", 20, 2, &x));
    for (int64_t i = 0; i < x.count; i++) x.data[2 * i] = i == 7 ? 1e30f : 0;
    assert_int_equal(tt_points_new(&x, &p), TT_ERR_INPUT);
    assert_string_equal(tt_message(),
                        "long.h5:/x row 7 is too long to be measured in float32; scale the columns");
    tt_matrix_free(&x);
}

/* Cosine distances by their definition, in double from the values as read. */
static void test_cosine(void **state)
{
    (void)state;
    tt_matrix x;
    tt_points p;
    make(&world, 600, 9, 0, &x);
    x.shift[3] = 5;
    assert_ok(tt_points_of(&x, TT_COSINE, &p));
    for (int64_t i = 1; i < x.count; i++) {
        double a = 0, b = 0, ab = 0;
        for (int64_t j = 0; j < 9; j++) {
            double u = (double)x.data[j] + x.shift[j], v = (double)x.data[i * 9 + j] + x.shift[j];
            a += u * u;
            b += v * v;
            ab += u * v;
        }
        double d = tt_metric_value(TT_COSINE, tt_distance(p.data, p.data + i * 9, 9));
        assert_near(d, 1 - ab / sqrt(a * b), 3e-7); /* rows rounded to float32 */
        assert_near(p.norm[i], 1, 3e-7);
    }
    tt_points_free(&p);
    if (x.first == 0) memset(x.data, 0, 9 * sizeof(float));
    x.shift[3] = 0;
    assert_int_equal(tt_points_of(&x, TT_COSINE, &p), TT_ERR_INPUT);
    assert_string_equal(tt_message(),
                        "made.h5:/x row 0 is all zeros: it has no direction for cosine distances");
    x.valid[0] = x.first == 0 ? 0 : x.valid[0];
    assert_ok(tt_points_of(&x, TT_COSINE, &p));
    tt_points_free(&p);
    tt_matrix_free(&x);
}

static void test_metrics(void **state)
{
    (void)state;
    for (tt_metric m = TT_SQEUCLIDEAN; m <= TT_COSINE; m++) {
        tt_metric parsed;
        assert_true(tt_metric_parse(tt_metric_name(m), &parsed) && parsed == m);
        assert_near(tt_metric_square(m, tt_metric_value(m, 0.49)), 0.49, 1e-15);
    }
    tt_metric none;
    assert_false(tt_metric_parse("manhattan", &none));
    assert_near(tt_metric_value(TT_EUCLIDEAN, 9), 3, 0);
    assert_near(tt_metric_value(TT_COSINE, 2), 1, 0);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_tour),   cmocka_unit_test(test_tour_left_early), cmocka_unit_test(test_too_long),
    cmocka_unit_test(test_cosine), cmocka_unit_test(test_metrics),
};
TT_TEST_MAIN(cases)
