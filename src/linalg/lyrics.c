/* The lyrics stage: manifest.h5 to lyrics.h5. */
#include "tutti/lyrics.h"

#include "foreign.h"

#include "tutti/log.h"
#include "tutti/matrix.h"
#include "tutti/memory.h"
#include "tutti/svd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CSR_BLOCK = 65536, COLUMNS_MAX = 16 };

/* What lyrics.h5 is made of. */
typedef struct lyrics {
    const tt_comm *comm;
    tt_tfidf tfidf;
    unsigned char *valid; /* [count] */
    int64_t n_valid;      /* over all ranks */
    tt_svd svd;           /* 0 dims where there is nothing to embed */
    tt_matrix embedding;  /* [tracks, dims], a row per track */
    double *variance;     /* [dims] of the embedding's columns; then as shares of the variance of TF-IDF */
    int n_columns;
    tt_column column[COLUMNS_MAX];
} lyrics;

static int64_t longest(const tt_comm *comm, char *const *text, int64_t n)
{
    int64_t most = 1;
    for (int64_t i = 0; i < n; i++)
        if ((int64_t)strlen(text[i]) > most) most = (int64_t)strlen(text[i]);
    return tt_max_i64(comm, most);
}

enum { TERMS, DF, IDF, DATA, INDICES, INDPTR, WORDS, LANGUAGE, GUESSED, VALID, FIXED };

/* An embedding from outside has no axes. */
static void describe_embedding(lyrics *l)
{
    int64_t dims = l->svd.dims;
    const tt_column more[] = {
        {"/embedding", TT_F32, 2, {l->tfidf.tracks, l->embedding.cols}, 0, 0},
        {"/loadings", TT_F32, 2, {l->tfidf.terms, dims}, 0, 0},
        {"/singular_values", TT_F64, 1, {dims}, 0, 0},
        {"/explained_variance", TT_F64, 1, {dims}, 0, 0},
        {"/explained_variance_ratio", TT_F64, 1, {dims}, 0, 0},
    };
    int n = dims > 0 ? (int)(sizeof more / sizeof *more) : 1;
    memcpy(l->column + l->n_columns, more, (size_t)n * sizeof *more);
    l->n_columns += n;
}

static void describe(lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t nonzeros = t->nonzeros;
    const tt_column all[FIXED] = {
        [TERMS] = {"/terms", TT_TEXT, 1, {t->terms}, longest(l->comm, t->term, t->n_terms), 0},
        [DF] = {"/df", TT_I64, 1, {t->terms}, 0, 0},
        [IDF] = {"/idf", TT_F64, 1, {t->terms}, 0, 0},
        [DATA] = {"/tfidf/data", TT_F32, 1, {nonzeros}, 0, CSR_BLOCK},
        [INDICES] = {"/tfidf/indices", TT_I32, 1, {nonzeros}, 0, CSR_BLOCK},
        [INDPTR] = {"/tfidf/indptr", TT_I64, 1, {t->tracks + 1}, 0, 0},
        [WORDS] = {"/track/words", TT_I64, 1, {t->tracks}, 0, 0},
        [LANGUAGE] = {"/track/language", TT_TEXT, 1, {t->tracks}, longest(l->comm, t->language, t->count), 0},
        [GUESSED] = {"/track/language_guessed", TT_U8, 1, {t->tracks}, 0, 0},
        [VALID] = {"/valid", TT_U8, 1, {t->tracks}, 0, 0},
    };
    memcpy(l->column, all, sizeof all);
    l->n_columns = FIXED;
    if (l->embedding.cols > 0) describe_embedding(l);
}

/* Texts in rows of `bytes`, NUL-padded. */
static tt_status pad(char *const *text, int64_t n, int64_t bytes, char **out)
{
    TT_TRY(tt_alloc(n, (size_t)bytes, "texts", out));
    for (int64_t i = 0; i < n; i++) memcpy(*out + i * bytes, text[i], strlen(text[i]));
    return TT_OK;
}

static tt_status write_texts(const lyrics *l, tt_store *store, int which, char *const *text, int64_t first,
                             int64_t n)
{
    const tt_column *c = &l->column[which];
    char *rows = NULL;
    tt_status s = pad(text, n, c->text_bytes, &rows);
    s = tt_store_write_dealt(l->comm, store, c, c->text_bytes, rows, first, n, s);
    free(rows);
    return s;
}

/* Rows begin where those of the ranks before end; whoever has the last row, or rank 0 if there is none, adds
 * where it ends. */
static tt_status write_begins(const lyrics *l, tt_store *store)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t before = tt_prefix_i64(l->comm, t->begin[t->count]), *begin;
    bool last = t->tracks > 0 ? t->count > 0 && t->first + t->count == t->tracks : l->comm->rank == 0;
    tt_status s = tt_alloc(t->count + 1, sizeof *begin, "TF-IDF", &begin);
    for (int64_t i = 0; s == TT_OK && i <= t->count; i++) begin[i] = before + t->begin[i];
    s = tt_store_write_dealt(l->comm, store, &l->column[INDPTR], sizeof *begin, begin, t->first,
                             t->count + last, s);
    free(begin);
    return s;
}

