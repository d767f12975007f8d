/* Ids that occur more than once over all ranks. */
#include "tracks.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* An id on its way to the rank where equal ones meet, and where it stands in what came there. */
typedef struct ticket {
    tt_hash id;
    int64_t place;
} ticket;

static int by_id(const void *x, const void *y)
{
    const ticket *a = x, *b = y;
    if (a->id.high != b->id.high) return a->id.high < b->id.high ? -1 : 1;
    return (a->id.low > b->id.low) - (a->id.low < b->id.low);
}

/* What a rank sends, and gets. */
typedef struct post {
    ticket *sent, *got;     /* rank by rank */
    int64_t n_sent, n_got;  /* tickets */
    int64_t *order;         /* [n_sent] the track of each ticket sent */
    int64_t *to, *from;     /* [ranks] tickets to and from each */
    int64_t *bytes;         /* [2 ranks] room for counts in bytes */
    char *answer, *answers; /* 1 for an id that is repeated: of the tickets that came, of those that went */
} post;

static tt_status post_new(const tt_comm *comm, int64_t n, post *p)
{
    p->n_sent = n;
    TT_TRY(tt_alloc(n, sizeof *p->sent, "checking ids", &p->sent));
    TT_TRY(tt_alloc(n, sizeof *p->order, "checking ids", &p->order));
    TT_TRY(tt_alloc(comm->size + 1, sizeof *p->to, "checking ids", &p->to));
    TT_TRY(tt_alloc(comm->size, sizeof *p->from, "checking ids", &p->from));
    return tt_alloc(2 * comm->size, sizeof *p->bytes, "checking ids", &p->bytes);
}

static void post_free(post *p)
{
    free(p->sent);
    free(p->got);
    free(p->order);
    free(p->to);
    free(p->from);
    free(p->bytes);
    free(p->answer);
    free(p->answers);
}

static tt_hash hash_id(const tt_track *t)
{
    tt_hash h = tt_hash_start();
    tt_hash_text(&h, t->id);
    return h;
}

/* Sort the tickets by the rank they go to. */
static void fill(const tt_comm *comm, const track_list *list, post *p)
{
    for (int64_t i = 0; i < list->n; i++) p->to[hash_id(&list->v[i]).low % (uint64_t)comm->size + 1]++;
    for (int r = 0; r < comm->size; r++) p->to[r + 1] += p->to[r];
    for (int64_t i = 0; i < list->n; i++) {
        tt_hash h = hash_id(&list->v[i]);
        int64_t k = p->to[h.low % (uint64_t)comm->size]++;
        p->sent[k].id = h;
        p->order[k] = i;
    }
    for (int r = comm->size; r > 0; r--) p->to[r] = p->to[r - 1]; /* the ends were made of the beginnings */
    p->to[0] = 0;
    for (int r = 0; r < comm->size; r++) p->to[r] = p->to[r + 1] - p->to[r];
}

static tt_status send(const tt_comm *comm, post *p)
{
    int64_t *in = p->bytes + comm->size;
    for (int r = 0; r < comm->size; r++) p->bytes[r] = p->to[r] * (int64_t)sizeof(ticket);
    TT_TRY(tt_exchange(comm, p->sent, p->bytes, &p->got, in));
    for (int r = 0; r < comm->size; r++) p->n_got += p->from[r] = in[r] / (int64_t)sizeof(ticket);
    return TT_OK;
}

static tt_status answer(post *p)
{
    TT_TRY(tt_alloc(p->n_got, 1, "checking ids", &p->answer));
    for (int64_t i = 0; i < p->n_got; i++) p->got[i].place = i;
    if (p->n_got > 1) qsort(p->got, (size_t)p->n_got, sizeof *p->got, by_id);
    for (int64_t i = 1; i < p->n_got; i++)
        if (by_id(&p->got[i - 1], &p->got[i]) == 0)
            p->answer[p->got[i - 1].place] = p->answer[p->got[i].place] = 1;
    return TT_OK;
}

tt_status find_repeated_ids(const tt_comm *comm, const track_list *list, tt_status status, bool **repeated)
{
    post p = {0};
    *repeated = NULL;
    if (status == TT_OK) status = tt_alloc(list->n, sizeof **repeated, "checking ids", repeated);
    if (status == TT_OK) status = post_new(comm, list->n, &p);
    status = tt_agree(comm, status);
    if (status == TT_OK) fill(comm, list, &p);
    if (status == TT_OK) status = send(comm, &p);
    if (status == TT_OK) status = tt_agree(comm, answer(&p));
    if (status == TT_OK) status = tt_exchange(comm, p.answer, p.from, &p.answers, p.bytes);
    for (int64_t k = 0; status == TT_OK && k < p.n_sent; k++) (*repeated)[p.order[k]] = p.answers[k] != 0;
    post_free(&p);
    return status;
}
