#include "tutti/export.h"

#include "rundir.h"
#include "stages.h"
#include "tutti/corpus.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/metrics.h"
#include "tutti/npy.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files that are written as NAME.part, and become NAME together. */
typedef struct outputs {
    const tt_comm *comm;
    const char *directory;
    char **path;
    int n;
} outputs;

static tt_status outputs_add(outputs *o, const char *name, char **path)
{
    char *next = NULL;
    tt_status s = tt_format(&next, "%s/%s", o->directory, name);
    if (s == TT_OK) s = tt_grow(o->n, o->n + 1, sizeof *o->path, "names", &o->path);
    for (int i = 0; i < o->n && s == TT_OK; i++)
        if (strcmp(o->path[i], next) == 0)
            s = tt_fail(TT_ERR_USAGE, "two datasets would be %s: export them to different folders", next);
    if (s == TT_OK)
        *path = o->path[o->n++] = next;
    else
        free(next);
    return tt_agree(o->comm, s);
}

static tt_status publish_here(const outputs *o, tt_status s)
{
    for (int i = 0; i < o->n; i++) {
        char *part;
        TT_TRY(tt_format(&part, "%s.part", o->path[i]));
        if (s == TT_OK && rename(part, o->path[i]) != 0) s = tt_fail_errno("rename", part);
        if (s != TT_OK) unlink(part);
        free(part);
    }
    return s;
}

/* Rename all, or after a failure remove what was begun. Frees o. Collective. */
static tt_status outputs_end(outputs *o, tt_status s)
{
    char *message = NULL;
    if (s != TT_OK) tt_copy_text(tt_message(), &message);
    tt_status end = tt_agree(o->comm, o->comm->rank == 0 ? publish_here(o, s) : TT_OK);
    if (s == TT_OK) s = end;
    if (s == TT_OK) tt_info("export: %d files in %s", o->n, o->directory);
    if (message) tt_fail(s, "%s", message);
    free(message);
    for (int i = 0; i < o->n; i++) free(o->path[i]);
    free(o->path);
    return s;
}

/* ---- a run directory ---- */

typedef struct export
{
    outputs out;
    run_context run;
    tt_store *features;
    int64_t clips;
}
export;

static tt_status write_json(export *e, const char *name, json_t *json)
{
    char *path, *part = NULL, *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    tt_status s = outputs_add(&e->out, name, &path);
    if (s == TT_OK && !text) s = tt_fail(TT_ERR_INPUT, "%s/%s: a name is not UTF-8", e->out.directory, name);
    if (s == TT_OK) s = tt_format(&part, "%s.part", path);
    if (s == TT_OK && e->out.comm->rank == 0) s = rundir_write_part(part, text);
    free(part);
    free(text);
    return tt_agree(e->out.comm, s);
}

/* One array from one dataset, whose rows must be the clips. */
static tt_status write_dataset(export *e, tt_store *store, const char *dataset, const char *name)
{
    char *path;
    tt_column c;
    bool found;
    TT_TRY(tt_store_column(store, dataset, &c, &found));
    if (found && c.dims[0] != e->clips)
        return tt_fail(TT_ERR_INPUT, "%s has %lld rows, %s has %lld clips: run the line again (tutti run)",
                       tt_store_path(store), (long long)c.dims[0], tt_store_path(e->features),
                       (long long)e->clips);
    TT_TRY(outputs_add(&e->out, name, &path));
    return tt_npy_from(e->out.comm, store, dataset, false, path);
}

static tt_status write_feature_names(export *e)
{
    char **names;
    int n;
    tt_status s = tt_store_get_names(e->features, "/audio", "names", &names, &n);
    TT_TRY(tt_agree(e->out.comm, s));
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_string(names[i]));
    free(names);
    return write_json(e, "audio_feature_names.json", list);
}

static tt_status valid_rows(void *context, int64_t first, int64_t count, void *rows)
{
    const export *e = context;
    int32_t *status;
    uint8_t *valid = rows;
    TT_TRY(tt_alloc(count, sizeof *status, "status of clips", &status));
    tt_status s = tt_store_read(e->features, "/clip/status", first, count, TT_I32, status);
    for (int64_t i = 0; i < count && s == TT_OK; i++) valid[i] = tt_track_status_valid(status[i]);
    free(status);
    return s;
}

