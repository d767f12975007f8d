/* The members of one tar shard, header by header; audio is left where it is, by offset. */
#include "shard.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16, TAR_BLOCK = 512, NAME_SHOWN = 80 };

/* Why a member is left out. */
typedef enum fault { NAME_TOO_LONG, SPARSE, SYMBOLIC, LINK_TO_NOTHING, BEYOND, REPEATED, FAULTS } fault;

static const char *const fault_text[FAULTS] = {
    "names are too long",
    "files are stored sparse, which cannot be read in place (pack without --sparse)",
    "symbolic links cannot be followed in a shard (pack with tar --dereference)",
    "hard links lead to no member before them",
    "stand beyond the end of the file",
    "names come again, the last of each counts"};

/* Members left out, by reason. */
typedef struct faults {
    int64_t n[FAULTS];
    char first[FAULTS][NAME_SHOWN + 1];
} faults;

static void add_fault(faults *f, fault kind, const char *name)
{
    if (f->n[kind]++ == 0) snprintf(f->first[kind], sizeof f->first[kind], "%s", name);
}

static void tell_faults(const faults *f, const char *path)
{
    for (int kind = 0; kind < FAULTS; kind++)
        if (f->n[kind] > 0)
            tt_warn("shard %s: members left out: %lld %s; %s the first", path, (long long)f->n[kind],
                    fault_text[kind], f->first[kind]);
}

/* Bytes of a name before its extension (see member), which begins at the first dot behind all white space; -1
 * if it has none. */
static int64_t find_key(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *from = base;
    if (base[0] == '.') return -1;
    for (const char *p = base; *p; p++)
        if (isspace((unsigned char)*p)) from = p;
    const char *dot = strchr(from, '.');
    return dot ? dot - name : -1;
}

static part part_of(const char *name)
{
    if (audio_stem(name) >= 0) return AUDIO;
    if (has_ending(name, ".json")) return LABELS;
    if (has_ending(name, ".txt")) return TEXT;
    return has_ending(name, ".cls") ? GENRE : OTHER;
}

static const char *plain_name(const char *name)
{
    while (name[0] == '.' && name[1] == '/')
        for (name += 2; *name == '/';) name++;
    return name;
}

static tt_status read_member_text(const shard *s, struct archive *a, member *m)
{
    int64_t n = 0, most = m->bytes < LYRICS_MAX ? m->bytes : LYRICS_MAX;
    la_ssize_t got;
    TT_TRY(tt_alloc(most + 1, 1, "a shard", &m->text));
    while (n < most && (got = archive_read_data(a, m->text + n, (size_t)(most - n))) > 0) n += got;
    if (m->bytes > LYRICS_MAX)
        tt_warn("shard %s: %s is longer than %d MB, cut there", s->path, m->name, LYRICS_MAX >> 20);
    blank_nuls(m->text, n);
    return TT_OK;
}

/* The name in a tar header is bytes; in a pax header it is UTF-8, which libarchive cannot give in other
 * locales. */
static const char *name_of(struct archive_entry *e)
{
    const char *name = archive_entry_pathname(e);
    if (!name) name = archive_entry_pathname_utf8(e);
    return name ? plain_name(name) : "";
}

static tt_status add_member(shard *s, const char *name, int64_t key, part p, member **out)
{
    if (s->n == s->room) {
        TT_TRY(tt_grow(s->n, 2 * s->room + 64, sizeof *s->v, "a shard", &s->v));
        s->room = 2 * s->room + 64;
    }
    *out = &s->v[s->n];
    **out = (member){.key = key, .part = p, .order = s->n};
    s->n++;
    return set_text(&(*out)->name, name, (int64_t)strlen(name));
}

