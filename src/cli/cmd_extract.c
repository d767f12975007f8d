#include "commands.h"
#include "stage.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* "DIR/features.h5" gives "DIR/features.manifest.h5": the labels and lyrics that go with the rows. */
static tt_status manifest_beside(const char *output, char **out)
{
    size_t n = strlen(output);
    if (n > 3 && strcmp(output + n - 3, ".h5") == 0) n -= 3;
    return tt_format(out, "%.*s.manifest.h5", (int)n, output);
}

static tt_status extract_from(const tt_comm *comm, cli_plain *plain, const char *manifest, const char *output,
                              double max_failures)
{
    char hash[TT_HASH_TEXT];
    TT_TRY(tt_corpus_fingerprint(comm, &plain->config->corpus, hash));
    TT_TRY(cli_plain_origin(comm, plain, "scan", "corpus.", hash, NULL, 0));
    TT_TRY(tt_scan(comm, &plain->config->corpus, &plain->provenance, manifest));
    free(plain->text);
    plain->text = NULL;
    TT_TRY(cli_plain_origin(comm, plain, "extract", "audio.,features.", "", &manifest, 1));
    return tt_extract(comm, &plain->config->audio, &plain->config->features, max_failures, &plain->provenance,
                      manifest, output);
}

static tt_status extract_plain(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output,
                               double max_failures)
{
    cli_plain plain;
    cli_setting room;
    char *manifest = NULL;
    TT_TRY(cli_set(s, &room, "corpus.path=%s", corpus));
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_output_check(comm, output, &corpus, 1);
    if (status == TT_OK) status = tt_agree(comm, manifest_beside(output, &manifest));
    if (status == TT_OK) status = extract_from(comm, &plain, manifest, output, max_failures);
    free(manifest);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_extract(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *corpus = NULL, *output = NULL;
    double max_failures = 1.0;
    bool done, in_directory;
    const cli_usage usage = {
        "tutti extract --run DIR [options] | tutti extract --corpus PATH --output features.h5",
        "Log-mel and frame features of every clip. With --corpus, the manifest of the corpus is written\n"
        "beside the output (features.manifest.h5).",
        0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"corpus", CLI_TEXT, &corpus, "PATH", "folder, CSV file or shard pattern"},
                                  {"output", CLI_TEXT, &output, "FILE", "the features to write"},
                                  {"max-failures", CLI_REAL, &max_failures, "SHARE",
                                   "give up when more than this share of tracks fails (default 1: never)"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (!(max_failures >= 0 && max_failures <= 1))
        return tt_fail(TT_ERR_USAGE, "--max-failures takes a share from 0 to 1, not %g", max_failures);
    const char *names[] = {"corpus", "output"}, *given[] = {corpus, output};
    TT_TRY(cli_choose(&s, names, given, 2, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, "extract", max_failures)
                        : extract_plain(comm, &s, corpus, output, max_failures);
}
