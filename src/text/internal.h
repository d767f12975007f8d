/* From texts to TF-IDF: what the steps hand on. Private to the room. */
#ifndef TUTTI_TEXT_INTERNAL_H
#define TUTTI_TEXT_INTERNAL_H

#include "items.h"
#include "words.h"

#include "tutti/text.h"

enum { NO_TERM = -1 };

/** This rank's texts as numbers of words. A position is a word of a text. */
typedef struct documents {
    int64_t *begin; /**< [count + 1] position of each track's first word */
    int32_t *word;  /**< [n] which of `words` stands there */
    int64_t n, room;
    words words; /**< the different words of this rank, with their counts */
} documents;

/** Terms of k words that are in enough documents. All ranks number them alike, from 0. */
typedef struct level {
    int k;
    int64_t total; /**< over all ranks */
    int32_t *seen; /**< [n] number of the term that starts at a position; NO_TERM */
    uint32_t
        *tuple;  /**< [own, k] words of the terms counted here, by their place in the order of all words */
    int64_t *tf; /**< [own] occurrences */
    int32_t *df; /**< [own] documents */
    int32_t *number; /**< [own] */
    int64_t own, own_room;
} level;

/** Which terms of a level are columns: a bit for each, so that every rank can know of all. */
typedef struct column_bits {
    uint64_t bits;
    int64_t before; /**< columns of the terms before these 64, as places in column_set.of */
} column_bits;

typedef struct column_set {
    column_bits *term; /**< [total / 64 + 1] */
    int32_t *of;       /**< columns of the chosen terms, in the order of their numbers */
} column_set;

/** Column of a term, or NO_TERM. */
static inline int32_t columns_find(const column_set *c, int32_t number)
{
    const column_bits *t = &c->term[number / 64];
    uint64_t bit = (uint64_t)1 << number % 64;
    return t->bits & bit ? c->of[t->before + __builtin_popcountll(t->bits & (bit - 1))] : NO_TERM;
}

/** The words of all ranks in order: the place of a word is its number from here on. */
typedef struct lexicon {
    items sorted;   /**< those of this rank */
    int64_t *first; /**< [size + 1] place of the first word of each rank */
} lexicon;

/** Read and tokenise this rank's tracks. Collective. */
tt_status documents_read(const tt_lyrics_params *params, tt_store *manifest, tt_tfidf *t, documents *d);
void documents_free(documents *d);

/** Count words over all ranks, give those in at least min_df documents a place, and make the first level.
 * Collective. */
tt_status lexicon_make(const tt_comm *comm, const documents *d, double min_df, lexicon *x, level *first);
void lexicon_free(lexicon *x);

/** Text of every word asked for by its place. Collective. Free *text and *length with free().
 *  @param[in]  place   [n] in any order, repeated or not
 *  @param[out] text    texts one after the other, without NUL
 *  @param[out] length  [n] */
tt_status lexicon_texts(const tt_comm *comm, const lexicon *x, const uint32_t *place, int64_t n, char **text,
                        int32_t **length);

/** Terms of k words from those of k - 1, whose parts are all in at least min_df documents. Collective.
 *  @param single  the first level
 *  @param keep    whether the terms themselves are wanted, or only those longer than they */
tt_status level_make(const tt_comm *comm, const tt_tfidf *t, const documents *d, const level *single,
                     const level *shorter, double min_df, bool keep, level *out);
void level_free(level *l);

/** Add a term counted here. */
tt_status level_own(level *l, const uint32_t *tuple, int64_t tf, int64_t df, int32_t number);

/** A bound as a number of documents of `all`. */
double in_documents(tt_bound bound, int64_t all);

/** Choose the columns among the terms of levels [n]: sets t->terms, first_term, n_terms, term, df, idf and
 * out [n]. Collective. */
tt_status vocabulary_make(const tt_lyrics_params *params, tt_tfidf *t, const lexicon *x, const level *levels,
                          int n, column_set *out);
void columns_free(column_set *c);

/** The rows: t->begin, index, value and nonzeros. Collective. */
tt_status rows_make(const tt_lyrics_params *params, tt_tfidf *t, const documents *d, const level *levels,
                    int n, const column_set *columns);

/** Send numbers [n] to ranks dest [n] and get answers back: `ask` is answered by fill(context, asked, n,
 * answer) on the other rank. Collective; `status` is this rank's own so far. Answers are in the order of
 * asking. */
tt_status ask_ranks(const tt_comm *comm, const int32_t *ask, const int32_t *dest, int64_t n,
                    void (*fill)(const void *context, const int32_t *asked, int64_t n, int32_t *answer),
                    const void *context, int32_t *answer, tt_status status);

#endif
