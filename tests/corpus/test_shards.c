/* Tar shards, in every dialect of tar, whole and damaged; and the same corpus in all three forms. */
#include "tars.h"

/* More than the 100 bytes of the first tar header. */
static const char long_name[] =
    "genre/an-album-with-a-long-name-as-they-were-in-fashion-in-the-seventies-of-rock/"
    "and-a-title-that-does-not-stay-behind-it-in-length.flac";

static void test_dialects(void **state)
{
    (void)state;
    const member members[] = {
        {"./jazz/a.wav", "sound of a"},
        {"./jazz/a.txt", "words of a"},
        {"b.json",
         "{\"id\": \"the b\", \"genre\": \"rock\", \"language\": \"bn\", \"split\": \"test\", \"lyrics\": "
         "\"\xE0\xA6\x97\", \"x\": [1]}"},
        {"b.flac", "sound of b"},
        {"c.mp3", "sound of c, older"},
        {"c.cls", " 17\n"},
        {"c.mp3", "sound of c"},
        {"d.wav", "first d"},
        {"d.ogg", "second d"},
        {"e.json", "{\"genre\": 5, \"language\": null}"},
        {"f.json", "{broken"},
        {"f.wav", "sound of f"},
        {"README.txt", "not a track"},
        {"g.jpg", "cover"},
        {long_name, "sound of a long name"},
    };
    static const struct {
        const char *id, *genre, *language, *lyrics, *audio;
    } expected[] = {
        {"c", "17", "", "", "sound of c"},
        {"d.ogg", "", "", "", "second d"},
        {"d.wav", "", "", "", "first d"},
        {"e", "5", "", "", NULL},
        {"f", "", "", "", "sound of f"},
        {NULL, "genre", "", "", "sound of a long name"},
        {"jazz/a", "jazz", "", "words of a", "sound of a"},
        {"the b", "rock", "bn", "\xE0\xA6\x97", "sound of b"},
    };
    static const char *const dialects[] = {"ustar", "pax", "gnutar"};
    char *dir = fresh_folder("tar"), path[4096];
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s/x.tar", dir);
        if (world.rank == 0) put_tar(dir, "x.tar", dialects[k], members, sizeof members / sizeof *members);
        MPI_Barrier(world.mpi);
        tt_tracks t;
        assert_ok(list_alone(path, "auto", &t));
        assert_int_equal(t.total, sizeof expected / sizeof *expected);
        for (int64_t i = 0; i < t.n; i++) {
            if (expected[i].id) assert_string_equal(t.v[i].id, expected[i].id);
            assert_string_equal(t.v[i].genre, expected[i].genre);
            assert_string_equal(t.v[i].language, expected[i].language);
            assert_string_equal(t.v[i].lyrics, expected[i].lyrics);
            assert_int_equal(t.v[i].status, expected[i].audio ? TT_TRACK_OK : TT_TRACK_NO_AUDIO);
            if (expected[i].audio) check_window(&t.v[i], expected[i].audio);
        }
        tt_tracks_free(&t);
        check_ranks_agree(path, "tar");
        MPI_Barrier(world.mpi);
    }
    free(dir);
}

static int64_t list_count(const char *pattern)
{
    tt_tracks t;
    tt_corpus_params params = {(char *)pattern, "auto"};
    assert_ok(tt_corpus_list(&world, &params, &t));
    int64_t total = t.total;
    tt_tracks_free(&t);
    return total;
}

