/* Which clips mel_examples.png shows: one per genre, drawn at random. */
#include "report/internal.h"

#include "tutti/corpus.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 9 };

/* The number after "key:" in a file's settings as YAML, 0 if there is none. */
static double setting_of(const char *config, const char *key)
{
    const char *at = config ? strstr(config, key) : NULL;
    return at ? strtod(at + strlen(key), NULL) : 0;
}

static tt_status read_axes(tt_store *store, const tt_column *mel, mel_axes *a)
{
    char *config = NULL;
    TT_TRY(tt_store_get_text(store, "/", "config", &config));
    *a = (mel_axes){.n_mels = mel->dims[1],
                    .frames = mel->dims[2],
                    .sample_rate = setting_of(config, "sample_rate:"),
                    .hop_length = setting_of(config, "hop_length:"),
                    .fmin = setting_of(config, "fmin:"),
                    .fmax = setting_of(config, "fmax:"),
                    .htk = config && strstr(config, "mel_scale: htk"),
                    .floor = -setting_of(config, "top_db:")};
    if (!(a->floor < 0)) a->floor = -80;
    free(config);
    return TT_OK;
}

/* Genre of each of this rank's clips, -1 for those that hold no sound. Collective. */
static tt_status read_clips(const tt_comm *comm, tt_store *store, const tt_report_inputs *in, int32_t **genre,
                            int64_t *rows)
{
    tt_column column;
    bool found;
    int32_t *status = NULL;
    TT_TRY(tt_truth_from_manifest(comm, in->manifest, in->features, "genre", genre, rows));
    TT_TRY(tt_store_column(store, "/clip/status", &column, &found));
    if (!found || column.dims[0] != *rows) return TT_OK;
    tt_range mine = tt_partition(*rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    tt_status s = tt_alloc(mine.end - mine.begin, sizeof *status, "clips", &status);
    if (s == TT_OK)
        s = tt_store_read(store, "/clip/status", mine.begin, mine.end - mine.begin, TT_I32, status);
    s = tt_agree(comm, s);
    for (int64_t i = 0; s == TT_OK && i < mine.end - mine.begin; i++)
        if (!tt_track_status_valid(status[i]) || status[i] == TT_TRACK_SILENT) (*genre)[i] = -1;
    free(status);
    return s;
}

/* Row of one random clip of each genre, into row [n]: the one that a random permutation puts first.
 * Collective. */
static tt_status draw_lots(const tt_comm *comm, uint64_t seed, const int32_t *genre, int64_t rows, int64_t n,
                           int64_t *row)
{
    tt_stream stream = {seed, TT_FOR_SAMPLE, 1};
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t *best = NULL;
    int width = 0;
    tt_status s = tt_int(n, "genres", &width);
    if (s == TT_OK) s = tt_alloc(2 * n, sizeof *best, "clips", &best);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        int64_t *own = best + n;
        for (int64_t g = 0; g < n; g++) {
            own[g] = INT64_MAX;
            row[g] = -1;
        }
        for (int64_t i = mine.begin; i < mine.end; i++) {
            int32_t g = genre[i - mine.begin];
            int64_t lot = (int64_t)tt_random_permute(stream, (uint64_t)i, (uint64_t)rows);
            if (g < 0 || lot >= own[g]) continue;
            own[g] = lot;
            row[g] = i;
        }
        MPI_Allreduce(own, best, width, MPI_INT64_T, MPI_MIN, comm->mpi);
        for (int64_t g = 0; g < n; g++)
            if (own[g] != best[g]) row[g] = -1;
        MPI_Allreduce(MPI_IN_PLACE, row, width, MPI_INT64_T, MPI_MAX, comm->mpi);
    }
    free(best);
    return s;
}

/* The largest genres, at most EXAMPLES, in their own order. @param chosen  [EXAMPLES] */
static int choose_genres(const classes *c, int64_t chosen[EXAMPLES])
{
    int n = 0;
    for (int64_t g = 0; g < c->n; g++) {
        int64_t larger = 0;
        for (int64_t h = 0; h < c->n; h++)
            larger += c->size[h] > c->size[g] || (h < g && c->size[h] == c->size[g]);
        if (larger < EXAMPLES) chosen[n++] = g;
    }
    return n;
}

/* Read and draw; on rank 0. */
static tt_status draw_examples(tt_store *store, const mel_axes *axes, const classes *genres,
                               const int64_t *row, const char *folder)
{
    mel_example example[EXAMPLES] = {{0}};
    int64_t chosen[EXAMPLES];
    int n = choose_genres(genres, chosen);
    tt_status s = TT_OK;
    for (int i = 0; s == TT_OK && i < n; i++) {
        example[i].genre = genres->name[chosen[i]];
        s = tt_alloc(axes->n_mels * axes->frames, sizeof(float), "a log-mel picture", &example[i].db);
        if (s == TT_OK) s = tt_store_read(store, "/mel", row[chosen[i]], 1, TT_F32, example[i].db);
    }
    if (s == TT_OK) s = draw_mel(folder, axes, example, n);
    for (int i = 0; i < n; i++) free(example[i].db);
    return s;
}

/* Collective. */
static tt_status mel_from(const tt_comm *comm, tt_store *store, const tt_report_inputs *in, uint64_t seed,
                          const char *folder)
{
    int32_t *genre = NULL;
    int64_t rows = 0, *row = NULL;
    classes genres = {0};
    mel_axes axes;
    tt_column mel;
    bool found;
    TT_TRY(tt_store_column(store, "/mel", &mel, &found));
    if (!found || mel.n_dims != 3) {
        tt_info("report: %s has no log-mel, so there is no mel_examples.png", in->features);
        return TT_OK;
    }
    tt_status s = tt_agree(comm, read_axes(store, &mel, &axes));
    if (s == TT_OK) s = read_clips(comm, store, in, &genre, &rows);
    tt_range mine = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank);
    if (s == TT_OK) s = genres_of(comm, in->manifest, mine.end - mine.begin, genre, &genres);
    if (s == TT_OK) s = tt_agree(comm, tt_alloc(genres.n, sizeof *row, "clips", &row));
    if (s == TT_OK) s = draw_lots(comm, seed, genre, rows, genres.n, row);
    if (s == TT_OK && genres.n > 0)
        s = tt_agree(comm, comm->rank == 0 ? draw_examples(store, &axes, &genres, row, folder) : TT_OK);
    free(row);
    classes_free(&genres);
    free(genre);
    return s;
}

tt_status report_mel(const tt_comm *comm, const tt_report_inputs *in, uint64_t seed, const char *folder)
{
    tt_store *store;
    bool features = file_is_there(comm, in->features), manifest = file_is_there(comm, in->manifest);
    if (!features || !manifest) {
        tt_info("report: no mel_examples.png without features and a manifest");
        return TT_OK;
    }
    TT_TRY(tt_store_open(comm, in->features, &store));
    tt_status s = mel_from(comm, store, in, seed, folder);
    tt_store_close(store);
    return s;
}
