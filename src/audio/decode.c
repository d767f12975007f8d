#include "decoder.h"

#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples per decoded block, over all channels: the memory of a track, however long it is. */
enum { BLOCK_FRAMES = 4096, BLOCK_SAMPLES = 65536 };

/* A sample beyond this is no sound but a number gone astray; its square would be lost in float. */
static const float sample_max = 1e9F;

const char *decoder_format(int format)
{
    static const struct {
        int type;
        const char *name;
    } names[] = {
        {SF_FORMAT_WAV, "wav"},   {SF_FORMAT_WAVEX, "wav"}, {SF_FORMAT_RF64, "rf64"}, {SF_FORMAT_W64, "w64"},
        {SF_FORMAT_FLAC, "flac"}, {SF_FORMAT_AIFF, "aiff"}, {SF_FORMAT_AU, "au"},     {SF_FORMAT_CAF, "caf"},
        {SF_FORMAT_MPEG, "mp3"},  {SF_FORMAT_OGG, "ogg"},
    };
    int type = format & SF_FORMAT_TYPEMASK, codec = format & SF_FORMAT_SUBMASK;
    if (type == SF_FORMAT_OGG && codec == SF_FORMAT_VORBIS) return "ogg-vorbis";
    if (type == SF_FORMAT_OGG && codec == SF_FORMAT_OPUS) return "ogg-opus";
    if (type == SF_FORMAT_MPEG && codec != SF_FORMAT_MPEG_LAYER_III) return "mpeg";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].type == type) return names[i].name;
    return "other";
}

static int64_t block_frames(int channels)
{
    int64_t n = BLOCK_SAMPLES / channels;
    return n < 1 ? 1 : n > BLOCK_FRAMES ? BLOCK_FRAMES : n;
}

/* Whether the decoder gave up before the end. MPEG audio may carry tags behind it, which are not decoded. */
static bool gave_up(const sound *s)
{
    int64_t left = s->src->bytes - s->src->at;
    return sf_error(s->file) != SF_ERR_NO_ERROR || s->src->error != 0 ||
           (s->rough && left > SOURCE_BUFFER + s->src->bytes / 200);
}

/* The length of a file whose header does not tell it: decode it all. Rare: streams written to a pipe. */
static tt_status count_frames(sound *s, int64_t *frames)
{
    int64_t block = block_frames(s->info.channels), got;
    float *raw;
    TT_TRY(tt_alloc(block * s->info.channels, sizeof *raw, "decoded audio", &raw));
    *frames = 0;
    while ((got = sound_read(s, raw, block)) > 0) *frames += got;
    free(raw);
    return TT_OK;
}

tt_status tt_audio_probe(const tt_track *track, tt_audio_info *info, tt_track_status *status)
{
    *info = (tt_audio_info){0};
    sound s;
    tt_status code = sound_open(track, 0, &s, status);
    if (code == TT_OK && s.file) {
        info->sample_rate = s.info.samplerate;
        info->channels = s.info.channels;
        info->frames = s.info.frames > 0 ? s.info.frames : 0;
        snprintf(info->format, sizeof info->format, "%s", decoder_format(s.info.format));
    }
    bool readable = code == TT_OK && *status <= TT_CLIP_SOFT;
    if (readable && s.unknown) {
        code = count_frames(&s, &info->frames);
        if (code == TT_OK && *status == TT_TRACK_OK && gave_up(&s)) {
            *status = TT_TRACK_TRUNCATED;
            tt_fail(TT_ERR_INPUT, "%s: the data ends early or is damaged after %.2f s", s.src->name,
                    (double)info->frames / info->sample_rate);
        }
    }
    if (readable && info->frames == 0) {
        *status = TT_TRACK_DAMAGED;
        tt_fail(TT_ERR_INPUT, "%s: no sample could be decoded", s.src->name);
    }
    if (!readable) info->frames = 0;
    if (info->sample_rate > 0) info->seconds = (double)info->frames / info->sample_rate;
    sound_close(&s);
    return code;
}

static int64_t rescale(int64_t frames, int from, int to)
{
    return (int64_t)((__int128)frames * to / from);
}

