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

/** Analyse the clip again and again for `seconds`: the best seconds a clip, of at least three runs. */
static double measure(tt_analyzer *a, const float *samples, float *mel, float *audio, float *tempogram,
                      double seconds)
{
    double best = INFINITY, end = tt_now() + seconds;
    for (int run = 0; run < 3 || tt_now() < end; run++) {
        enum { CLIPS = 32 };
        double began = tt_now();
        for (int i = 0; i < CLIPS; i++) {
            tt_analyzer_clip(a, samples, mel, audio);
            tt_analyzer_tempogram(a, tempogram);
        }
        best = fmin(best, (tt_now() - began) / CLIPS);
    }
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
    double total = 0;
    for (int i = 0; i < phases->n; i++) total += phases->phase[i].seconds;
    for (int i = 0; i < phases->n; i++)
        printf("  %-10s %8.2f us per second of music, %4.1f %%\n", phases->phase[i].name,
               1e6 * phases->phase[i].seconds / music, 100 * phases->phase[i].seconds / total);
}

/** Measure one features.set; with a profile, of as many clips again. Collective. */
static tt_status bench_set(const tt_comm *comm, const tt_config *config, const char *name, const char *set,
                           double seconds, bool profile)
{
    tt_features_params p = config->features;
    tt_analyzer *a;
    float *samples = NULL, *mel = NULL, *audio = NULL, *tempogram = NULL;
    if (set) p.set = (char *)set;
    tt_status s = tt_agree(comm, tt_analyzer_new(&config->audio, &p, &a));
    if (s != TT_OK) return s;
    int64_t n = tt_analyzer_samples(a), columns = tt_analyzer_columns(a), lags = tt_analyzer_lags(a);
    s = tt_alloc(n, sizeof *samples, "a clip", &samples);
    if (s == TT_OK) s = tt_alloc(tt_analyzer_mels(a) * tt_analyzer_frames(a), sizeof *mel, "a mel", &mel);
    if (s == TT_OK) s = tt_alloc(columns, sizeof *audio, "features", &audio);
    if (s == TT_OK) s = tt_alloc(lags, sizeof *tempogram, "a tempogram", &tempogram);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        float *to_mel = tt_analyzer_mels(a) > 0 ? mel : NULL, *to_audio = columns + lags > 0 ? audio : NULL;
        play(&config->audio, n, samples);
        print_rate(comm, name, config->audio.clip_seconds,
                   measure(a, samples, to_mel, to_audio, tempogram, seconds));
        tt_phases phases = {0};
        tt_analyzer_time(a, &phases);
        for (int i = 0; profile && i < 64; i++) {
            tt_analyzer_clip(a, samples, to_mel, to_audio);
            tt_analyzer_tempogram(a, tempogram);
        }
        if (profile && comm->rank == 0) print_profile(&phases, 64 * config->audio.clip_seconds);
    }
    free(samples);
    free(mel);
    free(audio);
    free(tempogram);
    tt_analyzer_free(a);
    return s;
}

static tt_status bench_features(const tt_comm *comm, const tt_config *config, double seconds)
{
    if (comm->rank == 0)
        printf("analysis of clips of %g s at %d Hz in memory, one thread, slowest of %d ranks\n",
               config->audio.clip_seconds, config->audio.sample_rate, comm->size);
    TT_TRY(bench_set(comm, config, "features", NULL, seconds, true));
    return bench_set(comm, config, "mel alone", "[mel]", seconds, true);
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
