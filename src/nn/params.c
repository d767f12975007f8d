#include "nn/params.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED_FLOATS = 16 };

tt_status tt_params_add(tt_params *params, const char *name, int n_dims, const int64_t *dims, int *index)
{
    tt_tensor t = {.n_dims = n_dims, .offset = params->size, .count = 1};
    if (n_dims < 1 || n_dims > TT_TENSOR_DIMS ||
        snprintf(t.name, sizeof t.name, "%s", name) >= TT_TENSOR_NAME)
        return tt_fail(TT_ERR_INTERNAL, "parameter tensor %s: %d dimensions or its name do not fit", name,
                       n_dims);
    for (int i = 0; i < n_dims; i++) {
        t.dims[i] = dims[i];
        if (dims[i] < 1 || __builtin_mul_overflow(t.count, dims[i], &t.count))
            return tt_fail(TT_ERR_MEMORY, "parameter tensor %s does not fit in memory", name);
    }
    int64_t padded;
    if (__builtin_add_overflow(t.count, ALIGNED_FLOATS - 1, &padded) ||
        __builtin_add_overflow(params->size, padded / ALIGNED_FLOATS * ALIGNED_FLOATS, &params->size))
        return tt_fail(TT_ERR_MEMORY, "parameter tensor %s does not fit in memory", name);
    TT_TRY(tt_grow(params->n, params->n + 1, sizeof t, "the table of parameters", &params->tensor));
    *index = params->n;
    params->tensor[params->n++] = t;
    return TT_OK;
}

void tt_params_free(tt_params *params)
{
    free(params->tensor);
    *params = (tt_params){0};
}

tt_status tt_params_block(const tt_params *params, const char *what, float **out)
{
    return tt_alloc(params->size, sizeof(float), what, out);
}

void tt_params_clear_padding(const tt_params *params, float *block)
{
    for (int i = 0; i < params->n; i++) {
        const tt_tensor *t = &params->tensor[i];
        int64_t from = t->offset + t->count, to = i + 1 < params->n ? t[1].offset : params->size;
        memset(block + from, 0, (size_t)(to - from) * sizeof *block);
    }
}

const tt_tensor *tt_params_non_finite(const tt_params *params, const float *block)
{
    for (const tt_tensor *t = params->tensor; t < params->tensor + params->n; t++)
        for (int64_t i = 0; i < t->count; i++)
            if (!isfinite(block[t->offset + i])) return t;
    return NULL;
}

const tt_tensor *tt_params_at(const tt_params *params, int64_t at)
{
    for (const tt_tensor *t = params->tensor; t < params->tensor + params->n; t++)
        if (at >= t->offset && at < t->offset + t->count) return t;
    return NULL;
}
