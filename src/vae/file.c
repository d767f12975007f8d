/* model.h5, written and read. */
#include "nn/dnnl_conv.h"
#include "tutti/memory.h"
#include "vae/training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const shape_path = "/input/shape";
static const char *const class_path = "/condition/name";

enum { BLOCKS = 3, INPUTS = 3, NAME_BYTES = TT_TENSOR_NAME + 32 };

static const char *const block_path[BLOCKS] = {"/param", "/optimizer/first", "/optimizer/second"};
static const char *const input_path[INPUTS] = {"/input/mean", "/input/scale", "/input/limit"};
enum { UNITS = 3 };
static const char *const unit_path[UNITS] = {"/latent/kl", "/latent/variance", "/latent/active"};
static const char *const history_path[TT_HISTORY] = {
    [TT_H_EPOCH] = "/history/epoch",
    [TT_H_LOSS] = "/history/loss",
    [TT_H_RECONSTRUCTION] = "/history/reconstruction",
    [TT_H_KL] = "/history/kl",
    [TT_H_VALIDATION] = "/history/val_loss",
    [TT_H_RATE] = "/history/lr",
    [TT_H_SECONDS] = "/history/seconds",
};

static void tensor_path(char path[NAME_BYTES], int block, const tt_tensor *tensor)
{
    snprintf(path, NAME_BYTES, "%s/%s", block_path[block], tensor->name);
}

/* Columns of the file, and the names of tensors that they point at. */
typedef struct layout {
    tt_column *column;
    char (*name)[NAME_BYTES];
    int n;
} layout;

static void add_plain(layout *l, const char *name, tt_type type, int64_t rows, int64_t text_bytes)
{
    l->column[l->n++] =
        (tt_column){.name = name, .type = type, .n_dims = 1, .dims = {rows}, .text_bytes = text_bytes};
}

static int64_t longest_name(const tt_classes *classes)
{
    size_t longest = 1;
    for (int i = 0; i < classes->n; i++)
        if (strlen(classes->name[i]) > longest) longest = strlen(classes->name[i]);
    return (int64_t)longest;
}

static tt_status lay_out(const tt_training *t, int64_t config_bytes, layout *l)
{
    const tt_params *p = &t->vae.params;
    TT_TRY(tt_alloc(BLOCKS * p->n + INPUTS + UNITS + 4 + TT_WITHIN_PARTS, sizeof *l->column,
                    "columns of a model", &l->column));
    TT_TRY(tt_alloc(BLOCKS * p->n, sizeof *l->name, "columns of a model", &l->name));
    add_plain(l, "/config", TT_TEXT, 1, config_bytes);
    add_plain(l, "/optimizer/step", TT_I64, 1, 0);
    for (int i = 0; i < INPUTS; i++) add_plain(l, input_path[i], TT_F64, t->vae.input, 0);
    l->n += tt_within_columns(&t->scaling.within, l->column + l->n);
    for (int i = 0; i < UNITS; i++) add_plain(l, unit_path[i], i < 2 ? TT_F64 : TT_U8, t->vae.latent, 0);
    if (t->samples.n_dims > 1) add_plain(l, shape_path, TT_I64, t->samples.n_dims - 1, 0);
    if (t->classes) add_plain(l, class_path, TT_TEXT, t->classes->n, longest_name(t->classes));
    for (int i = 0; i < BLOCKS * p->n; i++) {
        const tt_tensor *tensor = &p->tensor[i % p->n];
        tensor_path(l->name[i], i / p->n, tensor);
        tt_column *c = &l->column[l->n++];
        *c = (tt_column){.name = l->name[i], .type = TT_F32, .n_dims = tensor->n_dims};
        memcpy(c->dims, tensor->dims, sizeof tensor->dims);
    }
    return TT_OK;
}

/* What the model was computed with, beside the libraries that every file names. */
static tt_status tell_arithmetic(const tt_training *t, tt_store *store)
{
    char version[TT_DNNL_VERSION];
    tt_dnnl_version(version);
    TT_TRY(tt_store_set_text(store, "/", "oneDNN", version));
    return tt_store_set_text(store, "/", "precision", t->precision == TT_PRECISION_BF16 ? "bf16" : "f32");
}

