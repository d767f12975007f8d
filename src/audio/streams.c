#include "streams.h"

#include <string.h>

/* ---- FLAC: RFC 9639, sections 8.2 and 9.1 ---- */

int flac_rate(const unsigned char *data)
{
    bool begins = memcmp(data, "fLaC", 4) == 0 && (data[4] & 0x7f) == 0;
    return begins ? data[18] << 12 | data[19] << 4 | data[20] >> 4 : 0;
}

/* What a frame header says. */
typedef struct frame {
    int rate;
    int64_t number, next; /* its own and the following frame's: frames counted, or samples */
} frame;

static unsigned char crc8(const unsigned char *p, int n)
{
    unsigned crc = 0;
    for (int i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc << 1 ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
    }
    return (unsigned char)crc;
}

/* A number coded as UTF-8 codes characters, of up to 36 bits. @return its bytes, 0 if it is none */
static int coded_number(const unsigned char *p, int64_t n, int64_t *value)
{
    int bytes = 0;
    while (bytes < 8 && n > 0 && (p[0] & 0x80 >> bytes)) bytes++;
    if (n <= 0 || bytes == 1 || bytes == 8 || bytes > n) return 0;
    if (bytes == 0) {
        *value = p[0];
        return 1;
    }
    *value = bytes < 7 ? p[0] & (0x7f >> bytes) : 0;
    for (int i = 1; i < bytes; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        *value = *value << 6 | (p[i] & 0x3f);
    }
    return bytes;
}

static int block_of(int code, const unsigned char *more)
{
    if (code == 1) return 192;
    if (code < 6) return 576 << (code - 2);
    if (code == 6) return more[0] + 1;
    if (code == 7) return (more[0] << 8 | more[1]) + 1;
    return 256 << (code - 8);
}

static int rate_of(int code, const unsigned char *more)
{
    static const int rates[] = {0,     88200, 176400, 192000, 8000,  16000,
                                22050, 24000, 32000,  44100,  48000, 96000};
    if (code < 12) return rates[code];
    return code == 12 ? 1000 * more[0] : (code == 13 ? 1 : 10) * (more[0] << 8 | more[1]);
}

/* Whether p [n] is the header of a frame. */
static bool read_frame(const unsigned char *p, int64_t n, frame *out)
{
    if (n < 6 || p[0] != 0xff || (p[1] & 0xfe) != 0xf8) return false;
    int block = p[2] >> 4, rate = p[2] & 15, depth = p[3] >> 1 & 7;
    if (block == 0 || rate == 15 || p[3] >> 4 > 10 || depth == 3 || (p[3] & 1)) return false;
    int at = coded_number(p + 4, n - 4, &out->number);
    int more_block = block == 6 ? 1 : block == 7 ? 2 : 0, more_rate = rate == 12 ? 1 : rate > 12 ? 2 : 0;
    if (at == 0) return false;
    at += 4;
    if (at + more_block + more_rate >= n) return false;
    int samples = block_of(block, p + at);
    out->rate = rate_of(rate, p + at + more_block);
    at += more_block + more_rate;
    out->next = out->number + (p[1] & 1 ? samples : 1);
    return crc8(p, at) == p[at];
}

int64_t flac_watch_bytes(flac_watch *watch, const unsigned char *data, int64_t n)
{
    int64_t first =
        0; /* where the last frame at another rate begins: before these bytes unless they hold it */
    for (const unsigned char *p = data; watch->rate > 0 && (p = memchr(p, 0xff, (size_t)(data + n - p)));
         p++) {
        frame f;
        if (!read_frame(p, data + n - p, &f) || f.rate == 0 || f.rate == watch->rate) continue;
        if (f.rate == watch->other && f.number == watch->next) return first;
        watch->other = f.rate;
        watch->next = f.next;
        first = p - data;
    }
    return -1;
}

/* ---- MPEG audio: ISO/IEC 11172-3, 2.4.2.3, and 13818-3 ---- */

enum { MPEG_FRAMES = 4 };

/* Bytes of the frame whose header is p [4], 0 if it is none. */
static int64_t mpeg_frame_bytes(const unsigned char *p)
{
    static const int rates[] = {44100, 48000, 32000};
    static const int kilobits[5][16] = {
        {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0}, /* version 1, layer I */
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0},
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0}, /* versions 2 and 2.5 */
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
    };
    int version = p[1] >> 3 & 3, layer = 4 - (p[1] >> 1 & 3), rate = p[2] >> 2 & 3, padding = p[2] >> 1 & 1;
    if (p[0] != 0xff || p[1] < 0xe0 || version == 1 || layer == 4 || rate == 3) return 0;
    int hertz = rates[rate] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
    int64_t bits = 1000 * kilobits[version == 3 ? layer - 1 : layer == 1 ? 3 : 4][p[2] >> 4];
    if (bits == 0) return 0;
    if (layer == 1) return (12 * bits / hertz + padding) * 4;
    return (layer == 3 && version != 3 ? 72 : 144) * bits / hertz + padding;
}

int64_t mpeg_find(const unsigned char *data, int64_t n)
{
    for (int64_t begin = 0; begin + 4 <= n; begin++) {
        int64_t at = begin, frames = 0;
        while (frames < MPEG_FRAMES && at + 4 <= n) {
            int64_t bytes = mpeg_frame_bytes(data + at);
            bool alike =
                (data[at + 1] ^ data[begin + 1]) < 2 && ((data[at + 2] ^ data[begin + 2]) & 0x0c) == 0;
            if (bytes == 0 || !alike) break;
            at += bytes;
            frames++;
        }
        if (frames == MPEG_FRAMES) return begin;
    }
    return -1;
}
