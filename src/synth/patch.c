#include "synth/patch.h"

#include "tutti/memory.h"
#include "tutti/random.h"
#include "tutti/simd.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

static const synth_patch patches[PATCHES] = {
    [PATCH_SUPERSAW] = {METHOD_WAVE, WAVE_SAW, 4, 28, 0.03f, 0.4f, 0.7f, 0.25f, 2600, 1, 0.1f, .level = 0.2f},
    [PATCH_ACID] = {METHOD_WAVE, WAVE_SAW, 1, 0, 0.003f, 0.18f, 0.4f, 0.04f, 320, 3, 0.75f, .level = 0.5f},
    [PATCH_SUB] = {METHOD_WAVE, WAVE_SINE, 1, 0, 0.008f, 0.5f, 0.7f, 0.08f, .level = 0.7f},
    [PATCH_UPRIGHT] = {METHOD_PLUCK, .attack = 0.002f, .release = 0.08f, .ring = 1.6f, .bright = 0.15f,
                       .level = 0.9f},
    [PATCH_PICKED] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.05f, .ring = 2.5f, .bright = 0.5f,
                      .level = 0.7f},
    [PATCH_ORGAN] = {METHOD_WAVE, WAVE_ORGAN, 2, 5, 0.01f, 0.1f, 0.9f, 0.06f, .vibrato = 8, .level = 0.3f},
    [PATCH_EPIANO] = {METHOD_FM, .attack = 0.002f, .decay = 1.4f, .sustain = 0.1f, .release = 0.2f,
                      .ratio = 1, .index = 1.6f, .level = 0.4f},
    [PATCH_PIANO] = {METHOD_WAVE, WAVE_STRUCK, 2, 3, 0.002f, 0.9f, 0.08f, 0.2f, 900, 2.2f, 0, .level = 0.45f},
    [PATCH_NYLON] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.15f, .ring = 1.8f, .bright = 0.35f,
                     .level = 0.6f},
    [PATCH_STEEL] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.2f, .ring = 3, .bright = 0.75f,
                     .level = 0.5f},
    [PATCH_CLEAN] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.06f, .ring = 2.2f, .bright = 0.55f,
                     .level = 0.55f},
    [PATCH_POWER] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.04f, .ring = 6, .bright = 0.6f,
                     .level = 0.9f},
    [PATCH_STRINGS] = {METHOD_WAVE, WAVE_SAW, 3, 16, 0.12f, 0.5f, 0.85f, 0.3f, 1900, 0, 0, .vibrato = 10,
                       .level = 0.24f},
    [PATCH_FLUTE] = {METHOD_WAVE, WAVE_REED, 1, 0, 0.06f, 0.2f, 0.85f, 0.1f, 1500, 0.5f, 0, .vibrato = 18,
                     .breath = 0.12f, .level = 0.5f},
    [PATCH_BRASS] = {METHOD_FM, .attack = 0.05f, .decay = 0.3f, .sustain = 0.75f, .release = 0.08f,
                     .ratio = 1, .index = 3, .vibrato = 8, .level = 0.4f},
    [PATCH_SAX] = {METHOD_WAVE, WAVE_REED, 1, 0, 0.03f, 0.2f, 0.8f, 0.08f, 2200, 0.8f, 0.2f, .vibrato = 14,
                   .breath = 0.05f, .level = 0.45f},
    [PATCH_BELL] = {METHOD_FM, .attack = 0.001f, .decay = 1.5f, .sustain = 0, .release = 0.8f, .ratio = 3.51f,
                    .index = 2, .level = 0.35f},
    [PATCH_HARMONIUM] = {METHOD_WAVE, WAVE_REED, 2, 9, 0.06f, 0.2f, 0.9f, 0.12f, 2600, 0, 0, .breath = 0.02f,
                         .level = 0.32f},
    [PATCH_SITAR] = {METHOD_PLUCK, .attack = 0.001f, .release = 0.3f, .ring = 3.5f, .bright = 0.95f,
                     .vibrato = 6, .level = 0.5f},
    [PATCH_VOICE] = {METHOD_WAVE, WAVE_VOICE, 2, 8, 0.05f, 0.3f, 0.85f, 0.1f, .vibrato = 28, .breath = 0.03f,
                     .level = 0.45f},
    [PATCH_SAWLEAD] = {METHOD_WAVE, WAVE_SAW, 2, 10, 0.01f, 0.3f, 0.7f, 0.1f, 2400, 1.5f, 0.3f, .vibrato = 10,
                       .level = 0.35f},
    [PATCH_SQUARE] = {METHOD_WAVE, WAVE_SQUARE, 1, 0, 0.005f, 0.25f, 0.5f, 0.08f, 2000, 1, 0.2f,
                      .level = 0.35f},
    [PATCH_GLASS] = {METHOD_FM, .attack = 0.25f, .decay = 1.2f, .sustain = 0.6f, .release = 0.7f, .ratio = 2,
                     .index = 0.8f, .vibrato = 5, .level = 0.35f},
    [PATCH_CLARINET] = {METHOD_WAVE, WAVE_SQUARE, 1, 0, 0.03f, 0.2f, 0.9f, 0.07f, 1400, 0.3f, 0, .vibrato = 5,
                        .breath = 0.03f, .level = 0.4f},
};

