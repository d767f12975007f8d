/* Products of tall blocks of PANEL vectors. Private to the room. */
#ifndef TUTTI_LINALG_PANELS_H
#define TUTTI_LINALG_PANELS_H

#include "sparse.h"

enum { PANEL_SQUARE = PANEL * PANEL };

/** Rows that panels are worked on by; a divisor of TT_BLOCK_ROWS. */
enum { PANEL_STRIP = 64 };

/** wide [PANEL_STRIP, PANEL] = x in double; `next` is fetched, which will be wanted then: whoever goes
 * through many panels waits for memory otherwise. Not collective. */
void panel_widen(const float *x, const float *next, double *wide);

/** out [PANEL, PANEL] += x' y, for x and y [PANEL_STRIP, PANEL]. Not collective. */
void panel_inner(const double *x, const double *y, double *out);

/** As panel_inner() for x and y in float32, in which the strip is summed; that is added in double. */
void panel_inner_narrow(const float *x, const float *y, double *out);

/** y += x t, for x and y [PANEL_STRIP, PANEL] and t [PANEL, PANEL]. Not collective. */
void panel_add(const double *x, const double *t, double *y);

#endif
