/* What makes a style: rhythm, harmony, timbre and mix, as ranges and weights that overlap with its
 * neighbours'. */
#ifndef TUTTI_SYNTH_STYLE_H
#define TUTTI_SYNTH_STYLE_H

#include "synth/plan.h"

typedef enum synth_part { PART_DRUMS, PART_BASS, PART_CHORDS, PART_PAD, PART_LEAD, PARTS } synth_part;

typedef enum synth_drum { DRUM_KICK, DRUM_SNARE, DRUM_HAT, DRUM_OPEN, DRUM_EXTRA, DRUMS } synth_drum;

/** What the fifth voice of a kit is. */
typedef enum synth_extra { EXTRA_CLAP, EXTRA_RIDE, EXTRA_RIM, EXTRA_SHAKER, EXTRA_TABLA } synth_extra;

/** One bar of drums: per voice a character per sixteenth; X accent, x hit, o soft, anything else is a rest.
 */
typedef struct synth_groove {
    const char *voice[DRUMS];
} synth_groove;

typedef struct synth_kit {
    float kick_hz, kick_seconds, kick_click;
    float snare_hz, snare_seconds, snare_noise;
    float hat_seconds, open_seconds;
    synth_extra extra;
} synth_kit;

typedef enum synth_scale {
    SCALE_MAJOR,
    SCALE_MINOR,
    SCALE_DORIAN,
    SCALE_PHRYGIAN,
    SCALE_MIXOLYDIAN,
    SCALE_HARMONIC,
    SCALE_BHAIRAV,
    SCALES
} synth_scale;

/** Sounds of pitched parts; see patch.c. */
typedef enum synth_patch_name {
    PATCH_SUPERSAW,
    PATCH_ACID,
    PATCH_SUB,
    PATCH_UPRIGHT,
    PATCH_PICKED,
    PATCH_ORGAN,
    PATCH_EPIANO,
    PATCH_PIANO,
    PATCH_NYLON,
    PATCH_STEEL,
    PATCH_CLEAN,
    PATCH_POWER,
    PATCH_STRINGS,
    PATCH_FLUTE,
    PATCH_BRASS,
    PATCH_SAX,
    PATCH_BELL,
    PATCH_HARMONIUM,
    PATCH_SITAR,
    PATCH_VOICE,
    PATCH_SAWLEAD,
    PATCH_SQUARE,
    PATCH_GLASS,
    PATCH_CLARINET,
    PATCHES
} synth_patch_name;

enum { CHOICES = 3 };

/** Chords of a bar, as steps of the scale from 0; ends with -1. */
typedef struct synth_progression {
    signed char degree[9];
} synth_progression;

typedef struct synth_style {
    const char *name;
    int neighbour[2];    /**< styles that it borrows from */
    float tempo[2];      /**< beats per minute */
    float waltz;         /**< share in 3/4 */
    float swing[2];      /**< 0 straight, 1 triplets */
    float late;          /**< seconds by which players miss the beat, standard deviation */
    float scale[SCALES]; /**< weights */
    int fifths;          /**< the key it likes best, in fifths from C */
    int chord_tones;     /**< 2 power chord, 3 triad, 4 seventh; 1 drone of root and fifth */
    int chord_bars;      /**< bars per chord */
    synth_progression progression[CHOICES];
    const char *chords[CHOICES]; /**< x all tones, 1 to 4 one tone, - hold, . rest; per sixteenth */
    const char
        *bass[CHOICES]; /**< r root, f fifth, o octave, t third, w walk to the next chord, - hold, . rest */
    synth_groove groove[CHOICES];
    synth_kit kit;
    int patch[PARTS][CHOICES];
    float level[PARTS];        /**< dB in the mix */
    float share[PARTS];        /**< probability that the part plays at all */
    float lead_density;        /**< notes per sixteenth */
    int lead_pitch;            /**< MIDI note around which the melody goes */
    float ornament;            /**< share of melody notes with a grace note */
    float drive;               /**< of the chords, 0 clean to 1 */
    float reverb[2];           /**< level of the reverb, 0 to 1 */
    float brightness;          /**< tilt of the mix, dB */
    float instrumental;        /**< share without lyrics */
    float language[LANGUAGES]; /**< weights: en, de, es, fr, bn, hi */
    float theme[4];            /**< weights of the lyrics' themes: love, night, road, defiance */
} synth_style;

/** Style 0 to STYLES - 1. */
const synth_style *synth_style_of(int style);

#endif
