#include "tutti/timer.h"

#include <string.h>
#include <time.h>

double tt_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void tt_phase(tt_phases *phases, const char *name)
{
    double now = tt_now();
    if (phases->current > 0) phases->phase[phases->current - 1].seconds += now - phases->since;
    phases->since = now;
    phases->current = 0;
    if (!name) return;
    int i = 0;
    while (i < phases->n && strcmp(phases->phase[i].name, name) != 0) i++;
    if (i == TT_PHASES_MAX) return; /* more phases than fit: the time of this one is not kept */
    if (i == phases->n) {
        phases->phase[i].name = name;
        phases->phase[i].seconds = 0;
        phases->n++;
    }
    phases->current = i + 1;
}
