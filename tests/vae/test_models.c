/* Training and encoding with every kind of model: the same bits on any number of ranks and after a stop in
 * any phase, what each makes of its rows, and what none can take. */
#include "trained.h"

#include "vae/training.h"

#include <math.h>

enum { ROWS = 700, AUDIO = 4, GROUPS = 3 };

static const char *const same_names[] = {"/history/loss", "/history/val_loss", "/latent/kl", "/mu",
                                         "/logvar"};

/* A setting of the test. */
typedef struct variant {
    const char *name;
    tt_model_params model;
    tt_train_params train;
    const tt_classes *classes;
} variant;

static variant plain_variant(const char *name)
{
    return (variant){.name = name, .model = small_model(), .train = few_epochs()};
}

/* Rows in three groups far from each other; columns from AUDIO on are lyrics, which every fourth row lacks.
 * Column names as those of tutti fuse. */
static const char *make_hybrid(const char *name, int64_t rows)
{
    static char path[1024];
    const tt_column columns[] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {rows, COLS}},
        {.name = "/scale", .type = TT_F64, .n_dims = 1, .dims = {COLS}},
        {.name = "/names", .type = TT_TEXT, .n_dims = 1, .dims = {COLS}, .text_bytes = 12}};
    static const double ones[COLS] = {1, 1, 1, 1, 1, 1, 1};
    static const char names[COLS][12] = {"mfcc_mean",  "mfcc_std",   "rms_mean",  "rms_std",
                                         "lyrics_000", "lyrics_001", "lyrics_002"};
    tt_store *store;
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, world.size, world.rank);
    float *x;
    assert_ok(tt_alloc((mine.end - mine.begin) * COLS, sizeof *x, "test", &x));
    for (int64_t r = mine.begin; r < mine.end; r++) {
        float *row = x + (r - mine.begin) * COLS;
        tt_random_normals((tt_stream){7, TT_FOR_TEST, 0}, (uint64_t)r, COLS, row);
        for (int j = 0; j < COLS; j++) row[j] = 0.2F * row[j] + (j % GROUPS == r % GROUPS ? 2 : -1);
        if (r % 4 == 3) memset(row + AUDIO, 0, (COLS - AUDIO) * sizeof *row);
    }
    snprintf(path, sizeof path, "%s", scratch(name));
    assert_ok(tt_store_create(&world, path, &origin, columns, 3, &store));
    tt_status s = tt_store_write(store, "/x", mine.begin, mine.end - mine.begin, x);
    if (s == TT_OK && world.rank == 0) s = tt_store_write(store, "/scale", 0, COLS, ones);
    if (s == TT_OK && world.rank == 0) s = tt_store_write(store, "/names", 0, COLS, names);
    assert_ok(tt_store_publish(store, NULL, s));
    free(x);
    return path;
}

/* Classes of the rows of a communicator: three, and every fifth row is of none. */
static tt_classes classes_of(const tt_comm *comm, int64_t rows)
{
    static char *names[] = {"blues", "folk", "metal"};
    static int32_t label[ROWS];
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    for (int64_t r = mine.begin; r < mine.end; r++)
        label[r - mine.begin] = r % 5 == 4 ? -1 : (int32_t)(r % GROUPS);
    return (tt_classes){.name = names, .n = GROUPS, .label = label, .rows = rows};
}

static void file_of(const char *input, const variant *v, const char *kind, char path[2048])
{
    snprintf(path, 2048, "%s.%s.%s", input, v->name, kind);
}

static void train_variant(const tt_comm *comm, const char *input, void *context)
{
    const variant *v = context;
    char model[2048], latents[2048];
    tt_classes classes = classes_of(comm, ROWS), *use = v->classes ? &classes : NULL;
    file_of(input, v, comm->size == world.size ? "model" : "alone.model", model);
    file_of(input, v, comm->size == world.size ? "latents" : "alone.latents", latents);
    assert_ok(tt_train(comm, &v->model, &v->train, &origin, input, use, model));
    assert_ok(tt_encode(comm, &origin, model, input, use, latents));
}

/* On all ranks and on one. */
static void check_variant(const char *input, variant *v)
{
    char model[2048], latents[2048], other[2048];
    train_variant(&world, input, v);
    if (world.size == 1) return;
    alone(train_variant, input, v);
    file_of(input, v, "model", model);
    file_of(input, v, "alone.model", other);
    assert_same(model, other, same_names, 3);
    file_of(input, v, "latents", latents);
    file_of(input, v, "alone.latents", other);
    assert_same(latents, other, same_names + 3, 2);
}

