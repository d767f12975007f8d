#include "vae/data.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/store.h"
#include "vae/kinds.h"

#include <stdlib.h>
#include <string.h>

void tt_samples_free(tt_samples *samples)
{
    if (samples->file.store)
        tt_matrix_file_close(&samples->file);
    else
        tt_matrix_free(&samples->x);
    free(samples->track);
    free(samples->train);
    free(samples->held);
    free(samples->condition);
    free(samples->kind);
    *samples = (tt_samples){0};
}

static tt_status allocate(tt_samples *s)
{
    int64_t padded = tt_round_up(s->x.count, TT_BLOCK_ROWS);
    TT_TRY(tt_alloc(s->x.count, sizeof *s->track, "tracks of rows", &s->track));
    TT_TRY(tt_alloc(padded, 1, "row marks", &s->train));
    return tt_alloc(padded, 1, "row marks", &s->held);
}

static tt_status has_dataset(tt_store *store, const char *name, bool *found)
{
    tt_column column;
    return tt_store_column(store, name, &column, found);
}

static tt_status read_tracks_local(tt_store *store, tt_samples *s)
{
    const tt_matrix *x = &s->x;
    if (!s->has_tracks) {
        for (int64_t i = 0; i < x->count; i++) s->track[i] = x->first + i;
        return TT_OK;
    }
    TT_TRY(tt_store_read(store, "/clip/track", x->first, x->count, TT_I64, s->track));
    for (int64_t i = 0; i < x->count; i++)
        if (s->track[i] < 0)
            return tt_fail(TT_ERR_INPUT, "%s: /clip/track row %lld is %lld; tracks count from 0",
                           tt_store_path(store), (long long)(x->first + i), (long long)s->track[i]);
    return TT_OK;
}

/* What stands beside the matrix, and its own shape. Collective. */
static tt_status read_beside(const tt_comm *comm, tt_store *store, const char *dataset, tt_samples *s)
{
    tt_column column;
    bool found, scale, components;
    TT_TRY(tt_store_column(store, dataset, &column, &found));
    s->n_dims = column.n_dims;
    memcpy(s->dims, column.dims, sizeof s->dims);
    TT_TRY(tt_store_column(store, "/clip/track", &column, &found));
    TT_TRY(has_dataset(store, "/scale", &scale));
    TT_TRY(has_dataset(store, "/components", &components));
    s->scaled = scale || components;
    if (s->n_dims == 2 && !components) TT_TRY(tt_column_kinds(comm, store, dataset, s->x.cols, &s->kind));
    s->has_tracks = found && column.type != TT_TEXT && column.n_dims == 1 && column.dims[0] == s->x.rows;
    TT_TRY(tt_agree(comm, read_tracks_local(store, s)));
    int64_t largest = -1;
    for (int64_t i = 0; i < s->x.count; i++)
        if (s->track[i] > largest) largest = s->track[i];
    s->tracks = tt_max_i64(comm, largest) + 1;
    return TT_OK;
}

/* The rows, or the file that they stay in. Collective. */
static tt_status read_matrix(const tt_comm *comm, const char *input, int64_t memory, tt_samples *out)
{
    int64_t rows, cols, valid, bytes;
    bool fits = memory == 0;
    if (!fits) {
        TT_TRY(tt_matrix_size(comm, input, "/x", &rows, &cols, &valid));
        fits = !__builtin_mul_overflow(rows, cols * (int64_t)sizeof(float), &bytes) && bytes <= memory;
    }
    if (fits) return tt_matrix_read(comm, input, "/x", &out->x);
    TT_TRY(tt_matrix_file_open(comm, input, "/x", &out->file));
    out->x = out->file.x;
    return TT_OK;
}

