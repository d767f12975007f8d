/* Core rows within reach of each other are of one cluster. Each rank keeps a union-find forest of its own
 * rows, to whose trees visiting clusters are tied for as long as they visit. What is learnt of clusters that
 * others know too is an edge between two of the rows they go by; the directory of such rows makes one of them
 * by hooking the larger onto the smaller until no edge is left (Shiloach, Vishkin 1982). */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct edge {
    int64_t a, b;
} edge;

typedef struct joining {
    dbscan *d;
    int64_t own;     /* nodes of this rank's rows; those of visiting clusters follow */
    int64_t *parent; /* [own + visitors] */
    int64_t *name;   /* likewise, of roots: the row that the cluster goes by */
    int64_t *sample; /* [blocks + visiting blocks] a node of the block if all its core rows are of one tree */
    bool published;  /* others know the names */
    edge *edge;
    int64_t edges, room;
    visit came;
    int64_t *visitor; /* [visitors, TT_BLOCK_ROWS] nodes, -1 */
    key_table names;
} joining;

static int64_t find(joining *w, int64_t i)
{
    while (w->parent[i] != i) i = w->parent[i] = w->parent[w->parent[i]];
    return i;
}

static tt_status add_edge(joining *w, int64_t a, int64_t b)
{
    if (a == b) return TT_OK;
    if (w->edges == w->room) {
        int64_t room = 2 * w->room + 256;
        TT_TRY(tt_grow(w->room, room, sizeof *w->edge, "joins of clusters", &w->edge));
        w->room = room;
    }
    w->edge[w->edges++] = (edge){a, b};
    return TT_OK;
}

/* Make one tree of those of two nodes. A visiting cluster never becomes the root of own rows. */
static tt_status join(joining *w, int64_t a, int64_t b)
{
    a = find(w, a);
    b = find(w, b);
    if (a == b) return TT_OK;
    if (w->published) TT_TRY(add_edge(w, w->name[a], w->name[b]));
    if (a > b) {
        int64_t held = a;
        a = b;
        b = held;
    }
    w->parent[b] = a;
    if (b < w->own && w->name[b] < w->name[a]) w->name[a] = w->name[b];
    return TT_OK;
}

/* ---- blocks ---- */

/* Which of the visiting blocks one is. */
static int64_t visitor_of(const joining *w, const block *b)
{
    return (b->id - w->came.first) / w->came.step;
}

/* Nodes of the rows of a cell; -1 where a row is not core. */
static void cell_nodes(const joining *w, const block *b, int cell, int64_t node[CELL])
{
    if (!space_owns(&w->d->space, b)) {
        memcpy(node, w->visitor + visitor_of(w, b) * TT_BLOCK_ROWS + cell * CELL, CELL * sizeof *node);
        return;
    }
    int64_t first = (b->id - w->d->space.first_block) * TT_BLOCK_ROWS + cell * CELL;
    int rows = b->rows - cell * CELL;
    for (int i = 0; i < CELL; i++) node[i] = i < rows && w->d->core[first + i] ? first + i : -1;
}

static int64_t *sample_of(const joining *w, const block *b)
{
    return space_owns(&w->d->space, b) ? &w->sample[b->id - w->d->space.first_block]
                                       : &w->sample[w->d->space.blocks + visitor_of(w, b)];
}

/* Roots of the rows of a cell, -1 where a row is not core. @return whether all core rows have one, in *one
 * (-1: there is no core row) */
static bool cell_roots(joining *w, const block *b, int cell, int64_t root[CELL], int64_t *one)
{
    bool same = true;
    *one = -1;
    cell_nodes(w, b, cell, root);
    for (int i = 0; i < CELL; i++) {
        if (root[i] < 0) continue;
        root[i] = find(w, root[i]);
        same = same && (*one < 0 || *one == root[i]);
        *one = root[i];
    }
    return same;
}

enum { MIXED = -1, EMPTY = -2 }; /* of a sample */

