#include "store/internal.h"

#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t blocks_of(const tt_column *c)
{
    return (c->dims[0] + c->block_rows - 1) / c->block_rows;
}

static int64_t row_elements(const tt_column *c)
{
    int64_t n = 1;
    for (int i = 1; i < c->n_dims; i++) n *= c->dims[i];
    return n;
}

int64_t column_bytes(const tt_column *c)
{
    return c->dims[0] * row_elements(c) * (int64_t)type_bytes(c->type, c->text_bytes) + 8 * blocks_of(c);
}

tt_status column_copy(const tt_column *from, tt_column *to)
{
    *to = *from;
    to->name = NULL;
    if (from->name[0] != '/' || strncmp(from->name, CHECKSUM_GROUP, strlen(CHECKSUM_GROUP)) == 0 ||
        from->n_dims < 1 || from->n_dims > TT_STORE_DIMS || (from->type == TT_TEXT && from->text_bytes < 1))
        return tt_fail(TT_ERR_INTERNAL, "dataset %s: a bad name, number of dimensions or text size",
                       from->name);
    for (int i = 0; i < from->n_dims; i++)
        if (from->dims[i] < 0)
            return tt_fail(TT_ERR_INTERNAL, "dataset %s: dimension %d is negative", from->name, i);
    if (to->block_rows <= 0) to->block_rows = TT_BLOCK_ROWS;
    if (to->type != TT_TEXT) to->text_bytes = 0;
    for (int i = to->n_dims; i < TT_STORE_DIMS; i++) to->dims[i] = 0;
    char *name;
    TT_TRY(tt_copy_text(from->name, &name));
    to->name = name;
    return TT_OK;
}

bool column_same(const tt_column *a, const tt_column *b)
{
    bool same = strcmp(a->name, b->name) == 0 && a->type == b->type && a->n_dims == b->n_dims &&
                a->text_bytes == b->text_bytes && a->block_rows == b->block_rows;
    for (int i = 0; i < a->n_dims && same; i++) same = a->dims[i] == b->dims[i];
    return same;
}

/* The nearest of our types. @return false for what is neither number nor text */
static bool map_type(hid_t type, tt_column *c, bool *variable_text)
{
    size_t size = H5Tget_size(type);
    bool is_signed;
    switch (H5Tget_class(type)) {
    case H5T_ENUM: /* h5py's bool */
    case H5T_INTEGER: {
        hid_t base = H5Tget_class(type) == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
        is_signed = H5Tget_sign(base) == H5T_SGN_2;
        h5_close(base);
        if (is_signed)
            c->type = size <= 4 ? TT_I32 : TT_I64;
        else
            c->type = size == 1 ? TT_U8 : size == 2 ? TT_I32 : size <= 4 ? TT_I64 : TT_U64;
        return size <= 8;
    }
    case H5T_FLOAT:
        c->type = size <= 2 ? TT_F16 : size <= 4 ? TT_F32 : TT_F64;
        return true;
    case H5T_STRING:
        c->type = TT_TEXT;
        *variable_text = H5Tis_variable_str(type) > 0;
        c->text_bytes = *variable_text ? 0 : (int64_t)size;
        return true;
    default:
        return false;
    }
}

static tt_status describe(const char *path, const char *name, column *c, hid_t type, hid_t space)
{
    hsize_t dims[H5S_MAX_RANK];
    if (type < 0 || space < 0 || !map_type(type, &c->shape, &c->variable_text))
        return tt_fail(TT_ERR_INPUT, "%s: %s holds neither numbers nor text", path, name);
    int n = H5Sget_simple_extent_ndims(space);
    if (n < 0 || n > TT_STORE_DIMS || H5Sget_simple_extent_type(space) == H5S_NULL)
        return tt_fail(TT_ERR_INPUT, "%s: %s has %d dimensions, not 0 to %d", path, name, n, TT_STORE_DIMS);
    H5Sget_simple_extent_dims(space, dims, NULL);
    c->n_stored_dims = n;
    c->shape.n_dims = n > 0 ? n : 1;
    c->shape.dims[0] = 1; /* a scalar is one row */
    for (int i = 0; i < n; i++) c->shape.dims[i] = (int64_t)dims[i];
    c->memory = h5_type(c->shape.type, c->shape.text_bytes > 0 ? c->shape.text_bytes : 1);
    /* HDF5 converts between paddings and lengths of texts, not between character sets. */
    if (c->shape.type == TT_TEXT) H5Tset_cset(c->memory, H5Tget_cset(type));
    return c->memory >= 0 ? TT_OK : h5_fail(TT_ERR_INTERNAL, "%s: %s", path, name);
}

