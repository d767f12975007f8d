#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <stdlib.h>
#include <string.h>

typedef struct reconstruction {
    const tt_comm *comm;
    tt_model model;
    tt_matrix_file file;
    const int64_t *list; /* [n] rows asked for, NULL: all */
    int64_t n;
    int32_t *condition; /* of the list's rows, or of this rank's rows; NULL without classes */
    tt_vae_work work;
    float *x, *scaled, *y; /* [TT_BLOCK_ROWS, cols] */
    int64_t row[TT_BLOCK_ROWS];
    int32_t class[TT_BLOCK_ROWS];
    double error[TT_BLOCK_ROWS];
    unsigned char valid[TT_BLOCK_ROWS];
} reconstruction;

static void free_reconstruction(reconstruction *r)
{
    tt_vae_work_free(&r->work);
    tt_model_free(&r->model);
    tt_matrix_file_close(&r->file);
    free(r->condition);
    free(r->x);
    free(r->scaled);
    free(r->y);
}

/* The rows asked for are there, and their owners find them valid. Collective. */
static tt_status check_rows(const reconstruction *r)
{
    const tt_matrix *x = &r->file.x;
    tt_status s = TT_OK;
    for (int64_t i = 0; s == TT_OK && r->list && i < r->n; i++) {
        int64_t local = r->list[i] - x->first;
        if (r->list[i] >= x->rows)
            s = tt_fail(TT_ERR_INPUT, "%s has %lld rows; there is no row %lld", x->name, (long long)x->rows,
                        (long long)r->list[i]);
        else if (local >= 0 && local < x->count && !x->valid[local])
            s = tt_fail(TT_ERR_INPUT, "%s row %lld is not valid: it holds no features", x->name,
                        (long long)r->list[i]);
    }
    return tt_agree(x->comm, s);
}

/* Classes of the rows of a list, which their owners know and all get to know. Collective. */
static tt_status share_classes(reconstruction *r, const tt_classes *classes, const int32_t *place)
{
    const tt_matrix *x = &r->file.x;
    int n;
    TT_TRY(tt_int(r->n, "rows listed", &n));
    for (int64_t i = 0; i < r->n; i++) {
        int64_t local = r->list[i] - x->first;
        bool mine = local >= 0 && local < x->count;
        r->condition[i] = mine && classes->label[local] >= 0 ? place[classes->label[local]] : -1;
    }
    MPI_Allreduce(MPI_IN_PLACE, r->condition, n, MPI_INT32_T, MPI_MAX, x->comm->mpi);
    return TT_OK;
}

/* Collective. */
static tt_status take_classes(reconstruction *r, const tt_classes *classes)
{
    const tt_matrix *x = &r->file.x;
    int32_t *place = NULL;
    if (classes->rows != x->rows)
        return tt_fail(TT_ERR_INPUT,
                       "there are %lld labels, but %s has %lld rows: they must be of the same rows",
                       (long long)classes->rows, x->name, (long long)x->rows);
    tt_status s = tt_alloc(classes->n, sizeof *place, "classes", &place);
    if (s == TT_OK) s = tt_alloc(r->list ? r->n : x->count, sizeof *r->condition, "classes", &r->condition);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) tt_classes_place(classes, r->model.name, r->model.classes, place);
    for (int64_t i = 0; s == TT_OK && !r->list && i < x->count; i++)
        r->condition[i] = classes->label[i] >= 0 ? place[classes->label[i]] : -1;
    if (s == TT_OK && r->list) s = share_classes(r, classes, place);
    free(place);
    return s;
}

static tt_status prepare(reconstruction *r)
{
    const tt_vae *vae = &r->model.vae;
    TT_TRY(tt_vae_work_new(vae, 1, TT_BLOCK_ROWS, false, &r->work));
    TT_TRY(tt_vae_weights(&r->work, r->model.params));
    TT_TRY(tt_alloc(TT_BLOCK_ROWS * vae->input, sizeof *r->x, "a block of rows", &r->x));
    TT_TRY(tt_alloc(TT_BLOCK_ROWS * vae->input, sizeof *r->scaled, "a block of rows", &r->scaled));
    return tt_alloc(TT_BLOCK_ROWS * vae->input, sizeof *r->y, "a block of rows", &r->y);
}

static tt_status open_inputs(reconstruction *r, const char *model, const char *input, int64_t n_rows)
{
    TT_TRY(tt_model_read(r->comm, model, &r->model));
    TT_TRY(tt_matrix_file_open(r->comm, input, "/x", &r->file));
    const tt_matrix *x = &r->file.x;
    if (x->cols != r->model.vae.input)
        return tt_fail(TT_ERR_INPUT, "%s has %lld columns; %s was trained on %lld", x->name,
                       (long long)x->cols, model, (long long)r->model.vae.input);
    r->n = r->list ? n_rows : x->rows;
    TT_TRY(check_rows(r));
    return tt_agree(r->comm, prepare(r));
}

