/* Questions to other ranks, and texts of words by their places. */
#include "internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Numbers in the order of the ranks they go to. */
typedef struct letters {
    int64_t *count; /* [2, size] bytes sent to and come from each rank */
    int64_t *at;    /* [size + 1] */
    int64_t *place; /* [n] where each went */
    int32_t *sent, *got;
    int64_t n_got;
} letters;

static void free_letters(letters *l)
{
    free(l->count);
    free(l->at);
    free(l->place);
    free(l->sent);
    free(l->got);
}

static tt_status sort_letters(const tt_comm *comm, const int32_t *ask, const int32_t *dest, int64_t n,
                              letters *l)
{
    TT_TRY(tt_alloc(2 * comm->size, sizeof *l->count, "questions", &l->count));
    TT_TRY(tt_alloc(comm->size + 1, sizeof *l->at, "questions", &l->at));
    TT_TRY(tt_alloc(n, sizeof *l->place, "questions", &l->place));
    TT_TRY(tt_alloc(n, sizeof *l->sent, "questions", &l->sent));
    for (int64_t i = 0; i < n; i++) l->count[dest[i]] += (int64_t)sizeof *ask;
    for (int r = 0; r < comm->size; r++) l->at[r + 1] = l->at[r] + l->count[r] / (int64_t)sizeof *ask;
    for (int64_t i = 0; i < n; i++) {
        l->place[i] = l->at[dest[i]]++;
        l->sent[l->place[i]] = ask[i];
    }
    return TT_OK;
}

static tt_status send_letters(const tt_comm *comm, const int32_t *ask, const int32_t *dest, int64_t n,
                              letters *l, tt_status status)
{
    if (status == TT_OK) status = sort_letters(comm, ask, dest, n, l);
    TT_TRY(tt_agree(comm, status));
    TT_TRY(tt_exchange(comm, l->sent, l->count, &l->got, l->count + comm->size));
    for (int r = 0; r < comm->size; r++) l->n_got += l->count[comm->size + r] / (int64_t)sizeof *ask;
    return TT_OK;
}

tt_status ask_ranks(const tt_comm *comm, const int32_t *ask, const int32_t *dest, int64_t n,
                    void (*fill)(const void *context, const int32_t *asked, int64_t n, int32_t *answer),
                    const void *context, int32_t *answer, tt_status status)
{
    letters l = {0};
    int32_t *mine = NULL, *back = NULL;
    tt_status s = send_letters(comm, ask, dest, n, &l, status);
    if (s == TT_OK) s = tt_agree(comm, tt_alloc(l.n_got, sizeof *mine, "answers", &mine));
    if (s == TT_OK) {
        fill(context, l.got, l.n_got, mine);
        s = tt_exchange(comm, mine, l.count + comm->size, &back, l.count);
    }
    for (int64_t i = 0; s == TT_OK && i < n; i++) answer[i] = back[l.place[i]];
    free(back);
    free(mine);
    free_letters(&l);
    return s;
}

static void fill_lengths(const void *context, const int32_t *asked, int64_t n, int32_t *answer)
{
    const lexicon *x = context;
    for (int64_t i = 0; i < n; i++) answer[i] = x->sorted.v[asked[i]]->key_bytes;
}

/* The rank that a place belongs to. */
static int32_t rank_of(const tt_comm *comm, const lexicon *x, uint32_t place)
{
    int low = 0, high = comm->size;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (x->first[middle] <= (int64_t)place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The texts asked for, one after the other, and the bytes for each rank. */
static tt_status pack_texts(const tt_comm *comm, const lexicon *x, const letters *l, char **out,
                            int64_t *count)
{
    int64_t i = 0, total = 0;
    for (int64_t k = 0; k < l->n_got; k++) total += x->sorted.v[l->got[k]]->key_bytes;
    TT_TRY(tt_alloc(total, 1, "terms", out));
    char *to = *out;
    for (int r = 0; r < comm->size; r++) {
        const char *from = to;
        for (int64_t end = i + l->count[comm->size + r] / (int64_t)sizeof *l->got; i < end; i++) {
            const item *w = x->sorted.v[l->got[i]];
            memcpy(to, w->key, (size_t)w->key_bytes);
            to += w->key_bytes;
        }
        count[r] = to - from;
    }
    return TT_OK;
}

/* Texts came in the order of l->place; put them in the order of asking. */
static tt_status order_texts(const letters *l, int64_t n, const int32_t *length, const char *came, char **out)
{
    int64_t *at = NULL, total = 0;
    TT_TRY(tt_alloc(n + 1, sizeof *at, "terms", &at));
    for (int64_t i = 0; i < n; i++) at[l->place[i]] = length[i];
    for (int64_t i = 0; i < n; i++) {
        int64_t bytes = at[i];
        at[i] = total;
        total += bytes;
    }
    tt_status s = tt_alloc(total, 1, "terms", out);
    char *to = *out;
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        memcpy(to, came + at[l->place[i]], (size_t)length[i]);
        to += length[i];
    }
    free(at);
    return s;
}

static tt_status fetch_texts(const tt_comm *comm, const lexicon *x, const int32_t *ask, const int32_t *dest,
                             int64_t n, const int32_t *length, char **text)
{
    letters l = {0};
    char *mine = NULL, *came = NULL;
    int64_t *count = NULL;
    tt_status s =
        send_letters(comm, ask, dest, n, &l, tt_alloc(2 * comm->size, sizeof *count, "terms", &count));
    if (s == TT_OK) s = tt_agree(comm, pack_texts(comm, x, &l, &mine, count));
    if (s == TT_OK) s = tt_exchange(comm, mine, count, &came, count + comm->size);
    if (s == TT_OK) s = tt_agree(comm, order_texts(&l, n, length, came, text));
    free(came);
    free(mine);
    free(count);
    free_letters(&l);
    return s;
}

tt_status lexicon_texts(const tt_comm *comm, const lexicon *x, const uint32_t *place, int64_t n, char **text,
                        int32_t **length)
{
    int32_t *ask = NULL, *dest = NULL;
    *text = NULL;
    *length = NULL;
    tt_status s = tt_alloc(n, sizeof *ask, "terms", &ask);
    if (s == TT_OK) s = tt_alloc(n, sizeof *dest, "terms", &dest);
    if (s == TT_OK) s = tt_alloc(n, sizeof **length, "terms", length);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        dest[i] = rank_of(comm, x, place[i]);
        ask[i] = (int32_t)((int64_t)place[i] - x->first[dest[i]]);
    }
    s = ask_ranks(comm, ask, dest, n, fill_lengths, x, *length, s);
    if (s == TT_OK) s = fetch_texts(comm, x, ask, dest, n, *length, text);
    free(ask);
    free(dest);
    return s;
}
