#include "vae/feed.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At least eight lanes, so that eight ranks share a batch of any size, and of at most 64 rows, where
 * GEMM is near its full rate and more ranks share larger batches. */
enum { LANES_MIN = 8, LANE_ROWS_MAX = 64 };

/* Bytes of rows that a window holds where the rank's own share is not smaller. */
static const int64_t window_bytes = INT64_C(8) << 20;

static void plan_lanes(tt_feed *f, int64_t batch_size, bool reproducible)
{
    const tt_comm *comm = f->samples->x.comm;
    int64_t n = f->samples->n_train;
    f->steps = tt_ceil_div(n, batch_size);
    int64_t largest = tt_ceil_div(n, tt_larger(f->steps, 1));
    f->lanes = reproducible ? tt_larger(LANES_MIN, tt_ceil_div(largest, LANE_ROWS_MAX)) : comm->size;
    f->lane_rows = tt_larger(tt_ceil_div(largest, f->lanes), 1);
    tt_range mine = tt_partition(f->lanes, 1, comm->size, comm->rank);
    f->first_lane = mine.begin;
    f->n_lanes = mine.end - mine.begin;
}

/* Steps per window: what keeps the busiest rank within its share of the rows and within window_bytes. */
static void plan_window(tt_feed *f)
{
    const tt_matrix *x = &f->samples->x;
    int64_t share = tt_ceil_div(f->samples->n_train, x->comm->size * tt_pools_count(f->pools));
    int64_t per_step = tt_ceil_div(f->lanes, x->comm->size) * f->lane_rows;
    int64_t rows = tt_smaller(share, window_bytes / (x->cols * (int64_t)sizeof(float)));
    f->window = tt_larger(tt_smaller(rows / per_step, f->steps), 1);
}

static tt_status allocate(tt_feed *f)
{
    const tt_samples *s = f->samples;
    int64_t held = f->window * f->n_lanes * f->lane_rows;
    for (int64_t i = 0; i < s->x.count; i++) f->n_local += s->train[i];
    TT_TRY(tt_alloc(tt_pools_count(f->pools) + 1, sizeof *f->start, "the order of an epoch", &f->start));
    TT_TRY(tt_alloc(f->n_local, sizeof *f->order, "the order of an epoch", &f->order));
    TT_TRY(tt_alloc(held, sizeof *f->ids, "rows of a batch", &f->ids));
    if (s->condition) TT_TRY(tt_alloc(held, sizeof *f->conditions, "rows of a batch", &f->conditions));
    return tt_alloc(held * s->x.cols, sizeof *f->rows, "rows of a batch", &f->rows);
}

int64_t tt_feed_memory(const tt_train_params *settings)
{
    return (int64_t)ceil(settings->memory * (1 << 20));
}

tt_status tt_feed_new(const tt_samples *samples, const tt_scaling *scaling, uint64_t seed,
                      const tt_train_params *settings, tt_feed *out)
{
    *out = (tt_feed){.samples = samples, .scaling = scaling, .seed = seed, .epoch = -1};
    TT_TRY(tt_agree(samples->x.comm,
                    tt_pools_new(samples, seed, settings->epochs, tt_feed_memory(settings), &out->pools)));
    plan_lanes(out, settings->batch_size, settings->reproducible);
    plan_window(out);
    return tt_agree(samples->x.comm, allocate(out));
}

void tt_feed_free(tt_feed *feed)
{
    tt_pools_free(feed->pools);
    free(feed->start);
    free(feed->order);
    free(feed->rows);
    free(feed->ids);
    free(feed->conditions);
    *feed = (tt_feed){0};
}

void tt_feed_settle(const tt_feed *feed)
{
    tt_pools_settle(feed->pools);
}

tt_range tt_feed_batch(const tt_feed *feed, int64_t step)
{
    int64_t n = feed->samples->n_train, whole = n / feed->steps, more = n % feed->steps;
    int64_t begin = step * whole + tt_smaller(step, more);
    return (tt_range){begin, begin + whole + (step < more)};
}

/* The batch that a position of the order falls into. */
static int64_t step_of(const tt_feed *f, int64_t position)
{
    int64_t n = f->samples->n_train, whole = n / f->steps, more = n % f->steps;
    if (position < more * (whole + 1)) return position / (whole + 1);
    return more + (position - more * (whole + 1)) / whole;
}

static int by_position(const void *a, const void *b)
{
    const tt_feed_place *p = a, *q = b;
    return (p->position > q->position) - (p->position < q->position);
}

/* Training rows that a local block has. */
static int64_t count_block(const tt_feed *f, int64_t begin)
{
    int64_t n = 0, end = tt_smaller(begin + TT_BLOCK_ROWS, f->samples->x.count);
    for (int64_t i = begin; i < end; i++) n += f->samples->train[i];
    return n;
}

