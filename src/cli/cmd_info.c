#include "cli/commands.h"
#include "cli/options.h"

#include "tutti/corpus.h"
#include "tutti/memory.h"
#include "tutti/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_name[] = {"u8", "i32", "i64", "u64", "f16", "f32", "f64", "text"};

enum {
    NAME_WIDTH = 28,
    VALUES_MOST = 4096, /* different values of a column that are counted */
    VALUES_SHOWN = 24,
};

/* "  /mel    f32  3000 x 128 x 130" */
static tt_status print_dataset(tt_store *store, const char *name, int width, const tt_comm *comm)
{
    tt_column c;
    bool found;
    tt_status s = tt_store_column(store, name, &c, &found);
    if (comm->rank != 0) return s == TT_ERR_INPUT ? TT_OK : s;
    if (s == TT_ERR_INPUT) {
        printf("  %-*s neither numbers nor text\n", width, name);
        return TT_OK;
    }
    TT_TRY(s);
    printf("  %-*s %-5s", width, name, type_name[c.type]);
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
    int width = NAME_WIDTH;
    for (int i = 0; i < n; i++)
        if ((int)strlen(names[i]) > width) width = (int)strlen(names[i]);
    for (int i = 0; i < n && s == TT_OK; i++) s = print_dataset(store, names[i], width, comm);
    free(names);
    return s;
}

/* Texts of many lines (inputs) stand below each other. */
static void print_text(const char *name, const char *text)
{
    const char *title = name;
    do {
        size_t n = strcspn(text, "\n");
        printf("  %-16s %.*s\n", title, (int)n, text);
        text += n + (text[n] == '\n');
        title = "";
    } while (*text);
}

static tt_status print_attribute(tt_store *store, const char *name)
{
    double number;
    bool found = false;
    char *text = NULL;
    if (strcmp(name, "config") == 0) {
        print_text(name, "(the settings: tutti info --config FILE)");
    } else if (tt_store_get_number(store, "/", name, &number, &found) == TT_OK && found) {
        bool whole = fabs(number) < 1e15 && number == floor(number);
        printf(whole ? "  %-16s %.0f\n" : "  %-16s %.4g\n", name, number);
    } else if (tt_store_get_text(store, "/", name, &text) == TT_OK && text) {
        if (text[0]) print_text(name, text);
    } else {
        print_text(name, "(neither one number nor text)");
    }
    free(text);
    return TT_OK;
}

static tt_status print_provenance(tt_store *store)
{
    char **names;
    int n;
    TT_TRY(tt_store_attributes(store, "/", &names, &n));
    puts(n > 0 ? "\nprovenance" : "\nno provenance: another program made it");
    tt_status s = TT_OK;
    for (int i = 0; i < n && s == TT_OK; i++) s = print_attribute(store, names[i]);
    free(names);
    return s;
}

static tt_status print_config(tt_store *store)
{
    char *text = NULL;
    TT_TRY(tt_store_get_text(store, "/", "config", &text));
    if (!text) return tt_fail(TT_ERR_INPUT, "%s: holds no settings", tt_store_path(store));
    fputs(text, stdout);
    free(text);
    return TT_OK;
}

/** How often each value of a column occurs: values sorted, as long as `bytes` each. */
typedef struct tally {
    char *value;
    int64_t *count;
    int64_t bytes, n, space, rows;
    bool full; /**< there are more values than are counted */
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
    t->full = t->n == VALUES_MOST;
    if (t->full) return TT_OK;
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
    t->rows = c->dims[0];
    for (int64_t first = 0; first < t->rows && s == TT_OK && !t->full; first += ROWS_AT_ONCE) {
        int64_t n = c->dims[0] - first < ROWS_AT_ONCE ? c->dims[0] - first : ROWS_AT_ONCE;
        s = tt_store_read(store, name, first, n, as, rows);
        for (int64_t i = 0; i < n && s == TT_OK && !t->full; i++) s = tally_add(t, rows + i * t->bytes);
    }
    free(rows);
    return s;
}

/* The most frequent value not yet shown, the first in order of those; its count becomes 0. */
static int64_t take_next(tally *t, int64_t *count)
{
    int64_t most = 0;
    for (int64_t i = 1; i < t->n; i++)
        if (t->count[i] > t->count[most]) most = i;
    *count = t->count[most];
    t->count[most] = 0;
    return most;
}

/* Columns on the screen: UTF-8 counted by its first bytes. */
static int text_columns(const char *text)
{
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

static void print_value(const tally *t, int64_t i, bool text, int64_t count)
{
    char value[256];
    const char *at = t->value + i * t->bytes;
    if (text) {
        snprintf(value, sizeof value, "%.*s", (int)t->bytes, at);
        for (char *c = value; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    } else {
        int32_t code;
        memcpy(&code, at, sizeof code);
        snprintf(value, sizeof value, "%s", tt_track_status_name(code));
    }
    if (!value[0]) snprintf(value, sizeof value, "(unknown)");
    int gap = NAME_WIDTH - text_columns(value);
    printf("  %s%*s %9lld %5.1f %%\n", value, gap > 0 ? gap : 0, "", (long long)count,
           100.0 * (double)count / (double)t->rows);
}

static void print_tally(const char *title, tally *t, bool text)
{
    if (t->full) {
        printf("\n%s: more than %d different values\n", title, VALUES_MOST);
        return;
    }
    printf("\n%s\n", title);
    int64_t shown = t->n <= VALUES_SHOWN + 1 ? t->n : VALUES_SHOWN, left = t->rows;
    for (int64_t k = 0; k < shown; k++) {
        int64_t count, i = take_next(t, &count);
        print_value(t, i, text, count);
        left -= count;
    }
    if (shown < t->n)
        printf("  %-*s %9lld %5.1f %%\n", NAME_WIDTH, "(others)", (long long)left,
               100.0 * (double)left / (double)t->rows);
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
        {"/track/genre", "tracks per genre"},   {"/track/language", "tracks per language"},
        {"/track/split", "tracks per split"},   {"/track/format", "tracks per format"},
        {"/track/status", "tracks per status"}, {"/clip/status", "clips per status"}};
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
        "Print what an HDF5 file holds: its datasets, where it comes from, for a manifest how many\n"
        "tracks there are per genre, language, split, format and status, for features how many tracks\n"
        "and clips per status.",
        1};
    const char *path;
    bool done, config = false;
    const cli_option options[] = {
        {"config", CLI_FLAG, &config, NULL, "print the settings that the file was made with, and only them"},
        {0}};
    tt_store *store;
    TT_TRY(cli_parse(comm->rank, argc, argv, &usage, options, &path, &done));
    if (done) return TT_OK;
    if (!path) return tt_fail(TT_ERR_USAGE, "which file? usage: %s", usage.synopsis);
    TT_TRY(tt_store_open(comm, path, &store));
    tt_status s =
        config ? tt_agree(comm, comm->rank == 0 ? print_config(store) : TT_OK) : print_file(store, comm);
    tt_store_close(store);
    return s;
}