const synth_patch *synth_patch_of(int name)
{
    return &patches[name];
}

/* ---- tables ---- */

static double formant(double hz, double centre, double width)
{
    double x = (hz - centre) / width;
    return exp(-0.5 * x * x);
}

/* Amplitude of harmonic h; `hz` is a tone in the middle of the table's octave. */
static double harmonic(synth_wave wave, int h, double hz)
{
    static const double drawbars[9] = {0, 1, 0.8, 0.5, 0.5, 0, 0.25, 0, 0.3};
    switch (wave) {
    case WAVE_SAW:
        return 1.0 / h;
    case WAVE_SQUARE:
        return h % 2 ? 1.2 / h : 0;
    case WAVE_REED:
        return (h % 2 ? 1.0 : 0.55) / pow(h, 1.3);
    case WAVE_ORGAN:
        return h < 9 ? drawbars[h] : 0;
    case WAVE_STRUCK:
        return fabs(sin(0.45 * h)) * exp(-0.07 * h) / sqrt(h);
    case WAVE_VOICE:
        return h * hz > 5500 ? 0
                             : (formant(h * hz, 650, 150) + 0.6 * formant(h * hz, 1150, 200) +
                                0.25 * formant(h * hz, 2700, 350) + 0.25 / h);
    default:
        return h == 1;
    }
}

static void fill_table(const float *sine, synth_wave wave, int level, float *table)
{
    int harmonics = WAVE_SIZE / 4 >> level;
    double hz = 40.0 * (1 << level) * 1.41;
    if (wave == WAVE_VOICE) harmonics = WAVE_SIZE / 4;
    double power = 0;
    for (int h = 1; h <= harmonics; h++) {
        double a = harmonic(wave, h, hz);
        power += 0.5 * a * a;
        if (a == 0) continue;
        for (int i = 0; i < WAVE_SIZE; i++) table[i] += (float)a * sine[h * i & (WAVE_SIZE - 1)];
    }
    float scale = (float)(0.5 / sqrt(power > 0 ? power : 1)); /* every wave at the same RMS */
    for (int i = 0; i < WAVE_SIZE; i++) table[i] *= scale;
    table[WAVE_SIZE] = table[0];
}

tt_status synth_bank_new(synth_bank **out)
{
    float sine[WAVE_SIZE];
    TT_TRY(tt_alloc(1, sizeof **out, "wave tables", out));
    for (int i = 0; i < WAVE_SIZE; i++) sine[i] = (float)sin(two_pi * i / WAVE_SIZE);
    for (int w = 0; w < WAVES; w++)
        for (int l = 0; l < WAVE_LEVELS; l++) fill_table(sine, (synth_wave)w, l, (*out)->wave[w][l]);
    tt_stream s = {0, TT_FOR_SYNTH, 200};
    for (int i = 0; i < NOISE_SIZE; i += 4) {
        uint64_t words[4];
        tt_random_words(s, 0, (uint64_t)i, words);
        for (int k = 0; k < 4; k++) (*out)->noise[i + k] = (float)((double)words[k] * 0x1p-63 - 1.0);
    }
    return TT_OK;
}

const float *synth_bank_table(const synth_bank *bank, synth_wave wave, double hz, int sample_rate)
{
    double octave =
        wave == WAVE_VOICE ? floor(log2(hz / 40.0)) : ceil(log2(hz * (WAVE_SIZE / 2) / sample_rate));
    int level = octave < 0 ? 0 : octave > WAVE_LEVELS - 1 ? WAVE_LEVELS - 1 : (int)octave;
    return bank->wave[wave][level];
}

/* ---- kernels over runs of at most RUN samples ---- */

static const float phase_fraction = 0x1p-22f; /* of the 32 - WAVE_BITS low bits of a phase */

static inline float look_up(const float *table, uint32_t phase)
{
    uint32_t i = phase >> (32 - WAVE_BITS);
    float fraction = (float)(int32_t)(phase & ((1u << (32 - WAVE_BITS)) - 1)) * phase_fraction;
    return table[i] + fraction * (table[i + 1] - table[i]);
}

TT_KERNEL static void oscillate(const float *restrict table, uint32_t phase, uint32_t step,
                                float *restrict out, int n)
{
    for (int i = 0; i < n; i++) out[i] += look_up(table, phase + (uint32_t)i * step);
}

