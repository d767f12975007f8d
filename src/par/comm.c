#include "tutti/comm.h"

#include "tutti/integer.h"
#include "tutti/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const int64_t piece_bytes = 1 << 30; /* one MPI message: well below 2^31 */

tt_comm tt_comm_wrap(MPI_Comm mpi)
{
    tt_comm comm = {.mpi = mpi};
    MPI_Comm_rank(mpi, &comm.rank);
    MPI_Comm_size(mpi, &comm.size);
    return comm;
}

tt_status tt_agree(const tt_comm *comm, tt_status status)
{
    struct {
        int code, rank;
    } mine = {(int)status, comm->rank}, worst;
    MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, comm->mpi);
    if (worst.code == TT_OK) return TT_OK;
    char text[1024] = "";
    if (worst.rank == comm->rank) strncpy(text, tt_message(), sizeof text - 1);
    MPI_Bcast(text, sizeof text, MPI_CHAR, worst.rank, comm->mpi);
    return tt_fail((tt_status)worst.code, "%s", text);
}

tt_range tt_partition(int64_t n, int64_t block, int size, int rank)
{
    int64_t blocks = tt_ceil_div(n, block);
    int64_t each = blocks / size, more = blocks % size; /* the first `more` ranks have one block more */
    int64_t first = rank * each + (rank < more ? rank : more);
    int64_t count = each + (rank < more ? 1 : 0);
    tt_range range = {first * block, (first + count) * block};
    if (range.begin > n) range.begin = n;
    if (range.end > n) range.end = n;
    return range;
}

int tt_owner(int64_t n, int64_t block, int size, int64_t row)
{
    int64_t blocks = tt_ceil_div(n, block), b = row / block;
    int64_t each = blocks / size, more = blocks % size;
    if (b < more * (each + 1)) return (int)(b / (each + 1));
    return (int)(more + (b - more * (each + 1)) / each);
}

int64_t tt_sum_i64(const tt_comm *comm, int64_t value)
{
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_SUM, comm->mpi);
    return value;
}

int64_t tt_max_i64(const tt_comm *comm, int64_t value)
{
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, comm->mpi);
    return value;
}

int64_t tt_prefix_i64(const tt_comm *comm, int64_t value)
{
    int64_t before = 0;
    MPI_Exscan(&value, &before, 1, MPI_INT64_T, MPI_SUM, comm->mpi);
    return comm->rank == 0 ? 0 : before; /* Exscan leaves rank 0 undefined */
}

tt_status tt_broadcast(const tt_comm *comm, void *data, int64_t n, int root)
{
    for (int64_t at = 0; at < n; at += piece_bytes) {
        int64_t piece = n - at < piece_bytes ? n - at : piece_bytes;
        MPI_Bcast((char *)data + at, (int)piece, MPI_BYTE, root, comm->mpi);
    }
    return TT_OK;
}

/* Point-to-point in rounds: in round r every rank sends to rank + r and receives from rank - r. */
static void exchange_rounds(const tt_comm *comm, const char *data, const int64_t *count, char *received,
                            const int64_t *out_count, const int64_t *at, const int64_t *out_at)
{
    for (int round = 0; round < comm->size; round++) {
        int to = (comm->rank + round) % comm->size, from = (comm->rank - round + comm->size) % comm->size;
        int64_t sent = 0, got = 0;
        while (sent < count[to] || got < out_count[from]) {
            int64_t s = count[to] - sent < piece_bytes ? count[to] - sent : piece_bytes;
            int64_t g = out_count[from] - got < piece_bytes ? out_count[from] - got : piece_bytes;
            MPI_Sendrecv(data + at[to] + sent, (int)s, MPI_BYTE, s > 0 ? to : MPI_PROC_NULL, round,
                         received + out_at[from] + got, (int)g, MPI_BYTE, g > 0 ? from : MPI_PROC_NULL, round,
                         comm->mpi, MPI_STATUS_IGNORE);
            sent += s;
            got += g;
        }
    }
}

tt_status tt_exchange(const tt_comm *comm, const void *data, const int64_t *count, void *out,
                      int64_t *out_count)
{
    MPI_Alltoall(count, 1, MPI_INT64_T, out_count, 1, MPI_INT64_T, comm->mpi);
    int64_t *at = NULL, total = 0, sum = 0;
    char *received = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *at, "an exchange", &at);
    for (int r = 0; r < comm->size; r++) total += out_count[r];
    if (s == TT_OK) s = tt_alloc(total, 1, "an exchange", &received);
    s = tt_agree(comm, s);
    if (s != TT_OK) {
        free(at);
        free(received);
        *(void **)out = NULL;
        return s;
    }
    int64_t *out_at = at + comm->size;
    total = 0;
    for (int r = 0; r < comm->size; r++) {
        at[r] = sum;
        out_at[r] = total;
        sum += count[r];
        total += out_count[r];
    }
    exchange_rounds(comm, data, count, received, out_count, at, out_at);
    free(at);
    *(void **)out = received;
    return TT_OK;
}

tt_status tt_int(int64_t n, const char *what, int *out)
{
    *out = (int)n;
    if (n >= 0 && n <= INT_MAX) return TT_OK;
    return tt_fail(TT_ERR_INTERNAL, "%s: %lld does not fit in an int", what, (long long)n);
}
