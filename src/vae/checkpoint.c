#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"
#include "vae/training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Floats per checksum of a parameter block; also the unit in which ranks share the writing. */
enum { PIECE = 65536 };

/* Where the run stands, in one vector of doubles: counts are exact below 2^53. */
enum {
    AT_EPOCH,
    AT_STEP,
    AT_OPTIMIZER,
    AT_SECONDS,
    AT_BEST_EPOCH,
    AT_BEST_LOSS,
    AT_SUMS,
    AT_N = AT_SUMS + 4
};

/* Parameter blocks of the state; the last is there with patience alone. */
enum { BLOCKS_MAX = 4 };
static const char *const block_name[BLOCKS_MAX] = {"/params", "/first", "/second", "/best"};

static int list_blocks(const tt_training *t, float *block[BLOCKS_MAX])
{
    block[0] = t->params;
    block[1] = t->first;
    block[2] = t->second;
    block[3] = t->best;
    return t->best ? 4 : 3;
}

static const char *const older = ".old";

static tt_status checkpoint_path(const tt_training *t, const char *ending, char **out)
{
    return tt_format(out, "%s.checkpoint%s", t->output, ending);
}

static void write_place(const tt_training *t, double *at)
{
    at[AT_EPOCH] = (double)t->epoch;
    at[AT_STEP] = (double)t->step;
    at[AT_OPTIMIZER] = (double)t->optimizer.step;
    at[AT_SECONDS] = t->seconds + tt_now() - t->epoch_began;
    at[AT_BEST_EPOCH] = (double)t->best_epoch;
    at[AT_BEST_LOSS] = t->best_loss;
    memcpy(at + AT_SUMS, t->sums, sizeof t->sums);
}

static void read_place(const double *at, tt_training *t)
{
    t->epoch = (int64_t)at[AT_EPOCH];
    t->step = (int64_t)at[AT_STEP];
    t->optimizer.step = (int64_t)at[AT_OPTIMIZER];
    t->seconds = at[AT_SECONDS];
    t->best_epoch = (int64_t)at[AT_BEST_EPOCH];
    t->best_loss = at[AT_BEST_LOSS];
    memcpy(t->sums, at + AT_SUMS, sizeof t->sums);
}

static tt_status write_rows(const tt_training *t, tt_store *store)
{
    float *block[BLOCKS_MAX];
    int n = list_blocks(t, block);
    tt_range mine = tt_partition(t->vae.params.size, PIECE, t->comm->size, t->comm->rank);
    for (int i = 0; i < n; i++)
        TT_TRY(
            tt_store_write(store, block_name[i], mine.begin, mine.end - mine.begin, block[i] + mine.begin));
    if (t->comm->rank != 0) return TT_OK;
    double at[AT_N];
    write_place(t, at);
    TT_TRY(tt_store_write(store, "/place", 0, AT_N, at));
    return tt_store_write(store, "/history", 0, t->settings->epochs, t->history);
}

static tt_status create(const tt_training *t, const char *path, tt_store **out)
{
    float *block[BLOCKS_MAX];
    int n = list_blocks(t, block);
    tt_column columns[BLOCKS_MAX + 2];
    for (int i = 0; i < n; i++)
        columns[i] = (tt_column){.name = block_name[i],
                                 .type = TT_F32,
                                 .n_dims = 1,
                                 .dims = {t->vae.params.size},
                                 .block_rows = PIECE};
    columns[n++] = (tt_column){.name = "/place", .type = TT_F64, .n_dims = 1, .dims = {AT_N}};
    columns[n++] = (tt_column){
        .name = "/history", .type = TT_F64, .n_dims = 2, .dims = {t->settings->epochs, TT_HISTORY}};
    return tt_store_create(t->comm, path, t->provenance, columns, n, out);
}

/* The last checkpoint becomes the older one; a kill before the new one is in its place leaves that. */
static tt_status keep_older(const char *path, const char *old)
{
    TT_TRY(tt_stop_owned());
    if (rename(path, old) == 0 || errno == ENOENT) return TT_OK;
    return tt_fail_errno("rename", path);
}

tt_status tt_checkpoint_write(tt_training *t)
{
    char *path = NULL, *old = NULL;
    tt_store *store = NULL;
    tt_phase(&t->phases, "checkpoint");
    tt_feed_settle(&t->feed);
    tt_training_gather(t);
    tt_status s = checkpoint_path(t, "", &path);
    if (s == TT_OK) s = checkpoint_path(t, older, &old);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = create(t, path, &store);
    if (s == TT_OK) {
        tt_status written = tt_agree(t->comm, write_rows(t, store));
        if (written == TT_OK && t->comm->rank == 0) written = keep_older(path, old);
        s = tt_store_publish(store, NULL, written);
    }
    free(old);
    free(path);
    t->checkpoint_at = tt_now();
    return s;
}

typedef enum found_state { ABSENT, FOREIGN, UNREADABLE, OURS } found_state;