TT_KERNEL static void modulate(const float *restrict sine, uint32_t carrier, uint32_t carrier_step,
                               uint32_t modulator, uint32_t modulator_step, float depth, float *restrict out,
                               int n)
{
    for (int i = 0; i < n; i++) {
        float bend = depth * look_up(sine, modulator + (uint32_t)i * modulator_step);
        out[i] += look_up(sine, carrier + (uint32_t)i * carrier_step + (uint32_t)(int32_t)bend);
    }
}

TT_KERNEL static void add_ramped(const float *restrict in, float from, float to, float *restrict out, int n)
{
    float slope = (to - from) / (float)n;
    for (int i = 0; i < n; i++) out[i] += in[i] * (from + slope * (float)i);
}

/** A two-pole low-pass, trapezoidal state variable form (Zavalishin, "The Art of VA Filter Design"). */
typedef struct lowpass {
    float a, b;
} lowpass;

static void filter(lowpass *f, float g, float damping, float *x, int n)
{
    float a1 = 1 / (1 + g * (g + damping)), a2 = g * a1, a3 = g * a2, s1 = f->a, s2 = f->b;
    for (int i = 0; i < n; i++) {
        float v3 = x[i] - s2, v1 = a1 * s1 + a2 * v3, v2 = s2 + a2 * s1 + a3 * v3;
        s1 = 2 * v1 - s1;
        s2 = 2 * v2 - s2;
        x[i] = v2;
    }
    f->a = s1;
    f->b = s2;
}

/* ---- notes ---- */

/* Attack, exponential decay to the sustain level, release after `held` seconds. */
static double envelope(const synth_patch *p, double t, double held)
{
    double attack = (double)p->attack, decay = (double)p->decay, sustain = (double)p->sustain;
    double now = t < held ? t : held;
    double level = now < attack
                       ? now / attack
                       : sustain + (1 - sustain) * (decay > 0 ? exp(-3 * (now - attack) / decay) : 0);
    if (p->method == METHOD_PLUCK) level = now < attack ? now / attack : 1;
    double after = (t - held) / (double)p->release;
    return t <= held ? level : after < 1 ? level * (1 - after) * (1 - after) : 0;
}

static uint32_t phase_step(double hz, int sample_rate)
{
    return (uint32_t)(hz / sample_rate * 4294967296.0);
}

/** One sounding note. */
typedef struct sounding {
    const synth_bank *bank;
    const synth_patch *patch;
    const float *table;
    double hz, held;
    int sample_rate;
    uint32_t phase[4], modulator, where;
    lowpass filter;
} sounding;

static void run_of_wave(sounding *s, double bend, float *x, int n)
{
    const synth_patch *p = s->patch;
    for (int u = 0; u < p->unison; u++) {
        double cents = p->unison > 1 ? (double)p->detune * ((double)u / (p->unison - 1) - 0.5) : 0;
        uint32_t step = phase_step(s->hz * bend * exp2(cents / 1200), s->sample_rate);
        oscillate(s->table, s->phase[u], step, x, n);
        s->phase[u] += step * (uint32_t)n;
    }
}

static void run_of_fm(sounding *s, double bend, double t, float *x, int n)
{
    const synth_patch *p = s->patch;
    uint32_t step = phase_step(s->hz * bend, s->sample_rate);
    uint32_t modulator_step = phase_step(s->hz * bend * (double)p->ratio, s->sample_rate);
    double fade = p->sustain > 0.5f ? (double)envelope(p, t, s->held) : exp(-2.5 * t / (double)p->decay);
    float depth = (float)((double)p->index * fade / two_pi * 4294967296.0);
    if (depth > 1.9e9f) depth = 1.9e9f; /* a phase that fits an int32 */
    modulate(s->table, s->phase[0], step, s->modulator, modulator_step, depth, x, n);
    s->phase[0] += step * (uint32_t)n;
    s->modulator += modulator_step * (uint32_t)n;
}

static void shape_run(sounding *s, double t, float *x, int n)
{
    const synth_patch *p = s->patch;
    if (p->breath > 0) {
        const float *noise = s->bank->noise + (s->where & (NOISE_SIZE - 1));
        for (int i = 0; i < n; i++) x[i] += p->breath * noise[i];
        s->where = (s->where + (uint32_t)n) % (NOISE_SIZE - RUN);
    }
    if (p->cutoff <= 0) return;
    double sweep = (double)p->sweep * exp(-4 * t / (double)(p->decay + 0.05f));
    double cutoff = ((double)p->cutoff + 1.5 * s->hz) * exp2(sweep);
    double limit = 0.42 * s->sample_rate;
    double g = tan(two_pi / 2 * (cutoff < limit ? cutoff : limit) / s->sample_rate);
    filter(&s->filter, (float)g, 1.6f - 1.4f * p->resonance, x, n);
}

