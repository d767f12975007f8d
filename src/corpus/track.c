#include "tutti/corpus.h"

const char *tt_track_status_name(int status)
{
    switch (status) {
    case TT_TRACK_OK:
        return "ok";
    case TT_TRACK_TRUNCATED:
        return "truncated";
    case TT_TRACK_SILENT:
        return "silent";
    case TT_TRACK_CLIPPED:
        return "clipped";
    case TT_TRACK_NO_AUDIO:
        return "no audio";
    case TT_TRACK_MISSING:
        return "missing";
    case TT_TRACK_EMPTY:
        return "empty";
    case TT_TRACK_UNREADABLE:
        return "unreadable";
    case TT_TRACK_TOO_SHORT:
        return "too short";
    case TT_TRACK_NON_FINITE:
        return "non-finite";
    case TT_TRACK_DAMAGED:
        return "damaged";
    default:
        return "unknown";
    }
}

bool tt_track_status_valid(int status)
{
    return status >= TT_TRACK_OK && status <= TT_CLIP_SOFT;
}
