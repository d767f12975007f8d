/* Words of a text: ASCII by a short loop that follows the same rules, everything else by ICU. */
#include "clean.h"
#include "language.h"

#include "tutti/memory.h"
#include "tutti/text.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

enum {
    TEXT_BYTES = 1 << 22,  /* of a text that are worked on at once */
    PIECE_BYTES = 1 << 20, /* what ICU gets at once */
};

struct tt_tokenizer {
    UBreakIterator *breaks;
    const UNormalizer2 *fold;
    char *clean;        /* the text being worked on */
    UChar *wide[2];     /* a piece of it in UTF-16, as it is and folded */
    int64_t clean_room; /* bytes */
    int32_t room[2];    /* UTF-16 units */
    language_rules *rules;
    bool broken; /* the text being worked on had bad UTF-8 so far */
    tt_token_counts counts;
};

void tt_tokens_free(tt_tokens *tokens)
{
    free(tokens->bytes);
    free(tokens->length);
    *tokens = (tt_tokens){0};
}

void tt_tokenizer_free(tt_tokenizer *t)
{
    if (!t) return;
    if (t->breaks) ubrk_close(t->breaks);
    language_rules_free(t->rules);
    free(t->clean);
    free(t->wide[0]);
    free(t->wide[1]);
    free(t);
}

static tt_status fail_icu(const char *what, UErrorCode code)
{
    return tt_fail(TT_ERR_INTERNAL, "ICU cannot %s: %s", what, u_errorName(code));
}

static tt_status open_icu(tt_tokenizer *t)
{
    UErrorCode code = U_ZERO_ERROR;
    t->breaks = ubrk_open(UBRK_WORD, "", NULL, 0, &code);
    if (U_FAILURE(code)) return fail_icu("find words", code);
    t->fold = unorm2_getNFKCCasefoldInstance(&code);
    return U_FAILURE(code) ? fail_icu("fold case", code) : TT_OK;
}

tt_status tt_tokenizer_new(const tt_lyrics_params *params, const char *stop_list, tt_tokenizer **out)
{
    tt_tokenizer *t;
    TT_TRY(tt_alloc(1, sizeof *t, "a tokenizer", &t));
    tt_status s = open_icu(t);
    if (s == TT_OK) s = language_rules_new(params, t, stop_list, &t->rules);
    *out = s == TT_OK ? t : NULL;
    if (s != TT_OK) tt_tokenizer_free(t);
    return s;
}

const tt_token_counts *tt_tokenizer_counts(const tt_tokenizer *t)
{
    return &t->counts;
}

/* Room for a text of n bytes: whoever adds words to *out then need not ask. No word is longer than what it is
 * made of, but for folding, by which one code unit grows to at most 18 (U+FDFA). */
static tt_status make_room(tt_tokens *out, int64_t n)
{
    if (out->n + n > out->room) {
        int64_t room = 2 * (out->n + n);
        TT_TRY(tt_grow(out->n, room, sizeof *out->length, "words", &out->length));
        out->room = room;
    }
    if (out->n_bytes + 3 * n > out->byte_room) {
        int64_t room = 2 * (out->n_bytes + 3 * n);
        TT_TRY(tt_grow(out->n_bytes, room, 1, "words", &out->bytes));
        out->byte_room = room;
    }
    return TT_OK;
}

