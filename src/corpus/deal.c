/* Dealing tracks to ranks: exchange, and a sample sort by id. */
#include "tracks.h"

#include "tutti/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a track that travel; the texts follow, each with its NUL. */
typedef struct packed {
    int64_t offset, bytes, modified;
    double seconds;
    int32_t sample_rate, channels, status, has_lyrics;
    char format[16];
} packed;

enum { TEXTS = 7, SAMPLES_PER_RANK = 32 };

static void list_texts(tt_track *t, char **text[TEXTS])
{
    text[0] = &t->id;
    text[1] = &t->path;
    text[2] = &t->shard;
    text[3] = &t->genre;
    text[4] = &t->language;
    text[5] = &t->split;
    text[6] = &t->lyrics;
}

static tt_status pack(buffer *b, tt_track *t)
{
    packed p = {t->offset,   t->bytes,  t->modified,   t->seconds, t->sample_rate,
                t->channels, t->status, t->has_lyrics, ""};
    memcpy(p.format, t->format, sizeof p.format);
    TT_TRY(buffer_add(b, &p, sizeof p));
    char **text[TEXTS];
    list_texts(t, text);
    for (int i = 0; i < TEXTS; i++) TT_TRY(buffer_add(b, *text[i], (int64_t)strlen(*text[i]) + 1));
    return TT_OK;
}

static tt_status unpack(const char **at, tt_track *t)
{
    packed p;
    memcpy(&p, *at, sizeof p);
    *at += sizeof p;
    *t = (tt_track){.offset = p.offset,
                    .bytes = p.bytes,
                    .modified = p.modified,
                    .seconds = p.seconds,
                    .sample_rate = p.sample_rate,
                    .channels = p.channels,
                    .status = p.status,
                    .has_lyrics = p.has_lyrics != 0};
    memcpy(t->format, p.format, sizeof p.format);
    char **text[TEXTS];
    list_texts(t, text);
    for (int i = 0; i < TEXTS; i++) {
        int64_t n = (int64_t)strlen(*at);
        TT_TRY(set_text(text[i], *at, n));
        *at += n + 1;
    }
    return TT_OK;
}

/* Pack the tracks rank by rank; a track is freed as it is packed. count [ranks] gets bytes. */
static tt_status pack_by_rank(int ranks, track_list *list, const int *dest, buffer *out, int64_t *count)
{
    int64_t *next, *order;
    TT_TRY(tt_alloc(ranks + 1, sizeof *next, "an exchange of tracks", &next));
    tt_status s = tt_alloc(list->n, sizeof *order, "an exchange of tracks", &order);
    for (int64_t i = 0; s == TT_OK && i < list->n; i++) next[dest[i] + 1]++;
    for (int r = 0; r < ranks; r++) next[r + 1] += next[r];
    for (int64_t i = 0; s == TT_OK && i < list->n; i++) order[next[dest[i]]++] = i;
    for (int64_t k = 0; s == TT_OK && k < list->n; k++) {
        int64_t before = out->n;
        tt_track *t = &list->v[order[k]];
        s = pack(out, t);
        count[dest[order[k]]] += out->n - before;
        track_clear(t);
    }
    free(order);
    free(next);
    list_free(list);
    return s;
}

static tt_status unpack_all(const char *data, int64_t n, track_list *list)
{
    for (const char *at = data; at < data + n;) {
        tt_track *t = list_add(list);
        if (!t) return TT_ERR_MEMORY;
        TT_TRY(unpack(&at, t));
    }
    return TT_OK;
}

tt_status list_exchange(const tt_comm *comm, track_list *list, const int *dest, tt_status status)
{
    buffer b = {0};
    int64_t *count = NULL, got = 0;
    char *data = NULL;
    if (status == TT_OK) status = tt_alloc(2 * comm->size, sizeof *count, "an exchange of tracks", &count);
    if (status == TT_OK) status = pack_by_rank(comm->size, list, dest, &b, count);
    status = tt_agree(comm, status);
    if (status == TT_OK) status = tt_exchange(comm, b.data, count, &data, count + comm->size);
    free(b.data);
    if (status == TT_OK) {
        for (int r = 0; r < comm->size; r++) got += count[comm->size + r];
        status = tt_agree(comm, unpack_all(data, got, list));
    }
    free(data);
    free(count);
    return status;
}

