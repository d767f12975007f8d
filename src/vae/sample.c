#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/random.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <stdlib.h>
#include <string.h>

typedef struct sampling {
    const tt_comm *comm;
    tt_model model;
    int64_t n, rows;    /* of a class, of all */
    int first, classes; /* the classes that are drawn, one of them without any */
    int64_t name_bytes; /* longest name of a class, 0 without any */
    uint64_t seed;
    tt_vae_work work;
    float *x; /* [TT_BLOCK_ROWS, ...] */
    int32_t class[TT_BLOCK_ROWS];
    char *names; /* [TT_BLOCK_ROWS, name_bytes] */
} sampling;

static void free_sampling(sampling *s)
{
    tt_vae_work_free(&s->work);
    tt_model_free(&s->model);
    free(s->x);
    free(s->names);
}

/* Which classes are drawn from. */
static tt_status choose_classes(sampling *s, const char *file, const char *genre)
{
    const tt_model *m = &s->model;
    s->classes = m->classes > 0 ? m->classes : 1;
    for (int i = 0; i < m->classes; i++)
        if ((int64_t)strlen(m->name[i]) > s->name_bytes) s->name_bytes = (int64_t)strlen(m->name[i]);
    if (m->vae.shape.kind == TT_VAE_AUTOENCODER)
        return tt_fail(TT_ERR_INPUT, "%s is a plain autoencoder: it has no prior to draw from", file);
    if (!genre) return TT_OK;
    if (m->classes == 0)
        return tt_fail(TT_ERR_INPUT, "%s was trained without a condition: it knows no genre \"%s\"", file,
                       genre);
    s->classes = 1;
    for (s->first = 0; s->first < m->classes; s->first++)
        if (strcmp(m->name[s->first], genre) == 0) return TT_OK;
    return tt_fail(TT_ERR_INPUT, "%s knows no genre \"%s\"; it knows %d, the first of them \"%s\"", file,
                   genre, m->classes, m->name[0]);
}

static tt_status prepare(sampling *s)
{
    const tt_vae *vae = &s->model.vae;
    if (__builtin_mul_overflow(s->n, (int64_t)s->classes, &s->rows))
        return tt_fail(TT_ERR_USAGE, "%lld samples of %d classes are too many", (long long)s->n, s->classes);
    TT_TRY(tt_vae_work_new(vae, 1, TT_BLOCK_ROWS, false, &s->work));
    TT_TRY(tt_vae_weights(&s->work, s->model.params));
    TT_TRY(tt_alloc(TT_BLOCK_ROWS, (size_t)s->name_bytes, "names of classes", &s->names));
    return tt_alloc(TT_BLOCK_ROWS * vae->input, sizeof *s->x, "samples", &s->x);
}

static tt_status create(const sampling *s, const tt_provenance *provenance, const char *output,
                        tt_store **out)
{
    const tt_model *m = &s->model;
    tt_column columns[3] = {
        {.name = "/x", .type = TT_F32, .n_dims = m->n_dims + 1, .dims = {s->rows}},
        {.name = "/z", .type = TT_F32, .n_dims = 2, .dims = {s->rows, m->vae.latent}},
        {.name = "/genre", .type = TT_TEXT, .n_dims = 1, .dims = {s->rows}, .text_bytes = s->name_bytes}};
    for (int i = 0; i < m->n_dims; i++) columns[0].dims[i + 1] = m->dims[i];
    return tt_store_create(s->comm, output, provenance, columns, s->name_bytes > 0 ? 3 : 2, out);
}

/* One draw from the prior. */
static void draw(const sampling *s, int64_t row, float *z)
{
    const tt_vae *vae = &s->model.vae;
    tt_random_normals((tt_stream){s->seed, TT_FOR_SAMPLE, 0}, (uint64_t)row, vae->latent, z);
    if (vae->prior.components == 0) return;
    double uniform = tt_random_uniform((tt_stream){s->seed, TT_FOR_SAMPLE, 1}, (uint64_t)row, 0);
    tt_mixture_draw(&vae->prior, s->model.params, uniform, z);
}

/* Draw and decode rows [begin, begin + n), classes after each other. */
static tt_status draw_block(sampling *s, int64_t begin, int64_t n)
{
    int64_t cols = s->model.vae.input, latent = s->model.vae.latent;
    memset(s->work.z, 0, (size_t)(TT_BLOCK_ROWS * latent) * sizeof *s->work.z);
    memset(s->names, 0, (size_t)(TT_BLOCK_ROWS * s->name_bytes));
    for (int64_t i = 0; i < n; i++) {
        s->class[i] = s->first + (int32_t)((begin + i) / s->n);
        draw(s, (begin + i) % s->n, s->work.z + i * latent);
        if (s->name_bytes > 0)
            memcpy(s->names + i * s->name_bytes, s->model.name[s->class[i]],
                   strlen(s->model.name[s->class[i]]));
    }
    s->work.condition = s->name_bytes > 0 ? s->class : NULL;
    TT_TRY(tt_vae_decode(&s->work));
    for (int64_t i = 0; i < n; i++)
        tt_scaling_undo(&s->model.scaling, s->work.reconstruction + i * cols, s->x + i * cols);
    return TT_OK;
}

static tt_status write_samples(sampling *s, tt_store *store)
{
    tt_range mine = tt_partition(s->rows, TT_BLOCK_ROWS, s->comm->size, s->comm->rank);
    tt_status status = TT_OK;
    tt_progress progress;
    tt_progress_start(&progress, "sample", "rows", mine.end - mine.begin, s->rows);
    for (int64_t i = mine.begin; status == TT_OK && i < mine.end; i += TT_BLOCK_ROWS) {
        int64_t n = mine.end - i < TT_BLOCK_ROWS ? mine.end - i : TT_BLOCK_ROWS;
        status = draw_block(s, i, n);
        if (status == TT_OK) status = tt_store_write(store, "/x", i, n, s->x);
        if (status == TT_OK) status = tt_store_write(store, "/z", i, n, s->work.z);
        if (status == TT_OK && s->name_bytes > 0) status = tt_store_write(store, "/genre", i, n, s->names);
        if (status == TT_OK) status = tt_stop_status();
        tt_progress_add(&progress, n);
    }
    tt_progress_end(&progress);
    return status;
}

static tt_status sample(sampling *s, const tt_provenance *provenance, const char *model, const char *genre,
                        const char *output)
{
    tt_store *store;
    TT_TRY(tt_model_read(s->comm, model, &s->model));
    TT_TRY(choose_classes(s, model, genre));
    TT_TRY(tt_agree(s->comm, prepare(s)));
    TT_TRY(create(s, provenance, output, &store));
    TT_TRY(tt_store_publish(store, NULL, write_samples(s, store)));
    tt_info("sample: %lld rows from the prior of %s", (long long)s->rows, model);
    return TT_OK;
}

tt_status tt_sample(const tt_comm *comm, const tt_provenance *provenance, const char *model, int64_t n,
                    const char *genre, const char *output)
{
    sampling s = {.comm = comm, .n = n, .seed = provenance->seed};
    if (n < 1) return tt_fail(TT_ERR_USAGE, "%lld samples; at least 1 is needed", (long long)n);
    tt_status status = sample(&s, provenance, model, genre, output);
    free_sampling(&s);
    return status;
}
