#include "tutti/matrix.h"

#include "linalg/blas.h"
#include "tutti/corpus.h"
#include "tutti/integer.h"
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
    free(matrix->rest);
    free(matrix->shift);
    free(matrix->valid);
    free(matrix->name);
    *matrix = (tt_matrix){0};
}

static int64_t padded_rows(const tt_matrix *x)
{
    return tt_round_up(x->count, TT_BLOCK_ROWS);
}

static tt_status allocate_rows(const tt_matrix *x, float **out)
{
    int64_t elements;
    if (__builtin_mul_overflow(padded_rows(x), x->cols, &elements))
        return tt_fail(TT_ERR_MEMORY, "%s: %lld x %lld elements do not fit in memory", x->name,
                       (long long)x->rows, (long long)x->cols);
    return tt_alloc(elements, sizeof **out, x->name, out);
}

static tt_status allocate(tt_matrix *x, const char *name)
{
    TT_TRY(tt_copy_text(name, &x->name));
    TT_TRY(tt_alloc(x->cols, sizeof *x->shift, "column shifts", &x->shift));
    TT_TRY(tt_alloc(padded_rows(x), 1, "row marks", &x->valid));
    return allocate_rows(x, &x->data);
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

static tt_status refuse_element(const tt_matrix *x, int64_t i, int64_t j)
{
    return tt_fail(TT_ERR_INPUT,
                   "%s row %lld column %lld is not finite; a 0 in /valid of the file leaves a row out",
                   x->name, (long long)(x->first + i), (long long)j);
}

/* Rows [begin, begin + n): the first element of a valid row that float32 cannot hold is an error; other rows
 * become zeros. */
static tt_status check_rows_f32(const tt_matrix *x, int64_t begin, int64_t n, float *rows)
{
    for (int64_t i = begin; i < begin + n; i++) {
        float *row = rows + (i - begin) * x->cols;
        if (!x->valid[i]) {
            memset(row, 0, (size_t)x->cols * sizeof *row);
            continue;
        }
        for (int64_t j = 0; j < x->cols; j++)
            if (!isfinite(row[j])) return refuse_element(x, i, j);
    }
    return TT_OK;
}

static tt_status check_row_f64(const tt_matrix *x, int64_t i, const double *row)
{
    for (int64_t j = 0; j < x->cols; j++) {
        if (!isfinite(row[j])) return refuse_element(x, i, j);
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

double tt_rounded_mean(double mean, double variance)
{
    int exponent;
    frexp(fmax(sqrt(fmax(variance, 0)), fabs(mean) * 0x1p-28), &exponent);
    double unit = ldexp(1, exponent - 1);
    return unit * rint(mean / unit);
}

/* Choose the shifts. Cancellation in the variance cannot mislead: it is bad only where the mean is far larger
 * than the deviation, and then the column is shifted whatever the variance came out as. */
static void choose_shift(const tt_matrix *x, const double *sums)
{
    for (int64_t j = 0; j < x->cols && x->n_valid > 0; j++) {
        double mean = sums[j] / (double)x->n_valid;
        double variance = sums[x->cols + j] / (double)x->n_valid - mean * mean;
        bool far = mean * mean > shift_from * shift_from * variance;
        x->shift[j] = far ? tt_rounded_mean(mean, variance) : 0.0;
    }
}

/* Find the shifts of a type wider than float32 in a first pass over the file. Collective. */
static tt_status find_shifts(tt_matrix_file *f)
{
    tt_matrix *x = &f->x;
    double *block = NULL, *sums = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_alloc(2 * x->cols, sizeof *sums, "column sums", &sums);
    if (s == TT_OK) s = tt_blocksum_new(2 * x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = wide_sums(f->store, f->dataset, x, block, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, sums);
    if (s == TT_OK) choose_shift(x, sums);
    tt_blocksum_free(sum);
    free(sums);
    free(block);
    return s;
}

/* A row about the shifts, and what float32 leaves of it, if that is wanted. */
static void round_row(const tt_matrix *x, const double *row, float *to, float *rest)
{
    for (int64_t j = 0; j < x->cols; j++) to[j] = (float)(row[j] - x->shift[j]);
    for (int64_t j = 0; rest && j < x->cols; j++) rest[j] = (float)(row[j] - x->shift[j] - (double)to[j]);
}

/* Through a block of doubles, so that no double copy of all rows is held. @param rest  NULL: not wanted */
static tt_status read_wide(const tt_matrix_file *f, int64_t begin, int64_t n, float *out, float *rest)
{
    const tt_matrix *x = &f->x;
    double *block;
    TT_TRY(tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block));
    tt_status s = TT_OK;
    memset(out, 0, (size_t)(n * x->cols) * sizeof *out);
    for (int64_t i = begin; s == TT_OK && i < begin + n; i += TT_BLOCK_ROWS) {
        int64_t rows = begin + n - i < TT_BLOCK_ROWS ? begin + n - i : TT_BLOCK_ROWS;
        s = tt_store_read(f->store, f->dataset, x->first + i, rows, TT_F64, block);
        for (int64_t r = 0; s == TT_OK && r < rows; r++) {
            if (!x->valid[i + r]) continue;
            int64_t at = (i - begin + r) * x->cols;
            round_row(x, block + r * x->cols, out + at, rest ? rest + at : NULL);
        }
    }
    free(block);
    return s;
}

tt_status tt_matrix_file_rows(const tt_matrix_file *f, int64_t begin, int64_t n, float *out)
{
    if (f->wide) return read_wide(f, begin, n, out, NULL);
    TT_TRY(tt_store_read(f->store, f->dataset, f->x.first + begin, n, TT_F32, out));
    return check_rows_f32(&f->x, begin, n, out);
}

void tt_matrix_file_close(tt_matrix_file *f)
{
    tt_matrix_free(&f->x);
    tt_store_close(f->store);
    free(f->dataset);
    *f = (tt_matrix_file){0};
}

/* Shape and marks of the rows; room for them is left to who reads them. */
static tt_status read_shape(const tt_comm *comm, const char *spec, tt_matrix_file *f)
{
    tt_column column;
    int64_t cols = 0;
    TT_TRY(matrix_shape(f->store, f->dataset, &column, &cols));
    f->wide = column.type != TT_F16 && column.type != TT_F32 && column.type != TT_U8;
    TT_TRY(tt_matrix_new(comm, spec, column.dims[0], 0, &f->x));
    f->x.cols = cols;
    return read_valid(f->store, &f->x);
}

/* Open `spec` as far as its shape and marks. Collective. */
static tt_status open_shape(const tt_comm *comm, const char *spec, const char *default_dataset,
                            tt_matrix_file *f)
{
    *f = (tt_matrix_file){0};
    char *file = NULL, *name = NULL;
    tt_status s = tt_store_split(spec, default_dataset, &file, &f->dataset);
    if (s == TT_OK) s = tt_format(&name, "%s:%s", file, f->dataset);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_store_open(comm, file, &f->store);
    if (s == TT_OK) s = read_shape(comm, name, f);
    free(name);
    free(file);
    if (s != TT_OK) tt_matrix_file_close(f);
    return s;
}

/* The shifts of columns, zeros unless the type is wide. Collective. */
static tt_status add_shifts(tt_matrix_file *f)
{
    double *shift = NULL;
    TT_TRY(tt_agree(f->x.comm, tt_alloc(f->x.cols, sizeof *shift, "column shifts", &shift)));
    free(f->x.shift);
    f->x.shift = shift;
    return f->wide ? find_shifts(f) : TT_OK;
}

tt_status tt_matrix_file_open(const tt_comm *comm, const char *spec, const char *default_dataset,
                              tt_matrix_file *out)
{
    TT_TRY(open_shape(comm, spec, default_dataset, out));
    free(out->x.data);
    out->x.data = NULL;
    tt_status s = add_shifts(out);
    if (s != TT_OK) tt_matrix_file_close(out);
    return s;
}

static tt_status read_all(tt_matrix_file *f)
{
    float *data = NULL;
    TT_TRY(tt_agree(f->x.comm, allocate_rows(&f->x, &data)));
    f->x.data = data;
    return tt_agree(f->x.comm, tt_matrix_file_rows(f, 0, f->x.count, data));
}

/* Of integers and of what was float32 once nothing is left: then there is no rest. Collective. */
static void drop_zeros(tt_matrix *x)
{
    int64_t left = 0;
    for (int64_t i = 0; i < x->count * x->cols && left == 0; i++) left = x->rest[i] != 0;
    if (tt_sum_i64(x->comm, left) > 0) return;
    free(x->rest);
    x->rest = NULL;
}

/* With the rest of wide input. */
static tt_status read_all_exactly(tt_matrix_file *f)
{
    tt_matrix *x = &f->x;
    if (!f->wide) return read_all(f);
    tt_status s = allocate_rows(x, &x->data);
    if (s == TT_OK) s = allocate_rows(x, &x->rest);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_agree(x->comm, read_wide(f, 0, x->count, x->data, x->rest));
    if (s == TT_OK) drop_zeros(x);
    return s;
}

static tt_status read_matrix(const tt_comm *comm, const char *spec, const char *default_dataset,
                             tt_status (*read)(tt_matrix_file *), tt_matrix *out)
{
    tt_matrix_file f;
    *out = (tt_matrix){0};
    tt_status s = tt_matrix_file_open(comm, spec, default_dataset, &f);
    if (s == TT_OK) s = read(&f);
    if (s == TT_OK) {
        *out = f.x;
        f.x = (tt_matrix){0};
    }
    tt_matrix_file_close(&f);
    return s;
}

tt_status tt_matrix_read(const tt_comm *comm, const char *spec, const char *default_dataset, tt_matrix *out)
{
    return read_matrix(comm, spec, default_dataset, read_all, out);
}

tt_status tt_matrix_read_exact(const tt_comm *comm, const char *spec, const char *default_dataset,
                               tt_matrix *out)
{
    return read_matrix(comm, spec, default_dataset, read_all_exactly, out);
}

tt_status tt_matrix_size(const tt_comm *comm, const char *spec, const char *default_dataset, int64_t *rows,
                         int64_t *cols, int64_t *n_valid)
{
    tt_matrix_file f;
    tt_status s = open_shape(comm, spec, default_dataset, &f);
    *rows = f.x.rows;
    *cols = f.x.cols;
    *n_valid = f.x.n_valid;
    tt_matrix_file_close(&f);
    return s;
}

/* What one pass over the rows adds up: values, or squares about the mean. */
static tt_status column_pass(const tt_matrix *x, const tt_matrix_file *file, float *room, const double *about,
                             tt_blocksum *sum)
{
    for (int64_t i = 0; i < x->count; i += TT_BLOCK_ROWS) {
        const float *rows = file ? room : x->data + i * x->cols;
        double *partial = tt_blocksum_next(sum);
        if (!partial) return TT_ERR_MEMORY;
        if (file) TT_TRY(tt_matrix_file_rows(file, i, block_rows(x, i), room));
        for (int64_t r = i; r < i + block_rows(x, i); r++) {
            if (!x->valid[r]) continue;
            const float *row = rows + (r - i) * x->cols;
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

/* Of the valid rows of x, which lie in memory, or in `file` if that is not NULL. Collective. */
static tt_status moments(const tt_matrix *x, const tt_matrix_file *file, double *mean, double *deviation)
{
    tt_blocksum *sum = NULL;
    float *room = NULL;
    tt_status s = tt_blocksum_new(x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK && file) s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *room, "a block of rows", &room);
    if (s == TT_OK) s = column_pass(x, file, room, NULL, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, mean);
    double n = x->n_valid > 0 ? (double)x->n_valid : 1.0;
    if (s == TT_OK) {
        for (int64_t j = 0; j < x->cols; j++) mean[j] /= n;
        s = tt_blocksum_finish(sum, x->comm, column_pass(x, file, room, mean, sum), deviation);
    }
    for (int64_t j = 0; s == TT_OK && j < x->cols; j++) {
        deviation[j] = sqrt(deviation[j] / n);
        mean[j] += x->shift[j];
    }
    tt_blocksum_free(sum);
    free(room);
    return s;
}

tt_status tt_matrix_moments(const tt_matrix *x, double *mean, double *deviation)
{
    return moments(x, NULL, mean, deviation);
}

tt_status tt_matrix_file_moments(const tt_matrix_file *file, const unsigned char *use, int64_t n,
                                 double *mean, double *deviation)
{
    tt_matrix rows = file->x; /* a view: the same file, other rows marked */
    rows.valid = (unsigned char *)use;
    rows.n_valid = n;
    return moments(&rows, file, mean, deviation);
}
