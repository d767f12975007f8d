/* Whole numbers of rows, blocks and lanes. */
#ifndef TUTTI_INTEGER_H
#define TUTTI_INTEGER_H

#include <stdint.h>

static inline int64_t tt_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t tt_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/** How many parts of at most b make up a; a not negative, b positive. */
static inline int64_t tt_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

/** The smallest multiple of `to` that is not below n; n not negative, `to` positive. */
static inline int64_t tt_round_up(int64_t n, int64_t to)
{
    return tt_ceil_div(n, to) * to;
}

#endif
