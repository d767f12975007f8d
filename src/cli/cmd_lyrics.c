#include "commands.h"
#include "stage.h"

#include <stdlib.h>

static tt_status lyrics_plain(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output)
{
    cli_plain plain;
    char *manifest;
    tt_status status = cli_plain_scan(comm, s, corpus, output, &plain, &manifest);
    if (status == TT_OK) {
        const char *inputs[1 + TT_LYRICS_FILES] = {manifest};
        int n = 1 + tt_lyrics_files(&plain.config->lyrics, inputs + 1);
        status = cli_plain_origin(comm, &plain, "lyrics", "lyrics.", "", inputs, n);
    }
    if (status == TT_OK) status = tt_lyrics(comm, &plain.config->lyrics, &plain.provenance, manifest, output);
    free(manifest);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_lyrics(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *corpus = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti lyrics --run DIR [options] | tutti lyrics --corpus PATH --output lyrics.h5",
        "TF-IDF and an embedding of every track's lyrics. With --corpus, the manifest of the corpus is\n"
        "written beside the output (lyrics.manifest.h5).",
        0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"corpus", CLI_TEXT, &corpus, "PATH", "folder, CSV file or shard pattern"},
                                  {"output", CLI_TEXT, &output, "FILE", "the terms and rows to write"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"corpus", "output"}, *given[] = {corpus, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "lyrics", 1.0)
                        : lyrics_plain(comm, &s, corpus, output);
}
