/* The lyrics stage: manifest.h5 to lyrics.h5. */
#include "tutti/lyrics.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

enum { CSR_BLOCK = 65536, COLUMNS_MAX = 11 };

/* What lyrics.h5 is made of. */
typedef struct lyrics {
    const tt_comm *comm;
    tt_tfidf tfidf;
    unsigned char *valid; /* [count] */
    int64_t n_valid;      /* over all ranks */
    int n_columns;
    tt_column column[COLUMNS_MAX];
} lyrics;

static int64_t longest(const tt_comm *comm, char *const *text, int64_t n)
{
    int64_t most = 1;
    for (int64_t i = 0; i < n; i++)
        if ((int64_t)strlen(text[i]) > most) most = (int64_t)strlen(text[i]);
    return tt_max_i64(comm, most);
}

enum { TERMS, DF, IDF, DATA, INDICES, INDPTR, WORDS, LANGUAGE, GUESSED, VALID, FIXED };

static void describe(lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t nonzeros = t->nonzeros;
    const tt_column all[FIXED] = {
        [TERMS] = {"/terms", TT_TEXT, 1, {t->terms}, longest(l->comm, t->term, t->n_terms), 0},
        [DF] = {"/df", TT_I64, 1, {t->terms}, 0, 0},
        [IDF] = {"/idf", TT_F64, 1, {t->terms}, 0, 0},
        [DATA] = {"/tfidf/data", TT_F32, 1, {nonzeros}, 0, CSR_BLOCK},
        [INDICES] = {"/tfidf/indices", TT_I32, 1, {nonzeros}, 0, CSR_BLOCK},
        [INDPTR] = {"/tfidf/indptr", TT_I64, 1, {t->tracks + 1}, 0, 0},
        [WORDS] = {"/track/words", TT_I64, 1, {t->tracks}, 0, 0},
        [LANGUAGE] = {"/track/language", TT_TEXT, 1, {t->tracks}, longest(l->comm, t->language, t->count), 0},
        [GUESSED] = {"/track/language_guessed", TT_U8, 1, {t->tracks}, 0, 0},
        [VALID] = {"/valid", TT_U8, 1, {t->tracks}, 0, 0},
    };
    memcpy(l->column, all, sizeof all);
    l->n_columns = FIXED;
}

/* Texts in rows of `bytes`, NUL-padded. */
static tt_status pad(char *const *text, int64_t n, int64_t bytes, char **out)
{
    TT_TRY(tt_alloc(n, (size_t)bytes, "texts", out));
    for (int64_t i = 0; i < n; i++) memcpy(*out + i * bytes, text[i], strlen(text[i]));
    return TT_OK;
}

static tt_status write_texts(const lyrics *l, tt_store *store, int which, char *const *text, int64_t first,
                             int64_t n)
{
    const tt_column *c = &l->column[which];
    char *rows = NULL;
    tt_status s = pad(text, n, c->text_bytes, &rows);
    s = tt_store_write_dealt(l->comm, store, c, c->text_bytes, rows, first, n, s);
    free(rows);
    return s;
}

/* Rows begin where those of the ranks before end; whoever has the last row, or rank 0 if there is none, adds
 * where it ends. */
static tt_status write_begins(const lyrics *l, tt_store *store)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t before = tt_prefix_i64(l->comm, t->begin[t->count]), *begin;
    bool last = t->tracks > 0 ? t->count > 0 && t->first + t->count == t->tracks : l->comm->rank == 0;
    tt_status s = tt_alloc(t->count + 1, sizeof *begin, "TF-IDF", &begin);
    for (int64_t i = 0; s == TT_OK && i <= t->count; i++) begin[i] = before + t->begin[i];
    s = tt_store_write_dealt(l->comm, store, &l->column[INDPTR], sizeof *begin, begin, t->first,
                             t->count + last, s);
    free(begin);
    return s;
}

