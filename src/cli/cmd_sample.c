#include "commands.h"
#include "stage.h"

#include <stdio.h>

/* What decides the result beside the model and the seed. */
static tt_status describe(int64_t n, const char *genre, char text[256])
{
    if (n < 1) return tt_fail(TT_ERR_USAGE, "--n takes a number above 0, not %lld", (long long)n);
    int used = snprintf(text, 256, "%lld %s", (long long)n, genre ? genre : "");
    return used < 256 ? TT_OK : tt_fail(TT_ERR_USAGE, "--genre: the name is too long");
}

static tt_status sample(const tt_comm *comm, const cli_stage *s, const char *model, int64_t n,
                        const char *genre, const char *output)
{
    cli_plain plain;
    char text[256];
    TT_TRY(describe(n, genre, text));
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_output_check(comm, output, &model, 1);
    if (status == TT_OK) status = cli_plain_origin(comm, &plain, "sample", "seed", text, &model, 1);
    if (status == TT_OK) status = tt_sample(comm, &plain.provenance, model, n, genre, output);
    cli_plain_free(&plain);
    return status;
}

tt_status cmd_sample(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    const char *model = NULL, *genre = NULL, *output = NULL;
    int64_t n = 16;
    bool done;
    const cli_usage usage = {
        "tutti sample --model model.h5 [--n 16] [--genre NAME] --output samples.h5",
        "Rows that a model makes up: latents drawn from its prior by the seed, and decoded, in the units\n"
        "and the shape of the rows that it was trained on. A model conditioned on genre gives n of each.",
        0};
    const cli_option options[] = {
        {"model", CLI_TEXT, &model, "FILE", "what tutti train wrote"},
        {"n", CLI_INTEGER, &n, "N", "how many (default 16)"},
        {"genre", CLI_TEXT, &genre, "NAME", "of this genre alone, if the model is conditioned on it"},
        {"output", CLI_TEXT, &output, "FILE", "the file to write"},
        {"set", CLI_LIST, &s.sets, "seed=N", "another seed than 1 draws others"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (!model || !output) return tt_fail(TT_ERR_USAGE, "--%s is missing", model ? "output" : "model");
    return sample(comm, &s, model, n, genre, output);
}
