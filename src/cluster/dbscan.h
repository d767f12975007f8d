/* What the files of DBSCAN share. */
#ifndef TUTTI_CLUSTER_DBSCAN_H
#define TUTTI_CLUSTER_DBSCAN_H

#include "tutti/dbscan.h"
#include "tutti/distance.h"
#include "tutti/signal.h"

enum {
    CELL = TT_CELL,              /* rows of a cell: what is measured against another cell at once */
    CELLS = TT_BLOCK_ROWS / CELL /* of a block */
};

/* ---- a directory: values of rows, set and asked for from any rank ---- */

/** Values of rows, dealt over the ranks in blocks, each row's at the rank that owns the row. */
typedef struct directory {
    const tt_comm *comm;
    int64_t rows, first; /**< over all ranks; the first of this one */
    int64_t width;       /**< values of a row; what is asked for is the first of them */
    int64_t *value;      /**< [rows of this rank, width] */
} directory;

/** Of the rows of a matrix, one value each, which the caller allocates. */
directory directory_of(const tt_matrix *x);

/** A value on its way to a row. */
typedef struct letter {
    int64_t row, value;
} letter;

/** Hand letters [n] to the owners of their rows: take() is called there for each, with the row's values, in
 * an order that depends on the rank count. Collective. @return TT_OK or TT_ERR_MEMORY */
tt_status directory_send(directory *d, const letter *letters, int64_t n,
                         void (*take)(int64_t *at, int64_t value));

/** The values of rows [n], any of them -1 (the value is then -1): each distinct row is asked for once.
 * Collective. */
tt_status directory_ask(const directory *d, const int64_t *row, int64_t n, int64_t *value);

/** Numbers from 0 for distinct keys (0 and more) in the order of their coming. */
typedef struct key_table {
    int64_t slots, used;
    int64_t *key, *number; /* [slots] */
} key_table;

/** Room for n keys; forgets those it has. */
tt_status key_table_reset(key_table *t, int64_t n);
int64_t key_table_number(key_table *t, int64_t key);
void key_table_free(key_table *t);

/* ---- rows in spatial order ---- */

/** A block of rows, here or visiting. */
typedef struct block {
    int64_t id; /**< over all ranks */
    int rows;
    float *columns;    /**< [CELLS, cols, CELL] values; far away from everything where there is no row */
    float *low, *high; /**< [cols, CELLS] boxes of the cells */
    float *box;        /**< [cols, 2] of the block */
    int64_t *info;     /**< [TT_BLOCK_ROWS] what the present pass knows of each row */
} block;

/** The valid rows of a matrix, near ones in one block, dealt over the ranks. */
typedef struct space {
    const tt_matrix *x;
    tt_range rows; /**< of this rank, in spatial order */
    int64_t blocks, first_block;
    size_t slot;     /**< bytes of a block, one after another */
    char *memory;    /**< [blocks, slot] */
    int64_t *origin; /**< [rows] row of the matrix */
} space;

/** Sort the valid rows. Collective. @return TT_OK, TT_ERR_INPUT (values too large) or TT_ERR_MEMORY */
tt_status space_new(const tt_matrix *x, space *out);
void space_free(space *s);

/** Whether a block is of this rank. */
bool space_owns(const space *s, const block *b);

/** This rank's block i, or the one at `memory` of number `id`. */
block space_block(const space *s, int64_t i);
block space_view(const space *s, char *memory, int64_t id);

/** Put rows [n] of keys into a spatial order: cells and blocks of near rows. @param row  [n] indices into
 * data
 *  [., cols], permuted */
tt_status space_order(const float *data, int64_t cols, int64_t n, int64_t *row);

/* ---- distances within a reach ---- */

/** What "within eps" is in squares. */
typedef struct reach {
    double square;   /**< decides, in double */
    float low, high; /**< a float32 square up to `low` is within, one above `high` is not, for sure */
} reach;

reach reach_of(double eps, int64_t cols);

/** Whether any rows of two blocks may be within reach. */
bool blocks_near(const block *a, const block *b, int64_t cols, float high);

/** near[i] has bit j set where cell i of a and cell j of b may be. */
void cells_near(const block *a, const block *b, int64_t cols, float high, unsigned char near[CELLS]);

/** Squares of rows `row` [n] of block a to the rows of cell `cell` of b. @param out  [CELL, CELL], aligned
 * to 64 bytes */
void cell_squares(const block *a, const int *row, int n, const block *b, int cell, int64_t cols, float *out);

/** Squared distance of row i of a and row j of b in double, the same bits for both orders. */
double exact_square(const block *a, int i, const block *b, int j, int64_t cols);

