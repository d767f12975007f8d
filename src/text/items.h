/* Keys with a few numbers beside them, sorted over all ranks. Private to the room. */
#ifndef TUTTI_TEXT_ITEMS_H
#define TUTTI_TEXT_ITEMS_H

#include "tutti/comm.h"

/** Where it comes from, what was counted, and the key, which is compared as bytes. */
typedef struct item {
    int32_t key_bytes;
    int32_t rank, index; /**< who sent it, and its number there */
    int32_t df;
    int64_t tf;
    char key[];
} item;

/** Items one after the other, each at a multiple of 8 bytes. Zero-initialise; free with items_free(). */
typedef struct items {
    char *data;
    int64_t n, n_bytes, room;
    item **v; /**< [n] in order, after items_sort() */
} items;

/** Add an item; its key is copied. Not collective. */
tt_status items_add(items *x, const item *head, const void *key);

/** Bytes that an item takes in items.data. */
int64_t item_bytes(const item *i);

/** How many items data [n_bytes] holds. */
int64_t items_count(const items *x);

/** Sort by key over all ranks: afterwards a rank holds the items between those of the ranks before and after
 * it, in order, about as many as the others. No key may occur twice. A sample sort with regular samples (Shi,
 * Schaeffer 1992). Collective; `status` is this rank's own so far. */
tt_status items_sort(const tt_comm *comm, items *x, tt_status status);

/** Tell the ranks that items come from their numbers after sorting, which are `first` and up on this rank:
 * out[index] on the rank that sent an item. Collective. */
tt_status items_tell(const tt_comm *comm, const items *sorted, int64_t first, uint32_t *out);

void items_free(items *x);

#endif