static tt_status take_member(shard *s, struct archive *a, struct archive_entry *e, faults *f)
{
    const char *name = name_of(e), *link = archive_entry_hardlink(e);
    int64_t key = find_key(name);
    part p = key >= 0 ? part_of(name) : OTHER;
    bool symbolic = archive_entry_filetype(e) == AE_IFLNK;
    if (p == OTHER || (!symbolic && !link && archive_entry_filetype(e) != AE_IFREG)) return TT_OK;
    bool too_long = strlen(name) > LABEL_MAX, sparse = p == AUDIO && archive_entry_sparse_count(e) > 0;
    int64_t offset = archive_filter_bytes(a, 0); /* libarchive has read the headers up to here */
    bool beyond = offset < 0 || offset > s->bytes || archive_entry_size(e) < 0;
    if (too_long || sparse || symbolic || beyond) {
        add_fault(f, too_long ? NAME_TOO_LONG : sparse ? SPARSE : symbolic ? SYMBOLIC : BEYOND, name);
        return TT_OK;
    }
    member *m;
    TT_TRY(add_member(s, name, key, p, &m));
    m->offset = offset;
    m->bytes = archive_entry_size(e);
    if (link && m->bytes == 0) return set_text(&m->link, plain_name(link), (int64_t)strlen(plain_name(link)));
    return p == AUDIO ? TT_OK : read_member_text(s, a, m);
}

static tt_status refuse_compressed(const char *path, const char head[8])
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
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (memcmp(head, kinds[i].magic, (size_t)kinds[i].n) == 0)
            return tt_fail(TT_ERR_INPUT,
                           "shard %s: is compressed (%s), but audio is read from within the shard; "
                           "unpack it to a plain .tar (music is compressed already)",
                           path, kinds[i].kind);
    return TT_OK;
}

/* A tar file ends in blocks of zeros. Where they are missing it was cut short: libarchive does not see that,
 * for it skips what it does not read. */
static bool is_ended(int fd, int64_t bytes)
{
    static const char zeros[TAR_BLOCK];
    char last[TAR_BLOCK];
    return bytes >= TAR_BLOCK && pread(fd, last, TAR_BLOCK, (off_t)(bytes - TAR_BLOCK)) == TAR_BLOCK &&
           memcmp(last, zeros, TAR_BLOCK) == 0;
}

static tt_status read_members(shard *s, int fd, faults *f)
{
    struct archive *a = archive_read_new();
    if (!a) return tt_fail(TT_ERR_MEMORY, "no memory for a shard");
    archive_read_support_format_tar(a);
    archive_read_set_format_option(a, "tar", "read_concatenated_archives", "1");
    tt_status status = TT_OK;
    int code = archive_read_open_fd(a, fd, READ_BYTES);
    struct archive_entry *e;
    while (code >= ARCHIVE_WARN && status == TT_OK) {
        code = archive_read_next_header(a, &e);
        if (code == ARCHIVE_EOF) break;
        if (code >= ARCHIVE_WARN) status = take_member(s, a, e, f);
    }
    if (code < ARCHIVE_WARN)
        tt_warn("shard %s: %s; the %lld members before that are kept", s->path, archive_error_string(a),
                (long long)s->n);
    else if (status == TT_OK && !is_ended(fd, s->bytes))
        tt_warn("shard %s: is cut short; the %lld members that are there are kept", s->path, (long long)s->n);
    archive_read_free(a);
    return status;
}

static int by_name(const void *x, const void *y)
{
    const member *a = *(const member *const *)x, *b = *(const member *const *)y;
    int c = strcmp(a->name, b->name);
    return c != 0 ? c : (a->order > b->order) - (a->order < b->order);
}

/* The last member of that name before `m` among sorted members [n], NULL if there is none. */
static const member *find_target(member *const *sorted, int64_t n, const member *m)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        int c = strcmp(sorted[middle]->name, m->link);
        if (c < 0 || (c == 0 && sorted[middle]->order < m->order))
            low = middle + 1;
        else
            high = middle;
    }
    const member *found = low > 0 ? sorted[low - 1] : NULL;
    return found && strcmp(found->name, m->link) == 0 && found->part != OTHER ? found : NULL;
}

