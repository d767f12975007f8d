/* The settings `features:`, checked. */
#include "features/internal.h"

#include "tutti/log.h"

#include <math.h>
#include <stdio.h>

static const char *or_default(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

/** The next word of a list "[a, b]" from *at on, which moves behind it; its length is 0 at the end. */
static const char *next_word(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, "[, ]");
    *length = strcspn(word, "[, ]");
    *at = word + *length;
    return word;
}

static bool has_word(const char *list, const char *name, size_t name_length)
{
    size_t length;
    for (const char *at = list, *word; word = next_word(&at, &length), length > 0;)
        if (length == name_length && strncmp(word, name, length) == 0) return true;
    return false;
}

bool params_want(const tt_features_params *p, const char *feature)
{
    const char *set = or_default(p->set, "[all]");
    return has_word(set, feature, strlen(feature)) || has_word(set, "all", 3);
}

bool tt_features_half(const tt_features_params *p)
{
    return strcmp(or_default(p->mel_dtype, "f32"), "f16") == 0;
}

bool params_htk(const tt_features_params *p)
{
    return strcmp(p->mel_scale, "htk") == 0;
}

bool params_norm(const tt_features_params *p)
{
    return strcmp(or_default(p->mel_norm, "slaney"), "slaney") == 0;
}

static tt_status check_set(const char *set)
{
    size_t length;
    int n = 0;
    for (const char *at = set, *word; word = next_word(&at, &length), length > 0; n++)
        if (!has_word("all " TT_FEATURE_NAMES, word, length))
            return tt_fail(TT_ERR_CONFIG, "features.set: '%.*s' is not known; expected a list of: all %s",
                           (int)length, word, TT_FEATURE_NAMES);
    if (n == 0)
        return tt_fail(TT_ERR_CONFIG, "features.set is empty; expected a list of: all %s", TT_FEATURE_NAMES);
    return TT_OK;
}

static tt_status check_word(const char *name, const char *value, const char *one, const char *other)
{
    if (strcmp(value, one) == 0 || strcmp(value, other) == 0) return TT_OK;
    return tt_fail(TT_ERR_CONFIG, "features.%s is \"%s\"; it must be %s or %s", name, value, one, other);
}

static tt_status check_filters(int sample_rate, const tt_features_params *p)
{
    double nyquist = sample_rate / 2.0;
    if (p->n_mels < 1 || p->n_mels > 1024)
        return tt_fail(TT_ERR_CONFIG, "features.n_mels is %d; it must be from 1 to 1024", p->n_mels);
    if (p->n_mfcc < 1 || p->n_mfcc > p->n_mels || p->n_mfcc > 128)
        return tt_fail(TT_ERR_CONFIG, "features.n_mfcc is %d; it must be from 1 to n_mels (%d), at most 128",
                       p->n_mfcc, p->n_mels);
    if (!(p->fmin >= 0 && p->fmin < p->fmax))
        return tt_fail(TT_ERR_CONFIG, "features.fmin is %g; it must be from 0 to below fmax (%g)", p->fmin,
                       p->fmax);
    if (!(p->fmax <= nyquist))
        return tt_fail(TT_ERR_CONFIG,
                       "features.fmax is %g; it must be at most half of audio.sample_rate (%g)", p->fmax,
                       nyquist);
    TT_TRY(check_word("mel_scale", p->mel_scale, "slaney", "htk"));
    return check_word("mel_norm", or_default(p->mel_norm, "slaney"), "slaney", "none");
}

tt_status params_check(const tt_audio_params *audio, const tt_features_params *p)
{
    if (p->n_fft < 64 || p->n_fft > 65536 || p->n_fft % 2 != 0)
        return tt_fail(TT_ERR_CONFIG, "features.n_fft is %d; it must be an even number from 64 to 65536",
                       p->n_fft);
    if (p->hop_length < 1 || p->hop_length > p->n_fft)
        return tt_fail(TT_ERR_CONFIG, "features.hop_length is %d; it must be from 1 to n_fft (%d)",
                       p->hop_length, p->n_fft);
    TT_TRY(check_filters(audio->sample_rate, p));
    if (!(p->top_db > 0))
        return tt_fail(TT_ERR_CONFIG, "features.top_db is %g; it must be above 0", p->top_db);
    TT_TRY(check_word("mel_dtype", or_default(p->mel_dtype, "f32"), "f32", "f16"));
    TT_TRY(check_set(or_default(p->set, "[all]")));
    if (!(audio->clip_seconds > 0 && audio->clip_seconds <= 3600))
        return tt_fail(TT_ERR_CONFIG, "audio.clip_seconds is %g; it must be above 0, at most 3600",
                       audio->clip_seconds);
    return TT_OK;
}

/** "3, 5 to 7" into text, of the empty ones among `count` [n]; "..." stands for what does not fit. @return
 * how many there are */
static int list_empty(const int *count, int n, char *text, size_t bytes)
{
    int empty = 0;
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0, end; i < n; i = end) {
        char part[32];
        for (end = i + 1; end < n && (count[end] == 0) == (count[i] == 0);) end++;
        if (count[i] != 0) continue;
        const char *comma = empty > 0 ? ", " : "";
        empty += end - i;
        if (end > i + 1)
            snprintf(part, sizeof part, "%s%d to %d", comma, i, end - 1);
        else
            snprintf(part, sizeof part, "%s%d", comma, i);
        bool fits = at + strlen(part) + sizeof ", ..." <= bytes;
        if (at < bytes) at += (size_t)snprintf(text + at, bytes - at, "%s", fits ? part : ", ...");
        if (!fits) bytes = at; /* nothing more */
    }
    return empty;
}

void tt_analyzer_warn(const tt_analyzer *a)
{
    char list[160];
    int empty = list_empty(a->mel_filters.count, a->n_mels, list, sizeof list);
    if (empty > 0)
        tt_warn("features.n_mels: %d of %d mel bands lie between two bins of features.n_fft (%d) and stay "
                "empty: %s; fewer bands or a larger n_fft fill them",
                empty, a->n_mels, a->n_fft, list);
}
