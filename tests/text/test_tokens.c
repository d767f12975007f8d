/* Words against an independent yardstick, against ICU on its own, and on texts that are none. */
#include "test.h"

#include "text/clean.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/text.h"

#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define GOLDEN  TT_TESTS "/text/golden_text.h5"
#define SCRIPTS TT_TESTS "/text/golden_scripts.h5"

static const tt_lyrics_params plain = {.stemming = "none", .stop_words = "none"};

/* Words of a text, joined by newlines. */
static char *joined(tt_tokenizer *t, const char *language, const char *text, int64_t n)
{
    tt_tokens tokens = {0};
    char *out;
    int64_t read = 0;
    assert_ok(tt_tokenize(t, language, text, n, &read, &tokens));
    assert_int_equal(read, n);
    assert_ok(tt_alloc(tokens.n_bytes + tokens.n + 1, 1, "test", &out));
    char *to = out;
    const char *at = tokens.bytes;
    for (int64_t i = 0; i < tokens.n; at += tokens.length[i++]) {
        if (i > 0) *to++ = '\n';
        memcpy(to, at, (size_t)tokens.length[i]);
        to += tokens.length[i];
    }
    tt_tokens_free(&tokens);
    return out;
}

static tt_tokenizer *tokenizer(const tt_lyrics_params *params, const char *list)
{
    tt_tokenizer *t;
    assert_ok(tt_tokenizer_new(params, list, &t));
    return t;
}

static void check(tt_tokenizer *t, const char *text, const char *expected)
{
    char *words = joined(t, "", text, (int64_t)strlen(text));
    assert_string_equal(words, expected);
    free(words);
}

/* Every row of a column of texts; free() both. */
static char *load(const char *file, const char *name, int64_t *rows, int64_t *bytes)
{
    tt_store *store;
    tt_column column;
    bool found;
    char *data;
    assert_ok(tt_store_open(&world, file, &store));
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found && column.type == TT_TEXT);
    *rows = column.dims[0];
    *bytes = column.text_bytes;
    assert_ok(tt_alloc(*rows + 1, (size_t)*bytes, "test", &data));
    assert_ok(tt_store_read(store, name, 0, *rows, TT_TEXT, data));
    tt_store_close(store);
    return data;
}

static void row_text(const char *data, int64_t bytes, int64_t row, char text[1024])
{
    snprintf(text, 1024, "%.*s", (int)bytes, data + row * bytes);
}

/* Sentences of a golden file give its words. */
static void check_sentences(const char *file)
{
    int64_t rows, bytes, n, word_bytes;
    char *sentences = load(file, "/sentences", &rows, &bytes), *words = load(file, "/words", &n, &word_bytes);
    char text[1024], expected[1024];
    tt_tokenizer *t = tokenizer(&plain, NULL);
    for (int64_t i = 0; i < rows; i++) {
        row_text(sentences, bytes, i, text);
        row_text(words, word_bytes, i, expected);
        check(t, text, expected);
    }
    tt_tokenizer_free(t);
    free(sentences);
    free(words);
}

static void test_sentences(void **state)
{
    (void)state;
    check_sentences(GOLDEN);
}

/* Thai, Chinese, Japanese, Khmer, Lao, Burmese: by ICU's dictionaries, which its versions may change. */
static void test_scripts_without_blanks(void **state)
{
    (void)state;
    tt_store *store;
    double version;
    bool found;
    assert_ok(tt_store_open(&world, SCRIPTS, &store));
    assert_ok(tt_store_get_number(store, "/", "icu", &version, &found));
    tt_store_close(store);
    assert_true(found);
    if ((int)version != U_ICU_VERSION_MAJOR_NUM) skip();
    check_sentences(SCRIPTS);
}

/* Words that scikit-learn's default pattern tears stay whole. */
static void test_whole_words(void **state)
{
    (void)state;
    int64_t rows, bytes;
    char *torn = load(GOLDEN, "/torn", &rows, &bytes), text[1024];
    tt_tokenizer *t = tokenizer(&plain, NULL);
    tt_tokens tokens = {0};
    for (int64_t i = 0; i < rows; i++) {
        int64_t read = 0;
        row_text(torn, bytes, i, text);
        assert_ok(tt_tokenize(t, "", text, (int64_t)strlen(text), &read, &tokens));
        if (tokens.n != 1) fail_msg("%s is torn into %lld", text, (long long)tokens.n);
    }
    assert_true(rows >= 15);
    tt_tokens_free(&tokens);
    tt_tokenizer_free(t);
    free(torn);
}

