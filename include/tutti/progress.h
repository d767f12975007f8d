/* Progress of one long loop: a bar on a terminal, a plain line every few seconds in a job log. */
#ifndef TUTTI_PROGRESS_H
#define TUTTI_PROGRESS_H

#include <stdint.h>

typedef struct tt_progress {
    const char *label;   /**< what is being done, "extract"; not owned */
    const char *unit;    /**< what is counted, "clips"; not owned */
    int64_t local_total; /**< this rank's share of the units */
    int64_t total;       /**< units over all ranks */
    int64_t done;        /**< units this rank has done */
    int64_t skipped;     /**< of these, units that were there already */
    double started;      /**< seconds, tt_now() */
    double shown;        /**< when the last line or bar was printed */
} tt_progress;

/** Start. Rank 0 alone prints, and takes its own share as the measure of the whole. Not collective.
 *  @param local_total  units this rank will do
 *  @param total        units over all ranks */
void tt_progress_start(tt_progress *p, const char *label, const char *unit, int64_t local_total,
                       int64_t total);

/** Count `units` more as done; prints when it is time. Cheap enough for every clip. Not collective. */
void tt_progress_add(tt_progress *p, int64_t units);

/** Count `units` as already there from an earlier attempt: part of the total, not of the rate. */
void tt_progress_skip(tt_progress *p, int64_t units);

/** Remove the bar; print nothing. The caller says in its own words what was done. */
void tt_progress_end(tt_progress *p);

/** Write `seconds` as people say it ("0.8 s", "3 min 20 s", "2 h 05 min") into text [size: bytes]. */
void tt_format_seconds(double seconds, char *text, int bytes);

#endif
