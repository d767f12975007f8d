/* Choosing eps: distances to the min_samples-th nearest row, sorted, and the knee of that curve. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"
#include "tutti/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE = 16384 };                        /* rows that a curve has at most, */
static const int64_t most_distances = 1 << 24; /* fewer where so many distances of each would not fit */

/* The k smallest squares seen of each asking row: a heap, largest first, once it is full. */
typedef struct nearest {
    const space *space;
    int k;
    int64_t rows;
    int64_t *asks; /* [space rows] number of an asking row, -1 */
    double *heap;  /* [rows, k] */
    int *seen;     /* [rows] */
    _Alignas(64) float square[CELL * CELL];
} nearest;

static void sift_down(double *heap, int n, int i)
{
    double value = heap[i];
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) child++;
        if (!(heap[child] > value)) break;
        heap[i] = heap[child];
    }
    heap[i] = value;
}

static void offer(nearest *w, int64_t ask, double square)
{
    double *heap = w->heap + ask * w->k;
    if (w->seen[ask] < w->k) {
        heap[w->seen[ask]++] = square;
        for (int i = w->k / 2; w->seen[ask] == w->k && i-- > 0;) sift_down(heap, w->k, i);
    } else if (square < heap[0]) {
        heap[0] = square;
        sift_down(heap, w->k, 0);
    }
}

/* A square in float32 above this is not among the nearest of a row. */
static float limit_of(const nearest *w, int64_t ask)
{
    if (w->seen[ask] < w->k) return INFINITY;
    return reach_of(sqrt(w->heap[ask * w->k]) * (1 + 0x1p-50), w->space->x->cols).high;
}

/* Asking rows of a cell, and the largest of their limits. */
static int list_asking(const nearest *w, const block *a, int cell, int *row, float *limit)
{
    const int64_t *asks = w->asks + (a->id - w->space->first_block) * TT_BLOCK_ROWS;
    int n = 0;
    *limit = 0;
    for (int i = cell * CELL; i < (cell + 1) * CELL && i < a->rows; i++) {
        if (asks[i] < 0) continue;
        *limit = fmaxf(*limit, limit_of(w, asks[i]));
        row[n++] = i;
    }
    return n;
}

static void ask_cell(nearest *w, const block *a, const int *row, int n, const block *b, int cell)
{
    const int64_t *asks = w->asks + (a->id - w->space->first_block) * TT_BLOCK_ROWS;
    uint32_t near;
    int lane[CELL];
    cell_squares(a, row, n, b, cell, w->space->x->cols, w->square);
    for (int k = 0; k < n; k++) {
        const float *square = w->square + (ptrdiff_t)k * CELL;
        float limit = limit_of(w, asks[row[k]]);
        lanes_upto(square, 1, limit, &near);
        int m = list_bits(near, cell * CELL, lane);
        for (int j = 0; j < m && lane[j] < b->rows; j++)
            offer(w, asks[row[k]], exact_square(a, row[k], b, lane[j], w->space->x->cols));
    }
}

static tt_status meet(void *state, const block *a, const block *b)
{
    nearest *w = state;
    unsigned char near[CELLS];
    int row[CELL];
    float limit;
    for (int i = 0; i < CELLS; i++) {
        int n = list_asking(w, a, i, row, &limit);
        if (n == 0 || !blocks_near(a, b, w->space->x->cols, limit)) continue;
        cells_near(a, b, w->space->x->cols, limit, near);
        for (int j = 0; j < CELLS; j++)
            if (near[i] >> j & 1) ask_cell(w, a, row, n, b, j);
    }
    return TT_OK;
}

