#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status rows_new(tt_store *store, tt_phases *phases, int64_t mel, int64_t audio, row_buffer *out)
{
    /* about 4 MB: enough that a write is not small, little beside the rest */
    int64_t room = (4 << 20) / ((mel + audio) * (int64_t)sizeof(float));
    if (room < 1) room = 1;
    if (room > 256) room = 256;
    *out = (row_buffer){.store = store, .phases = phases, .mel = mel, .audio = audio, .room = room};
    TT_TRY(tt_alloc(room, sizeof *out->track, "clip rows", &out->track));
    TT_TRY(tt_alloc(room, sizeof *out->start, "clip rows", &out->start));
    TT_TRY(tt_alloc(room, sizeof *out->status, "clip rows", &out->status));
    TT_TRY(tt_alloc(room * mel, sizeof *out->mels, "clip rows", &out->mels));
    TT_TRY(tt_alloc(room * audio, sizeof *out->audios, "clip rows", &out->audios));
    TT_TRY(tt_alloc(room, sizeof *out->track_status, "track rows", &out->track_status));
    return tt_alloc(room, sizeof *out->message, "track rows", &out->message);
}

void rows_free(row_buffer *rows)
{
    free(rows->track);
    free(rows->start);
    free(rows->status);
    free(rows->mels);
    free(rows->audios);
    free(rows->track_status);
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

tt_status rows_flush(row_buffer *b)
{
    tt_phase(b->phases, "store");
    if (b->n > 0) TT_TRY(write_clips(b));
    b->first += b->n;
    b->n = 0;
    if (b->n_tracks > 0) {
        TT_TRY(tt_store_write(b->store, "/track/message", b->first_track, b->n_tracks, b->message));
        TT_TRY(tt_store_write(b->store, "/track/status", b->first_track, b->n_tracks, b->track_status));
    }
    b->first_track += b->n_tracks;
    b->n_tracks = 0;
    return TT_OK;
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

/** Copy text, cut between two characters of UTF-8 if it is too long; the rest of out is zero. */
static void copy_message(const char *text, char out[MESSAGE_BYTES])
{
    size_t n = strlen(text);
    if (n > MESSAGE_BYTES - 1) {
        n = MESSAGE_BYTES - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    }
    memset(out, 0, MESSAGE_BYTES);
    memcpy(out, text, n);
}

tt_status rows_track(row_buffer *b, int64_t track, int32_t status, const char *message)
{
    if (b->n_tracks == b->room || track != b->first_track + b->n_tracks) TT_TRY(rows_flush(b));
    if (b->n_tracks == 0) b->first_track = track;
    b->track_status[b->n_tracks] = status;
    copy_message(message, b->message[b->n_tracks]);
    b->n_tracks++;
    return TT_OK;
}

tt_status rows_track_done(tt_store *store, int64_t track, int64_t first, int64_t clips, bool *done,
                          int32_t *status)
{
    static const char *const columns[] = {"/clip/status", "/clip/track", "/clip/start", "/audio", "/mel"};
    TT_TRY(tt_store_rows_done(store, "/track/status", track, 1, done));
    if (*done) TT_TRY(tt_store_rows_done(store, "/track/message", track, 1, done));
    for (int i = 0; i < 5 && *done && clips > 0; i++)
        TT_TRY(tt_store_rows_done(store, columns[i], first, clips, done));
    if (*done) TT_TRY(tt_store_read(store, "/track/status", track, 1, TT_I32, status));
    return TT_OK;
}
