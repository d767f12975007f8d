/* ScaLAPACK's solver against a matrix whose eigenpairs are known in closed form: 2 on the diagonal and -1
 * beside it has the eigenvalues 2 - 2 cos(k pi / (n + 1)) with eigenvectors sin(i k pi / (n + 1)). */
#include "test.h"

#include "linalg/eigen.h"
#include "tutti/memory.h"

#include <math.h>
#include <string.h>

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *row, int *col);
void Cblacs_gridexit(int context);
int numroc_(const int *n, const int *block, const int *which, const int *first, const int *ranks);
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb, const int *irsrc,
               const int *icsrc, const int *context, const int *lld, int *info);
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *w, double *z, const int *iz, const int *jz, const int *descz,
              double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);

enum { ORDER = 130, BLOCK = 32, CLUSTERED = 190 };

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

/* H diag(values) H for the reflection H at a vector u: eigenvalues are known, eigenvectors dense. Upper
 * triangle.
 */
static void reflected(int n, const double *values, double *a)
{
    double length = 0, inner = 0;
    for (int i = 0; i < n; i++) {
        double u = sin(i + 1);
        length += u * u;
        inner += u * u * values[i];
    }
    for (int i = 0; i < n; i++)
        for (int j = i; j < n; j++) {
            double u = sin(i + 1) * sin(j + 1) * 2 / length;
            a[i * n + j] = (i == j ? values[i] : 0) + u * (2 * inner / length - values[i] - values[j]);
        }
}

/* Values descend and are the expected ones, A v = w v, and vectors are of length 1 and at right angles. */
static void check_pairs(int n, int keep, const double *a, const double *expected)
{
    double values[CLUSTERED], *vectors;
    assert_ok(tt_alloc((int64_t)n * keep, sizeof *vectors, "test", &vectors));
    tt_status s = eigen_symmetric(&world, n, a, keep, values, vectors);
    assert_ok(s);
    for (int k = 0; k < keep; k++) {
        const double *v = vectors + k * n;
        assert_near(values[k], expected[k], 1e-12 * fmax(expected[0], 1e-300));
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int j = 0; j < n; j++) sum += a[i < j ? i * n + j : j * n + i] * v[j];
            assert_near(sum, values[k] * v[i], 1e-12 * fmax(expected[0], 1e-300));
        }
        for (int l = 0; l <= k; l++) {
            double product = 0;
            for (int i = 0; i < n; i++) product += v[i] * vectors[l * n + i];
            assert_near(product, k == l, 1e-11);
        }
    }
    free(vectors);
}

/* Eigenvalues that are the same, nearly the same or nothing: those ask most of a solver, and with five
 * clusters of this order dstemr fails. */
static void test_clusters(void **state)
{
    (void)state;
    enum { EQUAL, NOTHING, FIVE, CLOSE, RANK, TINY, KINDS, N = CLUSTERED };
    static double a[N * N];
    for (int kind = 0; kind < KINDS; kind++) {
        double values[N], sorted[N];
        for (int i = 0; i < N; i++) {
            double kinds[KINDS] = {3, 0, 1 + i % 5, 1 - 1e-13 * i, i < 7 ? 7 - i : 0, 1e-90 * (N - i)};
            values[i] = kinds[kind];
            sorted[i] = kind == FIVE ? 5 - i * 5 / N : values[i];
        }
        reflected(N, values, a);
        check_pairs(N, N * 2 / 5, a, sorted);
        check_pairs(N, N, a, sorted);
    }
}

static double element(int i, int j)
{
    int low = i < j ? i : j, high = i < j ? j : i;
    return sin(low * ORDER + high) + (i == j ? 3.0 * i : 0.0);
}

/* Where the i-th of a rank's own rows or columns stands, of `ranks` that blocks are dealt to in turn. */
static int global(int i, int which, int ranks)
{
    return (i / BLOCK * ranks + which) * BLOCK + i % BLOCK;
}

