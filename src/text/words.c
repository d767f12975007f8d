#include "words.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

void words_free(words *w)
{
    free(w->v);
    free(w->text);
    free(w->slots);
    *w = (words){0};
}

/* The slot that holds the string, or the free one where it would go. */
static word_slot *find_slot(const words *w, uint64_t hash, const char *text, int32_t bytes)
{
    int64_t mask = w->n_slots - 1;
    for (int64_t i = (int64_t)(hash & (uint64_t)mask);; i = (i + 1) & mask) {
        word_slot *slot = &w->slots[i];
        if (slot->id == 0) return slot;
        if (slot->hash != hash) continue;
        const word *v = &w->v[slot->id - 1];
        if (v->bytes == bytes && memcmp(w->text + v->at, text, (size_t)bytes) == 0) return slot;
    }
}

static tt_status grow_slots(words *w)
{
    word_slot *old = w->slots;
    int64_t n = w->n_slots, grown = n > 0 ? 2 * n : 2 * FIRST_ROOM;
    TT_TRY(tt_alloc(grown, sizeof *w->slots, "the words of lyrics", &w->slots));
    w->n_slots = grown;
    for (int64_t i = 0; i < n; i++) {
        if (old[i].id == 0) continue;
        int64_t to = (int64_t)(old[i].hash & (uint64_t)(grown - 1));
        while (w->slots[to].id != 0) to = (to + 1) & (grown - 1);
        w->slots[to] = old[i];
    }
    free(old);
    return TT_OK;
}

static tt_status make_room(words *w, int64_t bytes)
{
    if (w->n == w->room) {
        int64_t room = w->room > 0 ? 2 * w->room : FIRST_ROOM;
        TT_TRY(tt_grow(w->n, room, sizeof *w->v, "the words of lyrics", &w->v));
        w->room = room;
    }
    if (w->text_n + bytes > w->text_room) {
        int64_t room = 2 * (w->text_n + bytes) + 8 * FIRST_ROOM;
        TT_TRY(tt_grow(w->text_n, room, 1, "the words of lyrics", &w->text));
        w->text_room = room;
    }
    return TT_OK;
}

tt_status words_add(words *w, const char *text, int32_t bytes, int64_t *id)
{
    uint64_t hash = tt_checksum(text, (size_t)bytes);
    if (2 * w->n >= w->n_slots) TT_TRY(grow_slots(w));
    word_slot *slot = find_slot(w, hash, text, bytes);
    if (slot->id == 0) {
        TT_TRY(make_room(w, bytes));
        memcpy(w->text + w->text_n, text, (size_t)bytes);
        w->v[w->n] = (word){.at = w->text_n, .bytes = bytes, .document = -1};
        w->text_n += bytes;
        *slot = (word_slot){hash, ++w->n};
    }
    *id = slot->id - 1;
    return TT_OK;
}

int64_t words_find(const words *w, const char *text, int32_t bytes)
{
    if (w->n == 0) return -1;
    return find_slot(w, tt_checksum(text, (size_t)bytes), text, bytes)->id - 1;
}
