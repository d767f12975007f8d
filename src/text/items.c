#include "items.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

void items_free(items *x)
{
    free(x->data);
    free(x->v);
    *x = (items){0};
}

int64_t item_bytes(const item *i)
{
    return ((int64_t)sizeof *i + i->key_bytes + 7) / 8 * 8;
}

tt_status items_add(items *x, const item *head, const void *key)
{
    int64_t bytes = item_bytes(head);
    if (x->n_bytes + bytes > x->room) {
        int64_t room = 2 * (x->n_bytes + bytes) + 4096;
        TT_TRY(tt_grow(x->n_bytes, room, 1, "terms to sort", &x->data));
        x->room = room;
    }
    item *to = (item *)(void *)(x->data + x->n_bytes);
    *to = *head;
    memcpy(to->key, key, (size_t)head->key_bytes);
    x->n_bytes += bytes;
    x->n++;
    return TT_OK;
}

static int by_key(const void *a, const void *b)
{
    const item *x = *(const item *const *)a, *y = *(const item *const *)b;
    int32_t n = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
    int order = memcmp(x->key, y->key, (size_t)n);
    return order != 0 ? order : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static tt_status sort_local(items *x)
{
    free(x->v);
    TT_TRY(tt_alloc(x->n, sizeof(void *), "terms to sort", &x->v));
    char *at = x->data;
    for (int64_t i = 0; i < x->n; i++, at += item_bytes(x->v[i - 1])) x->v[i] = (item *)(void *)at;
    if (x->n > 1) qsort(x->v, (size_t)x->n, sizeof(void *), by_key);
    return TT_OK;
}

static tt_status pack(const items *x, int64_t from, int64_t step, items *out)
{
    for (int64_t i = from; i < x->n; i += step) TT_TRY(items_add(out, x->v[i], x->v[i]->key));
    return TT_OK;
}

/* As many samples of every rank as there are ranks, sorted, on every rank. Collective. */
static tt_status gather_samples(const tt_comm *comm, const items *x, items *all)
{
    items mine = {0};
    int *count = NULL, bytes = 0, total = 0;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "samples of terms", &count);
    int64_t step = x->n / comm->size + 1;
    if (s == TT_OK) s = pack(x, step / 2, step, &mine);
    if (s == TT_OK) s = tt_int(mine.n_bytes, "samples of terms", &bytes);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_int(tt_sum_i64(comm, mine.n_bytes), "samples of terms", &total);
    if (s == TT_OK) s = tt_agree(comm, tt_alloc(total, 1, "samples of terms", &all->data));
    if (s == TT_OK) {
        int *at = count + comm->size;
        MPI_Allgather(&bytes, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
        for (int r = 1; r < comm->size; r++) at[r] = at[r - 1] + count[r - 1];
        MPI_Allgatherv(mine.data, bytes, MPI_BYTE, all->data, count, at, MPI_BYTE, comm->mpi);
        all->n_bytes = total;
        all->n = tt_sum_i64(comm, mine.n);
        s = tt_agree(comm, sort_local(all));
    }
    items_free(&mine);
    free(count);
    return s;
}

/* Bytes of x, which is sorted and packed in order, for each rank. */
static void deal(const tt_comm *comm, const items *x, const items *samples, int64_t *count)
{
    int r = 0;
    for (int64_t i = 0; i < x->n; i++) {
        while (r < comm->size - 1 && samples->n > 0) {
            const item *split = samples->v[(r + 1) * samples->n / comm->size];
            if (by_key(&x->v[i], &split) < 0) break;
            r++;
        }
        count[r] += item_bytes(x->v[i]);
    }
}

int64_t items_count(const items *x)
{
    int64_t n = 0;
    for (int64_t at = 0; at < x->n_bytes; n++) at += item_bytes((const item *)(const void *)(x->data + at));
    return n;
}

/* Send every item to the rank whose range it lies in. Collective. */
static tt_status exchange(const tt_comm *comm, items *x, const items *samples)
{
    items packed = {0}, arrived = {0};
    int64_t *count = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "terms to sort", &count);
    if (s == TT_OK) s = pack(x, 0, 1, &packed);
    if (s == TT_OK) deal(comm, x, samples, count);
    s = tt_agree(comm, s);
    items_free(x);
    if (s == TT_OK) s = tt_exchange(comm, packed.data, count, &arrived.data, count + comm->size);
    for (int r = 0; s == TT_OK && r < comm->size; r++) arrived.n_bytes += count[comm->size + r];
    items_free(&packed);
    free(count);
    arrived.n = items_count(&arrived);
    *x = arrived;
    return s;
}

tt_status items_sort(const tt_comm *comm, items *x, tt_status status)
{
    items samples = {0};
    if (status == TT_OK) status = sort_local(x);
    TT_TRY(tt_agree(comm, status));
    tt_status s = gather_samples(comm, x, &samples);
    if (s == TT_OK) s = exchange(comm, x, &samples);
    if (s == TT_OK) s = tt_agree(comm, sort_local(x));
    items_free(&samples);
    return s;
}

typedef struct told {
    int32_t index;
    uint32_t number;
} told;

/* Pairs for each rank, one rank after the other, and how many bytes for each. */
static tt_status pack_told(const tt_comm *comm, const items *sorted, int64_t first, told **out,
                           int64_t *count)
{
    int64_t *at;
    TT_TRY(tt_alloc(sorted->n, sizeof **out, "numbers of terms", out));
    TT_TRY(tt_alloc(comm->size + 1, sizeof *at, "numbers of terms", &at));
    for (int64_t i = 0; i < sorted->n; i++) count[sorted->v[i]->rank] += (int64_t)sizeof **out;
    for (int r = 0; r < comm->size; r++) at[r + 1] = at[r] + count[r] / (int64_t)sizeof **out;
    for (int64_t i = 0; i < sorted->n; i++)
        (*out)[at[sorted->v[i]->rank]++] = (told){sorted->v[i]->index, (uint32_t)(first + i)};
    free(at);
    return TT_OK;
}

tt_status items_tell(const tt_comm *comm, const items *sorted, int64_t first, uint32_t *out)
{
    int64_t *count = NULL, total = 0;
    told *send = NULL, *got = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "numbers of terms", &count);
    if (s == TT_OK) s = pack_told(comm, sorted, first, &send, count);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, send, count, &got, count + comm->size);
    for (int r = 0; s == TT_OK && r < comm->size; r++) total += count[comm->size + r];
    for (int64_t i = 0; i < total / (int64_t)sizeof *got; i++) out[got[i].index] = got[i].number;
    free(got);
    free(send);
    free(count);
    return s;
}