tt_status tt_samples_block(const tt_samples *s, int64_t begin, float *room, tt_matrix *view)
{
    const tt_matrix *x = &s->x;
    *view = *x;
    view->first += begin;
    view->count = x->count - begin < TT_BLOCK_ROWS ? x->count - begin : TT_BLOCK_ROWS;
    view->valid += begin;
    view->data = x->data ? x->data + begin * x->cols : room;
    return x->data ? TT_OK : tt_matrix_file_rows(&s->file, begin, view->count, room);
}

tt_status tt_samples_moments(const tt_samples *s, unsigned char *use, int64_t n, double *mean,
                             double *deviation)
{
    if (!s->x.data) return tt_matrix_file_moments(&s->file, use, n, mean, deviation);
    tt_matrix rows = s->x; /* a view: the same data, other rows marked */
    rows.valid = use;
    rows.n_valid = n;
    return tt_matrix_moments(&rows, mean, deviation);
}

tt_status tt_samples_read(const tt_comm *comm, const char *input, int64_t memory, tt_samples *out)
{
    *out = (tt_samples){0};
    TT_TRY(read_matrix(comm, input, memory, out));
    char *dataset = NULL;
    tt_store *store = NULL;
    tt_status s = tt_agree(comm, allocate(out));
    if (s == TT_OK) s = tt_store_open_spec(comm, input, "/x", &store, &dataset);
    if (s == TT_OK) s = read_beside(comm, store, dataset, out);
    tt_store_close(store);
    free(dataset);
    if (s != TT_OK) return s;
    memcpy(out->train, out->x.valid, (size_t)out->x.count);
    out->n_train = out->x.n_valid;
    return TT_OK;
}

void tt_classes_place(const tt_classes *classes, char *const *names, int n, int32_t *place)
{
    for (int i = 0; i < classes->n; i++) {
        place[i] = -1;
        for (int k = 0; place[i] < 0 && k < n; k++)
            if (strcmp(classes->name[i], names[k]) == 0) place[i] = k;
    }
}

/* Classes to places among the names, then rows. */
static tt_status condition_rows(tt_samples *s, const tt_classes *classes, char *const *names, int n)
{
    int64_t padded = tt_round_up(s->x.count, TT_BLOCK_ROWS);
    int32_t *place = NULL;
    TT_TRY(tt_alloc(padded, sizeof *s->condition, "classes of rows", &s->condition));
    TT_TRY(tt_alloc(classes->n, sizeof *place, "classes", &place));
    tt_classes_place(classes, names, n, place);
    for (int64_t i = 0; i < padded; i++)
        s->condition[i] = i >= s->x.count || classes->label[i] < 0 ? -1 : place[classes->label[i]];
    free(place);
    s->classes = n;
    return TT_OK;
}

tt_status tt_samples_condition(tt_samples *s, const tt_classes *classes, char *const *names, int n)
{
    if (classes->rows != s->x.rows)
        return tt_fail(TT_ERR_INPUT,
                       "there are %lld labels, but %s has %lld rows: they must be of the same rows",
                       (long long)classes->rows, s->x.name, (long long)s->x.rows);
    return tt_agree(s->x.comm, condition_rows(s, classes, names, n));
}

void tt_samples_split(tt_samples *s, uint64_t seed, double share)
{
    tt_stream stream = {seed, TT_FOR_SPLIT, 0};
    int64_t held = 0;
    for (int64_t i = 0; i < s->x.count; i++) {
        bool out = tt_random_uniform(stream, (uint64_t)s->track[i], 0) < share;
        s->held[i] = s->x.valid[i] && out;
        s->train[i] = s->x.valid[i] && !out;
        held += s->held[i];
    }
    s->n_held = tt_sum_i64(s->x.comm, held);
    s->n_train = s->x.n_valid - s->n_held;
    if (s->n_train > 0 || s->n_held == 0) return;
    memcpy(s->train, s->held, (size_t)s->x.count);
    memset(s->held, 0, (size_t)s->x.count);
    s->n_train = s->n_held;
    s->n_held = 0;
}
