/* Wall-clock seconds, and the wall time of a stage split by phase for its provenance. */
#ifndef TUTTI_TIMER_H
#define TUTTI_TIMER_H

enum { TT_PHASES_MAX = 16 };

/** Seconds spent per named phase on this rank; zero-initialise before use. Phases do not nest. */
typedef struct tt_phases {
    int n;
    struct {
        const char *name; /**< not owned: a string literal */
        double seconds;
    } phase[TT_PHASES_MAX];
    int current; /**< index of the running phase plus 1, 0 if none runs */
    double since;
} tt_phases;

/** Monotonic seconds from an arbitrary start. */
double tt_now(void);

/** End the running phase, if any, and go on in phase `name` (NULL: in none). Phases add up by name. */
void tt_phase(tt_phases *phases, const char *name);

/** Add `share` of the seconds in `from` (whose phases have ended) to those of the same name: threads side by
 * side. */
void tt_phases_add(tt_phases *phases, const tt_phases *from, double share);

#endif
