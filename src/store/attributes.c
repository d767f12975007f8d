#include "store/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

/* Variable-length UTF-8: what h5py gives back as str, and free of the 64 KB an attribute may hold in place.
 */
static hid_t variable_text_type(void)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, H5T_VARIABLE);
    H5Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

static tt_status write_any(hid_t file, const char *path, const char *object, const char *name, hid_t type,
                           int64_t n, const void *data)
{
    hsize_t dims = (hsize_t)n;
    hid_t space = n < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
    bool ok = h5_exists(file, object) || strcmp(object, "/") == 0;
    if (!ok) {
        h5_close(space);
        return tt_fail(TT_ERR_INTERNAL, "%s: there is no %s to set attribute %s of", path, object, name);
    }
    if (H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0)
        ok = H5Adelete_by_name(file, object, name, H5P_DEFAULT) >= 0;
    hid_t a = H5Acreate_by_name(file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ok = ok && a >= 0 && (n == 0 || H5Awrite(a, type, data) >= 0);
    tt_status s =
        ok ? TT_OK : h5_fail(TT_ERR_IO, "cannot write attribute %s of %s in %s", name, object, path);
    h5_close(a);
    h5_close(space);
    return s;
}

static tt_status write_texts(hid_t file, const char *path, const char *object, const char *name, int64_t n,
                             const char *const *texts)
{
    hid_t type = variable_text_type();
    tt_status s = write_any(file, path, object, name, type, n, texts);
    h5_close(type);
    return s;
}

tt_status attribute_write(hid_t file, const char *path, const attribute *a)
{
    const char *const *texts = (const char *const *)a->texts;
    switch (a->kind) {
    case ATTRIBUTE_TEXT:
        return write_texts(file, path, a->object, a->name, -1, texts);
    case ATTRIBUTE_NAMES:
        return write_texts(file, path, a->object, a->name, a->n_texts, texts);
    case ATTRIBUTE_NUMBER:
        return write_any(file, path, a->object, a->name, H5T_NATIVE_DOUBLE, -1, &a->number);
    }
    return TT_OK;
}

tt_status attribute_write_text(hid_t file, const char *path, const char *name, const char *text)
{
    return write_texts(file, path, "/", name, -1, &text);
}

tt_status attribute_write_number(hid_t file, const char *path, const char *name, double number)
{
    return write_any(file, path, "/", name, H5T_NATIVE_DOUBLE, -1, &number);
}

tt_status attribute_write_integer(hid_t file, const char *path, const char *name, uint64_t number)
{
    return write_any(file, path, "/", name, H5T_NATIVE_UINT64, -1, &number);
}

/* n texts as one block: the pointers, then the characters. `at(i)` is base + i * stride, or where it points.
 */
static tt_status pack_texts(const char *base, size_t stride, bool pointers, int n, char ***out)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) {
        const char *t = pointers ? ((const char *const *)(const void *)base)[i] : base + (size_t)i * stride;
        bytes += (t ? (pointers ? strlen(t) : strnlen(t, stride)) : 0) + 1;
    }
    char *block;
    TT_TRY(tt_alloc((int64_t)((size_t)n * sizeof(char *) + bytes), 1, "texts", &block));
    char **texts = (char **)(void *)block;
    char *to = block + (size_t)n * sizeof(char *);
    for (int i = 0; i < n; i++) {
        const char *t = pointers ? ((const char *const *)(const void *)base)[i] : base + (size_t)i * stride;
        size_t length = t ? (pointers ? strlen(t) : strnlen(t, stride)) : 0;
        texts[i] = to;
        if (length > 0) memcpy(to, t, length);
        to += length + 1;
    }
    *out = texts;
    return TT_OK;
}

static tt_status read_variable(hid_t a, hid_t space, int n, char ***texts, bool *read)
{
    char **raw;
    TT_TRY(tt_alloc(n, sizeof *raw, "an attribute", &raw));
    hid_t type = H5Aget_type(a), memory = H5Tcopy(H5T_C_S1);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    *read = H5Aread(a, memory, raw) >= 0;
    tt_status s = *read ? pack_texts((const char *)raw, 0, true, n, texts) : TT_OK;
    if (*read) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, raw);
    h5_close(memory);
    h5_close(type);
    free(raw);
    return s;
}

static tt_status read_fixed(hid_t a, hid_t type, int n, char ***texts, bool *read)
{
    size_t stride = H5Tget_size(type);
    char *raw;
    TT_TRY(tt_alloc((int64_t)n * (int64_t)stride, 1, "an attribute", &raw));
    *read = H5Aread(a, type, raw) >= 0;
    tt_status s = *read ? pack_texts(raw, stride, false, n, texts) : TT_OK;
    free(raw);
    return s;
}

static tt_status read_open(hid_t a, const char *path, const char *object, const char *name, char ***texts,
                           int *n)
{
    hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    bool read = true;
    tt_status s = TT_OK;
    if (type < 0 || H5Tget_class(type) != H5T_STRING || points > (1 << 26)) {
        s = tt_fail(TT_ERR_INPUT, "%s: attribute %s of %s is not text", path, name, object);
    } else if (points <= 0) {
        s = tt_alloc(0, sizeof **texts, "texts", texts);
    } else {
        *n = (int)points;
        s = H5Tis_variable_str(type) > 0 ? read_variable(a, space, *n, texts, &read)
                                         : read_fixed(a, type, *n, texts, &read);
    }
    if (!read) s = h5_fail(TT_ERR_INPUT, "cannot read attribute %s of %s in %s", name, object, path);
    h5_close(space);
    h5_close(type);
    return s;
}