static void play_runs(sounding *s, float loud, float *out, int64_t frames)
{
    float from = 0;
    for (int64_t at = 0; at < frames; at += RUN) {
        int n = frames - at < RUN ? (int)(frames - at) : RUN;
        float x[RUN] = {0};
        double t = (double)at / s->sample_rate, end = (double)(at + n) / s->sample_rate;
        double bend = s->patch->vibrato > 0
                          ? exp2((double)s->patch->vibrato / 1200 * fmin(1, 3 * t) * sin(two_pi * 5.3 * t))
                          : 1;
        if (s->patch->method == METHOD_FM)
            run_of_fm(s, bend, t, x, n);
        else
            run_of_wave(s, bend, x, n);
        shape_run(s, t, x, n);
        float to = loud * (float)envelope(s->patch, end, s->held);
        add_ramped(x, from, to, out + at, n);
        from = to;
    }
}

/* ---- plucked strings ---- */

/* x[i] from a period ago through four taps: the string's loss and the fraction of a sample in one. */
TT_KERNEL static void reflect(const float *restrict past, const float *restrict tap, float *restrict x,
                              int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = tap[0] * past[i + 3] + tap[1] * past[i + 2] + tap[2] * past[i + 1] + tap[3] * past[i];
}

/* A burst of noise, duller for a softer touch, without a mean. */
static void excite(const sounding *s, float *x, int64_t n)
{
    float keep = 0.85f - 0.8f * s->patch->bright, y = 0;
    double mean = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        y += (1 - keep) * (s->bank->noise[(s->where + (uint32_t)i) & (NOISE_SIZE - 1)] - y);
        x[i] = y;
        mean += (double)y / (double)n;
    }
    for (int64_t i = 0; i < n; i++) power += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    float scale = (float)(0.4 / sqrt(power + 1e-9));
    for (int64_t i = 0; i < n; i++) x[i] = (x[i] - (float)mean) * scale;
}

/* Karplus and Strong, "Digital synthesis of plucked-string and drum timbres" (1983), a period at a time. */
static void pluck(sounding *s, float loud, float *x, float *out, int64_t frames)
{
    const synth_patch *p = s->patch;
    double period = s->sample_rate / s->hz;
    int64_t whole = (int64_t)(period - 1.0), first = whole + 3;
    float c = (float)(period - 1.0 - (double)whole), damp = 0.24f - 0.2f * p->bright;
    float loss = (float)pow(10, -3 * period / s->sample_rate / (double)p->ring);
    if (whole < 4 || frames <= first) return;
    /* the symmetric low-pass (damp, 1 - 2 damp, damp) times the fraction (1 - c, c) */
    float d = damp, m = 1 - 2 * damp;
    float tap[4] = {loss * d * (1 - c), loss * (m * (1 - c) + d * c), loss * (d * (1 - c) + m * c),
                    loss * d * c};
    excite(s, x, first);
    for (int64_t at = first; at < frames; at += whole) {
        int64_t n = frames - at < whole ? frames - at : whole;
        reflect(x + at - whole - 3, tap, x + at, n);
    }
    float from = 0;
    for (int64_t at = 0; at < frames; at += RUN) {
        int n = frames - at < RUN ? (int)(frames - at) : RUN;
        float to = loud * (float)envelope(p, (double)(at + n) / s->sample_rate, s->held);
        add_ramped(x + at, from, to, out + at, n);
        from = to;
    }
}

void synth_patch_play(const synth_bank *bank, const synth_patch *patch, const synth_note *note,
                      int sample_rate, uint32_t where, float *scratch, float *out, int64_t frames)
{
    double hz = 440 * exp2(((double)note->pitch - 69) / 12);
    int64_t first = (int64_t)((double)note->start * sample_rate);
    int64_t n = (int64_t)((double)(note->seconds + patch->release) * sample_rate);
    if (n > frames - first) n = frames - first;
    if (n <= 0 || hz > 0.4 * sample_rate) return;
    sounding s = {.bank = bank,
                  .patch = patch,
                  .hz = hz,
                  .held = (double)note->seconds,
                  .sample_rate = sample_rate,
                  .where = where};
    s.table = synth_bank_table(bank, patch->method == METHOD_FM ? WAVE_SINE : patch->wave, hz, sample_rate);
    for (uint32_t u = 0; u < 4; u++) s.phase[u] = where * 2654435761u + u * 0x3c6ef372u;
    float loud = note->loud * patch->level;
    if (patch->method == METHOD_PLUCK)
        pluck(&s, loud, scratch, out + first, n);
    else
        play_runs(&s, loud, out + first, n);
}
