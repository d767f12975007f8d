/* Folders: genre/track.ext, to any depth. The tree is walked level by level, each level's folders dealt over
 * the ranks, so that a corpus of one deep folder and one of many are listed alike. */
#include "formats.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 32 };

/* A folder to be read, as it travels: this, then its path from the corpus with its NUL. */
typedef struct folder {
    int64_t depth;
    struct {
        uint64_t device, inode;
    } above[DEPTH_MAX]; /* itself last: a folder that is among those above it is a loop of symbolic links */
} folder;

/* What one folder holds. */
typedef struct listing {
    const char *root;
    const char *path; /* from root, "" for root itself */
    folder where;
    track_list *tracks;
    buffer *folders; /* those below it */
    buffer texts;    /* names of .txt files, NUL-terminated */
} listing;

static tt_status join(char **out, const char *folder_path, const char *name)
{
    return tt_format(out, "%s%s%s", folder_path, folder_path[0] ? "/" : "", name);
}

static tt_status add_folder(listing *l, const char *path, const struct stat *info)
{
    folder below = l->where;
    for (int64_t i = 0; i < below.depth; i++)
        if (below.above[i].device == info->st_dev && below.above[i].inode == info->st_ino) return TT_OK;
    if (below.depth == DEPTH_MAX) {
        tt_warn("corpus %s: %s is more than %d folders deep, left out", l->root, path, DEPTH_MAX);
        return TT_OK;
    }
    below.above[below.depth].device = info->st_dev;
    below.above[below.depth++].inode = info->st_ino;
    TT_TRY(buffer_add(l->folders, &below, sizeof below));
    return buffer_add(l->folders, path, (int64_t)strlen(path) + 1);
}

static tt_status add_track(listing *l, const char *path, const struct stat *info)
{
    tt_track *t = list_add(l->tracks);
    if (!t) return TT_ERR_MEMORY;
    const char *slash = strchr(path, '/');
    TT_TRY(set_text(&t->id, path, (int64_t)strlen(path)));
    t->channels = 1; /* for name_tracks() */
    TT_TRY(set_text(&t->genre, path, slash ? slash - path : 0));
    TT_TRY(tt_format(&t->path, "%s/%s", l->root, path));
    t->bytes = (int64_t)info->st_size;
    t->modified = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    return TT_OK;
}

static bool is_text(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcasecmp(dot, ".txt") == 0;
}

static tt_status take_entry(listing *l, int fd, const char *name, unsigned char type)
{
    bool audio = audio_stem(name) >= 0, maybe_folder = type == DT_DIR || type == DT_LNK || type == DT_UNKNOWN;
    if (name[0] == '.') return TT_OK;
    if (is_text(name)) return buffer_add(&l->texts, name, (int64_t)strlen(name) + 1);
    if (!audio && !maybe_folder) return TT_OK;
    struct stat info = {0}; /* of a link to nowhere: a track that is missing */
    bool there = fstatat(fd, name, &info, 0) == 0;
    char *path;
    TT_TRY(join(&path, l->path, name));
    tt_status s = TT_OK;
    if (there && S_ISDIR(info.st_mode))
        s = add_folder(l, path, &info);
    else if (audio)
        s = add_track(l, path, &info);
    free(path);
    return s;
}

/* The text whose name is stem [n bytes] + ".txt" in sorted names [count]; NULL if there is none. */
static const char *find_text(const char *const *names, int64_t count, const char *stem, int64_t n)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (strncmp(names[middle], stem, (size_t)n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && strncmp(names[low], stem, (size_t)n) == 0; low++)
        if (strcasecmp(names[low] + n, ".txt") == 0) return names[low];
    return NULL;
}

/* Lyrics of the tracks from `first` on, whose ids are still whole paths. */
static tt_status add_lyrics(listing *l, int64_t first)
{
    const char **names;
    int64_t n;
    TT_TRY(texts_sort(l->texts.data, l->texts.n, &names, &n));
    tt_status s = TT_OK;
    for (int64_t i = first; s == TT_OK && n > 0 && i < l->tracks->n; i++) {
        tt_track *t = &l->tracks->v[i];
        const char *slash = strrchr(t->id, '/'), *name = slash ? slash + 1 : t->id;
        const char *text = find_text(names, n, name, audio_stem(name));
        char *path = NULL;
        if (!text) continue;
        s = tt_format(&path, "%.*s/%s", (int)(strrchr(t->path, '/') - t->path), t->path, text);
        if (s == TT_OK) s = read_lyrics(path, &t->lyrics);
        free(path);
    }
    free(names);
    return s;
}

