/* Terms of k words: met on the rank that holds the text, counted on the rank that the hash names. What all
 * could be is done in rounds over ranges of the hash, so that the tables stay small beside the corpus. */
#include "grams.h"
#include "internal.h"

#include "tutti/memory.h"
#include "tutti/signal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MIN = 1 << 12,
    ROUND_MIN = 1 << 19, /* positions of one round, if there are so many: its tables fit a cache */
    ROUNDS_MAX = 32,
    NEVER = 255, /* the round of positions that cannot be in enough documents */
    AHEAD = 256, /* positions whose slots are fetched before they are needed */
    FETCH = 16,  /* slots whose words are fetched before */
    TAIL = 3,    /* numbers of a record after its words: df, and tf in two halves */
};

void level_free(level *l)
{
    free(l->seen);
    free(l->owner);
    free(l->at);
    free(l->tuple);
    free(l->tf);
    free(l->df);
    *l = (level){0};
}

tt_status level_meet(level *l, int32_t owner, int32_t at)
{
    if (l->met == l->room) {
        int64_t room = 2 * l->room + SLOTS_MIN;
        TT_TRY(tt_grow(l->met, room, sizeof *l->owner, "terms", &l->owner));
        TT_TRY(tt_grow(l->met, room, sizeof *l->at, "terms", &l->at));
        l->room = room;
    }
    l->owner[l->met] = owner;
    l->at[l->met++] = at;
    return TT_OK;
}

tt_status level_own(level *l, const uint32_t *tuple, int64_t tf, int64_t df, int32_t *at)
{
    if (l->own == l->own_room) {
        int64_t room = 2 * l->own_room + SLOTS_MIN;
        TT_TRY(tt_grow(l->own * l->k, room * l->k, sizeof *l->tuple, "terms", &l->tuple));
        TT_TRY(tt_grow(l->own, room, sizeof *l->tf, "terms", &l->tf));
        TT_TRY(tt_grow(l->own, room, sizeof *l->df, "terms", &l->df));
        l->own_room = room;
    }
    if (l->own == INT_MAX)
        return tt_fail(TT_ERR_INPUT,
                       "one rank counts more than %d terms; raise lyrics.min_df or run on more ranks",
                       INT_MAX);
    memcpy(l->tuple + l->own * l->k, tuple, (size_t)l->k * sizeof *tuple);
    l->tf[l->own] = tf;
    l->df[l->own] = (int32_t)df;
    *at = (int32_t)l->own++;
    return TT_OK;
}

tt_status grams_reserve(grams *g, int64_t expected)
{
    int64_t n = SLOTS_MIN;
    while (3 * n < 4 * expected) n *= 2;
    if (n <= g->n_slots) {
        memset(g->slots, 0, (size_t)g->n_slots * sizeof *g->slots);
    } else {
        free(g->slots);
        g->slots = NULL;
        g->n_slots = 0;
        TT_TRY(tt_alloc(n, sizeof *g->slots, "a table of terms", &g->slots));
        g->n_slots = n;
    }
    g->n = 0;
    return TT_OK;
}

/* What the rounds of a level share. */
typedef struct counter {
    const tt_comm *comm;
    const tt_tfidf *t;
    const documents *d;
    const level *shorter;
    level *out;
    uint32_t *word; /* [d->n] places of the words */
    grams met, own;
    uint8_t *round; /* [d->n] in which round a position is counted */
    int64_t rounds;
    double min_df;
    bool keep;
} counter;

static uint8_t round_of(uint64_t hash, int64_t rounds)
{
    return (uint8_t)((hash >> 40) * (uint64_t)rounds >> 24);
}

static int owner_of(uint64_t hash, int size)
{
    return (int)((hash >> 8 & 0xFFFFFFFF) * (uint64_t)size >> 32);
}

/* Deal this rank's positions to rounds. A term is in enough documents only if both terms of one word less
 * within it are. */
static void plan_rounds(counter *c)
{
    const int32_t *seen = c->shorter->seen;
    memset(c->round, NEVER, (size_t)c->d->n);
    for (int64_t i = 0; i < c->t->count; i++) {
        int64_t last = c->d->begin[i + 1] - c->out->k + 1;
        for (int64_t p = c->d->begin[i]; p < last; p++)
            if (seen[p] != NO_TERM && seen[p + 1] != NO_TERM)
                c->round[p] = round_of(gram_hash(c->word + p, c->out->k), c->rounds);
    }
}

