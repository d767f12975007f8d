/* Nearest centres by products of bytes: rows and centres are rounded to 8 bits, and where one is nearer than
 * another by more than the rounding can do, it is nearer in truth. */
#ifndef TUTTI_CLUSTER_KMEANS_FILTER_H
#define TUTTI_CLUSTER_KMEANS_FILTER_H

#include "kmeans_tile.h"

#include "tutti/distance.h"

/* Rows and centres about the columns' means. Row r is scale[r] times its bytes, a centre `unit` times its
 * own, up to a residual each. */
typedef struct kmeans_filter {
    int64_t cols, quads; /* columns in fours, as products take them */
    int64_t n, room;     /* centres, and how many there can be */
    int64_t count;       /* rows */
    double *mean;        /* [cols] in the frame of the points */
    int32_t *rows;       /* [tiles, quads, TILE] four columns each, 128 added to every byte */
    float *scale;        /* [tiles, TILE] */
    float *residual;     /* [tiles, TILE] at least the length of what rounding left */
    float *length;       /* [tiles, TILE] at least that of the row, and of its bytes */
    int32_t *centres;    /* [panels, quads, TILE] four columns each */
    int32_t *offset;     /* [panels, TILE] what the 128 add to a product, negative */
    float *low;          /* [panels, TILE] squared length; KMEANS_FAR for a centre that does not exist */
    float unit;
    int32_t bits;       /* kmeans_tile_bits() of the centres there are */
    float *about;       /* [2, panels TILE, cols] the centres, and what rounding left of them */
    float reach, worst; /* at least the longest centre, and the longest residual of one */
    float apart, error; /* at least the largest distance between two centres, and between two residuals */
} kmeans_filter;

enum { FILTER_ROWS = 4 * TILE }; /* rows that are looked at together */

/* What was found for each row: the smallest value and the next, and which centres have them. A value and
 * `norm` make a squared distance, nearly. Sets of rows, bit r row r, of valid rows only: those whose nearest
 * centre is surely the first and not their label; those where it is the first or the second; those where it
 * may be any other. */
typedef struct filter_nearest {
    float best[FILTER_ROWS], second[FILTER_ROWS], norm[FILTER_ROWS];
    int32_t index[2][FILTER_ROWS];
    uint64_t moved, pair, open;
} filter_nearest;

/* Round the rows of this rank; *out stays empty (rows is NULL) where this CPU has no products of bytes. Not
 * collective. Free with kmeans_filter_clear(), also on failure. */
tt_status kmeans_filter_init(kmeans_filter *out, const tt_points *points, int64_t panels);
void kmeans_filter_clear(kmeans_filter *f);

/* Round centres [n, cols], in the frame of the points. */
void kmeans_filter_centres(kmeans_filter *f, const double *centre, int64_t n);

/* Local rows from `first` on, a multiple of FILTER_ROWS: as many, or those that there are.
 * @param label, valid  [n] of those rows
 * @param beyond        [count] of all rows: rows that are surely no nearer to any centre than this, squared,
 *                      are in no set; NULL: all rows are
 * @param n             at most FILTER_ROWS */
void kmeans_filter_nearest(const kmeans_filter *f, int64_t first, int64_t n, const int32_t *label,
                           const unsigned char *valid, const float *beyond, filter_nearest *out);

#endif
