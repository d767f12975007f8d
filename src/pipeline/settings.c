#include "settings.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(tt_config, member)
#define INT_(path, member, initial, low, high)                                                               \
    {                                                                                                        \
        path, SETTING_INT, AT(member), initial, low, high, NULL, 0                                           \
    }
#define REAL(path, member, initial, low, high)                                                               \
    {                                                                                                        \
        path, SETTING_REAL, AT(member), initial, low, high, NULL, 0                                          \
    }
/* A number from `low` on, or a word that stands for none. */
#define WORD(path, member, word, low)                                                                        \
    {                                                                                                        \
        path, SETTING_AUTO, AT(member), word, low, 1e300, word, 0                                            \
    }
/* Likewise a whole number. */
#define COUNT(path, member, initial, word, high)                                                             \
    {                                                                                                        \
        path, SETTING_COUNT, AT(member), initial, 1, high, word, 0                                           \
    }
#define CHOICE(path, member, initial, choices)                                                               \
    {                                                                                                        \
        path, SETTING_CHOICE, AT(member), initial, 0, 0, choices, 0                                          \
    }

const setting settings[] = {
    {"seed", SETTING_SEED, AT(seed), "1", 0, 0, NULL, 0},
    {"corpus.path", SETTING_TEXT, AT(corpus.path), "data/corpus", 0, 0, NULL, 0},
    CHOICE("corpus.format", corpus.format, "auto", "auto folder csv tar"),
    INT_("audio.sample_rate", audio.sample_rate, "22050", 8000, 192000),
    REAL("audio.clip_seconds", audio.clip_seconds, "3.0", 0.01, 600),
    REAL("audio.clip_hop", audio.clip_hop, "3.0", 0.01, 3600),
    COUNT("audio.clips_per_track", audio.clips_per_track, "all", "all", 1e9),
    REAL("audio.time_limit", audio.time_limit, "0", 0, 1e6),
    INT_("features.n_fft", features.n_fft, "2048", 64, 65536),
    INT_("features.hop_length", features.hop_length, "512", 16, 65536),
    INT_("features.n_mels", features.n_mels, "128", 1, 1024),
    REAL("features.fmin", features.fmin, "0", 0, 96000),
    REAL("features.fmax", features.fmax, "11025", 1, 96000),
    CHOICE("features.mel_scale", features.mel_scale, "slaney", "slaney htk"),
    CHOICE("features.mel_norm", features.mel_norm, "slaney", "slaney none"),
    CHOICE("features.mel_dtype", features.mel_dtype, "f32", "f32 f16"),
    {"features.set", SETTING_WORDS, AT(features.set), "[all]", 0, 0, "all " TT_FEATURE_NAMES, 0},
    INT_("features.n_mfcc", features.n_mfcc, "20", 1, 128),
    REAL("features.top_db", features.top_db, "80", 1, 300),
    {"lyrics.ngram", SETTING_INTS, AT(lyrics.ngram), "[1, 2]", 1, TT_NGRAM_MAX, NULL, AT(lyrics.n_ngram)},
    {"lyrics.min_df", SETTING_BOUND, AT(lyrics.min_df), "2", 0, 1e9, NULL, 0},
    {"lyrics.max_df", SETTING_BOUND, AT(lyrics.max_df), "0.95", 0, 1e9, NULL, 0},
    COUNT("lyrics.max_features", lyrics.max_features, "20000", "all", 1e9),
    {"lyrics.sublinear_tf", SETTING_BOOL, AT(lyrics.sublinear_tf), "false", 0, 0, NULL, 0},
    {"lyrics.stop_words", SETTING_TEXT, AT(lyrics.stop_words), "none", 0, 0, NULL, 0},
    CHOICE("lyrics.stemming", lyrics.stemming, "none", "none snowball"),
    INT_("lyrics.embedding_dims", lyrics.embedding_dims, "128", 1, 4096),
    {"lyrics.embedding_file", SETTING_TEXT, AT(lyrics.embedding_file), "none", 0, 0, NULL, 0},
    REAL("fuse.lyrics_weight", fuse.lyrics_weight, "0.7", 0, 1e6),
    INT_("fuse.pca", fuse.pca, "0", 0, 65536),
    {"fuse.whiten", SETTING_BOOL, AT(fuse.whiten), "false", 0, 0, NULL, 0},
    CHOICE("model.kind", model.kind, "fc", "fc conv autoencoder two_branch"),
    CHOICE("model.prior", model.prior, "normal", "normal mixture"),
    INT_("model.components", model.components, "10", 1, 4096),
    COUNT("model.latent_dim", model.latent_dim, "auto", "auto", 4096),
    {"model.hidden_dims", SETTING_INTS, AT(model.hidden_dims), "[512, 256]", 1, 65536, NULL,
     AT(model.n_hidden)},
    {"model.channels", SETTING_INTS, AT(model.channels), "[32, 64, 128, 256]", 1, 4096, NULL,
     AT(model.n_channels)},
    {"model.normalise", SETTING_BOOL, AT(model.normalise), "false", 0, 0, NULL, 0},
    CHOICE("model.reconstruction", model.reconstruction, "gaussian", "gaussian learned bernoulli"),
    CHOICE("model.condition", model.condition, "none", "none genre"),
    WORD("train.beta", train.beta, "auto", 0),
    CHOICE("train.kl_schedule", train.kl_schedule, "linear", "linear cyclic"),
    INT_("train.kl_warmup_epochs", train.kl_warmup_epochs, "5", 0, 1e6),
    INT_("train.kl_cycles", train.kl_cycles, "4", 1, 1e6),
    REAL("train.free_bits", train.free_bits, "0", 0, 1e6),
    INT_("train.pretrain_epochs", train.pretrain_epochs, "20", 0, 1e6),
    COUNT("train.epochs", train.epochs, "auto", "auto", 1e6),
    COUNT("train.batch_size", train.batch_size, "auto", "auto", 1 << 24),
    CHOICE("train.optimizer", train.optimizer, "adam", "adam adamw sgd"),
    REAL("train.learning_rate", train.learning_rate, "1.0e-3", 1e-12, 10),
    CHOICE("train.scale_learning_rate", train.scale_learning_rate, "none", "none linear"),
    CHOICE("train.schedule", train.schedule, "constant", "constant cosine"),
    REAL("train.warmup_epochs", train.warmup_epochs, "0", 0, 1e6),
    REAL("train.weight_decay", train.weight_decay, "0", 0, 1e3),
    REAL("train.momentum", train.momentum, "0.9", 0, 0.999999),
    REAL("train.clip_norm", train.clip_norm, "0", 0, 1e30),
    CHOICE("train.scaling", train.scaling, "within", "within columns"),
    CHOICE("train.precision", train.precision, "f32", "f32 bf16"),
    REAL("train.memory", train.memory, "0", 0, 1e9),
    {"train.reproducible", SETTING_BOOL, AT(train.reproducible), "true", 0, 0, NULL, 0},
    REAL("train.validation", train.validation, "0.1", 0, 0.9),
    INT_("train.patience", train.patience, "0", 0, 1e6),
    REAL("train.checkpoint_seconds", train.checkpoint_seconds, "120", 0.01, 1e6),
    CHOICE("cluster.level", cluster.level, "clip", "clip track"),
    {"cluster.methods", SETTING_WORDS, AT(cluster.methods), "[kmeans, agglomerative, dbscan]", 0, 0,
     "kmeans agglomerative dbscan", 0},
    {"cluster.kmeans.k", SETTING_RANGE, AT(cluster.kmeans.k), "10", 1, 1e6, NULL, AT(cluster.kmeans.k_max)},
    CHOICE("cluster.kmeans.select", cluster.kmeans.select, "silhouette", "silhouette elbow"),
    {"cluster.kmeans.init", SETTING_TEXT, AT(cluster.kmeans.init), "k-means||", 0, 0, NULL, 0},
    INT_("cluster.kmeans.n_init", cluster.kmeans.n_init, "10", 1, 1e4),
    INT_("cluster.kmeans.max_iter", cluster.kmeans.max_iter, "300", 1, 1e6),
    REAL("cluster.kmeans.tol", cluster.kmeans.tol, "1.0e-4", 0, 1),
    INT_("cluster.kmeans.mini_batch", cluster.kmeans.mini_batch, "0", 0, 1e9),
    INT_("cluster.agglomerative.k", cluster.agglomerative.k, "10", 1, 1e9),
    WORD("cluster.agglomerative.distance_threshold", cluster.agglomerative.distance_threshold, "none", 0),
    CHOICE("cluster.agglomerative.linkage", cluster.agglomerative.linkage, "ward",
           "ward complete average single"),
    CHOICE("cluster.agglomerative.metric", cluster.agglomerative.metric, "euclidean",
           "euclidean sqeuclidean cosine"),
    INT_("cluster.agglomerative.presample", cluster.agglomerative.presample, "0", 0, 1e9),
    WORD("cluster.dbscan.eps", cluster.dbscan.eps, "auto", 1e-300),
    CHOICE("cluster.dbscan.metric", cluster.dbscan.metric, "euclidean", "euclidean cosine"),
    INT_("cluster.dbscan.min_samples", cluster.dbscan.min_samples, "10", 1, 1e9),
    {"embed.perplexity", SETTING_REAL, NOWHERE, "30", 1, 1e6, NULL, 0},
    {"embed.iterations", SETTING_INT, NOWHERE, "1000", 1, 1e6, NULL, 0},
    CHOICE("evaluate.metric", evaluate.metric, "euclidean", "euclidean cosine"),
    CHOICE("evaluate.noise", evaluate.noise, "drop", "drop cluster singletons"),
    INT_("evaluate.sample", evaluate.sample, "0", 0, 1e9),
};
const int n_settings = (int)(sizeof settings / sizeof *settings);

