#include "cli/commands.h"
#include "cli/options.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_name[] = {"u8", "i32", "i64", "u64", "f32", "f64", "text"};

/* "  /mel    f32  3000 x 128 x 130" */
static tt_status print_dataset(tt_store *store, const char *name, const tt_comm *comm)
{
    tt_column c;
    bool found;
    tt_status s = tt_store_column(store, name, &c, &found);
    if (comm->rank != 0) return s == TT_ERR_INPUT ? TT_OK : s;
    if (s == TT_ERR_INPUT) {
        printf("  %-28s neither numbers nor text\n", name);
        return TT_OK;
    }
    TT_TRY(s);
    printf("  %-28s %-5s", name, type_name[c.type]);
    for (int i = 0; i < c.n_dims; i++) printf("%s%lld", i > 0 ? " x " : "", (long long)c.dims[i]);
    if (c.type == TT_TEXT) printf("  (%lld bytes each)", (long long)c.text_bytes);
    printf("\n");
    return TT_OK;
}

static tt_status print_datasets(tt_store *store, const tt_comm *comm)
{
    char **names;
    int n;
    TT_TRY(tt_store_list(store, &names, &n));
    if (comm->rank == 0) printf("%s: %d dataset%s\n", tt_store_path(store), n, n == 1 ? "" : "s");
    tt_status s = TT_OK;
    for (int i = 0; i < n && s == TT_OK; i++) s = print_dataset(store, names[i], comm);
    free(names);
    return s;
}

/* Texts of many lines (config, inputs) are indented below their name. */
static void print_text(const char *name, const char *text)
{
    printf("  %-16s", name);
    if (!strchr(text, '\n')) {
        printf(" %s\n", text);
        return;
    }
    printf("\n");
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        printf("    %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static tt_status print_attribute(tt_store *store, const char *name)
{
    double number;
    bool found = false;
    char *text = NULL;
    if (tt_store_get_number(store, "/", name, &number, &found) == TT_OK && found) {
        printf("  %-16s %.10g\n", name, number);
        return TT_OK;
    }
    if (tt_store_get_text(store, "/", name, &text) == TT_OK && text)
        print_text(name, text);
    else
        printf("  %-16s (neither one number nor text)\n", name);
    free(text);
    return TT_OK;
}

static tt_status print_provenance(tt_store *store)
{
    char **names;
    int n;
    TT_TRY(tt_store_attributes(store, "/", &names, &n));
    puts(n > 0 ? "provenance" : "no provenance: another program made it");
    tt_status s = TT_OK;
    for (int i = 0; i < n && s == TT_OK; i++) s = print_attribute(store, names[i]);
    free(names);
    return s;
}

/** How often each value of a column occurs: values sorted, as long as `bytes` each. */
typedef struct tally {
    char *value;
    int64_t *count;
    int64_t bytes, n, space;
} tally;

static tt_status tally_add(tally *t, const char *value)
{
    int64_t low = 0, high = t->n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (memcmp(t->value + middle * t->bytes, value, (size_t)t->bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    char *at = t->value + low * t->bytes;
    if (low < t->n && memcmp(at, value, (size_t)t->bytes) == 0) {
        t->count[low]++;
        return TT_OK;
    }
    if (t->n == t->space) {
        int64_t space = 2 * t->space + 16;
        TT_TRY(tt_grow(t->n * t->bytes, space * t->bytes, 1, "values", &t->value));
        TT_TRY(tt_grow(t->n, space, sizeof *t->count, "values", &t->count));
        t->space = space;
        at = t->value + low * t->bytes;
    }
    memmove(at + t->bytes, at, (size_t)((t->n - low) * t->bytes));
    memmove(t->count + low + 1, t->count + low, (size_t)(t->n - low) * sizeof *t->count);
    memcpy(at, value, (size_t)t->bytes);
    t->count[low] = 1;
    t->n++;
    return TT_OK;
}

/* In pieces: a column of a large corpus does not fit on one rank. */
static tt_status tally_column(tt_store *store, const char *name, const tt_column *c, tally *t)
{
    enum { ROWS_AT_ONCE = 65536 };
    tt_type as = c->type == TT_TEXT ? TT_TEXT : TT_I32;
    char *rows;
    t->bytes = as == TT_TEXT ? c->text_bytes : 4;
    TT_TRY(tt_alloc(ROWS_AT_ONCE, (size_t)t->bytes, "rows", &rows));
    tt_status s = TT_OK;
    for (int64_t first = 0; first < c->dims[0] && s == TT_OK; first += ROWS_AT_ONCE) {
        int64_t n = c->dims[0] - first < ROWS_AT_ONCE ? c->dims[0] - first : ROWS_AT_ONCE;
        s = tt_store_read(store, name, first, n, as, rows);
        for (int64_t i = 0; i < n && s == TT_OK; i++) s = tally_add(t, rows + i * t->bytes);
    }
    free(rows);
    return s;
}

static void print_tally(const char *title, const tally *t, bool text)
{
    printf("%s\n", title);
    for (int64_t i = 0; i < t->n; i++) {
        const char *at = t->value + i * t->bytes;
        char value[256];
        int32_t code = 0;
        if (text) {
            snprintf(value, sizeof value, "%.*s", (int)t->bytes, *at ? at : "(unknown)");
        } else {
            memcpy(&code, at, sizeof code);
            snprintf(value, sizeof value, "%s", tt_track_status_name(code));
        }
        printf("  %-28s %lld\n", value, (long long)t->count[i]);
    }
}

static tt_status print_counts(tt_store *store, const tt_comm *comm, const char *name, const char *title)
{
    tt_column c;
    bool found;
    tally t = {0};
    TT_TRY(tt_store_column(store, name, &c, &found));
    if (!found || c.n_dims != 1 || comm->rank != 0) return TT_OK;
    tt_status s = tally_column(store, name, &c, &t);
    if (s == TT_OK) print_tally(title, &t, c.type == TT_TEXT);
    free(t.value);
    free(t.count);
    return s;
}

static tt_status print_file(tt_store *store, const tt_comm *comm)
{
    static const char *const counted[][2] = {
        {"/track/genre", "tracks per genre"},        {"/track/language", "tracks per language"},
        {"/track/split", "tracks per split"},        {"/track/format", "tracks per format"},
        {"/track/status", "tracks per status"},      {"/clip/status", "clips per status"},
        {"/failures/code", "failed tracks per code"}};
    TT_TRY(print_datasets(store, comm));
    TT_TRY(tt_agree(comm, comm->rank == 0 ? print_provenance(store) : TT_OK));
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        TT_TRY(tt_agree(comm, print_counts(store, comm, counted[i][0], counted[i][1])));
    return TT_OK;
}

tt_status cmd_info(const tt_comm *comm, int argc, char **argv)
{
    const cli_usage usage = {
        "tutti info FILE",
        "Print what an HDF5 file holds: its datasets, where it comes from, and for a manifest or\n"
        "features how many rows there are per genre, language and status.",
        1};
    const cli_option options[] = {{0}};
    const char *path;
    bool done;
    tt_store *store;
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, &path, &done));
    if (done) return TT_OK;
    if (!path) return tt_fail(TT_ERR_USAGE, "which file? usage: %s", usage.synopsis);
    TT_TRY(tt_store_open(comm, path, &store));
    tt_status s = print_file(store, comm);
    tt_store_close(store);
    return s;
}
