#include "cluster/tree.h"

#include "tutti/memory.h"

#include <stdlib.h>

void tree_point(const tt_matrix *x, int64_t i, double *point)
{
    const float *row = x->data + i * x->cols, *rest = x->rest ? x->rest + i * x->cols : NULL;
    for (int64_t j = 0; j < x->cols; j++) point[j] = (double)row[j] + (rest ? (double)rest[j] : 0);
}

void tree_release(tree_job *job)
{
    free(job->x.data);
    free(job->x.rest);
    job->x.data = job->x.rest = NULL;
}

typedef struct keyed {
    merge merge;
    int64_t made;
} keyed;

static int by_height(const void *left, const void *right)
{
    const keyed *a = left, *b = right;
    if (a->merge.height != b->merge.height) return a->merge.height < b->merge.height ? -1 : 1;
    return (a->made > b->made) - (a->made < b->made);
}

static tt_status sort_merges(int64_t n, merge *merges)
{
    keyed *list;
    TT_TRY(tt_alloc(n, sizeof *list, "merges", &list));
    for (int64_t i = 0; i < n; i++) list[i] = (keyed){merges[i], i};
    qsort(list, (size_t)n, sizeof *list, by_height);
    for (int64_t i = 0; i < n; i++) merges[i] = list[i].merge;
    free(list);
    return TT_OK;
}

/* The root of a leaf, with paths halved on the way. */
static int64_t root_of(int64_t *parent, int64_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* Nodes of the tree are numbered as they are made; a set of leaves goes by its root leaf. */
typedef struct sets {
    int64_t *parent, *node, *size;
} sets;

static tt_status make_sets(int64_t leaves, sets *s)
{
    TT_TRY(tt_alloc(3 * leaves, sizeof *s->parent, "a tree", &s->parent));
    s->node = s->parent + leaves;
    s->size = s->node + leaves;
    for (int64_t i = 0; i < leaves; i++) {
        s->parent[i] = s->node[i] = i;
        s->size[i] = 1;
    }
    return TT_OK;
}

tt_status tree_linkage(int64_t leaves, merge *merges, double *linkage)
{
    sets s;
    if (leaves < 2) return TT_OK;
    TT_TRY(sort_merges(leaves - 1, merges));
    TT_TRY(make_sets(leaves, &s));
    for (int64_t i = 0; i + 1 < leaves; i++) {
        int64_t a = root_of(s.parent, merges[i].a), b = root_of(s.parent, merges[i].b);
        int64_t left = s.node[a] < s.node[b] ? s.node[a] : s.node[b];
        int64_t root = s.size[a] < s.size[b] ? b : a, other = root == a ? b : a;
        double *row = linkage + 4 * i;
        row[0] = (double)left;
        row[1] = (double)(s.node[a] + s.node[b] - left);
        row[2] = merges[i].height;
        s.parent[other] = root;
        s.size[root] += s.size[other];
        s.node[root] = leaves + i;
        row[3] = (double)s.size[root];
    }
    free(s.parent);
    return TT_OK;
}

tt_status tree_cut(int64_t leaves, const double *linkage, int64_t kept, int32_t *label, int64_t *clusters)
{
    int64_t *parent; /* of every node, upwards; then the label of every node, downwards */
    *clusters = 0;
    TT_TRY(tt_alloc(leaves + kept, sizeof *parent, "flat clusters", &parent));
    for (int64_t i = 0; i < leaves + kept; i++) parent[i] = i;
    for (int64_t i = 0; i < kept; i++)
        parent[(int64_t)linkage[4 * i]] = parent[(int64_t)linkage[4 * i + 1]] = leaves + i;
    for (int64_t i = leaves + kept - 1; i >= 0; i--) parent[i] = parent[parent[i]]; /* now the topmost */
    for (int64_t i = 0; i < leaves; i++) {
        int64_t top = parent[i];
        if (top >= 0 && top < leaves) { /* alone */
            label[i] = (int32_t)(*clusters)++;
            continue;
        }
        if (top >= 0 && parent[top] >= 0) parent[top] = -1 - (*clusters)++;
        label[i] = (int32_t)(-1 - parent[top]);
    }
    free(parent);
    return TT_OK;
}
