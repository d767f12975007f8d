#include "synth/render.h"

#include "synth/dice.h"
#include "synth/drum.h"
#include "tutti/memory.h"
#include "tutti/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

TT_KERNEL static void add_scaled(const float *restrict in, float gain, float *restrict out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] += gain * in[i];
}

/* An amplifier driven into saturation: a rational tanh, level kept by `make_up`. */
TT_KERNEL static void saturate(float drive, float make_up, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float y = drive * x[i];
        y = y > 3 ? 3 : y < -3 ? -3 : y;
        x[i] = make_up * y * (27 + y * y) / (27 + 9 * y * y);
    }
}

TT_KERNEL static void comb(const float *restrict in, float feedback, const float *restrict past,
                           float *restrict y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = in[i] + feedback * past[i];
}

static tt_status make_room(synth_studio *s, int64_t frames)
{
    if (!s->bank) TT_TRY(synth_bank_new(&s->bank));
    if (s->frames >= frames) return TT_OK;
    float **buffer[] = {&s->part, &s->scratch, &s->send, &s->side[0], &s->side[1]};
    s->frames = 0;
    for (size_t i = 0; i < sizeof buffer / sizeof *buffer; i++) {
        free(*buffer[i]);
        /* the last two are also read as one interleaved buffer of twice the length, see interleave() */
        TT_TRY(tt_alloc(i == 1 ? 2 * frames : frames, sizeof(float), "samples of a track", buffer[i]));
    }
    s->frames = frames;
    return TT_OK;
}

void synth_studio_free(synth_studio *s)
{
    free(s->bank);
    free(s->part);
    free(s->scratch);
    free(s->send);
    free(s->side[0]);
    free(s->side[1]);
    *s = (synth_studio){0};
}

/* ---- parts ---- */

static void play_drums(synth_studio *s, const synth_plan *plan, const synth_song *song, uint32_t where)
{
    static const float balance[DRUMS] = {1.0f, 0.75f, 0.35f, 0.4f, 0.5f};
    const synth_voice *v = &song->part[PART_DRUMS];
    for (int drum = 0; drum < DRUMS; drum++) {
        int64_t room = synth_drum_make(s->bank, &song->kit, (synth_drum)drum, plan->sample_rate, where,
                                       s->scratch, plan->frames);
        for (int64_t i = 0; i < v->n; i++) {
            if ((int)v->note[i].pitch != drum) continue;
            int64_t at = (int64_t)((double)v->note[i].start * plan->sample_rate);
            int64_t n = plan->frames - at < room ? plan->frames - at : room;
            if (n > 0) add_scaled(s->scratch, balance[drum] * v->note[i].loud, s->part + at, n);
        }
    }
}

static void echo(float *x, int64_t delay, float level, int64_t frames)
{
    for (int64_t at = delay; at < frames; at += delay)
        add_scaled(x + at - delay, level, x + at, frames - at < delay ? frames - at : delay);
}

/* The speaker of a driven amplifier: nothing much above 5 kHz. */
static void speaker(float *x, int sample_rate, int64_t frames)
{
    float a = (float)(1 - exp(-two_pi * 4500 / sample_rate)), y = 0, z = 0;
    for (int64_t i = 0; i < frames; i++) {
        y += a * (x[i] - y);
        z += a * (y - z);
        x[i] = z;
    }
}

static void play_part(synth_studio *s, const synth_plan *plan, const synth_song *song, synth_part part,
                      dice *d)
{
    const synth_voice *v = &song->part[part];
    uint32_t where = (uint32_t)dice_word(d);
    memset(s->part, 0, (size_t)plan->frames * sizeof(float));
    if (part == PART_DRUMS) {
        play_drums(s, plan, song, where);
        return;
    }
    const synth_patch *patch = synth_patch_of(v->patch);
    for (int64_t i = 0; i < v->n; i++)
        synth_patch_play(s->bank, patch, &v->note[i], plan->sample_rate, where + (uint32_t)i * 7919u,
                         s->scratch, s->part, plan->frames);
    if (v->drive > 0.02f) {
        float drive = 1 + 30 * v->drive * v->drive;
        saturate(drive, 0.9f / sqrtf(drive), s->part, plan->frames);
        if (v->drive > 0.3f) speaker(s->part, plan->sample_rate, plan->frames);
    }
    if (v->echo > 0) echo(s->part, (int64_t)(3 * song->step * plan->sample_rate), v->echo, plan->frames);
}

/* Put the part into the mix: pan by constant power; width by a late copy on the other side. */
static void mix_part(synth_studio *s, const synth_plan *plan, const synth_voice *v)
{
    add_scaled(s->part, v->gain * v->send, s->send, plan->frames);
    if (plan->channels == 1) {
        add_scaled(s->part, v->gain, s->side[0], plan->frames);
        return;
    }
    double angle = (1 + (double)v->pan) * two_pi / 8;
    float left = v->gain * (float)(1.414 * cos(angle)), right = v->gain * (float)(1.414 * sin(angle));
    int64_t late = v->width > 0.2f ? (int64_t)((double)v->width * 0.018 * plan->sample_rate) : 0;
    if (late >= plan->frames) late = 0;
    add_scaled(s->part, left, s->side[0], plan->frames);
    add_scaled(s->part, right, s->side[1] + late, plan->frames - late);
}