/* What a character does by UAX 29, of those that cleaning leaves. */
static bool is_letter(unsigned char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* Whether c holds together what stands on both sides of it (WB6, WB7, WB11, WB12). */
static bool joins(unsigned char before, unsigned char c, unsigned char after)
{
    bool any = c == '.' || c == '\'', number = any || c == ',' || c == ';';
    return (any && is_letter(before) && is_letter(after)) || (number && is_digit(before) && is_digit(after));
}

static void add_word(tt_tokenizer *t, tt_tokens *out, int64_t bytes)
{
    if (bytes > TT_WORD_BYTES) {
        t->counts.too_long++;
        return;
    }
    out->length[out->n++] = (int32_t)bytes;
    out->n_bytes += bytes;
}

/* Words of s [n], which is ASCII without what parts words. */
static void ascii_words(tt_tokenizer *t, const unsigned char *s, int64_t n, tt_tokens *out)
{
    for (int64_t i = 0; i < n;) {
        bool solid = false; /* holds more than underscores */
        int64_t at = i;
        char *to = out->bytes + out->n_bytes;
        for (; i < n; i++) {
            bool own = is_letter(s[i]) || is_digit(s[i]);
            if (!own && s[i] != '_' && !(i > at && i + 1 < n && joins(s[i - 1], s[i], s[i + 1]))) break;
            solid = solid || own;
            *to++ = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
        }
        if (solid) add_word(t, out, i - at);
        if (i == at) i++;
    }
}

static tt_status widen(tt_tokenizer *t, int which, int32_t units)
{
    if (units <= t->room[which]) return TT_OK;
    free(t->wide[which]);
    t->room[which] = 0;
    TT_TRY(tt_alloc(2 * (int64_t)units, sizeof(UChar), "words", &t->wide[which]));
    t->room[which] = 2 * units;
    return TT_OK;
}

/* A piece of UTF-8 as case-folded UTF-16 in t->wide[1]. */
static tt_status fold_piece(tt_tokenizer *t, const char *s, int32_t n, int32_t *units)
{
    UErrorCode code = U_ZERO_ERROR;
    int32_t wide = 0;
    TT_TRY(widen(t, 0, n));
    u_strFromUTF8(t->wide[0], t->room[0], &wide, s, n, &code);
    if (U_FAILURE(code)) return fail_icu("read UTF-8", code);
    TT_TRY(widen(t, 1, wide));
    *units = unorm2_normalize(t->fold, t->wide[0], wide, t->wide[1], t->room[1], &code);
    if (code == U_BUFFER_OVERFLOW_ERROR) {
        code = U_ZERO_ERROR;
        TT_TRY(widen(t, 1, *units));
        *units = unorm2_normalize(t->fold, t->wide[0], wide, t->wide[1], t->room[1], &code);
    }
    if (U_FAILURE(code)) return fail_icu("fold case", code);
    for (int32_t i = 0; i < *units; i++) /* folding gives new ASCII: full-width forms, fractions */
        if (t->wide[1][i] < 0x80 && clean_parts_words((unsigned char)t->wide[1][i])) t->wide[1][i] = ' ';
    return TT_OK;
}

/* Add units [from, to) as a word, unless it is nothing but underscores and their like. */
static void add_wide(tt_tokenizer *t, int32_t from, int32_t to, tt_tokens *out)
{
    bool solid = false;
    int32_t bytes = 0, room = 3 * (to - from); /* a unit of UTF-16 is at most three bytes */
    UErrorCode code = U_ZERO_ERROR;
    for (int32_t i = from; i < to && !solid; i++) /* half of a pair is no connector either */
        solid = u_charType(t->wide[1][i]) != U_CONNECTOR_PUNCTUATION;
    if (!solid) return;
    u_strToUTF8(out->bytes + out->n_bytes, room, &bytes, t->wide[1] + from, to - from, &code);
    if (U_SUCCESS(code) || code == U_STRING_NOT_TERMINATED_WARNING) add_word(t, out, bytes);
}

static tt_status icu_piece(tt_tokenizer *t, const char *s, int32_t n, tt_tokens *out)
{
    UErrorCode code = U_ZERO_ERROR;
    int32_t units = 0, from = 0;
    TT_TRY(fold_piece(t, s, n, &units));
    TT_TRY(make_room(out, units));
    ubrk_setText(t->breaks, t->wide[1], units, &code);
    if (U_FAILURE(code)) return fail_icu("find words", code);
    for (int32_t to; (to = ubrk_next(t->breaks)) != UBRK_DONE; from = to)
        if (ubrk_getRuleStatus(t->breaks) >= UBRK_WORD_NONE_LIMIT) add_wide(t, from, to, out);
    return TT_OK;
}

/* Words of s [n] by ICU, in pieces that end between characters. */
static tt_status icu_words(tt_tokenizer *t, const char *s, int64_t n, tt_tokens *out)
{
    for (int64_t at = 0; at < n;) {
        int64_t end = n - at <= PIECE_BYTES ? n : at + PIECE_BYTES;
        while (end < n && ((unsigned char)s[end] & 0xC0) == 0x80) end--;
        TT_TRY(icu_piece(t, s + at, (int32_t)(end - at), out));
        at = end;
    }
    return TT_OK;
}

/* End of the run from `at` to the next blank; *ascii tells what it is made of. */
static int64_t run_end(const char *s, int64_t at, int64_t n, bool *ascii)
{
    unsigned char all = 0;
    for (; at < n && s[at] != ' '; at++) all |= (unsigned char)s[at];
    *ascii = all < 0x80;
    return at;
}

/* Words of a clean text, whose blanks part words in any script: so runs of ASCII between blanks go the short
 * way, and the neighbours that are not go to ICU together. */
static tt_status all_words(tt_tokenizer *t, const char *s, int64_t n, tt_tokens *out)
{
    for (int64_t at = 0; at < n;) {
        bool ascii;
        int64_t end = run_end(s, at, n, &ascii), next = end;
        if (ascii) {
            ascii_words(t, (const unsigned char *)s + at, end - at, out);
        } else {
            while (!ascii && next < n) {
                end = next;
                next = run_end(s, next + 1, n, &ascii);
                if (!ascii) end = next;
            }
            TT_TRY(icu_words(t, s + at, end - at, out));
            TT_TRY(make_room(out, n - end));
        }
        at = end + 1;
    }
    return TT_OK;
}

tt_status tt_tokenize(tt_tokenizer *t, const char *language, const char *text, int64_t bytes, int64_t *at,
                      tt_tokens *out)
{
    int64_t repaired = 0, n = clean_piece(text + *at, bytes - *at, TEXT_BYTES);
    bool before = *at > 0 && t->broken;
    out->n = out->n_bytes = 0;
    if (3 * n > t->clean_room) {
        TT_TRY(tt_grow(0, 6 * n, 1, "lyrics", &t->clean));
        t->clean_room = 6 * n;
    }
    int64_t clean = clean_text(text + *at, n, t->clean, &repaired, &t->counts.sections);
    t->counts.repaired += repaired > 0 && !before;
    *at += n;
    TT_TRY(make_room(out, clean));
    TT_TRY(all_words(t, t->clean, clean, out));
    if (t->rules)
        TT_TRY(language_rules_apply(t->rules, language, out)); /* may read a list by this tokenizer */
    t->broken = before || repaired > 0;
    return TT_OK;
}