static void test_ranks(void **state)
{
    (void)state;
    const char *input = make_hybrid("variants.h5", ROWS);
    const tt_classes some = {.n = GROUPS};
    variant v[] = {plain_variant("autoencoder"), plain_variant("everything"), plain_variant("cyclic")};
    v[0].model.kind = "autoencoder";
    v[0].model.reconstruction = "bernoulli";
    v[1].model.kind = "two_branch";
    v[1].model.prior = "mixture";
    v[1].model.reconstruction = "learned";
    v[1].model.condition = "genre";
    v[1].classes = &some;
    v[2].train.free_bits = 0.1;
    v[2].train.kl_schedule = "cyclic";
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) check_variant(input, &v[i]);
}

/* ---- the mixture ---- */

static variant mixture_variant(const char *name)
{
    variant v = plain_variant(name);
    v.model.prior = "mixture";
    v.train.learning_rate = 1e-2;
    v.train.epochs = 14;
    v.train.pretrain_epochs = 10;
    v.train.validation = 0;
    return v;
}

/* Three groups far apart are what the components find. */
static void test_mixture_finds_groups(void **state)
{
    (void)state;
    const char *input = make_hybrid("groups.h5", ROWS);
    variant v = mixture_variant("groups");
    char latents[2048];
    static int32_t label[ROWS];
    static float posterior[ROWS][GROUPS];
    int64_t hits[GROUPS][GROUPS] = {{0}}, most = 0;
    tt_store *store;
    train_variant(&world, input, &v);
    file_of(input, &v, "latents", latents);
    assert_ok(tt_store_open(&world, latents, &store));
    assert_ok(tt_store_read(store, "/mixture/label", 0, ROWS, TT_I32, label));
    assert_ok(tt_store_read(store, "/mixture/posterior", 0, ROWS, TT_F32, posterior));
    tt_store_close(store);
    for (int64_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int c = 0; c < GROUPS; c++) sum += (double)posterior[r][c];
        assert_near(sum, 1, 1e-5);
        assert_in_range(label[r], 0, GROUPS - 1);
        for (int c = 0; c < GROUPS; c++) assert_true(posterior[r][c] <= posterior[r][label[r]]);
        if (r % 4 != 3) hits[r % GROUPS][label[r]]++;
    }
    for (int g = 0; g < GROUPS; g++) {
        int64_t best = 0;
        for (int c = 0; c < GROUPS; c++) best = hits[g][c] > best ? hits[g][c] : best;
        most += best;
    }
    assert_true((double)most > 0.95 * ROWS * 3 / 4);
}

/* A training that is stopped `more` steps after the pretraining. */
typedef struct cut_variant {
    const variant *v;
    int more;
    const char *output;
} cut_variant;

static void train_cut(const tt_comm *comm, const char *input, void *context)
{
    const cut_variant *c = context;
    tt_training t;
    bool due;
    assert_ok(tt_training_new(comm, &c->v->model, &c->v->train, &origin, input, NULL, c->output, &t));
    int64_t n = c->v->train.pretrain_epochs * t.feed.steps + c->more;
    for (int64_t i = 0; i < n; i++) assert_ok(tt_training_advance(&t, &due));
    assert_ok(tt_checkpoint_write(&t));
    tt_training_free(&t);
}

/* Begun on all ranks and ended on one, or the other way round. */
static void train_in_two(const char *input, variant *v, int more, bool begun_on_all, char output[2048])
{
    cut_variant cut = {v, more, output};
    file_of(input, v, begun_on_all && world.size > 1 ? "alone.model" : "model", output);
    if (begun_on_all) {
        train_cut(&world, input, &cut);
        alone(train_variant, input, v);
    } else {
        alone(train_cut, input, &cut);
        train_variant(&world, input, v);
    }
}

/* Stopped just before the fit and just after it, and resumed on another number of ranks: the bits of never
 * stopped, those of the mixture too. */
static void test_mixture_resumes(void **state)
{
    (void)state;
    static const char *const mixture[] = {"/param/prior.logit", "/param/prior.mean", "/param/prior.logvar"};
    static const char *const names[] = {"before.down", "before.up", "after.down", "after.up"};
    const char *input = make_hybrid("resume.h5", ROWS);
    variant whole = mixture_variant("whole");
    whole.train.epochs = 3;
    whole.train.pretrain_epochs = 2;
    train_variant(&world, input, &whole);
    char expected[2048], output[2048];
    file_of(input, &whole, "model", expected);
    for (int i = 0; i < 4; i++) {
        variant v = whole;
        v.name = names[i];
        train_in_two(input, &v, i / 2, i % 2 == 0, output);
        assert_same(expected, output, same_names, 3);
        assert_same(expected, output, mixture, 3);
    }
}

/* ---- single things ---- */

