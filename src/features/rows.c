#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status rows_new(tt_store *store, pthread_mutex_t *outside, tt_phases *phases, int64_t mel, int64_t audio,
                   row_buffer *out)
{
    /* about 4 MB: enough that a write is not small, little beside the rest */
    int64_t room = (4 << 20) / ((mel + audio) * (int64_t)sizeof(float));
    if (room < 1) room = 1;
    if (room > 256) room = 256;
    *out = (row_buffer){
        .store = store, .outside = outside, .phases = phases, .mel = mel, .audio = audio, .room = room};
    TT_TRY(tt_alloc(room, sizeof *out->track, "clip rows", &out->track));
    TT_TRY(tt_alloc(room, sizeof *out->start, "clip rows", &out->start));
    TT_TRY(tt_alloc(room, sizeof *out->status, "clip rows", &out->status));
    TT_TRY(tt_alloc(room * mel, sizeof *out->mels, "clip rows", &out->mels));
    TT_TRY(tt_alloc(room * audio, sizeof *out->audios, "clip rows", &out->audios));
    TT_TRY(tt_alloc(room, sizeof *out->unit_status, "unit rows", &out->unit_status));
    return tt_alloc(room, sizeof *out->message, "unit rows", &out->message);
}

void rows_free(row_buffer *rows)
{
    free(rows->track);
    free(rows->start);
    free(rows->status);
    free(rows->mels);
    free(rows->audios);
    free(rows->unit_status);
    free(rows->message);
    *rows = (row_buffer){0};
}

static tt_status write_clips(row_buffer *b)
{
    TT_TRY(tt_store_write(b->store, "/mel", b->first, b->n, b->mels));
    TT_TRY(tt_store_write(b->store, "/audio", b->first, b->n, b->audios));
    TT_TRY(tt_store_write(b->store, "/clip/track", b->first, b->n, b->track));
    TT_TRY(tt_store_write(b->store, "/clip/start", b->first, b->n, b->start));
    return tt_store_write(b->store, "/clip/status", b->first, b->n, b->status);
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
    memset(b->mels + *slot * b->mel, 0, (size_t)b->mel * sizeof *b->mels);
    memset(b->audios + *slot * b->audio, 0, (size_t)b->audio * sizeof *b->audios);
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

tt_status rows_unit_done(tt_store *store, const unit *u, bool *done, int32_t *status)
{
    static const char *const clips[] = {"/clip/status", "/clip/track", "/clip/start", "/audio", "/mel"};
    TT_TRY(tt_store_rows_done(store, "/unit/status", u->index, 1, done));
    if (*done) TT_TRY(tt_store_rows_done(store, "/unit/message", u->index, 1, done));
    for (int i = 0; i < 5 && *done; i++) TT_TRY(tt_store_rows_done(store, clips[i], u->row, u->clips, done));
    if (*done) TT_TRY(tt_store_read(store, "/unit/status", u->index, 1, TT_I32, status));
    return TT_OK;
}