int setting_find(const char *path)
{
    for (int i = 0; i < n_settings; i++)
        if (strcmp(settings[i].path, path) == 0) return i;
    return -1;
}

/* The part of `path` below `section`, NULL if it lies elsewhere. */
static const char *below(const char *section, const char *path)
{
    size_t n = strlen(section);
    if (n == 0) return path;
    return strncmp(section, path, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

bool setting_is_section(const char *path)
{
    for (int i = 0; i < n_settings; i++)
        if (below(path, settings[i].path)) return true;
    return false;
}

void setting_names(const char *section, char *text, size_t bytes)
{
    const char *last = "";
    size_t last_n = 0, at = 0;
    text[0] = '\0';
    for (int i = 0; i < n_settings; i++) {
        const char *name = below(section, settings[i].path);
        if (!name) continue;
        size_t n = strcspn(name, ".");
        if (n == last_n && strncmp(name, last, n) == 0) continue;
        int used = snprintf(text + at, bytes - at, "%s%.*s", at > 0 ? ", " : "", (int)n, name);
        if (used < 0 || (size_t)used >= bytes - at) return;
        at += (size_t)used;
        last = name;
        last_n = n;
    }
}

static tt_status bad_value(const setting *s, const char *where, const char *value, const char *takes)
{
    return tt_fail(TT_ERR_CONFIG, "%s%s: '%s' is not %s", where, s->path, value, takes);
}

static tt_status number(const setting *s, const char *text, const char *where, double *out)
{
    bool whole = s->kind != SETTING_REAL && s->kind != SETTING_AUTO;
    char *end;
    *out = strtod(text, &end);
    while (*end == ' ') end++;
    if (end == text || *end || !isfinite(*out)) {
        char takes[64];
        bool word = s->kind == SETTING_COUNT || s->kind == SETTING_AUTO;
        snprintf(takes, sizeof takes, "a number%s%s", word ? " or " : "", word ? s->choices : "");
        return bad_value(s, where, text, takes);
    }
    if (whole && *out != floor(*out)) return bad_value(s, where, text, "a whole number");
    if (*out < s->low || *out > s->high)
        return tt_fail(TT_ERR_CONFIG, "%s%s: %s is out of range: %.15g to %.15g", where, s->path, text,
                       s->low, s->high);
    return TT_OK;
}

/* 2 is a number of documents, 0.5 and 1.0 are shares of them, as in scikit-learn. */
static tt_status store_bound(const setting *s, const char *text, const char *where, tt_bound *to)
{
    setting as = *s;
    tt_bound bound = {.share = strpbrk(text, ".eE") != NULL};
    as.kind = bound.share ? SETTING_REAL : SETTING_INT;
    if (bound.share) as.high = 1;
    TT_TRY(number(&as, text, where, &bound.value));
    if (to) *to = bound;
    return TT_OK;
}

static tt_status store_seed(const setting *s, const char *value, const char *where, uint64_t *to)
{
    char *end;
    errno = 0;
    *to = strtoull(value, &end, 10);
    if (end == value || *end || errno || value[0] == '-')
        return bad_value(s, where, value, "a whole number from 0 to 2^64 - 1");
    return TT_OK;
}

static tt_status store_bool(const setting *s, const char *value, const char *where, bool *to)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(value, yes[i]) == 0) return *to = true, TT_OK;
        if (strcmp(value, no[i]) == 0) return *to = false, TT_OK;
    }
    return bad_value(s, where, value, "true or false");
}