/** Bits for the lanes of square [n, CELL] that are at most `limit`. @param lanes  [n] */
void lanes_upto(const float *square, int n, float limit, uint32_t *lanes);

/** Which rows of cell `cell` of b are within reach of rows `row` [n <= CELL] of block a. @param hits  [n] bit
 * j: row j of the cell */
void cell_hits(const reach *r, const block *a, const int *row, int n, const block *b, int cell, int64_t cols,
               uint32_t *hits);

/** Numbers of the bits that are set, `first` added. @return how many */
int list_bits(uint32_t bits, int first, int *out);

/* ---- passes: every pair of blocks meets ---- */

/** How far a pass is: pairs of own blocks by how many blocks they are apart, then rounds of visits. */
typedef struct place {
    int64_t apart, visited;
} place;

enum { TAG_BLOCKS, TAG_GAINED }; /* of messages between the two ranks of a visit */

/** Blocks of one rank on a visit to another. */
typedef struct visit {
    int rank;               /**< whose they are, or at whom */
    int64_t first, step, n; /**< over all ranks: first, first + step, ...; none: n is 0 */
} visit;

/** Block i of those of this rank that are on a visit. */
block visit_block(const space *s, const visit *went, int64_t i);

typedef struct pass {
    const char *label; /**< for progress */
    void *state;
    bool symmetric; /**< a pair meets once, on one of its two ranks; otherwise (a, b) and (b, a) both */
    /** Block a of this rank and any other, or itself. Not collective. */
    tt_status (*meet)(void *state, const block *a, const block *b);
    /** Own blocks have met and are about to visit: their info is what travels. Not collective; may be NULL.
     */
    void (*depart)(void *state);
    /** Blocks [n] of another rank have come. Not collective; may be NULL. */
    tt_status (*arrived)(void *state, const block *visitor, const visit *came);
    /** Visitors have met all blocks of this rank: they came from one rank while own blocks went to another.
     * Collective; may be NULL. */
    tt_status (*leave)(void *state, const block *visitor, const visit *came, const visit *went);
    place at; /**< in: where to begin; out: where it ended or was stopped */
} pass;

/** Largest number of blocks that visit at once. */
int64_t pass_visitors(const space *s);

/** Collective. @return TT_OK, TT_ERR_MEMORY, TT_STOPPED, or what the pass returned */
tt_status pass_run(const space *s, pass *p);

/* ---- the work ---- */

enum { DBSCAN_COUNT, DBSCAN_JOIN, DBSCAN_BORDER, DBSCAN_DONE };

typedef struct dbscan {
    const tt_matrix *x;
    const tt_dbscan_params *params;
    space space;
    reach reach;
    int phase; /**< DBSCAN_COUNT... */
    place at;
    unsigned char *core; /**< [space rows] */
    int64_t *root;       /**< [space rows] from the join on: of core rows a row of the matrix that stands for
                            their cluster, in the end its smallest core row; of others the smallest root
                            within reach so far, or -1 */
    directory found;     /**< [space rows] neighbours that counting came upon, see found_add() */
    directory link;      /**< of a row that stands for a cluster: one, not larger, that stands for the same */
    bool resumed;
} dbscan;

/** Settle which rows are core, and note neighbours of all rows. Collective. */
tt_status dbscan_count(dbscan *d);

/* Neighbours that counting came upon, rows in spatial order: FOUND of a row at most, since memory should not
 * grow with min_samples. So rows that are not core have all of theirs unless min_samples is larger. */
enum { FOUND = 32 };

tt_status found_new(dbscan *d);

/** Most neighbours that are noted of a row. */
int64_t found_most(const dbscan *d);

/** One more neighbour among those of a row, unless they are as many as they may be. @param found  of the row:
 * how many are still missing, then places that fill from the last one on */
void found_add(int64_t *found, int64_t neighbour);

/** Neighbours of this rank's row i. @return how many */
int64_t found_of(const dbscan *d, int64_t i, const int64_t **neighbour);

/** Whether these are all, of a row that is not core; and to forget them. */
bool found_all(const dbscan *d, int64_t i);
void found_forget(dbscan *d, int64_t i);

/** Settle the roots of core rows. Collective. */
tt_status dbscan_join(dbscan *d);

/** Settle the roots of the other rows. Collective. */
tt_status dbscan_border(dbscan *d);

/** Choose eps: sets out->eps and the curve. Collective. */
tt_status dbscan_choose_eps(const space *s, int min_samples, uint64_t seed, tt_dbscan *out);

/** Write the checkpoint, if params ask for one. Collective. */
tt_status dbscan_save(const dbscan *d);

/** Go on from a checkpoint of this run, if there is one. Collective. */
tt_status dbscan_resume(dbscan *d);

#endif
