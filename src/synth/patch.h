/* Sounds of pitched notes, and the wave tables they read. */
#ifndef TUTTI_SYNTH_PATCH_H
#define TUTTI_SYNTH_PATCH_H

#include "synth/song.h"

enum { WAVE_BITS = 10, WAVE_SIZE = 1 << WAVE_BITS, WAVE_LEVELS = 9, NOISE_SIZE = 1 << 16, RUN = 64 };

typedef enum synth_wave {
    WAVE_SINE,
    WAVE_SAW,
    WAVE_SQUARE,
    WAVE_REED,
    WAVE_ORGAN,
    WAVE_STRUCK,
    WAVE_VOICE,
    WAVES
} synth_wave;

typedef enum synth_method { METHOD_WAVE, METHOD_FM, METHOD_PLUCK } synth_method;

typedef struct synth_patch {
    synth_method method;
    synth_wave wave;
    int unison;                            /**< oscillators */
    float detune;                          /**< cents between the outer two */
    float attack, decay, sustain, release; /**< seconds; sustain is a level */
    float cutoff, sweep, resonance; /**< low-pass: Hz (0 none), octaves up at the start of a note, 0 to 1 */
    float ratio, index;             /**< FM: of the modulator's frequency; depth at the start in radians */
    float vibrato;                  /**< cents */
    float breath;                   /**< level of noise */
    float ring, bright;             /**< pluck: seconds to -60 dB; 0 dull to 1 */
    float level;
} synth_patch;

/** Tables that all tracks share. wave[][l] has harmonics up to WAVE_SIZE / 4 >> l; the voice's formants are
 * of octave l. */
typedef struct synth_bank {
    float wave[WAVES][WAVE_LEVELS][WAVE_SIZE + 1];
    float noise[NOISE_SIZE]; /**< uniform in -1 to 1 */
} synth_bank;

/** Make the tables. @return TT_OK or TT_ERR_MEMORY. Free with free(). Not collective. */
tt_status synth_bank_new(synth_bank **bank);

/** The patch named `name` (a synth_patch_name). */
const synth_patch *synth_patch_of(int name);

/** Table for a tone of `hz`. */
const float *synth_bank_table(const synth_bank *bank, synth_wave wave, double hz, int sample_rate);

/** Add a note to out [frames] at `sample_rate`. scratch [frames] is overwritten. `where` picks the noise. Not
 * collective. */
void synth_patch_play(const synth_bank *bank, const synth_patch *patch, const synth_note *note,
                      int sample_rate, uint32_t where, float *scratch, float *out, int64_t frames);

#endif
