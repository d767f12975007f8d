/* Which terms become columns, in which order, and what they are called. */
#include "internal.h"

#include "tutti/memory.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double in_documents(tt_bound bound, int64_t all)
{
    return bound.share ? bound.value * (double)all : bound.value;
}

/* Terms counted here that are not in too many documents and occur at least `tf` times, over all ranks. */
static int64_t count_terms(const tt_comm *comm, const level *levels, int n, double max_df, int64_t tf)
{
    int64_t count = 0;
    for (int l = 0; l < n; l++)
        for (int64_t i = 0; i < levels[l].own; i++)
            count += levels[l].df[i] <= max_df && levels[l].tf[i] >= tf;
    return tt_sum_i64(comm, count);
}

/* The largest tf such that no fewer than `wanted` terms occur that often; *more terms occur more often. */
static int64_t find_edge(const tt_comm *comm, const level *levels, int n, double max_df, int64_t wanted,
                         int64_t *more)
{
    int64_t high = 1, low = 0; /* count(low) >= wanted > count(high) */
    for (int l = 0; l < n; l++)
        for (int64_t i = 0; i < levels[l].own; i++)
            if (levels[l].tf[i] >= high) high = levels[l].tf[i] + 1;
    high = tt_max_i64(comm, high);
    *more = 0;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2, count = count_terms(comm, levels, n, max_df, middle);
        if (count >= wanted) {
            low = middle;
        } else {
            high = middle;
            *more = count;
        }
    }
    return low;
}

/* Add the terms of a level from tf on; the bytes of a key, big-endian, are in the order of the terms' texts:
 * a blank comes before everything that words are made of. */
static tt_status add_terms(const tt_comm *comm, const level *l, double max_df, int64_t edge, int64_t offset,
                           items *out)
{
    for (int64_t i = 0; i < l->own; i++) {
        unsigned char key[4 * TT_NGRAM_MAX];
        if (l->df[i] > max_df || l->tf[i] < edge) continue;
        for (int w = 0; w < l->k; w++) {
            uint32_t place = l->tuple[i * l->k + w];
            for (int b = 0; b < 4; b++) key[4 * w + b] = (unsigned char)(place >> (24 - 8 * b));
        }
        item head = {.key_bytes = 4 * l->k,
                     .rank = comm->rank,
                     .index = (int32_t)(offset + i),
                     .df = l->df[i],
                     .tf = l->tf[i]};
        TT_TRY(items_add(out, &head, key));
    }
    return TT_OK;
}

/* Of the sorted terms keep those beyond the edge, and of those at it the first `room` over all ranks. */
static void keep_first(const tt_comm *comm, items *sorted, int64_t edge, int64_t room)
{
    int64_t at_edge = 0, kept = 0;
    for (int64_t i = 0; i < sorted->n; i++) at_edge += sorted->v[i]->tf == edge;
    int64_t before = tt_prefix_i64(comm, at_edge);
    for (int64_t i = 0; i < sorted->n; i++) {
        item *x = sorted->v[i];
        if (x->tf == edge && before++ >= room) continue;
        sorted->v[kept++] = x;
    }
    sorted->n = kept;
}

static tt_status choose(const tt_lyrics_params *params, const tt_tfidf *t, const level *levels, int n,
                        items *out)
{
    double max_df = in_documents(params->max_df, t->documents);
    int64_t all = count_terms(t->comm, levels, n, max_df, 0), edge = 0, room = 0, more = 0, offset = 0;
    bool cut = params->max_features > 0 && all > params->max_features;
    if (cut) {
        edge = find_edge(t->comm, levels, n, max_df, params->max_features, &more);
        room = params->max_features - more;
    }
    tt_status s = TT_OK;
    for (int l = 0; l < n; offset += levels[l++].own)
        if (s == TT_OK) s = add_terms(t->comm, &levels[l], max_df, edge, offset, out);
    if (s == TT_OK && offset > INT_MAX)
        s = tt_fail(TT_ERR_INPUT, "one rank counts more than %d terms; run on more ranks", INT_MAX);
    TT_TRY(items_sort(t->comm, out, s));
    if (cut) keep_first(t->comm, out, edge, room);
    return TT_OK;
}