/* This rank's part of the solution on a grid against values and vectors [ORDER, ORDER]. */
static void check_part(int context, const double *values, const double *vectors)
{
    const int n = ORDER, nb = BLOCK, zero = 0, one = 1, room = 8 * ORDER * ORDER + 4096,
              int_room = 16 * ORDER;
    int rows, cols, row, col, desc[9], info;
    static double a[ORDER * ORDER], z[ORDER * ORDER], w[ORDER], work[8 * ORDER * ORDER + 4096];
    static int iwork[16 * ORDER];
    Cblacs_gridinfo(context, &rows, &cols, &row, &col);
    int own_rows = numroc_(&n, &nb, &row, &zero, &rows), own_cols = numroc_(&n, &nb, &col, &zero, &cols);
    int leading = own_rows > 0 ? own_rows : 1;
    descinit_(desc, &n, &n, &nb, &nb, &zero, &zero, &context, &leading, &info);
    assert_int_equal(info, 0);
    for (int j = 0; j < own_cols; j++)
        for (int i = 0; i < own_rows; i++)
            a[i + j * leading] = element(global(i, row, rows), global(j, col, cols));
    pdsyevd_("V", "L", &n, a, &one, &one, desc, w, z, &one, &one, desc, work, &room, iwork, &int_room, &info,
             1, 1);
    assert_int_equal(info, 0);
    for (int k = 0; k < ORDER; k++) assert_near(w[ORDER - 1 - k], values[k], 1e-10 * values[0]);
    for (int j = 0; j < own_cols; j++)
        for (int i = 0; i < own_rows; i++) { /* signs are ours */
            int k = ORDER - 1 - global(j, col, cols), at = global(i, row, rows);
            assert_near(fabs(z[i + j * leading]), fabs(vectors[k * ORDER + at]), 1e-9);
        }
}

static void check_grid(int rows, int cols, const double *values, const double *vectors)
{
    int handle = Csys2blacs_handle(world.mpi), context = handle;
    Cblacs_gridinit(&context, "Row", rows, cols);
    if (context >= 0) { /* this rank is on it */
        check_part(context, values, vectors);
        Cblacs_gridexit(context);
    }
    Cfree_blacs_system_handle(handle);
}

/* The ranks of the same colour, in reversed order, get the bits of one alone. */
static void check_bits(int colour, int keep, const double *a)
{
    static double alone[ORDER * ORDER], together[ORDER * ORDER];
    double values_alone[ORDER], values[ORDER];
    const tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    MPI_Comm part;
    MPI_Comm_split(world.mpi, colour, -world.rank, &part);
    const tt_comm comm = tt_comm_wrap(part);
    tt_status s = eigen_symmetric(&self, ORDER, a, keep, values_alone, alone);
    assert_ok(s);
    s = eigen_symmetric(&comm, ORDER, a, keep, values, together);
    assert_ok(s);
    MPI_Comm_free(&part);
    assert_memory_equal(values, values_alone, (size_t)keep * sizeof *values);
    assert_memory_equal(together, alone, (size_t)keep * ORDER * sizeof *together);
}

/* On grids 1 x P, P x 1 and square, ScaLAPACK's answer is ours but for rounding; ours has the same bits for
 * all ranks of a grid, for each row of them and for each column. */
static void test_grids(void **state)
{
    (void)state;
    static double a[ORDER * ORDER], vectors[ORDER * ORDER];
    double values[ORDER];
    int side = (int)sqrt(world.size + 0.5);
    const int grids[][2] = {{1, world.size}, {world.size, 1}, {side, side}};
    for (int i = 0; i < ORDER; i++)
        for (int j = i; j < ORDER; j++) a[i * ORDER + j] = element(i, j);
    tt_status s = eigen_symmetric(&world, ORDER, a, ORDER, values, vectors);
    assert_ok(s);
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
        check_grid(grids[g][0], grids[g][1], values, vectors);
        for (int keep = ORDER; keep > 0; keep -= 80) { /* all, and few */
            check_bits(world.rank / grids[g][1], keep, a);
            check_bits(world.rank % grids[g][1], keep, a);
        }
    }
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_closed_form),
    cmocka_unit_test(test_clusters),
    cmocka_unit_test(test_grids),
};
TT_TEST_MAIN(cases)
