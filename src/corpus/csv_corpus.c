/* A corpus as a CSV manifest. Every rank parses the whole file, twice: to count the rows, and to keep its
 * share. */
#include "formats.h"

#include "tutti/hash.h"
#include "tutti/log.h"
#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATH, ID, GENRE, LANGUAGE, LYRICS, LYRICS_PATH, SPLIT, COLUMNS };

static const char *const column_names[COLUMNS] = {"path",   "id",          "genre", "language",
                                                  "lyrics", "lyrics_path", "split"};

typedef struct manifest {
    const char *path;
    int64_t folder;          /* bytes of path before its last slash, with it */
    int64_t column[COLUMNS]; /* index of the field, -1 if there is none */
    int64_t fields;
} manifest;

static const char *trimmed(char *text)
{
    while (*text == ' ' || *text == '\t') text++;
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) text[--n] = '\0';
    return text;
}

static tt_status read_header(manifest *m, csv *file)
{
    csv_record r;
    bool more;
    TT_TRY(csv_next(file, &r, &more));
    if (!more)
        return tt_fail(TT_ERR_INPUT, "%s: is empty; expected a line of column names with `path`", m->path);
    m->fields = r.n;
    for (int c = 0; c < COLUMNS; c++) m->column[c] = -1;
    for (int64_t i = 0; i < r.n; i++) {
        const char *name = trimmed(r.fields[i]);
        for (int c = 0; c < COLUMNS; c++) {
            if (strcasecmp(name, column_names[c]) != 0) continue;
            if (m->column[c] >= 0)
                return tt_fail(TT_ERR_INPUT, "%s:%lld: two columns are called `%s`", m->path,
                               (long long)r.line, name);
            m->column[c] = i;
        }
    }
    if (m->column[PATH] >= 0) return TT_OK;
    bool other = r.n == 1 && strpbrk(r.fields[0], ";\t");
    return tt_fail(TT_ERR_INPUT, "%s:%lld: there is no column `path`%s", m->path, (long long)r.line,
                   other ? "; columns must be separated by commas" : "");
}

static const char *field(const manifest *m, const csv_record *r, int column)
{
    return m->column[column] >= 0 ? r->fields[m->column[column]] : "";
}

static tt_status check_row(const manifest *m, const csv_record *r)
{
    if (r->n != m->fields)
        return tt_fail(TT_ERR_INPUT, "%s:%lld: %lld fields, where the first line has %lld", m->path,
                       (long long)r->line, (long long)r->n, (long long)m->fields);
    for (int c = 0; c < COLUMNS; c++)
        if (c != LYRICS && strlen(field(m, r, c)) > LABEL_MAX)
            return tt_fail(TT_ERR_INPUT, "%s:%lld: `%s` is longer than %d bytes", m->path, (long long)r->line,
                           column_names[c], LABEL_MAX);
    return TT_OK;
}

/* A path as the manifest means it: relative to the manifest's own folder. */
static tt_status resolve(const manifest *m, const char *path, char **out)
{
    return tt_format(out, "%.*s%s", path[0] == '/' ? 0 : (int)m->folder, m->path, path);
}

static tt_status row_id(const manifest *m, const csv_record *r, int64_t row, char **out)
{
    const char *id = field(m, r, ID), *path = field(m, r, PATH);
    if (id[0]) return set_text(out, id, (int64_t)strlen(id));
    if (!path[0]) return tt_format(out, "%lld", (long long)row + 1);
    int64_t stem = audio_stem(path);
    return set_text(out, path, stem >= 0 ? stem : (int64_t)strlen(path));
}

static tt_status row_lyrics(const manifest *m, const csv_record *r, char **out)
{
    const char *text = field(m, r, LYRICS), *file = field(m, r, LYRICS_PATH);
    int64_t n = (int64_t)strlen(text);
    if (n > LYRICS_MAX)
        tt_warn("%s:%lld: lyrics longer than %d bytes, cut there", m->path, (long long)r->line, LYRICS_MAX);
    if (n > 0 || !file[0]) return set_text(out, text, n > LYRICS_MAX ? LYRICS_MAX : n);
    char *path;
    TT_TRY(resolve(m, file, &path));
    tt_status s = read_lyrics(path, out);
    free(path);
    return s;
}

static tt_status read_row(const manifest *m, const csv_record *r, int64_t row, tt_track *t)
{
    static const int labels[] = {GENRE, LANGUAGE, SPLIT};
    char **const texts[] = {&t->genre, &t->language, &t->split};
    const char *path = field(m, r, PATH);
    TT_TRY(row_id(m, r, row, &t->id));
    for (int i = 0; i < 3; i++) {
        const char *label = field(m, r, labels[i]);
        TT_TRY(set_text(texts[i], label, (int64_t)strlen(label)));
    }
    TT_TRY(row_lyrics(m, r, &t->lyrics));
    if (path[0]) {
        TT_TRY(resolve(m, path, &t->path));
        stat_audio(t);
    } else {
        t->status = TT_TRACK_NO_AUDIO;
    }
    return track_complete(t);
}

