/* Words over all ranks: counted where their hash says, placed by a sample sort. */
#include "internal.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void lexicon_free(lexicon *x)
{
    items_free(&x->sorted);
    free(x->first);
    *x = (lexicon){0};
}

static int owner_of(const tt_comm *comm, const char *text, int32_t bytes)
{
    return (int)((tt_checksum(text, (size_t)bytes) >> 32) % (uint64_t)comm->size);
}

/* This rank's words, each packed for its owner; order[i] is the word sent i-th. */
static tt_status pack_words(const tt_comm *comm, const words *w, items *out, int64_t *count, int32_t *order)
{
    int64_t *at = NULL, sent = 0;
    int32_t *owner = NULL;
    TT_TRY(tt_alloc(comm->size + 1, sizeof *at, "words", &at));
    tt_status s = tt_alloc(w->n, sizeof *owner, "words", &owner);
    for (int64_t i = 0; s == TT_OK && i < w->n; i++) {
        owner[i] = owner_of(comm, w->text + w->v[i].at, w->v[i].bytes);
        at[owner[i] + 1]++;
    }
    for (int r = 0; r < comm->size; r++) at[r + 1] += at[r];
    for (int64_t i = 0; s == TT_OK && i < w->n; i++) order[at[owner[i]]++] = (int32_t)i;
    for (; s == TT_OK && sent < w->n; sent++) {
        const word *v = &w->v[order[sent]];
        int64_t before = out->n_bytes;
        item head = {.key_bytes = v->bytes, .rank = comm->rank, .df = v->df, .tf = v->tf};
        s = items_add(out, &head, w->text + v->at);
        count[owner[order[sent]]] += out->n_bytes - before;
    }
    free(owner);
    free(at);
    return s;
}

/* Add up what all ranks sent; which [arrived] tells the word of each item. */
static tt_status merge(const items *arrived, words *all, int32_t *which)
{
    const char *at = arrived->data;
    for (int64_t i = 0; i < arrived->n; i++) {
        const item *x = (const item *)(const void *)at;
        int64_t id;
        TT_TRY(words_add(all, x->key, x->key_bytes, &id));
        all->v[id].tf += x->tf;
        all->v[id].df += x->df;
        which[i] = (int32_t)id;
        at += item_bytes(x);
    }
    return TT_OK;
}

/* The words that are in enough documents, as items to sort, and as terms counted here. */
static tt_status select_words(const tt_comm *comm, const words *all, double min_df, items *chosen,
                              level *first, int32_t *number)
{
    const uint32_t no_place = 0; /* it comes later */
    for (int64_t i = 0; i < all->n; i++) {
        const word *w = &all->v[i];
        number[i] = NO_TERM;
        if (w->df < min_df) continue;
        number[i] = (int32_t)first->own;
        TT_TRY(level_own(first, &no_place, w->tf, w->df, 0));
        item head = {.key_bytes = w->bytes, .rank = comm->rank, .index = number[i]};
        TT_TRY(items_add(chosen, &head, all->text + w->at));
    }
    return TT_OK;
}

/* Ranks' first places, from the sorted words. Collective. */
static tt_status find_first(const tt_comm *comm, lexicon *x)
{
    TT_TRY(tt_agree(comm, tt_alloc(comm->size + 1, sizeof *x->first, "words", &x->first)));
    MPI_Allgather(&x->sorted.n, 1, MPI_INT64_T, x->first + 1, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < comm->size; r++) x->first[r + 1] += x->first[r];
    if (x->first[comm->size] > INT_MAX)
        return tt_fail(TT_ERR_INPUT, "the lyrics have %lld different words; at most %d can be told apart",
                       (long long)x->first[comm->size], INT_MAX);
    return TT_OK;
}

/* Answer what was sent: the place of each item's word. */
static tt_status answer(const tt_comm *comm, const documents *d, const items *arrived, const int32_t *which,
                        const int32_t *number, const int32_t *order, level *first)
{
    int64_t *count = NULL;
    int32_t *back = NULL, *got = NULL, *place = NULL;
    const char *at = arrived->data;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "words", &count);
    if (s == TT_OK) s = tt_alloc(arrived->n, sizeof *back, "words", &back);
    if (s == TT_OK) s = tt_alloc(d->words.n, sizeof *place, "words", &place);
    if (s == TT_OK) s = tt_alloc(d->n, sizeof *first->seen, "terms", &first->seen);
    for (int64_t i = 0; s == TT_OK && i < arrived->n; i++) {
        const item *from = (const item *)(const void *)at;
        int32_t own = number[which[i]];
        back[i] = own == NO_TERM ? NO_TERM : first->number[own];
        count[from->rank] += (int64_t)sizeof *back;
        at += item_bytes(from);
    }
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, back, count, &got, count + comm->size);
    for (int64_t i = 0; s == TT_OK && i < d->words.n; i++) place[order[i]] = got[i];
    for (int64_t p = 0; s == TT_OK && p < d->n; p++) first->seen[p] = place[d->word[p]];
    free(place);
    free(got);
    free(back);
    free(count);
    return s;
}

/* The first level's terms are numbered by their places. Collective. */
static tt_status place_words(const tt_comm *comm, const lexicon *x, level *first)
{
    uint32_t *place = first->tuple;
    TT_TRY(items_tell(comm, &x->sorted, x->first[comm->rank], place));
    for (int64_t i = 0; i < first->own; i++) first->number[i] = (int32_t)place[i];
    first->total = x->first[comm->size];
    return TT_OK;
}

typedef struct counting {
    items sent, arrived;
    words all;      /* those counted here */
    int64_t *bytes; /* sent to and come from each rank */
    int32_t *order, *which, *number;
} counting;

static tt_status count_words(const tt_comm *comm, const documents *d, counting *c)
{
    tt_status s = tt_alloc(2 * comm->size, sizeof *c->bytes, "words", &c->bytes);
    if (s == TT_OK) s = tt_alloc(d->words.n, sizeof *c->order, "words", &c->order);
    if (s == TT_OK) s = pack_words(comm, &d->words, &c->sent, c->bytes, c->order);
    TT_TRY(tt_agree(comm, s));
    TT_TRY(tt_exchange(comm, c->sent.data, c->bytes, &c->arrived.data, c->bytes + comm->size));
    for (int r = 0; r < comm->size; r++) c->arrived.n_bytes += c->bytes[comm->size + r];
    c->arrived.n = items_count(&c->arrived);
    items_free(&c->sent);
    s = tt_alloc(c->arrived.n, sizeof *c->which, "words", &c->which);
    if (s == TT_OK) s = merge(&c->arrived, &c->all, c->which);
    if (s == TT_OK) s = tt_alloc(c->all.n, sizeof *c->number, "words", &c->number);
    return tt_agree(comm, s);
}

tt_status lexicon_make(const tt_comm *comm, const documents *d, double min_df, lexicon *x, level *first)
{
    counting c = {0};
    *first = (level){.k = 1};
    tt_status s = count_words(comm, d, &c);
    if (s == TT_OK)
        s = items_sort(comm, &x->sorted, select_words(comm, &c.all, min_df, &x->sorted, first, c.number));
    if (s == TT_OK) s = find_first(comm, x);
    if (s == TT_OK) s = place_words(comm, x, first);
    if (s == TT_OK) s = answer(comm, d, &c.arrived, c.which, c.number, c.order, first);
    items_free(&c.sent);
    items_free(&c.arrived);
    words_free(&c.all);
    free(c.bytes);
    free(c.order);
    free(c.which);
    free(c.number);
    return s;
}