/* Training rows of each pool: on the ranks before this one, and over all. Collective. */
static tt_status count_pools(const tt_feed *f, int64_t epoch, int64_t *before, int64_t *total)
{
    const tt_matrix *x = &f->samples->x;
    int n;
    TT_TRY(tt_int(tt_pools_count(f->pools), "pools of rows", &n));
    for (int64_t i = 0; i < x->count; i += TT_BLOCK_ROWS)
        total[tt_pools_of(f->pools, epoch, (x->first + i) / TT_BLOCK_ROWS)] += count_block(f, i);
    MPI_Exscan(total, before, n, MPI_INT64_T, MPI_SUM, x->comm->mpi);
    if (x->comm->rank == 0) memset(before, 0, (size_t)n * sizeof *before);
    MPI_Allreduce(MPI_IN_PLACE, total, n, MPI_INT64_T, MPI_SUM, x->comm->mpi);
    return TT_OK;
}

/* Positions of a local block's training rows; `from` counts those of its pool. */
static void place_block(tt_feed *f, tt_stream s, int64_t start, int64_t total, int64_t begin, int64_t *from,
                        tt_feed_place **to)
{
    int64_t end = tt_smaller(begin + TT_BLOCK_ROWS, f->samples->x.count);
    for (int64_t i = begin; i < end; i++)
        if (f->samples->train[i])
            *(*to)++ = (tt_feed_place){
                start + (int64_t)tt_random_permute(s, (uint64_t)(*from)++, (uint64_t)total), i};
}

/* Collective. */
static tt_status order_epoch(tt_feed *f, int64_t epoch)
{
    const tt_matrix *x = &f->samples->x;
    int64_t n = tt_pools_count(f->pools), *before = NULL;
    tt_feed_place *to = f->order;
    TT_TRY(tt_agree(x->comm, tt_alloc(2 * n, sizeof *before, "the order of an epoch", &before)));
    int64_t *total = before + n;
    tt_status s = count_pools(f, epoch, before, total);
    for (int64_t p = 0; s == TT_OK && p < n; p++) f->start[p + 1] = f->start[p] + total[p];
    for (int64_t i = 0; s == TT_OK && i < x->count; i += TT_BLOCK_ROWS) {
        int64_t p = tt_pools_of(f->pools, epoch, (x->first + i) / TT_BLOCK_ROWS);
        tt_stream stream = {f->seed, TT_FOR_SHUFFLE, (uint64_t)p << 32 | (uint64_t)epoch};
        place_block(f, stream, f->start[p], total[p], i, &before[p], &to);
    }
    free(before);
    qsort(f->order, (size_t)f->n_local, sizeof *f->order, by_position);
    f->epoch = epoch;
    f->window_steps = 0;
    return s;
}