/* Whether all core rows of a block are of one tree now; that stays so. */
static void look_at(joining *w, const block *b)
{
    int64_t *sample = sample_of(w, b), root[CELL], one, all = EMPTY;
    if (*sample != MIXED) return;
    for (int c = 0; c < CELLS; c++) {
        if (!cell_roots(w, b, c, root, &one) || (one >= 0 && all >= 0 && one != all)) return;
        if (one >= 0) all = one;
    }
    *sample = all;
}

/* Whether nothing can be learnt of two blocks. */
static bool are_one(joining *w, const block *a, const block *b)
{
    look_at(w, a);
    look_at(w, b);
    int64_t x = *sample_of(w, a), y = *sample_of(w, b);
    return x == EMPTY || y == EMPTY || (x >= 0 && y >= 0 && find(w, x) == find(w, y));
}

/* Rows of cell i of a, but for those of tree `but`, against cell j of b. */
static tt_status join_rows(joining *w, const block *a, int i, const int64_t root[CELL], int64_t but,
                           const block *b, int j)
{
    int row[CELL], lane[CELL], n = 0;
    int64_t of_a[CELL], of_b[CELL];
    uint32_t hits[CELL];
    cell_nodes(w, a, i, of_a);
    cell_nodes(w, b, j, of_b);
    for (int k = 0; k < CELL; k++)
        if (root[k] >= 0 && root[k] != but) row[n++] = i * CELL + k;
    cell_hits(&w->d->reach, a, row, n, b, j, w->d->x->cols, hits);
    for (int k = 0; k < n; k++) {
        int m = list_bits(hits[k], 0, lane);
        for (int l = 0; l < m; l++)
            if (of_b[lane[l]] >= 0) TT_TRY(join(w, of_a[row[k] % CELL], of_b[lane[l]]));
    }
    return TT_OK;
}

/* Where all of one cell are of one tree, rows of the other that are too need not be measured. */
static tt_status join_cells(joining *w, const block *a, int i, const block *b, int j)
{
    int64_t of_a[CELL], of_b[CELL], one, other;
    bool a_same = cell_roots(w, a, i, of_a, &one), b_same = cell_roots(w, b, j, of_b, &other);
    if (one < 0 || other < 0 || (a_same && b_same && one == other)) return TT_OK;
    if (b_same || !a_same) return join_rows(w, a, i, of_a, b_same ? other : -1, b, j);
    return join_rows(w, b, j, of_b, one, a, i);
}

static tt_status meet(void *state, const block *a, const block *b)
{
    joining *w = state;
    unsigned char near[CELLS];
    float high = w->d->reach.high;
    int64_t cols = w->d->x->cols;
    if (!blocks_near(a, b, cols, high) || are_one(w, a, b)) return TT_OK;
    cells_near(a, b, cols, high, near);
    for (int i = 0; i < CELLS; i++)
        for (int j = a->id == b->id ? i : 0; j < CELLS; j++)
            if (near[i] >> j & 1) TT_TRY(join_cells(w, a, i, b, j));
    return TT_OK;
}

/* What visits of this rank's rows: the names of their clusters. */
static void depart(void *state)
{
    joining *w = state;
    const space *s = &w->d->space;
    for (int64_t i = 0; i < s->blocks; i++) {
        block b = space_block(s, i);
        for (int c = 0; c < CELLS; c++) cell_nodes(w, &b, c, b.info + c * CELL);
        for (int r = 0; r < TT_BLOCK_ROWS; r++)
            if (b.info[r] >= 0) b.info[r] = w->name[find(w, b.info[r])];
    }
    w->published = true;
}

/* The node of a visiting cluster by its name. */
static int64_t node_named(joining *w, int64_t name)
{
    int64_t seen = w->names.used, node = w->own + key_table_number(&w->names, name);
    if (node < w->own + seen) return node;
    w->parent[node] = node;
    w->name[node] = name;
    return node;
}

static tt_status arrived(void *state, const block *visitor, const visit *came)
{
    joining *w = state;
    int64_t name = -1, node = -1; /* of the row before: most often the same */
    w->came = *came;
    TT_TRY(key_table_reset(&w->names, came->n * TT_BLOCK_ROWS));
    for (int64_t v = 0; v < came->n; v++) {
        w->sample[w->d->space.blocks + v] = MIXED;
        for (int i = 0; i < TT_BLOCK_ROWS; i++) {
            int64_t next = visitor[v].info[i];
            if (next >= 0 && next != name) node = node_named(w, next);
            if (next >= 0) name = next;
            w->visitor[v * TT_BLOCK_ROWS + i] = next < 0 ? -1 : node;
        }
    }
    return TT_OK;
}