/* The lyrics of a row without any tell its latent nothing, even if the model has learnt from others. */
static void test_missing_lyrics(void **state)
{
    (void)state;
    const tt_vae_shape shape = {.kind = TT_VAE_TWO_BRANCH, .input = COLS, .latent = 2, .audio = AUDIO};
    tt_vae vae;
    tt_vae_work work;
    tt_vae_loss loss;
    float *block, x[2][COLS] = {{1, 2, 3, 4}, {1, 2, 3, 4, 1, 1, 1}};
    assert_ok(tt_vae_new(&shape, &vae));
    assert_ok(tt_params_block(&vae.params, "test", &block));
    tt_vae_init(&vae, 3, block);
    for (int64_t i = 0; i < vae.params.size; i++) block[i] += 0.1F;
    assert_ok(tt_vae_work_new(&vae, 1, 2, false, &work));
    assert_ok(tt_vae_weights(&work, block));
    assert_ok(tt_vae_evaluate(&vae, 1, &x[0][0], &work, &loss));
    double audio = 0;
    for (int j = 0; j < AUDIO; j++) audio += pow((double)(work.reconstruction[j] - x[0][j]), 2);
    assert_near(loss.square, audio, 1e-4 * audio);
    assert_true(work.latent[0] != work.latent[4]);
    free(block);
    tt_vae_work_free(&work);
    tt_vae_free(&vae);
}

static void refuses(const char *input, const variant *v, tt_status status, const char *why)
{
    assert_int_equal(tt_train(&world, &v->model, &v->train, &origin, input, NULL, beside(input, "refused")),
                     status);
    if (!strstr(tt_message(), why)) fail_msg("'%s' does not say '%s'", tt_message(), why);
}

static void test_refusals(void **state)
{
    (void)state;
    const char *plain = make_input("plain.h5", 40, 0);
    variant v = plain_variant("two");
    v.model.kind = "two_branch";
    refuses(plain, &v, TT_ERR_INPUT, "/names");
    v.model.reconstruction = "bernoulli";
    refuses(plain, &v, TT_ERR_CONFIG, "does not go with model.kind two_branch");
    v = plain_variant("plain");
    v.model.kind = "autoencoder";
    v.model.prior = "mixture";
    refuses(plain, &v, TT_ERR_CONFIG, "has no prior");
    v.model.kind = "flow";
    refuses(plain, &v, TT_ERR_CONFIG, "model.kind");
    v = mixture_variant("long");
    v.train.pretrain_epochs = v.train.epochs;
    refuses(plain, &v, TT_ERR_CONFIG, "train.pretrain_epochs");
    v = mixture_variant("free");
    v.train.free_bits = 1;
    refuses(plain, &v, TT_ERR_CONFIG, "train.free_bits");
    v = plain_variant("schedule");
    v.train.kl_schedule = "square";
    refuses(plain, &v, TT_ERR_CONFIG, "train.kl_schedule");
}

/* More components than rows, one row, one component: a sound result. */
static void test_small_mixtures(void **state)
{
    (void)state;
    variant v = mixture_variant("small");
    v.train.epochs = 2;
    v.train.pretrain_epochs = 0;
    v.model.components = 5;
    for (int64_t rows = 1; rows < 4; rows += 2) {
        const char *input = make_input(rows == 1 ? "row.h5" : "rows.h5", rows, 0);
        train_variant(&world, input, &v);
        v.model.components = 1;
    }
}

/* Linear: once, from the end of pre-training on. Cyclic: over the first half of each cycle. */
static void test_schedules(void **state)
{
    (void)state;
    tt_train_params p = few_epochs();
    tt_training t = {.settings = &p, .feed.steps = 10};
    p.beta = 2;
    p.epochs = 16;
    p.kl_warmup_epochs = 4;
    t.epoch = 1;
    assert_near(tt_training_beta(&t), 0.5, 1e-12);
    t.step = 5;
    assert_near(tt_training_beta(&t), 0.75, 1e-12);
    t.epoch = 9;
    assert_near(tt_training_beta(&t), 2, 0);
    p.kl_schedule = "cyclic";
    p.kl_cycles = 2;
    t.step = 0;
    assert_near(tt_training_beta(&t), 0.5, 1e-12);
    t.epoch = 13;
    assert_near(tt_training_beta(&t), 2, 0);
    t.vae.prior.components = 3;
    p.pretrain_epochs = 4;
    t.epoch = 3;
    assert_near(tt_training_beta(&t), 0, 0);
    assert_true(tt_training_objective(&t).plain);
    t.epoch = 5;
    assert_near(tt_training_beta(&t), 2 / 3.0, 1e-12);
    assert_false(tt_training_objective(&t).plain);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_ranks),           cmocka_unit_test(test_mixture_finds_groups),
    cmocka_unit_test(test_mixture_resumes), cmocka_unit_test(test_missing_lyrics),
    cmocka_unit_test(test_refusals),        cmocka_unit_test(test_small_mixtures),
    cmocka_unit_test(test_schedules),
};
TT_TEST_MAIN(cases)
