/* Terms of k words: met on the rank that holds the text, counted on the rank that the hash names. Every
 * occurrence goes to its owner, so that no term is counted twice; in rounds over ranges of the hash, so that
 * what is under way stays small beside the corpus. */
#include "grams.h"
#include "internal.h"

#include "tutti/memory.h"
#include "tutti/signal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOM_MIN = 1 << 12,
    ROUND = 1 << 19, /* occurrences of one round, about, on each rank */
    BUCKETS = 32,    /* what a rank counts in a round falls apart into as many: their tables fit a cache */
};

void level_free(level *l)
{
    free(l->seen);
    free(l->tuple);
    free(l->tf);
    free(l->df);
    free(l->number);
    *l = (level){0};
}

tt_status level_own(level *l, const uint32_t *tuple, int64_t tf, int64_t df, int32_t number)
{
    if (l->own == l->own_room) {
        int64_t room = 2 * l->own_room + ROOM_MIN;
        TT_TRY(tt_grow(l->own * l->k, room * l->k, sizeof *l->tuple, "terms", &l->tuple));
        TT_TRY(tt_grow(l->own, room, sizeof *l->tf, "terms", &l->tf));
        TT_TRY(tt_grow(l->own, room, sizeof *l->df, "terms", &l->df));
        TT_TRY(tt_grow(l->own, room, sizeof *l->number, "terms", &l->number));
        l->own_room = room;
    }
    memcpy(l->tuple + l->own * l->k, tuple, (size_t)l->k * sizeof *tuple);
    l->tf[l->own] = tf;
    l->df[l->own] = (int32_t)df;
    l->number[l->own++] = number;
    return TT_OK;
}

tt_status grams_reserve(grams *g, int64_t expected)
{
    int64_t n = ROOM_MIN;
    while (3 * n < 4 * expected) n *= 2;
    if (n > g->room) {
        free(g->slots);
        g->room = g->n_slots = 0;
        TT_TRY(tt_alloc(n, sizeof *g->slots, "a table of terms", &g->slots));
        g->room = n;
    } else {
        memset(g->slots, 0, (size_t)n * sizeof *g->slots);
    }
    g->n_slots = n;
    return TT_OK;
}

/* What the rounds of a level share. */
typedef struct counter {
    const tt_comm *comm;
    const tt_tfidf *t;
    const documents *d;
    const uint32_t *word; /* [d->n] places of the words */
    level *out;
    double min_df;
    bool keep;
    int64_t rounds;
    int64_t *begin;    /* [rounds + 1] of the rounds in `position` */
    int32_t *position; /* where terms to be counted start, ascending within a round */
    int32_t *order;    /* those of this round as they were sent */
    uint32_t *record;  /* and what was sent: k words and the text, numbered over all ranks */
    int32_t *sent;     /* [size, BUCKETS] how many go to */
    int32_t *came;     /* [size, BUCKETS] and come from each rank */
    int64_t *at;       /* [size * BUCKETS] where the next of a bucket goes, or comes from */
    int64_t *bytes;    /* [2, size] sent to and come from each rank */
    int64_t *first;    /* [size + 1] numbers of the terms found in this round by each rank */
    grams table;       /* of one bucket */
    int64_t fresh;     /* terms found in this round by this rank */
} counter;

static int64_t round_of(uint64_t hash, int64_t rounds)
{
    return (int64_t)((hash >> 40) * (uint64_t)rounds >> 24);
}

static int64_t bucket_of(uint64_t hash, int size)
{
    uint64_t owner = (hash >> 8 & 0xFFFFFFFF) * (uint64_t)size >> 32;
    return (int64_t)(owner * BUCKETS + (hash >> 40) % BUCKETS);
}

/* Whether the term at a position may be in enough documents: only if both of one word less within it are. */
static bool may_count(const level *shorter, int64_t position)
{
    return shorter->seen[position] != NO_TERM && shorter->seen[position + 1] != NO_TERM;
}

static void count_rounds(const counter *c, const level *shorter, int64_t *count)
{
    for (int64_t i = 0; i < c->t->count; i++)
        for (int64_t p = c->d->begin[i]; p < c->d->begin[i + 1] - c->out->k + 1; p++)
            if (may_count(shorter, p)) count[round_of(gram_hash(c->word + p, c->out->k), c->rounds)]++;
}

static void deal_rounds(const counter *c, const level *shorter, int64_t *next)
{
    for (int64_t i = 0; i < c->t->count; i++)
        for (int64_t p = c->d->begin[i]; p < c->d->begin[i + 1] - c->out->k + 1; p++)
            if (may_count(shorter, p))
                c->position[next[round_of(gram_hash(c->word + p, c->out->k), c->rounds)]++] = (int32_t)p;
}

