#include "tutti/timer.h"

#include <string.h>
#include <time.h>

double tt_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** The phase of a name, made if it is new; -1 where more phases than fit are asked for, whose time is not
 * kept. */
static int find(tt_phases *phases, const char *name)
{
    int i = 0;
    while (i < phases->n && strcmp(phases->phase[i].name, name) != 0) i++;
    if (i == TT_PHASES_MAX) return -1;
    if (i == phases->n) {
        phases->phase[i].name = name;
        phases->phase[i].seconds = 0;
        phases->n++;
    }
    return i;
}

void tt_phase(tt_phases *phases, const char *name)
{
    double now = tt_now();
    if (phases->current > 0) phases->phase[phases->current - 1].seconds += now - phases->since;
    phases->since = now;
    phases->current = name ? find(phases, name) + 1 : 0;
}

void tt_phases_add(tt_phases *phases, const tt_phases *from, double share)
{
    for (int i = 0; i < from->n; i++) {
        int at = find(phases, from->phase[i].name);
        if (at >= 0) phases->phase[at].seconds += share * from->phase[i].seconds;
    }
}
