#include "eigen.h"

#include "tutti/memory.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ScaLAPACK, BLACS and LAPACK bring no header. Fortran's hidden string lengths come last. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridexit(int context);
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb, const int *irsrc,
               const int *icsrc, const int *context, const int *lld, int *info);
void pdsyntrd_(const char *uplo, const int *n, double *a, const int *ia, const int *ja, const int *desca,
               double *d, double *e, double *tau, double *work, const int *lwork, int *info, size_t);
void pdormtr_(const char *side, const char *uplo, const char *trans, const int *m, const int *n,
              const double *a, const int *ia, const int *ja, const int *desca, const double *tau, double *c,
              const int *ic, const int *jc, const int *descc, double *work, const int *lwork, int *info,
              size_t, size_t, size_t);
void dstemr_(const char *jobz, const char *range, const int *n, double *d, double *e, const double *vl,
             const double *vu, const int *il, const int *iu, int *m, double *w, double *z, const int *ldz,
             const int *nzc, int *isuppz, int *tryrac, double *work, const int *lwork, int *iwork,
             const int *liwork, int *info, size_t, size_t);
void dstedc_(const char *compz, const int *n, double *d, double *e, double *z, const int *ldz, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, size_t);

enum { DESCRIPTOR = 9, SCALAPACK_BLOCK = 64 };

static const double right_angle = 1e-10; /* what products of two vectors may be off by */
static const double settled = 1e-10;     /* of the largest value, times the order: what A v - w v may be */

/* A matrix on its way: A = Q T Q', T = Z diag(w) Z'. */
typedef struct problem {
    int n, keep;
    int desc[DESCRIPTOR];
    double *a;                 /* [n, n] A, which becomes the reflections that make up Q */
    double *tau;               /* [n] their lengths */
    double *diagonal, *beside; /* [n] T */
    double *w;                 /* [n] eigenvalues, ascending */
    double *spent;             /* [n] a copy of `beside`, for solvers that destroy it */
    double *z;                 /* [n, n] eigenvectors as columns, in Fortran's order */
    double *rest;              /* [keep, n] */
    int from;                  /* kept are the pairs from here on */
} problem;

static void free_problem(problem *p)
{
    free(p->a);
    free(p->tau);
    free(p->z);
    free(p->rest);
}

static tt_status allocate(problem *p)
{
    int64_t n = p->n;
    TT_TRY(tt_alloc(n * n, sizeof *p->a, "eigenvectors", &p->a));
    TT_TRY(tt_alloc(n * n, sizeof *p->z, "eigenvectors", &p->z));
    TT_TRY(tt_alloc(p->keep * n, sizeof *p->rest, "eigenvectors", &p->rest));
    TT_TRY(tt_alloc(5 * n, sizeof *p->tau, "eigenvalues", &p->tau));
    p->diagonal = p->tau + n;
    p->beside = p->diagonal + n;
    p->w = p->beside + n;
    p->spent = p->w + n;
    return TT_OK;
}

/* A = Q T Q', by which most of the time goes. The row-major upper triangle is Fortran's lower one. */
static tt_status reduce(problem *p)
{
    const int one = 1, query = -1;
    int info, lwork;
    double need = 0, *work = NULL;
    pdsyntrd_("L", &p->n, p->a, &one, &one, p->desc, p->diagonal, p->beside, p->tau, &need, &query, &info, 1);
    TT_TRY(tt_int((int64_t)need, "work space of an eigen-solver", &lwork));
    TT_TRY(tt_alloc(lwork, sizeof *work, "an eigen-solver", &work));
    pdsyntrd_("L", &p->n, p->a, &one, &one, p->desc, p->diagonal, p->beside, p->tau, work, &lwork, &info, 1);
    free(work);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "pdsyntrd of order %d failed with %d", p->n, info);
    return TT_OK;
}

static void copy_tridiagonal(problem *p, double *diagonal)
{
    memcpy(diagonal, p->diagonal, (size_t)p->n * sizeof *diagonal);
    memcpy(p->spent, p->beside, (size_t)p->n * sizeof *p->spent);
}

/* Largest element of Z'Z - 1 over the kept pairs. */
static double skew(const problem *p)
{
    int n = p->n, keep = p->keep;
    const double *z = p->z + (size_t)p->from * (size_t)n;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, keep, keep, n, 1.0, z, n, z, n, 0.0, p->rest, keep);
    for (int i = 0; i < keep; i++) p->rest[(size_t)i * (size_t)keep + (size_t)i] -= 1.0;
    return fabs(p->rest[cblas_idamax(keep * keep, p->rest, 1)]);
}

/* The largest pairs of T by relatively robust representations, which can fail where values lie in clusters:
 * *found says whether they did not. */
static tt_status solve_few(problem *p, bool *found)
{
    const double none = 0;
    const int first = p->n - p->keep + 1, lwork = 18 * p->n, liwork = 10 * p->n;
    int info, n_found, accurate = 1, *iwork = NULL;
    double *work = NULL;
    tt_status s = tt_alloc(lwork + p->n, sizeof *work, "an eigen-solver", &work);
    if (s == TT_OK) s = tt_alloc(liwork + 2 * p->n, sizeof *iwork, "an eigen-solver", &iwork);
    if (s == TT_OK) {
        copy_tridiagonal(p, work + lwork);
        dstemr_("V", "I", &p->n, work + lwork, p->spent, &none, &none, &first, &p->n, &n_found, p->w, p->z,
                &p->n, &p->keep, iwork + liwork, &accurate, work, &lwork, iwork, &liwork, &info, 1, 1);
        p->from = 0;
        *found = info == 0 && n_found == p->keep && skew(p) <= right_angle;
    }
    free(iwork);
    free(work);
    return s;
}

