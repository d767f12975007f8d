/* What a run says of itself: plain lines on stderr, one per event, from rank 0 unless something is wrong. */
#ifndef TUTTI_LOG_H
#define TUTTI_LOG_H

#include <stdbool.h>

typedef enum tt_log_level { TT_LOG_ERROR, TT_LOG_WARNING, TT_LOG_INFO, TT_LOG_DEBUG } tt_log_level;

/** Lines above `level` are dropped (default TT_LOG_INFO); info and debug lines are printed by rank 0 alone.
 */
void tt_log_setup(tt_log_level level, int rank);

/** Change the level alone. @return the level before */
tt_log_level tt_log_limit(tt_log_level level);

__attribute__((format(printf, 2, 3))) void tt_log(tt_log_level level, const char *format, ...);

#define tt_error(...) tt_log(TT_LOG_ERROR, __VA_ARGS__)
#define tt_warn(...)  tt_log(TT_LOG_WARNING, __VA_ARGS__)
#define tt_info(...)  tt_log(TT_LOG_INFO, __VA_ARGS__)
#define tt_debug(...) tt_log(TT_LOG_DEBUG, __VA_ARGS__)

/** Whether rank 0's standard error is a terminal (colours and bars) or a file (plain lines). */
bool tt_log_is_terminal(void);

/** Rank given to tt_log_setup(). */
int tt_log_rank(void);

/** Text as it is to standard error, in one write: lines of several ranks do not mix. */
void tt_log_write(const char *text);

/** End the bar that a tt_progress is drawing, if any, so that the next line starts at column 0. */
void tt_log_clear_bar(void);

/** Tell the log that a bar stands on the current line. Called by tt_progress. */
void tt_log_bar_drawn(void);

#endif