tt_status tt_model_create(const tt_training *t, tt_store **out)
{
    layout l = {0};
    char *config = NULL;
    *out = NULL;
    tt_status s = tt_vae_describe(&t->vae, &config);
    if (s == TT_OK) s = lay_out(t, (int64_t)strlen(config) + 1, &l);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = tt_store_create(t->comm, t->output, t->provenance, l.column, l.n, out);
    if (s == TT_OK) s = tell_arithmetic(t, *out);
    free(config);
    free(l.column);
    free(l.name);
    return s;
}

/* This rank's share of the first dimension of every tensor. */
static tt_status write_tensors(const tt_training *t, tt_store *store)
{
    const float *block[BLOCKS] = {t->params, t->first, t->second};
    const tt_params *p = &t->vae.params;
    for (int i = 0; i < BLOCKS * p->n; i++) {
        const tt_tensor *tensor = &p->tensor[i % p->n];
        char path[NAME_BYTES];
        tensor_path(path, i / p->n, tensor);
        tt_range mine = tt_partition(tensor->dims[0], TT_BLOCK_ROWS, t->comm->size, t->comm->rank);
        const float *from = block[i / p->n] + tensor->offset + mine.begin * (tensor->count / tensor->dims[0]);
        TT_TRY(tt_store_write(store, path, mine.begin, mine.end - mine.begin, from));
    }
    return TT_OK;
}

/* As long as the training was, which patience decides. Collective. */
static tt_status add_history(const tt_training *t, tt_store *store)
{
    for (int i = 0; i < TT_HISTORY; i++) {
        const tt_column column = {.name = history_path[i], .type = TT_F64, .n_dims = 1, .dims = {t->epoch}};
        TT_TRY(tt_store_add_column(store, &column));
    }
    return t->best_epoch > 0 ? tt_store_set_number(store, "/history", "best_epoch", (double)t->best_epoch)
                             : TT_OK;
}

static tt_status write_history(const tt_training *t, tt_store *store)
{
    double *column;
    TT_TRY(tt_alloc(t->epoch, sizeof *column, "the history", &column));
    tt_status s = TT_OK;
    for (int i = 0; s == TT_OK && i < TT_HISTORY; i++) {
        for (int64_t e = 0; e < t->epoch; e++) column[e] = t->history[e * TT_HISTORY + i];
        s = tt_store_write(store, history_path[i], 0, t->epoch, column);
    }
    free(column);
    return s;
}

static tt_status write_classes(const tt_training *t, tt_store *store)
{
    int64_t width = longest_name(t->classes);
    char *text;
    TT_TRY(tt_alloc(t->classes->n, (size_t)width, "names of classes", &text));
    for (int i = 0; i < t->classes->n; i++)
        memcpy(text + i * width, t->classes->name[i], strlen(t->classes->name[i]));
    tt_status s = tt_store_write(store, class_path, 0, t->classes->n, text);
    free(text);
    return s;
}

static tt_status write_units(const tt_training *t, tt_store *store)
{
    int64_t n = t->vae.latent;
    double *value;
    unsigned char *active;
    TT_TRY(tt_alloc(n, 2 * sizeof *value + sizeof *active, "latent units", &value));
    active = (unsigned char *)(value + 2 * n);
    for (int64_t k = 0; k < n; k++) {
        value[k] = t->unit[k].kl;
        value[n + k] = t->unit[k].variance;
        active[k] = t->unit[k].active;
    }
    tt_status s = tt_store_write(store, unit_path[0], 0, n, value);
    if (s == TT_OK) s = tt_store_write(store, unit_path[1], 0, n, value + n);
    if (s == TT_OK) s = tt_store_write(store, unit_path[2], 0, n, active);
    free(value);
    return s;
}

