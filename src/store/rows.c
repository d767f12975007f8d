#include "store/internal.h"

#include "tutti/half.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* One transfer: MPI-IO counts bytes in an int. */
static const int64_t transfer_bytes = INT64_C(512) << 20;

typedef struct transfer {
    const tt_store *store;
    char *data;
    size_t element;
    hid_t memory;
} transfer;

static int64_t transfer_elements(size_t element)
{
    return transfer_bytes / (int64_t)(element > 0 ? element : 1);
}

static tt_status write_piece(void *context, const column *c, const piece *p)
{
    transfer *t = context;
    const char *data = t->data + p->at * (int64_t)t->element;
    if (piece_write(c, p, t->memory, data)) return TT_OK;
    int64_t before = 0; /* elements of the dataset before the piece */
    for (int i = 0; i < c->shape.n_dims; i++) before = before * c->shape.dims[i] + (int64_t)p->start[i];
    int64_t element = (int64_t)t->element;
    return write_plainly(t->store, c, c->data, before * element, p->elements * element, data);
}

static tt_status read_piece(void *context, const column *c, const piece *p)
{
    transfer *t = context;
    if (piece_read(c, p, t->memory, t->data + p->at * (int64_t)t->element)) return TT_OK;
    return h5_fail(TT_ERR_IO, "cannot read %s of %s", c->shape.name, store_file(t->store));
}

static tt_status find_to_write(tt_store *store, const char *name, int64_t first, int64_t count, column **c)
{
    if (!store->part) return tt_fail(TT_ERR_INTERNAL, "%s is open for reading", store->path);
    TT_TRY(column_need(store, name, c));
    TT_TRY(column_check_range(store, *c, first, count));
    int64_t block = (*c)->shape.block_rows, end = first + count;
    if (count == 0 || (first % block == 0 && (end % block == 0 || end == (*c)->shape.dims[0]))) return TT_OK;
    return tt_fail(TT_ERR_INTERNAL, "%s: rows %lld to %lld of %s are not whole blocks of %lld", store->part,
                   (long long)first, (long long)end, name, (long long)block);
}

tt_status tt_store_write(tt_store *store, const char *name, int64_t first, int64_t count, const void *data)
{
    column *c;
    TT_TRY(find_to_write(store, name, first, count, &c));
    if (count == 0) return TT_OK;
    transfer t = {store, (char *)data, type_bytes(c->shape.type, c->shape.text_bytes), c->memory};
    TT_TRY(for_pieces(c, first, count, transfer_elements(t.element), write_piece, &t));
    return blocks_write(store, c, first, count, data);
}

static bool stop_unless_sound(void *context, int64_t block, block_state state)
{
    (void)block;
    *(bool *)context = state == BLOCK_SOUND;
    return state == BLOCK_SOUND;
}

tt_status tt_store_rows_done(tt_store *store, const char *name, int64_t first, int64_t count, bool *done)
{
    column *c;
    *done = true;
    TT_TRY(find_to_write(store, name, first, count, &c));
    int64_t block = c->shape.block_rows;
    if (count == 0) return TT_OK;
    return blocks_check(store, c, first / block, (first + count - 1) / block + 1, stop_unless_sound, done);
}

/* Rows of the column's own type, checked. */
static tt_status read_own(const tt_store *store, column *c, int64_t first, int64_t count, void *data)
{
    transfer t = {store, data, type_bytes(c->shape.type, c->shape.text_bytes), c->memory};
    TT_TRY(for_pieces(c, first, count, transfer_elements(t.element), read_piece, &t));
    return blocks_check_memory(store, c, first, count, data);
}

/* HDF5 converts halves bit by bit in software: they are read into the back of the room and unpacked. */
static tt_status read_halves(const tt_store *store, column *c, int64_t first, int64_t count, float *data)
{
    int64_t n = count * c->row_bytes / 2;
    uint16_t *half = (uint16_t *)(void *)data + n;
    TT_TRY(read_own(store, c, first, count, half));
    tt_half_unpack(n, half, data);
    return TT_OK;
}

/* Converted by HDF5; the blocks are read once more to check them. */
static tt_status read_as(const tt_store *store, column *c, int64_t first, int64_t count, tt_type as,
                         void *data)
{
    TT_TRY(blocks_check_memory(store, c, first, count, NULL));
    transfer t = {store, data, type_bytes(as, 0), h5_type(as, 0)};
    tt_status s = for_pieces(c, first, count, transfer_elements(t.element), read_piece, &t);
    h5_close(t.memory);
    return s;
}

tt_status tt_store_read(tt_store *store, const char *name, int64_t first, int64_t count, tt_type as,
                        void *data)
{
    column *c;
    TT_TRY(column_need(store, name, &c));
    TT_TRY(column_check_range(store, c, first, count));
    TT_TRY(column_settle(c));
    if ((as == TT_TEXT) != (c->shape.type == TT_TEXT))
        return tt_fail(TT_ERR_INPUT, "%s: %s holds %s", store->path, name,
                       as == TT_TEXT ? "numbers, not text" : "text, not numbers");
    if (count == 0) return TT_OK;
    if (c->variable_text) {
        tt_status s = column_read_texts(c, first, count, data);
        return s == TT_OK ? s : tt_fail_because(s, "%s", store->path);
    }
    if (as == c->shape.type) return read_own(store, c, first, count, data);
    if (as == TT_F32 && c->shape.type == TT_F16) return read_halves(store, c, first, count, data);
    return read_as(store, c, first, count, as, data);
}
