#include "tutti/log.h"
#include "tutti/memory.h"
#include "vae/training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Floats per checksum of a parameter block; also the unit in which ranks share the writing. */
enum { PIECE = 65536 };

/* Where the run stands, in one vector of doubles: counts are exact below 2^53. */
enum { AT_EPOCH, AT_STEP, AT_OPTIMIZER, AT_SECONDS, AT_SUMS, AT_N = AT_SUMS + 4 };

enum { BLOCKS = 3 };
static const char *const block_name[BLOCKS] = {"/params", "/first", "/second"};

static tt_status checkpoint_path(const tt_training *t, char **out)
{
    return tt_format(out, "%s.checkpoint", t->output);
}

static void write_place(const tt_training *t, double *at)
{
    at[AT_EPOCH] = (double)t->epoch;
    at[AT_STEP] = (double)t->step;
    at[AT_OPTIMIZER] = (double)t->optimizer.step;
    at[AT_SECONDS] = t->seconds + tt_now() - t->epoch_began;
    memcpy(at + AT_SUMS, t->sums, sizeof t->sums);
}

static void read_place(const double *at, tt_training *t)
{
    t->epoch = (int64_t)at[AT_EPOCH];
    t->step = (int64_t)at[AT_STEP];
    t->optimizer.step = (int64_t)at[AT_OPTIMIZER];
    t->seconds = at[AT_SECONDS];
    memcpy(t->sums, at + AT_SUMS, sizeof t->sums);
}

static tt_status write_rows(const tt_training *t, tt_store *store)
{
    const float *block[BLOCKS] = {t->params, t->first, t->second};
    tt_range mine = tt_partition(t->vae.params.size, PIECE, t->comm->size, t->comm->rank);
    for (int i = 0; i < BLOCKS; i++)
        TT_TRY(
            tt_store_write(store, block_name[i], mine.begin, mine.end - mine.begin, block[i] + mine.begin));
    if (t->comm->rank != 0) return TT_OK;
    double at[AT_N];
    write_place(t, at);
    TT_TRY(tt_store_write(store, "/place", 0, AT_N, at));
    return tt_store_write(store, "/history", 0, t->settings->epochs, t->history);
}

tt_status tt_checkpoint_write(tt_training *t)
{
    int64_t size = t->vae.params.size;
    const tt_column columns[] = {
        {.name = block_name[0], .type = TT_F32, .n_dims = 1, .dims = {size}, .block_rows = PIECE},
        {.name = block_name[1], .type = TT_F32, .n_dims = 1, .dims = {size}, .block_rows = PIECE},
        {.name = block_name[2], .type = TT_F32, .n_dims = 1, .dims = {size}, .block_rows = PIECE},
        {.name = "/place", .type = TT_F64, .n_dims = 1, .dims = {AT_N}},
        {.name = "/history", .type = TT_F64, .n_dims = 2, .dims = {t->settings->epochs, TT_HISTORY}},
    };
    char *path = NULL;
    tt_store *store = NULL;
    tt_phase(&t->phases, "checkpoint");
    tt_status s = tt_agree(t->comm, checkpoint_path(t, &path));
    if (s == TT_OK)
        s = tt_store_create(t->comm, path, t->provenance, columns, (int)(sizeof columns / sizeof *columns),
                            &store);
    if (s == TT_OK) s = tt_store_publish(store, NULL, write_rows(t, store));
    free(path);
    t->checkpoint_at = tt_now();
    return s;
}

/* Whether rank 0 sees a checkpoint with this run's fingerprint. Collective. */
static tt_status is_ours(const tt_training *t, const char *path, bool *ours)
{
    char *fingerprint = NULL;
    int64_t same = 0;
    tt_status s = TT_OK;
    if (t->comm->rank == 0) {
        s = tt_store_fingerprint(path, &fingerprint);
        same = fingerprint && strcmp(fingerprint, t->provenance->fingerprint) == 0;
    }
    free(fingerprint);
    *ours = tt_max_i64(t->comm, same) > 0;
    return tt_agree(t->comm, s);
}

static tt_status check_shape(const tt_training *t, tt_store *store)
{
    tt_column column;
    bool found;
    for (int i = 0; i < BLOCKS; i++) {
        TT_TRY(tt_store_column(store, block_name[i], &column, &found));
        if (!found || column.n_dims != 1 || column.dims[0] != t->vae.params.size)
            return tt_fail(TT_ERR_INPUT, "%s: %s is not of this model", tt_store_path(store), block_name[i]);
    }
    TT_TRY(tt_store_column(store, "/history", &column, &found));
    if (!found || column.n_dims != 2 || column.dims[0] != t->settings->epochs || column.dims[1] != TT_HISTORY)
        return tt_fail(TT_ERR_INPUT, "%s: /history is not of this many epochs", tt_store_path(store));
    return TT_OK;
}

/* Rank 0 reads and tells the others: the state is small beside the file system of a cluster. */
static tt_status read_rows(const tt_training *t, tt_store *store, double *at)
{
    float *block[BLOCKS] = {t->params, t->first, t->second};
    int64_t size = t->vae.params.size, epochs = t->settings->epochs;
    tt_status s = TT_OK;
    if (t->comm->rank == 0) {
        for (int i = 0; s == TT_OK && i < BLOCKS; i++)
            s = tt_store_read(store, block_name[i], 0, size, TT_F32, block[i]);
        if (s == TT_OK) s = tt_store_read(store, "/place", 0, AT_N, TT_F64, at);
        if (s == TT_OK) s = tt_store_read(store, "/history", 0, epochs, TT_F64, t->history);
    }
    TT_TRY(tt_agree(t->comm, s));
    for (int i = 0; i < BLOCKS; i++)
        TT_TRY(tt_broadcast(t->comm, block[i], size * (int64_t)sizeof(float), 0));
    TT_TRY(tt_broadcast(t->comm, at, AT_N * (int64_t)sizeof *at, 0));
    return tt_broadcast(t->comm, t->history, epochs * TT_HISTORY * (int64_t)sizeof(double), 0);
}

static tt_status take_up(tt_training *t, const char *path, bool *found)
{
    double at[AT_N] = {0};
    tt_store *store = NULL;
    tt_status s = tt_store_open(t->comm, path, &store);
    if (s == TT_OK) s = check_shape(t, store);
    if (s == TT_OK) s = read_rows(t, store, at);
    tt_store_close(store);
    if (s == TT_ERR_MEMORY || s == TT_ERR_INTERNAL) return s;
    *found = s == TT_OK;
    if (*found)
        read_place(at, t);
    else if (t->comm->rank == 0)
        tt_warn("checkpoint not used, training starts anew: %s", tt_message());
    return TT_OK;
}

tt_status tt_checkpoint_read(tt_training *t, bool *found)
{
    char *path = NULL;
    bool ours = false;
    *found = false;
    tt_status s = tt_agree(t->comm, checkpoint_path(t, &path));
    if (s == TT_OK) s = is_ours(t, path, &ours);
    if (s == TT_OK && ours) s = take_up(t, path, found);
    free(path);
    return s;
}

void tt_checkpoint_remove(const tt_training *t)
{
    static const char *const ending[] = {"", ".part", ".part.new", ".part.undo", ".part.undo.new"};
    for (size_t i = 0; t->comm->rank == 0 && i < sizeof ending / sizeof *ending; i++) {
        char *path;
        if (tt_format(&path, "%s.checkpoint%s", t->output, ending[i]) == TT_OK) unlink(path);
        free(path);
    }
}
