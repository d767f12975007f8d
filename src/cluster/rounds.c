#include "cluster/rounds.h"

#include "cluster/tree_checkpoint.h"

#include "tutti/integer.h"
#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>

enum { BATCH = 2048 }; /* clusters searched for between two looks at the clock; pairs merged at once */

/* Every rank holds all of this and goes the same way. */
typedef struct rounds {
    tree_job *job;
    const rounds_ops *ops;
    tt_progress progress;
    int64_t points;
    hit *nearest;         /* [points] of each cluster; or TREE_UNKNOWN, TREE_ASKED, TREE_GONE */
    int32_t *head;        /* [points] the clusters whose nearest is this one, as a list; -1 ends it */
    int32_t *next, *prev; /* [points] in that list */
    int32_t *asked;       /* [points] clusters to search for */
    int64_t n_asked;
    int32_t *answered; /* [points] those whose nearest is new */
    int64_t n_answered;
    merge *pairs; /* [points] */
    int64_t n_pairs;
    double *height; /* [points] of the last merge of each cluster */
} rounds;

static tt_status make(rounds *r)
{
    int64_t n = r->points;
    TT_TRY(tt_alloc(n, sizeof *r->nearest, "nearest neighbours", &r->nearest));
    TT_TRY(tt_alloc(n, sizeof *r->height, "heights", &r->height));
    TT_TRY(tt_alloc(n, sizeof *r->pairs, "pairs", &r->pairs));
    TT_TRY(tt_alloc(5 * n, sizeof *r->head, "lists of clusters", &r->head));
    r->next = r->head + n;
    r->prev = r->next + n;
    r->asked = r->prev + n;
    r->answered = r->asked + n;
    for (int64_t i = 0; i < n; i++) {
        r->nearest[i] = (hit){0, TREE_ASKED};
        r->head[i] = -1;
    }
    return TT_OK;
}

static void clear(rounds *r)
{
    free(r->nearest);
    free(r->height);
    free(r->pairs);
    free(r->head);
}

static void link_up(rounds *r, int32_t i)
{
    int32_t to = r->nearest[i].id, first = r->head[to];
    r->next[i] = first;
    r->prev[i] = -1;
    if (first >= 0) r->prev[first] = i;
    r->head[to] = i;
}

static void unlink_from(rounds *r, int32_t i)
{
    int32_t before = r->prev[i], after = r->next[i];
    if (before >= 0)
        r->next[before] = after;
    else
        r->head[r->nearest[i].id] = after;
    if (after >= 0) r->prev[after] = before;
}

/* Search for a cluster in the next round, whose nearest is not known. */
static void ask(rounds *r, int32_t i)
{
    if (r->nearest[i].id != TREE_UNKNOWN) return;
    r->nearest[i].id = TREE_ASKED;
    r->asked[r->n_asked++] = i;
}

static int ascending(const void *a, const void *b)
{
    const int32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Every `step`-th of the clusters asked for, from `at` on: a rank's own lie beside each other, and each batch
 * should have work for all of them. @return how many */
static int64_t take_batch(const rounds *r, int64_t at, int64_t step, int32_t *out)
{
    int64_t n = 0;
    for (int64_t i = at; i < r->n_asked; i += step) out[n++] = r->asked[i];
    return n;
}

/* Answers come in batches; what has been answered when a signal comes is part of the checkpoint. */
static tt_status search(rounds *r)
{
    const hit *mine = r->nearest + r->job->x.first;
    int64_t batches = tt_ceil_div(r->n_asked, BATCH);
    int32_t ids[BATCH];
    hit found[BATCH];
    qsort(r->asked, (size_t)r->n_asked, sizeof *r->asked, ascending);
    for (int64_t at = 0; at < batches; at++) {
        int64_t n = take_batch(r, at, batches, ids);
        TT_TRY(tree_pause(r->job, 1, mine));
        TT_TRY(r->ops->search(r->ops->self, n, ids, found));
        for (int64_t i = 0; i < n; i++) {
            r->nearest[ids[i]] = found[i];
            r->answered[r->n_answered++] = ids[i];
            link_up(r, ids[i]);
        }
        tt_progress_add(&r->progress, r->job->n == 0 ? n : 0);
    }
    r->n_asked = 0;
    r->job->rounds++;
    return TT_OK;
}

static int by_smaller(const void *a, const void *b)
{
    const merge *left = a, *right = b;
    return (left->a > right->a) - (left->a < right->a);
}

/* Pairs that have become each other's nearest, by their smaller cluster; and whoever is the nearest of one
 * that was answered must be known next. */
static void pair_up(rounds *r)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_answered; i++) {
        int32_t a = r->answered[i], b = r->nearest[a].id;
        if (r->nearest[b].id == a)
            r->pairs[n++] = (merge){a < b ? a : b, a < b ? b : a, r->nearest[a].value};
        else
            ask(r, b);
    }
    qsort(r->pairs, (size_t)n, sizeof *r->pairs, by_smaller);
    r->n_pairs = r->n_answered = 0;
    for (int64_t i = 0; i < n; i++) /* both were answered: once is enough */
        if (i == 0 || r->pairs[i].a != r->pairs[i - 1].a) r->pairs[r->n_pairs++] = r->pairs[i];
}

