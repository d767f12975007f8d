/* Lyrics as numbers: words of any script, n-grams, and TF-IDF rows over all ranks. */
#ifndef TUTTI_TEXT_H
#define TUTTI_TEXT_H

#include "tutti/comm.h"
#include "tutti/store.h"

enum {
    TT_NGRAM_MAX = 8,
    TT_WORD_BYTES = 256, /**< a longer "word" is none: it is left out and counted */
};

/** A number of documents, or a share of them, as scikit-learn tells 2 from 2.0. */
typedef struct tt_bound {
    double value;
    bool share;
} tt_bound;

/** Settings `lyrics:`. */
typedef struct tt_lyrics_params {
    int n_ngram;
    int ngram[TT_NGRAM_MAX]; /**< fewest and most words of a term */
    tt_bound min_df, max_df;
    int max_features; /**< terms kept, the most frequent; 0 for all */
    bool sublinear_tf;
    int embedding_dims;
    char *stemming;       /**< none | snowball, for the languages that it knows */
    char *stop_words;     /**< none | lists (our own, by language) | a file of one word per line */
    char *embedding_file; /**< none | "FILE.h5:/x" | "FILE.npy": the embedding, made elsewhere */
} tt_lyrics_params;

/** Words of one text, one after the other. */
typedef struct tt_tokens {
    char *bytes;     /**< UTF-8 of all words, without separators; owned */
    int32_t *length; /**< [n] bytes of each word; owned */
    int64_t n, n_bytes;
    int64_t room, byte_room;
} tt_tokens;

void tt_tokens_free(tt_tokens *tokens);

/** What tokenizing met, over all texts so far. */
typedef struct tt_token_counts {
    int64_t repaired; /**< texts whose UTF-8 was broken; each bad sequence became U+FFFD */
    int64_t sections; /**< marks such as [Chorus] left out */
    int64_t too_long; /**< words beyond TT_WORD_BYTES left out */
} tt_token_counts;

typedef struct tt_tokenizer tt_tokenizer;

/** Not collective. @param stop_list  text of the user's own stop words, one per line, NULL for none
 *  @return TT_OK, TT_ERR_MEMORY or TT_ERR_INTERNAL (ICU without its data). Free with tt_tokenizer_free(). */
tt_status tt_tokenizer_new(const tt_lyrics_params *params, const char *stop_list, tt_tokenizer **out);

/** Words of a piece of a text, which is all of it up to 4 MB: memory does not grow with the longest text.
 * Words are as ICU finds them by the rules of Unicode (UAX 29) after NFKC case folding; the curly apostrophe
 * counts as the straight one, and punctuation within ASCII words parts them unless UAX 29 says otherwise.
 * Text in brackets within a line is a section mark. Stop words and stems go by `language`, a label such as
 * "en", "eng" or "English", "" if unknown. Not collective.
 *  @param[in,out] at   byte of the text [bytes] to begin at, 0 first; moved to where the next piece begins
 *  @param[out]    out  emptied first; its memory is used again */
tt_status tt_tokenize(tt_tokenizer *t, const char *language, const char *text, int64_t bytes, int64_t *at,
                      tt_tokens *out);

const tt_token_counts *tt_tokenizer_counts(const tt_tokenizer *t);

void tt_tokenizer_free(tt_tokenizer *t);

/** Guess of a text's language by CLD2: an ISO 639 code ("en"), "" where it is too short or mixed to tell. Not
 * collective; nothing to free. */
const char *tt_guess_language(const char *text, int64_t n);

/** TF-IDF of all tracks' lyrics. Rows are dealt by tt_partition(tracks, TT_BLOCK_ROWS, ...). */
typedef struct tt_tfidf {
    const tt_comm *comm;
    int64_t tracks, first, count; /**< rows over all ranks; of this rank */
    int64_t documents;            /**< tracks with lyrics, empty ones too, over all ranks: what shares and idf
                                     count */
    int64_t terms;                /**< columns, in the order of the terms' code points */
    int64_t first_term, n_terms;  /**< the terms that this rank knows by name */
    char **term;                  /**< [n_terms] words joined by a blank; one block, owned */
    int64_t *df;                  /**< [n_terms] documents that hold the term */
    double *idf;                  /**< [n_terms] ln((1 + documents) / (1 + df)) + 1 */
    int64_t *begin;               /**< [count + 1] where the rows begin in index and value */
    int32_t *index;               /**< columns, ascending within a row */
    float *value;                 /**< rows have length 1, or are empty */
    int64_t nonzeros;             /**< over all ranks */
    int64_t *words;               /**< [count] words of each track after stop words */
    char **language;              /**< [count] label, or guess; one block, owned */
    unsigned char *guessed;       /**< [count] 1 where the language is a guess */
    tt_token_counts counts;       /**< over all ranks */
} tt_tfidf;

/** Count the terms of a manifest's lyrics and weigh them: scikit-learn's TfidfVectorizer (smooth idf, rows of
 * length 1) on the words that tt_tokenize() gives. Every track that has lyrics is a document, also where they
 * are empty or hold no word, as to scikit-learn is every text that it is given; a track without is none. Of
 * terms equally frequent at the edge of max_features those first in order are kept. Terms are counted by the
 * rank that their hash names and ordered by a sample sort; memory is O(corpus / P), and nothing depends on
 * the number of ranks. Collective.
 *  @return TT_OK, TT_STOPPED, TT_ERR_IO (a stop-word file), TT_ERR_INPUT (no manifest; more words than a rank
 * can number), TT_ERR_MEMORY, the same on every rank. Free with tt_tfidf_free(), also on failure. */
tt_status tt_tfidf_make(const tt_comm *comm, const tt_lyrics_params *params, tt_store *manifest,
                        tt_tfidf *out);

void tt_tfidf_free(tt_tfidf *t);

#endif
