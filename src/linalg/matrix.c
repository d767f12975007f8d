#include "tutti/matrix.h"

#include "linalg/blas.h"
#include "tutti/corpus.h"
#include "tutti/memory.h"
#include "tutti/store.h"
#include "tutti/sum.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A wide column is stored about its mean where the mean exceeds this many deviations: below, rounding to
 * float32 costs at most three bits more than rounding about the mean would. */
static const double shift_from = 4.0;

void tt_matrix_free(tt_matrix *matrix)
{
    free(matrix->data);
    free(matrix->shift);
    free(matrix->valid);
    free(matrix->name);
    *matrix = (tt_matrix){0};
}

static tt_status allocate(tt_matrix *x, const char *name)
{
    int64_t padded = (x->count + TT_BLOCK_ROWS - 1) / TT_BLOCK_ROWS * TT_BLOCK_ROWS, elements;
    if (__builtin_mul_overflow(padded, x->cols, &elements))
        return tt_fail(TT_ERR_MEMORY, "%s: %lld x %lld elements do not fit in memory", name,
                       (long long)x->rows, (long long)x->cols);
    TT_TRY(tt_copy_text(name, &x->name));
    TT_TRY(tt_alloc(x->cols, sizeof *x->shift, "column shifts", &x->shift));
    TT_TRY(tt_alloc(padded, 1, "row marks", &x->valid));
    return tt_alloc(elements, sizeof *x->data, name, &x->data);
}

tt_status tt_matrix_new(const tt_comm *comm, const char *name, int64_t rows, int64_t cols, tt_matrix *out)
{
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    *out = (tt_matrix){.comm = comm,
                       .rows = rows,
                       .first = mine.begin,
                       .count = mine.end - mine.begin,
                       .cols = cols,
                       .n_valid = rows};
    tt_status s = allocate(out, name);
    if (s == TT_OK) s = blas_prepare(); /* whoever has a matrix multiplies it */
    s = tt_agree(comm, s);
    if (s != TT_OK)
        tt_matrix_free(out);
    else
        memset(out->valid, 1, (size_t)out->count);
    return s;
}

/* Shape of a dataset as a matrix. */
static tt_status matrix_shape(tt_store *store, const char *dataset, tt_column *column, int64_t *cols)
{
    bool found;
    const char *path = tt_store_path(store);
    TT_TRY(tt_store_column(store, dataset, column, &found));
    if (!found) return tt_fail(TT_ERR_INPUT, "%s has no dataset %s", path, dataset);
    if (column->type == TT_TEXT)
        return tt_fail(TT_ERR_INPUT, "%s:%s holds text; a matrix of numbers is needed", path, dataset);
    if (column->n_dims < 1)
        return tt_fail(TT_ERR_INPUT, "%s:%s is a single value; a matrix is needed", path, dataset);
    *cols = 1;
    for (int i = 1; i < column->n_dims; i++)
        if (__builtin_mul_overflow(*cols, column->dims[i], cols))
            return tt_fail(TT_ERR_INPUT, "%s:%s has too many columns", path, dataset);
    if (*cols == 0) return tt_fail(TT_ERR_INPUT, "%s:%s has no columns", path, dataset);
    return TT_OK;
}

/* A one-dimensional dataset of numbers with an element per row, if there is one. Collective. */
static tt_status find_per_row(tt_store *store, const char *name, int64_t rows, bool *found)
{
    tt_column column;
    TT_TRY(tt_store_column(store, name, &column, found));
    *found = *found && column.type != TT_TEXT && column.n_dims == 1 && column.dims[0] == rows;
    return TT_OK;
}

/* Marks of this rank's rows by what became of its clips. */
static tt_status read_clip_status(tt_store *store, tt_matrix *x)
{
    int32_t *status = NULL;
    tt_status s = tt_alloc(x->count, sizeof *status, "clip states", &status);
    if (s == TT_OK) s = tt_store_read(store, "/clip/status", x->first, x->count, TT_I32, status);
    for (int64_t i = 0; s == TT_OK && i < x->count; i++) x->valid[i] = tt_track_status_valid(status[i]);
    free(status);
    return s;
}

/* Marks of this rank's rows from /valid or /clip/status, if the file has one that fits. Collective. */
static tt_status read_valid(tt_store *store, tt_matrix *x)
{
    bool marks, states = false;
    TT_TRY(find_per_row(store, "/valid", x->rows, &marks));
    if (!marks) TT_TRY(find_per_row(store, "/clip/status", x->rows, &states));
    if (!marks && !states) return TT_OK;
    tt_status s = marks ? tt_store_read(store, "/valid", x->first, x->count, TT_U8, x->valid)
                        : read_clip_status(store, x);
    TT_TRY(tt_agree(x->comm, s));
    int64_t n = 0;
    for (int64_t i = 0; i < x->count; i++) n += x->valid[i] = x->valid[i] != 0;
    x->n_valid = tt_sum_i64(x->comm, n);
    return TT_OK;
}

