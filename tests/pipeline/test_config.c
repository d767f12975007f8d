/* Settings: defaults, YAML, --set, and what is said of wrong ones. */
#include "test.h"

#include "tutti/config.h"

#include <string.h>

static const char *file(const char *text)
{
    const char *path = scratch("settings.yaml");
    if (world.rank == 0) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
    }
    MPI_Barrier(world.mpi);
    return path;
}

/* Loading fails with `code` and a message that holds `part`. */
static void rejects(const char *text, const char *set, tt_status code, const char *part)
{
    tt_config *config;
    tt_status s = tt_config_load(&world, text ? file(text) : NULL, &set, set ? 1 : 0, &config);
    assert_int_equal(s, code);
    assert_null(config);
    if (!strstr(tt_message(), part)) fail_msg("'%s' is not in '%s'", part, tt_message());
    if (strchr(tt_message(), '\n')) fail_msg("more than one line: %s", tt_message());
    MPI_Barrier(world.mpi);
}

static void test_defaults(void **state)
{
    (void)state;
    tt_config *c;
    assert_ok(tt_config_load(&world, NULL, NULL, 0, &c));
    assert_int_equal(c->seed, 1);
    assert_int_equal(c->audio.sample_rate, 22050);
    assert_int_equal(c->audio.clips_per_track, 0);
    assert_near(c->train.learning_rate, 1e-3, 0);
    assert_int_equal(c->model.n_hidden, 2);
    assert_int_equal(c->model.hidden_dims[1], 256);
    assert_true(c->train.reproducible);
    assert_string_equal(c->corpus.path, "data/corpus");
    tt_config_free(c);
}

static void test_file_and_sets(void **state)
{
    (void)state;
    const char *sets[] = {"model.hidden_dims=[]", "features.n_mels=40", "features.n_mels=64"};
    tt_config *c;
    assert_ok(tt_config_load(&world,
                             file("# a comment\nseed: 18446744073709551615\n"
                                  "audio: {clips_per_track: 3}\nmodel:\n  hidden_dims: [7,8,9]\n"
                                  "  latent_dim: 2\ncorpus:\n  path: 'some: where'\n"),
                             sets, 3, &c));
    assert_true(c->seed == UINT64_MAX);
    assert_int_equal(c->audio.clips_per_track, 3);
    assert_int_equal(c->model.n_hidden, 0);
    assert_int_equal(c->model.latent_dim, 2);
    assert_int_equal(c->features.n_mels, 64);
    assert_string_equal(c->corpus.path, "some: where");
    tt_config_free(c);
    MPI_Barrier(world.mpi);
}

/* What is printed loads to the same settings. */
static void test_text_round_trip(void **state)
{
    (void)state;
    const char *sets[] = {"corpus.path=it's: {odd}", "cluster.kmeans.k=7", "train.validation=0.25"};
    tt_config *a, *b;
    char *text, *again, *some;
    assert_ok(tt_config_load(&world, NULL, sets, 3, &a));
    assert_ok(tt_config_text(a, NULL, &text));
    assert_ok(tt_config_load(&world, file(text), NULL, 0, &b));
    assert_ok(tt_config_text(b, NULL, &again));
    assert_string_equal(text, again);
    assert_int_equal(b->cluster.kmeans.k, 7);
    assert_ok(tt_config_text(a, "cluster.kmeans.,train.v", &some));
    assert_string_equal(some,
                        "train:\n  validation: 0.25\ncluster:\n  kmeans:\n    k: 7\n    select: silhouette\n"
                        "    init: 'k-means||'\n    n_init: 10\n    max_iter: 300\n"
                        "    tol: 1.0e-4\n    mini_batch: 0\n");
    tt_config_free(a);
    tt_config_free(b);
    free(text);
    free(again);
    free(some);
    MPI_Barrier(world.mpi);
}

static tt_config *loaded(const char *text, const char *const *sets, int n_sets)
{
    tt_config *c;
    assert_ok(tt_config_load(&world, text ? file(text) : NULL, sets, n_sets, &c));
    MPI_Barrier(world.mpi);
    return c;
}

