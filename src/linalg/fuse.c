#include "companions.h"

#include "tutti/integer.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column whose deviation is below a few float32 roundings of its mean does not vary. */
static const double constant_below = 0x1p-22;

/* Columns of one kind: a matrix, its names and moments. */
typedef struct part {
    tt_matrix x;
    char **names;  /* [cols] */
    double *mean;  /* [cols] */
    double *scale; /* [cols] 0 where a column is constant */
    int64_t vary;  /* columns that are not */
} part;

/* What hybrid.h5 is made of. */
typedef struct hybrid {
    part audio, lyrics;
    clip_track clips;
    unsigned char *train; /* [count] rows that means and deviations are taken from */
    unsigned char *known; /* [count] rows with lyrics */
    tt_matrix x;          /* the z-scored columns of all parts */
    double *mean;         /* [D] of all parts */
    double *scale;        /* [D] */
    char *names;          /* [D, name_bytes] */
    int64_t name_bytes;
    tt_pca pca; /* of x; 0 components if none are asked for */
    float *scores;
} hybrid;

static void free_part(part *p)
{
    tt_matrix_free(&p->x);
    free(p->names);
    free(p->mean);
}

static void free_hybrid(hybrid *h)
{
    free_part(&h->audio);
    free_part(&h->lyrics);
    free(h->train);
    free(h->known);
    tt_matrix_free(&h->x);
    tt_pca_free(&h->pca);
    free(h->clips.track);
    free(h->mean);
    free(h->names);
    free(h->scores);
}

/* One line that names the first constant columns and counts them all. */
static void report_constant(const part *p)
{
    char list[512] = "";
    int n = 0;
    for (int64_t j = 0; j < p->x.cols; j++) {
        if (p->scale[j] > 0) continue;
        size_t used = strlen(list);
        if (n++ < 8) snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", p->names[j]);
    }
    if (n > 0 && p->x.comm->rank == 0)
        tt_warn("%s: %d of %lld columns are constant and carry nothing: %s%s", p->x.name, n,
                (long long)p->x.cols, list, n > 8 ? ", ..." : "");
}

/* The valid rows of x that are marked, as a matrix that owns nothing. Collective. */
static tt_status restrict_rows(const tt_matrix *x, const unsigned char *mark, tt_matrix *out)
{
    int64_t n = 0, padded = tt_round_up(x->count, TT_BLOCK_ROWS);
    *out = *x;
    TT_TRY(tt_agree(x->comm, tt_alloc(padded, 1, "row marks", &out->valid)));
    for (int64_t i = 0; i < x->count; i++) n += out->valid[i] = x->valid[i] && mark[i];
    out->n_valid = tt_sum_i64(x->comm, n);
    return TT_OK;
}

/* Mean and scale of a part's columns over the training rows; constant ones are reported. Collective. */
static tt_status measure(part *p, const unsigned char *train)
{
    tt_matrix some;
    TT_TRY(tt_agree(p->x.comm, tt_alloc(2 * p->x.cols, sizeof *p->mean, "column moments", &p->mean)));
    p->scale = p->mean + p->x.cols;
    TT_TRY(restrict_rows(&p->x, train, &some));
    tt_status s = tt_matrix_moments(&some, p->mean, p->scale);
    free(some.valid);
    TT_TRY(s);
    for (int64_t j = 0; j < p->x.cols; j++) {
        if (!(p->scale[j] > constant_below * fabs(p->mean[j]))) p->scale[j] = 0;
        p->vary += p->scale[j] > 0;
    }
    report_constant(p);
    return TT_OK;
}

static tt_status read_names(const char *file, tt_store *store, part *p)
{
    int n;
    TT_TRY(tt_store_get_names(store, "/audio", "names", &p->names, &n));
    if (!p->names || n != p->x.cols)
        return tt_fail(TT_ERR_INPUT, "%s: /audio has %lld columns but its attribute names holds %d names",
                       file, (long long)p->x.cols, p->names ? n : 0);
    return TT_OK;
}

