/* `tutti bench`: what the machine makes of one part of the work, alone and in memory. */
#include "commands.h"
#include "options.h"
#include "tutti/config.h"
#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A clip of decaying chords over noise. */
static void play(const tt_audio_params *audio, int64_t n, float *samples)
{
    const tt_stream noise = {1, TT_FOR_TEST, 0};
    double rate = audio->sample_rate;
    tt_random_normals(noise, 0, n, samples);
    for (int64_t i = 0; i < n; i++) {
        double t = (double)i / rate, beat = fmod(t, 0.5), sum = 0;
        for (int h = 1; h <= 8; h++) sum += sin(2 * M_PI * 220 * h * t) / h;
        samples[i] = (float)(0.002 * (double)samples[i] + 0.2 * exp(-4 * beat) * sum);
    }
}

/** What an analyzer works on. */
typedef struct work {
    tt_analyzer *analyzer;
    float *samples, *mel, *audio, *tempogram;
} work;

static tt_status work_new(const tt_config *config, const tt_features_params *p, work *w)
{
    *w = (work){0};
    TT_TRY(tt_analyzer_new(&config->audio, p, &w->analyzer));
    int64_t n = tt_analyzer_samples(w->analyzer), frames = tt_analyzer_frames(w->analyzer);
    TT_TRY(tt_alloc(n, sizeof(float), "a clip", &w->samples));
    TT_TRY(tt_alloc(tt_analyzer_mels(w->analyzer) * frames, sizeof(float), "a mel", &w->mel));
    TT_TRY(tt_alloc(tt_analyzer_columns(w->analyzer), sizeof(float), "features", &w->audio));
    TT_TRY(tt_alloc(tt_analyzer_lags(w->analyzer), sizeof(float), "a tempogram", &w->tempogram));
    play(&config->audio, n, w->samples);
    return TT_OK;
}

static void work_free(work *w)
{
    free(w->samples);
    free(w->mel);
    free(w->audio);
    free(w->tempogram);
    tt_analyzer_free(w->analyzer);
}

enum { CLIPS = 32 }; /* of a run */

/** Seconds of one run. */
static double run_once(const work *w)
{
    double began = tt_now();
    for (int i = 0; i < CLIPS; i++) {
        tt_analyzer_clip(w->analyzer, w->samples, w->mel, w->audio);
        tt_analyzer_tempogram(w->analyzer, w->tempogram);
    }
    return tt_now() - began;
}

/** The fastest of at least three runs, for `seconds`. */
static double fastest(const work *w, double seconds)
{
    double best = INFINITY, end = tt_now() + seconds;
    for (int run = 0; run < 3 || tt_now() < end; run++) best = fmin(best, run_once(w));
    return best;
}

static double total_of(const tt_phases *phases)
{
    double total = 0;
    for (int i = 0; i < phases->n; i++) total += phases->phase[i].seconds;
    return total;
}

/** Where the time of the fastest of some runs goes. */
static tt_phases profile(const work *w)
{
    tt_phases best = {0};
    for (int run = 0; run < 8; run++) {
        tt_phases phases = {0};
        tt_analyzer_time(w->analyzer, &phases);
        run_once(w);
        if (run == 0 || total_of(&phases) < total_of(&best)) best = phases;
    }
    tt_analyzer_time(w->analyzer, NULL);
    return best;
}

/** One line of the table: the slowest rank's rate. Collective. */
static void print_rate(const tt_comm *comm, const char *name, double clip_seconds, double seconds)
{
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, comm->mpi);
    if (comm->rank == 0) printf("%-12s %8.0f x realtime\n", name, clip_seconds / seconds);
}

static void print_profile(const tt_phases *phases, double music)
{
    double total = total_of(phases);
    for (int i = 0; i < phases->n; i++)
        printf("  %-10s %8.2f us per second of music, %4.1f %%\n", phases->phase[i].name,
               1e6 * phases->phase[i].seconds / music, 100 * phases->phase[i].seconds / total);
}

/** Measure one features.set (NULL: that of the settings). Collective. */
static tt_status bench_set(const tt_comm *comm, const tt_config *config, const char *name, char *set,
                           double seconds)
{
    tt_features_params p = config->features;
    work w;
    if (set) p.set = set;
    tt_status s = tt_agree(comm, work_new(config, &p, &w));
    if (s == TT_OK) {
        print_rate(comm, name, CLIPS * config->audio.clip_seconds, fastest(&w, seconds));
        tt_phases phases = profile(&w);
        if (comm->rank == 0) print_profile(&phases, CLIPS * config->audio.clip_seconds);
    }
    work_free(&w);
    return s;
}

static tt_status bench_features(const tt_comm *comm, const tt_config *config, double seconds)
{
    if (comm->rank == 0)
        printf("analysis of clips of %g s at %d Hz in memory, one thread, slowest of %d ranks\n",
               config->audio.clip_seconds, config->audio.sample_rate, comm->size);
    char mel_alone[] = "[mel]";
    TT_TRY(bench_set(comm, config, "features", NULL, seconds));
    return bench_set(comm, config, "mel alone", mel_alone, seconds);
}

tt_status cmd_bench(const tt_comm *comm, int argc, char **argv)
{
    const char *what = NULL, *file = NULL;
    cli_list sets = {0};
    double seconds = 1;
    bool done;
    const cli_usage usage = {
        "tutti bench features [options]",
        "What this machine makes of one part of the work, in memory and on every rank at once.\n"
        "features: clips of the settings analysed, all that features.set chooses and the mel alone, and\n"
        "where the time goes.",
        1};
    const cli_option options[] = {
        {"config", CLI_TEXT, &file, "FILE", "settings, YAML (default: built in)"},
        {"set", CLI_LIST, &sets, "KEY.SUB=VALUE", "change one setting; any number of times"},
        {"seconds", CLI_REAL, &seconds, "S", "how long to measure each (default 1)"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, &what, &done));
    if (done) return TT_OK;
    if (!what || strcmp(what, "features") != 0)
        return tt_fail(TT_ERR_USAGE, "tutti bench takes a part of the work to measure: features");
    if (!(seconds >= 0 && seconds <= 60))
        return tt_fail(TT_ERR_USAGE, "--seconds takes a number from 0 to 60, not %g", seconds);
    tt_config *config;
    TT_TRY(tt_config_load(comm, file, sets.v, sets.n, &config));
    tt_status s = bench_features(comm, config, seconds);
    tt_config_free(config);
    return s;
}