/* Frames announced; for a file that announces none, what the scan counted, or counting now. */
static tt_status find_length(tt_audio *a, const tt_track *track)
{
    int64_t frames = a->sound.info.frames;
    if (a->sound.unknown && track->seconds > 0 && track->seconds < 1e9) {
        frames = llround(track->seconds * a->from);
    } else if (a->sound.unknown) {
        sound s;
        tt_track_status status;
        tt_status code = sound_open(track, a->limit, &s, &status);
        if (code == TT_OK && s.file) code = count_frames(&s, &frames);
        sound_close(&s);
        TT_TRY(code);
    }
    a->frames = rescale(frames, a->from, a->to);
    return TT_OK;
}

tt_status decoder_resample(tt_audio *a)
{
    if (a->resampler) soxr_delete(a->resampler);
    a->resampler = NULL;
    if (a->from == a->to) return TT_OK;
    soxr_error_t error;
    soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    a->resampler = soxr_create(a->from, a->to, 1, &error, &io, &quality, &runtime);
    if (!a->resampler)
        return tt_fail(TT_ERR_MEMORY, "%s: cannot resample %d to %d Hz: %s", a->sound.src->name, a->from,
                       a->to, soxr_strerror(error));
    return TT_OK;
}

static tt_status prepare(tt_audio *a, const tt_track *track, int sample_rate)
{
    a->from = a->sound.info.samplerate;
    a->to = sample_rate;
    a->block = block_frames(a->sound.info.channels);
    TT_TRY(tt_alloc(a->block * a->sound.info.channels, sizeof *a->raw, "decoded audio", &a->raw));
    TT_TRY(tt_alloc(a->block, sizeof *a->mono, "decoded audio", &a->mono));
    TT_TRY(find_length(a, track));
    return decoder_resample(a);
}

tt_status tt_audio_open(const tt_track *track, int sample_rate, tt_audio **out, tt_track_status *status)
{
    return tt_audio_open_within(track, sample_rate, 0, out, status);
}

tt_status tt_audio_open_within(const tt_track *track, int sample_rate, double seconds, tt_audio **out,
                               tt_track_status *status)
{
    *out = NULL;
    tt_audio *a;
    TT_TRY(tt_alloc(1, sizeof *a, "an audio decoder", &a));
    a->limit = seconds;
    tt_status code = sound_open(track, seconds, &a->sound, status);
    if (code == TT_OK && *status <= TT_CLIP_SOFT) {
        code = prepare(a, track, sample_rate);
        if (code == TT_OK) *out = a;
    }
    if (!*out) tt_audio_close(a);
    return code;
}

TT_KERNEL static void mix_down(const float *restrict raw, int64_t n, int channels, float *restrict mono)
{
    if (channels == 1) { /* these two cases are nearly all music, and vector code */
        memcpy(mono, raw, (size_t)n * sizeof *mono);
        return;
    }
    if (channels == 2) {
        for (int64_t i = 0; i < n; i++) mono[i] = (raw[2 * i] + raw[2 * i + 1]) * 0.5F;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++) sum += raw[i * channels + c];
        mono[i] = sum / (float)channels;
    }
}

/* How many of n samples are no numbers, or beyond all sound. */
TT_KERNEL static int64_t count_bad(const float *restrict x, int64_t n)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad += !(fabsf(x[i]) <= sample_max);
    return bad;
}

/* Samples that are no numbers become 0, so that they do not spread; where they were, in samples of the target
 * rate, is kept until they have been delivered. */
static void drop_bad(tt_audio *a)
{
    if (count_bad(a->mono + a->mono_at, a->mono_n - a->mono_at) == 0) return;
    for (int64_t i = a->mono_at; i < a->mono_n; i++) {
        if (fabsf(a->mono[i]) <= sample_max) continue;
        a->mono[i] = 0;
        if (a->bad_from == a->bad_to) a->bad_from = rescale(a->decoded + i, a->from, a->to);
        a->bad_to = rescale(a->decoded + i, a->from, a->to) + 1;
    }
}

/* How a stream that gives no more samples has ended. Of MPEG audio a few frames, or one in 200, may
 * be missing. Ogg's page marks may be off by less than a block,
 * as music that is sold shows; that an Ogg file is cut short is seen by its last page. */