/** Collective. */
static tt_status need_audio(const char *features, tt_store *store)
{
    tt_column audio;
    bool found;
    TT_TRY(tt_store_column(store, "/audio", &audio, &found));
    if (found) return TT_OK;
    return tt_fail(TT_ERR_INPUT,
                   "%s has no /audio to fuse: add frame features (mfcc, spectral_contrast, ... or all) to "
                   "features.set and extract again",
                   features);
}

static tt_status read_features(const tt_comm *comm, const char *features, hybrid *h)
{
    char *spec = NULL;
    tt_store *store = NULL;
    tt_status s = tt_agree(comm, tt_format(&spec, "%s:/audio", features));
    if (s == TT_OK) s = tt_store_open(comm, features, &store);
    if (s == TT_OK) s = need_audio(features, store);
    if (s == TT_OK) s = tt_matrix_read(comm, spec, NULL, &h->audio.x);
    if (s == TT_OK) s = tt_agree(comm, read_names(features, store, &h->audio));
    if (s == TT_OK) s = clip_track_read(&h->audio.x, store, &h->clips);
    if (s == TT_OK && !h->clips.found)
        s = tt_fail(TT_ERR_INPUT, "%s has no dataset /clip/track with a row per row of /audio", features);
    if (s == TT_OK && h->audio.x.n_valid == 0)
        s = tt_fail(TT_ERR_INPUT, "%s: none of its %lld clips holds features; /failures in it says why",
                    features, (long long)h->audio.x.rows);
    tt_store_close(store);
    free(spec);
    return s;
}

/* The lyrics' embedding for every clip, and its columns' names. Collective. */
static tt_status read_lyrics(const char *lyrics, hybrid *h)
{
    part *p = &h->lyrics;
    TT_TRY(lyrics_of_clips(lyrics, &h->clips, &h->audio.x, &p->x));
    if (p->x.cols == 0) {
        tt_info("fuse: %s holds no embedding: audio alone", lyrics);
        return TT_OK;
    }
    enum { NAME_BYTES = 32 };
    int64_t cols = p->x.cols;
    tt_status s = tt_alloc(cols, sizeof *p->names + NAME_BYTES, "column names", &p->names);
    for (int64_t j = 0; s == TT_OK && j < cols; j++) {
        p->names[j] = (char *)(p->names + cols) + j * NAME_BYTES;
        snprintf(p->names[j], NAME_BYTES, "lyrics_%03lld", (long long)j);
    }
    if (s == TT_OK) s = tt_alloc(h->audio.x.count, 1, "row marks", &h->known);
    for (int64_t i = 0; s == TT_OK && i < p->x.count; i++) {
        p->x.valid[i] = p->x.valid[i] && h->audio.x.valid[i];
        h->known[i] = p->x.valid[i];
    }
    return tt_agree(p->x.comm, s);
}

/* Which rows are for training: by the manifest, or all. Collective. */
static tt_status mark_training(const char *manifest, hybrid *h)
{
    const tt_matrix *x = &h->audio.x;
    int64_t n = 0, lost = 0;
    TT_TRY(tt_agree(x->comm, tt_alloc(x->count, 1, "row marks", &h->train)));
    memset(h->train, 1, (size_t)x->count);
    if (!manifest) return TT_OK;
    TT_TRY(training_clips(manifest, &h->clips, x, h->train));
    for (int64_t i = 0; i < x->count; i++) {
        n += x->valid[i] && h->train[i];
        lost += x->valid[i] && !h->train[i];
    }
    n = tt_sum_i64(x->comm, n);
    lost = tt_sum_i64(x->comm, lost);
    if (n == 0) memset(h->train, 1, (size_t)x->count);
    if (n == 0 && x->comm->rank == 0)
        tt_warn("%s: no track is marked for training; columns are scaled by all of them", manifest);
    if (n > 0 && lost > 0)
        tt_info("fuse: scaled by %lld clips; %lld are held out", (long long)n, (long long)lost);
    return TT_OK;
}

