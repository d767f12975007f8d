#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>

int64_t plan_work(int64_t clips)
{
    return 8 * clips + 1; /* opening a file costs about an eighth of a clip */
}

void headers_free(headers *h)
{
    free(h->seconds);
    free(h->status);
    free(h->shape);
    *h = (headers){0};
}

static track_shape shape_of(const tt_audio_params *audio, int32_t status, double seconds, const char *format)
{
    int64_t clips = tt_track_status_valid(status) ? tt_clips_of(audio, seconds) : 0;
    if (clips > INT32_MAX) clips = INT32_MAX;
    return (track_shape){clips, clips > 0 ? tt_audio_pieces(audio, format, clips) : 0};
}

tt_status headers_read(tt_store *manifest, const tt_audio_params *audio, int64_t first, int64_t n, headers *h)
{
    enum { FORMAT = sizeof((tt_track *)0)->format };
    char(*format)[FORMAT];
    *h = (headers){.n = n};
    TT_TRY(tt_alloc(n, sizeof *h->seconds, "lengths of tracks", &h->seconds));
    TT_TRY(tt_alloc(n, sizeof *h->status, "status of tracks", &h->status));
    TT_TRY(tt_alloc(n, sizeof *h->shape, "clips of tracks", &h->shape));
    TT_TRY(tt_alloc(n, sizeof *format, "formats of tracks", &format));
    tt_status s = tt_store_read(manifest, "/track/seconds", first, n, TT_F64, h->seconds);
    if (s == TT_OK) s = tt_store_read(manifest, "/track/status", first, n, TT_I32, h->status);
    if (s == TT_OK) s = tt_store_read(manifest, "/track/format", first, n, TT_TEXT, format);
    for (int64_t i = 0; i < n && s == TT_OK; i++) {
        format[i][FORMAT - 1] = '\0';
        h->shape[i] = shape_of(audio, h->status[i], h->seconds[i], format[i]);
    }
    free(format);
    return s;
}

static tt_range clips_of(const track_shape *shape, int64_t k)
{
    return tt_partition(shape->clips, 1, (int)shape->units, (int)k);
}

static int64_t work_of(const track_shape *shape)
{
    return 8 * shape->clips + shape->units; /* of plan_work() over its units */
}

static extent add(extent a, extent b)
{
    return (extent){a.tracks + b.tracks, a.clips + b.clips, a.units + b.units};
}

static extent of_track(const track_shape *shape)
{
    return (extent){1, shape->clips, shape->units};
}

/** The places where the ranks' homes begin: the extent before the track, and unit, that each begins with. */
typedef struct borders {
    extent *before; /**< [size + 1] */
    int64_t *unit;  /**< [size + 1] */
    int next;       /**< the first that is not known yet */
} borders;

/** A unit goes to the rank in whose equal part of all work its middle falls. */
static void place_units(borders *b, int size, const track_shape *shape, extent before, double work,
                        double total)
{
    for (int64_t k = 0; k < shape->units; k++) {
        tt_range clips = clips_of(shape, k);
        double mine = (double)plan_work(clips.end - clips.begin);
        int owner = (int)((work + 0.5 * mine) / total * size);
        for (; b->next <= owner && b->next < size; b->next++) {
            b->before[b->next] = before;
            b->unit[b->next] = before.units + k;
        }
        work += mine;
    }
}

/** Every border is known to one rank at least, and is the smallest that any knows: all of it grows along the
 * corpus. */
static tt_status find_borders(const tt_comm *comm, const headers *h, const extract_plan *plan, borders *b)
{
    int64_t mine = 0;
    for (int64_t i = 0; i < h->n; i++) mine += work_of(&h->shape[i]);
    double work = (double)tt_prefix_i64(comm, mine), total = (double)tt_sum_i64(comm, mine);
    for (int r = 0; r <= comm->size; r++) {
        b->before[r] = plan->all;
        b->unit[r] = plan->all.units;
    }
    extent before = plan->before;
    for (int64_t i = 0; i < h->n; i++) {
        place_units(b, comm->size, &h->shape[i], before, work, total);
        work += (double)work_of(&h->shape[i]);
        before = add(before, of_track(&h->shape[i]));
    }
    int n = comm->size + 1;
    if (MPI_Allreduce(MPI_IN_PLACE, b->before, 3 * n, MPI_INT64_T, MPI_MIN, comm->mpi) != MPI_SUCCESS ||
        MPI_Allreduce(MPI_IN_PLACE, b->unit, n, MPI_INT64_T, MPI_MIN, comm->mpi) != MPI_SUCCESS)
        return tt_fail(TT_ERR_INTERNAL, "MPI_Allreduce failed");
    return TT_OK;
}