/* ---- what ranks know together ---- */

static void take_least(int64_t *at, int64_t value)
{
    if (value < *at) *at = value;
}

/* Every row in the directory names the end of its chain. Collective. */
static tt_status shorten(const tt_matrix *x, directory *link)
{
    int64_t *value = NULL, *at = NULL, changed = 1, n = 0;
    tt_status s = TT_OK;
    for (int64_t i = 0; i < x->count; i++) n += link->value[i] != x->first + i;
    s = tt_alloc(2 * n, sizeof *value, "names of clusters", &value);
    if (s == TT_OK) s = tt_alloc(n, sizeof *at, "names of clusters", &at);
    s = tt_agree(x->comm, s);
    for (int64_t i = 0, k = 0; s == TT_OK && i < x->count; i++)
        if (link->value[i] != x->first + i) at[k++] = i;
    while (s == TT_OK && changed > 0) {
        for (int64_t k = 0; k < n; k++) value[k] = link->value[at[k]];
        s = directory_ask(link, value, n, value + n);
        changed = 0;
        for (int64_t k = 0; s == TT_OK && k < n; k++) {
            changed += value[n + k] != value[k];
            link->value[at[k]] = value[n + k];
        }
        changed = tt_sum_i64(x->comm, changed);
    }
    free(at);
    free(value);
    return s;
}

/* Hook the ends of edges that are not of one cluster yet, and keep these edges. *left counts them over all
 * ranks. Collective. */
static tt_status hook(joining *w, int64_t *left)
{
    directory *link = &w->d->link;
    int64_t n = w->edges, *end = NULL;
    letter *letters = NULL;
    tt_status s = tt_alloc(4 * n, sizeof *end, "joins of clusters", &end);
    if (s == TT_OK) s = tt_alloc(n, sizeof *letters, "joins of clusters", &letters);
    s = tt_agree(link->comm, s);
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        end[2 * i] = w->edge[i].a;
        end[2 * i + 1] = w->edge[i].b;
    }
    if (s == TT_OK) s = directory_ask(link, end, 2 * n, end + 2 * n);
    w->edges = 0;
    for (int64_t i = 0; s == TT_OK && i < n; i++) {
        int64_t a = end[2 * n + 2 * i], b = end[2 * n + 2 * i + 1];
        if (a == b) continue;
        letters[w->edges] = (letter){a > b ? a : b, a > b ? b : a};
        w->edge[w->edges++] = (edge){a, b};
    }
    if (s == TT_OK) s = directory_send(link, letters, w->edges, take_least);
    *left = tt_sum_i64(link->comm, w->edges);
    free(letters);
    free(end);
    return s;
}

/* Give own trees the names that the directory knows; those of one name become one tree. Collective. */
static tt_status rename_trees(joining *w)
{
    const tt_comm *comm = w->d->x->comm;
    int64_t *old = NULL, *first = NULL;
    tt_status s = tt_alloc(2 * w->own, sizeof *old, "names of clusters", &old);
    if (s == TT_OK) s = tt_alloc(w->own, sizeof *first, "names of clusters", &first);
    if (s == TT_OK) s = key_table_reset(&w->names, w->own);
    s = tt_agree(comm, s);
    int64_t *new = old + w->own;
    for (int64_t i = 0; s == TT_OK && i < w->own; i++)
        old[i] = w->d->core[i] && w->parent[i] == i ? w->name[i] : -1;
    if (s == TT_OK) s = directory_ask(&w->d->link, old, w->own, new);
    for (int64_t i = 0; s == TT_OK && i < w->own; i++) {
        if (old[i] < 0) continue;
        w->name[i] = new[i];
        int64_t seen = w->names.used, number = key_table_number(&w->names, new[i]);
        if (number == seen)
            first[number] = i;
        else
            w->parent[i] = first[number];
    }
    free(first);
    free(old);
    return s;
}

