/* What each track of a synthetic corpus is, known from its number alone: labels, names, format, breakage. */
#ifndef TUTTI_SYNTH_PLAN_H
#define TUTTI_SYNTH_PLAN_H

#include "tutti/synth.h"

typedef enum synth_layout { LAYOUT_FOLDER, LAYOUT_CSV, LAYOUT_TAR, LAYOUTS } synth_layout;

typedef enum synth_format {
    FORMAT_WAV16,
    FORMAT_WAV24,
    FORMAT_WAVFLOAT,
    FORMAT_FLAC,
    FORMAT_VORBIS,
    FORMAT_OPUS,
    FORMAT_MP3,
    FORMATS
} synth_format;

/** In the order in which they are dealt to the tracks that are chosen to be broken. */
typedef enum synth_breakage {
    BROKEN_TRUNCATED, /**< ends in the middle of the file */
    BROKEN_EMPTY,     /**< 0 bytes */
    BROKEN_GARBAGE,   /**< random bytes */
    BROKEN_SILENT,    /**< decodes to zeros */
    BROKEN_TEXT,      /**< text under the name of audio */
    BROKEN_MISNAMED,  /**< Ogg Vorbis named .mp3: most decoders still read it */
    BROKEN_MISSING,   /**< listed, but not there: only where there is a list, in the csv layout */
    BREAKAGES,
    NOT_BROKEN = BREAKAGES
} synth_breakage;

enum { LANGUAGES = 6, STYLES = 10 };

/** A corpus to make: the parameters, checked, and what follows from them. */
typedef struct synth_corpus {
    int64_t tracks, broken; /**< broken: number of tracks */
    uint64_t seed;
    double seconds;
    synth_layout layout;
    const char *out;
    int64_t shard_tracks; /**< tracks per shard (tar) or per folder (csv) */
    int digits;           /**< of a track's number in its id */
} synth_corpus;

/** One track. Texts are literals but for the id. */
typedef struct synth_plan {
    int64_t index;
    uint64_t seed;
    char id[24];
    int style;                                 /**< 0 to STYLES - 1 */
    int language;                              /**< 0 to LANGUAGES - 1, or -1: instrumental, no lyrics */
    const char *genre, *language_name, *split; /**< language_name "" if instrumental */
    synth_format format;
    const char *extension; /**< of the file's name; not that of its format where the track is misnamed */
    int sample_rate, channels;
    int64_t frames;
    synth_breakage broken;
} synth_plan;

/** Check parameters. @return TT_OK or TT_ERR_USAGE */
tt_status synth_corpus_check(const tt_synth_params *params, synth_corpus *corpus);

/** The plan of track `index`. Not collective. */
synth_plan synth_plan_track(const synth_corpus *corpus, int64_t index);

/** "truncated", ...; "" for a sound track. */
const char *synth_breakage_name(synth_breakage broken);

/** ISO 639-1 code of a language. */
const char *synth_language_name(int language);

#endif
