/* Texts made fit for finding words in. Private to the room. */
#ifndef TUTTI_TEXT_CLEAN_H
#define TUTTI_TEXT_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

/** What stands between words in ASCII: all but letters, digits and what may stand within a word or a number
 * by UAX 29 (_ ' . , ;) or between Hebrew letters ("). The two that versions of ICU treat differently, @ and
 * :, part words. */
bool clean_parts_words(unsigned char c);

/** Copy a text: bad UTF-8 becomes U+FFFD, a curly apostrophe a straight one, a section mark ([...] within a
 * line) and each ASCII character that parts words a blank.
 *  @param[out] to        [3 * n] room for the copy
 *  @param[out] repaired  bad sequences
 *  @param[out] sections  marks left out
 *  @return bytes written */
int64_t clean_text(const char *text, int64_t n, char *to, int64_t *repaired, int64_t *sections);

/** Bytes of the first piece of a text: all, or `most` at most, up to the end of a line, or a blank that is
 * not within a section mark, or where there is neither in so long a piece, the end of a character. */
int64_t clean_piece(const char *text, int64_t n, int64_t most);

#endif
