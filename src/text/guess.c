/* libexttextcat: n-gram ranks (Cavnar, Trenkle 1994) against the fingerprints that it ships. */
#include "tutti/memory.h"
#include "tutti/text.h"

#include <libexttextcat/textcat.h>
#include <stdlib.h>
#include <string.h>

/* TT_TEXTCAT is the folder of the fingerprints; the Makefile asks pkg-config for it. */
enum { GUESS_BYTES = 2048, CODE_BYTES = 16 };

struct tt_guesser {
    void *textcat;
    char code[CODE_BYTES];
};

tt_status tt_guesser_new(tt_guesser **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "a guess of languages", out));
    (*out)->textcat = special_textcat_Init(TT_TEXTCAT "fpdb.conf", TT_TEXTCAT);
    if ((*out)->textcat) return TT_OK;
    free(*out);
    *out = NULL;
    return tt_fail(TT_ERR_IO, "cannot guess languages: %sfpdb.conf or the fingerprints beside it are missing",
                   TT_TEXTCAT);
}

void tt_guesser_free(tt_guesser *g)
{
    if (!g) return;
    textcat_Done(g->textcat);
    free(g);
}

const char *tt_guess_language(tt_guesser *g, const char *text, int64_t n)
{
    int64_t used = n < GUESS_BYTES ? n : GUESS_BYTES;
    while (used > 0 && used < n && ((unsigned char)text[used] & 0xC0) == 0x80) used--;
    const char *found = textcat_Classify(g->textcat, text, (size_t)used); /* "[en--utf8][nl--utf8]" */
    size_t length = found && found[0] == '[' ? strcspn(found + 1, "-]") : 0;
    if (length >= CODE_BYTES) length = 0;
    if (length > 0) memcpy(g->code, found + 1, length);
    g->code[length] = '\0';
    return g->code;
}