/* The clusters whose nearest is merged do not know theirs any more; it is asked for only where it is the
 * nearest of another, since otherwise no pair waits for it yet. */
static void orphan(rounds *r, int32_t merged)
{
    for (int32_t i = r->head[merged]; i >= 0; i = r->next[i]) {
        r->nearest[i].id = TREE_UNKNOWN;
        if (r->head[i] >= 0) ask(r, i);
    }
    r->head[merged] = -1;
}

static void record(rounds *r, const merge *pair)
{
    int32_t a = pair->a, b = pair->b;
    tree_job *job = r->job;
    double height = r->ops->height(r->ops->self, pair->height);
    height = fmax(height, fmax(r->height[a], r->height[b])); /* rounding must not turn the tree over */
    job->merges[job->n++] = (merge){a, b, height};
    r->height[a] = height;
    job->size[a] += job->size[b];
    unlink_from(r, a);
    unlink_from(r, b);
    orphan(r, a);
    orphan(r, b);
    r->nearest[b].id = TREE_GONE;
    r->nearest[a].id = TREE_UNKNOWN;
    ask(r, a);
}

static tt_status merge_pairs(rounds *r)
{
    for (int64_t at = 0; at < r->n_pairs; at += BATCH) {
        int64_t n = r->n_pairs - at < BATCH ? r->n_pairs - at : BATCH;
        TT_TRY(r->ops->merge(r->ops->self, n, r->pairs + at));
        for (int64_t i = 0; i < n; i++) record(r, &r->pairs[at + i]);
    }
    tt_progress_add(&r->progress, r->n_pairs);
    return TT_OK;
}

/* Where rounding has left a ring of clusters, each the nearest of the one before: look at all again. */
static void ask_all(rounds *r)
{
    for (int32_t i = 0; i < r->points; i++) {
        if (r->nearest[i].id == TREE_GONE) continue;
        r->nearest[i].id = TREE_UNKNOWN;
        r->head[i] = -1;
        ask(r, i);
    }
}

/* Do again, without searching, what a checkpoint says was done. */
static tt_status replay(rounds *r)
{
    tree_job *job = r->job;
    int64_t n = job->n;
    char *used;
    TT_TRY(tt_agree(job->comm, tt_alloc(r->points, 1, "merges", &used)));
    tt_status s = TT_OK;
    for (int64_t at = 0, end; s == TT_OK && at < n; at = end) {
        for (end = at; end < n && end - at < BATCH; end++) { /* pairs without a common cluster */
            if (used[job->merges[end].a] || used[job->merges[end].b]) break;
            used[job->merges[end].a] = used[job->merges[end].b] = 1;
        }
        s = r->ops->merge(r->ops->self, end - at, job->merges + at);
        for (int64_t i = at; i < end; i++) {
            const merge *m = &job->merges[i];
            used[m->a] = used[m->b] = 0;
            job->size[m->a] += job->size[m->b];
            r->height[m->a] = m->height;
        }
    }
    free(used);
    return s;
}

static tt_status resume(rounds *r)
{
    bool found;
    TT_TRY(tree_load(r->job, 1, (tt_range){0, r->points}, r->nearest, &found));
    if (!found)
        for (int64_t i = 0; i < r->points; i++) r->nearest[i] = (hit){0, TREE_ASKED};
    TT_TRY(replay(r));
    for (int32_t i = 0; i < r->points; i++) {
        if (r->nearest[i].id == TREE_ASKED) r->asked[r->n_asked++] = i;
        if (r->nearest[i].id < 0) continue;
        link_up(r, i);
        r->answered[r->n_answered++] = i;
    }
    tt_progress_skip(&r->progress, r->job->n + r->n_answered);
    return TT_OK;
}

static tt_status run(rounds *r)
{
    tree_job *job = r->job;
    TT_TRY(resume(r));
    while (job->n < r->points - 1) {
        TT_TRY(search(r));
        pair_up(r);
        TT_TRY(merge_pairs(r));
        if (r->n_pairs == 0 && r->n_asked == 0) ask_all(r);
    }
    return TT_OK;
}

tt_status rounds_run(tree_job *job, const rounds_ops *ops)
{
    rounds r = {.job = job, .ops = ops, .points = job->x.rows};
    tt_status s = tt_agree(job->comm, make(&r));
    int64_t units = 2 * r.points - 1; /* each point is looked at once before the first merge */
    tt_progress_start(&r.progress, tt_linkage_name(job->params->linkage), "searches and merges", units,
                      units);
    if (s == TT_OK && r.points > 1) s = run(&r);
    tt_progress_end(&r.progress);
    clear(&r);
    return s;
}
