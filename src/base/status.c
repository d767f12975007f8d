#include "tutti/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };

static _Thread_local char message[MESSAGE_BYTES];

tt_status tt_fail(tt_status code, const char *format, ...)
{
    char text[MESSAGE_BYTES]; /* an argument may be the old message itself */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return code;
}

tt_status tt_fail_because(tt_status code, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char old[MESSAGE_BYTES];
    memcpy(old, message, sizeof old);
    return tt_fail(code, "%s: %s", text, old);
}

tt_status tt_fail_errno(const char *doing, const char *path)
{
    return tt_fail(TT_ERR_IO, "cannot %s %s: %s", doing, path, strerror(errno));
}

const char *tt_message(void)
{
    return message;
}

int tt_exit_code(tt_status code)
{
    switch (code) {
    case TT_OK:
        return 0;
    case TT_STOPPED:
        return 75; /* EX_TEMPFAIL of sysexits.h: try again */
    case TT_UNCHECKED:
        return 3;
    case TT_ERR_CONFIG:
    case TT_ERR_USAGE:
        return 2;
    default:
        return 1;
    }
}