static void test_patterns(void **state)
{
    (void)state;
    char *dir = fresh_folder("patterns"), pattern[4096];
    if (world.rank == 0)
        for (int i = 8; i < 13; i++) {
            char name[64], one[32], two[32];
            snprintf(one, sizeof one, "%d-one.wav", i);
            snprintf(two, sizeof two, "%d-two.wav", i);
            snprintf(name, sizeof name, "shard-%04d.tar", i);
            put_tar(dir, name, "ustar", (member[]){{one, "1"}, {two, "2"}}, 2);
        }
    MPI_Barrier(world.mpi);
    static const struct {
        const char *pattern;
        int64_t tracks;
    } cases[] = {
        {"%s/shard-{0008..0012}.tar", 10},
        {"%s/shard-{0009..0010}.tar", 4},
        {"%s/shard-{0010..0090}.tar", 6},
        {"%s/shard-*.tar", 10},
        {"%s/shard-001?.tar", 6},
        {"%s/shard-00{0..1}{0..9}.tar", 10},
        {"%s/shard-0011.tar", 2},
        {"%1$s/shard-0011.tar,%1$s/shard-0012.tar,%1$s/shard-001*.tar", 6},
        {"%s/shard-{0008,0011..0012}.tar", 2},
        {"%s/shard-{0008,{0011..0012}}.tar", 6},
        {"%s/{shard,other}-00{08..12..2}.tar", 6},
        {"%1$s/shard-{0008,0009}.tar,%1$s/shard-0010.tar", 6},
        {"%s/shard-00{0{8..9},1{0..2}}.tar", 10},
        {"%1$s/shard-{0008}.tar,%1$s/shard-0012.tar", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(pattern, sizeof pattern, cases[i].pattern, dir);
#pragma GCC diagnostic pop
        assert_int_equal(list_count(pattern), cases[i].tracks);
    }
    snprintf(pattern, sizeof pattern, "%s/shard-*.tar", dir);
    check_ranks_agree(pattern, "auto");
    free(dir);
}

/* As a synthetic corpus is written: the folder stands for the manifest, or for the shards, in it. */
static void test_folders_of_them(void **state)
{
    (void)state;
    char *dir = fresh_folder("folders-of"), path[4][4096];
    static const char *const names[] = {"shards, [1]", "listed", "music", "pipes"};
    for (int i = 0; i < 4; i++) snprintf(path[i], sizeof path[i], "%s/%s", dir, names[i]);
    if (world.rank == 0) {
        const member one[] = {{"a.wav", "1"}, {"b.wav", "2"}}, two[] = {{"c.wav", "3"}};
        put_text(path[0], "notes/README.txt", "about");
        put_text(path[0], ".hidden/x.wav", "not looked at");
        put_tar(path[0], "2.tar", "ustar", one, 2);
        put_tar(path[0], "10.TAR", "ustar", two, 1);
        put_text(path[0], ".3.tar.part", "unfinished");
        put_text(path[1], "manifest.csv", "path,genre\nin/a.wav,rock\n");
        put_text(path[1], "in/a.wav", "1");
        put_text(path[1], "in/b.wav", "2");
        put_text(path[2], "rock/a.wav", "1");
        put_tar(path[2], "backup.tar", "ustar", one, 2);
        mkdir(path[3], 0777);
        char pipe_name[8200];
        snprintf(pipe_name, sizeof pipe_name, "%s/a.tar", path[3]);
        assert_int_equal(mkfifo(pipe_name, 0666), 0);
        snprintf(pipe_name, sizeof pipe_name, "%s/manifest.csv", path[3]);
        assert_int_equal(mkfifo(pipe_name, 0666), 0);
    }
    MPI_Barrier(world.mpi);
    static const int64_t found[] = {3, 1, 1};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list_count(path[i]), found[i]);
        check_ranks_agree(path[i], "auto");
    }
    check_ranks_agree(path[0], "tar");
    check_ranks_agree(path[1], "csv");
    tt_tracks t;
    assert_ok(list_alone(path[1], "folder", &t));
    assert_int_equal(t.total, 2);
    tt_tracks_free(&t);
    assert_ok(list_alone(path[0], "auto", &t));
    assert_string_equal(t.v[2].id, "c");
    tt_tracks_free(&t);
    assert_int_equal(list_alone(path[3], "csv", &t), TT_ERR_INPUT); /* and do not wait for writers */
    assert_int_equal(list_alone(path[3], "tar", &t), TT_ERR_INPUT);
    assert_int_equal(list_alone(path[2], "csv", &t), TT_ERR_IO);
    assert_int_equal(list_alone(path[1], "tar", &t), TT_ERR_IO);
    char one_track[4200];
    snprintf(one_track, sizeof one_track, "%s/rock/a.wav", path[2]);
    assert_int_equal(list_alone(one_track, "auto", &t), TT_ERR_INPUT); /* and is not taken for a CSV */
    assert_non_null(strstr(tt_message(), "is one track"));
    free(dir);
}