/* The first element of a valid row that float32 cannot hold is an error; other rows become zeros. */
static tt_status check_rows_f32(const tt_matrix *x)
{
    for (int64_t i = 0; i < x->count; i++) {
        float *row = x->data + i * x->cols;
        if (!x->valid[i]) {
            memset(row, 0, (size_t)x->cols * sizeof *row);
            continue;
        }
        for (int64_t j = 0; j < x->cols; j++)
            if (!isfinite(row[j]))
                return tt_fail(TT_ERR_INPUT, "%s row %lld column %lld is not finite", x->name,
                               (long long)(x->first + i), (long long)j);
    }
    return TT_OK;
}

static tt_status check_row_f64(const tt_matrix *x, int64_t i, const double *row)
{
    for (int64_t j = 0; j < x->cols; j++) {
        if (!isfinite(row[j]))
            return tt_fail(TT_ERR_INPUT, "%s row %lld column %lld is not finite", x->name,
                           (long long)(x->first + i), (long long)j);
        if (fabs(row[j]) > (double)FLT_MAX)
            return tt_fail(TT_ERR_INPUT, "%s row %lld column %lld is %g, beyond the range of float32",
                           x->name, (long long)(x->first + i), (long long)j, row[j]);
    }
    return TT_OK;
}

static int64_t block_rows(const tt_matrix *x, int64_t i)
{
    return x->count - i < TT_BLOCK_ROWS ? x->count - i : TT_BLOCK_ROWS;
}

/* Sums and sums of squares of the valid rows, block by block. */
static tt_status wide_sums(tt_store *store, const char *dataset, const tt_matrix *x, double *block,
                           tt_blocksum *sum)
{
    for (int64_t i = 0; i < x->count; i += TT_BLOCK_ROWS) {
        int64_t n = block_rows(x, i);
        TT_TRY(tt_store_read(store, dataset, x->first + i, n, TT_F64, block));
        double *partial = tt_blocksum_next(sum);
        if (!partial) return TT_ERR_MEMORY;
        for (int64_t r = 0; r < n; r++) {
            if (!x->valid[i + r]) continue;
            const double *row = block + r * x->cols;
            TT_TRY(check_row_f64(x, i + r, row));
            for (int64_t j = 0; j < x->cols; j++) partial[j] += row[j];
            for (int64_t j = 0; j < x->cols; j++) partial[x->cols + j] += row[j] * row[j];
        }
        tt_blocksum_commit(sum);
    }
    return TT_OK;
}

/* Choose the shifts. Cancellation in the variance cannot mislead: it is bad only where the mean is far larger
 * than the deviation, and then the column is shifted whatever the variance came out as. */
static void choose_shift(const tt_matrix *x, const double *sums)
{
    for (int64_t j = 0; j < x->cols && x->n_valid > 0; j++) {
        double mean = sums[j] / (double)x->n_valid;
        double variance = sums[x->cols + j] / (double)x->n_valid - mean * mean;
        bool far = mean * mean > shift_from * shift_from * variance;
        x->shift[j] = far ? mean : 0.0;
    }
}

static tt_status wide_rows(tt_store *store, const char *dataset, const tt_matrix *x, double *block)
{
    for (int64_t i = 0; i < x->count; i += TT_BLOCK_ROWS) {
        int64_t n = block_rows(x, i);
        TT_TRY(tt_store_read(store, dataset, x->first + i, n, TT_F64, block));
        for (int64_t r = 0; r < n; r++) {
            if (!x->valid[i + r]) continue;
            float *to = x->data + (i + r) * x->cols;
            for (int64_t j = 0; j < x->cols; j++) to[j] = (float)(block[r * x->cols + j] - x->shift[j]);
        }
    }
    return TT_OK;
}

