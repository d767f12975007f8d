/* tutti: one program, one command per stage. The only place that knows MPI_COMM_WORLD, and the only one that
 * exits. */
#include "commands.h"

#include "tutti/log.h"
#include "tutti/pipeline.h"
#include "tutti/signal.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    tt_command *run;
    const char *summary;
} commands[] = {
    {"run", cmd_run, "walk the whole line: skip what is current, resume what was cut off"},
    {"scan", cmd_scan, "list a corpus, probe the headers, write manifest.h5"},
    {"extract", cmd_extract, "audio features of every clip: features.h5"},
    {"lyrics", cmd_lyrics, "words of the lyrics as TF-IDF and an embedding: lyrics.h5"},
    {"fuse", cmd_fuse, "z-scored feature matrix: hybrid.h5"},
    {"train", cmd_train, "train a variational autoencoder: model.h5"},
    {"encode", cmd_encode, "latent means and variances of every clip: latents.h5"},
    {"pca", cmd_pca, "principal components of a matrix: pca.h5"},
    {"cluster", cmd_cluster, "cluster the rows of a matrix: clusters.h5"},
    {"embed", cmd_embed, "a picture of the latent space in two dimensions: embedding.h5"},
    {"evaluate", cmd_evaluate, "score clusterings, with and without truth: metrics.json"},
    {"report", cmd_report, "pictures of a run: results/"},
    {"reconstruct", cmd_reconstruct, "what a model makes of rows, beside the originals"},
    {"sample", cmd_sample, "rows that a model makes up"},
    {"synth", cmd_synth, "make a labelled corpus from nothing"},
    {"info", cmd_info, "what a file of tutti holds and where it comes from"},
    {"verify", cmd_verify, "check a file against its checksums"},
    {"export", cmd_export, "results as NumPy arrays"},
    {"bench", cmd_bench, "how fast this machine does one part of the work"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *to)
{
    fprintf(to, "usage: tutti COMMAND [options]\n       mpirun -n RANKS tutti COMMAND [options]\n\n"
                "From a folder of music to genres, on as many ranks as the cluster gives.\n\ncommands:\n");
    for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fprintf(
        to,
        "\n'tutti COMMAND --help' tells the options of a command; 'tutti --version' the version.\n"
        "exit status: 0 done, 1 failed, 2 wrong usage or settings, 75 stopped early, run again to go on\n");
}

static tt_status dispatch(const tt_comm *comm, int argc, char **argv)
{
    if (argc < 2) {
        if (comm->rank == 0) print_usage(stderr);
        return tt_fail(TT_ERR_USAGE, "no command given");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        if (comm->rank == 0) print_usage(stdout);
        return TT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        if (comm->rank == 0) printf("tutti %s\n", TT_VERSION);
        return TT_OK;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(comm, argc - 1, argv + 1);
    return tt_fail(TT_ERR_USAGE, "'%s' is no command; 'tutti --help' lists them", argv[1]);
}

int main(int argc, char **argv)
{
    int provided;
    tt_signals_catch(); /* before MPI, whose start takes a second on many ranks */
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
    tt_comm world = tt_comm_wrap(MPI_COMM_WORLD);
    tt_log_setup(TT_LOG_INFO, world.rank);
    tt_status s = tt_agree(&world, dispatch(&world, argc, argv));
    if (world.rank == 0 && s == TT_UNCHECKED)
        tt_warn("%s", tt_message());
    else if (world.rank == 0 && s == TT_STOPPED)
        tt_warn("%s; run the same command again to go on", tt_message());
    else if (world.rank == 0 && s != TT_OK)
        tt_error("%s", tt_message());
    fflush(NULL);
    MPI_Finalize();
    return tt_exit_code(s);
}