/* Cut or overwritten anywhere: what stands before the damage is kept. */
static void test_damage(void **state)
{
    (void)state;
    char *dir = fresh_folder("damage"), path[4096];
    const member members[] = {{"a.wav", "sound of a"}, {"b.wav", "sound of b"}, {"c.wav", "sound of c"}};
    snprintf(path, sizeof path, "%s/x.tar", dir);
    if (world.rank == 0) put_tar(dir, "whole.tar", "ustar", (member[]){{"w.wav", "whole"}}, 1);
    for (long cut = 0; cut <= 3 * 1024; cut += 300) {
        if (world.rank == 0) {
            put_tar(dir, "x.tar", "ustar", members, 3);
            assert_int_equal(truncate(path, cut), 0);
        }
        MPI_Barrier(world.mpi);
        char both[8300];
        snprintf(both, sizeof both, "%s,%s/whole.tar", path, dir);
        int64_t found = list_count(both), there = (cut + 1023 - 512) / 1024; /* headers that are there */
        if (found < 1 + (cut / 1024) || found > 2 + there)
            fail_msg("cut at %ld: %lld tracks", cut, (long long)found);
        check_ranks_agree(both, "tar");
        MPI_Barrier(world.mpi);
    }
    free(dir);
}

static void check_error(const char *path, tt_status status, const char *says)
{
    tt_corpus_params params = {(char *)path, "auto"};
    tt_tracks t;
    assert_int_equal(tt_corpus_list(&world, &params, &t), status);
    if (!strstr(tt_message(), says)) fail_msg("%s\nexpected: %s", tt_message(), says);
}

static void test_errors(void **state)
{
    (void)state;
    char *dir = fresh_folder("errors"), path[4096];
    if (world.rank == 0) {
        put_file(dir, "z.tar.gz", "\x1f\x8b\x08\0rest", 9);
        put_text(dir, "garbage.tar", "this is no tar at all, and says so for as long as it is needed");
        put_tar(dir, "one.tar", "ustar", (member[]){{"same.wav", "1"}}, 1);
        put_tar(dir, "twice.tar", "ustar",
                (member[]){{"a.wav", "1"},
                           {"a.json", "{\"id\": \"me\"}"},
                           {"b.wav", "1"},
                           {"b.json", "{\"id\": \"me\"}"}},
                4);
    }
    MPI_Barrier(world.mpi);
    snprintf(path, sizeof path, "%s/z.tar.gz", dir);
    check_error(path, TT_ERR_INPUT, "z.tar.gz: is compressed (gzip)");
    snprintf(path, sizeof path, "%s/garbage.tar", dir);
    check_error(path, TT_ERR_INPUT, "holds no tracks");
    snprintf(path, sizeof path, "%s/{one,twice}.tar", dir);
    check_error(path, TT_ERR_INPUT, "two tracks are called \"twice/me\"");
    check_error("s3://bucket/shard-{0..9}.tar", TT_ERR_CONFIG, "shards are read from files");
    check_error("pipe:cat x.tar", TT_ERR_CONFIG, "shards are read from files");
    free(dir);
}