/* Place of `word` in a list of words separated by single spaces, -1 if it is not there. */
static int word_place(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (int place = 0; n > 0 && words; place++) {
        if (strcspn(words, " ") == n && strncmp(words, word, n) == 0) return place;
        words = strchr(words, ' ');
        words = words ? words + 1 : NULL;
    }
    return -1;
}

static tt_status store_text(const setting *s, const char *value, const char *where, char **to)
{
    if (s->kind == SETTING_CHOICE && word_place(s->choices, value) < 0)
        return tt_fail(TT_ERR_CONFIG, "%s%s: '%s' is not known; expected one of: %s", where, s->path, value,
                       s->choices);
    if (value[0] == '\0') return bad_value(s, where, value, "a text");
    if (!to) return TT_OK;
    free(*to);
    return tt_copy_text(value, to);
}

enum { LIST_BYTES = 512 };

/* What stands between the brackets of "[512, 256]". */
static tt_status list_items(const setting *s, const char *value, const char *where, const char *takes,
                            char items[LIST_BYTES])
{
    size_t n = strlen(value);
    if (n < 2 || n >= LIST_BYTES || value[0] != '[' || value[n - 1] != ']')
        return bad_value(s, where, value, takes);
    snprintf(items, LIST_BYTES, "%.*s", (int)(n - 2), value + 1);
    return TT_OK;
}

