/* RFC 4180, and what people write: CRLF, LF or CR, a byte order mark, quotes inside bare fields, blank lines;
 * a NUL is a blank. */
#include "formats.h"

#include "tutti/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, RECORD_MAX = LYRICS_MAX + (1 << 24), FIELDS_MAX = 10000 };

struct csv {
    FILE *file;
    const char *path; /* not owned */
    char *read;       /* [READ_BYTES] */
    size_t at, n;     /* what is left of it */
    int64_t line;     /* of the next character */
    buffer text;      /* the record's fields, each with its NUL */
    char **fields;
    int64_t room;
    int64_t n_fields;
};

/* A named pipe must not hold up the run, nor a device feed it for ever; and the file is read twice. */
static tt_status open_regular(const char *path, FILE **out)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool regular = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    *out = regular ? fdopen(fd, "rb") : NULL;
    if (*out) return TT_OK;
    if (fd < 0 || regular) return tt_fail_errno("open the corpus manifest", path);
    close(fd);
    return tt_fail(TT_ERR_INPUT, "corpus manifest %s: is not a file", path);
}

tt_status csv_open(const char *path, csv **out)
{
    TT_TRY(tt_alloc(1, sizeof **out, "a CSV file", out));
    csv *c = *out;
    c->path = path;
    c->line = 1;
    tt_status s = tt_alloc(READ_BYTES, 1, "a CSV file", &c->read);
    if (s == TT_OK) s = open_regular(path, &c->file);
    if (s == TT_OK) {
        static const char mark[] = "\xEF\xBB\xBF";
        c->n = fread(c->read, 1, READ_BYTES, c->file);
        if (ferror(c->file)) s = tt_fail_errno("read the corpus manifest", path);
        if (c->n >= 3 && memcmp(c->read, mark, 3) == 0) c->at = 3;
        if (c->n >= 2 && (memcmp(c->read, "\xFF\xFE", 2) == 0 || memcmp(c->read, "\xFE\xFF", 2) == 0))
            s = tt_fail(TT_ERR_INPUT, "%s: is UTF-16; save it as UTF-8, with commas between the columns",
                        path);
    }
    if (s != TT_OK) {
        csv_close(c);
        *out = NULL;
    }
    return s;
}

void csv_close(csv *c)
{
    if (!c) return;
    if (c->file) fclose(c->file);
    free(c->read);
    free(c->text.data);
    free(c->fields);
    free(c);
}

/* The next character without taking it; EOF at the end. */
static int peek(csv *c)
{
    if (c->at == c->n) {
        c->at = 0;
        c->n = fread(c->read, 1, READ_BYTES, c->file);
        if (c->n == 0) return EOF;
    }
    return (unsigned char)c->read[c->at];
}

static int take(csv *c)
{
    int ch = peek(c);
    if (ch == EOF) return EOF;
    c->at++;
    if (ch == '\n') c->line++;
    if (ch == '\r' && peek(c) != '\n') c->line++;
    return ch;
}

static tt_status add(csv *c, const char *text, int64_t n)
{
    if (c->text.n + n > RECORD_MAX)
        return tt_fail(TT_ERR_INPUT, "%s:%lld: a row of more than %d MB: is a quote missing?", c->path,
                       (long long)c->line, RECORD_MAX >> 20);
    return buffer_add(&c->text, text, n);
}

/* Add what comes before the next of `ends`, or of what is left in the buffer: most of a text, at once. Ends
 * of lines are to be among `ends`, since they are counted, and NULs always are. */
static tt_status add_run(csv *c, const bool ends[256])
{
    const char *from = c->read + c->at;
    int64_t n = 0, left = (int64_t)(c->n - c->at);
    while (n < left && !ends[(unsigned char)from[n]]) n++;
    c->at += (size_t)n;
    return add(c, from, n);
}

/* The inside of a quoted field, its first quote taken. */
static tt_status read_quoted(csv *c)
{
    static const bool ends[256] = {['\0'] = true, ['"'] = true, ['\n'] = true, ['\r'] = true};
    int64_t opened = c->line;
    for (;;) {
        TT_TRY(add_run(c, ends));
        int ch = take(c);
        if (ch == EOF)
            return tt_fail(TT_ERR_INPUT, "%s:%lld: a quote is opened here and never closed", c->path,
                           (long long)opened);
        if (ch == '"' && peek(c) != '"') break;
        if (ch == '"') take(c);
        const char one = ch ? (char)ch : ' ';
        TT_TRY(add(c, &one, 1));
    }
    int ch = peek(c);
    if (ch == ',' || ch == '\n' || ch == '\r' || ch == EOF) return TT_OK;
    return tt_fail(TT_ERR_INPUT,
                   "%s:%lld: text after a closing quote; a quote within a field is written \"\"", c->path,
                   (long long)c->line);
}

static tt_status read_field(csv *c)
{
    static const bool ends[256] = {['\0'] = true, [','] = true, ['\n'] = true, ['\r'] = true};
    if (peek(c) == '"') {
        take(c);
        TT_TRY(read_quoted(c));
    } else {
        for (int ch = peek(c); ch != ',' && ch != '\n' && ch != '\r' && ch != EOF; ch = peek(c)) {
            if (ch == '\0') {
                take(c);
                TT_TRY(add(c, " ", 1));
            }
            TT_TRY(add_run(c, ends));
        }
    }
    c->n_fields++;
    if (c->n_fields > FIELDS_MAX)
        return tt_fail(TT_ERR_INPUT, "%s:%lld: more than %d fields", c->path, (long long)c->line, FIELDS_MAX);
    return add(c, "", 1);
}

/* Fields up to and with the end of the line. */
static tt_status read_record(csv *c)
{
    c->text.n = 0;
    c->n_fields = 0;
    TT_TRY(read_field(c));
    while (peek(c) == ',') {
        take(c);
        TT_TRY(read_field(c));
    }
    if (take(c) == '\r' && peek(c) == '\n') take(c);
    return ferror(c->file) ? tt_fail_errno("read the corpus manifest", c->path) : TT_OK;
}

static tt_status point_at_fields(csv *c)
{
    if (c->n_fields > c->room) {
        TT_TRY(tt_grow(0, c->n_fields, sizeof *c->fields, "a CSV file", &c->fields));
        c->room = c->n_fields;
    }
    char *at = c->text.data;
    for (int64_t i = 0; i < c->n_fields; i++, at += strlen(at) + 1) c->fields[i] = at;
    return TT_OK;
}

tt_status csv_next(csv *c, csv_record *record, bool *more)
{
    for (;;) {
        *more = peek(c) != EOF;
        int64_t line = c->line;
        if (!*more) return ferror(c->file) ? tt_fail_errno("read the corpus manifest", c->path) : TT_OK;
        TT_TRY(read_record(c));
        if (c->n_fields == 1 && c->text.n == 1) continue; /* a blank line */
        TT_TRY(point_at_fields(c));
        *record = (csv_record){c->fields, c->n_fields, line};
        return TT_OK;
    }
}
