#include "synth/song.h"

#include "synth/dice.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double borrow = 0.08; /* probability that a part is taken from a neighbouring style */

enum { STEPS_MAX = 16, PHRASE_BARS = 4, MOTIF_MAX = 2 * STEPS_MAX };

static const signed char scales[SCALES][7] = {
    [SCALE_MAJOR] = {0, 2, 4, 5, 7, 9, 11},      [SCALE_MINOR] = {0, 2, 3, 5, 7, 8, 10},
    [SCALE_DORIAN] = {0, 2, 3, 5, 7, 9, 10},     [SCALE_PHRYGIAN] = {0, 1, 3, 5, 7, 8, 10},
    [SCALE_MIXOLYDIAN] = {0, 2, 4, 5, 7, 9, 10}, [SCALE_HARMONIC] = {0, 2, 3, 5, 7, 8, 11},
    [SCALE_BHAIRAV] = {0, 1, 4, 5, 7, 8, 11},
};

/** One note of a melody's motif: where in two bars, how long, how far up the scale from the note before. */
typedef struct motif_note {
    int step, steps, leap;
} motif_note;

typedef struct score {
    const synth_style *style;
    synth_song *song;
    dice *dice;
    double seconds; /**< of the whole track */
    int steps;      /**< per bar */
    double swing, late;
    int scale, key; /**< key: MIDI note of the root, 48 to 59 */
    int bars;
    const synth_progression *progression;
    const char *chords, *bass;
    const synth_groove *groove;
    const synth_style *source[PARTS]; /**< the style each part is taken from */
    motif_note motif[2][MOTIF_MAX];
    int motif_n[2];
} score;

static tt_status add(score *s, synth_part part, double start, double seconds, double pitch, double loud)
{
    synth_voice *v = &s->song->part[part];
    start += s->late * dice_normal(s->dice);
    if (start < 0) start = 0;
    if (start >= s->seconds) return TT_OK;
    if (v->n == v->room) {
        int64_t room = v->room > 0 ? 2 * v->room : 256;
        TT_TRY(tt_grow(v->n, room, sizeof *v->note, "notes", &v->note));
        v->room = room;
    }
    loud *= 1.0 + 0.08 * dice_normal(s->dice);
    v->note[v->n++] =
        (synth_note){(float)start, (float)seconds, (float)pitch, (float)fmin(1.0, fmax(0.05, loud))};
    return TT_OK;
}

/* Swing moves the second of two eighths towards the last third of the beat, and sixteenths half as far. */
static double when(const score *s, int bar, int step)
{
    double late = step % 4 == 2 ? s->swing * 2.0 / 3.0 : step % 2 == 1 ? s->swing / 3.0 : 0;
    return ((double)bar * s->steps + step + late) * s->song->step;
}

static double pitch_of(const score *s, int degree)
{
    int octave = degree >= 0 ? degree / 7 : -((6 - degree) / 7);
    return s->key + 12 * octave + scales[s->scale][degree - 7 * octave];
}

static int chord_at(const score *s, int bar)
{
    int n = 0;
    while (s->progression->degree[n] >= 0) n++;
    return s->progression->degree[bar / s->style->chord_bars % n];
}

/* Steps that the note at `step` of a pattern lasts: itself and the dashes after it. */
static int held(const char *pattern, int step, int steps)
{
    int n = 1;
    while (step + n < steps && pattern[step + n] == '-') n++;
    return n;
}

/* ---- drums ---- */

static double loudness(char c)
{
    return c == 'X' ? 1.0 : c == 'x' ? 0.75 : c == 'o' ? 0.4 : 0;
}

static tt_status compose_fill(score *s, int bar)
{
    for (int step = s->steps / 2; step < s->steps; step++)
        if (dice_chance(s->dice, 0.6))
            TT_TRY(add(s, PART_DRUMS, when(s, bar, step), 0,
                       dice_chance(s->dice, 0.3) ? DRUM_KICK : DRUM_SNARE, 0.5 + 0.4 * step / s->steps));
    return add(s, PART_DRUMS, when(s, bar + 1, 0), 0, DRUM_OPEN, 0.9);
}