/* The same words, which fingerprints are made of, whether a number was said or left to the kind of model. */
static void check_auto(const char *kind, double beta, int n_epochs, int n_batch, int n_latent)
{
    char kl[64], epochs[64], batch[64], latent[64];
    const char *said[] = {kind, kl, epochs, batch, latent};
    snprintf(kl, sizeof kl, "train.beta=%g", beta);
    snprintf(epochs, sizeof epochs, "train.epochs=%d", n_epochs);
    snprintf(batch, sizeof batch, "train.batch_size=%d", n_batch);
    snprintf(latent, sizeof latent, "model.latent_dim=%d", n_latent);
    char *of_auto, *of_numbers, *given;
    tt_config *a = loaded(NULL, said, 1), *b = loaded(NULL, said, 5);
    assert_true(a->train.beta == beta);
    assert_int_equal(a->train.epochs, n_epochs);
    assert_int_equal(a->train.batch_size, n_batch);
    assert_int_equal(a->model.latent_dim, n_latent);
    assert_ok(tt_config_text(a, NULL, &of_auto));
    assert_ok(tt_config_text(b, NULL, &of_numbers));
    assert_string_equal(of_auto, of_numbers);
    assert_null(strstr(of_auto, "epochs: auto"));
    assert_null(strstr(of_auto, "beta: auto"));
    assert_ok(tt_config_given(a, &given));
    assert_non_null(strstr(given, "epochs: auto\n  batch_size: auto\n"));
    tt_config_free(b);
    b = loaded(given, NULL, 0);
    assert_int_equal(b->train.epochs, n_epochs);
    assert_int_equal(b->model.latent_dim, n_latent);
    tt_config_free(a);
    tt_config_free(b);
    free(of_auto);
    free(of_numbers);
    free(given);
}

static void test_auto(void **state)
{
    (void)state;
    const char *sets[] = {"model.kind=conv", "train.epochs=7"};
    check_auto("model.kind=fc", 0.2, 50, 256, 16);
    check_auto("model.kind=two_branch", 0.2, 50, 256, 16);
    check_auto("model.prior=mixture", 1, 50, 256, 16);
    check_auto("model.reconstruction=learned", 1, 50, 256, 16);
    check_auto("model.kind=conv", 1, 30, 64, 32);
    tt_config *c = loaded("train: {batch_size: 256}\n", sets, 2);
    assert_int_equal(c->train.epochs, 7);
    assert_int_equal(c->train.batch_size, 256);
    tt_config_free(c);
    rejects(NULL, "train.epochs=0", TT_ERR_CONFIG, "--set train.epochs: 0 is out of range");
    rejects(NULL, "train.beta=-1", TT_ERR_CONFIG, "--set train.beta: -1 is out of range");
    rejects(NULL, "train.batch_size=all", TT_ERR_CONFIG, "'all' is not a number or auto");
    rejects(NULL, "audio.clips_per_track=auto", TT_ERR_CONFIG, "'auto' is not a number or all");
}

/* Every setting of the design page stands in one file. */
static void test_whole_contract(void **state)
{
    (void)state;
    const char *text =
        "seed: 1\n"
        "corpus:   {path: data/corpus, format: auto}\n"
        "audio:    {sample_rate: 22050, clip_seconds: 3.0, clip_hop: 3.0, clips_per_track: all}\n"
        "features: {n_fft: 2048, hop_length: 512, n_mels: 128, fmin: 0, fmax: 11025, mel_scale: slaney, "
        "mel_norm: slaney, mel_dtype: f32, n_mfcc: 20, top_db: 80, set: [all]}\n"
        "lyrics:   {ngram: [1, 2], min_df: 2, max_df: 0.95, max_features: 20000, embedding_dims: 128}\n"
        "fuse:     {lyrics_weight: 1.0, pca: 0}\n"
        "model:    {kind: fc, prior: normal, latent_dim: 32, hidden_dims: [512, 256], condition: none}   # "
        "kind\n"
        "train:    {beta: 1.0, kl_warmup_epochs: 5, epochs: 50, batch_size: 256, optimizer: adam, "
        "learning_rate: 1.0e-3,\n           precision: f32, reproducible: true, validation: 0.1}\n"
        "cluster:  {level: clip, kmeans: {k: 10, n_init: 10}, agglomerative: {k: 10, linkage: ward}, "
        "dbscan: {eps: auto, min_samples: 10}}\n"
        "embed:    {perplexity: 30, iterations: 1000}\n";
    tt_config *c;
    assert_ok(tt_config_load(&world, file(text), NULL, 0, &c));
    tt_config_free(c);
    MPI_Barrier(world.mpi);
}

/* One number or a pair, in a file and as --set. */
static void test_range(void **state)
{
    (void)state;
    const char *pair = "cluster.kmeans.k=[3, 9]", *one = "cluster.kmeans.k=4";
    tt_config *c;
    assert_ok(tt_config_load(&world, NULL, &pair, 1, &c));
    assert_int_equal(c->cluster.kmeans.k, 3);
    assert_int_equal(c->cluster.kmeans.k_max, 9);
    tt_config_free(c);
    assert_ok(tt_config_load(&world, file("cluster: {kmeans: {k: [2, 20]}}\n"), NULL, 0, &c));
    assert_int_equal(c->cluster.kmeans.k, 2);
    assert_int_equal(c->cluster.kmeans.k_max, 20);
    tt_config_free(c);
    MPI_Barrier(world.mpi);
    assert_ok(tt_config_load(&world, file("cluster: {kmeans: {k: 5}}\n"), &one, 1, &c));
    assert_int_equal(c->cluster.kmeans.k, 4);
    assert_int_equal(c->cluster.kmeans.k_max, 4);
    tt_config_free(c);
    MPI_Barrier(world.mpi);
    rejects("cluster: {kmeans: {k: [20, 2]}}\n", NULL, TT_ERR_CONFIG, "or a range such as [2, 20]");
    rejects(NULL, "cluster.kmeans.k=[0, 2]", TT_ERR_CONFIG, "out of range");
    rejects(NULL, "cluster.methods=[kmeans, birch]", TT_ERR_CONFIG, "'birch' is not known");
    rejects(NULL, "cluster.methods=[]", TT_ERR_CONFIG, "cluster.methods");
    rejects(NULL, "cluster.kmeans.init=best", TT_ERR_CONFIG, "expected one of: k-means||");
    rejects(NULL, "cluster.agglomerative.metric=cosine", TT_ERR_CONFIG, "does not go with linkage ward");
}

