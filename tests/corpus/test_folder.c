/* Folders of any shape, with names of any script. */
#include "corpora.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const files[] = {
        "root.wav",
        "jazz/a.wav",
        "jazz/a.txt",
        "jazz/b.wav",
        "jazz/b.flac",
        "jazz/b.wav.mp3",
        "jazz/.hidden.wav",
        ".secret/x.wav",
        "jazz/cover.jpg",
        "jazz/noext",
        "jazz/UPPER.WAV",
        "jazz/UPPER.TXT",
        "rock/x/y/deep.opus",
        "লোকগান/গান ১.ogg",
        "লোকগান/গান ১.txt",
        "rock/bad\xff\xfe.wav",
        "rock/q\"uo,te\n.aif",
        "rock/a.b.c.w64",
        "rock/mp3",
        "empty/readme.txt",
        "rock/hush.wav",
        "rock/hush.txt",
    };
    static const struct {
        const char *id, *genre, *lyrics;
    } expected[] = {
        {"jazz/UPPER", "jazz", "text 11"},
        {"jazz/a", "jazz", "text 2"},
        {"jazz/b.flac", "jazz", ""},
        {"jazz/b.wav", "jazz", ""},
        {"jazz/b.wav.mp3", "jazz", ""},
        {"rock/a.b.c", "rock", ""},
        {"rock/bad\xff\xfe", "rock", ""},
        {"rock/hush", "rock", ""},
        {"rock/q\"uo,te\n", "rock", ""},
        {"rock/x/y/deep", "rock", ""},
        {"root", "", ""},
        {"লোকগান/গান ১", "লোকগান", "text 14"},
    };
    char *dir = fresh_folder("folder");
    if (world.rank == 0)
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
            char text[32];
            snprintf(text, sizeof text, "text %zu", i);
            if (strstr(files[i], "hush.txt")) text[0] = '\0';
            put_text(dir, files[i], text);
        }
    MPI_Barrier(world.mpi);
    tt_tracks t;
    assert_ok(list_alone(dir, "auto", &t));
    assert_int_equal(t.total, sizeof expected / sizeof *expected);
    for (int64_t i = 0; i < t.n; i++) {
        assert_string_equal(t.v[i].id, expected[i].id);
        assert_string_equal(t.v[i].genre, expected[i].genre);
        check_lyrics(&t.v[i], expected[i].lyrics);
        assert_int_equal(access(t.v[i].path, R_OK), 0);
        assert_true(t.v[i].bytes > 0 && t.v[i].modified > 0);
    }
    tt_tracks_free(&t);
    check_ranks_agree(dir, "folder");
    free(dir);
}

