#include "tutti/distance.h"

#include "tutti/integer.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

static const size_t chunk_bytes = 1 << 20; /* of one broadcast: long enough for bandwidth, short for cache */

/* A block travels as one slot: rows, norms, extra, marks. */
struct tt_tour {
    const tt_points *points;
    const char *extra;
    size_t extra_bytes;
    size_t slot;         /* bytes of a block on its way */
    int64_t slots;       /* blocks in a full chunk */
    int owner;           /* of the chunk that is on its way */
    int64_t first, last; /* its global rows */
    MPI_Request request;
    char *arriving, *here;
    float *columns; /* [slots, cols, TT_BLOCK_ROWS] the transposed rows of the chunk that is here */
    tt_block *block;
    char *memory;
};

static size_t rows_bytes(const tt_tour *t)
{
    return (size_t)t->points->x->cols * TT_BLOCK_ROWS * sizeof(float);
}

/* Go to the run of blocks that starts at row `from`; its owner sends at most `slots` of them. */
static void aim(tt_tour *t, int64_t from)
{
    const tt_matrix *x = t->points->x;
    t->first = t->last = from;
    if (from >= x->rows) return;
    t->owner = tt_owner(x->rows, TT_BLOCK_ROWS, x->comm->size, from);
    t->last = tt_partition(x->rows, TT_BLOCK_ROWS, x->comm->size, t->owner).end;
    if (t->last - from > t->slots * TT_BLOCK_ROWS) t->last = from + t->slots * TT_BLOCK_ROWS;
}

static int64_t chunk_blocks(const tt_tour *t)
{
    return tt_ceil_div(t->last - t->first, TT_BLOCK_ROWS);
}

static int64_t block_rows(const tt_tour *t, int64_t b)
{
    int64_t left = t->last - t->first - b * TT_BLOCK_ROWS;
    return left < TT_BLOCK_ROWS ? left : TT_BLOCK_ROWS;
}

static void pack(tt_tour *t)
{
    const tt_points *p = t->points;
    for (int64_t b = 0; b < chunk_blocks(t); b++) {
        int64_t at = t->first - p->x->first + b * TT_BLOCK_ROWS;
        size_t rows = rows_bytes(t), norms = TT_BLOCK_ROWS * sizeof(float), n = (size_t)block_rows(t, b);
        char *to = t->arriving + (size_t)b * t->slot;
        memcpy(to, p->data + at * p->x->cols, rows);
        memcpy(to + rows, p->norm + at, norms);
        to += rows + norms;
        memset(to, 0, t->slot - rows - norms);
        if (t->extra_bytes > 0) memcpy(to, t->extra + (size_t)at * t->extra_bytes, n * t->extra_bytes);
        memcpy(to + t->extra_bytes * TT_BLOCK_ROWS, p->x->valid + at, n);
    }
}

/* Begin the broadcast of the chunk aimed at. */
static void launch(tt_tour *t)
{
    const tt_comm *comm = t->points->x->comm;
    if (t->first == t->last) return;
    if (comm->rank == t->owner) pack(t);
    int bytes = (int)((size_t)chunk_blocks(t) * t->slot); /* checked by tt_tour_new() */
    MPI_Ibcast(t->arriving, bytes, MPI_BYTE, t->owner, comm->mpi, &t->request);
}

static tt_status allocate(tt_tour *t)
{
    size_t per_row = (size_t)t->points->x->cols * sizeof(float) + sizeof(float) + t->extra_bytes + 1;
    t->slot = (per_row * TT_BLOCK_ROWS + 63) / 64 * 64;
    t->slots = t->slot < chunk_bytes ? (int64_t)(chunk_bytes / t->slot) : 1;
    int bytes;
    TT_TRY(tt_int((int64_t)t->slot * t->slots, "bytes of a block of rows", &bytes));
    TT_TRY(tt_alloc(2 * t->slots, t->slot, "rows of other ranks", &t->memory));
    TT_TRY(tt_alloc(t->slots, rows_bytes(t), "transposed rows", &t->columns));
    TT_TRY(tt_alloc(t->slots, sizeof *t->block, "rows of other ranks", &t->block));
    t->arriving = t->memory;
    t->here = t->memory + (size_t)t->slots * t->slot;
    return TT_OK;
}

tt_status tt_tour_new(const tt_points *points, const void *extra, size_t extra_bytes, tt_tour **out)
{
    tt_tour *t;
    tt_status s = tt_alloc(1, sizeof *t, "a tour of rows", &t);
    if (s == TT_OK) {
        *t = (tt_tour){.points = points, .extra = extra, .extra_bytes = extra_bytes};
        t->request = MPI_REQUEST_NULL;
        s = allocate(t);
    }
    s = tt_agree(points->x->comm, s);
    if (s != TT_OK) {
        tt_tour_free(t);
        t = NULL;
    } else {
        aim(t, 0);
        launch(t);
    }
    *out = t;
    return s;
}

/* Describe the blocks of the chunk that has come. */
static void unpack(tt_tour *t)
{
    int64_t cols = t->points->x->cols;
    for (int64_t b = 0; b < chunk_blocks(t); b++) {
        char *slot = t->here + (size_t)b * t->slot;
        float *columns = t->columns + b * cols * TT_BLOCK_ROWS;
        const float *rows = (const float *)(void *)slot, *norm = rows + cols * TT_BLOCK_ROWS;
        const char *extra = (const char *)(norm + TT_BLOCK_ROWS);
        tt_distance_transpose(rows, TT_BLOCK_ROWS, cols, columns);
        t->block[b] = (tt_block){
            .first = t->first + b * TT_BLOCK_ROWS,
            .count = block_rows(t, b),
            .rows = rows,
            .targets = {.n = TT_BLOCK_ROWS, .columns = columns, .norm = norm},
            .valid = (const unsigned char *)extra + t->extra_bytes * TT_BLOCK_ROWS,
            .extra = extra,
        };
    }
}

bool tt_tour_next(tt_tour *t, tt_chunk *chunk)
{
    *chunk = (tt_chunk){0};
    if (t->first == t->last) return false;
    MPI_Wait(&t->request, MPI_STATUS_IGNORE);
    char *came = t->arriving;
    t->arriving = t->here;
    t->here = came;
    unpack(t);
    *chunk = (tt_chunk){.n = chunk_blocks(t), .block = t->block};
    aim(t, t->last);
    launch(t);
    return true;
}

void tt_tour_free(tt_tour *t)
{
    if (!t) return;
    MPI_Wait(&t->request, MPI_STATUS_IGNORE);
    free(t->memory);
    free(t->columns);
    free(t->block);
    free(t);
}
