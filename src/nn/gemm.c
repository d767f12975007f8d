#include "nn/gemm.h"

#include "tutti/comm.h"

#include <cblas.h>

tt_status tt_gemm_check(int64_t rows, int64_t in, int64_t out)
{
    int size;
    TT_TRY(tt_int(rows, "rows of a layer", &size));
    TT_TRY(tt_int(in, "inputs of a layer", &size));
    return tt_int(out, "outputs of a layer", &size);
}

void tt_gemm_forward(int64_t rows, int64_t in, int64_t out, const float *x, const float *w, float *y)
{
    int m = (int)rows, k = (int)in, n = (int)out;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k, w, k, 0, y, n);
}

void tt_gemm_backward_input(int64_t rows, int64_t in, int64_t out, const float *dy, const float *w, float *dx)
{
    int m = (int)rows, n = (int)in, k = (int)out;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, dy, k, w, n, 0, dx, n);
}

void tt_gemm_backward_weight(int64_t rows, int64_t in, int64_t out, const float *dy, const float *x,
                             float *dw)
{
    int k = (int)rows, n = (int)in, m = (int)out;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, dy, m, x, n, 0, dw, n);
}
