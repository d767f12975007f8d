/* TF-IDF against scikit-learn on the same words, on any number of ranks, and on corpora that hold little. */
#include "test.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"
#include "tutti/text.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_TESTS "/text/golden_text.h5"

enum { PICKS = 3, TEXT_BYTES = 2048 };

static void *load(const tt_comm *comm, const char *name, tt_type type, size_t bytes, int64_t *rows,
                  int64_t *text)
{
    tt_store *store;
    tt_column column;
    bool found;
    void *data;
    assert_ok(tt_store_open(comm, GOLDEN, &store));
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found);
    *rows = column.dims[0];
    if (type == TT_TEXT) *text = column.text_bytes;
    if (type != TT_TEXT && column.n_dims == 2) bytes *= (size_t)column.dims[1];
    assert_ok(tt_alloc(*rows + 1, type == TT_TEXT ? (size_t)column.text_bytes : bytes, "test", &data));
    assert_ok(tt_store_read(store, name, 0, *rows, type, data));
    tt_store_close(store);
    return data;
}

/* Write a manifest of n tracks whose lyrics `text(i, context, room)` gives, which says whether there are any.
 */
static void write_manifest(const tt_comm *comm, const char *path, int64_t n,
                           bool (*text)(int64_t i, const void *context, char *room), const void *context)
{
    tt_range mine = tt_partition(n, 1, comm->size, comm->rank);
    tt_tracks tracks = {.n = mine.end - mine.begin, .first = mine.begin, .total = n};
    char *room;
    assert_ok(tt_alloc(TEXT_BYTES, 1, "test", &room));
    assert_ok(tt_alloc(tracks.n, sizeof *tracks.v, "test", &tracks.v));
    for (int64_t i = 0; i < tracks.n; i++) {
        tt_track *t = &tracks.v[i];
        char **texts[] = {&t->path, &t->shard, &t->genre, &t->split};
        for (int k = 0; k < 4; k++) assert_ok(tt_copy_text("", texts[k]));
        assert_ok(tt_format(&t->id, "t%05lld", (long long)(mine.begin + i)));
        assert_ok(tt_copy_text((mine.begin + i) % 2 ? "en" : "", &t->language));
        room[0] = '\0';
        t->has_lyrics = text(mine.begin + i, context, room);
        assert_ok(tt_copy_text(room, &t->lyrics));
    }
    tt_provenance provenance = {"scan", path, "", "", 1};
    assert_ok(tt_manifest_write(comm, path, &provenance, &tracks, &(tt_phases){0}));
    tt_tracks_free(&tracks);
    free(room);
}

static void make(const tt_comm *comm, const tt_lyrics_params *params, const char *path, tt_tfidf *out)
{
    tt_store *manifest;
    assert_ok(tt_store_open(comm, path, &manifest));
    assert_ok(tt_tfidf_make(comm, params, manifest, out));
    tt_store_close(manifest);
}

typedef struct sentences {
    char *text;
    int32_t *pick;
    int64_t n, bytes, tracks;
} sentences;

static sentences load_sentences(const tt_comm *comm)
{
    sentences s;
    int64_t none = 0;
    s.text = load(comm, "/sentences", TT_TEXT, 1, &s.n, &s.bytes);
    s.pick = load(comm, "/pick", TT_I32, sizeof *s.pick, &s.tracks, &none);
    return s;
}

static void free_sentences(sentences *s)
{
    free(s->text);
    free(s->pick);
}

static bool golden_text(int64_t i, const void *context, char *room)
{
    const sentences *s = context;
    for (int k = 0; k < PICKS; k++) {
        int32_t row = s->pick[i * PICKS + k];
        if (row < 0) continue;
        size_t used = strlen(room);
        snprintf(room + used, TEXT_BYTES - used, "%.*s\n", (int)s->bytes, s->text + row * s->bytes);
    }
    return i % 100 > 0; /* among them are empty ones */
}

static void *golden(const char *group, const char *leaf, tt_type type, size_t bytes, int64_t *rows,
                    int64_t *text)
{
    char name[64];
    snprintf(name, sizeof name, "/%s/%s", group, leaf);
    return load(&world, name, type, bytes, rows, text);
}

