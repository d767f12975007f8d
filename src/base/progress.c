#include "tutti/progress.h"

#include "tutti/log.h"
#include "tutti/timer.h"

#include <math.h>
#include <stdio.h>

static const double bar_interval = 0.1;  /* seconds between redraws on a terminal */
static const double line_interval = 5.0; /* seconds between lines in a job log */

void tt_format_seconds(double seconds, char *text, int bytes)
{
    long whole = lround(seconds);
    if (seconds < 9.95)
        snprintf(text, (size_t)bytes, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, (size_t)bytes, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, (size_t)bytes, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(text, (size_t)bytes, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
}

void tt_progress_start(tt_progress *p, const char *label, const char *unit, int64_t local_total,
                       int64_t total)
{
    double now = tt_now();
    *p = (tt_progress){.label = label,
                       .unit = unit,
                       .local_total = local_total,
                       .total = total,
                       .started = now,
                       .shown = now};
}

static void show(const tt_progress *p, double now)
{
    double share = p->local_total > 0 ? (double)p->done / (double)p->local_total : 1.0;
    double elapsed = now - p->started;
    double worked = p->local_total > 0 ? (double)(p->done - p->skipped) / (double)p->local_total : 0.0;
    double rate = elapsed > 0 ? worked * (double)p->total / elapsed : 0.0;
    char left[32] = "?";
    if (rate > 0) tt_format_seconds((1.0 - share) * (double)p->total / rate, left, sizeof left);
    char numbers[160];
    snprintf(numbers, sizeof numbers, "%3.0f %%  %.0f of %lld %s, %.3g/s, %s left", 100 * share,
             share * (double)p->total, (long long)p->total, p->unit, rate, left);
    if (!tt_log_is_terminal()) {
        tt_info("%s %s", p->label, numbers);
        return;
    }
    char bar[31];
    for (int i = 0; i < 30; i++) bar[i] = i < (int)(share * 30) ? '#' : '.';
    bar[30] = '\0';
    char line[256];
    snprintf(line, sizeof line, "\r%-9s [%s] %s\033[K", p->label, bar, numbers);
    tt_log_write(line);
    tt_log_bar_drawn();
}

void tt_progress_add(tt_progress *p, int64_t units)
{
    p->done += units;
    if (tt_log_rank() != 0) return;
    double now = tt_now();
    if (now - p->shown < (tt_log_is_terminal() ? bar_interval : line_interval)) return;
    p->shown = now;
    show(p, now);
}

void tt_progress_skip(tt_progress *p, int64_t units)
{
    p->skipped += units;
    tt_progress_add(p, units);
}

void tt_progress_end(tt_progress *p)
{
    (void)p;
    tt_log_clear_bar();
}
