/* The threads of a rank. One at a time calls HDF5 or MPI; each decodes and analyses for itself. */
#include "features/extract.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int crew_threads(const tt_comm *comm)
{
    const char *text = getenv("OMP_NUM_THREADS");
    int level, threads = text ? atoi(text) : 1;
    if (threads < 1) threads = 1;
    if (threads > 1024) threads = 1024;
    MPI_Query_thread(&level);
    if (threads == 1 || level >= MPI_THREAD_SERIALIZED) return threads;
    if (comm->rank == 0)
        tt_warn("extract: this MPI lets one thread only call it: OMP_NUM_THREADS is not used");
    return 1;
}

bool crew_goes_on(worker *w)
{
    extractor *e = w->e;
    /* one thread that asks is enough */
    if (!atomic_load(&e->stop) && pthread_mutex_trylock(&e->outside) == 0) {
        if (!pulse_goes_on(&e->pulse)) atomic_store(&e->stop, true);
        pthread_mutex_unlock(&e->outside);
    }
    return !atomic_load(&e->stop);
}

bool unit_fails_track(const unit *u, int32_t status)
{
    bool lost = status == TT_TRACK_MISSING || status == TT_TRACK_EMPTY || status == TT_TRACK_UNREADABLE;
    return !tt_track_status_valid(status) && u->first == 0 && (lost || u->units == 1);
}

static tt_status do_unit(worker *w, const tt_track *track, const unit *u, bool *finished)
{
    extractor *e = w->e;
    bool done = false;
    int32_t status = TT_TRACK_OK;
    if (tt_store_resumed(e->store)) {
        tt_phase(&w->phases, "resume");
        pthread_mutex_lock(&e->outside);
        tt_status s = rows_unit_done(&w->rows, u, &done, &status);
        pthread_mutex_unlock(&e->outside);
        TT_TRY(s);
    }
    if (done && tt_track_status_valid(status)) { /* what came to nothing may be back: a folder not mounted */
        *finished = true;
        e->pulse.skipped += u->clips;
        return TT_OK;
    }
    TT_TRY(unit_extract(w, track, u, finished));
    double hop = e->audio->clip_hop, clip = e->audio->clip_seconds;
    w->seconds += (u->clips - 1) * hop + (hop < clip && u->clips < u->of ? hop : clip);
    return TT_OK;
}

/** Units taken together, with the tracks they belong to. */
typedef struct task {
    unit unit[TAKE_MAX];
    int n;
    tt_tracks tracks[TAKE_MAX]; /**< of each run of neighbours */
    int run[TAKE_MAX];          /**< which of them a unit's track is in */
    int runs;
} task;

static void task_clear(task *t)
{
    for (int i = 0; i < t->runs; i++) tt_tracks_free(&t->tracks[i]);
    t->runs = t->n = 0;
}

/** Read the tracks of the units: neighbours, as they are but for the first units of a list, at once. */
static tt_status read_tracks(tt_store *manifest, task *t)
{
    for (int i = 0, j; i < t->n; i = j) {
        int64_t first = t->unit[i].track, last = first;
        for (j = i; j < t->n && t->unit[j].track >= last && t->unit[j].track <= last + 4; j++) {
            last = t->unit[j].track;
            t->run[j] = t->runs;
        }
        TT_TRY(tt_manifest_read(manifest, first, last - first + 1, false, &t->tracks[t->runs++]));
    }
    return TT_OK;
}

static tt_status next_task(extractor *e, task *t)
{
    task_clear(t);
    pthread_mutex_lock(&e->outside);
    t->n = deal_take(&e->deal, t->unit);
    tt_status s = read_tracks(e->manifest, t);
    pthread_mutex_unlock(&e->outside);
    return s;
}