/* Rows of a type wider than float32, in two passes over the file so that no double copy is held. */
static tt_status read_wide(tt_store *store, const char *dataset, tt_matrix *x)
{
    double *block = NULL, *sums = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_alloc(2 * x->cols, sizeof *sums, "column sums", &sums);
    if (s == TT_OK) s = tt_blocksum_new(2 * x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = wide_sums(store, dataset, x, block, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, sums);
    if (s == TT_OK) {
        choose_shift(x, sums);
        s = tt_agree(x->comm, wide_rows(store, dataset, x, block));
    }
    tt_blocksum_free(sum);
    free(sums);
    free(block);
    return s;
}

static tt_status read_narrow(tt_store *store, const char *dataset, const tt_matrix *x)
{
    tt_status s = tt_store_read(store, dataset, x->first, x->count, TT_F32, x->data);
    if (s == TT_OK) s = check_rows_f32(x);
    return tt_agree(x->comm, s);
}

static tt_status read_matrix(const tt_comm *comm, tt_store *store, const char *spec, const char *dataset,
                             tt_matrix *out)
{
    tt_column column;
    int64_t cols = 0;
    TT_TRY(matrix_shape(store, dataset, &column, &cols));
    TT_TRY(tt_matrix_new(comm, spec, column.dims[0], cols, out));
    tt_status s = read_valid(store, out);
    if (s == TT_OK)
        s = column.type == TT_F16 || column.type == TT_F32 || column.type == TT_U8
                ? read_narrow(store, dataset, out)
                : read_wide(store, dataset, out);
    if (s != TT_OK) tt_matrix_free(out);
    return s;
}

/* Only the shape and the marks of the rows. */
static tt_status read_size(const tt_comm *comm, tt_store *store, const char *spec, const char *dataset,
                           tt_matrix *out)
{
    tt_column column;
    int64_t cols = 0;
    TT_TRY(matrix_shape(store, dataset, &column, &cols));
    TT_TRY(tt_matrix_new(comm, spec, column.dims[0], 0, out));
    out->cols = cols;
    return read_valid(store, out);
}

static tt_status read_by(const tt_comm *comm, const char *spec, const char *default_dataset,
                         tt_status (*read)(const tt_comm *, tt_store *, const char *, const char *,
                                           tt_matrix *),
                         tt_matrix *out)
{
    *out = (tt_matrix){0};
    char *file = NULL, *dataset = NULL, *name = NULL;
    tt_store *store = NULL;
    tt_status s = tt_store_split(spec, default_dataset, &file, &dataset);
    if (s == TT_OK) s = tt_format(&name, "%s:%s", file, dataset);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_store_open(comm, file, &store);
    if (s == TT_OK) s = read(comm, store, name, dataset, out);
    tt_store_close(store);
    free(name);
    free(dataset);
    free(file);
    return s;
}

tt_status tt_matrix_read(const tt_comm *comm, const char *spec, const char *default_dataset, tt_matrix *out)
{
    return read_by(comm, spec, default_dataset, read_matrix, out);
}

tt_status tt_matrix_size(const tt_comm *comm, const char *spec, const char *default_dataset, int64_t *rows,
                         int64_t *cols, int64_t *n_valid)
{
    tt_matrix x;
    tt_status s = read_by(comm, spec, default_dataset, read_size, &x);
    *rows = x.rows;
    *cols = x.cols;
    *n_valid = x.n_valid;
    tt_matrix_free(&x);
    return s;
}

/* What one pass over the rows adds up: values, or squares about the mean. */
static tt_status column_pass(const tt_matrix *x, const double *about, tt_blocksum *sum)
{
    for (int64_t i = 0; i < x->count; i += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_next(sum);
        if (!partial) return TT_ERR_MEMORY;
        for (int64_t r = i; r < i + block_rows(x, i); r++) {
            if (!x->valid[r]) continue;
            const float *row = x->data + r * x->cols;
            if (!about)
                for (int64_t j = 0; j < x->cols; j++) partial[j] += (double)row[j];
            else
                for (int64_t j = 0; j < x->cols; j++)
                    partial[j] += ((double)row[j] - about[j]) * ((double)row[j] - about[j]);
        }
        tt_blocksum_commit(sum);
    }
    return TT_OK;
}

tt_status tt_matrix_moments(const tt_matrix *x, double *mean, double *deviation)
{
    tt_blocksum *sum = NULL;
    tt_status s = tt_blocksum_new(x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = column_pass(x, NULL, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, mean);
    double n = x->n_valid > 0 ? (double)x->n_valid : 1.0;
    if (s == TT_OK) {
        for (int64_t j = 0; j < x->cols; j++) mean[j] /= n;
        s = tt_blocksum_finish(sum, x->comm, column_pass(x, mean, sum), deviation);
    }
    for (int64_t j = 0; s == TT_OK && j < x->cols; j++) {
        deviation[j] = sqrt(deviation[j] / n);
        mean[j] += x->shift[j];
    }
    tt_blocksum_free(sum);
    return s;
}