/* Each shard may count from 0: the shard's name tells equal keys apart, and only those. */
static void test_keys_of_each_shard(void **state)
{
    (void)state;
    static const char *const expected[] = {"0/same", "only", "x/0/same", "x/1/same"};
    char *dir = fresh_folder("keys"), path[8300];
    if (world.rank == 0) {
        put_text(dir, "x/nothing", "");
        put_tar(dir, "0.tar", "ustar", (member[]){{"same.wav", "1"}, {"only.wav", "2"}}, 2);
        put_tar(dir, "x/0.tar", "ustar", (member[]){{"same.wav", "3"}}, 1);
        put_tar(dir, "x/1.tar", "ustar", (member[]){{"same.wav", "4"}}, 1);
    }
    MPI_Barrier(world.mpi);
    snprintf(path, sizeof path, "%s/*.tar,%s/x", dir, dir);
    tt_tracks t;
    assert_ok(list_alone(path, "tar", &t));
    assert_int_equal(t.total, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(t.v[i].id, expected[i]);
    tt_tracks_free(&t);
    check_ranks_agree(path, "tar");
    free(dir);
}

/* One corpus as a folder, as CSV and as tar: the same tracks. */
static void test_three_forms(void **state)
{
    (void)state;
    static const char *const ids[] = {"blues/a", "blues/b/c", "folk/z", "folk/\xE0\xA6\x95"};
    char *dir = fresh_folder("forms"), name[4096], path[3][4096];
    if (world.rank == 0) {
        char csv[4096] = "path,genre,lyrics_path\n", names[8][64], texts[8][64];
        member members[8];
        for (int i = 0; i < 4; i++) {
            snprintf(names[2 * i], 64, "%s.wav", ids[i]);
            snprintf(names[2 * i + 1], 64, "%s.txt", ids[i]);
            snprintf(texts[2 * i], 64, "sound %d", i);
            snprintf(texts[2 * i + 1], 64, "words %d", i);
            for (int k = 2 * i; k < 2 * i + 2; k++) {
                snprintf(name, sizeof name, "in/%s", names[k]);
                put_text(dir, name, texts[k]);
                members[k] = (member){names[k], texts[k]};
            }
            size_t n = strlen(csv);
            snprintf(csv + n, sizeof csv - n, "%s,%.*s,%s\n", names[2 * i], (int)strcspn(ids[i], "/"), ids[i],
                     names[2 * i + 1]);
        }
        put_text(dir, "in/corpus.csv", csv);
        put_tar(dir, "corpus.tar", "pax", members, 8);
    }
    MPI_Barrier(world.mpi);
    snprintf(path[0], sizeof path[0], "%s/in", dir);
    snprintf(path[1], sizeof path[1], "%s/in/corpus.csv", dir);
    snprintf(path[2], sizeof path[2], "%s/corpus.tar", dir);
    for (int form = 0; form < 3; form++) {
        tt_tracks t;
        assert_ok(list_alone(path[form], "auto", &t));
        assert_int_equal(t.total, 4);
        for (int i = 0; i < 4; i++) {
            char words[32];
            snprintf(words, sizeof words, "words %d", i);
            assert_string_equal(t.v[i].id, ids[i]);
            assert_int_equal(strlen(t.v[i].genre), strcspn(ids[i], "/"));
            assert_memory_equal(t.v[i].genre, ids[i], strlen(t.v[i].genre));
            assert_string_equal(t.v[i].lyrics, words);
            assert_int_equal(t.v[i].bytes, 7);
        }
        tt_tracks_free(&t);
        check_ranks_agree(path[form], "auto");
    }
    free(dir);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_dialects),
    cmocka_unit_test(test_patterns),
    cmocka_unit_test(test_damage),
    cmocka_unit_test(test_errors),
    cmocka_unit_test(test_three_forms),
    cmocka_unit_test(test_folders_of_them),
    cmocka_unit_test(test_keys_of_each_shard),
};
TT_TEST_MAIN(cases)