/* Checksums that do not fit the dataset are not ours. */
static tt_status open_checksums(hid_t file, column *c)
{
    char name[1024];
    snprintf(name, sizeof name, CHECKSUM_GROUP "%s", c->shape.name);
    c->shape.block_rows = TT_BLOCK_ROWS;
    if (!h5_exists(file, name)) return TT_OK;
    double rows = 0;
    bool found = false;
    if (attribute_read_number(file, "", name, "block_rows", &rows, &found) != TT_OK || !found || rows < 1)
        return TT_OK;
    hid_t check = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(check);
    c->shape.block_rows = (int64_t)rows;
    if (H5Sget_simple_extent_npoints(space) == blocks_of(&c->shape))
        c->check = check;
    else
        h5_close(check);
    h5_close(space);
    if (c->check < 0) return TT_OK;
    c->blocks = blocks_of(&c->shape);
    return tt_alloc(c->blocks, 1, "checked blocks", &c->verified);
}

tt_status column_open(hid_t file, const char *path, const char *name, column *out)
{
    column c = {.check = H5I_INVALID_HID, .memory = H5I_INVALID_HID};
    char *copy;
    TT_TRY(tt_copy_text(name, &copy));
    c.shape.name = copy;
    c.data = H5Dopen2(file, name, H5P_DEFAULT);
    if (c.data < 0) {
        free(copy);
        return h5_fail(TT_ERR_INPUT, "%s: %s is not a dataset that can be opened", path, name);
    }
    hid_t type = H5Dget_type(c.data), space = H5Dget_space(c.data);
    tt_status s = describe(path, name, &c, type, space);
    h5_close(type);
    h5_close(space);
    if (s == TT_OK) s = open_checksums(file, &c);
    c.row_bytes = row_elements(&c.shape) * (int64_t)type_bytes(c.shape.type, c.shape.text_bytes);
    if (s != TT_OK)
        column_close(&c);
    else
        *out = c;
    return s;
}

void column_close(column *c)
{
    h5_close(c->data);
    h5_close(c->check);
    h5_close(c->memory);
    c->data = c->check = c->memory = H5I_INVALID_HID;
    free((char *)c->shape.name);
    free(c->verified);
    c->shape.name = NULL;
    c->verified = NULL;
}

tt_status column_find(tt_store *store, const char *name, column **out)
{
    *out = NULL;
    for (int i = 0; i < store->n_columns && !*out; i++)
        if (strcmp(store->columns[i].shape.name, name) == 0) *out = &store->columns[i];
    if (*out) return TT_OK;
    if (name[0] != '/') return tt_fail(TT_ERR_USAGE, "a dataset's name starts with '/', unlike '%s'", name);
    if (!h5_exists(store->file, name)) return TT_OK;
    column c;
    TT_TRY(column_open(store->file, store_file(store), name, &c));
    tt_status s = tt_grow(store->n_columns, store->n_columns + 1, sizeof c, "columns", &store->columns);
    if (s != TT_OK) {
        column_close(&c);
        return s;
    }
    store->columns[store->n_columns] = c;
    *out = &store->columns[store->n_columns++];
    return TT_OK;
}

/* "/mel, /audio", or "" if that would be long. */
static void list_short(tt_store *store, char *text, size_t bytes)
{
    char **names;
    int n;
    size_t at = 0;
    text[0] = 0;
    if (tt_store_list(store, &names, &n) != TT_OK) return;
    for (int i = 0; i < n && at < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%s", i > 0 ? ", " : "", names[i]);
    if (n == 0) snprintf(text, bytes, "nothing");
    if (at >= bytes) text[0] = 0;
    free(names);
}

tt_status column_need(tt_store *store, const char *name, column **out)
{
    char text[400];
    TT_TRY(column_find(store, name, out));
    if (*out) return TT_OK;
    list_short(store, text, sizeof text);
    return tt_fail(TT_ERR_INPUT, "%s has no dataset %s%s%s%s", store->path, name, text[0] ? " (it has " : "",
                   text, text[0] ? ")" : "");
}

tt_status column_check_range(const tt_store *store, const column *c, int64_t first, int64_t count)
{
    if (count == 0 || (first >= 0 && count > 0 && first <= c->shape.dims[0] - count)) return TT_OK;
    return tt_fail(TT_ERR_INTERNAL, "%s: rows %lld to %lld are not in %s, which has %lld", store_file(store),
                   (long long)first, (long long)(first + count), c->shape.name, (long long)c->shape.dims[0]);
}

/* Variable-length texts on their way: to be measured, or to be copied into fixed width. */
typedef struct texts {
    int64_t longest; /**< bytes, measured */
    char *data;      /**< where the copies go, NULL to measure */
    int64_t width;
} texts;

static void take_text(texts *t, int64_t i, const char *text)
{
    int64_t length = text ? (int64_t)strlen(text) : 0;
    if (length > t->longest) t->longest = length;
    if (!t->data) return;
    memset(t->data + i * t->width, 0, (size_t)t->width);
    if (text) memcpy(t->data + i * t->width, text, (size_t)(length < t->width ? length : t->width));
}

static tt_status texts_piece(void *context, const column *c, const piece *p)
{
    char **raw;
    TT_TRY(tt_alloc(p->elements, sizeof *raw, "texts", &raw));
    hid_t type = H5Dget_type(c->data), memory = H5Tcopy(H5T_C_S1);
    hsize_t n = (hsize_t)p->elements;
    hid_t space = H5Screate_simple(1, &n, NULL);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    bool ok = piece_read(c, p, memory, raw);
    tt_status s = ok ? TT_OK : h5_fail(TT_ERR_INPUT, "cannot read the texts of %s", c->shape.name);
    for (int64_t i = 0; i < p->elements && ok; i++) take_text(context, p->at + i, raw[i]);
    if (ok) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, raw);
    h5_close(space);
    h5_close(memory);
    h5_close(type);
    free(raw);
    return s;
}