/* Count positions [begin, end), AHEAD of them at most, of one text. */
static void meet_some(counter *c, int32_t text, int64_t begin, int64_t end, uint8_t round)
{
    uint64_t hash[AHEAD];
    int64_t at[AHEAD];
    int n = 0;
    for (int64_t p = begin; p < end; p++) {
        if (c->round[p] != round) continue;
        hash[n] = gram_hash(c->word + p, c->out->k);
        __builtin_prefetch(&c->met.slots[hash[n] & (uint64_t)(c->met.n_slots - 1)], 1);
        at[n++] = p;
    }
    for (int i = 0; i < n; i++) {
        gram *g = gram_find(&c->met, hash[i], at[i]);
        g->tf++;
        g->df += g->document != text + 1;
        g->document = text + 1;
        c->out->seen[at[i]] = g->id;
    }
}

static void meet(counter *c, uint8_t round)
{
    for (int64_t i = 0; i < c->t->count; i++)
        for (int64_t p = c->d->begin[i], last = c->d->begin[i + 1]; p < last; p += AHEAD)
            meet_some(c, (int32_t)i, p, p + AHEAD < last ? p + AHEAD : last, round);
}

/* The terms met, packed for their owners; order[i] is the id of the one sent i-th. */
static void pack(const counter *c, int64_t *at, uint32_t *records, int32_t *order)
{
    const grams *m = &c->met;
    int width = c->out->k + TAIL;
    for (int64_t i = 0; i < m->n_slots; i++) {
        const gram *g = &m->slots[i];
        if (i + FETCH < m->n_slots) __builtin_prefetch(m->base + m->slots[i + FETCH].at);
        if (g->at == 0) continue;
        int64_t to = at[owner_of(g->hash, c->comm->size)]++;
        uint32_t *record = records + to * width;
        for (int w = 0; w < m->k; w++) record[w] = m->base[g->at - 1 + w];
        record[m->k] = (uint32_t)g->df;
        record[m->k + 1] = (uint32_t)g->tf;
        record[m->k + 2] = (uint32_t)((uint64_t)g->tf >> 32);
        order[to] = g->id;
    }
}

/* Terms for each rank, and in at [size + 1] where they begin. */
static void count_owners(const counter *c, int64_t *count, int64_t *at)
{
    int size = c->comm->size;
    for (int64_t i = 0; i < c->met.n_slots; i++)
        if (c->met.slots[i].at != 0) count[owner_of(c->met.slots[i].hash, size)]++;
    for (int r = 0; r < size; r++) at[r + 1] = at[r] + count[r];
}

/* Add up what came, and answer each record: its term's number here, or NO_TERM. */
static tt_status own(counter *c, const uint32_t *records, int64_t n, int32_t *answer)
{
    int width = c->out->k + TAIL;
    if (n > INT_MAX)
        return tt_fail(TT_ERR_INPUT, "one rank counts more than %d terms; run on more ranks", INT_MAX);
    c->own = (grams){
        .k = c->out->k, .base = records, .stride = width, .slots = c->own.slots, .n_slots = c->own.n_slots};
    TT_TRY(grams_reserve(&c->own, n));
    int32_t *number = NULL;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t *record = records + i * width, *tail = record + c->out->k;
        gram *g = gram_find(&c->own, gram_hash(record, c->out->k), i);
        g->df += (int32_t)tail[0];
        g->tf += (int64_t)(tail[1] | (uint64_t)tail[2] << 32);
        answer[i] = g->id;
    }
    TT_TRY(tt_alloc(c->own.n, sizeof *number, "terms", &number));
    tt_status s = TT_OK;
    for (int64_t i = 0; s == TT_OK && i < c->own.n_slots; i++) {
        const gram *g = &c->own.slots[i];
        if (g->at == 0) continue;
        number[g->id] = NO_TERM;
        if (g->df < c->min_df) continue;
        number[g->id] = 0;
        if (c->keep)
            s = level_own(c->out, records + (g->at - 1) * (int64_t)width, g->tf, g->df, &number[g->id]);
    }
    for (int64_t i = 0; i < n; i++) answer[i] = number[answer[i]];
    free(number);
    return s;
}

