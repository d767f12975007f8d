/* A corpus listed for a command that reads its tracks. */
#include "stage.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

static tt_status manifest_beside(const char *output, char **out)
{
    size_t n = strlen(output);
    if (n > 3 && strcmp(output + n - 3, ".h5") == 0) n -= 3;
    return tt_format(out, "%.*s.manifest.h5", (int)n, output);
}

static tt_status scan(const tt_comm *comm, cli_plain *plain, const char *manifest)
{
    char hash[TT_HASH_TEXT];
    TT_TRY(tt_corpus_fingerprint(comm, &plain->config->corpus, hash));
    TT_TRY(cli_plain_origin(comm, plain, "scan", "corpus.", hash, NULL, 0));
    TT_TRY(tt_scan(comm, &plain->config->corpus, &plain->provenance, manifest));
    free(plain->text); /* the command has an origin of its own */
    plain->text = NULL;
    return TT_OK;
}

tt_status cli_plain_scan(const tt_comm *comm, cli_stage *s, const char *corpus, const char *output,
                         cli_plain *out, char **manifest)
{
    cli_setting room;
    *manifest = NULL;
    memset(out, 0, sizeof *out);
    TT_TRY(cli_set(s, &room, "corpus.path=%s", corpus));
    TT_TRY(cli_plain_load(comm, s, out));
    TT_TRY(cli_output_check(comm, output, &corpus, 1));
    TT_TRY(tt_agree(comm, manifest_beside(output, manifest)));
    return scan(comm, out, *manifest);
}