static tt_status write_embedding(const lyrics *l, tt_store *store)
{
    const tt_matrix *x = &l->embedding;
    int64_t dims = l->svd.dims;
    TT_TRY(tt_store_write(store, "/embedding", x->first, x->count, x->data));
    if (dims == 0) return TT_OK;
    TT_TRY(tt_store_write(store, "/loadings", l->svd.first, l->svd.count, l->svd.axes));
    if (l->comm->rank != 0) return TT_OK; /* the rest is the same on every rank */
    TT_TRY(tt_store_write(store, "/singular_values", 0, dims, l->svd.values));
    TT_TRY(tt_store_write(store, "/explained_variance", 0, dims, l->variance));
    return tt_store_write(store, "/explained_variance_ratio", 0, dims, l->variance + dims);
}

static tt_status write_all(const lyrics *l, tt_store *store)
{
    const tt_tfidf *t = &l->tfidf;
    const tt_column *c = l->column;
    int64_t mine = t->begin[t->count], at = tt_prefix_i64(l->comm, mine);
    TT_TRY(write_texts(l, store, TERMS, t->term, t->first_term, t->n_terms));
    TT_TRY(
        tt_store_write_dealt(l->comm, store, &c[DF], sizeof *t->df, t->df, t->first_term, t->n_terms, TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[IDF], sizeof *t->idf, t->idf, t->first_term, t->n_terms,
                                TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[DATA], sizeof *t->value, t->value, at, mine, TT_OK));
    TT_TRY(tt_store_write_dealt(l->comm, store, &c[INDICES], sizeof *t->index, t->index, at, mine, TT_OK));
    TT_TRY(write_begins(l, store));
    TT_TRY(write_texts(l, store, LANGUAGE, t->language, t->first, t->count));
    tt_status s = tt_store_write(store, "/track/words", t->first, t->count, t->words);
    if (s == TT_OK) s = tt_store_write(store, "/track/language_guessed", t->first, t->count, t->guessed);
    if (s == TT_OK) s = tt_store_write(store, "/valid", t->first, t->count, l->valid);
    if (s == TT_OK && l->embedding.cols > 0) s = write_embedding(l, store);
    return tt_agree(l->comm, s);
}

/* A track whose row is empty is one that nothing is known of: no words, or none that is a term. */
static tt_status mark_valid(lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t n = 0;
    TT_TRY(tt_agree(l->comm, tt_alloc(t->count, 1, "marks of tracks", &l->valid)));
    for (int64_t i = 0; i < t->count; i++) n += l->valid[i] = t->begin[i + 1] > t->begin[i];
    l->n_valid = tt_sum_i64(l->comm, n);
    return TT_OK;
}

/* Variance of all columns of TF-IDF over the valid rows, whose length is 1: what their mean does not explain.
 * Sums of columns are formed in units of 2^-40, exactly, so that their order does not show. Collective. */
static tt_status total_variance(const lyrics *l, double *out)
{
    const tt_tfidf *t = &l->tfidf;
    int64_t *sum = NULL, n = t->terms;
    TT_TRY(tt_agree(l->comm, tt_alloc(n, sizeof *sum, "column sums", &sum)));
    for (int64_t k = 0; k < t->begin[t->count]; k++)
        sum[t->index[k]] += llrint(ldexp((double)t->value[k], 40));
    MPI_Allreduce(MPI_IN_PLACE, sum, (int)n, MPI_INT64_T, MPI_SUM, l->comm->mpi);
    double square = 0;
    for (int64_t j = 0; j < n; j++) {
        double mean = ldexp((double)sum[j], -40) / (double)l->n_valid;
        square += mean * mean;
    }
    free(sum);
    *out = fmax(1.0 - square, 0.0);
    return TT_OK;
}

/* What the dimensions explain, as scikit-learn's TruncatedSVD tells it. Collective. */
static tt_status explain(lyrics *l)
{
    int64_t dims = l->svd.dims;
    double *mean = NULL, total = 0;
    tt_status s = tt_alloc(2 * dims, sizeof *l->variance, "variances", &l->variance);
    if (s == TT_OK) s = tt_alloc(dims, sizeof *mean, "variances", &mean);
    s = tt_agree(l->comm, s);
    if (s == TT_OK) s = tt_matrix_moments(&l->embedding, mean, l->variance);
    if (s == TT_OK) s = total_variance(l, &total);
    for (int64_t j = 0; s == TT_OK && j < dims; j++) {
        l->variance[j] *= l->variance[j];
        l->variance[dims + j] = total > 0 ? l->variance[j] / total : 0.0;
    }
    free(mean);
    return s;
}