/* Number the terms that are in enough documents, and say at which positions they begin. */
static tt_status take_answers(counter *c, uint8_t round, const int64_t *count, const int32_t *order,
                              const int32_t *answer)
{
    int32_t *number;
    TT_TRY(tt_alloc(c->met.n, sizeof *number, "terms", &number));
    tt_status s = TT_OK;
    int64_t i = 0;
    for (int r = 0; r < c->comm->size; r++)
        for (int64_t end = i + count[r]; s == TT_OK && i < end; i++) {
            number[order[i]] = answer[i] == NO_TERM ? NO_TERM : (int32_t)c->out->met;
            if (answer[i] != NO_TERM) s = level_meet(c->out, r, answer[i]);
        }
    for (int64_t p = 0; s == TT_OK && p < c->d->n; p++)
        if (c->round[p] == round) c->out->seen[p] = number[c->out->seen[p]];
    free(number);
    return s;
}

/* Send, count, answer. count [4, size]: terms and bytes for each rank, bytes from each, where terms begin. */
static tt_status exchange(counter *c, uint8_t round, int64_t *count, int64_t *at)
{
    int size = c->comm->size, width = c->out->k + TAIL;
    int64_t *bytes = count + size, *came = count + 2 * size, n = c->met.n, arrived = 0;
    uint32_t *records = NULL, *got = NULL;
    int32_t *order = NULL, *answer = NULL, *back = NULL;
    tt_status s = tt_alloc(n * width, sizeof *records, "terms", &records);
    if (s == TT_OK) s = tt_alloc(n, sizeof *order, "terms", &order);
    s = tt_agree(c->comm, s);
    if (s == TT_OK) {
        pack(c, at, records, order);
        for (int r = 0; r < size; r++) bytes[r] = count[r] * width * (int64_t)sizeof *records;
        s = tt_exchange(c->comm, records, bytes, &got, came);
    }
    free(records);
    for (int r = 0; s == TT_OK && r < size; r++) {
        arrived += came[r] / (width * (int64_t)sizeof *got);
        came[r] /= width;
    }
    if (s == TT_OK) s = tt_alloc(arrived, sizeof *answer, "terms", &answer);
    if (s == TT_OK) s = own(c, got, arrived, answer);
    s = tt_agree(c->comm, s);
    free(got);
    if (s == TT_OK) s = tt_exchange(c->comm, answer, came, &back, bytes);
    free(answer);
    if (s == TT_OK) s = take_answers(c, round, count, order, back);
    free(back);
    free(order);
    return tt_agree(c->comm, s);
}

static tt_status one_round(counter *c, uint8_t round, int64_t expected)
{
    int64_t *count = NULL;
    int size = c->comm->size;
    c->met = (grams){
        .k = c->out->k, .base = c->word, .stride = 1, .slots = c->met.slots, .n_slots = c->met.n_slots};
    tt_status s = grams_reserve(&c->met, expected);
    if (s == TT_OK) s = tt_alloc(4 * size + 1, sizeof *count, "terms", &count);
    if (s == TT_OK) s = tt_stop_status();
    s = tt_agree(c->comm, s);
    if (s == TT_OK) {
        meet(c, round);
        count_owners(c, count, count + 3 * size);
        s = exchange(c, round, count, count + 3 * size);
    }
    free(count);
    return s;
}

tt_status level_make(const tt_comm *comm, const tt_tfidf *t, const documents *d, const uint32_t *place,
                     const level *shorter, double min_df, bool keep, level *out)
{
    counter c = {
        .comm = comm, .t = t, .d = d, .shorter = shorter, .out = out, .min_df = min_df, .keep = keep};
    out->k = shorter->k + 1;
    tt_status s = tt_alloc(d->n, sizeof *c.word, "terms", &c.word);
    if (s == TT_OK) s = tt_alloc(d->n, sizeof *out->seen, "terms", &out->seen);
    if (s == TT_OK) s = tt_alloc(d->n, 1, "terms", &c.round);
    s = tt_agree(comm, s);
    for (int64_t p = 0; s == TT_OK && p < d->n; p++) {
        c.word[p] = place[d->word[p]];
        out->seen[p] = NO_TERM;
    }
    int64_t positions = tt_max_i64(comm, d->n);
    c.rounds = positions / ROUND_MIN + 1 < ROUNDS_MAX ? positions / ROUND_MIN + 1 : ROUNDS_MAX;
    int64_t expected = d->n / c.rounds + d->n / (8 * c.rounds); /* more than a fair share: hashes are even */
    if (s == TT_OK) plan_rounds(&c);
    for (int64_t r = 0; s == TT_OK && r < c.rounds; r++) s = one_round(&c, (uint8_t)r, expected);
    free(c.round);
    free(c.met.slots);
    free(c.own.slots);
    free(c.word);
    return s;
}