/* First place in the order at or after `position`. */
static int64_t find(const tt_feed *f, int64_t position)
{
    int64_t low = 0, high = f->n_local;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (f->order[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where a row on its way belongs; its values follow. */
typedef struct parcel {
    int64_t slot; /* (step in the window * lanes + lane) * lane_rows + row in the lane */
    int64_t id, condition;
} parcel;

static size_t parcel_bytes(const tt_feed *f)
{
    return sizeof(parcel) + (size_t)f->samples->x.cols * sizeof(float);
}

static int64_t slot_of(const tt_feed *f, int64_t position)
{
    int64_t step = step_of(f, position);
    return (step - f->window_first) * f->lanes * f->lane_rows + position - tt_feed_batch(f, step).begin;
}

static int rank_of(const tt_feed *f, int64_t slot)
{
    return tt_owner(f->lanes, 1, f->samples->x.comm->size, slot / f->lane_rows % f->lanes);
}

/* Pool of a position, at or after pool `from`. */
static int64_t pool_at(const tt_feed *f, int64_t position, int64_t from)
{
    while (position >= f->start[from + 1]) from++;
    return from;
}

/* Enter what is known of a row into its slot, one of this rank's. @return where its values belong */
static float *take_slot(tt_feed *f, const parcel *head)
{
    int64_t step = head->slot / (f->lanes * f->lane_rows), in_step = head->slot % (f->lanes * f->lane_rows);
    int64_t to = (step * f->n_lanes - f->first_lane) * f->lane_rows + in_step;
    f->ids[to] = head->id;
    if (f->conditions) f->conditions[to] = (int32_t)head->condition;
    return f->rows + to * f->samples->x.cols;
}

/* The row at a place of the order, scaled. @param[in,out] pool  of an earlier place, becomes this one's */
static void scale_place(const tt_feed *f, int64_t place, int64_t *pool, float *out)
{
    *pool = pool_at(f, f->order[place].position, *pool);
    const float *row =
        tt_pools_row(f->pools, f->epoch * tt_pools_count(f->pools) + *pool, f->order[place].row);
    tt_scaling_row(f->scaling, f->samples->x.shift, row, out);
}

/* Put the rows of places [begin, end) that stay into their slots, and pack the others by destination;
 * count[r] gets the bytes for rank r. */
static tt_status pack(tt_feed *f, int64_t begin, int64_t end, int64_t *count, char **out)
{
    const tt_matrix *x = &f->samples->x;
    size_t bytes = parcel_bytes(f);
    int64_t *at = NULL, pool = 0, leaving = 0;
    TT_TRY(tt_alloc(x->comm->size, sizeof *at, "rows on their way", &at));
    for (int64_t i = begin; i < end; i++)
        count[rank_of(f, slot_of(f, f->order[i].position))] += (int64_t)bytes;
    count[x->comm->rank] = 0;
    for (int r = 0; r < x->comm->size; r++) {
        at[r] = leaving;
        leaving += count[r];
    }
    tt_status s = tt_alloc(leaving, 1, "rows on their way", out);
    for (int64_t i = begin; s == TT_OK && i < end; i++) {
        int64_t row = f->order[i].row;
        int64_t condition = f->samples->condition ? f->samples->condition[row] : -1;
        parcel head = {slot_of(f, f->order[i].position), x->first + row, condition};
        int r = rank_of(f, head.slot);
        if (r == x->comm->rank) {
            scale_place(f, i, &pool, take_slot(f, &head));
            continue;
        }
        memcpy(*out + at[r], &head, sizeof head);
        scale_place(f, i, &pool, (float *)(void *)(*out + at[r] + sizeof head));
        at[r] += (int64_t)bytes;
    }
    free(at);
    return s;
}

static void unpack(tt_feed *f, const char *arrived, int64_t bytes)
{
    for (int64_t at = 0; at < bytes; at += (int64_t)parcel_bytes(f)) {
        parcel head;
        memcpy(&head, arrived + at, sizeof head);
        memcpy(take_slot(f, &head), arrived + at + sizeof head, (size_t)f->samples->x.cols * sizeof *f->rows);
    }
}

/* Rows of this rank's lanes beyond the end of a batch are zeros. */
static void clear_padding(tt_feed *f)
{
    int64_t cols = f->samples->x.cols, own = f->n_lanes * f->lane_rows;
    for (int64_t i = 0; i < f->window_steps; i++) {
        tt_range batch = tt_feed_batch(f, f->window_first + i);
        int64_t used = batch.end - batch.begin - f->first_lane * f->lane_rows;
        used = tt_larger(tt_smaller(used, own), 0);
        memset(f->rows + (i * own + used) * cols, 0, (size_t)((own - used) * cols) * sizeof *f->rows);
    }
}

/* Have the pools of positions [begin, end). */
static tt_status need_pools(tt_feed *f, tt_range rows)
{
    int64_t n = tt_pools_count(f->pools), first = pool_at(f, rows.begin, 0);
    int64_t last = pool_at(f, rows.end - 1, first);
    return tt_pools_need(f->pools, f->epoch * n + first, f->epoch * n + last);
}

/* Fetch the window that begins with `step`. Collective. */
static tt_status fetch(tt_feed *f, int64_t step)
{
    const tt_comm *comm = f->samples->x.comm;
    f->window_first = step;
    f->window_steps = tt_smaller(f->window, f->steps - step);
    tt_range rows = {tt_feed_batch(f, step).begin, tt_feed_batch(f, step + f->window_steps - 1).end};
    int64_t begin = find(f, rows.begin), end = find(f, rows.end), *count = NULL, total = 0;
    char *packed = NULL, *arrived = NULL;
    tt_status s = need_pools(f, rows);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *count, "rows on their way", &count);
    if (s == TT_OK) s = pack(f, begin, end, count, &packed);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, packed, count, &arrived, count + comm->size);
    free(packed);
    if (s == TT_OK) {
        for (int r = 0; r < comm->size; r++) total += count[comm->size + r];
        unpack(f, arrived, total);
        clear_padding(f);
    }
    free(arrived);
    free(count);
    return s;
}

tt_status tt_feed_step(tt_feed *feed, int64_t epoch, int64_t step)
{
    if (feed->epoch != epoch) TT_TRY(order_epoch(feed, epoch));
    if (step >= feed->window_first && step < feed->window_first + feed->window_steps) return TT_OK;
    return fetch(feed, step);
}

tt_lane tt_feed_lane(const tt_feed *feed, int64_t step, int64_t lane)
{
    tt_range batch = tt_feed_batch(feed, step);
    int64_t used = batch.end - batch.begin - (feed->first_lane + lane) * feed->lane_rows;
    int64_t at = ((step - feed->window_first) * feed->n_lanes + lane) * feed->lane_rows;
    return (tt_lane){.used = tt_larger(tt_smaller(used, feed->lane_rows), 0),
                     .rows = feed->rows + at * feed->samples->x.cols,
                     .id = feed->ids + at,
                     .condition = feed->conditions ? feed->conditions + at : NULL};
}