/* Where an id is used; ids of equal hash meet on one rank. */
typedef struct use {
    tt_hash id;
    int64_t line;
} use;

static int by_hash(const void *a, const void *b)
{
    const use *x = a, *y = b;
    if (x->id.high != y->id.high) return x->id.high < y->id.high ? -1 : 1;
    if (x->id.low != y->id.low) return x->id.low < y->id.low ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static tt_status send_uses(const tt_comm *comm, const use *uses, int64_t n, use **out, int64_t *out_n)
{
    int64_t *count = NULL;
    use *packed = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "checking ids", &count);
    if (s == TT_OK) s = tt_alloc(n, sizeof *packed, "checking ids", &packed);
    s = tt_agree(comm, s);
    int64_t k = 0;
    for (int r = 0; s == TT_OK && r < comm->size; r++) {
        int64_t before = k;
        for (int64_t i = 0; i < n; i++)
            if (uses[i].id.low % (uint64_t)comm->size == (uint64_t)r) packed[k++] = uses[i];
        count[r] = (k - before) * (int64_t)sizeof *packed;
    }
    if (s == TT_OK) s = tt_exchange(comm, packed, count, out, count + comm->size);
    *out_n = 0;
    for (int r = 0; s == TT_OK && r < comm->size; r++)
        *out_n += count[comm->size + r] / (int64_t)sizeof **out;
    free(packed);
    free(count);
    return s;
}

/* The first line, over all ranks, whose id was used before. */
static tt_status refuse_duplicates(const tt_comm *comm, const char *path, const use *uses, int64_t n)
{
    use *mine = NULL;
    int64_t k, line = INT64_MAX, earlier = 0;
    TT_TRY(send_uses(comm, uses, n, &mine, &k));
    if (k > 1) qsort(mine, (size_t)k, sizeof *mine, by_hash);
    for (int64_t i = 1; i < k; i++) {
        if (mine[i].id.low != mine[i - 1].id.low || mine[i].id.high != mine[i - 1].id.high) continue;
        if (mine[i].line >= line) continue;
        line = mine[i].line;
        earlier = mine[i - 1].line;
    }
    free(mine);
    bool first = line < INT64_MAX && -line == tt_max_i64(comm, -line);
    if (line == INT64_MAX) tt_max_i64(comm, -line);
    return tt_agree(
        comm,
        first
            ? tt_fail(TT_ERR_INPUT,
                      "%s:%lld: the id (or, without one, the path) is that of line %lld; ids must be unique",
                      path, (long long)line, (long long)earlier)
            : TT_OK);
}

static tt_status count_rows(manifest *m, int64_t *rows)
{
    csv *file;
    csv_record r;
    bool more = true;
    *rows = 0;
    TT_TRY(csv_open(m->path, &file));
    tt_status s = read_header(m, file);
    while (s == TT_OK) {
        s = csv_next(file, &r, &more);
        if (s != TT_OK || !more) break;
        s = check_row(m, &r);
        (*rows)++;
    }
    csv_close(file);
    return s;
}

static tt_status read_rows(manifest *m, tt_range mine, track_list *list, use *uses)
{
    csv *file;
    csv_record r;
    bool more;
    TT_TRY(csv_open(m->path, &file));
    tt_status s = read_header(m, file);
    for (int64_t row = 0; s == TT_OK && row < mine.end; row++) {
        s = csv_next(file, &r, &more);
        if (s == TT_OK && more) s = check_row(m, &r);
        if (s == TT_OK && !more) s = tt_fail(TT_ERR_INPUT, "%s: was changed while it was read", m->path);
        if (s != TT_OK || row < mine.begin) continue;
        tt_track *t = list_add(list);
        s = t ? read_row(m, &r, row, t) : TT_ERR_MEMORY;
        if (s != TT_OK) continue;
        tt_hash id = tt_hash_start();
        tt_hash_text(&id, t->id);
        uses[row - mine.begin] = (use){id, r.line};
    }
    csv_close(file);
    return s;
}

tt_status list_csv(const tt_comm *comm, const char *path, tt_tracks *out)
{
    manifest m = {.path = path};
    const char *slash = strrchr(path, '/');
    m.folder = slash ? slash + 1 - path : 0;
    int64_t rows = 0;
    TT_TRY(tt_agree(comm, count_rows(&m, &rows)));
    tt_range mine = tt_partition(rows, 1, comm->size, comm->rank);
    track_list list = {0};
    use *uses = NULL;
    tt_status s = tt_alloc(mine.end - mine.begin, sizeof *uses, "checking ids", &uses);
    if (s == TT_OK) s = read_rows(&m, mine, &list, uses);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = refuse_duplicates(comm, path, uses, list.n);
    free(uses);
    if (s == TT_OK)
        *out = (tt_tracks){.v = list.v, .n = list.n, .first = mine.begin, .total = rows};
    else
        list_free(&list);
    return s;
}