/* Latent semantic analysis: TF-IDF along its largest singular vectors. Collective. */
static tt_status embed(lyrics *l, int64_t wanted, uint64_t seed, const char *output)
{
    const tt_tfidf *t = &l->tfidf;
    const tt_sparse a = {l->comm, t->tracks, t->terms, t->first, t->count, t->begin, t->index, t->value};
    int64_t dims = wanted < l->n_valid ? wanted : l->n_valid;
    TT_TRY(tt_svd_sparse(&a, dims, seed, &l->svd));
    if (l->svd.dims == 0) return TT_OK;
    if (l->svd.dims < wanted)
        tt_info("lyrics: embedding has %lld dimensions, not %lld: the texts have no more",
                (long long)l->svd.dims, (long long)wanted);
    tt_debug("lyrics: singular values from a basis of %lld, off by about %.1e", (long long)l->svd.basis,
             l->svd.error);
    if (l->svd.error > 1e-4 && l->comm->rank == 0)
        tt_warn(
            "lyrics: the last dimensions of the embedding are known to %.1g only: a basis of %lld, the most "
            "there may be, was not enough; ask for fewer by lyrics.embedding_dims",
            l->svd.error, (long long)l->svd.basis);
    TT_TRY(tt_matrix_new(l->comm, output, t->tracks, l->svd.dims, &l->embedding));
    memcpy(l->embedding.valid, l->valid, (size_t)t->count);
    l->embedding.n_valid = l->n_valid;
    TT_TRY(tt_svd_transform(&l->svd, &a, l->embedding.data));
    return explain(l);
}

/* Vectors that were made elsewhere: who has one is valid, whatever its words are. Collective. */
static tt_status take_foreign(lyrics *l, const char *spec, tt_store *manifest)
{
    TT_TRY(foreign_embedding(l->comm, spec, manifest, &l->embedding));
    memcpy(l->valid, l->embedding.valid, (size_t)l->tfidf.count);
    l->n_valid = l->embedding.n_valid;
    tt_info("lyrics: %s has vectors of %lld of %lld tracks, %lld dimensions", spec, (long long)l->n_valid,
            (long long)l->tfidf.tracks, (long long)l->embedding.cols);
    return TT_OK;
}

static void say(const lyrics *l)
{
    const tt_tfidf *t = &l->tfidf;
    const tt_token_counts *c = &t->counts;
    int64_t words = 0, guessed = 0;
    for (int64_t i = 0; i < t->count; i++) {
        words += t->words[i];
        guessed += t->guessed[i];
    }
    words = tt_sum_i64(l->comm, words);
    guessed = tt_sum_i64(l->comm, guessed);
    tt_info("lyrics: %lld of %lld tracks have some, %lld words, %lld terms kept", (long long)t->documents,
            (long long)t->tracks, (long long)words, (long long)t->terms);
    if (guessed > 0) tt_info("lyrics: language of %lld tracks guessed", (long long)guessed);
    if (c->sections > 0) tt_info("lyrics: %lld section marks left out", (long long)c->sections);
    if (l->comm->rank != 0) return;
    if (c->repaired > 0) tt_warn("lyrics: broken UTF-8 repaired in %lld texts", (long long)c->repaired);
    if (c->too_long > 0)
        tt_warn("lyrics: %lld words of more than %d bytes left out", (long long)c->too_long, TT_WORD_BYTES);
    if (t->documents > 0 && t->terms == 0)
        tt_warn("lyrics: no term is left between lyrics.min_df and lyrics.max_df in %lld texts",
                (long long)t->documents);
}

static tt_status publish(lyrics *l, const tt_provenance *provenance, tt_phases *phases, const char *output)
{
    tt_store *store;
    describe(l);
    TT_TRY(tt_store_create(l->comm, output, provenance, l->column, l->n_columns, &store));
    return tt_store_publish(store, phases, write_all(l, store));
}

tt_status tt_lyrics(const tt_comm *comm, const tt_lyrics_params *params, const tt_provenance *provenance,
                    const char *manifest, const char *output)
{
    lyrics l = {.comm = comm};
    tt_phases phases = {0};
    tt_store *in = NULL;
    TT_TRY(tt_store_open(comm, manifest, &in));
    tt_phase(&phases, "terms");
    tt_status s = tt_tfidf_make(comm, params, in, &l.tfidf);
    if (s == TT_OK) s = mark_valid(&l);
    if (s == TT_OK) say(&l);
    tt_phase(&phases, "embedding");
    bool foreign = strcmp(params->embedding_file, "none") != 0;
    if (s == TT_OK && foreign) s = take_foreign(&l, params->embedding_file, in);
    if (s == TT_OK && !foreign) s = embed(&l, params->embedding_dims, provenance->seed, output);
    tt_phase(&phases, "write");
    if (s == TT_OK) s = publish(&l, provenance, &phases, output);
    tt_store_close(in);
    tt_tfidf_free(&l.tfidf);
    tt_svd_free(&l.svd);
    tt_matrix_free(&l.embedding);
    free(l.variance);
    free(l.valid);
    return s;
}

int tt_lyrics_files(const tt_lyrics_params *params, const char *file[TT_LYRICS_FILES])
{
    int n = 0;
    if (strcmp(params->embedding_file, "none") != 0) file[n++] = params->embedding_file;
    if (strcmp(params->stop_words, "none") != 0 && strcmp(params->stop_words, "lists") != 0)
        file[n++] = params->stop_words;
    return n;
}