static tt_status write_once(const tt_training *t, tt_store *store)
{
    char *config;
    TT_TRY(tt_vae_describe(&t->vae, &config));
    tt_status s = tt_store_write(store, "/config", 0, 1, config);
    free(config);
    if (s == TT_OK) s = tt_store_write(store, "/optimizer/step", 0, 1, &t->optimizer.step);
    const double *input[INPUTS] = {t->scaling.mean, t->scaling.scale, t->scaling.limit};
    for (int i = 0; s == TT_OK && i < INPUTS; i++)
        s = tt_store_write(store, input_path[i], 0, t->vae.input, input[i]);
    if (s == TT_OK) s = tt_within_write(&t->scaling.within, store);
    if (s == TT_OK) s = write_units(t, store);
    if (s == TT_OK && t->samples.n_dims > 1)
        s = tt_store_write(store, shape_path, 0, t->samples.n_dims - 1, t->samples.dims + 1);
    return s == TT_OK && t->classes ? write_classes(t, store) : s;
}

tt_status tt_model_publish(tt_training *t, tt_store *store)
{
    tt_phase(&t->phases, "write");
    tt_training_gather(t);
    tt_status s = write_tensors(t, store);
    if (s == TT_OK && t->comm->rank == 0) s = write_once(t, store);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = add_history(t, store);
    if (s == TT_OK && t->comm->rank == 0) s = write_history(t, store);
    tt_phase(&t->phases, NULL);
    return tt_store_publish(store, &t->phases, s);
}

/* The text of /config on every rank. Collective. */
static tt_status read_config(const tt_comm *comm, tt_store *store, char **out)
{
    tt_column column;
    bool found;
    *out = NULL;
    TT_TRY(tt_store_column(store, "/config", &column, &found));
    if (!found || column.type != TT_TEXT || (column.n_dims > 0 && column.dims[0] != 1))
        return tt_fail(TT_ERR_INPUT, "%s is not a model: it has no text /config", tt_store_path(store));
    TT_TRY(tt_agree(comm, tt_alloc(column.text_bytes + 1, 1, "a model's config", out)));
    tt_status s = comm->rank == 0 ? tt_store_read(store, "/config", 0, 1, TT_TEXT, *out) : TT_OK;
    TT_TRY(tt_agree(comm, s));
    return tt_broadcast(comm, *out, column.text_bytes, 0);
}

/* Check that a dataset has the shape that the config promises. Collective. */
static tt_status check_shape(tt_store *store, const char *path, int n_dims, const int64_t *dims)
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_column(store, path, &column, &found));
    bool same = found && column.type != TT_TEXT && column.n_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = column.dims[i] == dims[i];
    if (same) return TT_OK;
    return tt_fail(TT_ERR_INPUT, "%s: %s %s", tt_store_path(store), path,
                   found ? "has another shape than /config says" : "is missing");
}

static tt_status read_values(tt_store *store, const tt_vae *vae, const tt_scaling *scaling, float *params)
{
    double *input[INPUTS] = {scaling->mean, scaling->scale, scaling->limit};
    for (int i = 0; i < INPUTS; i++)
        TT_TRY(tt_store_read(store, input_path[i], 0, vae->input, TT_F64, input[i]));
    for (const tt_tensor *tensor = vae->params.tensor; tensor < vae->params.tensor + vae->params.n;
         tensor++) {
        char path[NAME_BYTES];
        tensor_path(path, 0, tensor);
        TT_TRY(tt_store_read(store, path, 0, tensor->dims[0], TT_F32, params + tensor->offset));
    }
    return TT_OK;
}

/* Shape of an input row, a plain one where the file does not tell. Collective. */
static tt_status read_shape(const tt_comm *comm, tt_store *store, tt_model *model)
{
    tt_column column;
    bool found;
    int64_t elements = 1;
    model->n_dims = 1;
    model->dims[0] = model->vae.input;
    TT_TRY(tt_store_column(store, shape_path, &column, &found));
    if (!found || column.n_dims != 1 || column.dims[0] < 1 || column.dims[0] >= TT_STORE_DIMS) return TT_OK;
    model->n_dims = (int)column.dims[0];
    TT_TRY(tt_agree(comm, tt_store_read(store, shape_path, 0, model->n_dims, TT_I64, model->dims)));
    for (int i = 0; i < model->n_dims; i++) elements *= model->dims[i];
    if (elements == model->vae.input) return TT_OK;
    return tt_fail(TT_ERR_INPUT, "%s: %s is not of %lld columns", tt_store_path(store), shape_path,
                   (long long)model->vae.input);
}

