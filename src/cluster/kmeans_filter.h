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
    double *mean;        /* [cols] in the frame of the points */
    int32_t *rows;       /* [tiles, quads, TILE] four columns each, 128 added to every byte */
    float *scale;        /* [tiles, TILE] */
    float *residual;     /* [tiles, TILE] at least the length of what rounding left */
    float *length;       /* [tiles, TILE] at least that of the row, and of its bytes */
    int32_t *centres;    /* [panels, quads, TILE] four columns each */
    int32_t *offset;     /* [panels, TILE] what the 128 add to a product, negative */
    float *low;          /* [panels, TILE] squared length; KMEANS_FAR for a centre that does not exist */
    float unit;
    int32_t bits;       /* kmeans_tile_bits() */
    float reach, error; /* at least the longest centre, and the longest residual of one */
} kmeans_filter;

/* What was found for a row: the smallest value, the next and the one after, which centres have the first two,
 * and by how much values must differ to tell them apart. A value and `norm` make a squared distance, nearly.
 */
typedef struct filter_nearest {
    float best[TILE], second[TILE], rest[TILE], margin[TILE], norm[TILE];
    int32_t index[2][TILE];
} filter_nearest;

/* Round the rows of this rank; *out stays empty (rows is NULL) where this CPU has no products of bytes. Not
 * collective. Free with kmeans_filter_clear(), also on failure. */
tt_status kmeans_filter_init(kmeans_filter *out, const tt_points *points, int64_t panels);
void kmeans_filter_clear(kmeans_filter *f);

/* Round centres [n, cols], in the frame of the points. */
void kmeans_filter_centres(kmeans_filter *f, const double *centre, int64_t n, int64_t panels);

/* The tile of local rows from `first` on, a multiple of TILE. */
void kmeans_filter_tile(const kmeans_filter *f, int64_t first, int64_t panels, filter_nearest *out);

#endif
