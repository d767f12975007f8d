/* The nearest of many points, exactly: tiles in float32 rule out, what they cannot tell apart is measured in
 * double. So a result depends neither on how points lie in tiles nor on which rank holds them. */
#ifndef TUTTI_CLUSTER_NEAREST_H
#define TUTTI_CLUSTER_NEAREST_H

#include "tutti/comm.h"

/* A point found. Ordered by value, equal ones by id. */
typedef struct hit {
    double value;
    int32_t id; /* -1: none, with value INFINITY */
} hit;

/* A chunk of NEAREST_WIDTH slots as queries see it: squared distance of their middle to that of a part. */
typedef struct nearest_chunk {
    double distance;
    int64_t number;
} nearest_chunk;

/* Points of one rank, in slots. */
typedef struct nearest_set {
    int64_t cols;
    int64_t slots;  /* in use, dead ones among them */
    int64_t live;   /* points */
    bool weighted;  /* distances as Ward's: a b / (a + b) |x - y|^2 of sizes a, b; else |x - y|^2 */
    double slack;   /* error of a tile relative to both norms, rounding of the points included */
    double *centre; /* [slots, cols] */
    float *columns; /* [chunks of NEAREST_WIDTH slots][cols][NEAREST_WIDTH] centre rounded and transposed */
    float *low;     /* [slots] squared length less its share of the error; INFINITY in a dead slot */
    double *size;   /* [slots] 1 if not weighted or dead */
    float *size32;  /* [slots] the same, rounded */
    int32_t *id, *tag; /* [slots] a search skips points of its own tag; -1 in a dead slot */
    float *query;      /* [NEAREST_QUERIES, cols] */
    float *tile;       /* [NEAREST_QUERIES, NEAREST_WIDTH] */
    float *middle;     /* [parts, cols] of the points of each part of a chunk; NULL without nearest_index() */
    double *longest;   /* [parts] at least the length of any point of it */
    float *from;       /* [cols] middle of the queries */
    float *towards;    /* [cols] from there to the middle of a part */
    nearest_chunk *order; /* [chunks] nearest to the queries first */
    double *limit;        /* [limits] what ranks tell each other of queries */
    int64_t limits;
} nearest_set;

enum { NEAREST_WIDTH = 512, NEAREST_PART = 128, NEAREST_QUERIES = 256 };

/* Points to search for. */
typedef struct nearest_query {
    int64_t n;
    const double *point; /* [n, cols] */
    const double *size;  /* [n]; NULL if the set is not weighted */
    const int32_t *tag;  /* [n] */
    const double *limit; /* [n] values beyond which nothing is searched for, INFINITY for none; NULL: none */
} nearest_query;

/* Room for `slots` points, all dead. Not collective. Free with nearest_free(), also on failure. */
tt_status nearest_new(int64_t slots, int64_t cols, bool weighted, nearest_set *out);
void nearest_free(nearest_set *s);

/* Put a point into a slot, or take it out. */
void nearest_put(nearest_set *s, int64_t slot, int32_t id, const double *centre, double size);
void nearest_kill(nearest_set *s, int64_t slot);

/* Close the gaps that dead slots leave, in order; slot_of [by id] is kept current. */
void nearest_compact(nearest_set *s, int32_t *slot_of);

/* Put points [n, cols] in an order in which near ones lie near each other. Not collective. */
tt_status nearest_order(const float *data, int64_t cols, int64_t n, int64_t *order);

/* Learn where each chunk of slots lies, so that searches leave out those too far away: worth it where points
 * that are near each other lie in slots, and queries in searches, near each other. After the last
 * nearest_put(). */
tt_status nearest_index(nearest_set *s);

/* The k nearest live points of another tag on any rank for each query into out [n, k], ascending, on every
 * rank. Where a limit leaves fewer, the others are {the next double above the limit, the query's tag}.
 * Collective, with the same queries everywhere. */
tt_status nearest_search(nearest_set *s, const tt_comm *comm, const nearest_query *q, int k, hit *out);

/* Of the hits that each rank found, the k nearest of all, on every rank. Collective. */
void nearest_reduce(const tt_comm *comm, int64_t n, int k, hit *hits);

/* Put s->order in order for n queries, which are in s->query; not collective. */
void nearest_aim(nearest_set *s, int64_t n);

/* Whether no point of a part can come into the lists [n, k] of any query. @param own  [n] squared lengths of
 * s->query less their share of the error. Not collective. */
bool nearest_is_far(nearest_set *s, const nearest_query *q, const float *own, int64_t part, int k,
                    const hit *list);

/* The distance of the set between two points, in double. */
double nearest_measure(const nearest_set *s, const double *a, double a_size, const double *b, double b_size);

/* Whether a comes before b. */
static inline bool hit_before(hit a, hit b)
{
    return a.value < b.value || (a.value == b.value && a.id < b.id);
}

#endif
