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

static const char too_short[] = "the data ends before the header says";
static const char surplus_audio[] = "audio that the header does not count, and that is not decoded, follows";

enum {
    CHUNKS_MAX = 1000,
    MPEG_RATIO = 64 /* of the highest bit rate to the lowest, and more */,
    PAGES_MAX = 100,
    TAIL_MAX = 65536
};

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

/* Let the decoder see another size of the audio, which begins at `body`. */
static void patch_size(source *src, const family *f, int64_t body, uint64_t size)
{
    src->patch_at = body - f->size_bytes;
    src->patch_n = f->size_bytes;
    for (int i = 0; i < src->patch_n; i++)
        src->patch[i] = (unsigned char)(size >> 8 * (f->big_endian ? src->patch_n - 1 - i : i));
}

/* Let it end where the file ends, or where a size can no longer be counted. */
static void patch_to_end(source *src, const family *f, int64_t body)
{
    uint64_t left = (uint64_t)(src->bytes - body);
    patch_size(src, f, body, f->size_bytes == 4 && left > UINT32_MAX ? UINT32_MAX : left);
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

/* Whether chunks follow at `at` to the end of the file, give or take a tag or some padding. */
static bool chunks_follow(source *src, const family *f, int64_t at)
{
    unsigned char head[8];
    for (int chunks = 0; chunks < CHUNKS_MAX && src->bytes - at > TAIL_MAX; chunks++) {
        if (source_peek(src, at, head, 8) < 8) return false;
        uint64_t size = number(head + 4, 4, f->big_endian);
        for (int i = 0; i < 4; i++)
            if (head[i] < ' ' || head[i] > '~') return false;
        if (size > (uint64_t)(src->bytes - at - 8)) return false;
        at += 8 + (int64_t)(size + (size & 1));
    }
    return true;
}

/* A WAV that holds more than its header says: of more than 4 GB, where the size has wrapped around, or wrong.
 */
static void check_surplus(source *src, const family *f, int64_t body, int64_t size)
{
    int64_t surplus = src->bytes - body - size;
    if (memcmp(f->magic, "RIF", 3) != 0 || surplus <= TAIL_MAX) return;
    if (surplus >> 32 > 0 && (surplus & UINT32_MAX) <= TAIL_MAX) {
        patch_to_end(src, f, body);
        src->cut = "it is longer than the 4 GB that a WAV can count, and the rest is not decoded";
    } else if (!chunks_follow(src, f, body + size + (size & 1))) {
        src->cut = surplus_audio;
    }
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
            bool unclosed = size == 0 && is_unclosed(src, f, body, file_size);
            if (unclosed) patch_to_end(src, f, body);
            if (size <= (uint64_t)(src->bytes - body)) {
                if (!unclosed) check_surplus(src, f, body, (int64_t)size);
                return;
            }
            if (!is_placeholder(size, is_long ? 8 : f->size_bytes)) src->cut = too_short;
            if (f->magic[0] == 'c')
                patch_to_end(src, f, body); /* libsndfile refuses a shortened or open CAF */
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
    if (!is_placeholder(size, 4) && begin + size > (uint64_t)src->bytes) src->cut = too_short;
}

/* Whether a page of an Ogg stream begins at p [n], and ends there, marked as its stream's last. */
static bool is_last_page(const unsigned char *p, int64_t n)
{
    if (n < 27 || n < 27 + p[26]) return false;
    int64_t length = 27 + p[26];
    for (int i = 0; i < p[26]; i++) length += p[27 + i];
    return length <= n && (p[5] & 4);
}

/* Whether `serial` is of a stream that begins in the group of first pages; those are short. Several at once
 * are multiplexed; one that begins later is a link of a chain. */
static bool begins_at_once(source *src, const unsigned char *serial)
{
    unsigned char page[27 + 255];
    int64_t at = 0;
    for (int pages = 0; pages < PAGES_MAX && source_peek(src, at, page, sizeof page) >= 27; pages++) {
        if (memcmp(page, "OggS", 4) != 0 || !(page[5] & 2)) return false;
        if (memcmp(page + 14, serial, 4) == 0) return true;
        at += 27 + page[26];
        for (int i = 0; i < page[26]; i++) at += page[27 + i];
    }
    return false;
}

/* A page is at most 65307 bytes, so the last one begins in the last buffer full. */
static void check_ogg(source *src)
{
    unsigned char first, serial[4];
    int64_t at = src->bytes > SOURCE_BUFFER ? src->bytes - SOURCE_BUFFER : 0;
    src->buffer_n = 0;
    if (source_peek(src, at, &first, 1) != 1 || src->buffer_n < src->bytes - at) return;
    for (int64_t i = src->buffer_n - 27; i >= 0; i--)
        if (memcmp(src->buffer + i, "OggS", 5) == 0) { /* with its version, 0 */
            if (!is_last_page(src->buffer + i, src->buffer_n - i)) src->cut = too_short;
            memcpy(serial, src->buffer + i + 14, 4);
            if (!begins_at_once(src, serial))
                src->cut = "it is a chain of streams, of which the first is decoded";
            return;
        }
    src->cut = too_short;
}

/* Behind the ID3v2 tags that a file begins with. */
static int64_t tags_end(source *src)
{
    unsigned char head[10];
    int64_t at = 0;
    while (source_peek(src, at, head, 10) == 10 && memcmp(head, "ID3", 3) == 0)
        at += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (head[5] & 0x10 ? 10 : 0);
    return at;
}

enum { XING = 16 }; /* bytes: name, flags, number of frames, number of bytes */

/* The Xing or Info header in the first frame of MPEG audio, which tells its length. */
static bool read_xing(source *src, int64_t frame, unsigned char out[XING])
{
    unsigned char first[4096];
    int64_t n = source_peek(src, frame, first, sizeof first);
    for (int64_t i = 0; i + XING <= n; i++) {
        if (memcmp(first + i, "Xing", 4) != 0 && memcmp(first + i, "Info", 4) != 0) continue;
        memcpy(out, first + i, XING);
        return true;
    }
    return false;
}

bool mpeg_has_length(source *src)
{
    unsigned char xing[XING];
    return read_xing(src, tags_end(src), xing) && (xing[7] & 1);
}

/* Files put one behind the other have the length of the first. */
static void check_mpeg_surplus(source *src)
{
    unsigned char xing[XING], byte;
    int64_t frame = tags_end(src);
    if (!read_xing(src, frame, xing) || (xing[7] & 3) != 3) return;
    int64_t end = frame + (int64_t)number(xing + 12, 4, true), surplus = src->bytes - end;
    if (surplus <= TAIL_MAX) return;
    src->buffer_n = 0;
    if (source_peek(src, end + surplus / 2, &byte, 1) == 1 && mpeg_find(src->buffer, src->buffer_n) >= 0)
        src->cut = surplus_audio;
}

/* libsndfile knows MPEG audio by its first bytes, but there are files with others before. */
static void check_mpeg(source *src, int64_t at)
{
    unsigned char head;
    src->buffer_n = 0;
    if (source_peek(src, at, &head, 1) != 1) return;
    int64_t begin = mpeg_find(src->buffer, src->buffer_n);
    if (begin < 0) return;
    if (begin > 0) {
        src->buffer_n = 0; /* what it holds is counted from the old beginning */
        src->begin += at + begin;
        src->bytes -= at + begin;
    }
    check_mpeg_surplus(src);
    if (!mpeg_has_length(src)) src->pretend = src->bytes * MPEG_RATIO;
}

bool flac_goes_on(source *src)
{
    unsigned char byte;
    if (src->watch.rate == 0 || src->at >= src->bytes) return false;
    int64_t from =
        src->at > SOURCE_BUFFER / 2 ? src->at - SOURCE_BUFFER / 2 : 1; /* not the stream's own beginning */
    src->buffer_n = 0;
    source_peek(src, from, &byte, 1);
    const unsigned char *p = src->buffer, *end = src->buffer + src->buffer_n;
    for (; (p = memmem(p, (size_t)(end - p), "fLaC", 4)) && end - p >= 8; p++)
        if (memcmp(p + 5, "\0\0\x22", 3) == 0 && (p[4] & 0x7f) == 0)
            return true; /* its STREAMINFO, of 34 bytes */
    return false;
}

static void check_flac(source *src, int64_t at)
{
    unsigned char head[21];
    if (source_peek(src, at, head, sizeof head) == (int64_t)sizeof head) src->watch.rate = flac_rate(head);
    src->buffer_n = 0; /* to be read again, and watched */
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
    if (memcmp(magic, ".snd", 4) == 0 || memcmp(magic, "dns.", 4) == 0) {
        check_au(src, magic[0] == '.');
        return;
    }
    if (memcmp(magic, "OggS", 4) == 0) {
        check_ogg(src);
        return;
    }
    int64_t at = tags_end(src);
    if (source_peek(src, at, magic, 4) == 4 && memcmp(magic, "fLaC", 4) == 0)
        check_flac(src, at);
    else
        check_mpeg(src, at);
}
