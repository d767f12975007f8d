#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <stdlib.h>
#include <string.h>

typedef struct encoding {
    const tt_comm *comm;
    tt_samples samples;
    tt_model model;
    float *mu, *logvar; /* [samples.x.count, latent] */
    float *posterior;   /* [samples.x.count, components] of a mixture prior */
    int32_t *label;     /* [samples.x.count] the likeliest of them, -1 for rows that are not valid */
    tt_phases phases;
} encoding;

static void free_encoding(encoding *e)
{
    free(e->posterior);
    free(e->label);
    free(e->mu);
    free(e->logvar);
    tt_model_free(&e->model);
    tt_samples_free(&e->samples);
}

static tt_status allocate(encoding *e)
{
    int64_t rows = e->samples.x.count, latent = e->model.vae.latent,
            components = e->model.vae.prior.components;
    TT_TRY(tt_alloc(rows * latent, sizeof *e->mu, "means", &e->mu));
    TT_TRY(tt_alloc(rows * latent, sizeof *e->logvar, "log-variances", &e->logvar));
    if (components == 0) return TT_OK;
    TT_TRY(tt_alloc(rows, sizeof *e->label, "components", &e->label));
    return tt_alloc(rows * components, sizeof *e->posterior, "posteriors", &e->posterior);
}

static tt_status read_inputs(encoding *e, const char *model, const char *input, const tt_classes *classes)
{
    TT_TRY(tt_model_read(e->comm, model, &e->model));
    TT_TRY(tt_samples_read(e->comm, input, 1, &e->samples));
    if (classes && e->model.classes > 0)
        TT_TRY(tt_samples_condition(&e->samples, classes, e->model.name, e->model.classes));
    if (!classes && e->model.classes > 0 && e->comm->rank == 0)
        tt_warn("%s is conditioned on the class of a row: without labels all count as unknown", model);
    const tt_matrix *x = &e->samples.x;
    if (x->cols != e->model.vae.input)
        return tt_fail(TT_ERR_INPUT, "%s has %lld columns; %s was trained on %lld", x->name,
                       (long long)x->cols, model, (long long)e->model.vae.input);
    return tt_agree(e->comm, allocate(e));
}

static int32_t likeliest(const float *p, int64_t n)
{
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (p[k] > p[best]) best = k;
    return (int32_t)best;
}

/* Posteriors of the rows of a block that was encoded. */
static void keep_posteriors(encoding *e, int64_t begin, const tt_matrix *m, tt_vae_work *work)
{
    int64_t n = e->model.vae.prior.components;
    const float *p = tt_vae_posterior(work, m->count);
    for (int64_t r = 0; r < m->count; r++) {
        e->label[begin + r] = m->valid[r] ? likeliest(p + r * n, n) : -1;
        if (m->valid[r]) memcpy(e->posterior + (begin + r) * n, p + r * n, (size_t)n * sizeof *p);
    }
}

/* A block of rows, read and scaled, padded with zeros; rows that are not valid keep latents of zero. */
static tt_status encode_block(encoding *e, int64_t begin, tt_vae_work *work, float *room, float *x)
{
    tt_matrix m;
    int64_t n = e->model.vae.latent;
    TT_TRY(tt_samples_block(&e->samples, begin, room, &m));
    memset(x, 0, (size_t)(TT_BLOCK_ROWS * m.cols) * sizeof *x);
    for (int64_t r = 0; r < m.count; r++)
        if (m.valid[r]) tt_scaling_apply(&e->model.scaling, &m, r, x + r * m.cols);
    work->condition = e->samples.condition ? e->samples.condition + begin : NULL;
    TT_TRY(tt_vae_encode(x, work));
    const float *latent = work->latent;
    for (int64_t r = 0; r < m.count; r++) {
        if (!m.valid[r]) continue;
        memcpy(e->mu + (begin + r) * n, latent + r * 2 * n, (size_t)n * sizeof *e->mu);
        memcpy(e->logvar + (begin + r) * n, latent + r * 2 * n + n, (size_t)n * sizeof *e->logvar);
    }
    if (e->posterior) keep_posteriors(e, begin, &m, work);
    return TT_OK;
}

static tt_status encode_local(encoding *e)
{
    const tt_matrix *m = &e->samples.x;
    tt_vae_work work = {0};
    float *x = NULL, *room = NULL;
    tt_progress progress;
    tt_status s = tt_vae_work_new(&e->model.vae, 1, TT_BLOCK_ROWS, false, &work);
    if (s == TT_OK) s = tt_vae_weights(&work, e->model.params);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * m->cols, sizeof *x, "a block of rows", &x);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * m->cols, sizeof *room, "a block of rows", &room);
    tt_progress_start(&progress, "encode", "rows", m->count, m->rows);
    for (int64_t i = 0; s == TT_OK && i < m->count; i += TT_BLOCK_ROWS) {
        s = encode_block(e, i, &work, room, x);
        tt_progress_add(&progress, m->count - i < TT_BLOCK_ROWS ? m->count - i : TT_BLOCK_ROWS);
        if (s == TT_OK) s = tt_stop_status();
    }
    tt_progress_end(&progress);
    free(room);
    free(x);
    tt_vae_work_free(&work);
    return s;
}

