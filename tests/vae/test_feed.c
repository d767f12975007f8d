/* The order of an epoch and the rows that arrive: every training row once, with what belongs to it, in an
 * order that no rank count shows; from memory and, in pools, from the file. */
#include "trained.h"

#include "vae/feed.h"

enum { ROWS = 3000, TRACKS = 1000, BATCH = 150, EPOCHS = 2 };

/* MB that hold so many blocks of rows. */
static double blocks(double n)
{
    return n * TT_BLOCK_ROWS * COLS * sizeof(float) / (1 << 20);
}

typedef struct fed {
    tt_samples samples;
    tt_scaling scaling;
    tt_feed feed;
    int32_t *label;
} fed;

static void open_feed(const tt_comm *comm, const char *input, double memory, int batch, fed *f)
{
    tt_train_params settings = few_epochs();
    settings.epochs = EPOCHS;
    settings.memory = memory;
    settings.batch_size = batch;
    tt_classes classes = {.rows = ROWS, .n = 3, .name = (char *[]){(char *)"a", (char *)"b", (char *)"c"}};
    static char *const names[] = {(char *)"c", (char *)"a"};
    assert_ok(tt_samples_read(comm, input, tt_feed_memory(&settings), &f->samples));
    const tt_matrix *x = &f->samples.x;
    assert_true((x->data == NULL) == (memory > 0 && memory < blocks(11)));
    assert_ok(tt_alloc(x->count, sizeof *f->label, "test", &f->label));
    for (int64_t i = 0; i < x->count; i++) f->label[i] = (int32_t)((x->first + i) % 4) - 1;
    classes.label = f->label;
    assert_ok(tt_samples_condition(&f->samples, &classes, names, 2));
    tt_samples_split(&f->samples, 5, 0.2);
    assert_ok(tt_scaling_new(COLS, &f->scaling));
    assert_ok(tt_scaling_fit(&f->samples, false, false, &f->scaling));
    assert_ok(tt_feed_new(&f->samples, &f->scaling, 5, &settings, &f->feed));
}

static void close_feed(fed *f)
{
    tt_feed_free(&f->feed);
    tt_scaling_free(&f->scaling);
    tt_samples_free(&f->samples);
    free(f->label);
}

/* A row as it should arrive: scaled, with its class. */
static void check_row(const fed *f, const tt_lane *lane, int64_t i)
{
    static const int32_t place[] = {-1, 1, -1, 0}; /* of unknown, a, b, c among (c, a) */
    float row[COLS], scaled[COLS];
    int64_t id = lane->id[i];
    fill(id, row);
    tt_scaling_row(&f->scaling, f->samples.x.shift, row, scaled);
    assert_memory_equal(lane->rows + i * COLS, scaled, sizeof scaled);
    assert_int_equal(lane->condition[i], place[id % 4]);
}

/* One step: ids [positions of the epoch] of this rank's rows are set, one more than the row. */
static void take_step(fed *f, int64_t epoch, int64_t step, int64_t *ids)
{
    assert_ok(tt_feed_step(&f->feed, epoch, step));
    for (int64_t k = 0; k < f->feed.n_lanes; k++) {
        tt_lane lane = tt_feed_lane(&f->feed, step, k);
        int64_t at = tt_feed_batch(&f->feed, step).begin + (f->feed.first_lane + k) * f->feed.lane_rows;
        for (int64_t i = 0; i < lane.used; i++) {
            check_row(f, &lane, i);
            assert_int_equal(ids[at + i], 0);
            ids[at + i] = lane.id[i] + 1;
        }
    }
}

/* Ids in the order of all epochs, the same on every rank; from step `from` of the first epoch on, which comes
 * after so many rows. */
static int64_t read_order(const tt_comm *comm, const char *input, double memory, int batch, int64_t from,
                          int64_t *ids)
{
    fed f;
    open_feed(comm, input, memory, batch, &f);
    int64_t skipped = tt_feed_batch(&f.feed, from).begin;
    memset(ids, 0, EPOCHS * ROWS * sizeof *ids);
    for (int64_t e = 0; e < EPOCHS; e++)
        for (int64_t s = e == 0 ? from : 0; s < f.feed.steps; s++) take_step(&f, e, s, ids + e * ROWS);
    MPI_Allreduce(MPI_IN_PLACE, ids, EPOCHS * ROWS, MPI_INT64_T, MPI_SUM, comm->mpi);
    close_feed(&f);
    return skipped;
}