/* Names of the classes as pointers and texts in one block. */
static tt_status read_names(tt_store *store, const tt_column *column, tt_model *model)
{
    int64_t width = column->text_bytes, n = column->dims[0];
    char *text = NULL, *block = NULL;
    TT_TRY(tt_int(n, "classes of a model", &model->classes));
    tt_status s = tt_alloc(n, (size_t)width, "names of classes", &text);
    if (s == TT_OK) s = tt_alloc(n, sizeof(char *) + (size_t)width + 1, "names of classes", &block);
    if (s == TT_OK) {
        model->name = (char **)(void *)block;
        s = tt_store_read(store, class_path, 0, n, TT_TEXT, text);
    }
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        model->name[i] = block + n * (int64_t)sizeof(char *) + i * (width + 1);
        memcpy(model->name[i], text + i * width, (size_t)width);
    }
    free(text);
    return s;
}

/* Collective. */
static tt_status read_classes(const tt_comm *comm, tt_store *store, tt_model *model)
{
    tt_column column;
    bool found;
    TT_TRY(tt_store_column(store, class_path, &column, &found));
    if (!found) return TT_OK;
    if (column.type != TT_TEXT || column.n_dims != 1 || column.dims[0] < 1)
        return tt_fail(TT_ERR_INPUT, "%s: %s is not a list of names", tt_store_path(store), class_path);
    return tt_agree(comm, read_names(store, &column, model));
}

static tt_status read_model(const tt_comm *comm, tt_store *store, tt_model *m)
{
    char *config = NULL;
    tt_status s = read_config(comm, store, &config);
    if (s == TT_OK) s = tt_agree(comm, tt_vae_parse(tt_store_path(store), config, &m->vae));
    free(config);
    TT_TRY(s);
    const tt_vae *vae = &m->vae;
    for (int i = 0; i < INPUTS; i++) TT_TRY(check_shape(store, input_path[i], 1, &vae->input));
    for (int i = 0; i < vae->params.n; i++) {
        char path[NAME_BYTES];
        tensor_path(path, 0, &vae->params.tensor[i]);
        TT_TRY(check_shape(store, path, vae->params.tensor[i].n_dims, vae->params.tensor[i].dims));
    }
    TT_TRY(read_shape(comm, store, m));
    TT_TRY(read_classes(comm, store, m));
    if (m->classes != vae->shape.classes)
        return tt_fail(TT_ERR_INPUT, "%s: %s has %d names, but /config says %lld classes",
                       tt_store_path(store), class_path, m->classes, (long long)vae->shape.classes);
    s = tt_scaling_new(vae->input, &m->scaling);
    if (s == TT_OK) s = tt_params_block(&vae->params, "parameters", &m->params);
    TT_TRY(tt_agree(comm, s));
    TT_TRY(tt_within_read(comm, store, vae->input, &m->scaling.within));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? read_values(store, vae, &m->scaling, m->params) : TT_OK));
    TT_TRY(tt_broadcast(comm, m->scaling.mean, INPUTS * vae->input * (int64_t)sizeof(double), 0));
    return tt_broadcast(comm, m->params, vae->params.size * (int64_t)sizeof(float), 0);
}

void tt_model_free(tt_model *model)
{
    tt_vae_free(&model->vae);
    tt_scaling_free(&model->scaling);
    free(model->params);
    free(model->name);
    *model = (tt_model){0};
}

tt_status tt_model_read(const tt_comm *comm, const char *path, tt_model *out)
{
    *out = (tt_model){0};
    tt_store *store = NULL;
    tt_status s = tt_store_open(comm, path, &store);
    if (s == TT_OK) s = read_model(comm, store, out);
    tt_store_close(store);
    return s;
}
