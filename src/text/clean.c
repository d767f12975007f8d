#include "clean.h"

#include <string.h>

enum { SECTION_BYTES = 160 }; /* what is longer between brackets is text */

bool clean_parts_words(unsigned char c)
{
    if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return false;
    return c == '\0' || !strchr("_'.,;\"", c);
}

/* Bytes of the sequence at s if it is sound UTF-8; otherwise minus those to replace by one U+FFFD: the
 * longest beginning of a sound sequence (Unicode 3.9, table 3-7). */
static int sequence(const unsigned char *s, int64_t left)
{
    unsigned char c = s[0], low = 0x80, high = 0xBF;
    int want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4) return -1;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F; /* surrogates are no characters */
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    for (int i = 1; i < want; i++) {
        if (i >= left || s[i] < low || s[i] > high) return -i;
        low = 0x80;
        high = 0xBF;
    }
    return want;
}

/* Bytes of the section mark at s, which is a bracket; 0 if it is none. */
static int64_t section(const char *s, int64_t left)
{
    int64_t most = left < SECTION_BYTES ? left : SECTION_BYTES;
    for (int64_t i = 1; i < most && s[i] != '\n' && s[i] != '\r' && s[i] != '['; i++)
        if (s[i] == ']') return i + 1;
    return 0;
}

/* Whether a mark may be open at the end of s [n]. */
static bool may_be_marked(const char *s, int64_t n)
{
    size_t most = (size_t)(n < SECTION_BYTES ? n : SECTION_BYTES);
    const char *open = memrchr(s + n - most, '[', most);
    return open && !memchr(open, ']', (size_t)(s + n - open));
}

int64_t clean_piece(const char *text, int64_t n, int64_t most)
{
    if (n <= most) return n;
    for (int64_t i = most; i > 0; i--)
        if (text[i - 1] == '\n' || text[i - 1] == '\r') return i;
    for (int64_t i = most; i > 0; i--)
        if (text[i - 1] == ' ' && !may_be_marked(text, i)) return i;
    for (int64_t i = most; i > most - 4; i--)
        if (((unsigned char)text[i] & 0xC0) != 0x80) return i;
    return most;
}

/* Copy what is not ASCII at text + i; returns bytes read, and adds those written to *used. */
static int64_t copy_wide(const char *text, int64_t left, char *to, int64_t *used, int64_t *repaired)
{
    int n = sequence((const unsigned char *)text, left);
    if (n < 0) {
        memcpy(to, "\xEF\xBF\xBD", 3);
        *used += 3;
        ++*repaired;
        return -n;
    }
    if (n == 3 && memcmp(text, "\xE2\x80\x99", 3) == 0) {
        *to = '\'';
        ++*used;
        return n;
    }
    memcpy(to, text, (size_t)n);
    *used += n;
    return n;
}

int64_t clean_text(const char *text, int64_t n, char *to, int64_t *repaired, int64_t *sections)
{
    char map[128];
    int64_t used = 0;
    for (int c = 0; c < 128; c++) map[c] = clean_parts_words((unsigned char)c) ? ' ' : (char)c;
    for (int64_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        int64_t mark = c == '[' ? section(text + i, n - i) : 0;
        if (c >= 0x80) {
            i += copy_wide(text + i, n - i, to + used, &used, repaired);
        } else {
            to[used++] = map[c];
            i += mark > 0 ? mark : 1;
            *sections += mark > 0;
        }
    }
    return used;
}