/* Sort this rank's positions by the rounds they are counted in. Collective. */
static tt_status plan_rounds(counter *c, const level *shorter)
{
    c->rounds = tt_max_i64(c->comm, c->d->n) / ROUND + 1;
    int64_t most = 0;
    tt_status s = tt_alloc(c->rounds + 2, sizeof *c->begin, "terms", &c->begin);
    if (s == TT_OK) {
        int64_t *next = c->begin + 1; /* become the beginnings when each is pushed along to its end */
        count_rounds(c, shorter, next + 1);
        for (int64_t r = 0; r < c->rounds; r++) {
            if (next[r + 1] > most) most = next[r + 1];
            next[r + 1] += next[r];
        }
        s = tt_alloc(next[c->rounds], sizeof *c->position, "terms", &c->position);
        if (s == TT_OK) deal_rounds(c, shorter, next);
    }
    if (s == TT_OK) s = tt_alloc(most, sizeof *c->order, "terms", &c->order);
    if (s == TT_OK) s = tt_alloc(most * (c->out->k + 1), sizeof *c->record, "terms", &c->record);
    return tt_agree(c->comm, s);
}

/* How many of a round's terms go where. */
static void count_buckets(counter *c, int64_t round)
{
    int size = c->comm->size;
    memset(c->sent, 0, (size_t)size * BUCKETS * sizeof *c->sent);
    for (int64_t i = c->begin[round]; i < c->begin[round + 1]; i++)
        c->sent[bucket_of(gram_hash(c->word + c->position[i], c->out->k), size)]++;
    int64_t sum = 0, width = c->out->k + 1;
    for (int r = 0; r < size; r++) {
        c->bytes[r] = -sum * width * (int64_t)sizeof *c->record;
        for (int b = r * BUCKETS; b < (r + 1) * BUCKETS; b++) {
            c->at[b] = sum;
            sum += c->sent[b];
        }
        c->bytes[r] += sum * width * (int64_t)sizeof *c->record;
    }
}

/* A round's terms, packed for their owners. */
static void pack(counter *c, int64_t round)
{
    int64_t text = 0;
    int k = c->out->k, size = c->comm->size;
    for (int64_t i = c->begin[round]; i < c->begin[round + 1]; i++) {
        int32_t p = c->position[i];
        while (c->d->begin[text + 1] <= p) text++;
        int64_t to = c->at[bucket_of(gram_hash(c->word + p, k), size)]++;
        uint32_t *record = c->record + to * (k + 1);
        for (int w = 0; w < k; w++) record[w] = c->word[p + w];
        record[k] = (uint32_t)(c->t->first + text);
        c->order[to] = p;
    }
}

/* Count records [from, from + n); answer[i] is the slot of the i-th. */
static void count_some(grams *g, int64_t from, int64_t n, int32_t *answer)
{
    for (int64_t i = from; i < from + n; i++) {
        const uint32_t *record = g->base + i * g->stride;
        gram *slot = gram_find(g, gram_hash(record, g->k), i);
        slot->tf++;
        slot->df += slot->text != record[g->k] + 1;
        slot->text = record[g->k] + 1;
        answer[i] = (int32_t)(slot - g->slots);
    }
}

/* Number the terms of the table that are in enough documents. */
static tt_status take_terms(counter *c)
{
    for (int64_t i = 0; i < c->table.n_slots; i++) {
        gram *g = &c->table.slots[i];
        if (g->at == 0) continue;
        g->number = g->df < c->min_df ? NO_TERM : (int32_t)c->fresh++;
        if (g->number != NO_TERM && c->keep)
            TT_TRY(level_own(c->out, c->table.base + (g->at - 1) * c->table.stride, g->tf, g->df, g->number));
    }
    return TT_OK;
}

/* Count what came in bucket b; each answer is the number of the term among those found in this round, or
 * NO_TERM. */
static tt_status count_bucket(counter *c, int b, int32_t *answer)
{
    int64_t n = 0;
    for (int r = 0; r < c->comm->size; r++) n += c->came[r * BUCKETS + b];
    TT_TRY(grams_reserve(&c->table, n));
    for (int r = 0; r < c->comm->size; r++) count_some(&c->table, c->at[r], c->came[r * BUCKETS + b], answer);
    TT_TRY(take_terms(c));
    for (int r = 0; r < c->comm->size; r++)
        for (int64_t end = c->at[r] + c->came[r * BUCKETS + b]; c->at[r] < end; c->at[r]++)
            answer[c->at[r]] = c->table.slots[answer[c->at[r]]].number;
    return TT_OK;
}