static tt_status store_words(const setting *s, const char *value, const char *where, char **to)
{
    char copy[LIST_BYTES], *rest = copy;
    TT_TRY(list_items(s, value, where, "a list such as [mel, mfcc]", copy));
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        char *word = item + strspn(item, " ");
        word[strcspn(word, " ")] = '\0';
        if (word_place(s->choices, word) < 0)
            return tt_fail(TT_ERR_CONFIG, "%s%s: '%s' is not known; expected a list of: %s", where, s->path,
                           word, s->choices);
    }
    if (!to) return TT_OK;
    free(*to);
    return tt_copy_text(value, to);
}

static tt_status store_ints(const setting *s, const char *value, const char *where, int *to, int *count)
{
    char copy[LIST_BYTES], *rest = copy;
    TT_TRY(list_items(s, value, where, "a list of whole numbers such as [512, 256]", copy));
    int k = 0;
    for (char *word; copy[0] && (word = strsep(&rest, ",")) != NULL; k++) {
        double v;
        if (k == TT_HIDDEN_MAX)
            return tt_fail(TT_ERR_CONFIG, "%s%s: more than %d numbers", where, s->path, TT_HIDDEN_MAX);
        TT_TRY(number(s, word + strspn(word, " "), where, &v));
        if (to) to[k] = (int)v;
    }
    if (count) *count = k;
    return TT_OK;
}

/* "10" or "[2, 20]" */
static tt_status store_range(const setting *s, const char *value, const char *where, int *low, int *high)
{
    int pair[TT_HIDDEN_MAX], n = 0;
    if (value[0] == '[') {
        TT_TRY(store_ints(s, value, where, pair, &n));
        if (n != 2 || pair[0] > pair[1])
            return bad_value(s, where, value, "a whole number or a range such as [2, 20]");
        *low = pair[0];
        *high = pair[1];
        return TT_OK;
    }
    double v;
    TT_TRY(number(s, value, where, &v));
    *low = *high = (int)v;
    return TT_OK;
}

