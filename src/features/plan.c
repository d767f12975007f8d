#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>

int64_t plan_clips(const tt_audio_params *audio, int32_t status, double seconds)
{
    return tt_track_status_valid(status) ? tt_clips_of(audio, seconds) : 0;
}

/** Work of a track in eighths of a clip: opening a file costs about one. */
static int64_t weight(int64_t clips)
{
    return 8 * clips + 1;
}

/** From this rank's share of the manifest: the first track, and its first row, of every rank [size + 1]. A
 * track goes to the rank in whose equal share of the whole work its middle falls. */
static tt_status deal(const tt_comm *comm, const int64_t *clips, tt_range share, extract_plan *plan,
                      int64_t *starts)
{
    int64_t my_clips = 0, my_weight = 0;
    for (int64_t i = 0; i < share.end - share.begin; i++) {
        my_clips += clips[i];
        my_weight += weight(clips[i]);
    }
    plan->clips = tt_sum_i64(comm, my_clips);
    int64_t row = tt_prefix_i64(comm, my_clips), before = tt_prefix_i64(comm, my_weight);
    double total = (double)tt_sum_i64(comm, my_weight);
    int64_t *first_track = starts, *first_row = starts + comm->size + 1;
    for (int r = 0; r <= comm->size; r++) {
        first_track[r] = plan->tracks;
        first_row[r] = plan->clips;
    }
    int next = 0;
    for (int64_t i = 0; i < share.end - share.begin; i++) {
        double middle = (double)before + 0.5 * (double)weight(clips[i]);
        int owner = (int)(middle / total * comm->size);
        for (; next <= owner && next < comm->size; next++) {
            first_track[next] = share.begin + i;
            first_row[next] = row;
        }
        row += clips[i];
        before += weight(clips[i]);
    }
    if (MPI_Allreduce(MPI_IN_PLACE, starts, 2 * (comm->size + 1), MPI_INT64_T, MPI_MIN, comm->mpi) !=
        MPI_SUCCESS)
        return tt_fail(TT_ERR_INTERNAL, "MPI_Allreduce failed");
    plan->mine = (tt_range){first_track[comm->rank], first_track[comm->rank + 1]};
    plan->rows = (tt_range){first_row[comm->rank], first_row[comm->rank + 1]};
    return TT_OK;
}

static tt_status read_share(tt_store *manifest, const tt_audio_params *audio, tt_range share, double *seconds,
                            int32_t *status, int64_t *clips, int64_t *bad)
{
    int64_t n = share.end - share.begin;
    TT_TRY(tt_store_read(manifest, "/track/seconds", share.begin, n, TT_F64, seconds));
    TT_TRY(tt_store_read(manifest, "/track/status", share.begin, n, TT_I32, status));
    for (int64_t i = 0; i < n; i++) {
        clips[i] = plan_clips(audio, status[i], seconds[i]);
        *bad += clips[i] == 0 && status[i] != TT_TRACK_NO_AUDIO;
    }
    return TT_OK;
}

tt_status plan_make(const tt_comm *comm, const tt_audio_params *audio, tt_store *manifest, extract_plan *plan)
{
    *plan = (extract_plan){0};
    TT_TRY(tt_manifest_tracks(manifest, &plan->tracks));
    tt_range share = tt_partition(plan->tracks, 1, comm->size, comm->rank);
    int64_t n = share.end - share.begin, bad = 0;
    double *seconds = NULL;
    int32_t *status = NULL;
    int64_t *clips = NULL, *starts = NULL;
    tt_status s = tt_alloc(n, sizeof *seconds, "lengths of tracks", &seconds);
    if (s == TT_OK) s = tt_alloc(n, sizeof *status, "status of tracks", &status);
    if (s == TT_OK) s = tt_alloc(n, sizeof *clips, "clips of tracks", &clips);
    if (s == TT_OK) s = tt_alloc(2 * ((int64_t)comm->size + 1), sizeof *starts, "shares of ranks", &starts);
    if (s == TT_OK) s = read_share(manifest, audio, share, seconds, status, clips, &bad);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = deal(comm, clips, share, plan, starts);
    if (s == TT_OK) plan->bad = tt_sum_i64(comm, bad);
    free(seconds);
    free(status);
    free(clips);
    free(starts);
    return s;
}
