#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/signal.h"

#include <stdlib.h>

/* A run of blocks that are not sound, told as one line. */
typedef struct report {
    const tt_store *store;
    const column *column;
    int64_t from, to; /**< blocks; none if equal */
    block_state state;
    int64_t bad;
} report;

static void tell(report *r)
{
    if (r->from == r->to) return;
    block_fail(r->store, r->column, r->from, r->to, r->state);
    tt_error("%s", tt_message());
    r->from = r->to = 0;
}

static bool note_block(void *context, int64_t block, block_state state)
{
    report *r = context;
    if (state != BLOCK_SOUND && r->from < r->to && r->to == block && r->state == state) {
        r->to++;
    } else {
        tell(r);
        if (state != BLOCK_SOUND) {
            r->from = block;
            r->to = block + 1;
            r->state = state;
        }
    }
    r->bad += state != BLOCK_SOUND;
    return !tt_stop_asked();
}

static tt_status verify_column(tt_store *store, column *c, int64_t *blocks, int64_t *damaged)
{
    tt_range mine = tt_partition(c->blocks, 1, store->comm.size, store->comm.rank);
    report r = {.store = store, .column = c};
    tt_status s = blocks_check(store, c, mine.begin, mine.end, note_block, &r);
    tell(&r);
    *blocks += mine.end - mine.begin;
    *damaged += r.bad;
    return s == TT_OK ? tt_stop_status() : s;
}

tt_status tt_store_verify(tt_store *store, int64_t *blocks, int64_t *damaged)
{
    char **list;
    int n;
    int64_t mine = 0, bad = 0;
    tt_status s = tt_store_list(store, &list, &n);
    for (int i = 0; i < n && s == TT_OK; i++) {
        column *c;
        s = column_find(store, list[i], &c);
        /* what is neither number nor text has no checksums either */
        if (s == TT_ERR_INPUT)
            s = TT_OK;
        else if (s == TT_OK && c && c->check >= 0)
            s = verify_column(store, c, &mine, &bad);
    }
    free(list);
    TT_TRY(tt_agree(&store->comm, s));
    *blocks = tt_sum_i64(&store->comm, mine + store->sealed);
    *damaged = tt_sum_i64(&store->comm, bad);
    return TT_OK;
}
