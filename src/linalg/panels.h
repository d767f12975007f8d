/* Products of tall blocks of PANEL vectors. Private to the room. */
#ifndef TUTTI_LINALG_PANELS_H
#define TUTTI_LINALG_PANELS_H

#include "sparse.h"

enum { PANEL_SQUARE = PANEL * PANEL };

/** out [PANEL, PANEL] += x' y, for x and y [rows, PANEL]. Not collective. */
void panel_inner(int64_t rows, const double *x, const double *y, double *out);

/** y += x t, for x and y [rows, PANEL] and t [PANEL, PANEL]; rows is a multiple of 8. Not collective. */
void panel_add(int64_t rows, const double *x, const double *t, double *y);

#endif
