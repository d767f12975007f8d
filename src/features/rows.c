#include "features/extract.h"

#include "tutti/half.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

row_shape rows_shape(const tt_analyzer *analyzer, const tt_features_params *features)
{
    return (row_shape){.mel = tt_analyzer_mels(analyzer) * tt_analyzer_frames(analyzer),
                       .audio = tt_analyzer_columns(analyzer),
                       .lags = tt_analyzer_lags(analyzer),
                       .half = tt_features_half(features)};
}

tt_status rows_new(tt_store *store, pthread_mutex_t *outside, tt_phases *phases, row_shape shape,
                   row_buffer *out)
{
    /* about 4 MB: enough that a write is not small, little beside the rest */
    int64_t room = (4 << 20) / ((shape.mel + shape.audio + shape.lags) * (int64_t)sizeof(float));
    if (room < 1) room = 1;
    if (room > 256) room = 256;
    *out = (row_buffer){.store = store, .outside = outside, .phases = phases, .shape = shape, .room = room};
    TT_TRY(tt_alloc(room, sizeof *out->track, "clip rows", &out->track));
    TT_TRY(tt_alloc(room, sizeof *out->start, "clip rows", &out->start));
    TT_TRY(tt_alloc(room, sizeof *out->status, "clip rows", &out->status));
    TT_TRY(tt_alloc(room * shape.mel, sizeof *out->mels, "clip rows", &out->mels));
    TT_TRY(tt_alloc(room * shape.audio, sizeof *out->audios, "clip rows", &out->audios));
    TT_TRY(tt_alloc(room * shape.lags, sizeof *out->tempograms, "clip rows", &out->tempograms));
    if (shape.half) TT_TRY(tt_alloc(room * shape.mel, sizeof *out->halves, "clip rows", &out->halves));
    TT_TRY(tt_alloc(room, sizeof *out->unit_status, "unit rows", &out->unit_status));
    return tt_alloc(room, sizeof *out->message, "unit rows", &out->message);
}

void rows_free(row_buffer *rows)
{
    free(rows->track);
    free(rows->start);
    free(rows->status);
    free(rows->mels);
    free(rows->halves);
    free(rows->audios);
    free(rows->tempograms);
    free(rows->unit_status);
    free(rows->message);
    *rows = (row_buffer){0};
}

/** A column of clips, and the rows for it. */
typedef struct clip_column {
    const char *name;
    bool there;
    const void *rows;
} clip_column;

enum { CLIP_COLUMNS = 6 };

static void clip_columns(const row_buffer *b, clip_column out[CLIP_COLUMNS])
{
    const void *mels = b->shape.half ? (const void *)b->halves : b->mels;
    const clip_column all[CLIP_COLUMNS] = {
        {"/mel", b->shape.mel > 0, mels},
        {"/audio", b->shape.audio > 0, b->audios},
        {"/clip/tempogram", b->shape.lags > 0, b->tempograms},
        {"/clip/track", true, b->track},
        {"/clip/start", true, b->start},
        {"/clip/status", true, b->status},
    };
    memcpy(out, all, sizeof all);
}

static tt_status write_clips(row_buffer *b)
{
    clip_column column[CLIP_COLUMNS];
    clip_columns(b, column);
    if (b->shape.half) tt_half_pack(b->n * b->shape.mel, b->mels, b->halves);
    for (int i = 0; i < CLIP_COLUMNS; i++)
        if (column[i].there) TT_TRY(tt_store_write(b->store, column[i].name, b->first, b->n, column[i].rows));
    return TT_OK;
}

static tt_status write_units(row_buffer *b)
{
    TT_TRY(tt_store_write(b->store, "/unit/message", b->first_unit, b->n_units, b->message));
    return tt_store_write(b->store, "/unit/status", b->first_unit, b->n_units, b->unit_status);
}

tt_status rows_flush(row_buffer *b)
{
    if (b->n == 0 && b->n_units == 0) return TT_OK;
    tt_phase(b->phases, "store");
    pthread_mutex_lock(b->outside);
    tt_status s = write_clips(b);
    if (s == TT_OK) s = write_units(b);
    pthread_mutex_unlock(b->outside);
    b->n = b->n_units = 0;
    return s;
}

tt_status rows_clip(row_buffer *b, int64_t row, int64_t *slot)
{
    if (b->n == b->room || row != b->first + b->n) TT_TRY(rows_flush(b));
    if (b->n == 0) b->first = row;
    *slot = b->n++;
    b->track[*slot] = 0;
    b->start[*slot] = 0;
    b->status[*slot] = 0;
    memset(b->mels + *slot * b->shape.mel, 0, (size_t)b->shape.mel * sizeof *b->mels);
    memset(b->audios + *slot * b->shape.audio, 0, (size_t)b->shape.audio * sizeof *b->audios);
    memset(b->tempograms + *slot * b->shape.lags, 0, (size_t)b->shape.lags * sizeof *b->tempograms);
    return TT_OK;
}

void rows_message(const char *text, char out[MESSAGE_BYTES])
{
    size_t n = strlen(text);
    if (n > MESSAGE_BYTES - 1) {
        n = MESSAGE_BYTES - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    }
    memset(out, 0, MESSAGE_BYTES);
    memcpy(out, text, n);
}

tt_status rows_unit(row_buffer *b, int64_t index, int32_t status, const char *message)
{
    if (b->n_units == b->room || index != b->first_unit + b->n_units) TT_TRY(rows_flush(b));
    if (b->n_units == 0) b->first_unit = index;
    b->unit_status[b->n_units] = status;
    rows_message(message, b->message[b->n_units]);
    b->n_units++;
    return TT_OK;
}

tt_status rows_unit_done(const row_buffer *b, const unit *u, bool *done, int32_t *status)
{
    clip_column column[CLIP_COLUMNS];
    clip_columns(b, column);
    TT_TRY(tt_store_rows_done(b->store, "/unit/status", u->index, 1, done));
    if (*done) TT_TRY(tt_store_rows_done(b->store, "/unit/message", u->index, 1, done));
    for (int i = CLIP_COLUMNS - 1; i >= 0 && *done; i--) /* the large ones last */
        if (column[i].there) TT_TRY(tt_store_rows_done(b->store, column[i].name, u->row, u->clips, done));
    if (*done) TT_TRY(tt_store_read(b->store, "/unit/status", u->index, 1, TT_I32, status));
    return TT_OK;
}
