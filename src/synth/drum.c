#include "synth/drum.h"

#include "tutti/simd.h"

#include <math.h>
#include <string.h>

static const double two_pi = 6.283185307179586;
static const double inaudible = 7; /* e^-7 is -60 dB */

/** Where the sounds of one drum go. */
typedef struct canvas {
    const synth_bank *bank;
    float *out;
    int64_t frames, used;
    int sample_rate;
    uint32_t where;
} canvas;

static int64_t span(canvas *c, double start, double decay)
{
    int64_t end = (int64_t)((start + inaudible * decay) * c->sample_rate);
    if (end > c->frames) end = c->frames;
    if (end > c->used) c->used = end;
    return end;
}

/* A sine that falls from (1 + bend) hz to hz and fades out; decay: seconds to 1/e. */
static void tone(canvas *c, double hz, double bend, double bend_seconds, double decay, double level)
{
    int64_t end = span(c, 0, decay);
    double phase = 0, fall = bend, fade = level;
    double fall_by = exp(-1 / (bend_seconds * c->sample_rate)), fade_by = exp(-1 / (decay * c->sample_rate));
    for (int64_t i = 0; i < end; i++) {
        c->out[i] += (float)fade * sinf((float)phase);
        phase += two_pi * hz * (1 + fall) / c->sample_rate;
        if (phase > two_pi) phase -= two_pi;
        fall *= fall_by;
        fade *= fade_by;
    }
}

/* Noise between two cut-offs (one pole each), fading out from `start`. */
static void hiss(canvas *c, double start, double low, double high, double decay, double level)
{
    int64_t first = (int64_t)(start * c->sample_rate), end = span(c, start, decay);
    float a = (float)(1 - exp(-two_pi * fmin(high, 0.45 * c->sample_rate) / c->sample_rate));
    float b = (float)(1 - exp(-two_pi * low / c->sample_rate)), y = 0, z = 0;
    float fade = (float)level, fade_by = (float)exp(-1 / (decay * c->sample_rate));
    for (int64_t i = first; i < end; i++) {
        y += a * (c->bank->noise[(c->where + (uint32_t)i) & (NOISE_SIZE - 1)] - y);
        z += b * (y - z);
        c->out[i] += fade * (y - z);
        fade *= fade_by;
    }
}

/* Six inharmonic tones: the ring of a cymbal. */
static void ring(canvas *c, double hz, double decay, double level)
{
    static const double ratio[6] = {1, 1.342, 1.665, 1.936, 2.533, 3.123};
    for (int k = 0; k < 6; k++)
        if (hz * ratio[k] < 0.45 * c->sample_rate)
            tone(c, hz * ratio[k], 0, 1, decay / (1 + 0.2 * k), level / 6);
}

static void make_extra(canvas *c, synth_extra extra)
{
    switch (extra) {
    case EXTRA_CLAP:
        for (int k = 0; k < 3; k++) hiss(c, 0.011 * k, 900, 5000, 0.006, 0.7);
        hiss(c, 0.03, 900, 5000, 0.07, 0.7);
        return;
    case EXTRA_RIDE:
        ring(c, 2900, 0.25, 0.35);
        hiss(c, 0, 5000, 15000, 0.1, 0.25);
        return;
    case EXTRA_RIM:
        tone(c, 1700, 0.1, 0.005, 0.012, 0.7);
        hiss(c, 0, 1500, 9000, 0.008, 0.5);
        return;
    case EXTRA_SHAKER:
        hiss(c, 0, 4000, 14000, 0.035, 0.5);
        return;
    case EXTRA_TABLA:
        tone(c, 310, 0.05, 0.01, 0.09, 0.45);
        tone(c, 620, 0, 1, 0.06, 0.25);
        tone(c, 105, 0.5, 0.06, 0.12, 0.5);
        hiss(c, 0, 800, 6000, 0.01, 0.4);
        return;
    }
}

int64_t synth_drum_make(const synth_bank *bank, const synth_kit *kit, synth_drum drum, int sample_rate,
                        uint32_t where, float *out, int64_t frames)
{
    int64_t room = (int64_t)DRUM_SECONDS * sample_rate;
    canvas c = {bank, out, frames < room ? frames : room, 0, sample_rate, where};
    memset(out, 0, (size_t)c.frames * sizeof *out);
    switch (drum) {
    case DRUM_KICK:
        tone(&c, (double)kit->kick_hz, 3, 0.025, 0.5 * (double)kit->kick_seconds, 0.9);
        hiss(&c, 0, 1200, 7000, 0.004, (double)kit->kick_click);
        break;
    case DRUM_SNARE:
        tone(&c, (double)kit->snare_hz, 0.6, 0.015, 0.4 * (double)kit->snare_seconds, 0.5);
        hiss(&c, 0, 700, 9000, 0.5 * (double)kit->snare_seconds, (double)kit->snare_noise);
        break;
    case DRUM_HAT:
        hiss(&c, 0, 7000, 16000, 0.6 * (double)kit->hat_seconds, 0.9);
        break;
    case DRUM_OPEN:
        hiss(&c, 0, 6000, 16000, 0.5 * (double)kit->open_seconds, 0.8);
        ring(&c, 3300, 0.4 * (double)kit->open_seconds, 0.15);
        break;
    default:
        make_extra(&c, kit->extra);
        break;
    }
    return c.used;
}
