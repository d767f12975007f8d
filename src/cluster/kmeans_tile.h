/* The kernel of k-means: 16 rows against centres, nearest and second nearest, without a matrix in between. */
#ifndef TUTTI_CLUSTER_KMEANS_TILE_H
#define TUTTI_CLUSTER_KMEANS_TILE_H

#include <stdint.h>

enum { TILE = 16 }; /* rows of a tile, and centres of a panel: floats in the widest vector */

/* What a tile finds for each row: the smallest value, the next smallest (equal ones count twice), and which
 * centre has the smallest. */
typedef struct tile_nearest {
    float best[TILE], second[TILE];
    int32_t index[TILE];
} tile_nearest;

/* Rows as the kernel takes them.
 * @param row     [TILE] addresses of rows [cols]
 * @param packed  [cols, TILE], aligned to 64 bytes */
void kmeans_tile_pack(const float *const row[TILE], int64_t cols, float *packed);

/* Values low[c] - 2 row.c over the centres of `panels` panels.
 * @param packed   [cols, TILE] rows
 * @param columns  [panels, cols, TILE] the centres times -2; aligned to 64 bytes
 * @param low      [panels, TILE]; INFINITY for a centre that does not exist; aligned likewise
 * Each dot product is summed from 0: its error is that of tt_distance_products(). */
void kmeans_tile(const float *packed, int64_t cols, int64_t panels, const float *columns, const float *low,
                 tile_nearest *out);

/* The values of one row and one panel. @param out  [TILE] */
void kmeans_tile_values(const float *row, int64_t cols, const float *columns, const float *low, float *out);

/* Lay centres [n, cols] out as columns (zeros beyond n up to whole panels) and give the squared length of
 * each as it is in float32. @param norm  [panels, TILE]; INFINITY beyond n. Returns the largest length. */
float kmeans_tile_layout(const double *centre, int64_t n, int64_t cols, float *columns, float *norm);

#endif