static void compare_terms(const char *group, const tt_tfidf *t)
{
    int64_t n, width, none = 0;
    char *terms = golden(group, "terms", TT_TEXT, 1, &n, &width);
    int64_t *df = golden(group, "df", TT_I64, sizeof *df, &n, &none);
    double *idf = golden(group, "idf", TT_F64, sizeof *idf, &n, &none);
    assert_int_equal(t->terms, n);
    assert_int_equal(tt_sum_i64(&world, t->n_terms), n);
    for (int64_t i = 0; i < t->n_terms; i++) {
        int64_t at = t->first_term + i;
        char expected[TEXT_BYTES];
        snprintf(expected, sizeof expected, "%.*s", (int)width, terms + at * width);
        assert_string_equal(t->term[i], expected);
        assert_int_equal(t->df[i], df[at]);
        assert_near(t->idf[i], idf[at], 1e-12);
    }
    free(terms);
    free(df);
    free(idf);
}

static void compare_rows(const char *group, const tt_tfidf *t)
{
    int64_t n, none = 0;
    float *data = golden(group, "data", TT_F32, sizeof *data, &n, &none);
    int32_t *indices = golden(group, "indices", TT_I32, sizeof *indices, &n, &none);
    assert_int_equal(t->nonzeros, n);
    int64_t *begin = golden(group, "indptr", TT_I64, sizeof *begin, &n, &none);
    for (int64_t i = 0; i < t->count; i++) {
        int64_t from = begin[t->first + i], count = begin[t->first + i + 1] - from;
        assert_int_equal(t->begin[i + 1] - t->begin[i], count);
        for (int64_t k = 0; k < count; k++) {
            assert_int_equal(t->index[t->begin[i] + k], indices[from + k]);
            assert_near(t->value[t->begin[i] + k], data[from + k], 1e-6);
        }
    }
    free(data);
    free(indices);
    free(begin);
}

static void test_golden(void **state)
{
    (void)state;
    const struct {
        const char *name;
        tt_lyrics_params params;
    } cases[] = {
        {"plain", {.ngram = {1, 2}, .min_df = {2, false}, .max_df = {0.95, true}}},
        {"single", {.ngram = {1, 1}, .min_df = {1, false}, .max_df = {1.0, true}}},
        {"long", {.ngram = {2, 4}, .min_df = {0.02, true}, .max_df = {0.5, true}, .sublinear_tf = true}},
        {"few", {.ngram = {1, 2}, .min_df = {3, false}, .max_df = {300, false}}},
    };
    sentences s = load_sentences(&world);
    char path[1024];
    snprintf(path, sizeof path, "%s", scratch("golden.h5"));
    write_manifest(&world, path, s.tracks, golden_text, &s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n, none = 0, *limit = golden(cases[i].name, "limit", TT_I64, sizeof *limit, &n, &none);
        tt_lyrics_params p = cases[i].params;
        tt_tfidf t;
        p.stemming = p.stop_words = "none";
        p.max_features = (int)*limit;
        make(&world, &p, path, &t);
        compare_terms(cases[i].name, &t);
        compare_rows(cases[i].name, &t);
        tt_tfidf_free(&t);
        free(limit);
    }
    free_sentences(&s);
}

/* The same bits as one rank alone, also where terms of one count stand at the edge of max_features. */
static void test_ranks(void **state)
{
    (void)state;
    tt_comm self = tt_comm_wrap(MPI_COMM_SELF);
    tt_lyrics_params p = {.ngram = {1, 3},
                          .min_df = {1, false},
                          .max_df = {0.9, true},
                          .max_features = 333,
                          .stemming = "snowball",
                          .stop_words = "lists"};
    sentences s = load_sentences(&world);
    char path[1024];
    snprintf(path, sizeof path, "%s", scratch("ranks.h5"));
    write_manifest(&world, path, s.tracks, golden_text, &s);
    tt_tfidf all, one;
    make(&world, &p, path, &all);
    make(&self, &p, path, &one);
    assert_int_equal(all.terms, 333);
    assert_int_equal(one.terms, 333);
    assert_int_equal(all.documents, one.documents);
    for (int64_t i = 0; i < all.n_terms; i++) {
        assert_string_equal(all.term[i], one.term[all.first_term + i]);
        assert_true(all.idf[i] == one.idf[all.first_term + i]);
    }
    for (int64_t i = 0; i < all.count; i++) {
        int64_t row = all.first + i, from = one.begin[row], n = one.begin[row + 1] - from;
        assert_int_equal(all.begin[i + 1] - all.begin[i], n);
        assert_memory_equal(all.index + all.begin[i], one.index + from, (size_t)n * sizeof *one.index);
        assert_memory_equal(all.value + all.begin[i], one.value + from, (size_t)n * sizeof *one.value);
        assert_string_equal(all.language[i], one.language[row]);
        assert_int_equal(all.guessed[i], one.guessed[row]);
    }
    tt_tfidf_free(&all);
    tt_tfidf_free(&one);
    free_sentences(&s);
}