/* Which rows ask: a seeded sample of the rows of the matrix. */
static tt_status choose_asking(nearest *w, uint64_t seed)
{
    const space *s = w->space;
    int64_t n = s->rows.end - s->rows.begin, most = most_distances / w->k;
    most = most < 1 ? 1 : most < CURVE ? most : CURVE;
    double share = (double)most / (double)s->x->n_valid;
    int64_t wanted = share < 1 ? (int64_t)(share * (double)s->x->rows) : s->x->rows;
    tt_stream stream = {seed, TT_FOR_SAMPLE, 0};
    TT_TRY(tt_alloc(n, sizeof *w->asks, "the k-distance curve", &w->asks));
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = tt_random_permute(stream, (uint64_t)s->origin[i], (uint64_t)s->x->rows);
        w->asks[i] = (int64_t)at < (wanted < 1 ? 1 : wanted) ? w->rows++ : -1;
    }
    TT_TRY(tt_alloc(w->rows, sizeof *w->seen, "the k-distance curve", &w->seen));
    return tt_alloc(w->rows * w->k, sizeof *w->heap, "the k-distance curve", &w->heap);
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The curve on every rank. Collective. */
static tt_status gather_curve(const nearest *w, tt_dbscan *out)
{
    const tt_comm *comm = w->space->x->comm;
    double *mine = NULL;
    int *count = NULL, n = (int)w->rows; /* at most some more than CURVE */
    tt_status s = tt_alloc(w->rows, sizeof *mine, "the k-distance curve", &mine);
    out->n_distances = tt_sum_i64(comm, w->rows);
    if (s == TT_OK) s = tt_alloc(2 * comm->size, sizeof *count, "the k-distance curve", &count);
    if (s == TT_OK)
        s = tt_alloc(out->n_distances, sizeof *out->k_distance, "the k-distance curve", &out->k_distance);
    s = tt_agree(comm, s);
    if (s == TT_OK) {
        int *at = count + comm->size;
        for (int64_t i = 0; i < w->rows; i++) mine[i] = sqrt(w->heap[i * w->k]);
        MPI_Allgather(&n, 1, MPI_INT, count, 1, MPI_INT, comm->mpi);
        for (int r = 1; r < comm->size; r++) at[r] = at[r - 1] + count[r - 1];
        MPI_Allgatherv(mine, n, MPI_DOUBLE, out->k_distance, count, at, MPI_DOUBLE, comm->mpi);
        qsort(out->k_distance, (size_t)out->n_distances, sizeof *out->k_distance, compare_doubles);
    }
    free(count);
    free(mine);
    return s;
}

/* The point of an ascending curve that lies farthest below its chord. */
static int64_t find_knee(const double *y, int64_t n)
{
    double deepest = -1, rise = n > 0 ? y[n - 1] - y[0] : 0;
    int64_t knee = 0;
    for (int64_t i = 0; i < n; i++) {
        double chord = n > 1 ? (double)i / (double)(n - 1) : 0,
               height = rise > 0 ? (y[i] - y[0]) / rise : chord;
        if (chord - height <= deepest) continue;
        deepest = chord - height;
        knee = i;
    }
    return knee;
}

tt_status dbscan_choose_eps(const space *s, int min_samples, uint64_t seed, tt_dbscan *out)
{
    nearest *w;
    pass p = {.label = "dbscan: k-distance curve", .meet = meet};
    if (s->x->n_valid < min_samples) return TT_OK; /* no row has so many neighbours at any eps */
    TT_TRY(tt_agree(s->x->comm, tt_alloc(1, sizeof *w, "the k-distance curve", &w)));
    w->space = s;
    w->k = min_samples;
    p.state = w;
    tt_status status = tt_agree(s->x->comm, choose_asking(w, seed));
    if (status == TT_OK) status = pass_run(s, &p);
    if (status == TT_OK) status = gather_curve(w, out);
    if (status == TT_OK) {
        out->knee = find_knee(out->k_distance, out->n_distances);
        while (out->k_distance[out->knee] <= 0 && out->knee + 1 < out->n_distances) out->knee++;
        out->eps = out->n_distances > 0 ? out->k_distance[out->knee] : 0;
    }
    free(w->heap);
    free(w->seen);
    free(w->asks);
    free(w);
    return status;
}
