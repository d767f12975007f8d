/* The matrix products of the layers, all in one place, so that another library can take them over.
 *
 * Row-major, float, on one thread. The bits of a result are those of its shape and operands: callers that
 * promise results independent of the rank count keep the shapes independent of it. Not collective. */
#ifndef TUTTI_NN_GEMM_H
#define TUTTI_NN_GEMM_H

#include "tutti/status.h"

#include <stdint.h>

/** Whether products of these sizes can be asked for. @return TT_OK or TT_ERR_INTERNAL */
tt_status tt_gemm_check(int64_t rows, int64_t in, int64_t out);

/** y = x w^T: x [rows, in], w [out, in], y [rows, out]. */
void tt_gemm_forward(int64_t rows, int64_t in, int64_t out, const float *x, const float *w, float *y);

/** dx = dy w: dy [rows, out], w [out, in], dx [rows, in]. */
void tt_gemm_backward_input(int64_t rows, int64_t in, int64_t out, const float *dy, const float *w,
                            float *dx);

/** dw = dy^T x: dy [rows, out], x [rows, in], dw [out, in]. */
void tt_gemm_backward_weight(int64_t rows, int64_t in, int64_t out, const float *dy, const float *x,
                             float *dw);

#endif