tt_status setting_store(const setting *s, const char *value, const char *where, tt_config *config)
{
    void *to = s->offset == NOWHERE ? NULL : (char *)config + s->offset;
    int *count = s->offset == NOWHERE ? NULL : (int *)((char *)config + s->count_offset);
    uint64_t seed;
    bool flag;
    double v = 0;
    switch (s->kind) {
    case SETTING_SEED:
        return store_seed(s, value, where, to ? to : &seed);
    case SETTING_BOUND:
        return store_bound(s, value, where, to);
    case SETTING_BOOL:
        return store_bool(s, value, where, to ? to : &flag);
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return store_text(s, value, where, to);
    case SETTING_INTS:
        return store_ints(s, value, where, to, count);
    case SETTING_WORDS:
        return store_words(s, value, where, to);
    case SETTING_RANGE:
        return store_range(s, value, where, to, count);
    case SETTING_COUNT:
    case SETTING_AUTO:
        if (strcmp(value, s->choices) == 0)
            v = s->low > 0 ? 0 : -1;
        else
            TT_TRY(number(s, value, where, &v));
        break;
    default:
        TT_TRY(number(s, value, where, &v));
    }
    if (to && (s->kind == SETTING_REAL || s->kind == SETTING_AUTO))
        *(double *)to = v;
    else if (to)
        *(int *)to = (int)v;
    return TT_OK;
}

/* Between settings of the cluster stage. */
static tt_status check_cluster(const tt_cluster_params *c)
{
    static const char *const words[] = {"k-means||", "k-means++", "random"};
    bool known = strstr(c->kmeans.init, ":/") != NULL;
    for (int i = 0; i < 3; i++) known = known || strcmp(c->kmeans.init, words[i]) == 0;
    if (!known)
        return tt_fail(TT_ERR_CONFIG,
                       "cluster.kmeans.init: '%s' is not known; expected one of: k-means|| k-means++ random "
                       "FILE.h5:/centroids",
                       c->kmeans.init);
    if (strcmp(c->agglomerative.linkage, "ward") == 0 && strcmp(c->agglomerative.metric, "euclidean") != 0)
        return tt_fail(TT_ERR_CONFIG,
                       "cluster.agglomerative.metric: '%s' does not go with linkage ward; expected euclidean",
                       c->agglomerative.metric);
    return TT_OK;
}

tt_status settings_check(const tt_config *c)
{
    if (c->features.fmin >= c->features.fmax)
        return tt_fail(TT_ERR_CONFIG, "features.fmin: %.6g is not below features.fmax (%.6g)",
                       c->features.fmin, c->features.fmax);
    if (c->features.fmax > c->audio.sample_rate / 2.0)
        return tt_fail(TT_ERR_CONFIG, "features.fmax: %.6g is above half of audio.sample_rate (%.6g)",
                       c->features.fmax, c->audio.sample_rate / 2.0);
    if (c->features.n_fft % 2 != 0)
        return tt_fail(TT_ERR_CONFIG, "features.n_fft: %d is odd; expected an even number",
                       c->features.n_fft);
    if (c->features.hop_length > c->features.n_fft)
        return tt_fail(TT_ERR_CONFIG, "features.hop_length: %d is above features.n_fft (%d)",
                       c->features.hop_length, c->features.n_fft);
    if (c->features.n_mfcc > c->features.n_mels)
        return tt_fail(TT_ERR_CONFIG, "features.n_mfcc: %d is above features.n_mels (%d)", c->features.n_mfcc,
                       c->features.n_mels);
    if (c->lyrics.n_ngram != 2 || c->lyrics.ngram[0] > c->lyrics.ngram[1])
        return tt_fail(TT_ERR_CONFIG,
                       "lyrics.ngram: expected the fewest and the most words of a term, such as [1, 2]");
    return check_cluster(&c->cluster);
}
