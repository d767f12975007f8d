#include "store/internal.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void store_free(tt_store *store)
{
    if (!store) return;
    for (int i = 0; i < store->n_columns; i++) column_close(&store->columns[i]);
    for (int i = 0; i < store->n_attributes; i++) attribute_free(&store->attributes[i]);
    if (store->fd >= 0) close(store->fd);
    free(store->columns);
    free(store->attributes);
    free(store->part);
    free(store->path);
    free(store);
}

static tt_status open_here(tt_store *store)
{
    store->fd = open(store->part, O_RDWR | O_CLOEXEC);
    return store->fd < 0 ? tt_fail_errno("open", store->part) : TT_OK;
}

/* Datasets stay open while the file is: writers look nothing up. */
static tt_status open_columns(tt_store *store)
{
    for (int i = 0; i < store->n_columns; i++) {
        column c, *old = &store->columns[i];
        TT_TRY(column_open(store->file, store->part, old->shape.name, &c));
        column_close(old);
        *old = c;
        if (c.check < 0) return tt_fail(TT_ERR_INPUT, "%s: %s has no checksums", store->part, c.shape.name);
    }
    return TT_OK;
}

tt_status part_open(tt_store *store)
{
    /* every rank must see the file before any enters the collective open: a rank that cannot would hang the
     * rest */
    TT_TRY(tt_agree(&store->comm, open_here(store)));
    hid_t access = h5_access(&store->comm);
    TT_TRY(tt_agree(&store->comm, access < 0 ? h5_fail(TT_ERR_INTERNAL, "%s: MPI-IO", store->part) : TT_OK));
    store->file = H5Fopen(store->part, H5F_ACC_RDWR, access);
    tt_status s = store->file < 0 ? h5_fail(TT_ERR_IO, "cannot open %s", store->part) : TT_OK;
    h5_close(access);
    if (s == TT_OK) s = open_columns(store);
    return tt_agree(&store->comm, s);
}

/* Each rank brings its own node's part of the file to the disk, and hears if that failed. */
tt_status part_close(tt_store *store)
{
    tt_status s = TT_OK;
    for (int i = 0; i < store->n_columns; i++) {
        column *c = &store->columns[i];
        h5_close(c->data);
        h5_close(c->check);
        c->data = c->check = H5I_INVALID_HID;
    }
    if (store->file >= 0 && H5Fclose(store->file) < 0) s = h5_fail(TT_ERR_IO, "cannot close %s", store->part);
    store->file = H5I_INVALID_HID;
    if (store->fd >= 0) {
        if (fsync(store->fd) != 0 && s == TT_OK) s = tt_fail_errno("write", store->part);
        close(store->fd);
        store->fd = -1;
    }
    return tt_agree(&store->comm, s);
}

static tt_status copy_columns(tt_store *store, const tt_column *columns, int n)
{
    TT_TRY(tt_alloc(n, sizeof *store->columns, "columns", &store->columns));
    for (int i = 0; i < n; i++) {
        column *c = &store->columns[i];
        *c = (column){.data = H5I_INVALID_HID, .check = H5I_INVALID_HID, .memory = H5I_INVALID_HID};
        TT_TRY(column_copy(&columns[i], &c->shape));
        store->n_columns++;
    }
    return TT_OK;
}

static tt_status new_store(const tt_comm *comm, const char *path, bool write, tt_store **out)
{
    tt_store *store;
    TT_TRY(tt_alloc(1, sizeof *store, "a store", &store));
    *store = (tt_store){.comm = *comm, .file = H5I_INVALID_HID, .fd = -1};
    tt_status s = tt_copy_text(path, &store->path);
    if (s == TT_OK && write) s = tt_format(&store->part, "%s.part", path);
    if (s != TT_OK)
        store_free(store);
    else
        *out = store;
    return s;
}

static tt_status prepare(tt_store *store, const tt_provenance *provenance)
{
    tt_column *shapes;
    TT_TRY(tt_alloc(store->n_columns, sizeof *shapes, "columns", &shapes));
    for (int i = 0; i < store->n_columns; i++) shapes[i] = store->columns[i].shape;
    tt_status s = resume_part(store->part, provenance, shapes, store->n_columns, &store->resumed);
    if (s == TT_OK && !store->resumed)
        s = structure_create(store->part, provenance, shapes, store->n_columns);
    free(shapes);
    return s;
}

