#include "vae/pool.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/signal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pools in memory at a time: two that a window of batches lies across, and one that is read ahead. */
enum { POOLS_HELD = 3, MESSAGE_BYTES = 1024 };

typedef struct pool {
    int64_t number;
    float *rows; /* [strata, TT_BLOCK_ROWS, cols] owned */
} pool;

struct tt_pools {
    const tt_samples *samples;
    uint64_t seed;
    int64_t n, end;          /* of an epoch, of all epochs */
    int64_t blocks;          /* of this rank */
    int64_t first_block;     /* its first one */
    int64_t stratum, strata; /* its first one, and how many it has blocks of */
    pool *held;              /* owned */
    int64_t n_held;
    pool ahead;   /* being read, or read and not yet asked for; rows NULL: none */
    float *spare; /* room that the last pool left; owned */
    bool reading; /* by the thread */
    pthread_t thread;
    tt_status status; /* of reading */
    char message[MESSAGE_BYTES];
};

static void plan(tt_pools *p, int64_t memory)
{
    const tt_matrix *x = &p->samples->x;
    int64_t all = tt_ceil_div(x->rows, TT_BLOCK_ROWS),
            bytes = TT_BLOCK_ROWS * x->cols * (int64_t)sizeof(float);
    int64_t most = memory / (POOLS_HELD * bytes);
    p->n = x->data || all == 0 ? 1 : tt_ceil_div(all, most > 1 ? most : 1);
    p->blocks = tt_ceil_div(x->count, TT_BLOCK_ROWS);
    p->first_block = x->first / TT_BLOCK_ROWS;
    p->stratum = p->first_block / p->n;
    p->strata = p->blocks > 0 ? (p->first_block + p->blocks - 1) / p->n - p->stratum + 1 : 0;
}

tt_status tt_pools_new(const tt_samples *samples, uint64_t seed, int64_t epochs, int64_t memory,
                       tt_pools **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "pools of rows", out));
    (*out)->samples = samples;
    (*out)->seed = seed;
    plan(*out, memory);
    (*out)->end = epochs * (*out)->n;
    return TT_OK;
}

void tt_pools_free(tt_pools *pools)
{
    if (!pools) return;
    tt_pools_settle(pools);
    for (int64_t i = 0; i < pools->n_held; i++) free(pools->held[i].rows);
    free(pools->ahead.rows);
    free(pools->spare);
    free(pools->held);
    free(pools);
}

int64_t tt_pools_count(const tt_pools *pools)
{
    return pools->n;
}

int64_t tt_pools_of(const tt_pools *pools, int64_t epoch, int64_t block)
{
    if (pools->n == 1) return 0;
    tt_stream draw = {pools->seed, TT_FOR_POOL, (uint64_t)epoch << 32 | (uint64_t)(block / pools->n)};
    return (int64_t)tt_random_permute(draw, (uint64_t)(block % pools->n), (uint64_t)pools->n);
}

static bool has_training_rows(const tt_samples *s, int64_t begin, int64_t n)
{
    return memchr(s->train + begin, 1, (size_t)n) != NULL;
}

/* Where a block of this rank lies within a pool. */
static int64_t place_of(const tt_pools *p, int64_t block)
{
    return (block / p->n - p->stratum) * TT_BLOCK_ROWS * p->samples->x.cols;
}

static tt_status read_pool(const tt_pools *p, const pool *to)
{
    const tt_samples *s = p->samples;
    int64_t epoch = to->number / p->n, index = to->number % p->n;
    for (int64_t i = 0; i < p->blocks; i++) {
        int64_t begin = i * TT_BLOCK_ROWS, n = s->x.count - begin, block = p->first_block + i;
        if (n > TT_BLOCK_ROWS) n = TT_BLOCK_ROWS;
        if (tt_pools_of(p, epoch, block) != index || !has_training_rows(s, begin, n)) continue;
        TT_TRY(tt_stop_status());
        TT_TRY(tt_matrix_file_rows(&s->file, begin, n, to->rows + place_of(p, block)));
    }
    return TT_OK;
}

/* Messages belong to their thread: this one travels. */
static void *read_ahead(void *context)
{
    tt_pools *p = context;
    p->status = read_pool(p, &p->ahead);
    if (p->status != TT_OK) snprintf(p->message, sizeof p->message, "%s", tt_message());
    return NULL;
}

/* Room for a pool, which becomes the one ahead. */
static tt_status prepare(tt_pools *p, int64_t number)
{
    const tt_matrix *x = &p->samples->x;
    p->status = TT_OK;
    p->ahead.number = number;
    p->ahead.rows = p->spare;
    p->spare = NULL;
    if (p->ahead.rows) return TT_OK;
    return tt_alloc(p->strata * TT_BLOCK_ROWS * x->cols, sizeof *p->ahead.rows, "a pool of rows",
                    &p->ahead.rows);
}

void tt_pools_settle(tt_pools *pools)
{
    if (pools->reading) pthread_join(pools->thread, NULL);
    pools->reading = false;
}

static tt_status hold(tt_pools *p)
{
    TT_TRY(tt_grow(p->n_held, p->n_held + 1, sizeof *p->held, "pools of rows", &p->held));
    p->held[p->n_held++] = p->ahead;
    p->ahead.rows = NULL;
    return TT_OK;
}

/* The one ahead, if it is the one wanted; what was read for nothing goes. */
static tt_status take_ahead(tt_pools *p, int64_t number)
{
    tt_pools_settle(p);
    bool wanted = p->ahead.rows && p->ahead.number == number;
    if (wanted && p->status != TT_OK) return tt_fail(p->status, "%s", p->message);
    if (wanted) return hold(p);
    free(p->ahead.rows);
    p->ahead.rows = NULL;
    TT_TRY(prepare(p, number));
    TT_TRY(read_pool(p, &p->ahead));
    return hold(p);
}

/* Room that is used again does not scatter over the heap. */
static void leave(tt_pools *p, float *rows)
{
    free(p->spare);
    p->spare = rows;
}

static const pool *find(const tt_pools *p, int64_t number)
{
    for (int64_t i = 0; i < p->n_held; i++)
        if (p->held[i].number == number) return &p->held[i];
    return NULL;
}

static void drop_before(tt_pools *p, int64_t first)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < p->n_held; i++) {
        if (p->held[i].number < first)
            leave(p, p->held[i].rows);
        else
            p->held[kept++] = p->held[i];
    }
    p->n_held = kept;
}

/* Where no thread is to be had, the pool is read when it is needed. */
static tt_status begin_reading(tt_pools *p, int64_t number)
{
    if (number >= p->end || p->ahead.rows || find(p, number)) return TT_OK;
    TT_TRY(prepare(p, number));
    p->reading = pthread_create(&p->thread, NULL, read_ahead, p) == 0;
    if (p->reading) return TT_OK;
    free(p->ahead.rows);
    p->ahead.rows = NULL;
    return TT_OK;
}

tt_status tt_pools_need(tt_pools *pools, int64_t first, int64_t last)
{
    if (pools->samples->x.data) return TT_OK;
    drop_before(pools, first);
    for (int64_t number = first; number <= last; number++)
        if (!find(pools, number)) TT_TRY(take_ahead(pools, number));
    return begin_reading(pools, last + 1);
}

const float *tt_pools_row(const tt_pools *pools, int64_t number, int64_t row)
{
    const tt_matrix *x = &pools->samples->x;
    if (x->data) return x->data + row * x->cols;
    int64_t block = pools->first_block + row / TT_BLOCK_ROWS;
    return find(pools, number)->rows + place_of(pools, block) + row % TT_BLOCK_ROWS * x->cols;
}