static bool ties(int64_t i, const void *context, char *room)
{
    (void)context;
    static const char *const text[] = {"d c b a", "d c b", "e e", "f"};
    strcpy(room, text[i]);
    return true;
}

/* Few terms, which scikit-learn (numpy's sort) leaves in order where their counts are equal: b c d e have
 * two. */
static void test_ties(void **state)
{
    (void)state;
    tt_lyrics_params p = {.ngram = {1, 1},
                          .min_df = {1, false},
                          .max_df = {1.0, true},
                          .max_features = 3,
                          .stemming = "none",
                          .stop_words = "none"};
    tt_tfidf t;
    write_manifest(&world, scratch("ties.h5"), 4, ties, NULL);
    make(&world, &p, scratch("ties.h5"), &t);
    static const char *const kept[] = {"b", "c", "d"};
    assert_int_equal(t.terms, 3);
    for (int64_t i = 0; i < t.n_terms; i++) assert_string_equal(t.term[i], kept[t.first_term + i]);
    tt_tfidf_free(&t);
}

static bool odd_text(int64_t i, const void *context, char *room)
{
    (void)context;
    static const char *const text[] = {
        "", "love", "\xFF\xFE", "[Instrumental]", "love", "\xF0\x9F\x8E\xB5", "שלום עולם", "la la la la"};
    strcpy(room, text[i % 8]);
    return true;
}

static bool same_text(int64_t i, const void *context, char *room)
{
    (void)i;
    (void)context;
    strcpy(room, "the same song again");
    return true;
}

static bool no_text(int64_t i, const void *context, char *room)
{
    (void)i;
    (void)context;
    (void)room;
    return false;
}

static bool empty_text(int64_t i, const void *context, char *room)
{
    (void)context;
    strcpy(room, i == 1 ? "love" : "");
    return i != 2;
}

static void check_finite(const tt_tfidf *t)
{
    for (int64_t i = 0; i < t->count; i++) {
        double square = 0;
        for (int64_t k = t->begin[i]; k < t->begin[i + 1]; k++) square += pow((double)t->value[k], 2);
        if (t->begin[i + 1] > t->begin[i]) assert_near(square, 1, 1e-6);
    }
}

static void test_little(void **state)
{
    (void)state;
    const struct {
        bool (*text)(int64_t i, const void *context, char *room);
        int64_t tracks;
        double min_df;
        int64_t documents, terms;
    } cases[] = {
        {odd_text, 300, 1, 300, 6}, {odd_text, 8, 2, 8, 1},  {same_text, 300, 2, 300, 7},
        {same_text, 1, 1, 1, 7},    {same_text, 1, 2, 1, 0}, {no_text, 300, 1, 0, 0},
        {odd_text, 8, 5, 8, 0},     {no_text, 0, 1, 0, 0},   {empty_text, 4, 1, 3, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_lyrics_params p = {.ngram = {1, 2},
                              .min_df = {cases[i].min_df, false},
                              .max_df = {1.0, true},
                              .stemming = "none",
                              .stop_words = "none"};
        tt_tfidf t;
        char name[64], path[1024];
        snprintf(name, sizeof name, "little%zu.h5", i);
        snprintf(path, sizeof path, "%s", scratch(name));
        write_manifest(&world, path, cases[i].tracks, cases[i].text, NULL);
        make(&world, &p, path, &t);
        assert_int_equal(t.documents, cases[i].documents);
        assert_int_equal(t.terms, cases[i].terms);
        check_finite(&t);
        tt_tfidf_free(&t);
    }
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_golden),
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_ties),
    cmocka_unit_test(test_little),
};
TT_TEST_MAIN(cases)