static tt_status write_valid(export *e)
{
    char *path;
    const tt_column shape = {.name = "valid", .type = TT_U8, .n_dims = 1, .dims = {e->clips}};
    TT_TRY(outputs_add(&e->out, "valid.npy", &path));
    return tt_npy_write(e->out.comm, path, &shape, true, valid_rows, e);
}

/** Labels of this rank's rows. */
typedef struct labels {
    int32_t *label;
    int64_t first;
} labels;

static tt_status label_rows(void *context, int64_t first, int64_t count, void *rows)
{
    const labels *l = context;
    int64_t *to = rows;
    for (int64_t i = 0; i < count; i++) to[i] = l->label[first - l->first + i];
    return TT_OK;
}

static tt_status write_labels(export *e)
{
    char *path;
    labels l = {0};
    int64_t rows = 0;
    const tt_comm *comm = e->out.comm;
    tt_status s = tt_truth_from_manifest(comm, e->run.path[FILE_MANIFEST], e->run.path[FILE_FEATURES],
                                         "genre", &l.label, &rows);
    const tt_column shape = {.name = "labels", .type = TT_I64, .n_dims = 1, .dims = {rows}};
    l.first = tt_partition(rows, TT_BLOCK_ROWS, comm->size, comm->rank).begin;
    if (s == TT_OK) s = outputs_add(&e->out, "labels.npy", &path);
    if (s == TT_OK) s = tt_npy_write(comm, path, &shape, false, label_rows, &l);
    free(l.label);
    return s;
}

static tt_status write_mapping(export *e)
{
    tt_store *manifest;
    char **genres;
    int n;
    TT_TRY(tt_store_open(e->out.comm, e->run.path[FILE_MANIFEST], &manifest));
    tt_status s = tt_manifest_labels(e->out.comm, manifest, "genre", &genres, &n);
    tt_store_close(manifest);
    TT_TRY(s);
    json_t *map = json_object();
    for (int i = 0; i < n; i++)
        if (json_object_set_new(map, genres[i], json_integer(i)) != 0) {
            json_decref(map);
            map = NULL;
        }
    free(genres);
    return write_json(e, "genre_mapping.json", map);
}

/** Rows of a table of tracks, spread over their clips. */
typedef struct spread {
    tt_store *features, *tracks;
    const char *dataset;
    int64_t row_bytes;
} spread;

/* Clips of a track stand together: a run of them is one read. */
static tt_status spread_rows(void *context, int64_t first, int64_t count, void *rows)
{
    const spread *f = context;
    char *to = rows;
    int64_t *track;
    TT_TRY(tt_alloc(count, sizeof *track, "tracks of clips", &track));
    tt_status s = tt_store_read(f->features, "/clip/track", first, count, TT_I64, track);
    for (int64_t i = 0; i < count && s == TT_OK; i++, to += f->row_bytes)
        if (i > 0 && track[i] == track[i - 1])
            memcpy(to, to - f->row_bytes, (size_t)f->row_bytes);
        else
            s = tt_store_read(f->tracks, f->dataset, track[i], 1, TT_F32, to);
    free(track);
    return s;
}

static tt_status write_lyrics(export *e, tt_store *lyrics)
{
    static const char dataset[] = "/embedding";
    tt_column c;
    bool found;
    char *path;
    TT_TRY(tt_store_column(lyrics, dataset, &c, &found));
    if (!found) return TT_OK; /* a corpus without lyrics has terms of none, and no embedding */
    if (c.n_dims != 2 || c.type == TT_TEXT)
        return tt_fail(TT_ERR_INPUT, "%s has no matrix %s", tt_store_path(lyrics), dataset);
    const spread from = {e->features, lyrics, dataset, c.dims[1] * (int64_t)sizeof(float)};
    c = (tt_column){.name = dataset, .type = TT_F32, .n_dims = 2, .dims = {e->clips, c.dims[1]}};
    TT_TRY(outputs_add(&e->out, "lyrics_embeddings.npy", &path));
    return tt_npy_write(e->out.comm, path, &c, false, spread_rows, (void *)&from);
}

static tt_status write_features(export *e)
{
    TT_TRY(write_dataset(e, e->features, "/mel", "mel_spectrograms.npy"));
    TT_TRY(write_dataset(e, e->features, "/audio", "audio_features.npy"));
    TT_TRY(write_feature_names(e));
    TT_TRY(write_dataset(e, e->features, "/clip/track", "tracks.npy"));
    TT_TRY(write_valid(e));
    TT_TRY(write_labels(e));
    return write_mapping(e);
}

