/* What containers say of their own length. libsndfile takes a shortened file for a short one, so the claim is
 * compared here: chunks (RIFF, RF64, W64, AIFF, CAF), the header of AU, and the last page of an Ogg stream.
 */
#include "source.h"

#include <string.h>

/* A family of chunked files. Sizes of chunks are `size_bytes` wide after an id of `id_bytes`. */
typedef struct family {
    const char *magic; /* at byte 0 */
    int first;         /* where the chunks begin */
    int id_bytes, size_bytes;
    bool big_endian;
    bool size_has_header; /* W64 counts the chunk's own header */
    int align;
    const char *data; /* first four bytes of the id of the audio */
} family;

static const family families[] = {
    {"RIFF", 12, 4, 4, false, false, 2, "data"}, {"RIFX", 12, 4, 4, true, false, 2, "data"},
    {"RF64", 12, 4, 4, false, false, 2, "data"}, {"riff", 40, 16, 8, false, true, 8, "data"},
    {"FORM", 12, 4, 4, true, false, 2, "SSND"},  {"caff", 8, 4, 8, true, false, 1, "data"},
};

enum { CHUNKS_MAX = 1000 };

static uint64_t number(const unsigned char *p, int bytes, bool big_endian)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | p[big_endian ? i : bytes - 1 - i];
    return value;
}

/* Lengths that writers put down who could not seek back: all ones, and the largest signed ones (sox). */
static bool is_placeholder(uint64_t size, int bytes)
{
    if (bytes == 4)
        return size >= UINT32_C(0xFFFFFF00) || (size >= UINT32_C(0x7FFE0000) && size <= INT32_MAX);
    return size >= INT64_MAX - 65536; /* also -1 */
}

/* Let the decoder see the audio, which begins at `body`, end where the file ends. */
static void patch_size(source *src, const family *f, int64_t body)
{
    uint64_t left = (uint64_t)(src->bytes - body);
    if (f->size_bytes == 4 && left > UINT32_MAX) return;
    src->patch_at = body - f->size_bytes;
    src->patch_n = f->size_bytes;
    for (int i = 0; i < src->patch_n; i++)
        src->patch[i] = (unsigned char)(left >> 8 * (f->big_endian ? src->patch_n - 1 - i : i));
}

/* A WAV that was written to a pipe and says 0 bytes of audio with nothing behind them: all that follows is
 * audio. */
static bool is_unclosed(const source *src, const family *f, int64_t body, uint64_t file_size)
{
    bool closed = file_size > 0 && !is_placeholder(file_size, 4) && (int64_t)file_size + 8 > body;
    return memcmp(f->magic, "RIF", 3) == 0 && src->bytes > body && !closed;
}

/* The 64-bit length of an RF64's audio, from its ds64 chunk, which comes first. */
static uint64_t long_size(source *src)
{
    unsigned char chunk[24];
    if (source_peek(src, 12, chunk, sizeof chunk) < (int64_t)sizeof chunk || memcmp(chunk, "ds64", 4) != 0)
        return UINT64_MAX;
    return number(chunk + 16, 8, false);
}

static void check_chunks(source *src, const family *f)
{
    unsigned char head[24];
    uint64_t file_size = 0;
    if (source_peek(src, 4, head, 4) == 4) file_size = number(head, 4, f->big_endian);
    int64_t at = f->first, header = f->id_bytes + f->size_bytes;
    for (int chunks = 0; chunks < CHUNKS_MAX && source_peek(src, at, head, header) == header; chunks++) {
        uint64_t size = number(head + f->id_bytes, f->size_bytes, f->big_endian);
        if (f->size_has_header) size = size >= (uint64_t)header ? size - (uint64_t)header : 0;
        int64_t body = at + header;
        if (memcmp(head, f->data, 4) == 0) {
            bool is_long = memcmp(f->magic, "RF64", 4) == 0 && size == UINT32_MAX;
            if (is_long) size = long_size(src);
            if (size == 0 && is_unclosed(src, f, body, file_size)) patch_size(src, f, body);
            if (size <= (uint64_t)(src->bytes - body)) return;
            src->cut = !is_placeholder(size, is_long ? 8 : f->size_bytes);
            if (f->magic[0] == 'c') patch_size(src, f, body); /* libsndfile refuses a shortened or open CAF */
            return;
        }
        if (size > (uint64_t)(src->bytes - body)) return;
        at = body + (int64_t)(size + (uint64_t)f->align - 1) / f->align * f->align;
    }
}

static void check_au(source *src, bool big_endian)
{
    unsigned char head[8];
    if (source_peek(src, 4, head, 8) < 8) return;
    uint64_t begin = number(head, 4, big_endian), size = number(head + 4, 4, big_endian);
    if (!is_placeholder(size, 4)) src->cut |= begin + size > (uint64_t)src->bytes;
}

/* Whether a page of an Ogg stream begins at p [n], and ends there, marked as its stream's last. */
static bool is_last_page(const unsigned char *p, int64_t n)
{
    if (n < 27 || n < 27 + p[26]) return false;
    int64_t length = 27 + p[26];
    for (int i = 0; i < p[26]; i++) length += p[27 + i];
    return length <= n && (p[5] & 4);
}

/* A page is at most 65307 bytes, so the last one begins in the last buffer full. */
static void check_ogg(source *src)
{
    unsigned char first;
    int64_t at = src->bytes > SOURCE_BUFFER ? src->bytes - SOURCE_BUFFER : 0;
    src->buffer_n = 0;
    if (source_peek(src, at, &first, 1) != 1 || src->buffer_n < src->bytes - at) return;
    for (int64_t i = src->buffer_n - 5; i >= 0; i--)
        if (memcmp(src->buffer + i, "OggS", 5) == 0) { /* with its version, 0 */
            src->cut |= !is_last_page(src->buffer + i, src->buffer_n - i);
            return;
        }
    src->cut = true;
}

bool mpeg_has_length(source *src)
{
    unsigned char head[10], first[4096];
    int64_t at = 0;
    while (source_peek(src, at, head, 10) == 10 && memcmp(head, "ID3", 3) == 0)
        at += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (head[5] & 0x10 ? 10 : 0);
    int64_t n = source_peek(src, at, first, sizeof first);
    for (int64_t i = 0; i + 8 <= n; i++)
        if (memcmp(first + i, "Xing", 4) == 0 || memcmp(first + i, "Info", 4) == 0) return first[i + 7] & 1;
    return false;
}

void container_check(source *src)
{
    char magic[4];
    if (source_peek(src, 0, magic, 4) < 4) return;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (memcmp(magic, families[i].magic, 4) == 0) {
            check_chunks(src, &families[i]);
            return;
        }
    if (memcmp(magic, ".snd", 4) == 0 || memcmp(magic, "dns.", 4) == 0) check_au(src, magic[0] == '.');
    if (memcmp(magic, "OggS", 4) == 0) check_ogg(src);
}
