/* What tar files hold: samples by WebDataset's rules, links, and headers that no library here would write. */
#include "tars.h"

typedef struct expected {
    const char *id, *genre, *language, *lyrics, *audio; /* audio NULL: none */
} expected;

static void check_tracks(const char *path, const expected *e, int64_t n)
{
    tt_tracks t;
    assert_ok(list_alone(path, "tar", &t));
    for (int64_t i = 0; i < t.n && i < n; i++) {
        assert_string_equal(t.v[i].id, e[i].id);
        assert_string_equal(t.v[i].genre, e[i].genre);
        assert_string_equal(t.v[i].language, e[i].language);
        check_lyrics(&t.v[i], e[i].lyrics);
        assert_int_equal(t.v[i].status, e[i].audio ? TT_TRACK_OK : TT_TRACK_NO_AUDIO);
        if (e[i].audio) check_window(&t.v[i], e[i].audio);
    }
    assert_int_equal(t.total, n);
    tt_tracks_free(&t);
    check_ranks_agree(path, "tar");
}

/* The key ends at the first dot; but an extension has no white space. */
static void test_samples(void **state)
{
    (void)state;
    static const member members[] = {
        {"0001.audio.mp3", "one"},
        {"0001.txt", "a caption"},
        {"0001.lyrics.txt", "la one"},
        {"0001.cls", "rock"},
        {"0001.meta.json", "{\"language\": \"en\"}"},
        {"0002.mix.wav", "mix"},
        {"0002.voice.wav", "voice"},
        {"0002.json", "{\"genre\": \"jazz\", \"id\": \"not of two\"}"},
        {"0002.voice.txt", "la voice"},
        {"0003.lyrics.txt", "words without music"},
        {"0004.meta.json", "{\"genre\": \"none\"}"},
        {"a.b.mp3", "a.b"},
        {"a.b.txt", "la a.b"},
        {"pop/01. First.mp3", "first"},
        {"pop/01. First.txt", "la first"},
        {"pop/01. Second.mp3", "second"},
        {"pop/01. Second.txt", "la second"},
        {"pop.d/R.E.M. - Losing.FLAC", "losing"},
        {"pop.d/R.E.M. - Losing.TXT", "la losing"},
        {"._0001.mp3", "a shadow of macOS"},
        {"x.wav", "x"},
        {"x.ogg", "x too"},
        {"x.txt", "la x"},
        {"hush.5.mp3", "hush"},
        {"hush.5.txt", ""},
        {"0006.hush.mp3", "hush too"},
        {"0006.json", "{\"lyrics\": \"\", \"id\": \"0006 hush\"}"},
        {"0007.mp3", "no words"},
        {"0007.json", "{\"lyrics\": null}"},
    };
    static const expected tracks[] = {
        {"0001", "rock", "en", "la one", "one"},
        {"0002.mix", "jazz", "", "", "mix"},
        {"0002.voice", "jazz", "", "la voice", "voice"},
        {"0004", "none", "", "", NULL},
        {"0006 hush", "", "", "", "hush too"},
        {"0007", "", "", "", "no words"},
        {"a", "", "", "la a.b", "a.b"},
        {"hush", "", "", "", "hush"},
        {"pop.d/R.E.M. - Losing", "pop.d", "", "la losing", "losing"},
        {"pop/01. First", "pop", "", "la first", "first"},
        {"pop/01. Second", "pop", "", "la second", "second"},
        {"x.ogg", "", "", "la x", "x too"},
        {"x.wav", "", "", "la x", "x"},
    };
    char *dir = fresh_folder("samples"), path[4096];
    snprintf(path, sizeof path, "%s/x.tar", dir);
    if (world.rank == 0) put_tar(dir, "x.tar", "ustar", members, sizeof members / sizeof *members);
    MPI_Barrier(world.mpi);
    check_tracks(path, tracks, sizeof tracks / sizeof *tracks);
    free(dir);
}

enum { BLOCK = 512, SUM_AT = 148 };

/* One header, as its bytes are to be. */
typedef struct header {
    const char *name, *prefix, *link, *body;
    char type;
    int64_t size;  /* if it is not that of the body: what the header claims */
    bool base_256; /* the size as a binary number */
    bool gnu;      /* GNU's magic, for its type S */
} header;

