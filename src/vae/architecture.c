/* From the settings and the rows to the shape of a model. */
#include "tutti/memory.h"
#include "vae/training.h"

#include <stdlib.h>
#include <string.h>

static tt_status check_numbers(const tt_model_params *m)
{
    if (m->latent_dim < 1)
        return tt_fail(TT_ERR_CONFIG, "model.latent_dim is %d; at least 1 is needed", m->latent_dim);
    if (m->components < 1)
        return tt_fail(TT_ERR_CONFIG, "model.components is %d; at least 1 is needed", m->components);
    if (m->n_hidden < 0 || m->n_hidden > TT_HIDDEN_MAX)
        return tt_fail(TT_ERR_CONFIG, "model.hidden_dims has %d layers; 0 to %d are possible", m->n_hidden,
                       TT_HIDDEN_MAX);
    for (int i = 0; i < m->n_hidden; i++)
        if (m->hidden_dims[i] < 1)
            return tt_fail(TT_ERR_CONFIG, "model.hidden_dims[%d] is %d; at least 1 is needed", i,
                           m->hidden_dims[i]);
    return TT_OK;
}

static bool is_mixture(const tt_model_params *m)
{
    return strcmp(m->prior, "mixture") == 0;
}

static bool is_conditioned(const tt_model_params *m)
{
    return strcmp(m->condition, "genre") == 0;
}

static tt_status check_words(const tt_model_params *m)
{
    tt_vae_kind kind;
    tt_likelihood likelihood;
    if (!tt_vae_kind_parse(m->kind, &kind))
        return tt_fail(TT_ERR_CONFIG, "model.kind: \"%s\" is not a model that can be trained", m->kind);
    if (!tt_likelihood_parse(m->reconstruction, &likelihood))
        return tt_fail(TT_ERR_CONFIG,
                       "model.reconstruction is \"%s\"; expected gaussian, learned or bernoulli",
                       m->reconstruction);
    if (likelihood == TT_BERNOULLI && kind == TT_VAE_TWO_BRANCH)
        return tt_fail(TT_ERR_CONFIG,
                       "model.reconstruction bernoulli does not go with model.kind two_branch: "
                       "take gaussian or learned");
    if (!is_mixture(m) && strcmp(m->prior, "normal") != 0)
        return tt_fail(TT_ERR_CONFIG, "model.prior is \"%s\"; expected normal or mixture", m->prior);
    if (!is_conditioned(m) && strcmp(m->condition, "none") != 0)
        return tt_fail(TT_ERR_CONFIG, "model.condition is \"%s\"; expected none or genre", m->condition);
    if (is_mixture(m) && kind == TT_VAE_AUTOENCODER)
        return tt_fail(TT_ERR_CONFIG,
                       "model.prior is mixture, but model.kind autoencoder has no prior: take fc or normal");
    return TT_OK;
}

tt_status tt_model_check(const tt_model_params *model, const tt_train_params *train)
{
    TT_TRY(check_words(model));
    TT_TRY(check_numbers(model));
    if (!is_mixture(model)) return TT_OK;
    if (train->free_bits > 0)
        return tt_fail(TT_ERR_CONFIG, "train.free_bits is %g; with model.prior: mixture only 0 is possible",
                       train->free_bits);
    if (train->pretrain_epochs >= train->epochs)
        return tt_fail(TT_ERR_CONFIG,
                       "train.pretrain_epochs is %d; it has to leave some of the %d of train.epochs to the "
                       "mixture",
                       train->pretrain_epochs, train->epochs);
    return TT_OK;
}

/* ---- which columns are audio, which lyrics ---- */

static tt_status not_hybrid(const char *file, const char *why)
{
    return tt_fail(TT_ERR_INPUT,
                   "%s: model.kind is two_branch, which needs columns of audio and of lyrics, but %s", file,
                   why);
}

/* Names are in order: audio, then lyrics. */
static tt_status count_audio(const char *file, const char *names, int64_t cols, int64_t width, int64_t *audio)
{
    static const char lyrics[] = "lyrics_";
    int64_t n = 0;
    for (int64_t i = 0; i < cols; i++) {
        bool is_lyrics =
            width >= (int64_t)sizeof lyrics - 1 && strncmp(names + i * width, lyrics, sizeof lyrics - 1) == 0;
        if (!is_lyrics && n < i) return not_hybrid(file, "in /names audio follows after lyrics");
        n += !is_lyrics;
    }
    if (n == cols) return not_hybrid(file, "/names has no lyrics: fuse with them");
    if (n == 0) return not_hybrid(file, "/names has no audio");
    *audio = n;
    return TT_OK;
}

/* Collective. */
static tt_status audio_columns(const tt_comm *comm, tt_store *store, int64_t cols, int64_t *audio)
{
    const char *file = tt_store_path(store);
    tt_column column;
    bool found;
    char *names = NULL;
    TT_TRY(tt_store_column(store, "/names", &column, &found));
    if (!found || column.type != TT_TEXT || column.n_dims != 1)
        return not_hybrid(file, "it has no /names that tell them apart: take what tutti fuse writes");
    if (column.dims[0] != cols)
        return not_hybrid(file, "its columns are not those of /names: fuse with fuse.pca: 0");
    tt_status s = tt_alloc(cols, (size_t)column.text_bytes, "names of columns", &names);
    if (s == TT_OK) s = tt_store_read(store, "/names", 0, cols, TT_TEXT, names);
    if (s == TT_OK) s = count_audio(file, names, cols, column.text_bytes, audio);
    free(names);
    return tt_agree(comm, s);
}

/* Collective. */
static tt_status read_audio(const tt_comm *comm, const char *input, int64_t cols, int64_t *audio)
{
    tt_store *store = NULL;
    tt_status s = tt_store_open_spec(comm, input, "/x", &store, NULL);
    if (s == TT_OK) s = audio_columns(comm, store, cols, audio);
    tt_store_close(store);
    return s;
}

tt_status tt_model_shape(const tt_samples *samples, const tt_model_params *m, const char *input,
                         tt_vae_shape *out)
{
    *out = (tt_vae_shape){.input = samples->x.cols, .latent = m->latent_dim, .n_hidden = m->n_hidden};
    tt_vae_kind_parse(m->kind, &out->kind);
    tt_likelihood_parse(m->reconstruction, &out->likelihood);
    for (int i = 0; i < m->n_hidden; i++) out->hidden[i] = m->hidden_dims[i];
    out->classes = samples->classes;
    out->components = is_mixture(m) ? m->components : 0;
    if (out->kind == TT_VAE_CONV) return tt_model_images(samples, m, out);
    if (out->kind != TT_VAE_TWO_BRANCH) return TT_OK;
    return read_audio(samples->x.comm, input, out->input, &out->audio);
}
