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

enum { DIGIT = 11 }; /* bits of an occurrence count that are looked at together */

/* How many terms counted here, that are not in too many documents, have each value of the DIGIT bits at
 * `shift` of tf, where the bits above are those of `high`; over all ranks. */
static void count_digits(const tt_comm *comm, const level *levels, int n, double max_df, int shift,
                         int64_t high, int64_t *count)
{
    memset(count, 0, (1 << DIGIT) * sizeof *count);
    for (int l = 0; l < n; l++)
        for (int64_t i = 0; i < levels[l].own; i++) {
            int64_t tf = levels[l].tf[i];
            if (levels[l].df[i] <= max_df && tf >> shift >> DIGIT == high)
                count[tf >> shift & ((1 << DIGIT) - 1)]++;
        }
    MPI_Allreduce(MPI_IN_PLACE, count, 1 << DIGIT, MPI_INT64_T, MPI_SUM, comm->mpi);
}

/* The largest tf such that no fewer than `wanted` terms occur that often, or 0 if there are not so many;
 * *more terms occur more often. Digit by digit from the highest. */
static int64_t find_edge(const tt_comm *comm, const level *levels, int n, double max_df, int64_t wanted,
                         int64_t *more)
{
    int64_t count[1 << DIGIT], most = 0, edge = 0;
    int shift = 0;
    for (int l = 0; l < n; l++)
        for (int64_t i = 0; i < levels[l].own; i++)
            if (levels[l].tf[i] > most) most = levels[l].tf[i];
    most = tt_max_i64(comm, most);
    while (most >> shift >> DIGIT > 0) shift += DIGIT;
    for (*more = 0; shift >= 0; shift -= DIGIT) {
        int64_t digit = (1 << DIGIT) - 1;
        count_digits(comm, levels, n, max_df, shift, edge, count);
        while (digit > 0 && *more + count[digit] < wanted) *more += count[digit--];
        edge = edge << DIGIT | digit;
    }
    return edge;
}

/* Add the terms of a level from tf on; the bytes of a key, big-endian, are in the order of the terms' texts:
 * a blank comes before everything that words are made of. */
static tt_status add_terms(const level *l, int32_t which, double max_df, int64_t edge, items *out)
{
    for (int64_t i = 0; i < l->own; i++) {
        unsigned char key[4 * TT_NGRAM_MAX];
        if (l->df[i] > max_df || l->tf[i] < edge) continue;
        for (int w = 0; w < l->k; w++) {
            uint32_t place = l->tuple[i * l->k + w];
            for (int b = 0; b < 4; b++) key[4 * w + b] = (unsigned char)(place >> (24 - 8 * b));
        }
        item head = {
            .key_bytes = 4 * l->k, .rank = which, .index = l->number[i], .df = l->df[i], .tf = l->tf[i]};
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
    int64_t edge = 0, more = 0;
    if (params->max_features > 0) edge = find_edge(t->comm, levels, n, max_df, params->max_features, &more);
    tt_status s = TT_OK;
    for (int l = 0; l < n; l++)
        if (s == TT_OK) s = add_terms(&levels[l], l, max_df, edge, out);
    TT_TRY(items_sort(t->comm, out, s));
    if (params->max_features > 0) keep_first(t->comm, out, edge, params->max_features - more);
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

void columns_free(column_set *c)
{
    free(c->term);
    free(c->of);
    *c = (column_set){0};
}

/* Level and number of a column's term: MPI_2INT. */
typedef struct chosen {
    int level, number;
} chosen;

/* Those of all columns, in order, on every rank. Collective. */
static tt_status gather_chosen(const tt_tfidf *t, const items *sorted, chosen *all)
{
    const tt_comm *comm = t->comm;
    int *count = NULL, mine = (int)sorted->n; /* below t->terms <= INT_MAX */
    TT_TRY(tt_agree(comm, tt_alloc(2 * comm->size, sizeof *count, "terms", &count)));
    for (int64_t i = 0; i < sorted->n; i++)
        all[t->first_term + i] = (chosen){sorted->v[i]->rank, sorted->v[i]->index};
    MPI_Allgather(&mine, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
    int *at = count + comm->size;
    for (int r = 1; r < comm->size; r++) at[r] = at[r - 1] + count[r - 1];
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, count, at, MPI_2INT, comm->mpi);
    free(count);
    return TT_OK;
}

/* Which terms of level l are among the chosen [terms], and which columns. */
static tt_status mark_columns(const chosen *all, int64_t terms, const level *l, int32_t which,
                              column_set *out)
{
    int64_t n = l->total / 64 + 1, before = 0;
    TT_TRY(tt_alloc(n, sizeof *out->term, "terms", &out->term));
    for (int64_t c = 0; c < terms; c++)
        if (all[c].level == which) out->term[all[c].number / 64].bits |= (uint64_t)1 << all[c].number % 64;
    for (int64_t i = 0; i < n; i++) {
        out->term[i].before = before;
        before += __builtin_popcountll(out->term[i].bits);
    }
    TT_TRY(tt_alloc(before, sizeof *out->of, "terms", &out->of));
    for (int64_t c = 0; c < terms; c++) {
        if (all[c].level != which) continue;
        const column_bits *t = &out->term[all[c].number / 64];
        uint64_t below = ((uint64_t)1 << all[c].number % 64) - 1;
        out->of[t->before + __builtin_popcountll(t->bits & below)] = (int32_t)c;
    }
    return TT_OK;
}

static tt_status make_columns(const tt_tfidf *t, const items *sorted, const level *levels, int n,
                              column_set *out)
{
    chosen *all = NULL;
    tt_status s = tt_agree(t->comm, tt_alloc(t->terms, sizeof *all, "terms", &all));
    if (s == TT_OK) s = gather_chosen(t, sorted, all);
    for (int l = 0; l < n; l++)
        if (s == TT_OK) s = mark_columns(all, t->terms, &levels[l], l, &out[l]);
    free(all);
    return tt_agree(t->comm, s);
}

tt_status vocabulary_make(const tt_lyrics_params *params, tt_tfidf *t, const lexicon *x, const level *levels,
                          int n, column_set *out)
{
    items sorted = {0};
    tt_status s = choose(params, t, levels, n, &sorted);
    if (s == TT_OK) s = describe(t, &sorted);
    if (s == TT_OK) s = name_terms(t, x, &sorted);
    if (s == TT_OK) s = make_columns(t, &sorted, levels, n, out);
    items_free(&sorted);
    return s;
}