static tt_status do_tasks(worker *w, task *t)
{
    bool finished = true;
    while (finished && crew_goes_on(w)) {
        tt_phase(&w->phases, "plan");
        TT_TRY(next_task(w->e, t));
        if (t->n == 0) break;
        for (int i = 0; i < t->n && finished; i++) {
            const tt_tracks *tracks = &t->tracks[t->run[i]];
            finished = crew_goes_on(w);
            if (finished)
                TT_TRY(do_unit(w, &tracks->v[t->unit[i].track - tracks->first], &t->unit[i], &finished));
        }
    }
    return TT_OK;
}

/** All that a thread does. Rows that are complete are written also when it is told to stop. */
static void *run(void *context)
{
    worker *w = context;
    task *t = NULL;
    w->status = tt_alloc(1, sizeof *t, "units of work", &t);
    if (w->status == TT_OK) {
        w->status = do_tasks(w, t);
        task_clear(t);
        if (w->status == TT_OK) w->status = rows_flush(&w->rows);
    }
    free(t);
    tt_phase(&w->phases, NULL);
    if (w->status == TT_OK) return NULL;
    snprintf(w->message, sizeof w->message, "%s", tt_message());
    atomic_store(&w->e->stop, true);
    return NULL;
}

static tt_status worker_new(extractor *e, worker *w)
{
    *w = (worker){.e = e};
    TT_TRY(tt_analyzer_new(e->audio, e->features, &w->analyzer));
    tt_analyzer_time(w->analyzer, &w->phases);
    TT_TRY(tt_alloc(tt_clip_samples(e->audio), sizeof *w->samples, "a clip", &w->samples));
    return rows_new(e->store, &e->outside, &w->phases, rows_shape(w->analyzer, e->features), &w->rows);
}

static void worker_free(worker *w)
{
    rows_free(&w->rows);
    tt_analyzer_free(w->analyzer);
    free(w->samples);
}

/** Run all workers, the first on the calling thread. */
static tt_status run_all(worker *crew, int threads)
{
    pthread_t *id;
    TT_TRY(tt_alloc(threads, sizeof *id, "threads", &id));
    int started = 1;
    while (started < threads && pthread_create(&id[started], NULL, run, &crew[started]) == 0) started++;
    run(&crew[0]);
    for (int i = 1; i < started; i++) pthread_join(id[i], NULL);
    free(id);
    tt_status s = TT_OK;
    for (int i = 0; i < started; i++)
        if (crew[i].status > s) s = tt_fail(crew[i].status, "%s", crew[i].message);
    return s;
}

static void add_up(extractor *e, const worker *crew, int threads)
{
    for (int i = 0; i < threads; i++) {
        e->analysed += crew[i].analysed;
        e->seconds += crew[i].seconds;
        tt_phases_add(e->phases, &crew[i].phases, 1.0 / threads);
    }
}

/** From the deal to the last unit of all ranks. */
static tt_status work(extractor *e, worker *crew, int threads, unit *units)
{
    tt_status s = deal_new(e->comm, units, e->plan.home_units, threads, &e->deal);
    tt_phase(e->phases, NULL); /* the threads' own follow */
    if (s == TT_OK) {
        pulse_start(&e->pulse, e->comm, &e->deal, e->allowed - e->plan.bad, e->plan.all.clips);
        s = pulse_finish(&e->pulse, run_all(crew, threads));
        add_up(e, crew, threads);
    }
    deal_free(&e->deal);
    return s;
}

tt_status crew_work(extractor *e, int threads)
{
    worker *crew = NULL;
    unit *units = NULL;
    int made = 0;
    pthread_mutex_init(&e->outside, NULL);
    tt_status s = tt_alloc(threads, sizeof *crew, "threads", &crew);
    while (s == TT_OK && made < threads) s = worker_new(e, &crew[made++]);
    if (s == TT_OK) s = tt_alloc(e->plan.home_units, sizeof *units, "units of work", &units);
    if (s == TT_OK) s = plan_units(&e->plan, e->audio, e->manifest, units);
    s = tt_agree(e->comm, s);
    if (s == TT_OK) s = work(e, crew, threads, units);
    for (int i = 0; i < made; i++) worker_free(&crew[i]);
    free(crew);
    free(units);
    pthread_mutex_destroy(&e->outside);
    return s;
}
