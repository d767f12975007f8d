#include "language.h"

#include "words.h"

#include "tutti/memory.h"

#include <ctype.h>
#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 32, LANGUAGES_MAX = 64 };

/* What is done to the words of one language. */
typedef struct language {
    char label[LABEL_BYTES];
    struct sb_stemmer *stemmer; /* NULL: none wanted, or none known */
    words stop;
} language;

struct language_rules {
    bool stem, lists;
    words own; /* the user's stop words, for all languages */
    int n;
    language v[LANGUAGES_MAX]; /* those met so far; more than these go without */
    tt_tokenizer *tokenizer;   /* not owned */
    tt_tokens kept;            /* scratch */
};

void language_rules_free(language_rules *rules)
{
    if (!rules) return;
    for (int i = 0; i < rules->n; i++) {
        if (rules->v[i].stemmer) sb_stemmer_delete(rules->v[i].stemmer);
        words_free(&rules->v[i].stop);
    }
    words_free(&rules->own);
    tt_tokens_free(&rules->kept);
    free(rules);
}

/* Add the words of a list, folded as texts are. The tokenizer is called for a list while it has rules
 * already: these know no language "" and leave such words alone, but for those stopped anyway. */
static tt_status read_list(tt_tokenizer *t, const char *list, words *to)
{
    tt_tokens tokens = {0};
    tt_status s = TT_OK;
    int64_t bytes = (int64_t)strlen(list), read = 0;
    while (s == TT_OK && read < bytes) {
        s = tt_tokenize(t, "", list, bytes, &read, &tokens);
        const char *at = tokens.bytes;
        for (int64_t i = 0, id; s == TT_OK && i < tokens.n; at += tokens.length[i++])
            s = words_add(to, at, tokens.length[i], &id);
    }
    tt_tokens_free(&tokens);
    return s;
}

/* A user's list without its comments, which are from # to the end of a line. */
static tt_status read_own(tt_tokenizer *t, const char *list, words *to)
{
    char *text;
    TT_TRY(tt_copy_text(list, &text));
    for (char *p = text; (p = strchr(p, '#')) != NULL;)
        while (*p && *p != '\n') *p++ = ' ';
    tt_status s = read_list(t, text, to);
    free(text);
    return s;
}

tt_status language_rules_new(const tt_lyrics_params *params, tt_tokenizer *t, const char *stop_list,
                             language_rules **out)
{
    bool stem = strcmp(params->stemming, "snowball") == 0, lists = strcmp(params->stop_words, "lists") == 0;
    *out = NULL;
    if (!stem && !lists && !stop_list) return TT_OK;
    language_rules *rules;
    TT_TRY(tt_alloc(1, sizeof *rules, "rules of languages", &rules));
    *rules = (language_rules){.stem = stem, .lists = lists, .tokenizer = t};
    tt_status s = stop_list ? read_own(t, stop_list, &rules->own) : TT_OK;
    if (s == TT_OK)
        *out = rules;
    else
        language_rules_free(rules);
    return s;
}

/* "English" as "english", "pt-BR" as "pt". */
static void plain_label(const char *label, char out[LABEL_BYTES])
{
    int n = 0;
    for (; n < LABEL_BYTES - 1 && label[n] && label[n] != '-' && label[n] != '_'; n++)
        out[n] = (char)tolower((unsigned char)label[n]);
    out[n] = '\0';
}

static tt_status find_language(language_rules *rules, const char *label, language **out)
{
    char plain[LABEL_BYTES];
    plain_label(label, plain);
    *out = NULL;
    for (int i = 0; i < rules->n; i++)
        if (strcmp(rules->v[i].label, plain) == 0) return *out = &rules->v[i], TT_OK;
    if (plain[0] == '\0' || rules->n == LANGUAGES_MAX) return TT_OK;
    language l = {.stemmer = rules->stem ? sb_stemmer_new(plain, NULL) : NULL};
    memcpy(l.label, plain, sizeof plain);
    const char *list = rules->lists ? stop_words_of(plain) : NULL;
    tt_status s = list ? read_list(rules->tokenizer, list, &l.stop) : TT_OK;
    rules->v[rules->n] = l;
    *out = &rules->v[rules->n++];
    return s;
}

static bool is_stopped(const language_rules *rules, const language *l, const char *text, int32_t bytes)
{
    return words_find(&rules->own, text, bytes) >= 0 || (l && words_find(&l->stop, text, bytes) >= 0);
}

/* A stem is not longer than its word, but for a letter that some rules put back. */
static tt_status reserve(tt_tokens *kept, const tt_tokens *tokens)
{
    if (tokens->n > kept->room) {
        TT_TRY(tt_grow(0, 2 * tokens->n, sizeof *kept->length, "words", &kept->length));
        kept->room = 2 * tokens->n;
    }
    int64_t bytes = 2 * tokens->n_bytes + 4 * tokens->n;
    if (bytes > kept->byte_room) {
        TT_TRY(tt_grow(0, 2 * bytes, 1, "words", &kept->bytes));
        kept->byte_room = 2 * bytes;
    }
    kept->n = kept->n_bytes = 0;
    return TT_OK;
}

static tt_status keep(tt_tokens *kept, const language *l, const char *text, int32_t bytes)
{
    if (l && l->stemmer) {
        const sb_symbol *stem = sb_stemmer_stem(l->stemmer, (const sb_symbol *)text, bytes);
        if (!stem) return tt_fail(TT_ERR_MEMORY, "no memory for the stem of a word");
        int32_t n = sb_stemmer_length(l->stemmer);
        if (n > 0 && n <= 2 * bytes + 4) {
            text = (const char *)stem;
            bytes = n;
        }
    }
    memcpy(kept->bytes + kept->n_bytes, text, (size_t)bytes);
    kept->n_bytes += bytes;
    kept->length[kept->n++] = bytes;
    return TT_OK;
}

tt_status language_rules_apply(language_rules *rules, const char *label, tt_tokens *tokens)
{
    language *l;
    TT_TRY(find_language(rules, label, &l));
    if (rules->own.n == 0 && (!l || (l->stop.n == 0 && !l->stemmer))) return TT_OK;
    TT_TRY(reserve(&rules->kept, tokens));
    const char *at = tokens->bytes;
    for (int64_t i = 0; i < tokens->n; at += tokens->length[i++])
        if (!is_stopped(rules, l, at, tokens->length[i]))
            TT_TRY(keep(&rules->kept, l, at, tokens->length[i]));
    tt_tokens kept = rules->kept;
    rules->kept = *tokens;
    *tokens = kept;
    return TT_OK;
}