static tt_status compose_drums(score *s, int bar, bool fill)
{
    for (int v = 0; v < DRUMS; v++) {
        const char *pattern = s->groove->voice[v];
        for (int step = 0; step < s->steps && pattern[step] != '\0'; step++) {
            double loud = loudness(pattern[step]);
            if (fill && step >= s->steps / 2 && v == DRUM_SNARE) break;
            if (loud > 0)
                TT_TRY(add(s, PART_DRUMS, when(s, bar, step), 0, v, loud));
            else if (v == DRUM_KICK && dice_chance(s->dice, 0.02))
                TT_TRY(add(s, PART_DRUMS, when(s, bar, step), 0, v, 0.4));
        }
    }
    return fill ? compose_fill(s, bar) : TT_OK;
}

/* ---- bass ---- */

static int bass_degree(score *s, char c, int root, int next)
{
    switch (c) {
    case 'f':
        return root + 4;
    case 't':
        return root + 2;
    case 'o':
        return root + 7;
    case 'w':
        return next + (dice_chance(s->dice, 0.5) ? 1 : -1);
    default:
        return root;
    }
}

static tt_status compose_bass(score *s, int bar)
{
    int root = chord_at(s, bar), next = chord_at(s, bar + 1);
    for (int step = 0; step < s->steps; step++) {
        char c = s->bass[step];
        if (c == '.' || c == '-') continue;
        double pitch = pitch_of(s, bass_degree(s, c, root, next)) - 12;
        while (pitch > 52) pitch -= 12;
        while (pitch < 28) pitch += 12;
        TT_TRY(add(s, PART_BASS, when(s, bar, step), held(s->bass, step, s->steps) * s->song->step * 0.92,
                   pitch, step == 0 ? 0.95 : 0.75));
    }
    return TT_OK;
}

/* ---- chords and pad ---- */

/* Tones of the chord on `degree`, each in the octave nearest to `centre`. Power chords and drones keep their
 * stack. */
static int voice_chord(const score *s, int degree, double centre, double tone[5])
{
    static const int stacks[5][4] = {{0}, {0, 4, 7, 0}, {0, 4, 7, 0}, {0, 2, 4, 0}, {0, 2, 4, 6}};
    int kind = s->style->chord_tones, n = kind <= 3 ? 3 : 4;
    double low = pitch_of(s, degree);
    while (kind <= 2 && low > centre - 8) low -= 12;
    for (int i = 0; i < n; i++) {
        if (kind <= 2) {
            static const int semitones[3] = {0, 7, 12};
            tone[i] = low + semitones[i];
            continue;
        }
        tone[i] = pitch_of(s, degree + stacks[kind][i]);
        while (tone[i] >= centre + 7) tone[i] -= 12;
        while (tone[i] < centre - 5) tone[i] += 12;
    }
    return n;
}

static tt_status compose_chords(score *s, int bar)
{
    double tone[5];
    int n = voice_chord(s, chord_at(s, bar), s->style->chord_tones <= 2 ? 52 : 60, tone);
    for (int step = 0; step < s->steps; step++) {
        char c = s->chords[step];
        if (c == '.' || c == '-') continue;
        double at = when(s, bar, step), lasts = held(s->chords, step, s->steps) * s->song->step * 0.9;
        bool one = c >= '1' && c <= '4';
        int low = one ? (c - '1') % n : 0, high = one ? low + 1 : n;
        double lift = one && c - '1' >= n ? 12 : 0;
        for (int i = low; i < high; i++) /* a strummed chord takes a moment */
            TT_TRY(add(s, PART_CHORDS, at + 0.004 * i, lasts, tone[i] + lift, step % 8 == 0 ? 0.85 : 0.7));
    }
    return TT_OK;
}

static tt_status compose_pad(score *s, int bar)
{
    if (bar % s->style->chord_bars != 0) return TT_OK;
    double tone[5], lasts = s->steps * s->song->step * s->style->chord_bars;
    int n = voice_chord(s, chord_at(s, bar), 62, tone);
    for (int i = 0; i < n; i++) TT_TRY(add(s, PART_PAD, when(s, bar, 0), lasts, tone[i], 0.7));
    return TT_OK;
}

/* ---- melody ---- */

static void invent_motif(score *s, int which)
{
    double density = (double)s->source[PART_LEAD]->lead_density * dice_real(s->dice, 0.7, 1.3);
    int n = 0, end = 2 * s->steps - dice_below(s->dice, 5);
    for (int step = dice_below(s->dice, 3) * 2; step < end; step++) {
        double weight = step % 4 == 0 ? 1.8 : step % 2 == 0 ? 1.2 : 0.35;
        if (!dice_chance(s->dice, density * weight)) continue;
        if (n > 0) s->motif[which][n - 1].steps = step - s->motif[which][n - 1].step;
        int leap = dice_chance(s->dice, 0.2) ? dice_below(s->dice, 9) - 4 : dice_below(s->dice, 5) - 2;
        s->motif[which][n++] = (motif_note){step, 4, leap};
    }
    s->motif_n[which] = n;
}