static uint32_t place_of(const char *key, int w)
{
    const unsigned char *b = (const unsigned char *)key + 4 * w;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Pointers, then the texts: the words of a term joined by blanks. */
static tt_status join_words(const items *sorted, const char *text, const int32_t *length, char ***out)
{
    int64_t bytes = sorted->n * (int64_t)sizeof **out, w = 0;
    char *block;
    for (int64_t i = 0; i < sorted->n; i++)
        for (int k = 0; k < sorted->v[i]->key_bytes / 4; k++) bytes += length[w++] + 1;
    TT_TRY(tt_alloc(bytes, 1, "terms", &block));
    char **term = (char **)(void *)block, *to = block + sorted->n * (int64_t)sizeof *term;
    w = 0;
    for (int64_t i = 0; i < sorted->n; i++) {
        term[i] = to;
        for (int k = 0; k < sorted->v[i]->key_bytes / 4; k++, w++) {
            memcpy(to, text, (size_t)length[w]);
            text += length[w];
            to += length[w];
            *to++ = ' ';
        }
        to[-1] = '\0';
    }
    *out = term;
    return TT_OK;
}

static tt_status name_terms(tt_tfidf *t, const lexicon *x, const items *sorted)
{
    int64_t n = 0;
    uint32_t *place = NULL;
    char *text = NULL;
    int32_t *length = NULL;
    for (int64_t i = 0; i < sorted->n; i++) n += sorted->v[i]->key_bytes / 4;
    tt_status s = tt_alloc(n, sizeof *place, "terms", &place);
    n = 0;
    for (int64_t i = 0; s == TT_OK && i < sorted->n; i++)
        for (int k = 0; k < sorted->v[i]->key_bytes / 4; k++) place[n++] = place_of(sorted->v[i]->key, k);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = lexicon_texts(t->comm, x, place, n, &text, &length);
    if (s == TT_OK) s = join_words(sorted, text, length, &t->term);
    free(length);
    free(text);
    free(place);
    return tt_agree(t->comm, s);
}

static tt_status describe(tt_tfidf *t, const items *sorted)
{
    t->n_terms = sorted->n;
    t->terms = tt_sum_i64(t->comm, sorted->n);
    t->first_term = tt_prefix_i64(t->comm, sorted->n);
    tt_status s = tt_alloc(t->n_terms, sizeof *t->df, "terms", &t->df);
    if (s == TT_OK) s = tt_alloc(t->n_terms, sizeof *t->idf, "terms", &t->idf);
    for (int64_t i = 0; s == TT_OK && i < t->n_terms; i++) {
        t->df[i] = sorted->v[i]->df;
        t->idf[i] = log((1.0 + (double)t->documents) / (1.0 + (double)t->df[i])) + 1.0;
    }
    if (s == TT_OK && t->terms > INT_MAX)
        s = tt_fail(TT_ERR_CONFIG, "lyrics.max_features: the lyrics have %lld terms; keep at most %d",
                    (long long)t->terms, INT_MAX);
    return tt_agree(t->comm, s);
}

static void fill_columns(const void *context, const int32_t *asked, int64_t n, int32_t *answer)
{
    const uint32_t *column = context;
    for (int64_t i = 0; i < n; i++) answer[i] = (int32_t)column[asked[i]];
}

/* Columns of the terms met here. */
static tt_status fetch_columns(tt_tfidf *t, const items *sorted, const level *levels, int n, int32_t **column)
{
    int64_t all = 0;
    uint32_t *own = NULL; /* of those counted here, NO_TERM where there is none */
    for (int l = 0; l < n; l++) all += levels[l].own;
    tt_status s = tt_alloc(all, sizeof *own, "terms", &own);
    for (int64_t i = 0; s == TT_OK && i < all; i++) own[i] = (uint32_t)NO_TERM;
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = items_tell(t->comm, sorted, t->first_term, own);
    const uint32_t *from = own;
    for (int l = 0; s == TT_OK && l < n; l++) {
        s = tt_alloc(levels[l].met, sizeof *column[l], "terms", &column[l]);
        s = ask_ranks(t->comm, levels[l].at, levels[l].owner, levels[l].met, fill_columns, from, column[l],
                      s);
        from += levels[l].own;
    }
    free(own);
    return s;
}

tt_status vocabulary_make(const tt_lyrics_params *params, tt_tfidf *t, const lexicon *x, const level *levels,
                          int n, int32_t **column)
{
    items sorted = {0};
    tt_status s = choose(params, t, levels, n, &sorted);
    if (s == TT_OK) s = describe(t, &sorted);
    if (s == TT_OK) s = name_terms(t, x, &sorted);
    if (s == TT_OK) s = fetch_columns(t, &sorted, levels, n, column);
    items_free(&sorted);
    return s;
}