static void report_lyrics(const hybrid *h)
{
    const tt_matrix *x = &h->audio.x;
    int64_t without = 0;
    for (int64_t i = 0; i < x->count; i++) without += x->valid[i] && !h->known[i];
    without = tt_sum_i64(x->comm, without);
    tt_info(
        "fuse: %lld columns of audio, %lld of lyrics; %lld of %lld clips have no lyrics and get their mean",
        (long long)x->cols, (long long)h->lyrics.x.cols, (long long)without, (long long)x->n_valid);
}

/* Put the centred columns of a part, each over its scale, into columns from `column` on of h->x, and its
 * names and moments beside. Rows that the part does not know stay 0, its mean. */
static void place(hybrid *h, const part *p, int64_t column)
{
    double *scale = h->scale + column;
    for (int64_t j = 0; j < p->x.cols; j++) {
        scale[j] = p->scale[j] > 0 ? p->scale[j] : 1.0;
        h->mean[column + j] = p->mean[j];
        memcpy(h->names + (column + j) * h->name_bytes, p->names[j], strlen(p->names[j]));
    }
    for (int64_t i = 0; i < p->x.count; i++) {
        const float *row = p->x.data + i * p->x.cols;
        float *to = h->x.data + i * h->x.cols + column;
        for (int64_t j = 0; p->x.valid[i] && j < p->x.cols; j++)
            to[j] = (float)(((double)row[j] + (p->x.shift[j] - p->mean[j])) / scale[j]);
    }
}

/* One scale for all columns of lyrics, by which their total variance is `variance`: what distances between
 * texts the embedding has, they keep. */
static void weigh_lyrics(part *p, double variance)
{
    double sum = 0;
    for (int64_t j = 0; j < p->x.cols; j++) sum += p->scale[j] * p->scale[j];
    for (int64_t j = 0; j < p->x.cols; j++)
        if (p->scale[j] > 0) p->scale[j] = sqrt(sum / variance);
}

static void widest_name(const part *p, int64_t *bytes)
{
    for (int64_t j = 0; j < p->x.cols; j++)
        if ((int64_t)strlen(p->names[j]) > *bytes) *bytes = (int64_t)strlen(p->names[j]);
}

static tt_status allocate(hybrid *h)
{
    int64_t cols = h->x.cols;
    h->name_bytes = 1;
    widest_name(&h->audio, &h->name_bytes);
    widest_name(&h->lyrics, &h->name_bytes);
    TT_TRY(tt_alloc(cols, (size_t)h->name_bytes, "column names", &h->names));
    TT_TRY(tt_alloc(2 * cols, sizeof *h->mean, "column moments", &h->mean));
    h->scale = h->mean + cols;
    return TT_OK;
}

static tt_status assemble(const tt_comm *comm, const char *output, double lyrics_weight, hybrid *h)
{
    const tt_matrix *a = &h->audio.x, *l = &h->lyrics.x;
    TT_TRY(measure(&h->audio, h->train));
    if (l->cols > 0) TT_TRY(measure(&h->lyrics, h->train));
    TT_TRY(tt_matrix_new(comm, output, a->rows, a->cols + l->cols, &h->x));
    TT_TRY(tt_agree(comm, allocate(h)));
    memcpy(h->x.valid, a->valid, (size_t)a->count);
    h->x.n_valid = a->n_valid;
    place(h, &h->audio, 0);
    if (l->cols == 0) return TT_OK;
    report_lyrics(h);
    double columns = (double)(h->audio.vary > 0 ? h->audio.vary : h->lyrics.vary);
    if (h->lyrics.vary > 0) weigh_lyrics(&h->lyrics, lyrics_weight * lyrics_weight * columns);
    place(h, &h->lyrics, a->cols);
    return TT_OK;
}

/* Scores of variance 1; a component that explains nothing stays as it is. */
static void whiten(hybrid *h)
{
    int64_t c = h->pca.components;
    for (int64_t j = 0; j < c; j++) {
        double variance = h->pca.explained_variance[j];
        float scale =
            variance > constant_below * h->pca.explained_variance[0] ? (float)(1.0 / sqrt(variance)) : 1.0F;
        for (int64_t i = 0; i < h->x.count; i++) h->scores[i * c + j] *= scale;
    }
}

