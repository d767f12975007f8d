/* What the tests of training share: a small matrix, a small model, and comparing files bit by bit. */
#ifndef TUTTI_TESTS_VAE_TRAINED_H
#define TUTTI_TESTS_VAE_TRAINED_H

#include "test.h"

#include "tutti/hash.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"
#include "tutti/vae.h"

#include <string.h>

static const tt_provenance origin = {"train", "fingerprint of the test", "", "", 5};

static inline tt_model_params small_model(void)
{
    return (tt_model_params){.kind = "fc",
                             .prior = "normal",
                             .components = 3,
                             .latent_dim = 3,
                             .n_hidden = 1,
                             .hidden_dims = {12},
                             .reconstruction = "gaussian",
                             .condition = "none"};
}

static inline tt_train_params few_epochs(void)
{
    return (tt_train_params){.beta = 0.5,
                             .kl_schedule = "linear",
                             .kl_warmup_epochs = 2,
                             .kl_cycles = 2,
                             .pretrain_epochs = 1,
                             .epochs = 3,
                             .batch_size = 90,
                             .optimizer = "adam",
                             .learning_rate = 1e-3,
                             .scale_learning_rate = "none",
                             .schedule = "constant",
                             .scaling = "within",
                             .precision = "f32",
                             .reproducible = true,
                             .validation = 0.2,
                             .checkpoint_seconds = 1e6};
}

enum { COLS = 7, CLIPS = 3 };

/* Row r of the input: column 2 is constant, column 4 is wide, every 11th row is not valid. */
static inline void fill(int64_t r, float *row)
{
    tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)r, COLS, row);
    row[0] += r % 2 ? 3 : -3;
    row[2] = 0.1F;
    row[4] = 1e4F * row[4] + 1e6F;
}

/* FILE.h5 with /x, /valid and, unless tracks is 0, /clip/track: rows of a track are not neighbours. */
static inline const char *make_input(const char *name, int64_t rows, int64_t tracks)
{
    static char path[1024];
    const tt_column columns[] = {{.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {rows, COLS}},
                                 {.name = "/valid", .type = TT_U8, .n_dims = 1, .dims = {rows}},
                                 {.name = "/clip/track", .type = TT_I64, .n_dims = 1, .dims = {rows}}};
    tt_store *store;
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, world.size, world.rank);
    int64_t n = mine.end - mine.begin, *track;
    float *x;
    unsigned char *valid;
    assert_ok(tt_alloc(n * COLS, sizeof *x, "test", &x));
    assert_ok(tt_alloc(n, 1, "test", &valid));
    assert_ok(tt_alloc(n, sizeof *track, "test", &track));
    for (int64_t i = 0; i < n; i++) {
        fill(mine.begin + i, x + i * COLS);
        valid[i] = (mine.begin + i) % 11 != 10;
        track[i] = tracks > 0 ? (mine.begin + i) % tracks : 0;
    }
    snprintf(path, sizeof path, "%s", scratch(name));
    assert_ok(tt_store_create(&world, path, &origin, columns, tracks > 0 ? 3 : 2, &store));
    tt_status s = tt_store_write(store, "/x", mine.begin, n, x);
    if (s == TT_OK) s = tt_store_write(store, "/valid", mine.begin, n, valid);
    if (s == TT_OK && tracks > 0) s = tt_store_write(store, "/clip/track", mine.begin, n, track);
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    free(valid);
    free(track);
    return path;
}

/* Hash of one-or-more-dimensional numeric datasets of a file. Every rank reads them whole. */
static inline void hash_file(const char *path, const char *const *names, int n, char text[TT_HASH_TEXT])
{
    tt_store *store;
    tt_hash h = tt_hash_start();
    assert_ok(tt_store_open(&world, path, &store));
    for (int i = 0; i < n; i++) {
        tt_column c;
        bool found;
        assert_ok(tt_store_column(store, names[i], &c, &found));
        assert_true(found);
        int64_t elements = 1;
        for (int k = 0; k < c.n_dims; k++) elements *= c.dims[k];
        void *values;
        assert_ok(tt_alloc(elements, 8, "test", &values));
        assert_ok(tt_store_read(store, names[i], 0, c.dims[0], c.type, values));
        tt_hash_add(&h, values, (size_t)elements * (c.type == TT_F32 ? 4 : c.type == TT_U8 ? 1 : 8));
        free(values);
    }
    tt_store_close(store);
    tt_hash_print(&h, text);
}

static const char *const model_names[] = {"/param/encoder.0.weight",
                                          "/param/encoder.0.bias",
                                          "/param/encoder.1.weight",
                                          "/param/decoder.0.weight",
                                          "/param/decoder.1.weight",
                                          "/param/decoder.1.bias",
                                          "/optimizer/first/encoder.0.weight",
                                          "/optimizer/second/decoder.1.weight",
                                          "/optimizer/step",
                                          "/input/mean",
                                          "/input/scale",
                                          "/history/loss",
                                          "/history/val_loss",
                                          "/history/kl"};
static const char *const latent_names[] = {"/mu",         "/logvar",   "/valid",
                                           "/clip/track", "/track/mu", "/track/clips"};

static inline void assert_same(const char *a, const char *b, const char *const *names, size_t n)
{
    char one[TT_HASH_TEXT], other[TT_HASH_TEXT];
    hash_file(a, names, (int)n, one);
    hash_file(b, names, (int)n, other);
    assert_string_equal(one, other);
}

#define assert_same_model(a, b)   assert_same(a, b, model_names, sizeof model_names / sizeof *model_names)
#define assert_same_latents(a, b) assert_same(a, b, latent_names, sizeof latent_names / sizeof *latent_names)

/* Run f on rank 0 alone, on a communicator of its own. */
static inline void alone(void (*f)(const tt_comm *, const char *, void *), const char *input, void *context)
{
    MPI_Comm mpi;
    MPI_Comm_split(world.mpi, world.rank, 0, &mpi);
    tt_comm self = tt_comm_wrap(mpi);
    if (world.rank == 0) f(&self, input, context);
    MPI_Barrier(world.mpi);
    MPI_Comm_free(&mpi);
}

static inline void train_and_encode(const tt_comm *comm, const char *input, void *context)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    const char *suffix = context;
    char output[2048], latents[2048];
    snprintf(output, sizeof output, "%s.%s.model", input, suffix);
    snprintf(latents, sizeof latents, "%s.%s.latents", input, suffix);
    assert_ok(tt_train(comm, &model, &settings, &origin, input, NULL, output));
    assert_ok(tt_encode(comm, &origin, output, input, NULL, latents));
}

static inline const char *beside(const char *input, const char *suffix)
{
    static char path[16][2048];
    static int next;
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s.%s", input, suffix);
    return p;
}

#endif
