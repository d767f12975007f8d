#include "commands.h"
#include "stage.h"

tt_status cmd_report(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    bool done;
    const cli_usage usage = {"tutti report --run DIR [options]",
                             "Pictures and tables of a run, in DIR/results.", 0};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s), {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    if (!s.run) return tt_fail(TT_ERR_USAGE, "--run is missing; usage: %s", usage.synopsis);
    return cli_run_in_directory(comm, &s, "report", 1.0);
}
