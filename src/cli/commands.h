/* The commands of `tutti`: each parses its own options, calls one function of the library, and prints. */
#ifndef TUTTI_CLI_COMMANDS_H
#define TUTTI_CLI_COMMANDS_H

#include "tutti/comm.h"

/** Run a command with its own argv (argv[0] is the command's name). Collective; the same status on every
 * rank. */
typedef tt_status tt_command(const tt_comm *comm, int argc, char **argv);

tt_command cmd_bench, cmd_cluster, cmd_embed, cmd_encode, cmd_evaluate, cmd_export, cmd_extract, cmd_fuse,
    cmd_info, cmd_lyrics, cmd_pca, cmd_reconstruct, cmd_report, cmd_run, cmd_sample, cmd_scan, cmd_synth,
    cmd_train, cmd_verify;

#endif
