/* From a manifest to TF-IDF rows, step by step. */
#include "internal.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"
#include "tutti/signal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tt_tfidf_free(tt_tfidf *t)
{
    free(t->term);
    free(t->df);
    free(t->idf);
    free(t->begin);
    free(t->index);
    free(t->value);
    free(t->words);
    free(t->language);
    free(t->guessed);
    *t = (tt_tfidf){0};
}

/* All levels up to the longest terms; those too short to be wanted give their memory back when the next is
 * made, but for the first, which tells the words. */
static tt_status make_levels(const tt_lyrics_params *params, const tt_tfidf *t, const documents *d,
                             lexicon *x, level *levels)
{
    double min_df = in_documents(params->min_df, t->documents);
    int low = params->ngram[0], high = params->ngram[1];
    TT_TRY(lexicon_make(t->comm, d, min_df, x, &levels[0]));
    for (int k = 2; k <= high; k++) {
        TT_TRY(level_make(t->comm, t, d, &levels[0], &levels[k - 2], min_df, k >= low, &levels[k - 1]));
        if (k > 2 && k - 1 < low) level_free(&levels[k - 2]);
    }
    return TT_OK;
}

static tt_status count_terms(const tt_lyrics_params *params, tt_tfidf *t, documents *d, lexicon *x,
                             level *levels)
{
    column_set columns[TT_NGRAM_MAX] = {{0}};
    int low = params->ngram[0], n = params->ngram[1] - low + 1;
    tt_status s = make_levels(params, t, d, x, levels);
    if (s == TT_OK) s = tt_stop_agree(t->comm);
    if (s == TT_OK) s = vocabulary_make(params, t, x, levels + low - 1, n, columns);
    if (s == TT_OK) s = rows_make(params, t, d, levels + low - 1, n, columns);
    for (int l = 0; l < TT_NGRAM_MAX; l++) columns_free(&columns[l]);
    return s;
}

tt_status tt_tfidf_make(const tt_comm *comm, const tt_lyrics_params *params, tt_store *manifest,
                        tt_tfidf *out)
{
    documents d = {0};
    lexicon x = {0};
    level levels[TT_NGRAM_MAX] = {{0}};
    *out = (tt_tfidf){.comm = comm};
    TT_TRY(tt_manifest_tracks(manifest, &out->tracks));
    tt_range mine = tt_partition(out->tracks, TT_BLOCK_ROWS, comm->size, comm->rank);
    out->first = mine.begin;
    out->count = mine.end - mine.begin;
    tt_status s = documents_read(params, manifest, out, &d);
    if (s == TT_OK) s = count_terms(params, out, &d, &x, levels);
    for (int l = 0; l < TT_NGRAM_MAX; l++) level_free(&levels[l]);
    lexicon_free(&x);
    documents_free(&d);
    return s;
}