/* The scale step of the chord (root, third or fifth) nearest to `degree`. */
static int nearest_tone(int degree, int root)
{
    static const int tones[] = {0, 2, 4, 7, -3, -5, -7, 9, 11, 14};
    int best = root;
    for (size_t i = 0; i < sizeof tones / sizeof *tones; i++)
        if (abs(root + tones[i] - degree) < abs(best - degree)) best = root + tones[i];
    return best;
}

static tt_status compose_lead(score *s, int bar, int which)
{
    const synth_style *style = s->source[PART_LEAD];
    int centre = (int)lround((style->lead_pitch - s->key) * 7.0 / 12.0), degree = centre;
    for (int i = 0; i < s->motif_n[which]; i++) {
        motif_note m = s->motif[which][i];
        int at = bar + m.step / s->steps, step = m.step % s->steps;
        degree += m.leap + (dice_chance(s->dice, 0.1) ? 1 : 0);
        if (degree > centre + 7) degree -= 5;
        if (degree < centre - 6) degree += 5;
        if (step % 4 == 0) degree = nearest_tone(degree, chord_at(s, at));
        int lasts = m.steps > 8 ? 8 : m.steps;
        double start = when(s, at, step), pitch = pitch_of(s, degree);
        if (dice_chance(s->dice, (double)style->ornament)) {
            TT_TRY(add(s, PART_LEAD, start, 0.07, pitch_of(s, degree + 1), 0.6));
            start += 0.07;
        }
        TT_TRY(add(s, PART_LEAD, start, lasts * s->song->step * 0.95, pitch, step % 4 == 0 ? 0.9 : 0.75));
    }
    return TT_OK;
}

/* ---- the whole ---- */

static tt_status compose_phrase(score *s, int phrase)
{
    bool opening = phrase == 0 && dice_chance(s->dice, 0.15), chorus = phrase % 2 == 1;
    bool drums = !opening || dice_chance(s->dice, 0.4), lead = !opening && dice_chance(s->dice, 0.85);
    for (int bar = phrase * PHRASE_BARS; bar < (phrase + 1) * PHRASE_BARS && bar < s->bars; bar++) {
        bool last = bar % PHRASE_BARS == PHRASE_BARS - 1;
        const synth_voice *part = s->song->part;
        if (drums && part[PART_DRUMS].gain > 0)
            TT_TRY(compose_drums(s, bar, last && dice_chance(s->dice, 0.5)));
        if (part[PART_BASS].gain > 0) TT_TRY(compose_bass(s, bar));
        if (part[PART_CHORDS].gain > 0) TT_TRY(compose_chords(s, bar));
        if (part[PART_PAD].gain > 0) TT_TRY(compose_pad(s, bar));
        if (lead && part[PART_LEAD].gain > 0 && bar % 2 == 0) TT_TRY(compose_lead(s, bar, chorus));
    }
    return TT_OK;
}

/* The first of a style's choices is the one most used. */
static int pick_choice(dice *d)
{
    static const float weight[CHOICES] = {0.55f, 0.28f, 0.17f};
    return dice_weighted(d, weight, CHOICES);
}

static const synth_style *pick_source(score *s)
{
    if (!dice_chance(s->dice, borrow)) return s->style;
    return synth_style_of(s->style->neighbour[dice_below(s->dice, 2)]);
}