/* Links are followed; loops end; a link to nowhere is a track that is missing. */
static void test_links(void **state)
{
    (void)state;
    char *dir = fresh_folder("links");
    if (world.rank == 0) {
        char path[4096];
        put_text(dir, "pop/one.wav", "x");
        snprintf(path, sizeof path, "%s/pop/loop", dir);
        assert_int_equal(symlink("..", path), 0);
        snprintf(path, sizeof path, "%s/pop/self", dir);
        assert_int_equal(symlink("self", path), 0);
        snprintf(path, sizeof path, "%s/again", dir);
        assert_int_equal(symlink("pop", path), 0);
        snprintf(path, sizeof path, "%s/pop/lost.wav", dir);
        assert_int_equal(symlink("nowhere.wav", path), 0);
    }
    MPI_Barrier(world.mpi);
    tt_tracks t;
    assert_ok(list_alone(dir, "auto", &t));
    static const char *const expected[] = {"again/lost", "again/one", "pop/lost", "pop/one"};
    assert_int_equal(t.total, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(t.v[i].id, expected[i]);
    assert_int_equal(t.v[0].bytes, 0);
    tt_tracks_free(&t);
    check_ranks_agree(dir, "auto");
    free(dir);
}

/* Many more tracks than samples of the sort, in folders of very different size. */
static void test_many(void **state)
{
    (void)state;
    char *dir = fresh_folder("many");
    if (world.rank == 0)
        for (int i = 0; i < 700; i++) {
            char name[64];
            snprintf(name, sizeof name, "g%d/%d/%d.wav", i % 3 == 0 ? i % 40 : 0, i % 2, i * 7919 % 701);
            put_text(dir, name, "x");
        }
    MPI_Barrier(world.mpi);
    tt_tracks t;
    assert_ok(list_alone(dir, "auto", &t));
    assert_int_equal(t.total, 700);
    for (int64_t i = 1; i < t.n; i++) assert_true(strcmp(t.v[i - 1].id, t.v[i].id) < 0);
    tt_tracks_free(&t);
    check_ranks_agree(dir, "auto");
    free(dir);
}

static void fingerprint(const char *dir, char *hash)
{
    tt_corpus_params params = {(char *)dir, "auto"};
    assert_ok(tt_corpus_fingerprint(&world, &params, hash));
}

/* The fingerprint changes with every change of the corpus, and with nothing else. */
static void test_fingerprint(void **state)
{
    (void)state;
    char *dir = fresh_folder("print"), hash[7][TT_HASH_TEXT];
    for (int step = 0; step < 7; step++) {
        char from[4096], to[4096];
        if (world.rank == 0 && step == 0) put_text(dir, "a/one.wav", "1");
        if (world.rank == 0 && step == 1) put_text(dir, "a/two.wav", "2");
        if (world.rank == 0 && step == 2) put_text(dir, "a/two.wav", "22");
        if (world.rank == 0 && step == 3) put_text(dir, "a/two.txt", "la");
        if (world.rank == 0 && step == 4) put_text(dir, "a/two.txt", "lo");
        if (world.rank == 0 && step == 5) {
            snprintf(from, sizeof from, "%s/a", dir);
            snprintf(to, sizeof to, "%s/b", dir);
            assert_int_equal(rename(from, to), 0);
        }
        if (world.rank == 0 && step == 6) {
            snprintf(from, sizeof from, "%s/b/one.wav", dir);
            unlink(from);
        }
        MPI_Barrier(world.mpi);
        char again[TT_HASH_TEXT];
        fingerprint(dir, hash[step]);
        fingerprint(dir, again);
        assert_string_equal(hash[step], again);
        for (int i = 0; i < step; i++) assert_string_not_equal(hash[i], hash[step]);
        MPI_Barrier(world.mpi);
    }
    free(dir);
}

static void test_nothing_there(void **state)
{
    (void)state;
    char *dir = fresh_folder("nothing");
    const struct {
        const char *path, *format;
        tt_status status;
        const char *says;
    } cases[] = {
        {dir, "auto", TT_ERR_INPUT, "holds no tracks: expected genre/track.ext"},
        {"/nonexistent/x", "auto", TT_ERR_IO, "/nonexistent/x: No such file"},
        {"/nonexistent/x", "folder", TT_ERR_IO, "/nonexistent/x: No such file"},
        {"/nonexistent/x.csv", "auto", TT_ERR_IO, "/nonexistent/x.csv: No such file"},
        {"/nonexistent/x.csv", "csv", TT_ERR_IO, "/nonexistent/x.csv: No such file"},
        {"/nonexistent/x-{00..02}.tar", "auto", TT_ERR_IO, "no such shards"},
        {dir, "csv", TT_ERR_IO, "directory"},
        {dir, "zip", TT_ERR_CONFIG, "corpus.format: \"zip\" is none of auto, folder, csv, tar"},
        {"", "auto", TT_ERR_CONFIG, "corpus.path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_corpus_params params = {(char *)cases[i].path, (char *)cases[i].format};
        tt_tracks t;
        assert_int_equal(tt_corpus_list(&world, &params, &t), cases[i].status);
        if (!strstr(tt_message(), cases[i].says)) fail_msg("%s", tt_message());
        assert_true(t.n == 0 && !t.v);
    }
    free(dir);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_names),       cmocka_unit_test(test_links),         cmocka_unit_test(test_many),
    cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_nothing_there),
};
TT_TEST_MAIN(cases)
