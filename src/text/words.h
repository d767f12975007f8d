/* Strings numbered in the order in which they are met. Private to the room. */
#ifndef TUTTI_TEXT_WORDS_H
#define TUTTI_TEXT_WORDS_H

#include "tutti/status.h"

#include <stdint.h>

typedef struct word {
    int64_t at; /**< of its text in words.text */
    int64_t tf; /**< how often it was met */
    int64_t document;
    int32_t bytes;
    int32_t df; /**< in how many documents */
} word;

typedef struct word_slot {
    uint64_t hash;
    int64_t id; /**< plus 1; 0 is free */
} word_slot;

/** Zero-initialise; free with words_free(). */
typedef struct words {
    word *v;
    char *text;
    word_slot *slots;
    int64_t n, room, text_n, text_room, n_slots;
} words;

/** Number of a string, which is added if it is new. Equal hashes are told apart by their texts. */
tt_status words_add(words *w, const char *text, int32_t bytes, int64_t *id);

/** Number of a string, -1 if it is not there. */
int64_t words_find(const words *w, const char *text, int32_t bytes);

void words_free(words *w);

#endif