tt_status tt_store_create(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                          const tt_column *columns, int n_columns, tt_store **out)
{
    tt_store *store = NULL;
    *out = NULL;
    h5_quiet();
    tt_status s = new_store(comm, path, true, &store);
    if (s == TT_OK) s = copy_columns(store, columns, n_columns);
    if (s == TT_OK && comm->rank == 0) s = tt_stop_owned();
    if (s == TT_OK && comm->rank == 0) s = prepare(store, provenance);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        int resumed = store->resumed;
        MPI_Bcast(&resumed, 1, MPI_INT, 0, comm->mpi);
        store->resumed = resumed != 0;
        s = part_open(store);
        if (s != TT_OK) part_close(store);
    }
    if (s != TT_OK)
        store_free(store);
    else
        *out = store;
    return s;
}

bool tt_store_resumed(const tt_store *store)
{
    return store->resumed;
}

const char *tt_store_path(const tt_store *store)
{
    return store->path;
}

void tt_store_close(tt_store *store)
{
    if (!store) return;
    if (store->part) {
        if (part_close(store) != TT_OK && store->comm.rank == 0) tt_warn("%s", tt_message());
    } else {
        for (int i = 0; i < store->n_columns; i++) column_close(&store->columns[i]);
        store->n_columns = 0;
        h5_close(store->file);
    }
    store_free(store);
}

tt_status tt_store_discard(const tt_comm *comm, const char *path)
{
    static const char *const ending[] = {"", ".part", ".part.new", ".part.undo", ".part.undo.new"};
    tt_status s = TT_OK;
    for (size_t i = 0; s == TT_OK && comm->rank == 0 && i < sizeof ending / sizeof *ending; i++) {
        char *name;
        s = tt_format(&name, "%s%s", path, ending[i]);
        if (s == TT_OK) unlink(name);
        free(name);
    }
    return tt_agree(comm, s);
}

static tt_status create_late(hid_t file, void *context)
{
    const tt_column *c = context;
    char name[1024];
    if (snprintf(name, sizeof name, CHECKSUM_GROUP "%s", c->name) >= (int)sizeof name)
        return tt_fail(TT_ERR_INTERNAL, "the name of dataset %s is too long", c->name);
    return column_create(file, "the file", c);
}

static tt_status append_column(tt_store *store, const tt_column *shape)
{
    column *c = NULL;
    for (int i = 0; i < store->n_columns; i++)
        if (strcmp(store->columns[i].shape.name, shape->name) == 0)
            return tt_fail(TT_ERR_INTERNAL, "%s has a dataset %s already", store->part, shape->name);
    TT_TRY(tt_grow(store->n_columns, store->n_columns + 1, sizeof *c, "columns", &store->columns));
    c = &store->columns[store->n_columns];
    *c = (column){.data = H5I_INVALID_HID, .check = H5I_INVALID_HID, .memory = H5I_INVALID_HID};
    TT_TRY(column_copy(shape, &c->shape));
    store->n_columns++;
    return TT_OK;
}

tt_status tt_store_add_column(tt_store *store, const tt_column *shape)
{
    tt_status s = store->part ? append_column(store, shape)
                              : tt_fail(TT_ERR_INTERNAL, "%s is open for reading", store->path);
    TT_TRY(tt_agree(&store->comm, s));
    TT_TRY(part_close(store));
    tt_column *late = &store->columns[store->n_columns - 1].shape;
    if (store->comm.rank == 0) s = structure_edit(store->part, column_bytes(late), create_late, late);
    s = tt_agree(&store->comm, s);
    if (s != TT_OK) { /* without the new one, the store stays usable */
        char *message = NULL;
        tt_copy_text(tt_message(), &message);
        column_close(&store->columns[--store->n_columns]);
        part_open(store);
        if (message) tt_fail(s, "%s", message);
        free(message);
        return s;
    }
    return part_open(store);
}

static tt_status open_to_read(tt_store *store)
{
    TT_TRY(h5_check_path(store->path));
    store->file = h5_open_alone(store->path);
    if (store->file < 0) return h5_fail(TT_ERR_INPUT, "%s is a truncated or damaged HDF5 file", store->path);
    return store->comm.rank == 0 ? seal_check(store->file, store->path, &store->sealed) : TT_OK;
}

tt_status tt_store_open(const tt_comm *comm, const char *path, tt_store **out)
{
    tt_store *store = NULL;
    *out = NULL;
    h5_quiet();
    tt_status s = new_store(comm, path, false, &store);
    if (s == TT_OK) s = open_to_read(store);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        *out = store;
        return TT_OK;
    }
    if (store) h5_close(store->file);
    store_free(store);
    return s;
}
