/* A track as notes and settings, before it sounds. */
#ifndef TUTTI_SYNTH_SONG_H
#define TUTTI_SYNTH_SONG_H

#include "synth/style.h"

typedef struct synth_note {
    float start, seconds; /**< of a drum: seconds is unused */
    float pitch;          /**< MIDI note number; of a drum: synth_drum */
    float loud;           /**< 0 to 1 */
} synth_note;

typedef struct synth_voice {
    int patch; /**< synth_patch_name; unused by the drums */
    synth_note *note;
    int64_t n, room;
    float gain, pan, width; /**< linear, -1 to 1, 0 to 1 */
    float send;             /**< to the reverb */
    float drive;            /**< 0 clean to 1 */
    float echo;             /**< level of an echo of three sixteenths */
} synth_voice;

/** How it was recorded: varies within a style. */
typedef struct synth_recording {
    float tilt;              /**< dB, highs up and lows down */
    float low_cut, high_cut; /**< Hz */
    float noise;             /**< level of hiss, linear, relative to the music */
    float level;             /**< RMS aimed at, dB full scale */
    float reverb, reverb_seconds;
} synth_recording;

typedef struct synth_song {
    synth_voice part[PARTS];
    synth_kit kit;
    synth_recording recording;
    double step; /**< seconds of a sixteenth */
} synth_song;

/** Compose a track. @return TT_OK or TT_ERR_MEMORY. Free with synth_song_free(), also on failure. Not
 * collective. */
tt_status synth_song_compose(const synth_plan *plan, synth_song *song);

void synth_song_free(synth_song *song);

#endif
