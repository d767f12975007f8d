#include "eigen.h"

#include "tutti/memory.h"

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

/* The row-major upper triangle is Fortran's lower one. w ascends; z holds eigenvectors as columns. */
static tt_status solve_on_grid(int context, int n, double *a, double *w, double *z)
{
    const int one = 1, zero = 0, block = SCALAPACK_BLOCK;
    int desc[DESCRIPTOR], info, lwork = -1, liwork = -1, need_int = 0;
    double need = 0;
    descinit_(desc, &n, &n, &block, &block, &zero, &zero, &context, &n, &info);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "descinit of order %d failed with %d", n, info);
    pdsyevd_("V", "L", &n, a, &one, &one, desc, w, z, &one, &one, desc, &need, &lwork, &need_int, &liwork,
             &info, 1, 1);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "pdsyevd of order %d failed with %d", n, info);
    double *work = NULL;
    int *iwork = NULL;
    /* the query forgets what its own PDORMTR wants on top, and that then does nothing */
    int64_t wanted = (int64_t)need + 4 * (int64_t)n + (2 * (int64_t)n + block) * block;
    tt_status s = tt_int(wanted, "work space of an eigen-solver", &lwork);
    liwork = need_int;
    if (s == TT_OK) s = tt_alloc(lwork, sizeof *work, "an eigen-solver", &work);
    if (s == TT_OK) s = tt_alloc(liwork, sizeof *iwork, "an eigen-solver", &iwork);
    if (s == TT_OK) {
        pdsyevd_("V", "L", &n, a, &one, &one, desc, w, z, &one, &one, desc, work, &lwork, iwork, &liwork,
                 &info, 1, 1);
        if (info != 0) s = tt_fail(TT_ERR_INTERNAL, "pdsyevd of order %d failed with %d", n, info);
    }
    free(iwork);
    free(work);
    return s;
}

static void fix_sign(int n, double *vector)
{
    int largest = 0;
    for (int i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest])) largest = i;
    for (int i = 0; vector[largest] < 0 && i < n; i++) vector[i] = -vector[i];
}

static tt_status solve_local(int n, double *a, double *values, int keep, double *vectors)
{
    double *w = NULL, *z = NULL;
    tt_status s = tt_alloc(n, sizeof *w, "eigenvalues", &w);
    if (s == TT_OK) s = tt_alloc((int64_t)n * n, sizeof *z, "eigenvectors", &z);
    if (s == TT_OK) {
        int handle = Csys2blacs_handle(MPI_COMM_SELF), context = handle;
        Cblacs_gridinit(&context, "Row", 1, 1);
        s = solve_on_grid(context, n, a, w, z);
        Cblacs_gridexit(context);
        Cfree_blacs_system_handle(handle);
    }
    for (int i = 0; s == TT_OK && i < n; i++) {
        int from = n - 1 - i;
        values[i] = w[from];
        if (i >= keep) continue;
        memcpy(vectors + (size_t)i * (size_t)n, z + (size_t)from * (size_t)n, (size_t)n * sizeof *z);
        fix_sign(n, vectors + (size_t)i * (size_t)n);
    }
    free(z);
    free(w);
    return s;
}

tt_status eigen_symmetric(const tt_comm *comm, int n, double *a, double *values, int keep, double *vectors)
{
    tt_status s = comm->rank == 0 ? solve_local(n, a, values, keep, vectors) : TT_OK;
    TT_TRY(tt_agree(comm, s));
    TT_TRY(tt_broadcast(comm, values, (int64_t)n * (int64_t)sizeof *values, 0));
    return tt_broadcast(comm, vectors, (int64_t)keep * n * (int64_t)sizeof *vectors, 0);
}