/* Settle all edges. Collective. */
static tt_status settle(joining *w)
{
    int64_t left = 1;
    while (left > 0) {
        TT_TRY(shorten(w->d->x, &w->d->link));
        TT_TRY(hook(w, &left));
    }
    TT_TRY(rename_trees(w));
    depart(w);
    return TT_OK;
}

/* Edges are settled when a rank has as many as rows, so that they stay few. */
static tt_status leave(void *state, const block *visitor, const visit *came, const visit *went)
{
    (void)visitor, (void)came, (void)went;
    joining *w = state;
    int64_t full = w->edges > w->own + 4096;
    return tt_max_i64(w->d->x->comm, full) ? settle(w) : TT_OK;
}

/* ---- all of it ---- */

/* Trees of one row each, or of those that a checkpoint says are of one cluster. */
static tt_status plant(joining *w)
{
    const dbscan *d = w->d;
    int64_t *first;
    TT_TRY(tt_alloc(w->own, sizeof *first, "names of clusters", &first));
    tt_status s = key_table_reset(&w->names, w->own);
    for (int64_t i = 0; s == TT_OK && i < w->own; i++) {
        w->parent[i] = i;
        w->name[i] = d->space.origin[i];
        if (!d->core[i] || d->root[i] < 0) continue;
        w->name[i] = d->root[i];
        int64_t seen = w->names.used, number = key_table_number(&w->names, d->root[i]);
        if (number == seen) first[number] = i;
        w->parent[i] = first[number];
    }
    free(first);
    w->published = d->resumed;
    return s;
}

/* This rank's core rows that counting found to be neighbours. */
static tt_status join_found(joining *w)
{
    const directory *found = &w->d->found;
    for (int64_t i = 0; i < w->own; i++) {
        const int64_t *neighbour;
        int64_t n = w->d->core[i] ? found_of(w->d, i, &neighbour) : 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t other = neighbour[k] - found->first;
            if (other >= 0 && other < w->own && w->d->core[other]) TT_TRY(join(w, i, other));
        }
    }
    return TT_OK;
}

static tt_status joining_new(joining *w)
{
    const space *s = &w->d->space;
    int64_t visitors = pass_visitors(s), nodes;
    w->own = s->rows.end - s->rows.begin;
    nodes = w->own + visitors * TT_BLOCK_ROWS;
    TT_TRY(tt_alloc(nodes, sizeof *w->parent, "clusters", &w->parent));
    TT_TRY(tt_alloc(nodes, sizeof *w->name, "clusters", &w->name));
    TT_TRY(tt_alloc(visitors * TT_BLOCK_ROWS, sizeof *w->visitor, "clusters", &w->visitor));
    TT_TRY(tt_alloc(s->blocks + visitors, sizeof *w->sample, "clusters", &w->sample));
    for (int64_t i = 0; i < s->blocks; i++) w->sample[i] = MIXED;
    TT_TRY(plant(w));
    return join_found(w);
}

static void joining_free(joining *w)
{
    free(w->parent);
    free(w->name);
    free(w->visitor);
    free(w->sample);
    free(w->edge);
    key_table_free(&w->names);
    free(w);
}

tt_status dbscan_join(dbscan *d)
{
    joining *w;
    pass p = {.label = "dbscan: join core rows", .symmetric = true, .meet = meet, .at = d->at};
    TT_TRY(tt_agree(d->x->comm, tt_alloc(1, sizeof *w, "clusters", &w)));
    w->d = d;
    p.state = w;
    p.depart = depart;
    p.arrived = arrived;
    p.leave = leave;
    tt_status s = tt_agree(d->x->comm, joining_new(w)), ended = TT_OK;
    if (s == TT_OK) {
        ended = pass_run(&d->space, &p);
        d->at = p.at;
    }
    if (ended == TT_OK || ended == TT_STOPPED) {
        if (s == TT_OK) s = settle(w);
        for (int64_t i = 0; s == TT_OK && i < w->own; i++) d->root[i] = d->core[i] ? w->name[find(w, i)] : -1;
    }
    joining_free(w);
    return s == TT_OK ? ended : s;
}
