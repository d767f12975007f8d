/* The one table of settings: name, type, default, bounds, and where it goes. Private to the room. */
#ifndef TUTTI_PIPELINE_SETTINGS_H
#define TUTTI_PIPELINE_SETTINGS_H

#include "tutti/config.h"

#include <stddef.h>

typedef enum setting_kind {
    SETTING_INT,    /* int */
    SETTING_COUNT,  /* int, or the word in `choices`, which is 0 */
    SETTING_AUTO,   /* double, or the word in `choices`, which is 0, or -1 where 0 is a number */
    SETTING_REAL,   /* double */
    SETTING_BOUND,  /* tt_bound: a whole number, or a share of 1 written with a point */
    SETTING_SEED,   /* uint64_t */
    SETTING_BOOL,   /* bool */
    SETTING_TEXT,   /* char * */
    SETTING_CHOICE, /* char *, one of the words in `choices` */
    SETTING_INTS,   /* list of int, with its length in another member */
    SETTING_WORDS,  /* char *, a list "[a, b]" of words in `choices` */
    SETTING_RANGE,  /* two int, the second in another member: one number, or a pair in brackets */
} setting_kind;

typedef struct setting {
    const char *path; /* "features.n_fft" */
    setting_kind kind;
    size_t offset;       /* in tt_config, or NOWHERE */
    const char *initial; /* the default, as in YAML */
    double low, high;    /* bounds of numbers, inclusive */
    const char *choices; /* "folder csv tar" */
    size_t count_offset; /* of the length of a SETTING_INTS, the end of a SETTING_RANGE */
} setting;

/* Whether tt_config owns a text for the setting. */
#define SETTING_HAS_TEXT(s)                                                                                  \
    ((s)->offset != NOWHERE &&                                                                               \
     ((s)->kind == SETTING_TEXT || (s)->kind == SETTING_CHOICE || (s)->kind == SETTING_WORDS))

/* Whether a setting is a sequence in YAML. */
#define SETTING_IS_LIST(s) ((s)->kind == SETTING_INTS || (s)->kind == SETTING_WORDS)

/* A setting of a stage that this version does not have: checked, and a warning if it is changed. */
#define NOWHERE SIZE_MAX

extern const setting settings[];
extern const int n_settings;

/* Index of a path in the table, -1 if it is unknown. */
int setting_find(const char *path);

/* Whether some setting lies below `path` ("features"). */
bool setting_is_section(const char *path);

/* The names that stand directly below `section` ("" for the top), as "a, b, c" into text. */
void setting_names(const char *section, char *text, size_t bytes);

/* Check `value` and store it in config (texts are copied). `where` starts the message: "FILE line 3: ".
 * Returns TT_OK, TT_ERR_CONFIG or TT_ERR_MEMORY. */
tt_status setting_store(const setting *s, const char *value, const char *where, tt_config *config);

/* Checks between settings, such as fmin < fmax. */
tt_status settings_check(const tt_config *config);

#endif