tt_status gather_bytes(const tt_comm *comm, const void *data, int64_t n, char **out, int64_t *out_n)
{
    int *count = NULL, total = 0;
    *out = NULL;
    *out_n = tt_sum_i64(comm, n);
    tt_status s = tt_int(*out_n, "bytes gathered", &total);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *count, "a gathered list", &count);
    if (s == TT_OK) s = tt_alloc(total + 1, 1, "a gathered list", out);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        int mine = (int)n, *at = count + comm->size;
        MPI_Allgather(&mine, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
        for (int r = 1; r < comm->size; r++) at[r] = at[r - 1] + count[r - 1];
        MPI_Allgatherv(data, mine, MPI_BYTE, *out, count, at, MPI_BYTE, comm->mpi);
    }
    free(count);
    return s;
}

/* Some of this rank's ids, more of them where it holds more. */
static tt_status sample_ids(const track_list *list, int64_t total, int ranks, buffer *b)
{
    int64_t n =
        total > 0 ? (int64_t)((double)SAMPLES_PER_RANK * ranks * (double)list->n / (double)total) + 1 : 0;
    if (n > list->n) n = list->n;
    for (int64_t k = 0; k < n; k++) {
        const char *id = list->v[k * list->n / n].id;
        TT_TRY(buffer_add(b, id, (int64_t)strlen(id) + 1));
    }
    return TT_OK;
}

/* The rank of an id: how many of the size - 1 splitters are not above it. Equal ids meet on one rank. */
static int bucket(const char *const *samples, int64_t n, int size, const char *id)
{
    int low = 0, high = size - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (strcmp(samples[n * (middle + 1) / size], id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static tt_status sort_over_ranks(const tt_comm *comm, track_list *list, tt_status status)
{
    buffer mine = {0};
    char *all = NULL;
    const char **samples = NULL;
    int64_t bytes = 0, n = 0;
    int *dest = NULL;
    int64_t total = tt_sum_i64(comm, list->n);
    list_sort(list);
    if (status == TT_OK) status = sample_ids(list, total, comm->size, &mine);
    status = tt_agree(comm, status);
    if (status == TT_OK) status = gather_bytes(comm, mine.data, mine.n, &all, &bytes);
    if (status == TT_OK) {
        status = texts_sort(all, bytes, &samples, &n);
        if (status == TT_OK) status = tt_alloc(list->n, sizeof *dest, "sorting the corpus", &dest);
        for (int64_t i = 0; status == TT_OK && i < list->n; i++)
            dest[i] = bucket(samples, n, comm->size, list->v[i].id);
        status = list_exchange(comm, list, dest, status);
        list_sort(list);
    }
    free(dest);
    free(samples);
    free(all);
    free(mine.data);
    return status;
}

static const char *place(const tt_track *t)
{
    return t->shard[0] ? t->shard : t->path;
}

static tt_status refuse_duplicates(const track_list *list)
{
    for (int64_t i = 1; i < list->n; i++)
        if (strcmp(list->v[i - 1].id, list->v[i].id) == 0)
            return tt_fail(TT_ERR_INPUT, "two tracks are called \"%s\", in %s and in %s: ids must be unique",
                           list->v[i].id, place(&list->v[i - 1]), place(&list->v[i]));
    return TT_OK;
}

/* From contiguous pieces of any size to those of tt_partition(). */
static tt_status even_out(const tt_comm *comm, track_list *list, int64_t total)
{
    int64_t first = tt_prefix_i64(comm, list->n);
    int *dest = NULL;
    tt_status s = tt_alloc(list->n, sizeof *dest, "dealing the corpus", &dest);
    for (int64_t i = 0; s == TT_OK && i < list->n; i++) dest[i] = tt_owner(total, 1, comm->size, first + i);
    s = list_exchange(comm, list, dest, s);
    free(dest);
    return s;
}

tt_status list_deal(const tt_comm *comm, track_list *list, tt_status status, tt_tracks *out)
{
    TT_TRY(sort_over_ranks(comm, list, status));
    TT_TRY(tt_agree(comm, refuse_duplicates(list)));
    int64_t total = tt_sum_i64(comm, list->n);
    TT_TRY(even_out(comm, list, total));
    *out = (tt_tracks){.v = list->v,
                       .n = list->n,
                       .first = tt_partition(total, 1, comm->size, comm->rank).begin,
                       .total = total};
    *list = (track_list){0};
    return TT_OK;
}
