/* Stop words and stems, which go by language. Private to the room. */
#ifndef TUTTI_TEXT_LANGUAGE_H
#define TUTTI_TEXT_LANGUAGE_H

#include "tutti/text.h"

typedef struct language_rules language_rules;

/** What the settings ask for. `t` finds the words of the lists, so that they are folded as the texts are; it
 * has no rules of its own yet. @param[out] out  NULL if nothing is asked for */
tt_status language_rules_new(const tt_lyrics_params *params, tt_tokenizer *t, const char *stop_list,
                             language_rules **out);

/** Take stop words out and replace words by their stems. */
tt_status language_rules_apply(language_rules *rules, const char *language, tt_tokens *tokens);

void language_rules_free(language_rules *rules);

/** Our list for a language label, words parted by blanks; NULL if there is none. */
const char *stop_words_of(const char *language);

#endif