static bool has_attribute(hid_t file, const char *object, const char *name)
{
    return (strcmp(object, "/") == 0 || h5_exists(file, object)) &&
           H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0;
}

tt_status attribute_read_texts(hid_t file, const char *path, const char *object, const char *name,
                               char ***texts, int *n)
{
    *texts = NULL;
    *n = 0;
    if (!has_attribute(file, object, name)) return TT_OK;
    hid_t a = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (a < 0) return h5_fail(TT_ERR_INPUT, "cannot open attribute %s of %s in %s", name, object, path);
    tt_status s = read_open(a, path, object, name, texts, n);
    h5_close(a);
    return s;
}

tt_status attribute_read_text(hid_t file, const char *path, const char *object, const char *name, char **text)
{
    char **texts;
    int n;
    *text = NULL;
    TT_TRY(attribute_read_texts(file, path, object, name, &texts, &n));
    tt_status s = n > 0 ? tt_copy_text(texts[0], text) : TT_OK;
    free(texts);
    return s;
}

tt_status attribute_read_number(hid_t file, const char *path, const char *object, const char *name,
                                double *out, bool *found)
{
    *found = false;
    if (!has_attribute(file, object, name)) return TT_OK;
    hid_t a = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    H5T_class_t class = H5Tget_class(type);
    bool number = (class == H5T_INTEGER || class == H5T_FLOAT) && H5Sget_simple_extent_npoints(space) == 1;
    *found = number && H5Aread(a, H5T_NATIVE_DOUBLE, out) >= 0;
    h5_close(space);
    h5_close(type);
    h5_close(a);
    if (*found) return TT_OK;
    return tt_fail(TT_ERR_INPUT, "%s: attribute %s of %s is not one number", path, name, object);
}

void attribute_free(attribute *a)
{
    free(a->object);
    free(a->name);
    free(a->texts);
}

static attribute *pending(const tt_store *store, const char *object, const char *name)
{
    for (int i = 0; i < store->n_attributes; i++)
        if (strcmp(store->attributes[i].object, object) == 0 && strcmp(store->attributes[i].name, name) == 0)
            return &store->attributes[i];
    return NULL;
}

/* Kept until the structure is changed the next time: a change for each attribute would be a risk for each. */
static tt_status keep(tt_store *store, const char *object, const char *name, attribute a,
                      const char *const *texts)
{
    if (!store->part)
        return tt_fail(TT_ERR_INTERNAL, "%s is open for reading: attribute %s cannot be set", store->path,
                       name);
    tt_status s = tt_copy_text(object, &a.object);
    if (s == TT_OK) s = tt_copy_text(name, &a.name);
    if (s == TT_OK && texts) s = pack_texts((const char *)(const void *)texts, 0, true, a.n_texts, &a.texts);
    attribute *old = pending(store, object, name);
    if (s == TT_OK && !old) {
        s = tt_grow(store->n_attributes, store->n_attributes + 1, sizeof a, "attributes", &store->attributes);
        if (s == TT_OK) old = memset(&store->attributes[store->n_attributes++], 0, sizeof a);
    }
    if (s != TT_OK) {
        attribute_free(&a);
    } else {
        attribute_free(old);
        *old = a;
    }
    return tt_agree(&store->comm, s);
}

tt_status tt_store_set_text(tt_store *store, const char *object, const char *name, const char *value)
{
    return keep(store, object, name, (attribute){.kind = ATTRIBUTE_TEXT, .n_texts = 1}, &value);
}

tt_status tt_store_set_number(tt_store *store, const char *object, const char *name, double value)
{
    return keep(store, object, name, (attribute){.kind = ATTRIBUTE_NUMBER, .number = value}, NULL);
}

tt_status tt_store_set_names(tt_store *store, const char *object, const char *name, const char *const *names,
                             int n)
{
    return keep(store, object, name, (attribute){.kind = ATTRIBUTE_NAMES, .n_texts = n}, names);
}

tt_status tt_store_get_names(tt_store *store, const char *object, const char *name, char ***names, int *n)
{
    *names = NULL;
    *n = 0;
    attribute *a = pending(store, object, name);
    if (!a) return attribute_read_texts(store->file, store_file(store), object, name, names, n);
    if (a->kind == ATTRIBUTE_NUMBER)
        return tt_fail(TT_ERR_INPUT, "%s: attribute %s of %s is not text", store->path, name, object);
    *n = a->n_texts;
    return pack_texts((const char *)a->texts, 0, true, *n, names);
}

tt_status tt_store_get_text(tt_store *store, const char *object, const char *name, char **out)
{
    attribute *a = pending(store, object, name);
    if (a && a->kind == ATTRIBUTE_TEXT) return tt_copy_text(a->texts[0], out);
    return attribute_read_text(store->file, store_file(store), object, name, out);
}

tt_status tt_store_get_number(tt_store *store, const char *object, const char *name, double *out, bool *found)
{
    attribute *a = pending(store, object, name);
    if (!a) return attribute_read_number(store->file, store_file(store), object, name, out, found);
    *found = a->kind == ATTRIBUTE_NUMBER;
    if (*found) *out = a->number;
    return TT_OK;
}
