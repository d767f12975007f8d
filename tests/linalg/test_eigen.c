/* ScaLAPACK's solver against a matrix whose eigenpairs are known in closed form: 2 on the diagonal and -1
 * beside it has the eigenvalues 2 - 2 cos(k pi / (n + 1)) with eigenvectors sin(i k pi / (n + 1)). */
#include "test.h"

#include "linalg/eigen.h"
#include "tutti/memory.h"

#include <math.h>

static void check(int n, int keep)
{
    double *a, *values, *vectors;
    assert_ok(tt_alloc((int64_t)n * n, sizeof *a, "test", &a));
    assert_ok(tt_alloc(keep, sizeof *values, "test", &values));
    assert_ok(tt_alloc((int64_t)n * keep, sizeof *vectors, "test", &vectors));
    for (int i = 0; i < n; i++) {
        a[i * n + i] = 2;
        if (i + 1 < n) a[i * n + i + 1] = -1;
    }
    tt_status s = eigen_symmetric(&world, n, a, keep, values, vectors);
    assert_ok(s);
    double angle = acos(-1.0) / (n + 1), scale = sqrt(2.0 / (n + 1));
    for (int k = 0; k < keep; k++) {
        int order = n - k; /* the largest first */
        double sign = 0;
        assert_near(values[k], 2 - 2 * cos(order * angle), 1e-12);
        for (int i = 0; i < n; i++) {
            double expected = scale * sin((i + 1) * order * angle);
            if (sign == 0) sign = vectors[k * n + i] * expected > 0 ? 1 : -1;
            assert_near(vectors[k * n + i], sign * expected, 1e-9);
        }
    }
    free(a);
    free(values);
    free(vectors);
}

/* Orders around ScaLAPACK's block of 64, some or all of the pairs. */
static void test_closed_form(void **state)
{
    (void)state;
    static const int orders[] = {1, 2, 5, 40, 63, 64, 65, 100, 364};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        check(orders[i], orders[i]);
        check(orders[i], orders[i] < 32 ? 1 : 32);
    }
}

static const struct CMUnitTest cases[] = {cmocka_unit_test(test_closed_form)};
TT_TEST_MAIN(cases)
