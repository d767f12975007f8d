#include "tutti/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    tt_log_level level;
    int rank;
    bool bar;
} state = {TT_LOG_INFO, 0, false};

void tt_log_setup(tt_log_level level, int rank)
{
    state.level = level;
    state.rank = rank;
}

tt_log_level tt_log_limit(tt_log_level level)
{
    tt_log_level before = state.level;
    state.level = level;
    return before;
}

int tt_log_rank(void)
{
    return state.rank;
}

bool tt_log_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void tt_log_bar_drawn(void)
{
    state.bar = true;
}

void tt_log_write(const char *text)
{
    /* not through stderr, which is turned away while MPEG audio is decoded */
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(STDERR_FILENO, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        text += n;
        left -= (size_t)n;
    }
}

void tt_log_clear_bar(void)
{
    if (state.bar) tt_log_write("\r\033[K");
    state.bar = false;
}

void tt_log(tt_log_level level, const char *format, ...)
{
    static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};
    if (level > state.level || (level >= TT_LOG_INFO && state.rank != 0)) return;
    char text[4096], line[4096 + 32];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?'; /* names of files may hold anything */
    tt_log_clear_bar();
    snprintf(line, sizeof line, "tutti: %s%s\n", prefix[level], text);
    tt_log_write(line);
}
