/* CSV manifests: RFC 4180, what people write, and what is wrong with it by line. */
#include "corpora.h"

typedef struct expected {
    const char *id, *path, *genre, *language, *lyrics, *split;
} expected;

typedef struct sample {
    const char *csv;
    int64_t rows; /* -1: an error that says `says` */
    const char *says;
    expected row[3];
} sample;

static const sample samples[] = {
    {"path,id,genre,language,lyrics,split\na.wav,x,rock,en,la la,train\n",
     1,
     NULL,
     {{"x", "a.wav", "rock", "en", "la la", "train"}}},
    {"\xEF\xBB\xBFpath,genre\r\nd/a.wav,rock\r\n\r\nb.mp3,pop\r\n",
     2,
     NULL,
     {{"d/a", "d/a.wav", "rock", "", "", ""}, {"b", "b.mp3", "pop", "", "", ""}}},
    {"other,SPLIT, Genre ,path\n1,test,\"r, \"\"n\"\" b\",a.wav\n2,,x\"y,b.wav",
     2,
     NULL,
     {{"a", "a.wav", "r, \"n\" b", "", "", "test"}, {"b", "b.wav", "x\"y", "", "", ""}}},
    {"lyrics,path,id\n\"line one\nline two\r\nthree\",,song\n,,\n,c.wav,c\n",
     3,
     NULL,
     {{"song", "", "", "", "line one\nline two\r\nthree", ""},
      {"2", "", "", "", "", ""},
      {"c", "c.wav", "", "", "", ""}}},
    {"id,lyrics_path,path\n\xE0\xA6\x95,words.txt,\nmissing,nowhere.txt,\nhush,empty.txt,\n",
     3,
     NULL,
     {{"\xE0\xA6\x95", "", "", "", "the words", ""},
      {"missing", "", "", "", "", ""},
      {"hush", "", "", "", "", ""}}},
    {"path\rz.wav\ra.wav\r", 2, NULL, {{"z", "z.wav", "", "", "", ""}, {"a", "a.wav", "", "", "", ""}}},
    {"path,id\n/absolute/a.wav,\n", 1, NULL, {{"/absolute/a", "/absolute/a.wav", "", "", "", ""}}},
    {"", -1, ".csv: is empty", {{0}}},
    {"id,genre\n1,2\n", -1, ".csv:1: there is no column `path`", {{0}}},
    {"path;genre\na.wav;rock\n",
     -1,
     ".csv:1: there is no column `path`; columns must be separated by commas",
     {{0}}},
    {"path,genre,path\na,b,c\n", -1, ".csv:1: two columns are called `path`", {{0}}},
    {"path,genre\na.wav,rock\nb.wav\n", -1, ".csv:3: 1 fields, where the first line has 2", {{0}}},
    {"path,lyrics\na.wav,\"x\ny\"\nb.wav,1,2\n", -1, ".csv:4: 3 fields", {{0}}},
    {"path,genre\na.wav,\"rock\nb.wav,pop\nc.wav,folk\n",
     -1,
     ".csv:2: a quote is opened here and never closed",
     {{0}}},
    {"path,genre\na.wav,\"rock\" and roll\n", -1, ".csv:2: text after a closing quote", {{0}}},
    {"path,id\na.wav,x\nb.wav,y\nc.wav,z\nd.wav,y\ne.wav,x\n",
     -1,
     ".csv:6: the id (or, without one, the path) is that of line 2",
     {{0}}},
    {"path\na.wav\nb.wav\nb.wav\n",
     -1,
     ".csv:4: the id (or, without one, the path) is that of line 3",
     {{0}}},
    {"id,path\n,a/x.wav\n,a/x.flac\ny,a/y.mp3\n",
     3,
     NULL,
     {{"a/x.wav", "a/x.wav", "", "", "", ""},
      {"a/x.flac", "a/x.flac", "", "", "", ""},
      {"y", "a/y.mp3", "", "", "", ""}}},
    {"id,path\n,b.wav\n,b.wav.mp3\n,b.ogg\n",
     3,
     NULL,
     {{"b.wav", "b.wav", "", "", "", ""},
      {"b.wav.mp3", "b.wav.mp3", "", "", "", ""},
      {"b.ogg", "b.ogg", "", "", "", ""}}},
    {"PATH,Genre,LyRiCs\na.wav,caf\xE9,\xE0\xA6\x95\xE0\xA6\nb\xFF.wav,\xC0\x80\xED\xA0\x80,"
     "\xF0\x9F\x8E\xB5\n",
     2,
     NULL,
     {{"a", "a.wav", "caf?", "", "\xE0\xA6\x95??", ""},
      {"b\xFF", "b\xFF.wav", "?????", "", "\xF0\x9F\x8E\xB5", ""}}},
    {"path\tgenre\na.wav\trock\n", -1, "columns must be separated by commas", {{0}}},
    {"\xFF\xFEp\1a\1t\1h\1\n\1", -1, ".csv: is UTF-16; save it as UTF-8", {{0}}},
    {"path\n", -1, "holds no tracks", {{0}}},
};