static void put_header(FILE *f, const header *h)
{
    unsigned char b[BLOCK] = {0};
    size_t body = h->body ? strlen(h->body) : 0;
    int64_t size = h->size ? h->size : (int64_t)body;
    memcpy(b, h->name, strnlen(h->name, 100));
    memcpy(b + 100, "0000644\0000000000\0000000000", 24);
    snprintf((char *)b + 124, 12, "%011llo", (long long)size & 077777777777);
    for (int i = 0; h->base_256 && i < 12; i++)
        b[124 + i] = i < 4 ? 0 : (unsigned char)(size >> 8 * (11 - i));
    if (h->base_256) b[124] = 0x80;
    memcpy(b + 136, "00000000000", 12);
    b[156] = (unsigned char)h->type;
    if (h->link) memcpy(b + 157, h->link, strlen(h->link));
    memcpy(b + 257, h->gnu ? "ustar  " : "ustar\00000", 8);
    if (h->prefix) memcpy(b + 345, h->prefix, strlen(h->prefix));
    if (h->gnu) { /* one piece of data at 1024, of a file of 2048 bytes */
        memcpy(b + 386, "00000002000\00000000000012", 23);
        memcpy(b + 483, "00000004000", 12);
    }
    memset(b + SUM_AT, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++) sum += b[i];
    snprintf((char *)b + SUM_AT, 8, "%06o", sum);
    fwrite(b, 1, BLOCK, f);
    if (body) fwrite(h->body, 1, body, f);
    for (size_t at = body; at % BLOCK; at++) fputc(0, f);
}

static void put_headers(const char *path, const header *h, size_t n, bool ended)
{
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++) put_header(f, &h[i]);
    for (int i = 0; ended && i < 2 * BLOCK; i++) fputc(0, f);
    fclose(f);
}

static void test_headers(void **state)
{
    (void)state;
    static const header headers[] = {
        {.name = "pax_global_header", .type = 'g', .body = "19 comment=nothing\n"},
        {.name = "./folder/", .type = '5'},
        {.name = "x",
         .type = 'x',
         .body = "33 path=\xE0\xA6\x97\xE0\xA6\xBE\xE0\xA6\xA8/\xF0\x9F\x8E\xB5 caf\xC3\xA9.wav\n"},
        {.name = "gan.wav", .type = '0', .body = "in Bengali"},
        {.name = "x", .type = 'x', .body = "11 size=14\n"},
        {.name = "size.wav", .type = '0', .body = "fourteen bytes", .size = 1},
        {.name = "tail.mp3", .prefix = "a/folder/in/the/prefix", .type = '0', .body = "prefixed"},
        {.name = "old.wav", .type = '\0', .body = "version 7"},
        {.name = "binary.wav", .type = '0', .body = "size in base 256", .base_256 = true},
        {.name = "sparse.wav", .type = 'S', .body = "0123456789", .gnu = true},
        {.name = "pipe.wav", .type = '6'},
        {.name = "to.wav", .type = '2', .link = "old.wav"},
        {.name = "hard.wav", .type = '1', .link = "./old.wav"},
        {.name = "harder.wav", .type = '1', .link = "hard.wav"},
        {.name = "lost.wav", .type = '1', .link = "nothing.wav"},
        {.name = "words.txt", .type = '0', .body = "la la"},
        {.name = "hard.txt", .type = '1', .link = "words.txt"},
        {.name = "odd\n\x01.wav", .type = '0', .body = "any bytes"},
        {.name = "/rooted.wav", .type = '0', .body = "rooted"},
    };
    static const expected tracks[] = {
        {"/rooted", "", "", "", "rooted"},
        {"a/folder/in/the/prefix/tail", "a", "", "", "prefixed"},
        {"binary", "", "", "", "size in base 256"},
        {"hard", "", "", "la la", "version 7"},
        {"harder", "", "", "", "version 7"},
        {"odd\n\x01", "", "", "", "any bytes"},
        {"old", "", "", "", "version 7"},
        {"size", "", "", "", "fourteen bytes"},
        {"\xE0\xA6\x97\xE0\xA6\xBE\xE0\xA6\xA8/\xF0\x9F\x8E\xB5 caf\xC3\xA9",
         "\xE0\xA6\x97\xE0\xA6\xBE\xE0\xA6\xA8", "", "", "in Bengali"},
    };
    char *dir = fresh_folder("headers"), path[4096];
    snprintf(path, sizeof path, "%s/x.tar", dir);
    if (world.rank == 0) put_headers(path, headers, sizeof headers / sizeof *headers, true);
    MPI_Barrier(world.mpi);
    check_tracks(path, tracks, sizeof tracks / sizeof *tracks);
    free(dir);
}

/* A member of 9 GB, of which the file system stores nothing, and one behind it; and one tar file after
 * another. */