static tt_status write_all(const lyrics *l, tt_store *store)
{
    const tt_tfidf *t = &l->tfidf;
    const tt_column *c = l->column;
    int64_t mine = t->begin[t->count], at = tt_prefix_i64(l->comm, mine);
    TT_TRY(write_texts(l, store, TERMS, t->term, t->first_term, t->n_terms));
    TT_TRY(
        tt_store_write_dealt(l->comm, store, &c[DF], sizeof *t->df, t->df, t->first_term, t->n_terms, TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[IDF], sizeof *t->idf, t->idf, t->first_term, t->n_terms,
                                TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[DATA], sizeof *t->value, t->value, at, mine, TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[INDICES], sizeof *t->index, t->index, at, mine, TT_OK));
    TT_TRY(write_begins(l, store));
    TT_TRY(write_texts(l, store, LANGUAGE, t->language, t->first, t->count));
    tt_status s = tt_store_write(store, "/track/words", t->first, t->count, t->words);
    if (s == TT_OK) s = tt_store_write(store, "/track/language_guessed", t->first, t->count, t->guessed);
    if (s == TT_OK) s = tt_store_write(store, "/valid", t->first, t->count, l->valid);
    return tt_agree(l->comm, s);
}

/* A track whose row is empty is one that nothing is known of: no words, or none that is a term. */
static tt_status mark_valid(lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t n = 0;
    TT_TRY(tt_agree(l->comm, tt_alloc(t->count, 1, "marks of tracks", &l->valid)));
    for (int64_t i = 0; i < t->count; i++) n += l->valid[i] = t->begin[i + 1] > t->begin[i];
    l->n_valid = tt_sum_i64(l->comm, n);
    return TT_OK;
}

static void say(const lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    const tt_token_counts *c = &t->counts;
    int64_t words = 0, guessed = 0;
    for (int64_t i = 0; i < t->count; i++) {
        words += t->words[i];
        guessed += t->guessed[i];
    }
    words = tt_sum_i64(l->comm, words);
    guessed = tt_sum_i64(l->comm, guessed);
    tt_info("lyrics: %lld of %lld tracks have some, %lld words, %lld terms kept", (long long)t->documents,
            (long long)t->tracks, (long long)words, (long long)t->terms);
    if (guessed > 0) tt_info("lyrics: language of %lld tracks guessed", (long long)guessed);
    if (c->sections > 0) tt_info("lyrics: %lld section marks left out", (long long)c->sections);
    if (l->comm->rank != 0) return;
    if (c->repaired > 0) tt_warn("lyrics: broken UTF-8 repaired in %lld texts", (long long)c->repaired);
    if (c->too_long > 0)
        tt_warn("lyrics: %lld words of more than %d bytes left out", (long long)c->too_long, TT_WORD_BYTES);
    if (t->documents > 0 && t->terms == 0)
        tt_warn("lyrics: no term is left between lyrics.min_df and lyrics.max_df in %lld texts",
                (long long)t->documents);
}

static tt_status publish(lyrics *l, const tt_provenance *provenance, tt_phases *phases, const char *output)
{
    tt_store *store;
    describe(l);
    TT_TRY(tt_store_create(l->comm, output, provenance, l->column, l->n_columns, &store));
    return tt_store_publish(store, phases, write_all(l, store));
}

tt_status tt_lyrics(const tt_comm *comm, const tt_lyrics_params *params, const tt_provenance *provenance,
                    const char *manifest, const char *output)
{
    lyrics l = {.comm = comm};
    tt_phases phases = {0};
    tt_store *in = NULL;
    TT_TRY(tt_store_open(comm, manifest, &in));
    tt_phase(&phases, "terms");
    tt_status s = tt_tfidf_make(comm, params, in, &l.tfidf);
    if (s == TT_OK) s = mark_valid(&l);
    if (s == TT_OK) say(&l);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = publish(&l, provenance, &phases, output);
    tt_store_close(in);
    tt_tfidf_free(&l.tfidf);
    free(l.valid);
    return s;
}
