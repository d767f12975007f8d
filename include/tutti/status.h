/* Status codes and the message that goes with a failure.
 *
 * Library code never exits: it returns a tt_status, and tt_message() holds one line that names the file or
 * the setting, what is wrong and what would be right. Messages are kept per thread. */
#ifndef TUTTI_STATUS_H
#define TUTTI_STATUS_H

#include <errno.h>

/** Ordered by weight: where ranks disagree, tt_agree() keeps the largest. */
typedef enum tt_status {
    TT_OK = 0,
    TT_STOPPED,      /**< a signal asked to stop; a checkpoint is on disk; run again to go on */
    TT_UNCHECKED,    /**< nothing was found wrong, and there was nothing to check it against */
    TT_ERR_INPUT,    /**< input data cannot be used: wrong format, shape or value, damaged */
    TT_ERR_CONFIG,   /**< a setting is unknown, of the wrong type or out of range */
    TT_ERR_USAGE,    /**< the command line is wrong */
    TT_ERR_IO,       /**< reading or writing failed: missing file, permission, full disk */
    TT_ERR_MEMORY,   /**< an allocation failed */
    TT_ERR_INTERNAL, /**< a library call failed that should not */
} tt_status;

/** Leave the calling function with the status of `expr` unless it is TT_OK. */
#define TT_TRY(expr)                                                                                         \
    do {                                                                                                     \
        tt_status tt_try_status_ = (expr);                                                                   \
        if (tt_try_status_ != TT_OK) return tt_try_status_;                                                  \
    } while (0)

/** Set this thread's message and return `code`, so that `return tt_fail(TT_ERR_IO, "...")` reads well.
 *  Not collective. */
__attribute__((format(printf, 2, 3))) tt_status tt_fail(tt_status code, const char *format, ...);

/** As tt_fail(), with the present message appended after ": " (who called is said first). Not collective. */
__attribute__((format(printf, 2, 3))) tt_status tt_fail_because(tt_status code, const char *format, ...);

/** TT_ERR_IO about `path` with strerror(errno); `doing` is a verb such as "open". Not collective. */
tt_status tt_fail_errno(const char *doing, const char *path);

/** This thread's last message, "" if there was none. Valid until the next failure on this thread. */
const char *tt_message(void);

/** Exit status of the program for a code: 0 done, 1 failed, 2 usage or config error, 3 nothing to check,
 * 75 stopped early. */
int tt_exit_code(tt_status code);

#endif
