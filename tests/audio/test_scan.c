/* Scan: every track a row, whatever became of it; the same manifest from any number of ranks. */
#include "../corpus/corpora.h"

#include "tutti/audio.h"

#include <math.h>
#include <sndfile.h>

static const tt_provenance origin = {"scan", "test", "corpus: {}\n", "", 1};

static void put_sound(const char *dir, const char *name, int rate, int channels, double seconds)
{
    char path[8300];
    put_text(dir, name, "");
    snprintf(path, sizeof path, "%s/%s", dir, name);
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    assert_non_null(f);
    for (int64_t i = 0; i < llround(seconds * rate); i++) {
        float x[2] = {0.3F * (float)sin(0.05 * (double)i), 0.1F};
        sf_writef_float(f, x, 1);
    }
    sf_close(f);
}

static void scan(const tt_comm *comm, const char *corpus, const char *manifest)
{
    tt_corpus_params params = {(char *)corpus, "auto"};
    assert_ok(tt_scan(comm, &params, &origin, manifest));
}

/* Read a manifest by parts and compare with that of one rank, and with the list. */
static void compare(const char *path, const char *alone)
{
    tt_store *a, *b;
    int64_t total, total_alone;
    assert_ok(tt_store_open(&world, path, &a));
    assert_ok(tt_store_open(&world, alone, &b));
    assert_ok(tt_manifest_tracks(a, &total));
    assert_ok(tt_manifest_tracks(b, &total_alone));
    assert_int_equal(total, total_alone);
    tt_tracks whole, part;
    assert_ok(tt_manifest_read(b, 0, total, true, &whole));
    for (int64_t step = 1; step <= total; step = 3 * step + world.rank)
        for (int64_t at = 0; at < total; at += step) {
            int64_t n = total - at < step ? total - at : step;
            assert_ok(tt_manifest_read(a, at, n, true, &part));
            assert_true(part.n == n && part.first == at && part.total == total);
            for (int64_t i = 0; i < n; i++) assert_same_track(&part.v[i], &whole.v[at + i]);
            tt_tracks_free(&part);
        }
    assert_ok(tt_manifest_read(a, 0, total, false, &part));
    for (int64_t i = 0; i < total; i++) assert_string_equal(part.v[i].lyrics, "");
    tt_tracks_free(&part);
    tt_tracks_free(&whole);
    tt_store_close(a);
    tt_store_close(b);
}

/** Scan on all ranks into *path, and compare with what one rank makes of it. Collective. */
static void scan_and_compare(const char *corpus, const char *dir, char *path, size_t bytes)
{
    char alone[4200];
    snprintf(path, bytes, "%s/manifest.h5", dir);
    snprintf(alone, sizeof alone, "%s/alone.h5", dir);
    scan(&world, corpus, path);
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    if (world.rank == 0) scan(&self, corpus, alone);
    MPI_Barrier(world.mpi);
    compare(path, alone);
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        double seconds;
        int rate, channels;
        tt_track_status status;
        const char *format, *lyrics;
    } expected[] = {
        {"a/broken", 0, 0, 0, TT_TRACK_UNREADABLE, "", ""},
        {"a/empty", 0, 0, 0, TT_TRACK_EMPTY, "", ""},
        {"a/one", 1.5, 44100, 2, TT_TRACK_OK, "wav", "la la"},
        {"b/cut", 0.5, 8000, 1, TT_TRACK_TRUNCATED, "wav", ""},
        {"b/two", 2, 22050, 1, TT_TRACK_OK, "wav", "\xE0\xA6\x97\xE0\xA6\xBE\xE0\xA6\xA8"},
        {"c/folder", 0, 0, 0, TT_TRACK_MISSING, "", ""},
    };
    char *dir = fresh_folder("scan"), path[8300];
    if (world.rank == 0) {
        put_text(dir, "in/a/broken.mp3", "no music");
        put_text(dir, "in/a/empty.flac", "");
        put_sound(dir, "in/a/one.wav", 44100, 2, 1.5);
        put_text(dir, "in/a/one.txt", expected[2].lyrics);
        put_sound(dir, "in/b/cut.wav", 8000, 1, 1);
        snprintf(path, sizeof path, "%s/in/b/cut.wav", dir);
        assert_int_equal(truncate(path, 44 + 8000), 0);
        put_sound(dir, "in/b/two.wav", 22050, 1, 2);
        put_text(dir, "in/b/two.txt", expected[4].lyrics);
        put_text(dir, "in/b/cut.txt", "");
        put_text(dir, "in/c/readme", "");
        snprintf(path, sizeof path, "%s/in/c/folder.ogg", dir);
        assert_int_equal(symlink("nowhere", path), 0);
    }
    MPI_Barrier(world.mpi);
    char corpus[4200];
    snprintf(corpus, sizeof corpus, "%s/in", dir);
    scan_and_compare(corpus, dir, path, sizeof path);
    tt_store *store;
    tt_tracks t;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_manifest_read(store, 0, 6, true, &t));
    for (int i = 0; i < 6; i++) {
        assert_string_equal(t.v[i].id, expected[i].id);
        assert_near(t.v[i].seconds, expected[i].seconds, 1e-12);
        assert_int_equal(t.v[i].sample_rate, expected[i].rate);
        assert_int_equal(t.v[i].channels, expected[i].channels);
        assert_int_equal(t.v[i].status, expected[i].status);
        assert_string_equal(t.v[i].format, expected[i].format);
        assert_string_equal(t.v[i].lyrics, expected[i].lyrics);
        assert_int_equal(t.v[i].has_lyrics, i >= 2 && i <= 4); /* those of the third are empty */
    }
    tt_tracks_free(&t);
    char **labels;
    int n;
    assert_ok(tt_manifest_labels(&world, store, "genre", &labels, &n));
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(labels[i][0], 'a' + i);
    free(labels);
    assert_ok(tt_manifest_labels(&world, store, "language", &labels, &n));
    assert_int_equal(n, 0);
    free(labels);
    assert_int_equal(tt_manifest_labels(&world, store, "mood", &labels, &n), TT_ERR_INPUT);
    assert_null(labels);
    tt_store_close(store);
    free(dir);
}

/* More rows than a block of the store, more lyrics than a block of text, and not one file of audio. */
static void test_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 900 };
    char *dir = fresh_folder("rows"), path[8300], corpus[4200];
    if (world.rank == 0) {
        char *csv = calloc(1, ROWS * 1000), *at = csv;
        at += sprintf(at, "id,path,genre,language,lyrics\n");
        for (int i = 0; i < ROWS; i++)
            at += sprintf(
                at, "track %d,,genre %d,%s,\"%.*s\"\n", i * 7 % ROWS, i % 17, i % 3 ? "en" : "", i % 400,
                "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la "
                "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la "
                "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la "
                "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la ");
        put_text(dir, "m.csv", csv);
        free(csv);
    }
    MPI_Barrier(world.mpi);
    snprintf(corpus, sizeof corpus, "%s/m.csv", dir);
    scan_and_compare(corpus, dir, path, sizeof path);
    tt_store *store;
    char **labels;
    int n;
    assert_ok(tt_store_open(&world, path, &store));
    assert_ok(tt_manifest_labels(&world, store, "genre", &labels, &n));
    assert_int_equal(n, 17);
    for (int i = 1; i < n; i++) assert_true(strcmp(labels[i - 1], labels[i]) < 0);
    free(labels);
    tt_store_close(store);
    free(dir);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_rows),
    cmocka_unit_test(test_many_rows),
};
TT_TEST_MAIN(cases)