static void check_row(const tt_track *t, const expected *e, const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, e->path);
    assert_string_equal(t->id, e->id);
    assert_string_equal(t->path, e->path[0] == '/' || !e->path[0] ? e->path : path);
    assert_string_equal(t->genre, e->genre);
    assert_string_equal(t->language, e->language);
    check_lyrics(t, e->lyrics);
    assert_string_equal(t->split, e->split);
    assert_int_equal(t->status, e->path[0] ? TT_TRACK_OK : TT_TRACK_NO_AUDIO);
}

static void test_samples(void **state)
{
    (void)state;
    char *dir = fresh_folder("csv"), path[4096];
    if (world.rank == 0) put_text(dir, "words.txt", "the words");
    if (world.rank == 0) put_text(dir, "empty.txt", "");
    snprintf(path, sizeof path, "%s/m.csv", dir);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (world.rank == 0) put_text(dir, "m.csv", samples[i].csv);
        MPI_Barrier(world.mpi);
        tt_corpus_params params = {path, "auto"};
        tt_tracks t;
        tt_status s = tt_corpus_list(&world, &params, &t);
        if (samples[i].rows < 0) {
            assert_int_equal(s, TT_ERR_INPUT);
            if (!strstr(tt_message(), samples[i].says))
                fail_msg("%s\nexpected: %s", tt_message(), samples[i].says);
        } else {
            assert_ok(s);
            assert_int_equal(t.total, samples[i].rows);
            for (int64_t k = 0; k < t.n; k++) check_row(&t.v[k], &samples[i].row[t.first + k], dir);
            check_ranks_agree(path, "csv");
        }
        tt_tracks_free(&t);
        MPI_Barrier(world.mpi);
    }
    free(dir);
}

/* A field as large as a record may be, and one that is larger: a quote was forgotten. Once: every rank reads
 * all of it. */
static void test_huge_field(void **state)
{
    (void)state;
    enum { LIMIT = 5 << 24, LYRICS = 52 << 20 };
    char *dir = fresh_folder("huge"), path[4096], *text = malloc(LIMIT + 100);
    assert_non_null(text);
    tt_corpus_params params = {path, "csv"};
    tt_tracks t;
    snprintf(path, sizeof path, "%s/m.csv", dir);
    for (int more = 0; world.size == 1 && more < 2; more++) {
        int n = sprintf(text, "path,note,lyrics\na.wav,x,y\nb.wav,z,\"");
        memset(text + n, more ? '\n' : 'x', more ? LIMIT : LYRICS);
        size_t end = (size_t)n + (more ? LIMIT : LYRICS);
        text[n + 9] = '\0';
        end += (size_t)sprintf(text + end, "\"\n");
        put_file(dir, "m.csv", text, end);
        assert_int_equal(tt_corpus_list(&world, &params, &t), more ? TT_ERR_INPUT : TT_OK);
        if (more) assert_non_null(strstr(tt_message(), "a row of more than 80 MB: is a quote missing?"));
        if (!more) assert_int_equal(strlen(t.v[1].lyrics), LYRICS);
        if (!more) assert_int_equal(strchr(t.v[1].lyrics, ' ') - t.v[1].lyrics, 9); /* the NUL */
        tt_tracks_free(&t);
        unlink(path);
    }
    free(text);
    free(dir);
}

/* Any bytes at all: an answer or an error, never a crash. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "a,\"\n\r\0 \xEF\xBB\xBF";
    char *dir = fresh_folder("fuzz"), path[4096];
    snprintf(path, sizeof path, "%s/m.csv", dir);
    uint32_t word = 1;
    for (int trial = 0; trial < 150; trial++) {
        char text[64] = "path,id,lyrics\n";
        for (size_t i = 15; i < sizeof text; i++)
            text[i] = alphabet[(word = word * 1664525 + 1013904223) / 65536 % (sizeof alphabet - 1)];
        if (world.rank == 0) put_file(dir, "m.csv", text, sizeof text);
        MPI_Barrier(world.mpi);
        tt_corpus_params params = {path, "csv"};
        tt_tracks t;
        tt_status s = tt_corpus_list(&world, &params, &t);
        assert_true(s == TT_OK || (s == TT_ERR_INPUT && strstr(tt_message(), "m.csv")));
        tt_tracks_free(&t);
        MPI_Barrier(world.mpi);
    }
    free(dir);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_samples),
    cmocka_unit_test(test_huge_field),
    cmocka_unit_test(test_any_bytes),
};
TT_TEST_MAIN(cases)
