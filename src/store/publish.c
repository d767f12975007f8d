#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Seconds per phase as they travel. */
typedef struct phase_row {
    char name[64];
    double seconds;
} phase_row;

typedef struct closing {
    const tt_store *store;
    phase_row *phases; /**< TT_PHASES_MAX of each rank, on rank 0 */
} closing;

/* Ranks may have been through different phases: rank 0 hears of all and keeps the largest by name. */
static tt_status gather_phases(const tt_comm *comm, const tt_phases *phases, phase_row **all)
{
    phase_row mine[TT_PHASES_MAX] = {0};
    for (int i = 0; phases && i < phases->n; i++) {
        snprintf(mine[i].name, sizeof mine[i].name, "%s", phases->phase[i].name);
        mine[i].seconds = phases->phase[i].seconds;
    }
    int64_t n = comm->rank == 0 ? (int64_t)comm->size * TT_PHASES_MAX : 0;
    TT_TRY(tt_agree(comm, tt_alloc(n, sizeof **all, "phases", all)));
    MPI_Gather(mine, (int)sizeof mine, MPI_BYTE, *all, (int)sizeof mine, MPI_BYTE, 0, comm->mpi);
    return TT_OK;
}

static tt_status write_phases(hid_t file, const char *part, const phase_row *all, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        char name[80];
        double most = all[i].seconds;
        bool told = false;
        for (int64_t j = 0; j < n; j++) {
            if (strcmp(all[i].name, all[j].name) != 0) continue;
            told = told || j < i;
            if (all[j].seconds > most) most = all[j].seconds;
        }
        if (!all[i].name[0] || told) continue;
        snprintf(name, sizeof name, "seconds_%s", all[i].name);
        TT_TRY(attribute_write_number(file, part, name, most));
    }
    return TT_OK;
}

static tt_status write_libraries(hid_t file, const char *part)
{
    unsigned major, minor, release;
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING], text[MPI_MAX_LIBRARY_VERSION_STRING + 64];
    int n;
    H5get_libversion(&major, &minor, &release);
    MPI_Get_library_version(mpi, &n);
    mpi[strcspn(mpi, ",\n")] = 0; /* "Open MPI v4.1.4" without who built it where */
    snprintf(text, sizeof text, "HDF5 %u.%u.%u, %s", major, minor, release, mpi);
    return attribute_write_text(file, part, "libraries", text);
}

static tt_status write_closing(hid_t file, void *context)
{
    const closing *c = context;
    const tt_store *store = c->store;
    for (int i = 0; i < store->n_attributes; i++)
        TT_TRY(attribute_write(file, store->part, &store->attributes[i]));
    TT_TRY(write_libraries(file, store->part));
    TT_TRY(attribute_write_integer(file, store->part, "ranks", (uint64_t)store->comm.size));
    TT_TRY(seal_create(file, store->part));
    return write_phases(file, store->part, c->phases, (int64_t)store->comm.size * TT_PHASES_MAX);
}

static tt_status rename_part(const tt_store *store)
{
    if (rename(store->part, store->path) == 0) return sync_folder_of(store->path);
    if (errno == ENOENT)
        return tt_fail(TT_ERR_IO, "cannot publish %s: %s has vanished (did another run take it?)",
                       store->path, store->part);
    return tt_fail_errno("publish", store->path);
}

static tt_status finish(tt_store *store, const tt_phases *phases)
{
    closing c = {store, NULL};
    TT_TRY(gather_phases(&store->comm, phases, &c.phases));
    tt_status s = TT_OK;
    if (store->comm.rank == 0) s = tt_stop_owned();
    if (s == TT_OK && store->comm.rank == 0) {
        s = structure_edit(store->part, sizeof(uint64_t), write_closing, &c);
        if (s == TT_OK) s = seal_set(store->part);
        if (s == TT_OK) s = rename_part(store);
    }
    free(c.phases);
    return tt_agree(&store->comm, s);
}

tt_status tt_store_publish(tt_store *store, const tt_phases *phases, tt_status status)
{
    tt_comm comm = store->comm;
    if (status == TT_OK && !store->part)
        status = tt_fail(TT_ERR_INTERNAL, "%s is open for reading", store->path);
    status = tt_agree(&comm, status);
    if (status == TT_OK) status = tt_agree(&comm, store_complete(store));
    if (status != TT_OK) {
        char *message = NULL;
        tt_copy_text(tt_message(), &message);
        tt_store_close(store);
        if (message) tt_fail(status, "%s", message);
        free(message);
        return status;
    }
    status = part_close(store);
    if (status == TT_OK) status = finish(store, phases);
    store_free(store);
    return status;
}
