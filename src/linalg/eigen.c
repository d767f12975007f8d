#include "eigen.h"

#include "tutti/memory.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ScaLAPACK and BLACS ship no header. Fortran's hidden string lengths come last. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridexit(int context);
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb, const int *irsrc,
               const int *icsrc, const int *context, const int *lld, int *info);
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *w, double *z, const int *iz, const int *jz, const int *descz,
              double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);

enum { DESCRIPTOR = 9, SCALAPACK_BLOCK = 64 };

/* One call of the solver; lwork -1 asks for the work space. The row-major upper triangle is Fortran's lower
 * one. w ascends; z holds eigenvectors as columns. */
static tt_status call_solver(const int *desc, int n, double *a, double *w, double *z, double *work, int lwork,
                             int *iwork, int liwork)
{
    const int one = 1;
    int info = 0;
    pdsyevd_("V", "L", &n, a, &one, &one, desc, w, z, &one, &one, desc, work, &lwork, iwork, &liwork, &info,
             1, 1);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "pdsyevd of order %d failed with %d", n, info);
    return TT_OK;
}

static tt_status solve_on_grid(int context, int n, double *a, double *w, double *z)
{
    const int zero = 0, block = SCALAPACK_BLOCK;
    int desc[DESCRIPTOR], info, lwork, need_int[2] = {0};
    double need[2] = {0}, *work = NULL;
    int *iwork = NULL;
    descinit_(desc, &n, &n, &block, &block, &zero, &zero, &context, &n, &info);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "descinit of order %d failed with %d", n, info);
    TT_TRY(call_solver(desc, n, a, w, z, need, -1, need_int, -1));
    /* the query forgets what its own PDORMTR wants on top; that then says so on standard output, does
     * nothing, and info stays 0 */
    int64_t wanted = (int64_t)need[0] + 4 * (int64_t)n + 2 * ((int64_t)n + block) * block;
    tt_status s = tt_int(wanted, "work space of an eigen-solver", &lwork);
    if (s == TT_OK) s = tt_alloc(lwork, sizeof *work, "an eigen-solver", &work);
    if (s == TT_OK) s = tt_alloc(need_int[0], sizeof *iwork, "an eigen-solver", &iwork);
    if (s == TT_OK) s = call_solver(desc, n, a, w, z, work, lwork, iwork, need_int[0]);
    free(iwork);
    free(work);
    return s;
}

/* Largest element of |A v - lambda v|, formed in `rest` [n]; `a` holds the upper triangle. */
static double residual(int n, const double *a, const double *vector, double value, double *rest)
{
    memcpy(rest, vector, (size_t)n * sizeof *rest);
    cblas_dsymv(CblasRowMajor, CblasUpper, n, 1.0, a, n, vector, 1, -value, rest, 1);
    return fabs(rest[cblas_idamax(n, rest, 1)]);
}

/* A solver that fails without saying so has been seen; this is cheap beside it. */
static tt_status check_pairs(int n, int keep, const double *a, const double *values, const double *vectors,
                             double *rest)
{
    double scale = fmax(fabs(values[0]), 1e-300);
    for (int i = 0; i < keep; i++) {
        double off = residual(n, a, vectors + (size_t)i * (size_t)n, values[i], rest);
        if (!(off <= 1e-10 * scale * n))
            return tt_fail(TT_ERR_INTERNAL, "pdsyevd of order %d: eigenvector %d is off by %g", n, i, off);
    }
    return TT_OK;
}

void vector_fix_sign(int n, double *vector)
{
    int largest = 0;
    for (int i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest])) largest = i;
    if (vector[largest] >= 0) return;
    for (int i = 0; i < n; i++) vector[i] = -vector[i];
}

static tt_status solve_local(int n, const double *a, int keep, double *values, double *vectors)
{
    double *w = NULL, *z = NULL, *copy = NULL; /* the solver destroys its matrix */
    tt_status s = tt_alloc(n, sizeof *w, "eigenvalues", &w);
    if (s == TT_OK) s = tt_alloc((int64_t)n * n, sizeof *z, "eigenvectors", &z);
    if (s == TT_OK) s = tt_alloc((int64_t)n * n, sizeof *copy, "eigenvectors", &copy);
    if (s == TT_OK) {
        memcpy(copy, a, (size_t)n * (size_t)n * sizeof *a);
        int handle = Csys2blacs_handle(MPI_COMM_SELF), context = handle;
        Cblacs_gridinit(&context, "Row", 1, 1);
        s = solve_on_grid(context, n, copy, w, z);
        Cblacs_gridexit(context);
        Cfree_blacs_system_handle(handle);
    }
    for (int i = 0; s == TT_OK && i < keep; i++) {
        int from = n - 1 - i;
        double *vector = vectors + (size_t)i * (size_t)n;
        values[i] = w[from];
        memcpy(vector, z + (size_t)from * (size_t)n, (size_t)n * sizeof *z);
        vector_fix_sign(n, vector);
    }
    if (s == TT_OK) s = check_pairs(n, keep, a, values, vectors, w); /* w is free by now */
    free(copy);
    free(z);
    free(w);
    return s;
}

tt_status eigen_symmetric(const tt_comm *comm, int n, const double *a, int keep, double *values,
                          double *vectors)
{
    tt_status s = comm->rank == 0 ? solve_local(n, a, keep, values, vectors) : TT_OK;
    TT_TRY(tt_agree(comm, s));
    TT_TRY(tt_broadcast(comm, values, (int64_t)keep * (int64_t)sizeof *values, 0));
    return tt_broadcast(comm, vectors, (int64_t)keep * n * (int64_t)sizeof *vectors, 0);
}
