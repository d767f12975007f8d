#include "stage.h"

#include "tutti/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --config, or config.yaml of a run directory that has one, or the defaults. Rank 0 looks. */
static tt_status load_config(const tt_comm *comm, const cli_stage *s, tt_config **out)
{
    char *own = NULL;
    tt_status status = TT_OK;
    const char *path = s->config;
    if (!path && s->run) {
        status = tt_format(&own, "%s/config.yaml", s->run);
        int64_t there = status == TT_OK && comm->rank == 0 && access(own, R_OK) == 0;
        status = tt_agree(comm, status);
        if (status == TT_OK && tt_max_i64(comm, there) > 0) path = own;
    }
    if (status == TT_OK) status = tt_config_load(comm, path, s->sets.v, s->sets.n, out);
    free(own);
    return status;
}

tt_status cli_run_in_directory(const tt_comm *comm, const cli_stage *s, const char *name, double max_failures)
{
    tt_config *config;
    TT_TRY(load_config(comm, s, &config));
    tt_run_options options = {.directory = s->run, .only = name, .max_failures = max_failures};
    tt_status status = tt_pipeline_run(comm, config, &options);
    tt_config_free(config);
    return status;
}

tt_status cli_plain_load(const tt_comm *comm, const cli_stage *s, cli_plain *out)
{
    memset(out, 0, sizeof *out);
    return load_config(comm, s, &out->config);
}

tt_status cli_plain_origin(const tt_comm *comm, cli_plain *plain, const char *name, const char *prefixes,
                           const char *extra, const char *const *specs, int n_specs)
{
    return tt_provenance_of(comm, plain->config, name, prefixes, extra, specs, n_specs, &plain->provenance,
                            &plain->text);
}

void cli_plain_free(cli_plain *plain)
{
    tt_config_free(plain->config);
    free(plain->text);
}

tt_status cli_choose(const cli_stage *s, const char *const *names, const char *const *given, int n,
                     bool *in_directory)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += given[i] != NULL;
    *in_directory = s->run != NULL;
    for (int i = 0; i < n; i++) {
        if (s->run && given[i])
            return tt_fail(TT_ERR_USAGE,
                           "--run and --%s exclude each other: the run directory has its own files",
                           names[i]);
        if (!s->run && !given[i])
            return tt_fail(TT_ERR_USAGE,
                           count > 0 ? "--%s is missing" : "give --run DIR, or --%s and what goes with it",
                           names[i]);
    }
    return TT_OK;
}

tt_status cli_set(cli_stage *s, cli_setting *room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room->text, sizeof room->text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof room->text || s->sets.n == (int)(sizeof s->sets.v / sizeof *s->sets.v))
        return tt_fail(TT_ERR_USAGE, "%.60s...: too long, or too many --set", room->text);
    s->sets.v[s->sets.n++] = room->text;
    return TT_OK;
}

static int count_files(const cli_stage_command *command)
{
    int n = 0;
    while (n < CLI_FILES && command->file[n].name) n++;
    return n;
}

static tt_status run_plain(const tt_comm *comm, const cli_stage *s, const cli_stage_command *command,
                           const char *identity, const char *const *file, const void *data)
{
    cli_plain plain;
    const char *input[CLI_FILES], *output = file[count_files(command) - 1];
    int inputs = 0;
    for (int i = 0; i < count_files(command) - 1; i++)
        if (file[i]) input[inputs++] = file[i];
    tt_status status = cli_plain_load(comm, s, &plain);
    if (status == TT_OK) status = cli_output_check(comm, output, input, inputs);
    if (status == TT_OK)
        status = cli_plain_origin(comm, &plain, command->name, command->prefixes, identity, input, inputs);
    if (status == TT_OK) status = command->plain(comm, &plain, file, data);
    cli_plain_free(&plain);
    return status;
}

tt_status cli_stage_run(const tt_comm *comm, int argc, char **argv, const cli_stage_command *command,
                        tt_status (*identity)(const void *data, char text[64]), const void *data)
{
    cli_stage s = {0};
    const char *file[CLI_FILES] = {NULL}, *names[CLI_FILES] = {NULL}, *given[CLI_FILES] = {NULL};
    char text[64] = "";
    bool done, in_directory;
    cli_option options[3 + CLI_FILES + CLI_EXTRAS + 1] = {CLI_STAGE_OPTIONS(s)};
    int n = 3, n_files = count_files(command);
    for (int i = 0; i < n_files; i++) {
        const cli_file *f = &command->file[i];
        options[n++] = (cli_option){f->name, CLI_TEXT, &file[i], f->argument, f->help};
    }
    for (int i = 0; i < CLI_EXTRAS && command->extra[i].name; i++) options[n++] = command->extra[i];
    TT_TRY(cli_parse(comm->rank, argc, argv, &command->usage, options, NULL, &done));
    if (done) return TT_OK;
    if (identity) TT_TRY(identity(data, text));
    int needed = 0;
    for (int i = 0; i < n_files; i++)
        if (file[i] ? s.run || !command->file[i].optional : !command->file[i].optional) {
            names[needed] = command->file[i].name;
            given[needed++] = file[i];
        }
    TT_TRY(cli_choose(&s, names, given, needed, &in_directory));
    return in_directory ? cli_run_in_directory(comm, &s, command->name, 1.0)
                        : run_plain(comm, &s, command, text, file, data);
}
