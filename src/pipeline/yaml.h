/* A YAML file as one text per setting, with the line each stands on. Private to the room. */
#ifndef TUTTI_PIPELINE_YAML_H
#define TUTTI_PIPELINE_YAML_H

#include "tutti/status.h"

#include <stddef.h>

/* Read `text` [n bytes] of `file` into value[] and line[], one slot per entry of the settings table; values
 * that are not in the file stay as they are, those that are replace them (free()). Lists become "[a, b]".
 * Returns TT_OK, TT_ERR_CONFIG naming file, line and key, or TT_ERR_MEMORY. */
tt_status yaml_read(const char *file, const char *text, size_t n, char **value, int *line);

#endif
