#include "linalg/blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    WORKSPACE_BYTES = 160 << 20,
    SIDE = 128
}; /* OpenBLAS on x86-64: 128 MB; a product that is not "small" */

/* A matrix product, for the buffer that it leaves behind. */
static tt_status multiply(void)
{
    float *x = calloc(3 * SIDE * SIDE, sizeof *x);
    if (!x) return tt_fail(TT_ERR_MEMORY, "no memory for a matrix product");
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, x, SIDE, x + SIDE * SIDE,
                SIDE, 0, x + 2 * SIDE * SIDE, SIDE);
    free(x);
    return TT_OK;
}

tt_status blas_prepare(void)
{
    static bool ready;
    if (ready) return TT_OK;
    void *volatile probe = malloc(WORKSPACE_BYTES); /* volatile: not optimised away */
    if (!probe) return tt_fail(TT_ERR_MEMORY, "no memory for matrix products (%d MB)", WORKSPACE_BYTES >> 20);
    free(probe);
    TT_TRY(multiply());
    ready = true;
    return TT_OK;
}
