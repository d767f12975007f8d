/* One tar shard, member by member; audio is left where it is, by offset. */
#include "formats.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { READ_BYTES = 1 << 16 };

/* What a member is to its track. */
typedef enum part { AUDIO, LABELS, TEXT, GENRE, OTHER } part;

/* A member that belongs to a track. */
typedef struct member {
    char *name;   /* "a/b.wav", without "./"; owned */
    int64_t stem; /* bytes of name before the extension */
    part part;
    int64_t offset, bytes; /* of audio */
    int64_t order;         /* of its occurrence: of two with one name, the later counts */
    char *text;            /* of what is not audio; owned */
} member;

typedef struct shard {
    const char *path;
    int64_t modified;
    member *v;
    int64_t n, room;
} shard;

static part part_of(const char *name, int64_t *stem)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strrchr(base, '.');
    if (base[0] == '.' || base[0] == '\0' || !dot) return OTHER;
    *stem = dot - name;
    if (audio_stem(name) >= 0) return AUDIO;
    if (strcasecmp(dot, ".json") == 0) return LABELS;
    if (strcasecmp(dot, ".txt") == 0) return TEXT;
    return strcasecmp(dot, ".cls") == 0 ? GENRE : OTHER;
}

static tt_status read_member_text(shard *s, struct archive *a, member *m)
{
    char *raw;
    TT_TRY(tt_alloc(LYRICS_MAX + 1, 1, "a shard", &raw));
    int64_t n = 0;
    la_ssize_t got = 1;
    while (n <= LYRICS_MAX && (got = archive_read_data(a, raw + n, (size_t)(LYRICS_MAX + 1 - n))) > 0)
        n += got;
    if (n > LYRICS_MAX)
        tt_warn("shard %s: %s is longer than %d bytes, cut there", s->path, m->name, LYRICS_MAX);
    tt_status status = set_text(&m->text, raw, n > LYRICS_MAX ? LYRICS_MAX : n);
    free(raw);
    return status;
}

static tt_status take_member(shard *s, struct archive *a, struct archive_entry *e)
{
    const char *name = archive_entry_pathname(e);
    if (!name || archive_entry_filetype(e) != AE_IFREG) return TT_OK;
    while (name[0] == '.' && name[1] == '/') name += 2;
    int64_t stem = 0;
    part p = part_of(name, &stem);
    if (p == OTHER) return TT_OK;
    if (strlen(name) > LABEL_MAX || (p == AUDIO && archive_entry_sparse_count(e) > 0)) {
        tt_warn("shard %s: %.80s: %s, left out", s->path, name,
                strlen(name) > LABEL_MAX ? "the name is too long" : "is stored sparse");
        return TT_OK;
    }
    if (s->n == s->room) {
        TT_TRY(tt_grow(s->n, 2 * s->room + 64, sizeof *s->v, "a shard", &s->v));
        s->room = 2 * s->room + 64;
    }
    member *m = &s->v[s->n];
    *m = (member){.stem = stem, .part = p, .order = s->n};
    m->offset = archive_filter_bytes(a, 0); /* libarchive has read the headers up to here */
    m->bytes = archive_entry_size(e);
    TT_TRY(set_text(&m->name, name, (int64_t)strlen(name)));
    s->n++;
    return p == AUDIO ? TT_OK : read_member_text(s, a, m);
}

static tt_status refuse_compressed(const char *path)
{
    static const struct {
        const char *magic;
        int n;
        const char *kind;
    } kinds[] = {{"\x1f\x8b", 2, "gzip"},
                 {"\xfd"
                  "7zXZ",
                  5, "xz"},
                 {"\x28\xb5\x2f\xfd", 4, "zstd"},
                 {"BZh", 3, "bzip2"},
                 {"\x04\x22\x4d\x18", 4, "lz4"},
                 {"PK\3\4", 4, "zip"}};
    char head[8] = "";
    FILE *f = fopen(path, "rbe");
    if (!f) return TT_OK; /* libarchive says why */
    size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= (size_t)kinds[i].n && memcmp(head, kinds[i].magic, (size_t)kinds[i].n) == 0)
            return tt_fail(TT_ERR_INPUT,
                           "shard %s: is compressed (%s), but audio is read from within the shard; "
                           "unpack it to a plain .tar (music is compressed already)",
                           path, kinds[i].kind);
    return TT_OK;
}