static tt_status resolve(member *const *sorted, int64_t n, member *m, faults *f)
{
    const member *target = find_target(sorted, n, m);
    bool alike = target && (target->part == AUDIO) == (m->part == AUDIO);
    if (!alike) {
        add_fault(f, LINK_TO_NOTHING, m->name);
        m->part = OTHER;
        return TT_OK;
    }
    m->offset = target->offset;
    m->bytes = target->bytes;
    return target->text ? set_text(&m->text, target->text, (int64_t)strlen(target->text)) : TT_OK;
}

/* Members are in the order of the file: a link to a link finds it resolved. */
static tt_status resolve_links(shard *s, faults *f)
{
    int64_t links = 0;
    for (int64_t i = 0; i < s->n; i++) links += s->v[i].link != NULL;
    if (links == 0) return TT_OK;
    member **sorted;
    TT_TRY(tt_alloc(s->n, sizeof(member *), "a shard", &sorted));
    for (int64_t i = 0; i < s->n; i++) sorted[i] = &s->v[i];
    qsort(sorted, (size_t)s->n, sizeof(member *), by_name);
    tt_status status = TT_OK;
    for (int64_t i = 0; status == TT_OK && i < s->n; i++)
        if (s->v[i].link) status = resolve(sorted, s->n, &s->v[i], f);
    free(sorted);
    return status;
}

static void free_member(member *m)
{
    free(m->name);
    free(m->text);
    free(m->link);
}

/* By key; what is of the whole sample first; by stem, by name, the latest first. */
static int by_key(const void *x, const void *y)
{
    const member *a = x, *b = y;
    int64_t n = a->key < b->key ? a->key : b->key;
    int c = memcmp(a->name, b->name, (size_t)n);
    if (c == 0) c = (a->key > b->key) - (a->key < b->key);
    if (c == 0) c = member_is_shared(b) - member_is_shared(a);
    if (c == 0) c = member_compare_stems(a, b);
    if (c == 0) c = strcmp(a->name, b->name);
    return c != 0 ? c : (a->order < b->order) - (a->order > b->order);
}

/* Sort, and drop links to nothing and, of members with one name, all but the latest, as tar itself has it. */
static void tidy(shard *s, faults *f)
{
    int64_t kept = 0;
    if (s->n > 1) qsort(s->v, (size_t)s->n, sizeof *s->v, by_key);
    for (int64_t i = 0; i < s->n; i++) {
        bool again = kept > 0 && strcmp(s->v[kept - 1].name, s->v[i].name) == 0;
        if (again) add_fault(f, REPEATED, s->v[i].name);
        if (again || s->v[i].part == OTHER)
            free_member(&s->v[i]);
        else
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
}

static tt_status read_open_shard(shard *s, int fd, const struct stat *info)
{
    faults f = {{0}, {{0}}};
    char head[8] = "";
    s->modified = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    s->bytes = (int64_t)info->st_size;
    if (s->bytes == 0) {
        tt_warn("shard %s: is empty (0 bytes)", s->path);
        return TT_OK;
    }
    if (pread(fd, head, sizeof head, 0) > 0) TT_TRY(refuse_compressed(s->path, head));
    TT_TRY(read_members(s, fd, &f));
    TT_TRY(resolve_links(s, &f));
    tidy(s, &f);
    tell_faults(&f, s->path);
    return TT_OK;
}

tt_status shard_read(const char *path, shard *out)
{
    *out = (shard){.path = path};
    struct stat info;
    tt_status s = TT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hold up the run */
    if (fd < 0 || fstat(fd, &info) != 0)
        tt_warn("shard %s: %s, left out", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        tt_warn("shard %s: is not a file, left out", path);
    else
        s = read_open_shard(out, fd, &info);
    if (fd >= 0) close(fd);
    return s;
}

void shard_free(shard *s)
{
    for (int64_t i = 0; i < s->n; i++) free_member(&s->v[i]);
    free(s->v);
    *s = (shard){0};
}
