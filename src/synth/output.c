#include "synth/output.h"

#include "synth/style.h"
#include "tutti/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Raised when the same parameters come to mean other bytes: an older corpus is then not completed, but
 * refused. */
enum { GENERATOR = 1 };

static const char *const parameters_name = ".synth";

/* ---- names ---- */

void synth_name_file(const synth_corpus *corpus, const synth_plan *plan, const char *extension,
                     char name[NAME_MAX_BYTES])
{
    const char *kind = strcmp(extension, "txt") == 0 ? "lyrics" : "audio";
    long long folder = (long long)(plan->index / corpus->shard_tracks);
    switch (corpus->layout) {
    case LAYOUT_FOLDER:
        snprintf(name, NAME_MAX_BYTES, "%s/%s.%s", plan->genre, plan->id, extension);
        return;
    case LAYOUT_CSV:
        snprintf(name, NAME_MAX_BYTES, "%s/%03lld/%s.%s", kind, folder, plan->id, extension);
        return;
    default:
        snprintf(name, NAME_MAX_BYTES, "%s.%s", plan->id, extension);
        return;
    }
}

int64_t synth_shards(const synth_corpus *corpus)
{
    return (corpus->tracks + corpus->shard_tracks - 1) / corpus->shard_tracks;
}

void synth_name_shard(const synth_corpus *corpus, int64_t shard, char name[NAME_MAX_BYTES])
{
    int digits = snprintf(NULL, 0, "%lld", (long long)(synth_shards(corpus) - 1));
    snprintf(name, NAME_MAX_BYTES, "shard-%0*lld.tar", digits < 4 ? 4 : digits, (long long)shard);
}

tt_status synth_path(const synth_corpus *corpus, const char *name, bool partial, char **path)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    if (!partial) return tt_format(path, "%s/%s", corpus->out, name);
    return tt_format(path, "%s/%.*s.%s.part", corpus->out, (int)(base - name), name, base);
}

bool synth_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* ---- files ---- */

tt_status synth_file_publish(const char *partial, const char *path)
{
    return rename(partial, path) == 0 ? TT_OK : tt_fail_errno("rename to", path);
}

static tt_status write_bytes(const char *path, const void *data, int64_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f) return tt_fail_errno("create", path);
    bool whole = fwrite(data, 1, (size_t)n, f) == (size_t)n;
    tt_status status = whole ? TT_OK : tt_fail_errno("write", path);
    if (fclose(f) != 0 && status == TT_OK) status = tt_fail_errno("write", path);
    return status;
}

tt_status synth_file_write(const synth_corpus *corpus, const char *name, const void *data, int64_t n)
{
    char *partial = NULL, *path = NULL;
    tt_status status = synth_path(corpus, name, true, &partial);
    if (status == TT_OK) status = synth_path(corpus, name, false, &path);
    if (status == TT_OK) status = write_bytes(partial, data, n);
    if (status == TT_OK) status = synth_file_publish(partial, path);
    free(partial);
    free(path);
    return status;
}

/* ---- the folder ---- */

static tt_status make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0) return TT_OK;
    struct stat info;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return TT_OK;
    return tt_fail_errno("make the folder", path);
}

/* Make a folder and those above it. */
static tt_status make_folders(const char *path)
{
    char *copy;
    TT_TRY(tt_copy_text(path, &copy));
    tt_status status = TT_OK;
    for (char *p = copy + 1; *p && status == TT_OK; p++) {
        if (*p != '/') continue;
        *p = '\0';
        status = make_folder(copy);
        *p = '/';
    }
    if (status == TT_OK) status = make_folder(copy);
    free(copy);
    return status;
}

static tt_status make_subfolder(const synth_corpus *corpus, const char *kind, const char *name)
{
    char *path;
    TT_TRY(tt_format(&path, "%s/%s%s%s", corpus->out, kind, *kind ? "/" : "", name));
    tt_status status = make_folders(path);
    free(path);
    return status;
}

static tt_status make_subfolders(const synth_corpus *corpus)
{
    if (corpus->layout == LAYOUT_FOLDER)
        for (int s = 0; s < STYLES; s++) TT_TRY(make_subfolder(corpus, "", synth_style_of(s)->name));
    if (corpus->layout == LAYOUT_CSV)
        for (int64_t i = 0; i * corpus->shard_tracks < corpus->tracks; i++) {
            char name[24];
            snprintf(name, sizeof name, "%03lld", (long long)i);
            TT_TRY(make_subfolder(corpus, "audio", name));
            TT_TRY(make_subfolder(corpus, "lyrics", name));
        }
    return TT_OK;
}