static tt_status read_members(shard *s)
{
    struct archive *a = archive_read_new();
    if (!a) return tt_fail(TT_ERR_MEMORY, "no memory for a shard");
    archive_read_support_format_tar(a);
    tt_status status = TT_OK;
    int code = archive_read_open_filename(a, s->path, READ_BYTES);
    struct archive_entry *e;
    while (code >= ARCHIVE_WARN && status == TT_OK) {
        code = archive_read_next_header(a, &e);
        if (code == ARCHIVE_EOF) break;
        if (code >= ARCHIVE_WARN) status = take_member(s, a, e);
    }
    if (code < ARCHIVE_WARN)
        tt_warn("shard %s: %s; the %lld members before that are kept", s->path, archive_error_string(a),
                (long long)s->n);
    archive_read_free(a);
    return status;
}

/* By stem, then audio, labels, text, genre; then by name, the latest first. */
static int by_stem(const void *x, const void *y)
{
    const member *a = x, *b = y;
    int64_t n = a->stem < b->stem ? a->stem : b->stem;
    int c = memcmp(a->name, b->name, (size_t)n);
    if (c == 0) c = (a->stem > b->stem) - (a->stem < b->stem);
    if (c == 0) c = (a->part > b->part) - (a->part < b->part);
    if (c == 0) c = strcmp(a->name, b->name);
    return c != 0 ? c : (a->order < b->order) - (a->order > b->order);
}

static bool same_stem(const member *a, const member *b)
{
    return a->stem == b->stem && memcmp(a->name, b->name, (size_t)a->stem) == 0;
}

/* A text of the labels; a number is taken as its digits, for ids and classes are often numbers. */
static tt_status json_label(const shard *s, const member *m, const json_t *labels, const char *key,
                            int64_t most, char **out)
{
    const json_t *value = json_object_get(labels, key);
    if (json_is_integer(value)) {
        free(*out);
        return tt_format(out, "%lld", (long long)json_integer_value(value));
    }
    if (!json_is_string(value)) return TT_OK;
    size_t n = json_string_length(value);
    if ((int64_t)n > most) {
        tt_warn("shard %s: %s: `%s` is longer than %lld bytes, left out", s->path, m->name, key,
                (long long)most);
        return TT_OK;
    }
    return set_text(out, json_string_value(value), (int64_t)n);
}

static tt_status take_labels(const shard *s, const member *m, tt_track *t, bool unique)
{
    json_error_t error;
    json_t *labels = json_loads(m->text, 0, &error);
    if (!json_is_object(labels))
        tt_warn("shard %s: %s: is not a JSON object of labels: %s", s->path, m->name,
                labels ? "it is of another type" : error.text);
    tt_status status = unique ? json_label(s, m, labels, "id", LABEL_MAX, &t->id) : TT_OK;
    if (status == TT_OK) status = json_label(s, m, labels, "genre", LABEL_MAX, &t->genre);
    if (status == TT_OK) status = json_label(s, m, labels, "language", LABEL_MAX, &t->language);
    if (status == TT_OK) status = json_label(s, m, labels, "split", LABEL_MAX, &t->split);
    if (status == TT_OK && !t->lyrics) status = json_label(s, m, labels, "lyrics", LYRICS_MAX, &t->lyrics);
    json_decref(labels);
    return status;
}

static tt_status take_genre(const member *m, tt_track *t)
{
    const char *text = m->text + strspn(m->text, " \t\r\n");
    size_t n = strcspn(text, "\r\n");
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) n--;
    return n > 0 && n <= LABEL_MAX ? set_text(&t->genre, text, (int64_t)n) : TT_OK;
}

/* A track as the members [begin, end) of one stem tell it. `audio` is one of them, or NULL if there is none;
 * a JSON id is taken if no other audio could claim it. */
