#include "synth/encode.h"

#include "synth/dice.h"
#include "tutti/memory.h"

#include <sndfile.h>
#include <stdio.h>
#include <string.h>

tt_status synth_bytes_reserve(synth_bytes *b, int64_t n)
{
    if (n <= b->room) return TT_OK;
    int64_t room = b->room > 0 ? b->room : 1 << 16;
    while (room < n) room *= 2;
    TT_TRY(tt_grow(b->n, room, 1, "an audio file", &b->data));
    b->room = room;
    return TT_OK;
}

/* ---- a file in memory, for libsndfile ---- */

typedef struct memory_file {
    synth_bytes *bytes;
    int64_t at;
    bool failed;
} memory_file;

static sf_count_t file_length(void *user)
{
    return ((memory_file *)user)->bytes->n;
}

static sf_count_t file_seek(sf_count_t offset, int whence, void *user)
{
    memory_file *f = user;
    f->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? f->at + offset : f->bytes->n + offset;
    if (f->at < 0) f->at = 0;
    return f->at;
}

static sf_count_t file_read(void *to, sf_count_t count, void *user)
{
    memory_file *f = user;
    sf_count_t left = f->bytes->n - f->at, n = count < left ? count : left;
    if (n <= 0) return 0;
    memcpy(to, f->bytes->data + f->at, (size_t)n);
    f->at += n;
    return n;
}

static sf_count_t file_write(const void *from, sf_count_t count, void *user)
{
    memory_file *f = user;
    int64_t end = f->at + count;
    if (synth_bytes_reserve(f->bytes, end) != TT_OK) {
        f->failed = true;
        return 0;
    }
    if (f->at > f->bytes->n) memset(f->bytes->data + f->bytes->n, 0, (size_t)(f->at - f->bytes->n));
    memcpy(f->bytes->data + f->at, from, (size_t)count);
    f->at = end;
    if (end > f->bytes->n) f->bytes->n = end;
    return count;
}

static sf_count_t file_tell(void *user)
{
    return ((memory_file *)user)->at;
}

/* ---- Ogg: libsndfile draws serial numbers from the clock (RFC 3533 says where they stand) ---- */

static void make_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i << 24;
        for (int k = 0; k < 8; k++) c = c & 0x80000000u ? c << 1 ^ 0x04c11db7u : c << 1;
        table[i] = c;
    }
}

static void store_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static tt_status set_ogg_serial(synth_bytes *b, uint32_t serial)
{
    enum { HEADER = 27, SERIAL = 14, CRC = 22, SEGMENTS = 26 };
    uint32_t table[256];
    make_crc_table(table);
    for (int64_t at = 0; at < b->n;) {
        uint8_t *page = b->data + at;
        int64_t left = b->n - at, bytes = HEADER;
        if (left >= HEADER) bytes += page[SEGMENTS];
        if (bytes > left || memcmp(page, "OggS", 4) != 0)
            return tt_fail(TT_ERR_INTERNAL, "libsndfile wrote an Ogg file that is not made of pages");
        for (int i = 0; i < page[SEGMENTS]; i++) bytes += page[HEADER + i];
        if (bytes > left) return tt_fail(TT_ERR_INTERNAL, "libsndfile wrote an Ogg page that ends too early");
        store_u32(page + SERIAL, serial);
        store_u32(page + CRC, 0);
        uint32_t crc = 0;
        for (int64_t i = 0; i < bytes; i++) crc = crc << 8 ^ table[crc >> 24 ^ page[i]];
        store_u32(page + CRC, crc);
        at += bytes;
    }
    return TT_OK;
}

/* ---- encoding ---- */

static int sndfile_format(synth_format format)
{
    switch (format) {
    case FORMAT_WAV24:
        return SF_FORMAT_WAV | SF_FORMAT_PCM_24;
    case FORMAT_WAVFLOAT:
        return SF_FORMAT_WAV | SF_FORMAT_FLOAT;
    case FORMAT_FLAC:
        return SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    case FORMAT_VORBIS:
        return SF_FORMAT_OGG | SF_FORMAT_VORBIS;
    case FORMAT_OPUS:
        return SF_FORMAT_OGG | SF_FORMAT_OPUS;
    case FORMAT_MP3:
        return SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
    default:
        return SF_FORMAT_WAV | SF_FORMAT_PCM_16;
    }
}

/* 0 is the best quality, 1 the smallest file. LAME is also quickest there; Opus is slowest. */
static double compression(const synth_plan *plan)
{
    dice d = dice_new(plan->seed, DICE_SOUND, plan->index);
    d.next = UINT64_C(1) << 32; /* away from the numbers of the sound itself */
    return plan->format == FORMAT_MP3 ? dice_real(&d, 0.6, 1.0) : dice_real(&d, 0.3, 0.8);
}

static void set_up(SNDFILE *file, const synth_plan *plan)
{
    /* a float WAV would carry the time of day in its PEAK chunk */
    sf_command(file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    double level = compression(plan);
    if (plan->format == FORMAT_FLAC) level = 0;
    if (plan->format >= FORMAT_FLAC) sf_command(file, SFC_SET_COMPRESSION_LEVEL, &level, sizeof level);
}

tt_status synth_encode(const synth_plan *plan, const float *samples, synth_bytes *out)
{
    enum { PIECE = 4096 }; /* the Vorbis encoder of libsndfile takes pieces onto its stack */
    SF_VIRTUAL_IO io = {file_length, file_seek, file_read, file_write, file_tell};
    SF_INFO info = {
        .samplerate = plan->sample_rate, .channels = plan->channels, .format = sndfile_format(plan->format)};
    memory_file memory = {.bytes = out};
    out->n = 0;
    SNDFILE *file = sf_open_virtual(&io, SFM_WRITE, &info, &memory);
    if (!file)
        return tt_fail(TT_ERR_INTERNAL, "libsndfile cannot write %s at %d Hz: %s", plan->extension,
                       plan->sample_rate, sf_strerror(NULL));
    set_up(file, plan);
    bool whole = true;
    for (int64_t at = 0; at < plan->frames && whole; at += PIECE) {
        int64_t n = plan->frames - at < PIECE ? plan->frames - at : PIECE;
        whole = sf_writef_float(file, samples + at * plan->channels, n) == n;
    }
    char why[256];
    snprintf(why, sizeof why, "%s", sf_strerror(file));
    if (sf_close(file) != 0) whole = false;
    if (memory.failed) return tt_fail(TT_ERR_MEMORY, "no memory for an audio file");
    if (!whole) return tt_fail(TT_ERR_INTERNAL, "libsndfile cannot write %s: %s", plan->extension, why);
    if (plan->format == FORMAT_VORBIS || plan->format == FORMAT_OPUS)
        return set_ogg_serial(out, (uint32_t)plan->index + 1);
    return TT_OK;
}
