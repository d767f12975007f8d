/* Small corpora for the tests, written by rank 0. Audio here is a few bytes: listing does not open it. */
#ifndef TUTTI_TESTS_CORPORA_H
#define TUTTI_TESTS_CORPORA_H

#include "test.h"

#include "tutti/corpus.h"
#include "tutti/hash.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Write n bytes to DIR/NAME, making the folders on the way. */
static inline void put_file(const char *dir, const char *name, const void *data, size_t n)
{
    char path[8300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    FILE *f = fopen(path, "wb");
    if (!f) fail_msg("cannot write %s", path);
    fwrite(data, 1, n, f);
    fclose(f);
}

static inline void put_text(const char *dir, const char *name, const char *text)
{
    put_file(dir, name, text, strlen(text));
}

/** A folder of this name in the scratch folder, emptied. Copy of the path: free(). Collective. */
static inline char *fresh_folder(const char *name)
{
    char *path = strdup(scratch(name)), command[4200];
    if (world.rank == 0) {
        snprintf(command, sizeof command, "rm -rf '%s'", path);
        if (system(command) != 0) fail_msg("%s", command);
        mkdir(path, 0777);
    }
    MPI_Barrier(world.mpi);
    return path;
}

/** The whole corpus, listed by this rank alone: what every number of ranks must agree with. */
static inline tt_status list_alone(const char *path, const char *format, tt_tracks *out)
{
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_corpus_params params = {(char *)path, (char *)format};
    return tt_corpus_list(&self, &params, out);
}

/* Lyrics as expected. A track called hush has some that are empty; any other with empty ones has none. */
static inline void check_lyrics(const tt_track *t, const char *lyrics)
{
    assert_string_equal(t->lyrics, lyrics);
    assert_int_equal(t->has_lyrics, lyrics[0] != '\0' || strstr(t->id, "hush") != NULL);
}

static inline void assert_same_track(const tt_track *a, const tt_track *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->shard, b->shard);
    assert_string_equal(a->genre, b->genre);
    assert_string_equal(a->language, b->language);
    assert_string_equal(a->split, b->split);
    assert_string_equal(a->lyrics, b->lyrics);
    assert_int_equal(a->has_lyrics, b->has_lyrics);
    assert_string_equal(a->format, b->format);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->modified, b->modified);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->sample_rate, b->sample_rate);
    assert_int_equal(a->channels, b->channels);
    assert_true(a->seconds == b->seconds);
}

/** List on all ranks and compare with the list of one. Collective. */
static inline void check_ranks_agree(const char *path, const char *format)
{
    tt_tracks mine, all;
    tt_corpus_params params = {(char *)path, (char *)format};
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    char one[TT_HASH_TEXT], many[TT_HASH_TEXT];
    assert_ok(tt_corpus_list(&world, &params, &mine));
    assert_ok(list_alone(path, format, &all));
    assert_int_equal(mine.total, all.total);
    tt_range range = tt_partition(all.total, 1, world.size, world.rank);
    assert_int_equal(mine.first, range.begin);
    assert_int_equal(mine.n, range.end - range.begin);
    for (int64_t i = 0; i < mine.n; i++) assert_same_track(&mine.v[i], &all.v[mine.first + i]);
    tt_tracks_free(&mine);
    tt_tracks_free(&all);
    assert_ok(tt_corpus_fingerprint(&self, &params, one));
    assert_ok(tt_corpus_fingerprint(&world, &params, many));
    assert_string_equal(one, many);
}

#endif