/* Part for part: where it comes from, its sound and its place in the mix. */
static void cast_parts(score *s, bool sung)
{
    dice *d = s->dice;
    bool any = false;
    for (int p = 0; p < PARTS; p++) {
        const synth_style *from = s->source[p] = pick_source(s);
        synth_voice *v = &s->song->part[p];
        v->patch = from->patch[p][pick_choice(d)];
        v->pan = (float)(p == PART_DRUMS || p == PART_BASS ? 0 : dice_real(d, -0.6, 0.6));
        v->width = (float)(p == PART_PAD || p == PART_CHORDS ? dice_real(d, 0, 1) : 0);
        v->send = p == PART_BASS ? 0.05f : p == PART_DRUMS ? 0.35f : 1.0f;
        v->echo = (float)(p == PART_LEAD && dice_chance(d, 0.35) ? dice_real(d, 0.15, 0.4) : 0);
        double drive = (double)from->drive * dice_real(d, 0.6, 1.3);
        v->drive = (float)(p == PART_CHORDS ? drive : p == PART_LEAD || p == PART_BASS ? 0.35 * drive : 0);
        if (v->patch == PATCH_POWER && v->drive < 0.4f) v->drive = 0.4f;
        bool plays = dice_chance(d, (double)s->style->share[p]) || (p == PART_LEAD && sung);
        if (p == PART_LEAD && !any) plays = true;
        double level = (double)s->style->level[p] + 1.6 * dice_normal(d);
        v->gain = plays ? (float)pow(10, level / 20) : 0;
        any = any || (plays && p != PART_DRUMS);
    }
    if (sung && dice_chance(d, 0.6)) s->song->part[PART_LEAD].patch = PATCH_VOICE;
}

static void set_recording(score *s)
{
    dice *d = s->dice;
    const synth_style *st = s->style;
    synth_recording *r = &s->song->recording;
    r->tilt = (float)((double)st->brightness + 1.5 * dice_normal(d));
    r->low_cut = (float)(dice_chance(d, 0.1) ? dice_real(d, 80, 220) : dice_real(d, 20, 45));
    r->high_cut = (float)(dice_chance(d, 0.1) ? dice_real(d, 4500, 9000) : dice_real(d, 12000, 20000));
    r->noise = (float)pow(10, dice_real(d, -85, -60) / 20);
    if (dice_chance(d, 0.08)) r->noise = (float)pow(10, dice_real(d, -45, -30) / 20);
    r->level = (float)dice_real(d, -26, -10);
    r->reverb = (float)dice_real(d, (double)st->reverb[0], (double)st->reverb[1]);
    r->reverb_seconds = (float)(0.4 + 2.2 * (double)r->reverb * dice_real(d, 0.6, 1.4));
}

static void vary_kit(synth_kit *kit, dice *d)
{
    float *v[] = {&kit->kick_hz,       &kit->kick_seconds, &kit->kick_click,  &kit->snare_hz,
                  &kit->snare_seconds, &kit->snare_noise,  &kit->hat_seconds, &kit->open_seconds};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) *v[i] *= (float)exp(0.18 * dice_normal(d));
}

static void set_score(score *s, const synth_plan *plan)
{
    dice *d = s->dice;
    const synth_style *st = s->style;
    double tempo = dice_real(d, (double)st->tempo[0], (double)st->tempo[1]);
    s->song->step = 15.0 / tempo;
    s->steps = dice_chance(d, (double)st->waltz) ? 12 : 16;
    s->bars = (int)ceil(s->seconds / (s->steps * s->song->step));
    s->late = (double)st->late;
    s->scale = dice_weighted(d, st->scale, SCALES);
    int fifths = st->fifths + (int)lround(1.6 * dice_normal(d));
    s->key = 48 + ((7 * fifths) % 12 + 12) % 12;
    cast_parts(s, plan->language >= 0);
    const synth_style *drums = s->source[PART_DRUMS];
    s->swing = dice_real(d, (double)drums->swing[0], (double)drums->swing[1]);
    s->groove = &drums->groove[pick_choice(d)];
    s->song->kit = drums->kit;
    vary_kit(&s->song->kit, d);
    s->progression = &st->progression[pick_choice(d)];
    s->chords = s->source[PART_CHORDS]->chords[pick_choice(d)];
    s->bass = s->source[PART_BASS]->bass[pick_choice(d)];
    set_recording(s);
    invent_motif(s, 0);
    invent_motif(s, 1);
}

tt_status synth_song_compose(const synth_plan *plan, synth_song *song)
{
    dice d = dice_new(plan->seed, DICE_SONG, plan->index);
    score s = {.style = synth_style_of(plan->style),
               .song = song,
               .dice = &d,
               .seconds = (double)plan->frames / plan->sample_rate};
    *song = (synth_song){0};
    set_score(&s, plan);
    for (int phrase = 0; phrase * PHRASE_BARS < s.bars; phrase++) TT_TRY(compose_phrase(&s, phrase));
    return TT_OK;
}

void synth_song_free(synth_song *song)
{
    for (int p = 0; p < PARTS; p++) free(song->part[p].note);
    *song = (synth_song){0};
}