static tt_status read_entries(listing *l, DIR *dir)
{
    int64_t first = l->tracks->n;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) break;
        TT_TRY(take_entry(l, dirfd(dir), e->d_name, e->d_type));
    }
    if (errno) tt_warn("corpus folder %s/%s: %s, the rest is left out", l->root, l->path, strerror(errno));
    TT_TRY(add_lyrics(l, first));
    name_tracks(l->tracks, first);
    for (int64_t i = first; i < l->tracks->n; i++) {
        TT_TRY(track_complete(&l->tracks->v[i]));
        track_make_utf8(&l->tracks->v[i]);
    }
    return TT_OK;
}

/* A folder that cannot be read costs only itself; the corpus itself must be readable. */
static tt_status read_folder(listing *l)
{
    char *full;
    TT_TRY(join(&full, l->root, l->path));
    if (!l->path[0]) full[strlen(l->root)] = '\0';
    DIR *dir = opendir(full);
    tt_status s = TT_OK;
    if (dir)
        s = read_entries(l, dir);
    else if (l->path[0])
        tt_warn("corpus folder %s: %s, left out", full, strerror(errno));
    else
        s = tt_fail_errno("read the corpus folder", full);
    if (dir) closedir(dir);
    free(l->texts.data);
    free(full);
    return s;
}

/* Read all folders in data [n] into tracks, and what is below them into `below`. */
static tt_status read_level(const char *root, const char *data, int64_t n, track_list *tracks, buffer *below)
{
    for (int64_t at = 0; at < n;) {
        listing l = {.root = root, .tracks = tracks, .folders = below};
        memcpy(&l.where, data + at, sizeof l.where);
        l.path = data + at + sizeof l.where;
        at += (int64_t)(sizeof l.where + strlen(l.path) + 1);
        TT_TRY(read_folder(&l));
    }
    return TT_OK;
}

/* Deal the folders found on all ranks evenly: the k-th of all goes to rank k mod size. */
static tt_status deal_folders(const tt_comm *comm, buffer *found, int64_t *left)
{
    int64_t mine = 0, got = 0, *count = NULL;
    for (int64_t at = 0; at < found->n; mine++)
        at += (int64_t)(sizeof(folder) + strlen(found->data + at + sizeof(folder)) + 1);
    int64_t first = tt_prefix_i64(comm, mine);
    *left = tt_sum_i64(comm, mine);
    buffer sorted = {0};
    char *data = NULL;
    tt_status s = tt_alloc(2 * comm->size, sizeof *count, "the corpus list", &count);
    for (int r = 0; s == TT_OK && r < comm->size; r++) {
        int64_t before = sorted.n, k = first;
        for (int64_t at = 0; s == TT_OK && at < found->n; k++) {
            int64_t bytes = (int64_t)(sizeof(folder) + strlen(found->data + at + sizeof(folder)) + 1);
            if (k % comm->size == r) s = buffer_add(&sorted, found->data + at, bytes);
            at += bytes;
        }
        count[r] = sorted.n - before;
    }
    s = tt_agree(comm, s);
    if (s == TT_OK) s = tt_exchange(comm, sorted.data, count, &data, count + comm->size);
    for (int r = 0; s == TT_OK && r < comm->size; r++) got += count[comm->size + r];
    free(sorted.data);
    free(count);
    free(found->data);
    *found = (buffer){.data = data, .n = got, .room = got};
    return s;
}

static tt_status start(const tt_comm *comm, const char *root, buffer *folders)
{
    struct stat info;
    if (comm->rank != 0) return TT_OK;
    if (stat(root, &info) != 0) return tt_fail_errno("read the corpus folder", root);
    listing l = {.root = root, .folders = folders};
    return add_folder(&l, "", &info);
}

tt_status list_folder(const tt_comm *comm, const char *path, tt_tracks *out)
{
    track_list tracks = {0};
    buffer level = {0};
    int64_t left = 0;
    char *root = NULL;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    tt_status s = tt_format(&root, "%.*s", (int)n, path);
    if (s == TT_OK) s = start(comm, root, &level);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = deal_folders(comm, &level, &left);
    while (s == TT_OK && left > 0) {
        buffer below = {0};
        s = tt_agree(comm, read_level(root, level.data, level.n, &tracks, &below));
        free(level.data);
        level = below;
        if (s == TT_OK) s = deal_folders(comm, &level, &left);
    }
    if (s == TT_OK) s = list_deal(comm, &tracks, TT_OK, out);
    free(level.data);
    free(root);
    list_free(&tracks);
    return s;
}
