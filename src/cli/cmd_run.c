#include "commands.h"
#include "stage.h"

tt_status cmd_run(const tt_comm *comm, int argc, char **argv)
{
    cli_stage s = {0};
    double max_failures = 1.0;
    const char *operand[1];
    bool done;
    const cli_usage usage = {
        "tutti run [CONFIG] --run DIR [options]",
        "Walk the whole line in a run directory. Stages whose files are current are skipped; what was\n"
        "cut off by a signal or a crash goes on where it was. The result does not depend on the\n"
        "number of ranks.",
        1};
    const cli_option options[] = {CLI_STAGE_OPTIONS(s),
                                  {"max-failures", CLI_REAL, &max_failures, "SHARE",
                                   "give up when more than this share of tracks fails (default 1: never)"},
                                  {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, operand, &done));
    if (done) return TT_OK;
    if (operand[0] && s.config)
        return tt_fail(TT_ERR_USAGE, "two config files: %s and --config %s", operand[0], s.config);
    if (operand[0]) s.config = operand[0];
    if (!s.run) return tt_fail(TT_ERR_USAGE, "--run is missing; usage: %s", usage.synopsis);
    if (!(max_failures >= 0 && max_failures <= 1))
        return tt_fail(TT_ERR_USAGE, "--max-failures takes a share from 0 to 1, not %g", max_failures);
    return cli_run_in_directory(comm, &s, NULL, max_failures);
}
