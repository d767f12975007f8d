#include "companions.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Clips stand in the order of their tracks, or nearly so: tracks are read by the block in which one is asked
 * for. */
typedef struct window {
    tt_store *store;
    int64_t rows;  /* tracks in the file */
    int64_t first; /* of the block that is here */
    int64_t count;
} window;

/* The block that a track lies in, as the window's; *moved tells that it has to be read. */
static tt_status move_to(window *w, int64_t track, bool *moved)
{
    *moved = false;
    if (track >= w->first && track < w->first + w->count) return TT_OK;
    if (track < 0 || track >= w->rows)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %lld tracks, but a clip is of track %lld: are they of one corpus?",
                       tt_store_path(w->store), (long long)w->rows, (long long)track);
    w->first = track / TT_BLOCK_ROWS * TT_BLOCK_ROWS;
    w->count = w->rows - w->first < TT_BLOCK_ROWS ? w->rows - w->first : TT_BLOCK_ROWS;
    *moved = true;
    return TT_OK;
}

/* The file's singular values squared, as shares of the first; NULL where it has none. Collective. */
static tt_status read_weights(tt_store *store, int64_t cols, double **out)
{
    tt_column column;
    bool found;
    *out = NULL;
    TT_TRY(tt_store_column(store, "/singular_values", &column, &found));
    if (!found || column.n_dims != 1 || column.dims[0] != cols) return TT_OK;
    TT_TRY(tt_alloc(cols, sizeof **out, "singular values", out));
    TT_TRY(tt_store_read(store, "/singular_values", 0, cols, TT_F64, *out));
    double first = (*out)[0];
    for (int64_t j = 0; j < cols; j++) (*out)[j] = first > 0 ? pow((*out)[j] / first, 2) : 1.0;
    return TT_OK;
}

/* row[j] weight[j], brought to length 1. */
static void point_row(const double *weight, int64_t cols, float *row)
{
    double square = 0;
    for (int64_t j = 0; j < cols; j++) square += pow(weight[j] * (double)row[j], 2);
    double length = square > 0 ? sqrt(square) : 1.0;
    for (int64_t j = 0; j < cols; j++) row[j] = (float)(weight[j] * (double)row[j] / length);
}

static tt_status copy_rows(window *w, const clip_track *clips, const double *weight, float *rows,
                           unsigned char *valid, tt_matrix *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        bool moved;
        TT_TRY(move_to(w, clips->track[i], &moved));
        if (moved) {
            TT_TRY(tt_store_read(w->store, "/embedding", w->first, w->count, TT_F32, rows));
            TT_TRY(tt_store_read(w->store, "/valid", w->first, w->count, TT_U8, valid));
            for (int64_t r = 0; weight && r < w->count; r++)
                point_row(weight, out->cols, rows + r * out->cols);
        }
        int64_t at = clips->track[i] - w->first;
        out->valid[i] = valid[at];
        memcpy(out->data + i * out->cols, rows + at * out->cols, (size_t)out->cols * sizeof *rows);
    }
    return TT_OK;
}

static tt_status fill(window *w, const clip_track *clips, tt_matrix *out)
{
    float *rows = NULL;
    double *weight = NULL;
    unsigned char *valid = NULL;
    tt_status s = read_weights(w->store, out->cols, &weight);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS * out->cols, sizeof *rows, "an embedding", &rows);
    if (s == TT_OK) s = tt_alloc(TT_BLOCK_ROWS, 1, "an embedding", &valid);
    if (s == TT_OK) s = copy_rows(w, clips, weight, rows, valid, out);
    free(valid);
    free(weight);
    free(rows);
    TT_TRY(tt_agree(out->comm, s));
    int64_t n = 0;
    for (int64_t i = 0; i < out->count; i++) n += out->valid[i];
    out->n_valid = tt_sum_i64(out->comm, n);
    return TT_OK;
}

tt_status lyrics_of_clips(const char *lyrics, const clip_track *clips, const tt_matrix *like, tt_matrix *out)
{
    window w = {0};
    tt_column column;
    bool found = false;
    char *name = NULL;
    *out = (tt_matrix){.comm = like->comm};
    TT_TRY(tt_store_open(like->comm, lyrics, &w.store));
    tt_status s = tt_store_column(w.store, "/embedding", &column, &found);
    if (s == TT_OK && found && column.n_dims == 2) {
        w.rows = column.dims[0];
        s = tt_agree(like->comm, tt_format(&name, "%s:/embedding", lyrics));
        if (s == TT_OK) s = tt_matrix_new(like->comm, name, like->rows, column.dims[1], out);
        if (s == TT_OK) s = fill(&w, clips, out);
    }
    tt_store_close(w.store);
    free(name);
    return s;
}

static bool is_for_training(const char *split)
{
    return split[0] == '\0' || strncmp(split, "train", strlen("train")) == 0;
}

static tt_status mark_clips(window *w, const clip_track *clips, int64_t n, unsigned char *mark)
{
    tt_tracks tracks = {0};
    tt_status s = TT_OK;
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        bool moved;
        s = move_to(w, clips->track[i], &moved);
        if (s == TT_OK && moved) {
            tt_tracks_free(&tracks);
            s = tt_manifest_read(w->store, w->first, w->count, false, &tracks);
        }
        if (s == TT_OK) mark[i] = is_for_training(tracks.v[clips->track[i] - w->first].split);
    }
    tt_tracks_free(&tracks);
    return s;
}

tt_status training_clips(const char *manifest, const clip_track *clips, const tt_matrix *like,
                         unsigned char *mark)
{
    window w = {0};
    TT_TRY(tt_store_open(like->comm, manifest, &w.store));
    tt_status s = tt_manifest_tracks(w.store, &w.rows);
    if (s == TT_OK) s = tt_agree(like->comm, mark_clips(&w, clips, like->count, mark));
    tt_store_close(w.store);
    return s;
}