static void test_marks_and_damage(void **state)
{
    (void)state;
    tt_tokenizer *t = tokenizer(&plain, NULL);
    check(t, "[Chorus]\nSing it [Verse 1: All] AGAIN [unclosed\nline", "sing\nit\nagain\nunclosed\nline");
    check(t, "Don\xE2\x80\x99t stop, don't", "don't\nstop\ndon't");
    check(t, "caf\xC3\xA9 cafe\xCC\x81 \xEF\xBC\xA3\xEF\xBC\xA1\xEF\xBC\xA6\xC3\x89", "café\ncafé\ncafé");
    check(t, "bro\xFFken \xED\xA0\x80 half\xC3",
          "bro\nken\nhalf"); /* a lone surrogate; an end within a letter */
    check(t, "\xF0\x9F\x8E\xB5 la \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x8E\xA4 la", "la\nla");
    check(t, "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D world", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\nworld");
    check(t, "", "");
    check(t, "___ -- ... !", "");
    check(t, "1,000.5 a1 snake_case x-ray 3's", "1,000.5\na1\nsnake_case\nx\nray\n3\ns");
    assert_int_equal(tt_tokenizer_counts(t)->repaired, 1);
    assert_int_equal(tt_tokenizer_counts(t)->sections, 2);
    char *words = joined(t, "", "nul\0between", 11);
    assert_string_equal(words, "nul\nbetween");
    free(words);
    tt_tokenizer_free(t);
}

/* Long texts: of one word, which is none, and of many, without blanks in a script without them. */
static void test_long_texts(void **state)
{
    (void)state;
    enum { BYTES = 3 << 20 };
    int64_t read = 0;
    tt_tokenizer *t = tokenizer(&plain, NULL);
    tt_tokens tokens = {0};
    char *text;
    assert_ok(tt_alloc(BYTES, 1, "test", &text));
    memset(text, 'a', BYTES);
    assert_ok(tt_tokenize(t, "", text, BYTES, &read, &tokens));
    assert_int_equal(tokens.n, 0);
    assert_int_equal(tt_tokenizer_counts(t)->too_long, 1);
    for (int64_t i = 0; i + 6 <= BYTES; i += 6) memcpy(text + i, "\xD0\xB0\xE2\x80\x94 ", 6);
    read = 0;
    assert_ok(tt_tokenize(t, "", text, BYTES / 6 * 6, &read, &tokens));
    assert_int_equal(tokens.n, BYTES / 6);
    tt_tokens_free(&tokens);
    tt_tokenizer_free(t);
    free(text);
}

/* A text too long to be worked on at once, `unit` again and again: pieces tear neither words nor marks. */
static void check_pieces(const char *unit, int64_t words, int64_t marks)
{
    enum { BYTES = 9 << 20 };
    const int64_t length = (int64_t)strlen(unit), units = BYTES / length;
    tt_tokenizer *t = tokenizer(&plain, NULL);
    tt_tokens tokens = {0};
    char *text;
    int64_t n = 0, pieces = 0, bytes = units * length;
    assert_ok(tt_alloc(bytes, 1, "test", &text));
    for (int64_t i = 0; i < units; i++) memcpy(text + i * length, unit, (size_t)length);
    for (int64_t read = 0; read < bytes; pieces++) {
        assert_ok(tt_tokenize(t, "", text, bytes, &read, &tokens));
        n += tokens.n;
    }
    assert_int_equal(n, units * words);
    assert_in_range(pieces, 3, 4);
    assert_int_equal(tt_tokenizer_counts(t)->sections, units * marks);
    assert_int_equal(tt_tokenizer_counts(t)->repaired, strstr(unit, "\xFF") != NULL);
    tt_tokens_free(&tokens);
    tt_tokenizer_free(t);
    free(text);
}

static void test_pieces(void **state)
{
    (void)state;
    check_pieces("one \xFF two [Chorus of three]\nlonger\n", 3, 1);
    check_pieces("one two [Chorus of three] longer ", 3, 1);
    check_pieces("\xE6\xAD\x8C", 1, 0);
}

/* ICU alone: fold the whole text, then find words in it. */
static char *by_icu(const char *text, int64_t n)
{
    static char clean[8192];
    static UChar wide[8192], folded[32768];
    int64_t repaired = 0, sections = 0;
    int32_t units = 0, from = 0;
    UErrorCode code = U_ZERO_ERROR;
    char *out;
    int64_t bytes = clean_text(text, n, clean, &repaired, &sections);
    u_strFromUTF8(wide, 8192, &units, clean, (int32_t)bytes, &code);
    units = unorm2_normalize(unorm2_getNFKCCasefoldInstance(&code), wide, units, folded, 32768, &code);
    for (int32_t i = 0; i < units; i++)
        if (folded[i] < 0x80 && clean_parts_words((unsigned char)folded[i])) folded[i] = ' ';
    UBreakIterator *breaks = ubrk_open(UBRK_WORD, "", folded, units, &code);
    assert_true(U_SUCCESS(code));
    assert_ok(tt_alloc(4 * (int64_t)units + 1, 1, "test", &out));
    char *to = out;
    for (int32_t end; (end = ubrk_next(breaks)) != UBRK_DONE; from = end) {
        bool solid = false;
        int32_t used = 0;
        for (int32_t i = from; i < end; i++) solid |= u_charType(folded[i]) != U_CONNECTOR_PUNCTUATION;
        if (!solid || ubrk_getRuleStatus(breaks) < UBRK_WORD_NONE_LIMIT) continue;
        if (to > out) *to++ = '\n';
        u_strToUTF8(to, 4 * units, &used, folded + from, end - from, &code);
        code = U_ZERO_ERROR;
        to += used;
    }
    ubrk_close(breaks);
    return out;
}

/* The short way for ASCII, and cutting a text at blanks, change nothing. */
static void test_same_as_icu(void **state)
{
    (void)state;
    static const char *const piece[] = {"a",
                                        "B",
                                        "z",
                                        "1",
                                        "7",
                                        "_",
                                        "'",
                                        ".",
                                        ",",
                                        ";",
                                        ":",
                                        "-",
                                        "\"",
                                        "@",
                                        " ",
                                        " ",
                                        "\n",
                                        "\t",
                                        "é",
                                        "ß",
                                        "İ",
                                        "ǅ",
                                        "ﬁ",
                                        "½",
                                        "Ａ",
                                        "।",
                                        "বৃ",
                                        "ষ্টি",
                                        "हि",
                                        "न्दी",
                                        "مُ",
                                        "شُ",
                                        "ש",
                                        "ъ",
                                        "日",
                                        "本語",
                                        "カ",
                                        "ﾀﾞ",
                                        "ไทย",
                                        "한",
                                        "👩‍🎤",
                                        "🎵",
                                        "\xCC\x81",
                                        "\xE2\x80\x8D",
                                        "\xE2\x80\x99",
                                        "\xF0\x90\x90\x80",
                                        "\xFF"};
    enum { PIECES = sizeof piece / sizeof *piece, TEXTS = 3000, LENGTH = 24 };
    tt_tokenizer *t = tokenizer(&plain, NULL);
    for (uint64_t k = (uint64_t)world.rank; k < TEXTS; k += (uint64_t)world.size) {
        tt_stream s = {1, TT_FOR_TEST, k};
        uint64_t most = k % 2 ? PIECES : 18; /* every other text is ASCII */
        char text[512] = "";
        for (uint64_t i = 0; i < LENGTH; i++) strcat(text, piece[tt_random_below(s, i, 0, most)]);
        char *ours = joined(t, "", text, (int64_t)strlen(text)), *icu = by_icu(text, (int64_t)strlen(text));
        if (strcmp(ours, icu) != 0) fail_msg("'%s' gives\n%s\nand by ICU\n%s", text, ours, icu);
        free(ours);
        free(icu);
    }
    tt_tokenizer_free(t);
}

static void test_stems_and_stop_words(void **state)
{
    (void)state;
    tt_lyrics_params p = {.stemming = "snowball", .stop_words = "lists"};
    tt_tokenizer *t = tokenizer(&p, NULL);
    const struct {
        const char *language, *text, *words;
    } cases[] = {
        {"en", "The dancers were dancing in the streets", "dancer\ndanc\nstreet"},
        {"German", "Die Häuser und die Straßen", "haus\nstrass"},
        {"fr-CA", "Nous chantons les chansons", "chanton\nchanson"},
        {"bn", "আমি তোমার গান", "গান"}, /* a list, but no stems */
        {"", "The dancers were dancing", "the\ndancers\nwere\ndancing"},
        {"xx", "The dancers", "the\ndancers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *words = joined(t, cases[i].language, cases[i].text, (int64_t)strlen(cases[i].text));
        assert_string_equal(words, cases[i].words);
        free(words);
    }
    tt_tokenizer_free(t);
    p = (tt_lyrics_params){.stemming = "none", .stop_words = "FILE"};
    t = tokenizer(&p, "La # not a word\nYeah\n");
    check(t, "la la yeah LA sol", "sol");
    tt_tokenizer_free(t);
}

static void test_guess(void **state)
{
    (void)state;
    int64_t rows, bytes;
    char *sentences = load(GOLDEN, "/sentences", &rows, &bytes), text[1024];
    static const struct {
        int64_t row;
        const char *code;
    } known[] = {{1, "en"}, {3, "de"}, {5, "fr"}, {6, "es"}, {8, "hi"}, {10, "bn"}, {12, "ar"}, {13, "ru"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        row_text(sentences, bytes, known[i].row, text);
        assert_string_equal(tt_guess_language(text, (int64_t)strlen(text)), known[i].code);
    }
    assert_string_equal(tt_guess_language("", 0), "");
    assert_string_equal(tt_guess_language("la", 2), "");
    free(sentences);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_sentences),   cmocka_unit_test(test_scripts_without_blanks),
    cmocka_unit_test(test_whole_words), cmocka_unit_test(test_marks_and_damage),
    cmocka_unit_test(test_long_texts),  cmocka_unit_test(test_pieces),
    cmocka_unit_test(test_same_as_icu), cmocka_unit_test(test_stems_and_stop_words),
    cmocka_unit_test(test_guess),
};
TT_TEST_MAIN(cases)