static tt_status write_later(export *e, const char *path, const char *dataset, const char *name)
{
    tt_store *store;
    int64_t there = e->out.comm->rank == 0 && access(path, F_OK) == 0;
    if (tt_max_i64(e->out.comm, there) == 0) return TT_OK;
    TT_TRY(tt_store_open(e->out.comm, path, &store));
    tt_status s = dataset ? write_dataset(e, store, dataset, name) : write_lyrics(e, store);
    tt_store_close(store);
    return s;
}

static tt_status write_all(export *e, const char *lyrics)
{
    tt_column c;
    bool found;
    TT_TRY(tt_store_column(e->features, "/clip/status", &c, &found));
    if (!found)
        return tt_fail(TT_ERR_INPUT, "%s holds no features: it has no /clip/status",
                       tt_store_path(e->features));
    e->clips = c.dims[0];
    TT_TRY(write_features(e));
    TT_TRY(write_later(e, lyrics, NULL, NULL));
    TT_TRY(write_later(e, e->run.path[FILE_HYBRID], "/x", "hybrid_features.npy"));
    return write_later(e, e->run.path[FILE_LATENTS], "/mu", "latents.npy");
}

static tt_status make_directory(const tt_comm *comm, const char *directory)
{
    return tt_agree(comm, comm->rank == 0 ? rundir_make(directory) : TT_OK);
}

tt_status tt_export_run(const tt_comm *comm, const char *run, const char *directory)
{
    export e = {.out = {comm, directory, NULL, 0}};
    char *lyrics = NULL;
    tt_status s = make_paths(run, &e.run);
    if (s == TT_OK) s = tt_format(&lyrics, "%s/lyrics.h5", run);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_store_open(comm, e.run.path[FILE_FEATURES], &e.features);
    if (s == TT_OK) s = make_directory(comm, directory);
    if (s == TT_OK) s = write_all(&e, lyrics);
    s = outputs_end(&e.out, s);
    tt_store_close(e.features);
    free_paths(&e.run);
    free(lyrics);
    return s;
}

/* ---- datasets of any files ---- */

/* "/a/x" as "a_x.npy" */
static tt_status file_name(const char *dataset, char **name)
{
    while (*dataset == '/') dataset++;
    TT_TRY(tt_format(name, "%s.npy", *dataset ? dataset : "x"));
    for (char *c = *name; *c; c++)
        if (*c == '/') *c = '_';
    return TT_OK;
}

static tt_status write_named(outputs *o, tt_store *store, const char *dataset)
{
    char *name = NULL, *path;
    TT_TRY(tt_agree(o->comm, file_name(dataset, &name)));
    tt_status s = outputs_add(o, name, &path);
    free(name);
    return s == TT_OK ? tt_npy_from(o->comm, store, dataset, false, path) : s;
}

/* What is neither numbers nor text has no array. */
static tt_status write_whole(outputs *o, tt_store *store)
{
    char **names;
    int n;
    TT_TRY(tt_agree(o->comm, tt_store_list(store, &names, &n)));
    tt_status s = TT_OK;
    for (int i = 0; i < n && s == TT_OK; i++) {
        tt_column c;
        bool found;
        s = tt_store_column(store, names[i], &c, &found);
        bool odd = s == TT_ERR_INPUT;
        if (odd && o->comm->rank == 0) tt_warn("%s: left out", tt_message());
        if (s == TT_OK) s = write_named(o, store, names[i]);
        if (odd) s = TT_OK;
    }
    free(names);
    return s;
}

static tt_status write_spec(outputs *o, const char *spec)
{
    char *dataset = NULL;
    tt_store *store = NULL;
    tt_status s = tt_store_open_spec(o->comm, spec, "", &store, &dataset);
    if (s == TT_OK) s = dataset[0] ? write_named(o, store, dataset) : write_whole(o, store);
    tt_store_close(store);
    free(dataset);
    return s;
}

tt_status tt_export_datasets(const tt_comm *comm, const char *const *specs, int n, const char *directory)
{
    outputs o = {comm, directory, NULL, 0};
    tt_status s = make_directory(comm, directory);
    for (int i = 0; i < n && s == TT_OK; i++) s = write_spec(&o, specs[i]);
    return outputs_end(&o, s);
}
