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
    int64_t *line;           /* [rows of this rank] where each begins */
    int64_t not_utf8;        /* rows of this rank with other bytes than UTF-8 in them */
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

/* Without an id the path without its extension, cut by a NUL that restore_extensions() may take back:
 * `channels`, not yet in use, marks it. */
static tt_status row_id(const manifest *m, const csv_record *r, int64_t row, tt_track *t)
{
    const char *id = field(m, r, ID), *path = field(m, r, PATH);
    if (!id[0] && !path[0]) return tt_format(&t->id, "%lld", (long long)row + 1);
    int64_t stem = id[0] ? -1 : audio_stem(path);
    TT_TRY(tt_copy_text(id[0] ? id : path, &t->id));
    t->channels = stem >= 0;
    if (stem >= 0) t->id[stem] = '\0';
    return TT_OK;
}

static tt_status row_lyrics(const manifest *m, const csv_record *r, char **out)
{
    const char *text = field(m, r, LYRICS), *file = field(m, r, LYRICS_PATH);
    int64_t n = (int64_t)strlen(text);
    if (n > LYRICS_MAX)
        tt_warn("%s:%lld: lyrics longer than %d MB, cut there", m->path, (long long)r->line,
                LYRICS_MAX >> 20);
    if (n > 0) return set_text(out, text, n > LYRICS_MAX ? LYRICS_MAX : n);
    if (!file[0]) return TT_OK;
    char *path;
    TT_TRY(resolve(m, file, &path));
    tt_status s = read_lyrics(path, out);
    free(path);
    return s;
}

static tt_status read_row(manifest *m, const csv_record *r, int64_t row, tt_track *t)
{
    static const int labels[] = {GENRE, LANGUAGE, SPLIT};
    char **const texts[] = {&t->genre, &t->language, &t->split};
    const char *path = field(m, r, PATH);
    TT_TRY(row_id(m, r, row, t));
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
    TT_TRY(track_complete(t));
    m->not_utf8 += track_make_utf8(t);
    return TT_OK;
}

/* Rows without an id whose paths differ in the extension alone get it back, as files of a folder do. That may
 * make others equal, so there are rounds until none is changed. */
static tt_status restore_extensions(const tt_comm *comm, track_list *list, bool **repeated)
{
    for (int64_t changed = 1; changed > 0;) {
        changed = 0;
        free(*repeated);
        TT_TRY(find_repeated_ids(comm, list, TT_OK, repeated));
        for (int64_t i = 0; i < list->n; i++) {
            tt_track *t = &list->v[i];
            if (!(*repeated)[i] || !t->channels) continue;
            t->id[strlen(t->id)] = '.';
            t->channels = 0;
            changed = 1;
        }
        changed = tt_max_i64(comm, changed);
    }
    for (int64_t i = 0; i < list->n; i++) list->v[i].channels = 0;
    return TT_OK;
}

/* The first line, over all ranks, behind `after` whose id is repeated, and that id if one is given; INT64_MAX
 * if none. */
static int64_t find_line(const tt_comm *comm, const manifest *m, const track_list *list, const bool *repeated,
                         int64_t after, const tt_hash *id, tt_hash *found)
{
    int64_t line = INT64_MAX;
    for (int64_t i = 0; i < list->n && line == INT64_MAX; i++) {
        if (!repeated[i] || m->line[i] <= after) continue;
        tt_hash h = tt_hash_start();
        tt_hash_text(&h, list->v[i].id);
        if (id && (id->low != h.low || id->high != h.high)) continue;
        line = m->line[i];
        *found = h;
    }
    int64_t first = -tt_max_i64(comm, -line);
    if (line != first) *found = tt_hash_start();
    MPI_Allreduce(MPI_IN_PLACE, found, 2, MPI_UINT64_T, MPI_BOR, comm->mpi);
    return first;
}

static tt_status refuse_repeated(const tt_comm *comm, const manifest *m, track_list *list)
{
    bool *repeated = NULL;
    tt_hash id = tt_hash_start(), other = id;
    tt_status s = restore_extensions(comm, list, &repeated);
    if (s == TT_OK) {
        int64_t first = find_line(comm, m, list, repeated, 0, NULL, &id), second = INT64_MAX;
        if (first != INT64_MAX) second = find_line(comm, m, list, repeated, first, &id, &other);
        if (second != INT64_MAX)
            s = tt_fail(
                TT_ERR_INPUT,
                "%s:%lld: the id (or, without one, the path) is that of line %lld; ids must be unique",
                m->path, (long long)second, (long long)first);
    }
    free(repeated);
    return s;
}

static void tell_not_utf8(const tt_comm *comm, const manifest *m)
{
    int64_t rows = tt_sum_i64(comm, m->not_utf8);
    if (rows > 0 && comm->rank == 0)
        tt_warn("%s: %lld rows have labels or lyrics that are not UTF-8, whose bytes become \"?\": save it "
                "as UTF-8",
                m->path, (long long)rows);
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

static tt_status read_rows(manifest *m, tt_range mine, track_list *list)
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
        m->line[row - mine.begin] = r.line;
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
    tt_status s = tt_alloc(mine.end - mine.begin, sizeof *m.line, "the corpus list", &m.line);
    if (s == TT_OK) s = read_rows(&m, mine, &list);
    s = tt_agree(comm, s);
    if (s == TT_OK) tell_not_utf8(comm, &m);
    if (s == TT_OK) s = refuse_repeated(comm, &m, &list);
    free(m.line);
    if (s == TT_OK)
        *out = (tt_tracks){.v = list.v, .n = list.n, .first = mine.begin, .total = rows};
    else
        list_free(&list);
    return s;
}
