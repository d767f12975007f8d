#include "commands.h"
#include "stage.h"

#include "tutti/memory.h"

#include <stdlib.h>

/* More rows than anybody lists: all of them are had without a list. */
enum { LIST_MOST = 1 << 24 };

static tt_status bad_list(const char *text)
{
    return tt_fail(TT_ERR_USAGE, "--rows: '%s' is not a list of rows such as 0,5,9-12", text);
}

/* One row or a run of them at *text, which moves behind it. */
static bool read_run(const char **text, int64_t *first, int64_t *last)
{
    char *end;
    if (**text < '0' || **text > '9') return false;
    *first = *last = strtoll(*text, &end, 10);
    if (*end == '-') {
        if (end[1] < '0' || end[1] > '9') return false;
        *last = strtoll(end + 1, &end, 10);
    }
    *text = end;
    return *first <= *last && *last < INT64_MAX && (*end == ',' || *end == '\0');
}

/* "0,5,9-12" as [*n] numbers. Free *rows with free(), also on failure. */
static tt_status read_list(const char *text, int64_t **rows, int64_t *n)
{
    const char *at = text;
    int64_t first, last;
    *rows = NULL;
    *n = 0;
    for (;; at++) {
        if (!read_run(&at, &first, &last)) return bad_list(text);
        if (last - first >= LIST_MOST - *n)
            return tt_fail(TT_ERR_USAGE, "--rows lists more than %d rows; without it all are taken",
                           LIST_MOST);
        TT_TRY(tt_grow(*n, *n + last - first + 1, sizeof **rows, "a list of rows", rows));
        while (first <= last) (*rows)[(*n)++] = first++;
        if (*at == '\0') return TT_OK;
    }
}

/* @param labels  may be NULL */
static tt_status reconstruct(const tt_comm *comm, const char *model, const char *input, const char *labels,
                             const char *list, const char *output)
{
    const cli_stage none = {0};
    cli_plain plain = {0};
    tt_classes classes = {0};
    const char *specs[] = {model, input, labels};
    int64_t *rows = NULL, n = 0;
    int n_specs = labels ? 3 : 2;
    tt_status s = list ? read_list(list, &rows, &n) : TT_OK;
    if (s == TT_OK) s = cli_plain_load(comm, &none, &plain);
    if (s == TT_OK) s = cli_output_check(comm, output, specs, n_specs);
    if (s == TT_OK) s = cli_plain_origin(comm, &plain, "reconstruct", "-", list ? list : "", specs, n_specs);
    if (s == TT_OK && labels) s = tt_classes_from_dataset(comm, labels, &classes);
    if (s == TT_OK)
        s = tt_reconstruct(comm, &plain.provenance, model, input, rows, n, labels ? &classes : NULL, output);
    tt_classes_free(&classes);
    cli_plain_free(&plain);
    free(rows);
    return s;
}

tt_status cmd_reconstruct(const tt_comm *comm, int argc, char **argv)
{
    const char *file[3] = {NULL}, *rows = NULL, *labels = NULL;
    static const char *const name[] = {"model", "input", "output"};
    bool done;
    const cli_usage usage = {
        "tutti reconstruct --model model.h5 --input FILE.h5:/x [--rows 1,5,9] --output rec.h5",
        "What a model makes of rows of a matrix, beside the originals, in their units and shape.", 0};
    const cli_option options[] = {
        {"model", CLI_TEXT, &file[0], "FILE", "what tutti train wrote"},
        {"input", CLI_TEXT, &file[1], "FILE.h5:/x", "the matrix, as wide as the trained one"},
        {"labels", CLI_TEXT, &labels, "FILE.h5:/y",
         "class of each row, for a model that is conditioned on it"},
        {"rows", CLI_TEXT, &rows, "LIST", "which rows (clips), from 0, such as 0,5,9-12 (default: all)"},
        {"output", CLI_TEXT, &file[2], "FILE", "the file to write"},
        {0}};
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, NULL, &done));
    if (done) return TT_OK;
    for (int i = 0; i < 3; i++)
        if (!file[i]) return tt_fail(TT_ERR_USAGE, "--%s is missing", name[i]);
    return reconstruct(comm, file[0], file[1], labels, rows, file[2]);
}
