/* A writer to be killed and starved. Without arguments it is a test of itself; as
 *     test_writer PATH ROWS [MICROSECONDS [BYTES]]
 * it writes (or resumes) a table of ROWS rows at PATH, waiting between blocks, with files limited to BYTES
 * once the table is created. It prints "wrote W skipped S" from rank 0; exit status as the program's. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/store.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WIDTH = 1000, BLOCK = 16 };

typedef struct job {
    const char *path;
    int64_t rows, wait, limit;
    int64_t wrote, skipped;
} job;

static float value(int64_t row, int64_t i)
{
    return (float)((row * 7919 + i * 104729) % 1000003);
}

static tt_status write_block(tt_store *store, job *j, int64_t first, int64_t n, float *x, int64_t *id)
{
    bool done;
    TT_TRY(tt_store_rows_done(store, "/id", first, n, &done)); /* written last: then the rest is there too */
    if (done) TT_TRY(tt_store_rows_done(store, "/x", first, n, &done));
    j->skipped += done ? n : 0;
    if (done) return TT_OK;
    for (int64_t r = 0; r < n; r++) {
        id[r] = first + r;
        for (int64_t i = 0; i < WIDTH; i++) x[r * WIDTH + i] = value(first + r, i);
    }
    if (j->wait > 0) usleep((useconds_t)j->wait);
    TT_TRY(tt_store_write(store, "/x", first, n, x));
    TT_TRY(tt_store_write(store, "/id", first, n, id));
    j->wrote += n;
    return TT_OK;
}

static tt_status write_rows(tt_store *store, job *j)
{
    float *x;
    int64_t *id = NULL;
    tt_status s = tt_alloc(BLOCK * WIDTH, sizeof *x, "rows", &x);
    if (s == TT_OK) s = tt_alloc(BLOCK, sizeof *id, "rows", &id);
    tt_range mine = tt_partition(j->rows, BLOCK, world.size, world.rank);
    for (int64_t r = mine.begin; r < mine.end && s == TT_OK; r += BLOCK)
        s = write_block(store, j, r, mine.end - r < BLOCK ? mine.end - r : BLOCK, x, id);
    free(x);
    free(id);
    return s;
}

/* A table known late, as failures are: the structure changes while the file is there to be resumed. */
static tt_status add_late(tt_store *store)
{
    const int32_t codes[3] = {4, 5, 6};
    tt_column late = {.name = "/late/code", .type = TT_I32, .n_dims = 1, .dims = {3}};
    TT_TRY(tt_store_add_column(store, &late));
    return tt_agree(&world, world.rank == 0 ? tt_store_write(store, late.name, 0, 3, codes) : TT_OK);
}

static void limit_files(int64_t bytes)
{
    struct rlimit limit = {(rlim_t)bytes, (rlim_t)bytes};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static tt_status run(job *j)
{
    const tt_provenance origin = {"test", "fixed", "a: 1\n", "", 1};
    const tt_column columns[] = {
        {.name = "/x", .type = TT_F32, .n_dims = 2, .dims = {j->rows, WIDTH}, .block_rows = BLOCK},
        {.name = "/id", .type = TT_I64, .n_dims = 1, .dims = {j->rows}, .block_rows = BLOCK},
    };
    const char *names[] = {"one", "two"};
    tt_store *store;
    TT_TRY(tt_store_create(&world, j->path, &origin, columns, 2, &store));
    if (j->limit > 0) limit_files(j->limit);
    tt_status s = tt_agree(&world, write_rows(store, j));
    if (s == TT_OK) s = add_late(store);
    if (s == TT_OK) s = tt_store_set_names(store, "/x", "names", names, 2);
    return tt_store_publish(store, NULL, s);
}

static tt_status check(const job *j)
{
    tt_store *store;
    float row[WIDTH];
    TT_TRY(tt_store_open(&world, j->path, &store));
    tt_status s = TT_OK;
    for (int64_t r = world.rank; r < j->rows && s == TT_OK; r += world.size) {
        s = tt_store_read(store, "/x", r, 1, TT_F32, row);
        for (int64_t i = 0; i < WIDTH && s == TT_OK; i++)
            if (row[i] != value(r, i)) s = tt_fail(TT_ERR_INTERNAL, "row %lld differs", (long long)r);
    }
    s = tt_agree(&world, s);
    tt_store_close(store);
    return s;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    world = tt_comm_wrap(MPI_COMM_WORLD);
    tt_log_setup(TT_LOG_INFO, world.rank);
    job j = {argc > 1 ? argv[1] : scratch("writer.h5"),
             argc > 2 ? atoll(argv[2]) : 100,
             argc > 3 ? atoll(argv[3]) : 0,
             argc > 4 ? atoll(argv[4]) : 0,
             0,
             0};
    tt_status s = run(&j);
    if (s == TT_OK) s = check(&j);
    if (s != TT_OK) fprintf(stderr, "rank %d: %s\n", world.rank, tt_message());
    j.wrote = tt_sum_i64(&world, j.wrote);
    j.skipped = tt_sum_i64(&world, j.skipped);
    if (world.rank == 0) printf("wrote %lld skipped %lld\n", (long long)j.wrote, (long long)j.skipped);
    MPI_Finalize();
    return tt_exit_code(s);
}
