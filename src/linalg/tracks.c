/* Means over the clips of each track, whichever ranks hold them. */
#include "tutti/matrix.h"

#include "linalg/scores.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <stdlib.h>
#include <string.h>

/* A run of rows of one track within one block; n sums in double follow it in memory. */
typedef struct run {
    int64_t track;
    int64_t first; /* global row, which orders the runs of a track */
    int64_t rows;
} run;

static size_t run_bytes(int64_t n)
{
    return sizeof(run) + (size_t)n * sizeof(double);
}

static bool begins_run(const tt_matrix *x, const int64_t *track, int64_t i, int64_t previous)
{
    return previous < 0 || track[previous] != track[i] ||
           (x->first + i) / TT_BLOCK_ROWS != (x->first + previous) / TT_BLOCK_ROWS;
}

static int64_t count_runs(const tt_matrix *x, const int64_t *track)
{
    int64_t runs = 0, previous = -1;
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        runs += begins_run(x, track, i, previous);
        previous = i;
    }
    return runs;
}

/* Runs of valid rows, as they come. */
static void form_runs(const tt_matrix *x, const int64_t *track, int64_t n, const float *values, char *out)
{
    int64_t previous = -1;
    char *at = out - run_bytes(n);
    for (int64_t i = 0; i < x->count; i++) {
        if (!x->valid[i]) continue;
        if (begins_run(x, track, i, previous)) {
            at += run_bytes(n);
            *(run *)(void *)at = (run){track[i], x->first + i, 0};
        }
        double *sum = (double *)(void *)(at + sizeof(run));
        ((run *)(void *)at)->rows++;
        for (int64_t k = 0; k < n; k++) sum[k] += (double)values[i * n + k];
        previous = i;
    }
}

static int by_track(const void *a, const void *b)
{
    const run *p = a, *q = b;
    if (p->track != q->track) return p->track < q->track ? -1 : 1;
    return (p->first > q->first) - (p->first < q->first);
}

/* This rank's runs, sorted, which is also by owner; count[r] gets the bytes for rank r. */
static tt_status sorted_runs(const tt_matrix *x, const int64_t *track, int64_t tracks, int64_t n,
                             const float *values, int64_t *count, char **out)
{
    int64_t runs = count_runs(x, track);
    int size = x->comm->size;
    TT_TRY(tt_alloc(runs, run_bytes(n), "sums of tracks", out));
    if (runs == 0) return TT_OK;
    form_runs(x, track, n, values, *out);
    qsort(*out, (size_t)runs, run_bytes(n), by_track);
    for (int64_t i = 0; i < runs; i++) {
        const run *r = (const run *)(const void *)(*out + (size_t)i * run_bytes(n));
        count[tt_owner(tracks, TT_BLOCK_ROWS, size, r->track)] += (int64_t)run_bytes(n);
    }
    return TT_OK;
}

/* Add up the runs of this rank's tracks and divide. */
static tt_status add_up(tt_range mine, int64_t n, char *arrived, int64_t runs, float *mean, int64_t *clips)
{
    double *sum;
    TT_TRY(tt_alloc(n, sizeof *sum, "sums of tracks", &sum));
    if (runs > 0) qsort(arrived, (size_t)runs, run_bytes(n), by_track);
    for (int64_t i = 0; i < runs; i++) {
        const char *at = arrived + (size_t)i * run_bytes(n);
        const run *r = (const run *)(const void *)at;
        const double *part = (const double *)(const void *)(at + sizeof *r);
        int64_t to = r->track - mine.begin;
        if (clips[to] == 0) memset(sum, 0, (size_t)n * sizeof *sum);
        clips[to] += r->rows;
        for (int64_t k = 0; k < n; k++) sum[k] += part[k];
        for (int64_t k = 0; k < n; k++) mean[to * n + k] = (float)(sum[k] / (double)clips[to]);
    }
    free(sum);
    return TT_OK;
}

