#include "store/internal.h"

#include <string.h>
#include <unistd.h>

typedef struct walk {
    const column *column;
    int64_t max_elements;
    piece_function *f;
    void *context;
    int64_t at;
} walk;

static int64_t elements_of(const hsize_t *count, int n)
{
    int64_t elements = 1;
    for (int i = 0; i < n; i++) elements *= (int64_t)count[i];
    return elements;
}

/* Split along the first dimension that can be: pieces stay contiguous in row order, whatever the width of a
 * row. */
static tt_status visit(walk *w, const hsize_t *start, const hsize_t *count)
{
    int n = w->column->shape.n_dims, d = 0;
    piece p = {.elements = elements_of(count, n), .at = w->at};
    memcpy(p.start, start, sizeof p.start);
    memcpy(p.count, count, sizeof p.count);
    if (p.elements == 0) return TT_OK;
    if (p.elements <= w->max_elements) {
        w->at += p.elements;
        return w->f(w->context, w->column, &p);
    }
    while (count[d] == 1) d++;
    hsize_t slice = (hsize_t)(p.elements / (int64_t)count[d]);
    hsize_t step = (hsize_t)w->max_elements / slice;
    if (step < 1) step = 1;
    for (hsize_t i = 0; i < count[d]; i += step) {
        p.start[d] = start[d] + i;
        p.count[d] = count[d] - i < step ? count[d] - i : step;
        TT_TRY(visit(w, p.start, p.count));
    }
    return TT_OK;
}

tt_status for_pieces(const column *c, int64_t first, int64_t count, int64_t max_elements, piece_function *f,
                     void *context)
{
    walk w = {c, max_elements > 0 ? max_elements : 1, f, context, 0};
    hsize_t start[TT_STORE_DIMS] = {(hsize_t)first}, counts[TT_STORE_DIMS] = {(hsize_t)count};
    for (int i = 1; i < c->shape.n_dims; i++) counts[i] = (hsize_t)c->shape.dims[i];
    return visit(&w, start, counts);
}

typedef struct spaces {
    hid_t file, memory;
} spaces;

static bool select_piece(const column *c, const piece *p, spaces *s)
{
    hsize_t n = (hsize_t)p->elements;
    s->memory = H5Screate_simple(1, &n, NULL);
    s->file = H5Dget_space(c->data);
    if (s->memory < 0 || s->file < 0) return false;
    return c->n_stored_dims == 0 ||
           H5Sselect_hyperslab(s->file, H5S_SELECT_SET, p->start, NULL, p->count, NULL) >= 0;
}

static void release(spaces *s)
{
    h5_close(s->file);
    h5_close(s->memory);
}

bool piece_read(const column *c, const piece *p, hid_t memory, void *data)
{
    spaces s;
    bool ok = select_piece(c, p, &s) && H5Dread(c->data, memory, s.memory, s.file, H5P_DEFAULT, data) >= 0;
    release(&s);
    return ok;
}

/* Independent transfer (the default of a property list): ranks write when they have something. */
bool piece_write(const column *c, const piece *p, hid_t memory, const void *data)
{
    spaces s;
    bool ok = select_piece(c, p, &s) && H5Dwrite(c->data, memory, s.memory, s.file, H5P_DEFAULT, data) >= 0;
    release(&s);
    return ok;
}

tt_status write_plainly(const tt_store *store, const column *c, hid_t dataset, int64_t at, int64_t bytes,
                        const void *data)
{
    haddr_t start = H5Dget_offset(dataset);
    if (start == HADDR_UNDEF)
        return h5_fail(TT_ERR_IO, "cannot write %s to %s", c->shape.name, store_file(store));
    const char *from = data;
    for (off_t to = (off_t)start + (off_t)at; bytes > 0;) {
        ssize_t n = pwrite(store->fd, from, (size_t)bytes, to);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return tt_fail(TT_ERR_IO, "cannot write %s to %s: %s", c->shape.name, store_file(store),
                           strerror(errno));
        from += n;
        to += n;
        bytes -= n;
    }
    return TT_OK;
}
