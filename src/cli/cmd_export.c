#include "commands.h"
#include "options.h"

#include "tutti/export.h"

tt_status cmd_export(const tt_comm *comm, int argc, char **argv)
{
    const cli_usage usage = {
        "tutti export --run DIR --npy DIR | tutti export --input FILE.h5[:/x] --npy DIR",
        "Write results as NumPy arrays. Of a run, as far as it has got: mel_spectrograms.npy,\n"
        "audio_features.npy (columns: audio_feature_names.json), labels.npy (int64, -1 unknown; names in\n"
        "genre_mapping.json), lyrics_embeddings.npy, hybrid_features.npy, latents.npy, tracks.npy (row of\n"
        "the manifest) and valid.npy (bool). All of them have one row per clip, in the same order; a clip\n"
        "that could not be read is a row of zeros whose valid is False. Of other files, dataset /a/x\n"
        "becomes a_x.npy, and FILE.h5 alone stands for all its datasets. Types stay as stored.",
        0};
    const char *run = NULL, *directory = NULL;
    cli_list inputs = {0};
    bool done;
    const cli_option options[] = {
        {"run", CLI_TEXT, &run, "DIR", "run directory whose results are written"},
        {"input", CLI_LIST, &inputs, "FILE.h5:/x", "a dataset, or a whole file; any number of times"},
        {"npy", CLI_TEXT, &directory, "DIR", "folder for the arrays, made if missing"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (run && inputs.n > 0)
        return tt_fail(TT_ERR_USAGE, "--run and --input exclude each other: export them one by one");
    if (!run && inputs.n == 0) return tt_fail(TT_ERR_USAGE, "give --run DIR or --input FILE.h5:/x");
    if (!directory || !directory[0]) return tt_fail(TT_ERR_USAGE, "--npy is missing: the folder to write to");
    return run ? tt_export_run(comm, run, directory)
               : tt_export_datasets(comm, inputs.v, inputs.n, directory);
}
