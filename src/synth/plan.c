#include "synth/plan.h"

#include "synth/dice.h"
#include "synth/style.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double seconds_max = 600; /* a track is rendered in memory */

/* Random permutations of the tracks that deal something in exact shares; numbers are epochs of TT_FOR_SYNTH.
 */
enum { DEAL_STYLE = 100, DEAL_FORMAT, DEAL_SPLIT };

static const struct {
    const char *extension;
    float share;
} formats[FORMATS] = {
    {"wav", 0.21f}, {"wav", 0.08f},  {"wav", 0.09f}, {"flac", 0.22f},
    {"ogg", 0.14f}, {"opus", 0.10f}, {"mp3", 0.16f},
};

static const char *const languages[LANGUAGES] = {"en", "de", "es", "fr", "bn", "hi"};

static const char *const breakages[BREAKAGES + 1] = {"truncated", "empty",    "garbage", "silent",
                                                     "text",      "misnamed", "missing", ""};

const char *synth_breakage_name(synth_breakage broken)
{
    return breakages[broken];
}

const char *synth_language_name(int language)
{
    return languages[language];
}

static tt_status parse_layout(const char *format, synth_layout *layout)
{
    static const char *const names[LAYOUTS] = {"folder", "csv", "tar"};
    for (int i = 0; i < LAYOUTS; i++) {
        *layout = (synth_layout)i;
        if (format && strcmp(format, names[i]) == 0) return TT_OK;
    }
    return tt_fail(TT_ERR_USAGE, "--format is folder, csv or tar, not '%s'", format ? format : "");
}

/* Shards small enough that 64 ranks find work in a corpus of some thousand tracks, large enough to stream
 * well. */
static int64_t tracks_per_shard(int64_t tracks)
{
    int64_t n = (tracks + 63) / 64;
    return n < 16 ? 16 : n > 500 ? 500 : n;
}

tt_status synth_corpus_check(const tt_synth_params *params, synth_corpus *corpus)
{
    if (params->tracks < 1)
        return tt_fail(TT_ERR_USAGE, "--tracks is the number of tracks to make, 1 or more, not %lld",
                       (long long)params->tracks);
    if (!params->out || !*params->out)
        return tt_fail(TT_ERR_USAGE, "--out DIR is needed: the folder to write to");
    if (!(params->broken >= 0 && params->broken <= 1))
        return tt_fail(TT_ERR_USAGE, "--broken is a share of the tracks from 0 to 1, not %g", params->broken);
    if (!(params->seconds >= 1 && params->seconds <= seconds_max))
        return tt_fail(TT_ERR_USAGE, "--seconds is the mean length of a track from 1 to %g, not %g",
                       seconds_max, params->seconds);
    *corpus = (synth_corpus){.tracks = params->tracks,
                             .broken = llround(params->broken * (double)params->tracks),
                             .seed = params->seed,
                             .seconds = params->seconds,
                             .out = params->out,
                             .digits = snprintf(NULL, 0, "%lld", (long long)(params->tracks - 1))};
    if (corpus->digits < 6) corpus->digits = 6;
    if (corpus->broken == 0 && params->broken > 0) corpus->broken = 1;
    TT_TRY(parse_layout(params->format, &corpus->layout));
    corpus->shard_tracks = corpus->layout == LAYOUT_TAR ? tracks_per_shard(params->tracks) : 1000;
    return TT_OK;
}

/* Where track `index` stands, in [0, 1), when all tracks are put into a random order. */
static double deal(const synth_corpus *corpus, uint64_t epoch, int64_t index)
{
    tt_stream s = {corpus->seed, TT_FOR_SYNTH, epoch};
    uint64_t place = tt_random_permute(s, (uint64_t)index, (uint64_t)corpus->tracks);
    return ((double)place + 0.5) / (double)corpus->tracks;
}

static synth_format deal_format(const synth_corpus *corpus, int64_t index)
{
    double at = deal(corpus, DEAL_FORMAT, index);
    int f = 0;
    while (f < FORMATS - 1 && at >= (double)formats[f].share) at -= (double)formats[f++].share;
    return (synth_format)f;
}

static const char *deal_split(const synth_corpus *corpus, int64_t index)
{
    double at = deal(corpus, DEAL_SPLIT, index);
    return at < 0.8 ? "train" : at < 0.9 ? "validation" : "test";
}

static synth_breakage deal_breakage(const synth_corpus *corpus, int64_t index)
{
    tt_stream s = {corpus->seed, TT_FOR_BREAKAGE, 0};
    uint64_t place = tt_random_permute(s, (uint64_t)index, (uint64_t)corpus->tracks);
    if (place >= (uint64_t)corpus->broken) return NOT_BROKEN;
    uint64_t kinds = corpus->layout == LAYOUT_CSV ? BREAKAGES : BREAKAGES - 1;
    return (synth_breakage)(place % kinds);
}

static void break_names(synth_plan *plan)
{
    if (plan->broken == BROKEN_TEXT) plan->extension = "wav";
    if (plan->broken == BROKEN_GARBAGE) plan->extension = plan->index % 2 ? "mp3" : "wav";
    if (plan->broken != BROKEN_MISNAMED) return;
    plan->format = FORMAT_VORBIS;
    plan->extension = "mp3";
}

synth_plan synth_plan_track(const synth_corpus *corpus, int64_t index)
{
    static const int rates[] = {22050, 32000, 44100, 48000};
    static const float rate_share[] = {0.3f, 0.15f, 0.35f, 0.2f};
    synth_plan plan = {.index = index, .seed = corpus->seed, .language = -1, .language_name = ""};
    snprintf(plan.id, sizeof plan.id, "%0*lld", corpus->digits, (long long)index);
    plan.style = (int)(deal(corpus, DEAL_STYLE, index) * STYLES);
    const synth_style *style = synth_style_of(plan.style);
    plan.genre = style->name;
    plan.split = deal_split(corpus, index);
    plan.format = deal_format(corpus, index);
    plan.extension = formats[plan.format].extension;

    dice d = dice_new(corpus->seed, DICE_PLAN, index);
    plan.sample_rate = rates[dice_weighted(&d, rate_share, 4)];
    if (plan.format == FORMAT_OPUS) plan.sample_rate = 48000;
    plan.channels = dice_chance(&d, 0.4) ? 2 : 1;
    double spread = 0.6 + pow(dice_real(&d, 0, 1), 1.5); /* 0.6 to 1.6, mean 1 */
    plan.frames = (int64_t)(corpus->seconds * spread * plan.sample_rate);
    if (!dice_chance(&d, (double)style->instrumental)) {
        plan.language = dice_weighted(&d, style->language, LANGUAGES);
        plan.language_name = languages[plan.language];
    }
    plan.broken = deal_breakage(corpus, index);
    break_names(&plan);
    return plan;
}