static tt_status describe(const shard *s, int64_t begin, int64_t end, const member *audio, bool alone,
                          tt_track *t)
{
    const member *any = audio ? audio : &s->v[begin];
    const char *slash = memchr(any->name, '/', (size_t)any->stem);
    TT_TRY(set_text(&t->genre, any->name, slash ? slash - any->name : 0));
    for (int64_t i = end - 1; i >= begin; i--) { /* the genre and the text first: a JSON has the last word */
        const member *m = &s->v[i];
        if (m->part == TEXT) TT_TRY(set_text(&t->lyrics, m->text, (int64_t)strlen(m->text)));
        if (m->part == GENRE) TT_TRY(take_genre(m, t));
        if (m->part == LABELS) TT_TRY(take_labels(s, m, t, alone));
    }
    return track_complete(t);
}

static tt_status add_track(const shard *s, const member *audio, const member *any, track_list *list,
                           tt_track **out)
{
    tt_track *t = *out = list_add(list);
    if (!t) return TT_ERR_MEMORY;
    TT_TRY(set_text(&t->shard, s->path, (int64_t)strlen(s->path)));
    TT_TRY(set_text(&t->id, any->name, audio ? (int64_t)strlen(any->name) : any->stem));
    t->modified = s->modified;
    if (!audio) {
        t->status = TT_TRACK_NO_AUDIO;
        return TT_OK;
    }
    t->channels = 1; /* for name_tracks() */
    t->offset = audio->offset;
    t->bytes = audio->bytes;
    return set_text(&t->path, audio->name, (int64_t)strlen(audio->name));
}

/* The members [begin, end) of one stem. Labels without audio are a track too; a text alone is a README. */
static tt_status add_group(const shard *s, int64_t begin, int64_t end, track_list *list)
{
    int64_t n_audio = 0, n_labels = 0;
    for (int64_t i = begin; i < end; i++) {
        n_audio += s->v[i].part == AUDIO;
        n_labels += s->v[i].part == LABELS;
    }
    for (int64_t i = begin; i < end; i++) {
        const member *m = &s->v[i];
        tt_track *t;
        bool bare = n_audio == 0 && n_labels > 0 && i == begin;
        if (m->part != AUDIO && !bare) continue;
        TT_TRY(add_track(s, bare ? NULL : m, m, list, &t));
        char *path_id = t->id;
        t->id = NULL;
        tt_status status = describe(s, begin, end, bare ? NULL : m, n_audio < 2, t);
        if (t->id && t->id[0]) { /* a JSON gave it: not to be cut */
            t->channels = 0;
            free(path_id);
        } else {
            free(t->id);
            t->id = path_id;
        }
        TT_TRY(status);
    }
    return TT_OK;
}

/* Of members with one name the latest counts, as tar itself has it: it is sorted first. */
static void drop_older(shard *s)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (kept > 0 && strcmp(s->v[kept - 1].name, s->v[i].name) == 0) {
            free(s->v[i].name);
            free(s->v[i].text);
        } else {
            s->v[kept++] = s->v[i];
        }
    }
    s->n = kept;
}

static tt_status add_groups(shard *s, track_list *list)
{
    if (s->n > 1) qsort(s->v, (size_t)s->n, sizeof *s->v, by_stem);
    drop_older(s);
    int64_t first = list->n;
    for (int64_t i = 0, end; i < s->n; i = end) {
        for (end = i + 1; end < s->n && same_stem(&s->v[i], &s->v[end]);) end++;
        TT_TRY(add_group(s, i, end, list));
    }
    name_tracks(list, first);
    return TT_OK;
}

tt_status read_shard(const char *path, track_list *list)
{
    shard s = {.path = path};
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there && !S_ISREG(info.st_mode)) { /* to open a named pipe is to wait for its writer */
        tt_warn("shard %s: is not a file, left out", path);
        return TT_OK;
    }
    if (there) s.modified = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    tt_status status = refuse_compressed(path);
    if (status == TT_OK) status = read_members(&s);
    if (status == TT_OK) status = add_groups(&s, list);
    for (int64_t i = 0; i < s.n; i++) {
        free(s.v[i].name);
        free(s.v[i].text);
    }
    free(s.v);
    return status;
}