static tt_status count_round(counter *c, const uint32_t *record, int32_t **answer)
{
    int64_t n = 0;
    int size = c->comm->size, width = c->out->k + 1;
    for (int r = 0; r < size; r++) {
        c->at[r] = n;
        n += c->bytes[size + r] / (width * (int64_t)sizeof *record);
        c->bytes[size + r] /= width; /* a number comes back for each */
        c->bytes[r] /= width;
    }
    if (n > INT_MAX)
        return tt_fail(TT_ERR_INPUT, "one rank counts more than %d terms at once; run on more ranks",
                       INT_MAX);
    TT_TRY(tt_alloc(n, sizeof **answer, "terms", answer));
    c->fresh = 0;
    c->table.k = c->out->k;
    c->table.base = record;
    c->table.stride = width;
    for (int b = 0; b < BUCKETS; b++) TT_TRY(count_bucket(c, b, *answer));
    return TT_OK;
}

/* The numbers of the terms found in this round go on where those of the round before end. Collective. */
static tt_status number_round(counter *c, int64_t own_before)
{
    level *l = c->out;
    int size = c->comm->size;
    MPI_Allgather(&c->fresh, 1, MPI_INT64_T, c->first + 1, 1, MPI_INT64_T, c->comm->mpi);
    c->first[0] = l->total;
    for (int r = 0; r < size; r++) c->first[r + 1] += c->first[r];
    l->total = c->first[size];
    if (l->total > INT_MAX)
        return tt_fail(TT_ERR_INPUT, "the lyrics have more than %d terms of %d words; raise lyrics.min_df",
                       INT_MAX, l->k);
    for (int64_t i = own_before; i < l->own; i++) l->number[i] += (int32_t)c->first[c->comm->rank];
    return TT_OK;
}

/* Say which terms begin at this round's positions. */
static void take_answers(counter *c, const int32_t *answer)
{
    int64_t i = 0;
    for (int r = 0; r < c->comm->size; r++)
        for (int64_t end = i + c->bytes[r] / (int64_t)sizeof *answer; i < end; i++)
            c->out->seen[c->order[i]] = answer[i] == NO_TERM ? NO_TERM : (int32_t)c->first[r] + answer[i];
}

static tt_status one_round(counter *c, int64_t round)
{
    uint32_t *got = NULL;
    int32_t *answer = NULL, *back = NULL;
    int64_t own_before = c->out->own;
    TT_TRY(tt_stop_agree(c->comm));
    count_buckets(c, round);
    pack(c, round);
    MPI_Alltoall(c->sent, BUCKETS, MPI_INT32_T, c->came, BUCKETS, MPI_INT32_T, c->comm->mpi);
    tt_status s = tt_exchange(c->comm, c->record, c->bytes, &got, c->bytes + c->comm->size);
    if (s == TT_OK) s = tt_agree(c->comm, count_round(c, got, &answer));
    free(got);
    if (s == TT_OK) s = number_round(c, own_before);
    if (s == TT_OK) s = tt_exchange(c->comm, answer, c->bytes + c->comm->size, &back, c->bytes);
    if (s == TT_OK) take_answers(c, back);
    free(back);
    free(answer);
    return s;
}

static tt_status allocate(counter *c)
{
    int64_t size = c->comm->size, n = c->d->n;
    if (c->t->tracks >= UINT32_MAX)
        return tt_fail(TT_ERR_INPUT, "lyrics of at most %u tracks can be counted", UINT32_MAX - 1);
    TT_TRY(tt_alloc(2 * size * BUCKETS, sizeof *c->sent, "terms", &c->sent));
    c->came = c->sent + size * BUCKETS;
    TT_TRY(tt_alloc(size * BUCKETS, sizeof *c->at, "terms", &c->at));
    TT_TRY(tt_alloc(3 * size + 1, sizeof *c->bytes, "terms", &c->bytes));
    c->first = c->bytes + 2 * size;
    TT_TRY(tt_alloc(n, sizeof *c->out->seen, "terms", &c->out->seen));
    for (int64_t p = 0; p < n; p++) c->out->seen[p] = NO_TERM;
    return TT_OK;
}

tt_status level_make(const tt_comm *comm, const tt_tfidf *t, const documents *d, const level *single,
                     const level *shorter, double min_df, bool keep, level *out)
{
    counter c = {.comm = comm, .t = t, .d = d, .out = out, .min_df = min_df, .keep = keep};
    c.word = (const uint32_t *)single->seen;
    out->k = shorter->k + 1;
    tt_status s = tt_agree(comm, allocate(&c));
    if (s == TT_OK) s = plan_rounds(&c, shorter);
    for (int64_t r = 0; s == TT_OK && r < c.rounds; r++) s = one_round(&c, r);
    free(c.begin);
    free(c.position);
    free(c.order);
    free(c.record);
    free(c.sent);
    free(c.at);
    free(c.bytes);
    free(c.table.slots);
    return s;
}