enum { TEXTS_AT_ONCE = 4096 };

static tt_status measure_texts(const column *c, int64_t first, int64_t count, int64_t *bytes)
{
    texts t = {.longest = 1};
    tt_status s = for_pieces(c, first, count, TEXTS_AT_ONCE, texts_piece, &t);
    *bytes = t.longest;
    return s;
}

tt_status column_read_texts(const column *c, int64_t first, int64_t count, void *data)
{
    texts t = {.data = data, .width = c->shape.text_bytes};
    return for_pieces(c, first, count, TEXTS_AT_ONCE, texts_piece, &t);
}

/* The shape of a text column whose width is known now. */
static tt_status settle_text(column *c, int64_t bytes)
{
    hid_t type = H5Dget_type(c->data), memory = h5_type(TT_TEXT, bytes);
    H5Tset_cset(memory, H5Tget_cset(type));
    h5_close(type);
    h5_close(c->memory);
    c->memory = memory;
    c->shape.text_bytes = bytes;
    c->row_bytes = row_elements(&c->shape) * bytes;
    return TT_OK;
}

tt_status tt_store_column(tt_store *store, const char *name, tt_column *out, bool *found)
{
    column *c = NULL;
    int64_t bytes = 0;
    tt_status s = column_find(store, name, &c);
    bool measure = s == TT_OK && c && c->variable_text && c->shape.text_bytes == 0;
    if (measure) {
        tt_range mine = tt_partition(c->shape.dims[0], 1, store->comm.size, store->comm.rank);
        s = measure_texts(c, mine.begin, mine.end - mine.begin, &bytes);
    }
    TT_TRY(tt_agree(&store->comm, s));
    bytes = tt_max_i64(&store->comm, bytes);
    if (measure) TT_TRY(settle_text(c, bytes));
    *found = c != NULL;
    if (!c) return TT_OK;
    *out = c->shape;
    out->name = NULL;
    return TT_OK;
}

tt_status column_settle(column *c)
{
    int64_t bytes;
    if (!c->variable_text || c->shape.text_bytes > 0) return TT_OK;
    TT_TRY(measure_texts(c, 0, c->shape.dims[0], &bytes));
    return settle_text(c, bytes);
}

tt_status column_create(hid_t file, const char *path, const tt_column *shape)
{
    char name[1024];
    int64_t blocks = blocks_of(shape), block_rows = shape->block_rows;
    snprintf(name, sizeof name, CHECKSUM_GROUP "%s", shape->name);
    hid_t type = h5_type(shape->type, shape->text_bytes), scalar = H5Screate(H5S_SCALAR), a = H5I_INVALID_HID;
    hid_t data = h5_create_dataset(file, shape->name, type, shape->n_dims, shape->dims, false);
    hid_t check = data < 0 ? data : h5_create_dataset(file, name, H5T_NATIVE_UINT64, 1, &blocks, true);
    if (check >= 0) a = H5Acreate2(check, "block_rows", H5T_NATIVE_INT64, scalar, H5P_DEFAULT, H5P_DEFAULT);
    tt_status s = TT_OK;
    if (a < 0 || H5Awrite(a, H5T_NATIVE_INT64, &block_rows) < 0)
        s = h5_fail(TT_ERR_IO, "cannot create %s in %s", shape->name, path);
    h5_close(a);
    h5_close(check);
    h5_close(data);
    h5_close(scalar);
    h5_close(type);
    return s;
}