static tt_track_status judge_end(const tt_audio *a)
{
    const sound *s = &a->sound;
    if (s->src->late) {
        tt_fail(TT_ERR_INPUT, "%s: took longer than audio.time_limit (%g s), given up at %.2f s",
                s->src->name, a->limit, (double)a->decoded / a->from);
        return TT_TRACK_TIMEOUT;
    }
    int64_t missing = s->info.frames == SF_COUNT_MAX ? 0 : s->info.frames - a->decoded;
    bool ogg = (s->info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG;
    int64_t slack = s->rough ? 3 * 1152 + s->info.frames / 200 : ogg ? 4096 : 0;
    if (flac_goes_on(s->src)) s->src->cut = "another stream follows, which is not decoded,";
    if (a->decoded > 0 && missing <= slack && !gave_up(s) && !s->src->cut) return TT_TRACK_OK;
    const char *why = s->src->error ? strerror(s->src->error)
                      : s->src->cut ? s->src->cut
                                    : "the data ends early or is damaged";
    if (missing > 0)
        tt_fail(TT_ERR_INPUT, "%s: %s after %.2f s of %.2f s", s->src->name, why,
                (double)a->decoded / a->from, (double)a->frames / a->to);
    else
        tt_fail(TT_ERR_INPUT, "%s: %s after %.2f s", s->src->name, why, (double)a->decoded / a->from);
    return a->decoded > 0 ? TT_TRACK_TRUNCATED : TT_TRACK_DAMAGED;
}

static void decode_block(tt_audio *a)
{
    a->mono_at = 0;
    a->mono_n = source_is_late(a->sound.src) ? 0 : sound_read(&a->sound, a->raw, a->block);
    if (a->mono_n <= 0) {
        a->mono_n = 0;
        a->ended = true;
        a->end = judge_end(a);
        return;
    }
    if (a->begin > a->decoded) a->mono_at = a->begin - a->decoded;
    if (a->mono_at > a->mono_n) a->mono_at = a->mono_n;
    mix_down(a->raw, a->mono_n, a->sound.info.channels, a->mono);
    drop_bad(a);
    a->decoded += a->mono_n;
}

/* Move what is decoded on to `samples` [n]; *moved counts what came out. */
static tt_status move(tt_audio *a, float *samples, int64_t n, int64_t *moved)
{
    size_t ready = (size_t)(a->mono_n - a->mono_at), taken = 0, made = 0;
    if (!a->resampler) {
        made = taken = ready < (size_t)n ? ready : (size_t)n;
        memcpy(samples, a->mono + a->mono_at, taken * sizeof *samples);
    } else {
        bool flush = a->ended; /* soxr is told the end by NULL */
        if (a->phases) tt_phase(a->phases, "resample");
        soxr_error_t error = soxr_process(a->resampler, flush ? NULL : a->mono + a->mono_at,
                                          flush ? 0 : ready, &taken, samples, (size_t)n, &made);
        if (a->phases) tt_phase(a->phases, "decode");
        if (error)
            return tt_fail(TT_ERR_INTERNAL, "%s: resampling failed: %s", a->sound.src->name,
                           soxr_strerror(error));
    }
    a->mono_at += (int64_t)taken;
    *moved = (int64_t)made;
    return TT_OK;
}

tt_status tt_audio_read(tt_audio *a, float *samples, int64_t n, int64_t *got, tt_track_status *status)
{
    *got = 0;
    while (*got < n) {
        if (a->mono_at == a->mono_n && !a->ended) decode_block(a);
        int64_t moved = 0;
        TT_TRY(move(a, samples + *got, n - *got, &moved));
        *got += moved;
        if (moved == 0 && a->ended) break;
    }
    if (*got < n && a->end != TT_TRACK_OK) *status = a->end;
    int64_t from = a->delivered;
    a->delivered += *got;
    if (a->bad_from < a->bad_to && a->bad_from < a->delivered && a->bad_to > from) {
        *status = TT_TRACK_NON_FINITE;
        tt_fail(TT_ERR_INPUT, "%s: a sample near %.2f s is not a finite number", a->sound.src->name,
                (double)a->bad_from / a->to);
    }
    if (a->bad_to <= a->delivered) a->bad_from = a->bad_to = 0;
    return TT_OK;
}

void tt_audio_time(tt_audio *audio, tt_phases *phases)
{
    audio->phases = phases;
}

void tt_audio_close(tt_audio *audio)
{
    if (!audio) return;
    if (audio->resampler) soxr_delete(audio->resampler);
    sound_close(&audio->sound);
    free(audio->raw);
    free(audio->mono);
    free(audio);
}
