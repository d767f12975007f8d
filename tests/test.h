/* What every test shares: cmocka under MPI. Each test program runs all its cases on the ranks it is given;
 * a case fails if it fails on any rank, and the program's exit status says so. */
#ifndef TUTTI_TEST_H
#define TUTTI_TEST_H

/* cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tutti/comm.h"
#include "tutti/log.h"

#include <stdio.h>
#include <stdlib.h>

static tt_comm world; /* MPI_COMM_WORLD, set by TT_TEST_MAIN */

/** TT_OK or a failure that shows the message. */
#define assert_ok(expr)                                                                                      \
    do {                                                                                                     \
        tt_status status_ = (expr);                                                                          \
        if (status_ != TT_OK) fail_msg("%s: status %d: %s", #expr, (int)status_, tt_message());              \
    } while (0)

/** |a - b| <= tolerance, showing both. */
#define assert_near(a, b, tolerance)                                                                         \
    do {                                                                                                     \
        double a_ = (double)(a), b_ = (double)(b), t_ = (double)(tolerance);                                 \
        double off_ = a_ > b_ ? a_ - b_ : b_ - a_;                                                           \
        if (!(off_ <= t_)) fail_msg("%s = %.9g, expected %.9g within %.3g", #a, a_, b_, t_);                 \
    } while (0)

/** A path in a scratch folder of this run, the same on every rank; the test runner makes and removes the
 * folder. */
static inline const char *scratch(const char *name)
{
    static char path[8][1024];
    static int next;
    const char *dir = getenv("TT_SCRATCH");
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", dir ? dir : "/tmp", name);
    return p;
}

/** main() of a test program over the cmocka cases of array `cases`. */
#define TT_TEST_MAIN(cases)                                                                                  \
    int main(int argc, char **argv)                                                                          \
    {                                                                                                        \
        MPI_Init(&argc, &argv);                                                                              \
        world = tt_comm_wrap(MPI_COMM_WORLD);                                                                \
        tt_log_setup(TT_LOG_ERROR, world.rank);                                                              \
        int failed = cmocka_run_group_tests(cases, NULL, NULL);                                              \
        MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);                           \
        MPI_Finalize();                                                                                      \
        return failed != 0;                                                                                  \
    }

#endif
