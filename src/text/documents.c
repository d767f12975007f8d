/* This rank's lyrics, from the manifest to numbers of words. */
#include "internal.h"

#include "tutti/corpus.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/progress.h"
#include "tutti/signal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void documents_free(documents *d)
{
    free(d->begin);
    free(d->word);
    words_free(&d->words);
    *d = (documents){0};
}

/* What reading goes on with from track to track. */
typedef struct reader {
    tt_tfidf *t;
    documents *d;
    tt_tokenizer *tokenizer;
    tt_tokens tokens;
    tt_progress progress;
    words languages;
    int64_t *language; /* [count] which of them */
} reader;

static tt_status reserve(documents *d, int64_t more)
{
    if (d->n + more <= d->room) return TT_OK;
    if (d->n + more > INT_MAX)
        return tt_fail(TT_ERR_INPUT, "one rank has more than %d words of lyrics; run on more ranks", INT_MAX);
    int64_t room = d->room + d->room / 2 + more + 4096;
    TT_TRY(tt_grow(d->n, room, sizeof *d->word, "the words of lyrics", &d->word));
    d->room = room;
    return TT_OK;
}

static tt_status add_words(reader *r, int64_t row)
{
    documents *d = r->d;
    const char *at = r->tokens.bytes;
    TT_TRY(reserve(d, r->tokens.n));
    for (int64_t i = 0, id; i < r->tokens.n; at += r->tokens.length[i++]) {
        TT_TRY(words_add(&d->words, at, r->tokens.length[i], &id));
        if (id >= INT_MAX)
            return tt_fail(TT_ERR_INPUT, "one rank has more than %d different words; run on more ranks",
                           INT_MAX);
        word *w = &d->words.v[id];
        w->tf++;
        w->df += w->document != row;
        w->document = row;
        d->word[d->n++] = (int32_t)id;
    }
    return TT_OK;
}

/* The label, or where it is missing a guess. */
static const char *language_of(const reader *r, const tt_track *track, int64_t i)
{
    if (track->language[0] || !track->lyrics[0]) return track->language;
    const char *guess = tt_guess_language(track->lyrics, (int64_t)strlen(track->lyrics));
    r->t->guessed[i] = guess[0] != '\0';
    return guess;
}

static tt_status read_track(reader *r, const tt_track *track, int64_t i)
{
    const char *language = language_of(r, track, i);
    TT_TRY(words_add(&r->languages, language, (int32_t)strlen(language), &r->language[i]));
    for (int64_t at = 0, bytes = (int64_t)strlen(track->lyrics); at < bytes;) {
        TT_TRY(tt_tokenize(r->tokenizer, language, track->lyrics, bytes, &at, &r->tokens));
        TT_TRY(add_words(r, i));
        r->t->words[i] += r->tokens.n;
    }
    r->t->documents += track->has_lyrics;
    r->d->begin[i + 1] = r->d->n;
    return TT_OK;
}

static tt_status read_tracks(reader *r, tt_store *manifest)
{
    tt_tfidf *t = r->t;
    tt_progress_start(&r->progress, "lyrics", "tracks", t->count, t->tracks);
    for (int64_t at = 0; at < t->count; at += TT_BLOCK_ROWS) {
        int64_t n = t->count - at < TT_BLOCK_ROWS ? t->count - at : TT_BLOCK_ROWS;
        tt_tracks tracks;
        TT_TRY(tt_stop_status());
        TT_TRY(tt_manifest_read(manifest, t->first + at, n, true, &tracks));
        tt_status s = TT_OK;
        for (int64_t i = 0; s == TT_OK && i < n; i++) s = read_track(r, &tracks.v[i], at + i);
        tt_tracks_free(&tracks);
        TT_TRY(s);
        tt_progress_add(&r->progress, n);
    }
    tt_progress_end(&r->progress);
    return TT_OK;
}

/* Pointers and texts in one block. */
static tt_status keep_languages(const reader *r)
{
    tt_tfidf *t = r->t;
    int64_t head = t->count * (int64_t)sizeof *t->language;
    char *block;
    TT_TRY(tt_alloc(head + r->languages.text_n + r->languages.n, 1, "languages", &block));
    char *to = block + head;
    t->language = (char **)(void *)block;
    for (int64_t l = 0; l < r->languages.n; l++) {
        const word *w = &r->languages.v[l];
        memcpy(to, r->languages.text + w->at, (size_t)w->bytes);
        for (int64_t i = 0; i < t->count; i++)
            if (r->language[i] == l) t->language[i] = to;
        to += w->bytes + 1;
    }
    return TT_OK;
}

static tt_status read_local(reader *r, const tt_lyrics_params *params, const char *stop_list,
                            tt_store *manifest)
{
    tt_tfidf *t = r->t;
    TT_TRY(tt_alloc(t->count + 1, sizeof *r->d->begin, "lyrics", &r->d->begin));
    TT_TRY(tt_alloc(t->count, sizeof *t->words, "lyrics", &t->words));
    TT_TRY(tt_alloc(t->count, 1, "lyrics", &t->guessed));
    TT_TRY(tt_alloc(t->count, sizeof *r->language, "lyrics", &r->language));
    TT_TRY(tt_tokenizer_new(params, stop_list, &r->tokenizer));
    TT_TRY(read_tracks(r, manifest));
    t->counts = *tt_tokenizer_counts(r->tokenizer);
    return keep_languages(r);
}

static tt_status read_file(const char *path, char **out)
{
    FILE *f = fopen(path, "rb");
    if (!f) return tt_fail_errno("open lyrics.stop_words", path);
    char *text = NULL;
    size_t room = 0;
    ssize_t n = getdelim(&text, &room, '\0', f); /* a list has no NUL */
    bool bad = ferror(f) != 0;
    fclose(f);
    if (bad) {
        free(text);
        return tt_fail_errno("read lyrics.stop_words", path);
    }
    if (n >= 0) return *out = text, TT_OK;
    free(text);
    return tt_copy_text("", out);
}

/* The user's list, read by rank 0 for all. Collective. */
static tt_status read_stop_list(const tt_comm *comm, const char *setting, char **out)
{
    *out = NULL;
    if (strcmp(setting, "none") == 0 || strcmp(setting, "lists") == 0) return TT_OK;
    TT_TRY(tt_agree(comm, comm->rank == 0 ? read_file(setting, out) : TT_OK));
    int64_t n = tt_max_i64(comm, *out ? (int64_t)strlen(*out) + 1 : 0);
    TT_TRY(tt_agree(comm, comm->rank == 0 ? TT_OK : tt_alloc(n, 1, "stop words", out)));
    return tt_broadcast(comm, *out, n, 0);
}

tt_status documents_read(const tt_lyrics_params *params, tt_store *manifest, tt_tfidf *t, documents *d)
{
    reader r = {.t = t, .d = d};
    char *stop_list = NULL;
    tt_status s = read_stop_list(t->comm, params->stop_words, &stop_list);
    if (s == TT_OK) s = tt_agree(t->comm, read_local(&r, params, stop_list, manifest));
    if (s == TT_OK) {
        int64_t all[] = {t->documents, t->counts.repaired, t->counts.sections, t->counts.too_long};
        MPI_Allreduce(MPI_IN_PLACE, all, 4, MPI_INT64_T, MPI_SUM, t->comm->mpi);
        t->documents = all[0];
        t->counts = (tt_token_counts){all[1], all[2], all[3]};
    }
    tt_tokenizer_free(r.tokenizer);
    tt_tokens_free(&r.tokens);
    words_free(&r.languages);
    free(r.language);
    free(stop_list);
    return s;
}
