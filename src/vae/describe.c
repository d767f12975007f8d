/* The architecture of a model as text, as model.h5 keeps it. */
#include "tutti/memory.h"
#include "vae/model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_name[] = {[TT_VAE_FC] = "fc",
                                        [TT_VAE_AUTOENCODER] = "autoencoder",
                                        [TT_VAE_TWO_BRANCH] = "two_branch",
                                        [TT_VAE_CONV] = "conv"};
static const char *const likelihood_name[] = {
    [TT_GAUSSIAN] = "gaussian", [TT_LEARNED] = "learned", [TT_BERNOULLI] = "bernoulli"};

enum {
    KINDS = sizeof kind_name / sizeof *kind_name,
    LIKELIHOODS = sizeof likelihood_name / sizeof *likelihood_name
};

static int find(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

bool tt_vae_kind_parse(const char *name, tt_vae_kind *out)
{
    int i = find(kind_name, KINDS, name);
    if (i >= 0) *out = (tt_vae_kind)i;
    return i >= 0;
}

bool tt_likelihood_parse(const char *name, tt_likelihood *out)
{
    int i = find(likelihood_name, LIKELIHOODS, name);
    if (i >= 0) *out = (tt_likelihood)i;
    return i >= 0;
}

/* What only some models have is told of those alone. */
static void add_count(json_t *root, const char *name, int64_t value)
{
    if (value > 0) json_object_set_new(root, name, json_integer((json_int_t)value));
}

static json_t *list_dims(int n, const int64_t *dims)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(dims[i]));
    return list;
}

static const char *activation_of(const tt_vae_shape *s)
{
    return s->kind == TT_VAE_CONV ? "relu" : "tanh";
}

tt_status tt_vae_describe(const tt_vae *vae, char **text)
{
    const tt_vae_shape *s = &vae->shape;
    *text = NULL;
    json_t *root = json_pack("{s:s, s:I, s:I, s:o, s:s, s:s}", "kind", kind_name[s->kind], "input_dim",
                             (json_int_t)s->input, "latent_dim", (json_int_t)s->latent, "hidden_dims",
                             list_dims(s->n_hidden, s->hidden), "activation", activation_of(s),
                             "reconstruction", likelihood_name[s->likelihood]);
    if (root) {
        add_count(root, "audio_dim", s->audio);
        add_count(root, "height", s->height);
        add_count(root, "width", s->width);
        if (s->n_channels > 0) json_object_set_new(root, "channels", list_dims(s->n_channels, s->channels));
        if (s->normalise) json_object_set_new(root, "normalise", json_true());
        add_count(root, "classes", s->classes);
        add_count(root, "components", s->components);
        *text = json_dumps(root, JSON_COMPACT);
    }
    json_decref(root);
    return *text ? TT_OK : tt_fail(TT_ERR_MEMORY, "no memory to describe a model");
}

static bool read_dims(const json_t *list, int *n, int64_t *dims)
{
    if (!json_is_array(list) || json_array_size(list) > TT_HIDDEN_MAX) return false;
    *n = (int)json_array_size(list);
    for (int i = 0; i < *n; i++) {
        dims[i] = json_integer_value(json_array_get(list, (size_t)i));
        if (dims[i] < 1) return false;
    }
    return true;
}

/* A conv model has images and stages for them, others have neither. */
static bool read_images(json_t *root, tt_vae_shape *s)
{
    json_int_t height = 0, width = 0;
    json_t *channels = NULL;
    if (json_unpack(root, "{s?I, s?I, s?o}", "height", &height, "width", &width, "channels", &channels) != 0)
        return false;
    s->height = height;
    s->width = width;
    s->normalise = json_is_true(json_object_get(root, "normalise"));
    if (s->kind != TT_VAE_CONV) return height == 0 && width == 0 && !channels;
    return height >= 1 && s->input % height == 0 && s->input / height == width &&
           read_dims(channels, &s->n_channels, s->channels) &&
           tt_vae_stages(height, width, s->n_channels) == s->n_channels;
}

/* The numbers of a shape, and whether they can be. */
static bool read_shape(json_t *root, tt_vae_shape *s, const char **kind, const char **activation,
                       const char **likelihood)
{
    json_int_t input = 0, latent = 0, audio = 0, classes = 0, components = 0;
    json_t *hidden = NULL;
    if (json_unpack(root, "{s:s, s:I, s:I, s:o, s:s, s?s, s?I, s?I, s?I}", "kind", kind, "input_dim", &input,
                    "latent_dim", &latent, "hidden_dims", &hidden, "activation", activation, "reconstruction",
                    likelihood, "audio_dim", &audio, "classes", &classes, "components", &components) != 0)
        return false;
    s->input = input;
    s->latent = latent;
    s->audio = audio;
    s->classes = classes;
    s->components = components;
    return read_dims(hidden, &s->n_hidden, s->hidden) && input >= 1 && latent >= 1 && audio >= 0 &&
           audio < input && classes >= 0 && components >= 0;
}

static tt_status parse(const char *file, const char *text, json_t *root, tt_vae *out)
{
    const char *kind = "?", *activation = "?", *likelihood = "gaussian";
    tt_vae_shape s = {0};
    if (!read_shape(root, &s, &kind, &activation, &likelihood))
        return tt_fail(TT_ERR_INPUT, "%s:/config does not describe a model: %s", file, text);
    if (!tt_vae_kind_parse(kind, &s.kind) || strcmp(activation, activation_of(&s)) != 0 ||
        !tt_likelihood_parse(likelihood, &s.likelihood))
        return tt_fail(
            TT_ERR_INPUT,
            "%s:/config is of a model \"%s\" with activation \"%s\" and reconstruction \"%s\", which "
            "this version does not know; train it again",
            file, kind, activation, likelihood);
    if ((s.kind == TT_VAE_TWO_BRANCH) != (s.audio > 0))
        return tt_fail(TT_ERR_INPUT, "%s:/config: audio_dim is %lld in a model \"%s\"", file,
                       (long long)s.audio, kind);
    if (!read_images(root, &s))
        return tt_fail(TT_ERR_INPUT, "%s:/config: height, width and channels do not make a model \"%s\": %s",
                       file, kind, text);
    return tt_vae_new(&s, out);
}

tt_status tt_vae_parse(const char *file, const char *text, tt_vae *out)
{
    *out = (tt_vae){0};
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    if (!root) return tt_fail(TT_ERR_INPUT, "%s:/config is not JSON: %s", file, error.text);
    tt_status s = parse(file, text, root, out);
    json_decref(root);
    return s;
}