/* Means over the clips of tracks, of this rank's tracks. */
typedef struct track_means {
    float *mu, *posterior;
    int64_t *clips, *posterior_clips;
    int32_t *label;
} track_means;

static void free_means(track_means *m)
{
    free(m->mu);
    free(m->posterior);
    free(m->clips);
    free(m->posterior_clips);
    free(m->label);
}

static tt_range own_tracks(const encoding *e)
{
    return tt_partition(e->samples.tracks, TT_BLOCK_ROWS, e->comm->size, e->comm->rank);
}

/* Collective. */
static tt_status average(const encoding *e, track_means *m)
{
    const tt_samples *x = &e->samples;
    tt_range mine = own_tracks(e);
    int64_t n = e->model.vae.prior.components;
    TT_TRY(tt_track_means(&x->x, x->track, x->tracks, e->model.vae.latent, e->mu, &m->mu, &m->clips));
    if (n == 0) return TT_OK;
    TT_TRY(tt_track_means(&x->x, x->track, x->tracks, n, e->posterior, &m->posterior, &m->posterior_clips));
    TT_TRY(tt_agree(e->comm, tt_alloc(mine.end - mine.begin, sizeof *m->label, "components", &m->label)));
    for (int64_t i = 0; i < mine.end - mine.begin; i++)
        m->label[i] = m->clips[i] > 0 ? likeliest(m->posterior + i * n, n) : -1;
    return TT_OK;
}

static tt_status create(const encoding *e, const tt_provenance *provenance, const char *output,
                        tt_store **out)
{
    int64_t rows = e->samples.x.rows, tracks = e->samples.tracks, n = e->model.vae.latent;
    int64_t components = e->model.vae.prior.components;
    const tt_column columns[] = {
        {.name = "/mu", .type = TT_F32, .n_dims = 2, .dims = {rows, n}},
        {.name = "/logvar", .type = TT_F32, .n_dims = 2, .dims = {rows, n}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {rows}},
        {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {rows}},
        {.name = "/track/mu", .type = TT_F32, .n_dims = 2, .dims = {tracks, n}},
        {.name = "/track/clips", .type = TT_I64, .n_dims = 1, .dims = {tracks}},
        {.name = "/mixture/posterior", .type = TT_F32, .n_dims = 2, .dims = {rows, components}},
        {.name = "/mixture/label", .type = TT_I32, .n_dims = 1, .dims = {rows}},
        {.name = "/track/mixture/label", .type = TT_I32, .n_dims = 1, .dims = {tracks}},
    };
    int all = (int)(sizeof columns / sizeof *columns);
    return tt_store_create(e->comm, output, provenance, columns, components > 0 ? all : all - 3, out);
}

static tt_status write_rows(const encoding *e, tt_store *store, const track_means *m)
{
    const tt_matrix *x = &e->samples.x;
    tt_range own = own_tracks(e);
    int64_t tracks = own.end - own.begin;
    TT_TRY(tt_store_write(store, "/mu", x->first, x->count, e->mu));
    TT_TRY(tt_store_write(store, "/logvar", x->first, x->count, e->logvar));
    TT_TRY(tt_store_write(store, "/valid", x->first, x->count, x->valid));
    TT_TRY(tt_store_write(store, "/clip/track", x->first, x->count, e->samples.track));
    TT_TRY(tt_store_write(store, "/track/mu", own.begin, tracks, m->mu));
    TT_TRY(tt_store_write(store, "/track/clips", own.begin, tracks, m->clips));
    if (!e->posterior) return TT_OK;
    TT_TRY(tt_store_write(store, "/mixture/posterior", x->first, x->count, e->posterior));
    TT_TRY(tt_store_write(store, "/mixture/label", x->first, x->count, e->label));
    return tt_store_write(store, "/track/mixture/label", own.begin, tracks, m->label);
}

static tt_status write_latents(encoding *e, const tt_provenance *provenance, const char *output)
{
    track_means means = {0};
    tt_store *store = NULL;
    tt_phase(&e->phases, "tracks");
    tt_status s = average(e, &means);
    tt_phase(&e->phases, "write");
    if (s == TT_OK) s = create(e, provenance, output, &store);
    if (s == TT_OK) {
        tt_status written = write_rows(e, store, &means);
        tt_phase(&e->phases, NULL);
        s = tt_store_publish(store, &e->phases, written);
    }
    free_means(&means);
    return s;
}

tt_status tt_encode(const tt_comm *comm, const tt_provenance *provenance, const char *model,
                    const char *input, const tt_classes *classes, const char *output)
{
    encoding e = {.comm = comm};
    tt_phase(&e.phases, "read");
    tt_status s = read_inputs(&e, model, input, classes);
    tt_phase(&e.phases, "encode");
    if (s == TT_OK) s = tt_agree(comm, encode_local(&e));
    if (s == TT_OK) s = write_latents(&e, provenance, output);
    if (s == TT_OK)
        tt_info("encode: %lld rows (%lld valid) in %lld dimensions", (long long)e.samples.x.rows,
                (long long)e.samples.x.n_valid, (long long)e.model.vae.latent);
    free_encoding(&e);
    return s;
}
