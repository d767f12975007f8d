#include "commands.h"
#include "stage.h"

#include "tutti/hash.h"

static tt_status scan_plain(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output)
{
    cli_plain plain;
    cli_setting room;
    char hash[TT_HASH_TEXT];
    TT_TRY(cli_set(s, &room, "corpus.path=%s", corpus));
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = tt_corpus_fingerprint(comm, &plain.config->corpus, hash);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "scan", "corpus.", hash, NULL, 0);
    if (status == TT_OK) status = tt_scan(comm, &plain.config->corpus, &plain.provenance, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_scan(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *corpus = NULL, *output = NULL;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti scan --run DIR [options] | tutti scan --corpus PATH --output manifest.h5",
        "List a corpus (a folder genre/track.ext, a CSV manifest or tar shards), read the headers of its\n"
        "audio on all ranks and write the manifest.",
        0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"corpus", CLI_TEXT, &corpus, "PATH", "folder, CSV file or shard pattern"},
                                  {"output", CLI_TEXT, &output, "FILE", "the manifest to write"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    const char *names[] = {"corpus", "output"}, *given[] = {corpus, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "scan", 1.0) : scan_plain(comm, &s, corpus, output);
}