typedef struct setup {
    double memory;
    int batch;
    int64_t ids[EPOCHS * ROWS];
} setup;

static void read_alone(const tt_comm *comm, const char *input, void *context)
{
    setup *s = context;
    read_order(comm, input, s->memory, s->batch, 0, s->ids);
}

/* Each training row once an epoch, and another order in the next. */
static void check_epochs(const int64_t *ids)
{
    static int seen[ROWS + 1];
    int64_t n = 0, same = 0;
    memset(seen, 0, sizeof seen);
    for (int64_t i = 0; i < ROWS && ids[i] > 0; i++, n++) seen[ids[i]]++;
    for (int64_t i = 0; i < n; i++) seen[ids[ROWS + i]]++;
    for (int64_t r = 1; r <= ROWS; r++) assert_true(seen[r] == 0 || seen[r] == 2);
    for (int64_t i = 0; i < n; i++) same += ids[i] == ids[ROWS + i];
    assert_true(n > ROWS / 2 && same < n / 20);
}

static void check_order(double memory, int batch)
{
    const char *input = make_input("feed.h5", ROWS, TRACKS);
    static setup one, later;
    one.memory = memory;
    one.batch = batch;
    static int64_t ids[EPOCHS * ROWS];
    read_order(&world, input, memory, batch, 0, ids);
    check_epochs(ids);
    alone(read_alone, input, &one);
    if (world.rank == 0) assert_memory_equal(ids, one.ids, sizeof ids);
    int64_t skipped = read_order(&world, input, memory, batch, 3, later.ids);
    for (int64_t i = 0; i < EPOCHS * ROWS; i++) assert_int_equal(later.ids[i], i < skipped ? 0 : ids[i]);
}

static void test_memory(void **state)
{
    (void)state;
    check_order(0, BATCH);
}

/* Pools of one block, of three (a batch lies across two), and batches larger than a pool. */
static void test_file(void **state)
{
    (void)state;
    check_order(blocks(3), BATCH);
    check_order(blocks(9), BATCH);
    check_order(blocks(3), 700);
}

static void test_all_fit(void **state)
{
    (void)state;
    static int64_t held[EPOCHS * ROWS], fit[EPOCHS * ROWS];
    const char *input = make_input("fit.h5", ROWS, TRACKS);
    read_order(&world, input, 0, BATCH, 0, held);
    read_order(&world, input, blocks(12), BATCH, 0, fit);
    assert_memory_equal(held, fit, sizeof held);
}

/* Rows that do not stay what they were are told, wherever they are met. */
static void test_damage(void **state)
{
    (void)state;
    const char *input = make_input("hurt.h5", ROWS, TRACKS);
    if (world.rank == 0) {
        FILE *f = fopen(input, "r+b");
        assert_non_null(f);
        fseek(f, 0, SEEK_END);
        long bytes = ftell(f);
        fseek(f, bytes / 2, SEEK_SET);
        for (int i = 0; i < 100; i++) fputc(0x5a, f);
        fclose(f);
    }
    MPI_Barrier(world.mpi);
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    settings.memory = blocks(3);
    assert_int_equal(tt_train(&world, &model, &settings, &origin, input, NULL, beside(input, "m")),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "damaged"));
}

/* A whole training from the file: the same on one rank, and close to what memory gives. */
static void train_from_file(const tt_comm *comm, const char *input, void *context)
{
    tt_model_params model = small_model();
    tt_train_params settings = few_epochs();
    settings.memory = blocks(3);
    assert_ok(tt_train(comm, &model, &settings, &origin, input, NULL, beside(input, context)));
}

static void test_training(void **state)
{
    (void)state;
    const char *input = make_input("train.h5", 1500, 500);
    train_from_file(&world, input, (void *)"all");
    alone(train_from_file, input, (void *)"one");
    assert_same_model(beside(input, "all"), beside(input, "one"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_memory), cmocka_unit_test(test_file),     cmocka_unit_test(test_all_fit),
    cmocka_unit_test(test_damage), cmocka_unit_test(test_training),
};
TT_TEST_MAIN(cases)
