/* The kernel of k-means: 16 rows against centres, nearest and second nearest, without a matrix in between. */
#ifndef TUTTI_CLUSTER_KMEANS_TILE_H
#define TUTTI_CLUSTER_KMEANS_TILE_H

#include <stdint.h>

enum { TILE = 16 };       /* rows of a tile, and centres of a panel: floats in the widest vector */
enum { KMEANS_LIST = 4 }; /* centres that are measured anew before all are, as measured to pay */

/* Stands for the squared length of a centre that does not exist: above any value (tt_points_of()). */
#define KMEANS_FAR 3e38f

/* What a tile finds for each row: the smallest value, the next smallest (equal ones count twice), and which
 * centre has the smallest. */
typedef struct tile_nearest {
    float best[TILE], second[TILE];
    int32_t index[TILE];
} tile_nearest;

/* The nearest centres of each row, and what no other centre's value is below. */
typedef struct tile_list {
    int32_t centre[KMEANS_LIST][TILE];
    float rest[TILE];
} tile_list;

/* Rows as the kernel takes them.
 * @param row     [TILE] addresses of rows [cols]
 * @param packed  [cols, TILE], aligned to 64 bytes */
void kmeans_tile_pack(const float *const row[TILE], int64_t cols, float *packed);

/* Values low[c] - 2 row.c over the centres of `panels` panels.
 * @param packed   [cols, TILE] rows
 * @param columns  [panels, cols, TILE] the centres times -2; aligned to 64 bytes
 * @param low      [panels, TILE]; KMEANS_FAR for a centre that does not exist; aligned likewise
 * Each dot product is summed from 0: its error is that of tt_distance_products(). */
void kmeans_tile(const float *packed, int64_t cols, int64_t panels, const float *columns, const float *low,
                 tile_nearest *out);

/* The KMEANS_LIST smallest of the same values, up to the share that numbers of centres take of a value. */
void kmeans_tile_list(const float *packed, int64_t cols, int64_t panels, const float *columns,
                      const float *low, tile_list *out);

/* The lowest bits that hold the number of any centre. */
int32_t kmeans_tile_bits(int64_t panels);

/* The same values again, of n centres for each row.
 * @param row      [TILE] addresses of rows [cols]
 * @param centres  [panels * TILE, kmeans_tile_width(cols)] the centres times -2, a centre a row
 * @param list     [n, TILE] */
void kmeans_tile_measure(const float *const row[TILE], int64_t cols, const float *centres, const float *low,
                         int n, const int32_t *list, tile_nearest *out);

/* Columns rounded up to whole vectors. */
static inline int64_t kmeans_tile_width(int64_t cols)
{
    return (cols + TILE - 1) / TILE * TILE;
}

/* The values of one row and one panel. @param out  [TILE] */
void kmeans_tile_values(const float *row, int64_t cols, const float *columns, const float *low, float *out);

/* Lay centres [n, cols] out as columns (zeros beyond n up to whole panels) and give the squared length of
 * each as it is in float32. @param norm  [panels, TILE]; KMEANS_FAR beyond n. Returns the largest length. */
float kmeans_tile_layout(const double *centre, int64_t n, int64_t cols, float *columns, float *norm);

#endif
