/* A tree that a signal stops goes on from its checkpoint. With arguments it is the program that test_stop.sh
 * stops: test_stop CHECKPOINT LINKAGE ROWS REDUCTIONS, by SIGTERM after so many of them, which unlike a time
 * is the same moment on any machine. */
#include "test.h"

#include "tutti/agglomerative.h"
#include "tutti/hash.h"
#include "tutti/random.h"
#include "tutti/signal.h"

#include <signal.h>

static long reductions, stop_at; /* so far; 0: never */

int MPI_Allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    if (++reductions == stop_at) raise(SIGTERM);
    return PMPI_Allreduce(in, out, count, type, op, comm);
}

static tt_status run(const char *checkpoint, const char *linkage, int64_t rows)
{
    const tt_provenance provenance = {"cluster", "test", "", "", 1};
    tt_agglomerative_params p = {
        .metric = TT_EUCLIDEAN, .k = 5, .checkpoint = checkpoint, .provenance = &provenance};
    tt_matrix x;
    tt_agglomerative tree;
    tt_linkage_parse(linkage, &p.linkage);
    TT_TRY(tt_matrix_new(&world, "made.h5:/x", rows, 8, &x));
    for (int64_t i = 0; i < x.count; i++)
        tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)(x.first + i), 8, x.data + i * 8);
    tt_status s = tt_agglomerative_fit(&x, &p, 1, &tree);
    tt_matrix_free(&x);
    TT_TRY(s);
    uint64_t sum = tt_checksum(tree.linkage, (size_t)(tree.leaves - 1) * 4 * sizeof *tree.linkage);
    if (world.rank == 0) printf("tree %016llx in %ld\n", (unsigned long long)sum, reductions);
    tt_agglomerative_free(&tree);
    return tt_store_discard(&world, checkpoint);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    world = tt_comm_wrap(MPI_COMM_WORLD);
    tt_log_setup(TT_LOG_INFO, world.rank);
    tt_signals_catch();
    if (argc == 5) stop_at = atol(argv[4]);
    tt_status s =
        argc == 5 ? run(argv[1], argv[2], atoll(argv[3])) : run(scratch("tree.checkpoint"), "ward", 300);
    if (s != TT_OK && world.rank == 0) fprintf(stderr, "%s\n", tt_message());
    MPI_Finalize();
    return tt_exit_code(s);
}
