#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 48 };

/* A synopsis that names two forms, "A | B", on a line each. */
static void print_synopsis(const char *synopsis)
{
    const char *lead = "usage: ", *bar;
    for (; (bar = strstr(synopsis, " | tutti ")); synopsis = bar + 3, lead = "       ")
        printf("%s%.*s\n", lead, (int)(bar - synopsis), synopsis);
    printf("%s%s\n", lead, synopsis);
}

static void print_help(const cli_usage *usage, const cli_option *options)
{
    print_synopsis(usage->synopsis);
    printf("\n%s\n\noptions:\n", usage->summary);
    for (const cli_option *o = options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "--help", "print this and exit");
}

static tt_status wrong_value(const cli_option *o, const char *value, const char *takes)
{
    return tt_fail(TT_ERR_USAGE, "--%s takes %s, not '%s'", o->name, takes, value);
}

static tt_status set_integer(const cli_option *o, const char *value)
{
    char *end;
    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (end == value || *end || errno) return wrong_value(o, value, "a whole number");
    *(int64_t *)o->value = v;
    return TT_OK;
}

static tt_status set_real(const cli_option *o, const char *value)
{
    char *end;
    errno = 0;
    double v = strtod(value, &end);
    if (end == value || *end || errno) return wrong_value(o, value, "a number");
    *(double *)o->value = v;
    return TT_OK;
}

static tt_status append(const cli_option *o, const char *value)
{
    cli_list *list = o->value;
    if (list->n == (int)(sizeof list->v / sizeof *list->v))
        return tt_fail(TT_ERR_USAGE, "--%s is given more than %d times", o->name, list->n);
    list->v[list->n++] = value;
    return TT_OK;
}

static tt_status set(const cli_option *o, const char *value)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        return TT_OK;
    case CLI_TEXT:
        *(const char **)o->value = value;
        return TT_OK;
    case CLI_INTEGER:
        return set_integer(o, value);
    case CLI_REAL:
        return set_real(o, value);
    case CLI_LIST:
        return append(o, value);
    }
    return TT_OK;
}

static int to_getopt(const cli_option *options, struct option *longs)
{
    int n = 0;
    for (; n < OPTIONS_MAX && options[n].name; n++)
        longs[n] = (struct option){
            options[n].name, options[n].kind == CLI_FLAG ? no_argument : required_argument, NULL, n + 1000};
    longs[n] = (struct option){"help", no_argument, NULL, 'h'};
    longs[n + 1] = (struct option){0};
    return n;
}

static tt_status collect_operands(int argc, char **argv, const cli_usage *usage, const char **operand)
{
    for (int i = 0; i < usage->operands; i++) operand[i] = NULL;
    int n = argc - optind;
    if (n > usage->operands)
        return tt_fail(TT_ERR_USAGE, "'%s' is one word too many; usage: %s", argv[optind + usage->operands],
                       usage->synopsis);
    for (int i = 0; i < n; i++) operand[i] = argv[optind + i];
    return TT_OK;
}

tt_status cli_parse(int rank, int argc, char **argv, const cli_usage *usage, const cli_option *options,
                    const char **operand, bool *done)
{
    struct option longs[OPTIONS_MAX + 2];
    int n = to_getopt(options, longs);
    *done = false;
    opterr = 0;
    optind = 0; /* GNU: start over, also for a second parse in one process */
    for (int c; (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
        if (c == 'h') {
            if (rank == 0) print_help(usage, options);
            *done = true;
            return TT_OK;
        }
        const char *word = argv[optind - 1];
        if (c == ':') return tt_fail(TT_ERR_USAGE, "%s needs a value; see tutti %s --help", word, argv[0]);
        if (c < 1000 || c >= 1000 + n)
            return tt_fail(TT_ERR_USAGE, "unknown option %s; see tutti %s --help", word, argv[0]);
        TT_TRY(set(&options[c - 1000], optarg));
    }
    return collect_operands(argc, argv, usage, operand);
}
