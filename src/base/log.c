#include "tutti/log.h"

#include <stdarg.h>
#include <stdio.h>
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

void tt_log_clear_bar(void)
{
    if (state.bar) fputs("\r\033[K", stderr);
    state.bar = false;
}

void tt_log(tt_log_level level, const char *format, ...)
{
    static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};
    if (level > state.level || (level >= TT_LOG_INFO && state.rank != 0)) return;
    char line[4096]; /* one write per line, so that lines of several ranks do not mix */
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?'; /* names of files may hold anything */
    tt_log_clear_bar();
    fprintf(stderr, "tutti: %s%s\n", prefix[level], line);
}