static tt_status find_home(const tt_comm *comm, const headers *h, extract_plan *plan)
{
    borders b = {0};
    tt_status s = tt_alloc(comm->size + 1, sizeof *b.before, "shares of ranks", &b.before);
    if (s == TT_OK) s = tt_alloc(comm->size + 1, sizeof *b.unit, "shares of ranks", &b.unit);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = find_borders(comm, h, plan, &b);
    if (s == TT_OK) {
        plan->home = b.before[comm->rank];
        plan->home_first = b.unit[comm->rank];
        plan->home_units = b.unit[comm->rank + 1] - b.unit[comm->rank];
    }
    free(b.before);
    free(b.unit);
    return s;
}

static void count(const tt_comm *comm, const headers *h, extract_plan *plan)
{
    extent mine = {0};
    int64_t bad = 0;
    for (int64_t i = 0; i < h->n; i++) {
        mine = add(mine, of_track(&h->shape[i]));
        bad += h->shape[i].clips == 0 && h->status[i] != TT_TRACK_NO_AUDIO;
    }
    plan->bad = tt_sum_i64(comm, bad);
    plan->all.clips = tt_sum_i64(comm, mine.clips);
    plan->all.units = tt_sum_i64(comm, mine.units);
    plan->before.clips = tt_prefix_i64(comm, mine.clips);
    plan->before.units = tt_prefix_i64(comm, mine.units);
}

tt_status plan_make(const tt_comm *comm, const tt_audio_params *audio, tt_store *manifest, extract_plan *plan)
{
    *plan = (extract_plan){0};
    TT_TRY(tt_manifest_tracks(manifest, &plan->all.tracks));
    plan->share = tt_partition(plan->all.tracks, 1, comm->size, comm->rank);
    plan->before.tracks = plan->share.begin;
    headers h;
    tt_status s = headers_read(manifest, audio, plan->share.begin, plan->share.end - plan->share.begin, &h);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        count(comm, &h, plan);
        s = find_home(comm, &h, plan);
    }
    headers_free(&h);
    return s;
}

/** Units of one track, from `first` of them on, into out; at most `most`. */
static int64_t list_units(const track_shape *shape, extent before, int64_t first, int64_t most, unit *out)
{
    int64_t n = 0;
    for (int64_t k = first; k < shape->units && n < most; k++, n++) {
        tt_range clips = clips_of(shape, k);
        out[n] = (unit){.track = before.tracks,
                        .index = before.units + k,
                        .row = before.clips + clips.begin,
                        .first = (int32_t)clips.begin,
                        .clips = (int32_t)(clips.end - clips.begin),
                        .of = (int32_t)shape->clips,
                        .units = (int32_t)shape->units};
    }
    return n;
}

static tt_status list_home(const extract_plan *plan, const tt_audio_params *audio, tt_store *manifest,
                           unit *out)
{
    enum { CHUNK = 1024 };
    extent before = plan->home;
    int64_t skip = plan->home_first - plan->home.units;
    for (int64_t n = 0; n < plan->home_units;) {
        int64_t left = plan->all.tracks - before.tracks;
        headers h;
        tt_status s = headers_read(manifest, audio, before.tracks, left < CHUNK ? left : CHUNK, &h);
        for (int64_t i = 0; s == TT_OK && i < h.n && n < plan->home_units; i++, skip = 0) {
            n += list_units(&h.shape[i], before, skip, plan->home_units - n, out + n);
            before = add(before, of_track(&h.shape[i]));
        }
        headers_free(&h);
        TT_TRY(s);
    }
    return TT_OK;
}

static int longest_first(const void *x, const void *y)
{
    const unit *a = x, *b = y;
    if (a->left != b->left) return a->left < b->left ? 1 : -1;
    return (a->index > b->index) - (a->index < b->index);
}

/** What is longer than the pieces of long tracks goes by length, then those pieces, then what is shorter:
 * these two in the manifest's order, whose rows are neighbours in the file. */
static void sort_units(unit *units, int64_t n, const tt_audio_params *audio)
{
    double minute = 60 / audio->clip_seconds;
    for (int64_t i = 0; i < n; i++) {
        unit *u = &units[i];
        u->left = u->clips > 2 * minute + 1 ? u->clips : 2 * u->clips > minute;
    }
    if (n > 0) qsort(units, (size_t)n, sizeof *units, longest_first);
    int64_t left = 0;
    for (int64_t i = n - 1; i >= 0; i--) units[i].left = left += plan_work(units[i].clips);
}

tt_status plan_units(const extract_plan *plan, const tt_audio_params *audio, tt_store *manifest, unit *out)
{
    TT_TRY(list_home(plan, audio, manifest, out));
    sort_units(out, plan->home_units, audio);
    return TT_OK;
}