/* ---- the room ---- */

/* Four combs in parallel (Schroeder 1962) into `out`; the other side's delays are a little longer. */
static void reverberate(synth_studio *s, const synth_plan *plan, const synth_recording *r, int side)
{
    static const double delay[4] = {0.0297, 0.0371, 0.0411, 0.0437};
    for (int k = 0; k < 4; k++) {
        double seconds = delay[k] + 0.0013 * side;
        int64_t n = (int64_t)(seconds * plan->sample_rate);
        float feedback = (float)pow(10, -3 * seconds / (double)r->reverb_seconds);
        for (int64_t at = 0; at < plan->frames; at += n) {
            int64_t run = plan->frames - at < n ? plan->frames - at : n;
            if (at == 0)
                memcpy(s->scratch, s->send, (size_t)run * sizeof(float));
            else
                comb(s->send + at, feedback, s->scratch + at - n, s->scratch + at, run);
        }
        float gain = 0.35f * r->reverb * (k % 2 ? -1.0f : 1.0f);
        if (n < plan->frames) add_scaled(s->scratch, gain, s->side[side] + n, plan->frames - n);
    }
}

/* What a room takes off the highs before they come back. */
static void soften(float *x, int sample_rate, int64_t frames)
{
    float a = (float)(1 - exp(-two_pi * 3500 / sample_rate)), y = 0;
    for (int64_t i = 0; i < frames; i++) {
        y += a * (x[i] - y);
        x[i] = y;
    }
}

/* ---- the recording ---- */

/* Tilt about 900 Hz, low cut and high cut, one pole each, in one pass. */
static void equalise(const synth_recording *r, int sample_rate, float *x, int64_t frames)
{
    float split = (float)(1 - exp(-two_pi * 900 / sample_rate));
    float low = (float)(1 - exp(-two_pi * (double)r->low_cut / sample_rate));
    float high = (float)(1 - exp(-two_pi * fmin((double)r->high_cut, 0.45 * sample_rate) / sample_rate));
    float up = (float)pow(10, (double)r->tilt / 40), down = 1 / up, body = 0, floor_ = 0, y = 0, z = 0;
    bool cut = r->high_cut < 0.4f * (float)sample_rate;
    for (int64_t i = 0; i < frames; i++) {
        body += split * (x[i] - body);
        float v = down * body + up * (x[i] - body);
        floor_ += low * (v - floor_);
        v -= floor_;
        y += high * (v - y);
        z += high * (y - z);
        x[i] = cut ? z : v;
    }
}

static double power(const float *x, int64_t frames)
{
    double sum = 0;
    for (int64_t i = 0; i < frames; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

/* Hiss, then the level asked for, with peaks rounded off below full scale. */
static void master(synth_studio *s, const synth_plan *plan, const synth_recording *r, uint32_t where)
{
    double sum = 0;
    for (int c = 0; c < plan->channels; c++) sum += power(s->side[c], plan->frames);
    double rms = sqrt(sum / (double)(plan->frames * plan->channels)) + 1e-9;
    float gain = (float)(pow(10, (double)r->level / 20) / rms), hiss = r->noise * (float)rms;
    for (int c = 0; c < plan->channels; c++) {
        float *x = s->side[c];
        uint32_t at = where + 12345u * (uint32_t)c;
        for (int64_t i = 0; i < plan->frames; i++)
            x[i] += hiss * s->bank->noise[(at + (uint32_t)i) & (NOISE_SIZE - 1)];
        saturate(gain, 0.98f, x, plan->frames);
    }
}

static const float *interleave(synth_studio *s, const synth_plan *plan)
{
    if (plan->channels == 1) return s->side[0];
    for (int64_t i = 0; i < plan->frames; i++) {
        s->scratch[2 * i] = s->side[0][i];
        s->scratch[2 * i + 1] = s->side[1][i];
    }
    return s->scratch;
}

tt_status synth_render(synth_studio *s, const synth_plan *plan, const synth_song *song, const float **samples)
{
    TT_TRY(make_room(s, plan->frames));
    dice d = dice_new(plan->seed, DICE_SOUND, plan->index);
    size_t bytes = (size_t)plan->frames * sizeof(float);
    memset(s->send, 0, bytes);
    for (int c = 0; c < plan->channels; c++) memset(s->side[c], 0, bytes);
    for (int p = 0; p < PARTS; p++) {
        if (song->part[p].gain <= 0 || song->part[p].n == 0) continue;
        play_part(s, plan, song, (synth_part)p, &d);
        mix_part(s, plan, &song->part[p]);
    }
    soften(s->send, plan->sample_rate, plan->frames);
    for (int c = 0; c < plan->channels; c++) {
        reverberate(s, plan, &song->recording, c);
        equalise(&song->recording, plan->sample_rate, s->side[c], plan->frames);
    }
    master(s, plan, &song->recording, (uint32_t)dice_word(&d));
    *samples = interleave(s, plan);
    return TT_OK;
}
