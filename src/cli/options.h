/* Options of a command, from one table that also prints the help. */
#ifndef TUTTI_CLI_OPTIONS_H
#define TUTTI_CLI_OPTIONS_H

#include "tutti/comm.h"

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_INTEGER, CLI_REAL, CLI_LIST } cli_kind;

/** Texts of an option that may be given any number of times. */
typedef struct cli_list {
    int n;
    const char *v[64];
} cli_list;

/** One option. A table of them ends with {0}. */
typedef struct cli_option {
    const char *name; /**< without dashes, "tracks" */
    cli_kind kind;
    void *value;          /**< bool, const char *, int64_t, double or cli_list: set if the option is given */
    const char *argument; /**< its name in the help, "N"; NULL for flags */
    const char *help;
} cli_option;

/** What a command says of itself. */
typedef struct cli_usage {
    const char *synopsis; /**< "tutti synth --tracks N --out DIR [options]"; forms are parted by " | " */
    const char *summary;  /**< one or more lines on what it does */
    int operands;         /**< how many words without a dash it takes at most */
} cli_usage;

/** Parse argv over the table. With --help rank 0 prints the usage and *done is true. operand[] [size:
 * usage->operands] gets the words without a dash, NULL where absent. The same result on every rank; not
 * collective.
 *  @return TT_OK or TT_ERR_USAGE with a message that names the option and what it takes */
tt_status cli_parse(int rank, int argc, char **argv, const cli_usage *usage, const cli_option *options,
                    const char **operand, bool *done);

#endif