static void test_wrong_ones(void **state)
{
    (void)state;
    rejects("seed: 1\nfeatures:\n  n_mels: 128\n  n_mel: 64\n", NULL, TT_ERR_CONFIG,
            "line 4: features.n_mel:");
    rejects("sed: 1\n", NULL, TT_ERR_CONFIG, "line 1: sed: unknown setting; known here: seed, corpus");
    rejects("seed: 1\n\nfeatures: {n_fft: 3}\n", NULL, TT_ERR_CONFIG,
            "line 3: features.n_fft: 3 is out of range");
    rejects("features: {n_fft: many}\n", NULL, TT_ERR_CONFIG,
            "line 1: features.n_fft: 'many' is not a number");
    rejects("features: {n_fft: 2.5}\n", NULL, TT_ERR_CONFIG, "not a whole number");
    rejects("train: {reproducible: perhaps}\n", NULL, TT_ERR_CONFIG, "true or false");
    rejects("features: {set: [mel, mfc]}\n", NULL, TT_ERR_CONFIG,
            "features.set: 'mfc' is not known; expected a list of: all mel");
    rejects("features: {set: []}\n", NULL, TT_ERR_CONFIG, "line 1: set: Insufficient entries");
    rejects("features: {mel_norm: l1}\n", NULL, TT_ERR_CONFIG, "expected one of: slaney none");
    rejects("model: {kind: gan}\n", NULL, TT_ERR_CONFIG, "expected one of: fc");
    rejects("model: {kind: f}\n", NULL, TT_ERR_CONFIG, "expected one of: fc");
    rejects("model: 3\n", NULL, TT_ERR_CONFIG, "line 1: model: Expecting MAPPING");
    rejects("seed: [1]\n", NULL, TT_ERR_CONFIG, "line 1: seed:");
    rejects("model: {hidden_dims: 3}\n", NULL, TT_ERR_CONFIG, "line 1: hidden_dims: Expecting SEQUENCE");
    rejects("seed: {a: 1}\n", NULL, TT_ERR_CONFIG, "line 1: seed: expected a value, not a mapping");
    rejects("seed: 1\ncorpus: {path: 'x}\n", NULL, TT_ERR_CONFIG, "not YAML");
    rejects("seed: 1\nseed: 2\n", NULL, TT_ERR_CONFIG, "already seen");
    rejects("features: {fmin: 5000, fmax: 4000}\n", NULL, TT_ERR_CONFIG, "features.fmin");
    rejects("audio: {sample_rate: 16000}\n", NULL, TT_ERR_CONFIG, "features.fmax: 11025 is above half");
    rejects("seed: -1\n", NULL, TT_ERR_CONFIG, "seed: '-1'");
    rejects("- a\n- b\n", NULL, TT_ERR_CONFIG, "Expecting MAPPING");
    rejects(NULL, "model.latent=3", TT_ERR_CONFIG, "known below model: kind, prior, components");
    rejects(NULL, "latent_dim", TT_ERR_USAGE, "expected key.sub=value");
    rejects(NULL, "model.latent_dim=0", TT_ERR_CONFIG, "--set model.latent_dim: 0 is out of range");
    rejects(NULL, "model.latent_dim=", TT_ERR_CONFIG, "'' is not a number");
}

static void test_no_file(void **state)
{
    (void)state;
    tt_config *c;
    assert_int_equal(tt_config_load(&world, "/nowhere/x.yaml", NULL, 0, &c), TT_ERR_IO);
    assert_non_null(strstr(tt_message(), "/nowhere/x.yaml: No such file"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_defaults),        cmocka_unit_test(test_file_and_sets),
    cmocka_unit_test(test_text_round_trip), cmocka_unit_test(test_whole_contract),
    cmocka_unit_test(test_range),           cmocka_unit_test(test_wrong_ones),
    cmocka_unit_test(test_no_file),         cmocka_unit_test(test_auto),
};
TT_TEST_MAIN(cases)