/* All pairs of T, by divide and conquer. */
static tt_status solve_all(problem *p)
{
    int64_t n = p->n, wanted = 1 + 4 * n + n * n;
    int info = 0, lwork, liwork = 3 + 5 * p->n, *iwork = NULL;
    double *work = NULL;
    TT_TRY(tt_int(wanted, "work space of an eigen-solver", &lwork));
    tt_status s = tt_alloc(lwork, sizeof *work, "an eigen-solver", &work);
    if (s == TT_OK) s = tt_alloc(liwork, sizeof *iwork, "an eigen-solver", &iwork);
    if (s == TT_OK) {
        copy_tridiagonal(p, p->w);
        dstedc_("I", &p->n, p->w, p->spent, p->z, &p->n, work, &lwork, iwork, &liwork, &info, 1);
    }
    free(iwork);
    free(work);
    p->from = p->n - p->keep;
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "dstedc of order %d failed with %d", p->n, info);
    return s;
}

/* Z = Q Z for the kept pairs. */
static tt_status turn_back(problem *p)
{
    const int one = 1, query = -1;
    int info, lwork;
    double need = 0, *work = NULL, *z = p->z + (size_t)p->from * (size_t)p->n;
    pdormtr_("L", "L", "N", &p->n, &p->keep, p->a, &one, &one, p->desc, p->tau, z, &one, &one, p->desc, &need,
             &query, &info, 1, 1, 1);
    TT_TRY(tt_int((int64_t)need, "work space of an eigen-solver", &lwork));
    TT_TRY(tt_alloc(lwork, sizeof *work, "an eigen-solver", &work));
    pdormtr_("L", "L", "N", &p->n, &p->keep, p->a, &one, &one, p->desc, p->tau, z, &one, &one, p->desc, work,
             &lwork, &info, 1, 1, 1);
    free(work);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "pdormtr of order %d failed with %d", p->n, info);
    return TT_OK;
}

static tt_status solve_on_grid(int context, problem *p)
{
    const int zero = 0, block = SCALAPACK_BLOCK;
    int info;
    bool found = false;
    descinit_(p->desc, &p->n, &p->n, &block, &block, &zero, &zero, &context, &p->n, &info);
    if (info != 0) return tt_fail(TT_ERR_INTERNAL, "descinit of order %d failed with %d", p->n, info);
    TT_TRY(reduce(p));
    if (2 * (int64_t)p->keep < p->n) TT_TRY(solve_few(p, &found));
    if (!found) TT_TRY(solve_all(p));
    return turn_back(p);
}

void vector_fix_sign(int n, double *vector)
{
    int largest = 0;
    for (int i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest])) largest = i;
    if (vector[largest] >= 0) return;
    for (int i = 0; i < n; i++) vector[i] = -vector[i];
}

/* Largest element of V A - diag(values) V. */
static double residual(const problem *p, const double *a, const double *values, const double *vectors)
{
    int n = p->n, keep = p->keep;
    cblas_dsymm(CblasRowMajor, CblasRight, CblasUpper, keep, n, 1.0, a, n, vectors, n, 0.0, p->rest, n);
    for (int i = 0; i < keep; i++)
        cblas_daxpy(n, -values[i], vectors + (size_t)i * (size_t)n, 1, p->rest + (size_t)i * (size_t)n, 1);
    return fabs(p->rest[cblas_idamax(keep * n, p->rest, 1)]);
}

/* A solver that fails without saying so has been seen; this is cheap beside it. */
static tt_status check_pairs(const problem *p, const double *a, const double *values, const double *vectors)
{
    double scale = fmax(fabs(values[0]), 1e-300), off = residual(p, a, values, vectors);
    if (off <= settled * scale * p->n && skew(p) <= right_angle) return TT_OK;
    return tt_fail(TT_ERR_INTERNAL, "the eigenvectors of a matrix of order %d are off by %g", p->n, off);
}

static void take_pairs(const problem *p, double *values, double *vectors)
{
    size_t n = (size_t)p->n;
    for (int i = 0; i < p->keep; i++) {
        int at = p->from + p->keep - 1 - i;
        values[i] = p->w[at];
        memcpy(vectors + (size_t)i * n, p->z + (size_t)at * n, n * sizeof *vectors);
        vector_fix_sign(p->n, vectors + (size_t)i * n);
    }
}

static tt_status solve_local(int n, const double *a, int keep, double *values, double *vectors)
{
    problem p = {.n = n, .keep = keep};
    tt_status s = allocate(&p);
    if (s == TT_OK) {
        memcpy(p.a, a, (size_t)n * (size_t)n * sizeof *a);
        int handle = Csys2blacs_handle(MPI_COMM_SELF), context = handle;
        Cblacs_gridinit(&context, "Row", 1, 1);
        s = solve_on_grid(context, &p);
        Cblacs_gridexit(context);
        Cfree_blacs_system_handle(handle);
    }
    if (s == TT_OK) take_pairs(&p, values, vectors);
    if (s == TT_OK) s = check_pairs(&p, a, values, vectors);
    free_problem(&p);
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