tt_status tt_track_means(const tt_matrix *x, const int64_t *track, int64_t tracks, int64_t n,
                         const float *values, float **mean, int64_t **clips)
{
    const tt_comm *comm = x->comm;
    tt_range mine = tt_partition(tracks, TT_BLOCK_ROWS, comm->size, comm->rank);
    int64_t *count = NULL, bytes = 0;
    char *packed = NULL, *arrived = NULL;
    *mean = NULL;
    *clips = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "sums of tracks", &count);
    if (s == TT_OK) s = tt_alloc((mine.end - mine.begin) * n, sizeof **mean, "means of tracks", mean);
    if (s == TT_OK) s = tt_alloc(mine.end - mine.begin, sizeof **clips, "clips of tracks", clips);
    if (s == TT_OK) s = sorted_runs(x, track, tracks, n, values, count, &packed);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, packed, count, &arrived, count + comm->size);
    for (int r = 0; s == TT_OK && r < comm->size; r++) bytes += count[comm->size + r];
    if (s == TT_OK)
        s = tt_agree(comm, add_up(mine, n, arrived, bytes / (int64_t)run_bytes(n), *mean, *clips));
    free(arrived);
    free(packed);
    free(count);
    return s;
}

/* The track of each row of x, and how many tracks there are. Collective. Free *track. */
static tt_status read_tracks(const tt_matrix *x, const char *spec, int64_t **track, int64_t *tracks)
{
    char *file = NULL, *dataset = NULL;
    tt_store *store = NULL;
    clip_track clips = {0};
    tt_status s = tt_agree(x->comm, tt_store_split(spec, "/x", &file, &dataset));
    if (s == TT_OK) s = tt_store_open(x->comm, file, &store);
    if (s == TT_OK) s = clip_track_read(x, store, &clips);
    tt_store_close(store);
    if (s == TT_OK && !clips.found)
        s = tt_fail(TT_ERR_INPUT, "%s: no dataset /clip/track says which track each row belongs to", file);
    int64_t largest = -1;
    for (int64_t i = 0; s == TT_OK && i < x->count; i++) {
        if (clips.track[i] > largest) largest = clips.track[i];
        if (clips.track[i] < 0)
            s = tt_fail(TT_ERR_INPUT, "%s: /clip/track row %lld is %lld; tracks count from 0", file,
                        (long long)(x->first + i), (long long)clips.track[i]);
    }
    s = tt_agree(x->comm, s);
    if (s == TT_OK) *tracks = tt_max_i64(x->comm, largest) + 1;
    *track = clips.track;
    free(file);
    free(dataset);
    return s;
}

/* The matrix of means of `clips`. Collective. */
static tt_status average(const tt_matrix *clips, const int64_t *track, int64_t tracks, tt_matrix *out)
{
    float *mean = NULL;
    int64_t *n = NULL, valid = 0;
    tt_status s = tt_track_means(clips, track, tracks, clips->cols, clips->data, &mean, &n);
    if (s == TT_OK) s = tt_matrix_new(clips->comm, clips->name, tracks, clips->cols, out);
    if (s == TT_OK) {
        memcpy(out->data, mean, (size_t)(out->count * out->cols) * sizeof *mean);
        memcpy(out->shift, clips->shift, (size_t)out->cols * sizeof *out->shift);
        for (int64_t i = 0; i < out->count; i++) valid += out->valid[i] = n[i] > 0;
        out->n_valid = tt_sum_i64(out->comm, valid);
    }
    free(n);
    free(mean);
    return s;
}

tt_status tt_matrix_by_track(const char *spec, tt_matrix *x)
{
    tt_matrix means = {0};
    int64_t *track = NULL, tracks = 0;
    tt_status s = read_tracks(x, spec, &track, &tracks);
    if (s == TT_OK) s = average(x, track, tracks, &means);
    free(track);
    tt_matrix_free(x);
    *x = means;
    return s;
}
