#include "tracks.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char *tt_track_status_name(int status)
{
    switch (status) {
    case TT_TRACK_OK:
        return "ok";
    case TT_TRACK_TRUNCATED:
        return "truncated";
    case TT_TRACK_SILENT:
        return "silent";
    case TT_TRACK_CLIPPED:
        return "clipped";
    case TT_TRACK_TIMEOUT:
        return "timeout";
    case TT_TRACK_NO_AUDIO:
        return "no audio";
    case TT_TRACK_MISSING:
        return "missing";
    case TT_TRACK_EMPTY:
        return "empty";
    case TT_TRACK_UNREADABLE:
        return "unreadable";
    case TT_TRACK_TOO_SHORT:
        return "too short";
    case TT_TRACK_NON_FINITE:
        return "non-finite";
    case TT_TRACK_DAMAGED:
        return "damaged";
    case TT_TRACK_TOO_SLOW:
        return "too slow";
    default:
        return "unknown";
    }
}

bool tt_track_status_valid(int status)
{
    return status >= TT_TRACK_OK && status <= TT_CLIP_SOFT;
}

void blank_nuls(char *text, int64_t n)
{
    for (char *p = text; (p = memchr(p, '\0', (size_t)(text + n - p))) != NULL;) *p = ' ';
    text[n] = '\0';
}

tt_status set_text(char **field, const char *text, int64_t n)
{
    char *copy;
    TT_TRY(tt_alloc(n + 1, 1, "the corpus list", &copy));
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (text[i]) copy[kept++] = text[i];
    free(*field);
    *field = copy;
    return TT_OK;
}

tt_status track_complete(tt_track *track)
{
    char **texts[] = {&track->id,       &track->path,  &track->shard, &track->genre,
                      &track->language, &track->split, &track->lyrics};
    track->has_lyrics = track->lyrics != NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!*texts[i]) TT_TRY(set_text(texts[i], NULL, 0));
    return TT_OK;
}

/* Bytes of the UTF-8 character at p, which a NUL ends; 0 if it is none (RFC 3629). */
static int utf8_length(const unsigned char *p)
{
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
            : (p[0] & 0xF0) == 0xE0       ? 3
            : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                          : 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool outside =
        (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xF4 && p[1] >= 0x90); /* surrogates; above U+10FFFF */
    return overlong || outside ? 0 : n;
}

static bool make_utf8(char *text)
{
    bool changed = false;
    for (unsigned char *p = (unsigned char *)text; *p;) {
        int n = utf8_length(p);
        if (n == 0) *p = '?';
        changed |= n == 0;
        p += n > 0 ? n : 1;
    }
    return changed;
}

bool track_make_utf8(tt_track *track)
{
    char *const texts[] = {track->genre, track->language, track->split, track->lyrics};
    bool changed = false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) changed |= make_utf8(texts[i]);
    return changed;
}

void track_clear(tt_track *track)
{
    free(track->id);
    free(track->path);
    free(track->shard);
    free(track->genre);
    free(track->language);
    free(track->split);
    free(track->lyrics);
    *track = (tt_track){0};
}

void tt_tracks_free(tt_tracks *tracks)
{
    for (int64_t i = 0; i < tracks->n; i++) track_clear(&tracks->v[i]);
    free(tracks->v);
    *tracks = (tt_tracks){0};
}

tt_track *list_add(track_list *list)
{
    if (list->n == list->room) {
        int64_t room = list->room > 0 ? 2 * list->room : 64;
        if (tt_grow(list->n, room, sizeof *list->v, "the corpus list", &list->v) != TT_OK) return NULL;
        list->room = room;
    }
    list->v[list->n] = (tt_track){0};
    return &list->v[list->n++];
}

void list_free(track_list *list)
{
    for (int64_t i = 0; i < list->n; i++) track_clear(&list->v[i]);
    free(list->v);
    *list = (track_list){0};
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const tt_track *)a)->id, ((const tt_track *)b)->id);
}

void list_sort(track_list *list)
{
    if (list->n > 1) qsort(list->v, (size_t)list->n, sizeof *list->v, by_id);
}

static tt_status read_text(int fd, const char *path, int64_t bytes, char **text)
{
    int64_t n = 0, most = bytes < LYRICS_MAX ? bytes : LYRICS_MAX;
    ssize_t got = 1;
    TT_TRY(tt_alloc(most + 1, 1, "lyrics", text));
    while (n < most && got > 0) {
        got = read(fd, *text + n, (size_t)(most - n));
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            n += got;
    }
    if (got < 0) tt_warn("lyrics %s: %s", path, strerror(errno));
    if (got < 0 && n == 0) {
        free(*text);
        *text = NULL;
        return TT_OK;
    }
    if (bytes > LYRICS_MAX) tt_warn("lyrics %s: longer than %d MB, cut there", path, LYRICS_MAX >> 20);
    blank_nuls(*text, n);
    return TT_OK;
}

tt_status read_lyrics(const char *path, char **text)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hold up the run */
    tt_status s = TT_OK;
    if (fd < 0 || fstat(fd, &info) != 0)
        tt_warn("lyrics %s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        tt_warn("lyrics %s: is not a file", path);
    else
        s = read_text(fd, path, (int64_t)info.st_size, text);
    if (fd >= 0) close(fd);
    return s;
}

void stat_audio(tt_track *track)
{
    struct stat info;
    bool there = stat(track->path, &info) == 0;
    track->bytes = there ? (int64_t)info.st_size : 0;
    track->modified = there ? (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec : 0;
}

bool has_ending(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

int64_t audio_stem(const char *name)
{
    static const char *const extensions[] = {"wav",  "flac", "ogg", "oga", "opus", "mp3", "aif",
                                             "aiff", "aifc", "au",  "snd", "caf",  "w64", "rf64"};
    const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');
    if (!dot || dot == name || (slash && dot <= slash + 1)) return -1;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (strcasecmp(dot + 1, extensions[i]) == 0) return dot - name;
    return -1;
}

/* The end of the run of equal ids that begins at i. */
static int64_t run_end(const track_list *list, int64_t i)
{
    int64_t j = i + 1;
    while (j < list->n && strcmp(list->v[i].id, list->v[j].id) == 0) j++;
    return j;
}

/* An id is cut by a NUL in the place of the dot, which can be put back. A round puts the extensions back
 * where ids are equal. That may make new ones equal ("b.wav" whole, and cut from "b.wav.mp3"), so there are
 * rounds until none are; each puts at least one back. `channels`, not yet in use, marks the ids that are cut.
 */
void name_tracks(track_list *list, int64_t first)
{
    if (first == list->n) return;
    track_list part = {.v = list->v + first, .n = list->n - first};
    for (int64_t i = 0; i < part.n; i++)
        if (part.v[i].channels) part.v[i].id[audio_stem(part.v[i].id)] = '\0';
    for (bool changed = true; changed;) {
        changed = false;
        list_sort(&part);
        for (int64_t i = 0, end; i < part.n; i = end) {
            end = run_end(&part, i);
            for (int64_t k = i; end - i > 1 && k < end; k++) {
                tt_track *t = &part.v[k];
                if (!t->channels) continue;
                t->id[strlen(t->id)] = '.';
                t->channels = 0;
                changed = true;
            }
        }
    }
    for (int64_t i = 0; i < part.n; i++) part.v[i].channels = 0;
}
