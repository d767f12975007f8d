/* A tree that a signal stops goes on from its checkpoint. With arguments it is the program that test_stop.sh
 * stops: test_stop CHECKPOINT LINKAGE ROWS REDUCTIONS, by SIGTERM after so many of them, which unlike a time
 * is the same moment on any machine. */
#include "test.h"

#include "tutti/agglomerative.h"
#include "tutti/dbscan.h"
#include "tutti/hash.h"
#include "tutti/random.h"
#include "tutti/signal.h"

#include <signal.h>
#include <string.h>

static long reductions, stop_at; /* so far; 0: never */

int MPI_Allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    if (++reductions == stop_at) raise(SIGTERM);
    return PMPI_Allreduce(in, out, count, type, op, comm);
}

static const tt_provenance provenance = {"cluster", "test", "", "", 1};

/* A sum over the linkage. */
static tt_status run_tree(const tt_matrix *x, const char *checkpoint, const char *linkage, uint64_t *sum)
{
    tt_agglomerative_params p = {
        .metric = TT_EUCLIDEAN, .k = 5, .checkpoint = checkpoint, .provenance = &provenance};
    tt_agglomerative tree;
    tt_linkage_parse(linkage, &p.linkage);
    TT_TRY(tt_agglomerative_fit(x, &p, 1, &tree));
    *sum = tt_checksum(tree.linkage, (size_t)(tree.leaves - 1) * 4 * sizeof *tree.linkage);
    tt_agglomerative_free(&tree);
    return TT_OK;
}

/* A sum over the labels of all ranks. */
static tt_status run_dbscan(const tt_matrix *x, const char *checkpoint, uint64_t *sum)
{
    tt_dbscan_params p = {.eps = 1.7, .min_samples = 5, .checkpoint = checkpoint, .provenance = &provenance};
    tt_dbscan fit;
    int64_t all = 0;
    TT_TRY(tt_dbscan_fit(x, &p, 1, &fit));
    for (int64_t i = 0; i < x->count; i++) {
        int64_t row[] = {x->first + i, fit.label[i], fit.core[i]};
        all += (int64_t)(tt_checksum(row, sizeof row) >> 16); /* leaves room for a sum */
    }
    *sum = (uint64_t)tt_sum_i64(x->comm, all);
    tt_dbscan_free(&fit);
    return TT_OK;
}

static tt_status run(const char *checkpoint, const char *method, int64_t rows)
{
    tt_matrix x;
    uint64_t sum = 0;
    TT_TRY(tt_matrix_new(&world, "made.h5:/x", rows, 8, &x));
    for (int64_t i = 0; i < x.count; i++)
        tt_random_normals((tt_stream){1, TT_FOR_TEST, 0}, (uint64_t)(x.first + i), 8, x.data + i * 8);
    tt_status s = strcmp(method, "dbscan") == 0 ? run_dbscan(&x, checkpoint, &sum)
                                                : run_tree(&x, checkpoint, method, &sum);
    tt_matrix_free(&x);
    TT_TRY(s);
    if (world.rank == 0) printf("result %016llx in %ld\n", (unsigned long long)sum, reductions);
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
