#include "commands.h"
#include "options.h"
#include "tutti/synth.h"

static const cli_usage usage = {
    .synopsis = "tutti synth --tracks N --out DIR [options]",
    .summary =
        "Make a labelled music corpus from nothing: ten styles, six languages, wav, flac, ogg, opus and "
        "mp3.\n"
        "The same parameters give the same bytes on any number of ranks. Run again to finish a corpus that\n"
        "was cut off.",
};

tt_status cmd_synth(const tt_comm *comm, int argc, char **argv)
{
    tt_synth_params params = {.format = "folder", .seconds = 12, .seed = 1};
    int64_t seed = 1;
    const cli_option options[] = {
        {"tracks", CLI_INTEGER, &params.tracks, "N", "number of tracks"},
        {"out", CLI_TEXT, &params.out, "DIR", "folder to write to, made if missing"},
        {"format", CLI_TEXT, &params.format, "FORMAT", "folder (default), csv or tar"},
        {"broken", CLI_REAL, &params.broken, "SHARE", "share of tracks broken on purpose, 0 (default) to 1"},
        {"seconds", CLI_REAL, &params.seconds, "S", "mean length of a track (default 12)"},
        {"seed", CLI_INTEGER, &seed, "N", "another seed is another corpus (default 1)"},
        {0},
    };
    bool done;
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    params.seed = (uint64_t)seed;
    return tt_synth(comm, &params);
}