static tt_status create(const reconstruction *r, const tt_provenance *provenance, const char *output,
                        tt_store **out)
{
    const tt_model *m = &r->model;
    tt_column columns[] = {
        {.name = "/x", .type = TT_F32, .n_dims = m->n_dims + 1, .dims = {r->n}},
        {.name = "/reconstruction", .type = TT_F32, .n_dims = m->n_dims + 1, .dims = {r->n}},
        {.name = "/row", .type = TT_I64, .n_dims = 1, .dims = {r->n}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {r->n}},
        {.name = "/error", .type = TT_F64, .n_dims = 1, .dims = {r->n}},
    };
    for (int i = 0; i < m->n_dims; i++) columns[0].dims[i + 1] = columns[1].dims[i + 1] = m->dims[i];
    return tt_store_create(r->comm, output, provenance, columns, (int)(sizeof columns / sizeof *columns),
                           out);
}

/* Read n rows of the list from place `at` on, neighbours in one go. Rows of the list are valid; of all rows
 * the marks are this rank's, since the result is dealt as they are. */
static tt_status read_rows(reconstruction *r, int64_t at, int64_t n)
{
    const tt_matrix *x = &r->file.x;
    for (int64_t i = 0; i < n; i++) {
        r->row[i] = r->list ? r->list[at + i] : at + i;
        r->valid[i] = r->list ? 1 : x->valid[at + i - x->first];
        if (r->condition) r->class[i] = r->condition[r->list ? at + i : at + i - x->first];
    }
    for (int64_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && r->row[i + run] == r->row[i] + run;) run++;
        tt_matrix_file view = r->file; /* the same file from another row on */
        view.x.first = r->row[i];
        view.x.count = run;
        view.x.valid = r->valid + i;
        TT_TRY(tt_matrix_file_rows(&view, 0, run, r->x + i * x->cols));
    }
    return TT_OK;
}

static double mean_square(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum / (double)n;
}

/* Rows that are not valid stay zero. */
static tt_status reconstruct_block(reconstruction *r, int64_t n)
{
    const tt_model *m = &r->model;
    const double *shift = r->file.x.shift;
    int64_t cols = m->vae.input;
    tt_vae_loss loss;
    memset(r->scaled, 0, (size_t)(TT_BLOCK_ROWS * cols) * sizeof *r->scaled);
    memset(r->y, 0, (size_t)(TT_BLOCK_ROWS * cols) * sizeof *r->y);
    for (int64_t i = 0; i < n; i++)
        if (r->valid[i]) tt_scaling_row(&m->scaling, shift, r->x + i * cols, r->scaled + i * cols);
    r->work.condition = r->condition ? r->class : NULL;
    TT_TRY(tt_vae_evaluate(&m->vae, n, r->scaled, &r->work, &loss));
    const float *y = r->work.reconstruction;
    for (int64_t i = 0; i < n; i++) {
        r->error[i] = r->valid[i] ? mean_square(y + i * cols, r->scaled + i * cols, cols) : 0;
        if (!r->valid[i]) continue;
        tt_scaling_undo(&m->scaling, y + i * cols, r->y + i * cols);
        for (int64_t j = 0; j < cols; j++)
            r->x[i * cols + j] = (float)((double)r->x[i * cols + j] + shift[j]);
    }
    return TT_OK;
}

static tt_status write_block(const reconstruction *r, tt_store *store, int64_t at, int64_t n)
{
    TT_TRY(tt_store_write(store, "/x", at, n, r->x));
    TT_TRY(tt_store_write(store, "/reconstruction", at, n, r->y));
    TT_TRY(tt_store_write(store, "/row", at, n, r->row));
    TT_TRY(tt_store_write(store, "/valid", at, n, r->valid));
    TT_TRY(tt_store_write(store, "/error", at, n, r->error));
    return tt_stop_status();
}

static tt_status write_rows(reconstruction *r, tt_store *store)
{
    tt_range mine = tt_partition(r->n, TT_BLOCK_ROWS, r->comm->size, r->comm->rank);
    tt_status s = TT_OK;
    tt_progress progress;
    tt_progress_start(&progress, "reconstruct", "rows", mine.end - mine.begin, r->n);
    for (int64_t i = mine.begin; s == TT_OK && i < mine.end; i += TT_BLOCK_ROWS) {
        int64_t n = mine.end - i < TT_BLOCK_ROWS ? mine.end - i : TT_BLOCK_ROWS;
        s = read_rows(r, i, n);
        if (s == TT_OK) s = reconstruct_block(r, n);
        if (s == TT_OK) s = write_block(r, store, i, n);
        tt_progress_add(&progress, n);
    }
    tt_progress_end(&progress);
    return s;
}

tt_status tt_reconstruct(const tt_comm *comm, const tt_provenance *provenance, const char *model,
                         const char *input, const int64_t *rows, int64_t n_rows, const tt_classes *classes,
                         const char *output)
{
    reconstruction r = {.comm = comm, .list = rows};
    tt_store *store;
    tt_status s = open_inputs(&r, model, input, n_rows);
    if (s == TT_OK && classes && r.model.classes > 0) s = take_classes(&r, classes);
    if (s == TT_OK && !classes && r.model.classes > 0 && comm->rank == 0)
        tt_warn("%s is conditioned on the class of a row: without labels all count as unknown", model);
    if (s == TT_OK) s = create(&r, provenance, output, &store);
    if (s == TT_OK) s = tt_store_publish(store, NULL, write_rows(&r, store));
    if (s == TT_OK) tt_info("reconstruct: %lld rows of %s", (long long)r.n, r.file.x.name);
    free_reconstruction(&r);
    return s;
}
