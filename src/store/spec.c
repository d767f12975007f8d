#include "store/internal.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status tt_store_split(const char *spec, const char *otherwise, char **file, char **dataset)
{
    const char *colon = strstr(spec, ":/"), *next;
    *file = *dataset = NULL;
    while (colon && (next = strstr(colon + 1, ":/")))
        colon = next; /* the last one: folders may hold colons */
    if (spec[0] == 0 || colon == spec)
        return tt_fail(TT_ERR_USAGE, "'%s' names no file; it should be FILE.h5 or FILE.h5:/dataset", spec);
    if (colon && colon[2] == 0)
        return tt_fail(TT_ERR_USAGE, "'%s' names no dataset after ':/'; it should be FILE.h5:/dataset", spec);
    if (!colon && !otherwise)
        return tt_fail(TT_ERR_USAGE, "'%s' names no dataset; it should be FILE.h5:/dataset", spec);
    tt_status s = tt_format(file, "%.*s", colon ? (int)(colon - spec) : (int)strlen(spec), spec);
    if (s == TT_OK) s = tt_copy_text(colon ? colon + 1 : otherwise, dataset);
    if (s != TT_OK) {
        free(*file);
        *file = NULL;
    }
    return s;
}

tt_status tt_store_open_spec(const tt_comm *comm, const char *spec, const char *otherwise, tt_store **out,
                             char **dataset)
{
    char *file, *name;
    *out = NULL;
    tt_status s = tt_agree(comm, tt_store_split(spec, otherwise, &file, &name));
    if (s == TT_OK) s = tt_store_open(comm, file, out);
    free(file);
    if (s == TT_OK && dataset)
        *dataset = name;
    else
        free(name);
    return s;
}

tt_status tt_store_fingerprint(const char *path, char **out)
{
    *out = NULL;
    h5_quiet();
    hid_t file = h5_check_path(path) == TT_OK ? h5_open_alone(path) : H5I_INVALID_HID;
    tt_status s = file >= 0 ? attribute_read_text(file, path, "/", "fingerprint", out) : TT_OK;
    h5_close(file);
    return s == TT_ERR_MEMORY ? s : TT_OK;
}
