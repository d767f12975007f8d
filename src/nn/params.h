/* The table of parameter tensors: where each lies in the one block that holds them all.
 *
 * Parameters, gradients and each moment of the optimiser are blocks of the same shape, params->size floats
 * each, so that reduction, update and checkpoint are one call over one block. Tensors start on 64-byte
 * boundaries; the padding between them is zero in every block and stays so. */
#ifndef TUTTI_NN_PARAMS_H
#define TUTTI_NN_PARAMS_H

#include "tutti/status.h"

#include <stdint.h>

enum { TT_TENSOR_DIMS = 4, TT_TENSOR_NAME = 48 };

typedef struct tt_tensor {
    char name[TT_TENSOR_NAME]; /**< "encoder.0.weight" */
    int n_dims;
    int64_t dims[TT_TENSOR_DIMS];
    int64_t offset; /**< of its first element in a block */
    int64_t count;  /**< elements */
} tt_tensor;

typedef struct tt_params {
    int n;
    tt_tensor *tensor; /**< [n] owned, by offset */
    int64_t size;      /**< floats in a block */
} tt_params;

/** Append a tensor; *index is its place in the table. Not collective. @return TT_OK or TT_ERR_MEMORY */
tt_status tt_params_add(tt_params *params, const char *name, int n_dims, const int64_t *dims, int *index);

/** Free the table; the blocks belong to who allocated them. */
void tt_params_free(tt_params *params);

/** A zeroed block. Free with free(). @return TT_OK or TT_ERR_MEMORY */
tt_status tt_params_block(const tt_params *params, const char *what, float **out);

/** Zero what lies between the tensors of a block that held anything. */
void tt_params_clear_padding(const tt_params *params, float *block);

/** The first tensor with an element that is Inf or NaN in `block`, NULL if all are finite. */
const tt_tensor *tt_params_non_finite(const tt_params *params, const float *block);

/** The tensor that element `at` of a block belongs to, NULL where it is padding. */
const tt_tensor *tt_params_at(const tt_params *params, int64_t at);

#endif
