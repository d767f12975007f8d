/* The architecture of a model as text, as model.h5 keeps it. */
#include "tutti/memory.h"
#include "vae/model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

tt_status tt_vae_describe(const tt_vae *vae, char **text)
{
    *text = NULL;
    json_t *hidden = json_array();
    for (int i = 0; i < vae->n_hidden; i++) json_array_append_new(hidden, json_integer(vae->hidden[i]));
    json_t *root =
        json_pack("{s:s, s:I, s:I, s:o, s:s}", "kind", "fc", "input_dim", (json_int_t)vae->input,
                  "latent_dim", (json_int_t)vae->latent, "hidden_dims", hidden, "activation", "tanh");
    if (root) *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return *text ? TT_OK : tt_fail(TT_ERR_MEMORY, "no memory to describe a model");
}

static bool read_dims(const json_t *list, int64_t *dims, int *n)
{
    if (!json_is_array(list) || json_array_size(list) > TT_HIDDEN_MAX) return false;
    *n = (int)json_array_size(list);
    for (int i = 0; i < *n; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        dims[i] = json_integer_value(value);
        if (dims[i] < 1) return false;
    }
    return true;
}

tt_status tt_vae_parse(const char *file, const char *text, tt_vae *out)
{
    *out = (tt_vae){0};
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    if (!root) return tt_fail(TT_ERR_INPUT, "%s:/config is not JSON: %s", file, error.text);
    const char *kind = "?", *activation = "?";
    json_int_t input = 0, latent = 0;
    json_t *hidden = NULL;
    int64_t dims[TT_HIDDEN_MAX];
    int n = 0;
    tt_status s = TT_OK;
    if (json_unpack(root, "{s:s, s:I, s:I, s:o, s:s}", "kind", &kind, "input_dim", &input, "latent_dim",
                    &latent, "hidden_dims", &hidden, "activation", &activation) != 0 ||
        !read_dims(hidden, dims, &n) || input < 1 || latent < 1)
        s = tt_fail(TT_ERR_INPUT, "%s:/config does not describe a model: %s", file, text);
    else if (strcmp(kind, "fc") != 0 || strcmp(activation, "tanh") != 0)
        s = tt_fail(TT_ERR_INPUT,
                    "%s:/config is of a model \"%s\" with activation \"%s\"; known are \"fc\" and \"tanh\"; "
                    "train it again",
                    file, kind, activation);
    else
        s = tt_vae_new(input, latent, n, dims, out);
    json_decref(root);
    return s;
}