static tt_status require_empty(const synth_corpus *corpus)
{
    DIR *dir = opendir(corpus->out);
    if (!dir) return tt_fail_errno("list", corpus->out);
    tt_status status = TT_OK;
    for (struct dirent *e; status == TT_OK && (e = readdir(dir));) {
        bool ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                    strcmp(e->d_name, ".synth.part") == 0 || strcmp(e->d_name, "..synth.part") == 0;
        if (!ours)
            status = tt_fail(TT_ERR_USAGE,
                             "%s: the folder holds other files (%s); give --out a new or empty folder",
                             corpus->out, e->d_name);
    }
    closedir(dir);
    return status;
}

/* Compare with the parameters of the corpus that is there, if one is. */
static tt_status check_parameters(const synth_corpus *corpus, const char *text, bool *present)
{
    char *path, found[512] = "";
    TT_TRY(synth_path(corpus, parameters_name, false, &path));
    FILE *f = fopen(path, "rb");
    *present = f != NULL;
    tt_status status = f || errno == ENOENT ? TT_OK : tt_fail_errno("open", path);
    if (f) {
        size_t n = fread(found, 1, sizeof found - 1, f);
        found[n] = '\0';
        fclose(f);
        if (strcmp(found, text) != 0)
            status = tt_fail(
                TT_ERR_USAGE,
                "%s: the folder holds a corpus made with other parameters (%s has them); give --out another "
                "folder or repeat those",
                corpus->out, path);
    }
    free(path);
    return status;
}

tt_status synth_output_prepare(const synth_corpus *corpus)
{
    static const char *const layouts[LAYOUTS] = {"folder", "csv", "tar"};
    char text[512];
    int n = snprintf(text, sizeof text,
                     "generator %d\ntracks %lld\nformat %s\nbroken tracks %lld\nseconds %.17g\nseed %llu\n",
                     GENERATOR, (long long)corpus->tracks, layouts[corpus->layout], (long long)corpus->broken,
                     corpus->seconds, (unsigned long long)corpus->seed);
    bool present;
    TT_TRY(make_folders(corpus->out));
    TT_TRY(check_parameters(corpus, text, &present));
    if (!present) {
        TT_TRY(require_empty(corpus));
        TT_TRY(synth_file_write(corpus, parameters_name, text, n));
    }
    return make_subfolders(corpus);
}

/* ---- lists ---- */

typedef void list_row(const synth_corpus *corpus, const synth_plan *plan, FILE *f);

static void manifest_row(const synth_corpus *corpus, const synth_plan *plan, FILE *f)
{
    char audio[NAME_MAX_BYTES], lyrics[NAME_MAX_BYTES] = "";
    synth_name_file(corpus, plan, plan->extension, audio);
    if (plan->language >= 0) synth_name_file(corpus, plan, "txt", lyrics);
    fprintf(f, "%s,%s,%s,%s,%s,%s\n", audio, plan->id, plan->genre, plan->language_name, lyrics, plan->split);
}

static void broken_row(const synth_corpus *corpus, const synth_plan *plan, FILE *f)
{
    char name[NAME_MAX_BYTES], shard[NAME_MAX_BYTES];
    if (plan->broken == NOT_BROKEN) return;
    synth_name_file(corpus, plan, plan->extension, name);
    synth_name_shard(corpus, plan->index / corpus->shard_tracks, shard);
    bool tar = corpus->layout == LAYOUT_TAR;
    fprintf(f, "%s%s%s,%s\n", tar ? shard : "", tar ? ":" : "", name, synth_breakage_name(plan->broken));
}

static tt_status write_list(const synth_corpus *corpus, const char *name, const char *header, list_row *row)
{
    char *partial = NULL, *path = NULL;
    FILE *f = NULL;
    tt_status status = synth_path(corpus, name, true, &partial);
    if (status == TT_OK) status = synth_path(corpus, name, false, &path);
    if (status == TT_OK && !(f = fopen(partial, "wb"))) status = tt_fail_errno("create", partial);
    if (f) {
        fprintf(f, "%s\n", header);
        for (int64_t i = 0; i < corpus->tracks; i++) {
            synth_plan plan = synth_plan_track(corpus, i);
            row(corpus, &plan, f);
        }
        bool failed = ferror(f) != 0;
        if (fclose(f) != 0 || failed) status = tt_fail_errno("write", partial);
    }
    if (status == TT_OK) status = synth_file_publish(partial, path);
    free(partial);
    free(path);
    return status;
}

tt_status synth_output_lists(const synth_corpus *corpus)
{
    if (corpus->broken > 0) TT_TRY(write_list(corpus, "broken.csv", "path,kind", broken_row));
    if (corpus->layout != LAYOUT_CSV) return TT_OK;
    return write_list(corpus, "manifest.csv", "path,id,genre,language,lyrics_path,split", manifest_row);
}
