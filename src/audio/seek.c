/* Going to a place in a track without decoding what lies before it.
 *
 * What libsndfile 1.2 does was measured, and is tested against decoding from the start: after a seek PCM,
 * float, mu-law, A-law, IMA and Microsoft ADPCM, ALAC, FLAC and Vorbis give the very samples; MPEG audio does
 * once the bytes are known that a frame borrows from earlier ones (511 at most, or 255 at half rates), up to
 * a rounding in mono. It is decoded from some way before, as is Vorbis in a decoder that was elsewhere. Opus
 * is off by 0.001 for seconds, until its predictors have forgotten where they began; GSM, G.72x, DWVW and
 * others refuse. */
#include "decoder.h"

#include <string.h>

/* Frames per codec before the first that counts; -1 for codecs that are not to be trusted. */
static int64_t lead_of(const SF_INFO *info)
{
    switch (info->format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_IMA_ADPCM:
    case SF_FORMAT_MS_ADPCM:
    case SF_FORMAT_ALAC_16:
    case SF_FORMAT_ALAC_20:
    case SF_FORMAT_ALAC_24:
    case SF_FORMAT_ALAC_32:
        return 0;
    case SF_FORMAT_VORBIS:
        return 16384; /* two of its longest blocks */
    case SF_FORMAT_MPEG_LAYER_III:
        return 32768; /* 255 bytes are 24 frames of 576 at the lowest rate */
    default:
        return -1;
    }
}

/* Pieces that a track is worth cutting into. To find a frame of MPEG audio every header before it is read,
 * which costs a fifteenth of all the work on these frames. */
static const struct {
    const char *format;
    int pieces;
} formats[] = {
    {"wav", 64}, {"rf64", 64}, {"w64", 64}, {"aiff", 64},       {"au", 64},
    {"caf", 64}, {"flac", 64}, {"mp3", 4},  {"ogg-vorbis", 64},
};

static int most_pieces(const char *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(format, formats[i].format) == 0) return formats[i].pieces;
    return 1;
}

int64_t tt_audio_pieces(const tt_audio_params *params, const char *format, int64_t clips)
{
    static const double seconds = 60; /* of clips in a piece: far more than opening a file costs */
    double whole = (double)clips * params->clip_seconds / seconds;
    int64_t n = whole > 1e6 ? 1000000 : (int64_t)whole, most = most_pieces(format);
    if (n > clips) n = clips;
    return n < 1 ? 1 : n > most ? most : n;
}

static int64_t divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : divisor(b, a % b);
}

/* Where to begin so that sample `sample` comes out as if nothing had been left out: the resampler needs a
 * lead of its own, and begins where a frame and a sample fall together. */
static int64_t begin_of(const tt_audio *a, int64_t sample, int64_t *first)
{
    /* 256 samples of the lower rate are enough for soxr's HQ at any ratio */
    int64_t lead = 1024 * (1 + a->to / a->from);
    int64_t common = divisor(a->from, a->to), up = a->to / common, down = a->from / common;
    int64_t before = a->resampler ? sample - lead : sample;
    int64_t steps = before > 0 ? before / up : 0;
    *first = steps * up;
    return steps * down;
}

/* Go on from the start after a failed seek, which leaves some decoders in ruins. */
static tt_status start_again(tt_audio *a)
{
    a->no_seek = true;
    a->decoded = a->delivered = a->begin = 0;
    return sound_restart(&a->sound);
}

static tt_status jump(tt_audio *a, int64_t begin, int64_t first, int64_t lead)
{
    int64_t from = begin > lead ? begin - lead : 0;
    a->mono_at = a->mono_n = 0;
    a->bad_from = a->bad_to = 0;
    TT_TRY(decoder_resample(a));
    if (!sound_seek(&a->sound, from)) return start_again(a);
    a->decoded = from;
    a->begin = begin;
    a->delivered = first;
    return TT_OK;
}

/* Decode what is left before `sample`, for a bounded time. */
static tt_status drop(tt_audio *a, int64_t sample)
{
    enum { ROUNDS = 16, SCRATCH = 1024 };
    float scratch[SCRATCH];
    for (int i = 0; i < ROUNDS * SCRATCH && a->delivered < sample && !a->ended; i += SCRATCH) {
        int64_t left = sample - a->delivered, got;
        tt_track_status ignored;
        TT_TRY(tt_audio_read(a, scratch, left < SCRATCH ? left : SCRATCH, &got, &ignored));
    }
    return TT_OK;
}

tt_status tt_audio_seek(tt_audio *a, int64_t sample, bool *there)
{
    int64_t lead = lead_of(&a->sound.info), first;
    int64_t begin = begin_of(a, sample, &first);
    bool able = lead >= 0 && !a->no_seek && !a->sound.unknown && !a->ended &&
                most_pieces(decoder_format(a->sound.info.format)) > 1;
    if (able && begin - lead - a->decoded > a->from) TT_TRY(jump(a, begin, first, lead)); /* a second won */
    TT_TRY(drop(a, sample));
    *there = a->delivered >= sample || a->ended;
    return TT_OK;
}