/* What rank 0 sees at `path`. Collective. */
static tt_status look(const tt_training *t, const char *path, found_state *out)
{
    char *fingerprint = NULL;
    int64_t state = ABSENT;
    tt_status s = TT_OK;
    if (t->comm->rank == 0 && access(path, F_OK) == 0) {
        s = tt_store_fingerprint(path, &fingerprint);
        bool same = fingerprint && strcmp(fingerprint, t->provenance->fingerprint) == 0;
        state = same ? OURS : fingerprint ? FOREIGN : UNREADABLE;
    }
    free(fingerprint);
    *out = (found_state)tt_max_i64(t->comm, state);
    return tt_agree(t->comm, s);
}

static tt_status check_shape(const tt_training *t, tt_store *store)
{
    float *block[BLOCKS_MAX];
    tt_column column;
    bool found;
    int n = list_blocks(t, block);
    for (int i = 0; i < n; i++) {
        TT_TRY(tt_store_column(store, block_name[i], &column, &found));
        if (!found || column.n_dims != 1 || column.dims[0] != t->vae.params.size)
            return tt_fail(TT_ERR_INPUT, "%s: %s is not of this model", tt_store_path(store), block_name[i]);
    }
    TT_TRY(tt_store_column(store, "/place", &column, &found));
    if (!found || column.n_dims != 1 || column.dims[0] != AT_N)
        return tt_fail(TT_ERR_INPUT, "%s: /place is of another version", tt_store_path(store));
    TT_TRY(tt_store_column(store, "/history", &column, &found));
    if (!found || column.n_dims != 2 || column.dims[0] != t->settings->epochs || column.dims[1] != TT_HISTORY)
        return tt_fail(TT_ERR_INPUT, "%s: /history is not of this many epochs", tt_store_path(store));
    return TT_OK;
}

/* Rank 0 reads and tells the others: the state is small beside the file system of a cluster. */
static tt_status read_rows(const tt_training *t, tt_store *store, double *at)
{
    float *block[BLOCKS_MAX];
    int n = list_blocks(t, block);
    int64_t size = t->vae.params.size, epochs = t->settings->epochs;
    tt_status s = TT_OK;
    if (t->comm->rank == 0) {
        for (int i = 0; s == TT_OK && i < n; i++)
            s = tt_store_read(store, block_name[i], 0, size, TT_F32, block[i]);
        if (s == TT_OK) s = tt_store_read(store, "/place", 0, AT_N, TT_F64, at);
        if (s == TT_OK) s = tt_store_read(store, "/history", 0, epochs, TT_F64, t->history);
    }
    TT_TRY(tt_agree(t->comm, s));
    for (int i = 0; i < n; i++) TT_TRY(tt_broadcast(t->comm, block[i], size * (int64_t)sizeof(float), 0));
    TT_TRY(tt_broadcast(t->comm, at, AT_N * (int64_t)sizeof *at, 0));
    return tt_broadcast(t->comm, t->history, epochs * TT_HISTORY * (int64_t)sizeof(double), 0);
}

static tt_status read_state(tt_training *t, const char *path)
{
    double at[AT_N] = {0};
    tt_store *store = NULL;
    TT_TRY(tt_store_open(t->comm, path, &store));
    tt_status s = check_shape(t, store);
    if (s == TT_OK) s = read_rows(t, store, at);
    tt_store_close(store);
    if (s == TT_OK) read_place(at, t);
    return s;
}

/* Go on from the file at `path`, if it is of this training and sound; one that is damaged is said so.
 * Collective. */
static tt_status take_up(tt_training *t, const char *path, const char *otherwise, bool *found)
{
    found_state state;
    TT_TRY(look(t, path, &state));
    tt_status s = state == UNREADABLE ? tt_fail(TT_ERR_INPUT, "%s cannot be read", path) : TT_OK;
    if (state == OURS) s = read_state(t, path);
    if (s == TT_ERR_MEMORY || s == TT_ERR_INTERNAL) return s;
    *found = state == OURS && s == TT_OK;
    if (s != TT_OK && t->comm->rank == 0) tt_warn("checkpoint not used, %s: %s", otherwise, tt_message());
    return TT_OK;
}

tt_status tt_checkpoint_read(tt_training *t, bool *found)
{
    char *path = NULL, *old = NULL;
    *found = false;
    tt_status s = checkpoint_path(t, "", &path);
    if (s == TT_OK) s = checkpoint_path(t, older, &old);
    s = tt_agree(t->comm, s);
    if (s == TT_OK) s = take_up(t, path, "looking for the one before it", found);
    if (s == TT_OK && !*found) s = take_up(t, old, "training starts anew", found);
    free(old);
    free(path);
    return s;
}

void tt_checkpoint_remove(const tt_training *t)
{
    static const char *const ending[] = {"", ".old", ".part", ".part.new", ".part.undo", ".part.undo.new"};
    for (size_t i = 0; t->comm->rank == 0 && i < sizeof ending / sizeof *ending; i++) {
        char *path;
        if (checkpoint_path(t, ending[i], &path) == TT_OK) unlink(path);
        free(path);
    }
}