static tt_status reduce(hybrid *h, const tt_fuse_params *params)
{
    int components = params->pca;
    tt_matrix some;
    if (components == 0) return TT_OK;
    TT_TRY(restrict_rows(&h->x, h->train, &some));
    tt_status s = tt_pca_fit(&some, components, &h->pca);
    free(some.valid);
    if (s == TT_ERR_INPUT) s = tt_fail_because(TT_ERR_CONFIG, "fuse.pca is %d", components);
    TT_TRY(s);
    s = tt_alloc(h->x.count * components, sizeof *h->scores, "scores", &h->scores);
    if (s == TT_OK) s = tt_pca_transform(&h->pca, &h->x, h->scores);
    if (s == TT_OK && params->whiten) whiten(h);
    return tt_agree(h->x.comm, s);
}

static tt_status write_rows(const hybrid *h, tt_store *store)
{
    const tt_matrix *x = &h->x;
    TT_TRY(tt_store_write(store, "/x", x->first, x->count, h->scores ? h->scores : x->data));
    TT_TRY(tt_store_write(store, "/valid", x->first, x->count, x->valid));
    TT_TRY(tt_store_write(store, "/clip/track", x->first, x->count, h->clips.track));
    if (h->known) TT_TRY(tt_store_write(store, "/lyrics_mask", x->first, x->count, h->known));
    if (x->comm->rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(tt_store_write(store, "/mean", 0, x->cols, h->mean));
    TT_TRY(tt_store_write(store, "/scale", 0, x->cols, h->scale));
    TT_TRY(tt_store_write(store, "/names", 0, x->cols, h->names));
    return h->scores ? scores_write(store, &h->pca) : TT_OK;
}

static tt_status write_hybrid(const hybrid *h, const tt_provenance *provenance, tt_phases *phases,
                              const char *output)
{
    const tt_matrix *x = &h->x;
    int64_t wide = h->scores ? h->pca.components : x->cols;
    tt_store *store;
    tt_column columns[7 + SCORES_COLUMNS] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {x->rows, wide}},
        {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {x->rows}},
        {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {x->rows}},
        {.name = "/mean", .type = TT_F64, .n_dims = 1, .dims = {x->cols}},
        {.name = "/scale", .type = TT_F64, .n_dims = 1, .dims = {x->cols}},
        {.name = "/names", .type = TT_TEXT, .n_dims = 1, .dims = {x->cols}, .text_bytes = h->name_bytes}};
    int n = 6;
    if (h->known)
        columns[n++] = (tt_column){.name = "/lyrics_mask", .type = TT_U8, .n_dims = 1, .dims = {x->rows}};
    if (h->scores) {
        scores_columns(h->pca.components, x->cols, columns + n);
        n += SCORES_COLUMNS;
    }
    TT_TRY(tt_store_create(x->comm, output, provenance, columns, n, &store));
    return tt_store_publish(store, phases, write_rows(h, store));
}

tt_status tt_fuse(const tt_comm *comm, const tt_fuse_params *params, const tt_provenance *provenance,
                  const tt_fuse_inputs *inputs, const char *output)
{
    hybrid h = {0};
    tt_phases phases = {0};
    tt_phase(&phases, "read");
    tt_status s = read_features(comm, inputs->features, &h);
    if (s == TT_OK) s = mark_training(inputs->manifest, &h);
    if (s == TT_OK && inputs->lyrics && params->lyrics_weight > 0) s = read_lyrics(inputs->lyrics, &h);
    tt_phase(&phases, "scale");
    if (s == TT_OK) s = assemble(comm, output, params->lyrics_weight, &h);
    tt_phase(&phases, "components");
    if (s == TT_OK) s = reduce(&h, params);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = write_hybrid(&h, provenance, &phases, output);
    free_hybrid(&h);
    return s;
}