static void test_far_away(void **state)
{
    (void)state;
    static const int64_t large = INT64_C(9) << 30;
    char *dir = fresh_folder("far"), path[4096];
    snprintf(path, sizeof path, "%s/x.tar", dir);
    if (world.rank == 0) {
        put_headers(path, &(header){.name = "large.wav", .type = '0', .size = large, .base_256 = true}, 1,
                    false);
        assert_int_equal(truncate(path, BLOCK + large), 0);
        put_headers(path, &(header){.name = "behind.wav", .type = '0', .body = "behind"}, 1, true);
        put_headers(path, &(header){.name = "other.wav", .type = '0', .body = "another tar file"}, 1, true);
    }
    MPI_Barrier(world.mpi);
    tt_tracks t;
    assert_ok(list_alone(path, "tar", &t));
    assert_int_equal(t.total, 3);
    check_window(&t.v[0], "behind");
    assert_true(t.v[0].offset > large);
    assert_string_equal(t.v[1].id, "large");
    assert_true(t.v[1].bytes == large && t.v[1].offset == BLOCK);
    check_window(&t.v[2], "another tar file");
    tt_tracks_free(&t);
    check_ranks_agree(path, "tar");
    if (world.rank == 0) unlink(path);
    free(dir);
}

/** What a listing warns of, on standard error. */
static void check_warning(const char *path, const char *says)
{
    char said[4096] = "";
    FILE *to = tmpfile();
    assert_non_null(to);
    fflush(stderr);
    int before = dup(STDERR_FILENO);
    dup2(fileno(to), STDERR_FILENO);
    tt_log_setup(TT_LOG_WARNING, world.rank);
    tt_tracks t;
    list_alone(path, "tar", &t);
    tt_tracks_free(&t);
    tt_log_setup(TT_LOG_ERROR, world.rank);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(to);
    size_t n = fread(said, 1, sizeof said - 1, to);
    fclose(to);
    if (!strstr(said, says)) fail_msg("said: %s\nexpected: %s", said, says);
    if (n == 0 || strchr(said, '\n') != said + n - 1) fail_msg("not one line: %s", said);
}

static void test_warnings(void **state)
{
    (void)state;
    static const header sound = {.name = "a.wav", .type = '0', .body = "sound"};
    static const header more = {.name = "b.wav", .type = '0', .body = "more"};
    static const header text = {.name = "README.txt", .type = '0', .body = "about"};
    static const header link = {.name = "b.wav", .type = '2', .link = "a.wav"};
    static const header lost = {.name = "c.wav", .type = '1', .link = "x.wav"};
    static const header sparse = {.name = "d.wav", .type = 'S', .body = "0123456789", .gnu = true};
    const struct {
        header h[2];
        bool ended;
        const char *says;
    } cases[] = {
        {{sound, more}, false, "is cut short; the 2 members that are there are kept"},
        {{sound, sound}, true, "1 names come again, the last of each counts; a.wav the first"},
        {{sound, link},
         true,
         "1 symbolic links cannot be followed in a shard (pack with tar --dereference); b.wav"},
        {{sound, lost}, true, "1 hard links lead to no member before them; c.wav"},
        {{sound, sparse}, true, "1 files are stored sparse"},
    };
    char *dir = fresh_folder("warnings"), path[8300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s/%zu-%d.tar", dir, i, world.rank);
        put_headers(path, cases[i].h, 2, cases[i].ended);
        check_warning(path, cases[i].says);
    }
    snprintf(path, sizeof path, "%s/text-%d.tar", dir, world.rank);
    put_headers(path, &text, 1, true);
    check_warning(path, "holds neither audio nor labels");
    snprintf(path, sizeof path, "%s/empty-%d.tar", dir, world.rank);
    put_headers(path, NULL, 0, false);
    check_warning(path, "is empty (0 bytes)");
    free(dir);
}

static void test_missing_shards(void **state)
{
    (void)state;
    static const header sound = {.name = "a.wav", .type = '0', .body = "sound"};
    char *dir = fresh_folder("missing"), path[8300], says[8300];
    if (world.rank == 0) {
        snprintf(path, sizeof path, "%s/s-0001.tar", dir);
        put_headers(path, &sound, 1, true);
    }
    MPI_Barrier(world.mpi);
    snprintf(path, sizeof path, "%s/s-{0000..0002}.tar", dir);
    snprintf(says, sizeof says, "2 of 3 shards are not there and left out: %s/s-0000.tar, %s/s-0002.tar\n",
             dir, dir);
    check_warning(path, says);
    snprintf(path, sizeof path, "%s/s-{0001..0100}.tar", dir);
    snprintf(says, sizeof says, "%s/s-0009.tar, ...\n", dir);
    check_warning(path, says);
    free(dir);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_samples),  cmocka_unit_test(test_headers),        cmocka_unit_test(test_far_away),
    cmocka_unit_test(test_warnings), cmocka_unit_test(test_missing_shards),
};
TT_TEST_MAIN(cases)
