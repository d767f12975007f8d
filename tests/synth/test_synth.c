/* A corpus from nothing: the same bytes on any ranks, files that decode, labels that are well formed,
 * breakage as announced. */
#include "test.h"

#include "synth/plan.h"
#include "synth/style.h"
#include "tutti/hash.h"
#include "tutti/synth.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- trees of files ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

/* A scratch folder that does not exist. Collective. */
static const char *fresh(const char *name)
{
    const char *path = scratch(name);
    if (world.rank == 0) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    MPI_Barrier(world.mpi);
    return path;
}

/* Read a file whole, with a NUL after it; *n is -1 if there is none. */
static char *slurp(const char *path, int64_t *n)
{
    FILE *f = fopen(path, "rb");
    *n = -1;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *n = ftell(f);
    rewind(f);
    char *data = calloc((size_t)*n + 1, 1);
    assert_int_equal(fread(data, 1, (size_t)*n, f), *n);
    fclose(f);
    return data;
}

/* Hash of the names and bytes of all files below a folder; *files counts them. */
static void hash_tree(const char *root, const char *below, tt_hash *hash, int *files)
{
    char path[2048];
    struct dirent **entry;
    snprintf(path, sizeof path, "%s/%s", root, below);
    int n = scandir(path, &entry, NULL, alphasort);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        char name[1024];
        struct stat info;
        snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", entry[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", root, name);
        bool self = strcmp(entry[i]->d_name, ".") == 0 || strcmp(entry[i]->d_name, "..") == 0;
        free(entry[i]);
        if (self) continue;
        assert_int_equal(stat(path, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            hash_tree(root, name, hash, files);
            continue;
        }
        int64_t bytes;
        char *data = slurp(path, &bytes);
        tt_hash_text(hash, name);
        tt_hash_add(hash, data, (size_t)bytes);
        free(data);
        ++*files;
    }
    free(entry);
}

static void assert_same_tree(const char *a, const char *b, int at_least)
{
    tt_hash ha = tt_hash_start(), hb = tt_hash_start();
    int na = 0, nb = 0;
    hash_tree(a, "", &ha, &na);
    hash_tree(b, "", &hb, &nb);
    assert_int_equal(na, nb);
    assert_true(na >= at_least);
    assert_memory_equal(&ha, &hb, sizeof ha);
}

static tt_synth_params params_of(const char *out, const char *format, int64_t tracks)
{
    return (tt_synth_params){.tracks = tracks, .out = out, .format = format, .seconds = 1, .seed = 5};
}

/* ---- the same bytes ---- */

static void check_same_bytes(const char *format)
{
    const char *one = fresh("synth-one"), *all = fresh("synth-all");
    tt_synth_params params = params_of(one, format, 21);
    params.broken = 0.25;
    MPI_Comm alone;
    MPI_Comm_split(world.mpi, world.rank == 0 ? 0 : MPI_UNDEFINED, 0, &alone);
    tt_status status = TT_OK;
    if (world.rank == 0) {
        tt_comm self = tt_comm_wrap(alone);
        status = tt_synth(&self, &params);
        MPI_Comm_free(&alone);
    }
    status = tt_agree(&world, status);
    params.out = all;
    tt_status together = tt_synth(&world, &params);
    assert_int_equal(status, TT_OK);
    assert_ok(together);
    if (world.rank == 0) assert_same_tree(one, all, strcmp(format, "tar") == 0 ? 4 : 22);
}

/* One case each: a rank that fails leaves its case, and would miss the next collective call in it. */
static void test_same_folder(void **state)
{
    (void)state;
    check_same_bytes("folder");
}

static void test_same_csv(void **state)
{
    (void)state;
    check_same_bytes("csv");
}

static void test_same_tar(void **state)
{
    (void)state;
    check_same_bytes("tar");
}

/* What a run that was cut off leaves is finished; what is there is not made again. */
static void test_resume(void **state)
{
    (void)state;
    const char *whole = fresh("synth-whole"), *cut = fresh("synth-cut");
    tt_synth_params params = params_of(whole, "csv", 10);
    tt_status first = tt_synth(&world, &params);
    params.out = cut;
    tt_status second = tt_synth(&world, &params);
    struct stat before, after;
    char gone[2048], kept[2048];
    synth_corpus corpus;
    assert_ok(synth_corpus_check(&params, &corpus));
    synth_plan plan = synth_plan_track(&corpus, 7), other = synth_plan_track(&corpus, 8);
    snprintf(gone, sizeof gone, "%s/audio/000/%s.%s", cut, plan.id, plan.extension);
    snprintf(kept, sizeof kept, "%s/audio/000/%s.%s", cut, other.id, other.extension);
    if (world.rank == 0) {
        char part[2048];
        snprintf(part, sizeof part, "%s/audio/000/.%s.%s.part", cut, plan.id, plan.extension);
        rename(gone, part); /* as a kill leaves it */
        truncate(part, 100);
        stat(kept, &before);
    }
    MPI_Barrier(world.mpi);
    tt_status third = tt_synth(&world, &params);
    assert_ok(first);
    assert_ok(second);
    assert_ok(third);
    if (world.rank != 0) return;
    stat(kept, &after);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_same_tree(whole, cut, 10);
}

/* ---- audio ---- */

static void check_audio(const char *path, const synth_plan *plan)
{
    SF_INFO info = {0};
    SNDFILE *f = sf_open(path, SFM_READ, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    assert_int_equal(info.samplerate, plan->sample_rate);
    assert_int_equal(info.channels, plan->channels);
    float *x = calloc((size_t)(info.frames * info.channels) + 1, sizeof *x);
    assert_int_equal(sf_readf_float(f, x, info.frames), info.frames);
    sf_close(f);
    /* an mp3 is made of frames of 1152 samples and an encoder's delay; all others keep the length to the
     * sample */
    assert_near(info.frames, plan->frames, plan->format == FORMAT_MP3 ? 2304 : 0);
    double sum = 0;
    int64_t n = info.frames * info.channels;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || fabsf(x[i]) > 1.5f)
            fail_msg("%s: sample %lld is %g", path, (long long)i, (double)x[i]);
        sum += (double)x[i] * (double)x[i];
    }
    free(x);
    double level = 10 * log10(sum / (double)n);
    if (!(level > -40 && level < -3)) fail_msg("%s: level %.1f dB", path, level);
}

static void test_formats(void **state)
{
    (void)state;
    const char *out = fresh("synth-formats");
    tt_synth_params params = params_of(out, "folder", 60);
    tt_status status = tt_synth(&world, &params);
    assert_ok(status);
    synth_corpus corpus;
    assert_ok(synth_corpus_check(&params, &corpus));
    int seen[FORMATS] = {0}, styles[STYLES] = {0}, channels[3] = {0};
    for (int64_t i = 0; i < params.tracks; i++) {
        char path[2048];
        synth_plan plan = synth_plan_track(&corpus, i);
        seen[plan.format]++, styles[plan.style]++, channels[plan.channels]++;
        assert_true(10 * plan.frames >= 5 * plan.sample_rate && 10 * plan.frames <= 16 * plan.sample_rate);
        if (i % world.size != world.rank) continue;
        snprintf(path, sizeof path, "%s/%s/%s.%s", out, plan.genre, plan.id, plan.extension);
        check_audio(path, &plan);
    }
    for (int f = 0; f < FORMATS; f++) assert_true(seen[f] >= 3);
    for (int s = 0; s < STYLES; s++) assert_int_equal(styles[s], 6);
    assert_true(channels[1] > 10 && channels[2] > 10);
}

/* ---- breakage ---- */

static bool decodes(const char *path, double *peak, sf_count_t *frames)
{
    SF_INFO info = {0};
    SNDFILE *f = sf_open(path, SFM_READ, &info);
    if (!f) return false;
    *frames = 0;
    *peak = 0;
    float x[8192];
    for (sf_count_t n; (n = sf_readf_float(f, x, 4096)) > 0; *frames += n)
        for (sf_count_t i = 0; i < n * info.channels; i++) *peak = fmax(*peak, fabs((double)x[i]));
    sf_close(f);
    return true;
}

static void check_broken(const char *out, const synth_plan *plan)
{
    char path[2048];
    int64_t n;
    double peak = 0;
    sf_count_t frames = 0;
    snprintf(path, sizeof path, "%s/audio/000/%s.%s", out, plan->id, plan->extension);
    free(slurp(path, &n));
    bool read = n > 0 && decodes(path, &peak, &frames);
    switch (plan->broken) {
    case BROKEN_TRUNCATED:
        assert_true(n > 0 && (!read || frames < plan->frames));
        return;
    case BROKEN_EMPTY:
        assert_int_equal(n, 0);
        return;
    case BROKEN_GARBAGE:
        assert_true(n >= 2048 && (!read || frames != plan->frames));
        return;
    case BROKEN_SILENT:
        assert_true(read && peak < 1e-4 && frames > 0);
        return;
    case BROKEN_TEXT:
        assert_true(n > 0 && !read && strcmp(plan->extension, "wav") == 0);
        return;
    case BROKEN_MISNAMED:
        assert_true(read && frames == plan->frames && strcmp(plan->extension, "mp3") == 0);
        return;
    case BROKEN_MISSING:
        assert_int_equal(n, -1);
        return;
    default:
        assert_true(read && peak > 1e-3);
        return;
    }
}

static void test_broken(void **state)
{
    (void)state;
    const char *out = fresh("synth-broken");
    tt_synth_params params = params_of(out, "csv", 28);
    params.broken = 0.5;
    tt_status status = tt_synth(&world, &params);
    assert_ok(status);
    synth_corpus corpus;
    assert_ok(synth_corpus_check(&params, &corpus));
    if (world.rank != 0) return;
    char list[2048];
    int64_t n;
    int kinds[BREAKAGES + 1] = {0};
    snprintf(list, sizeof list, "%s/broken.csv", out);
    char *text = slurp(list, &n);
    assert_non_null(text);
    for (int64_t i = 0; i < params.tracks; i++) {
        char row[256];
        synth_plan plan = synth_plan_track(&corpus, i);
        kinds[plan.broken]++;
        check_broken(out, &plan);
        snprintf(row, sizeof row, "\naudio/000/%s.%s,%s\n", plan.id, plan.extension,
                 synth_breakage_name(plan.broken));
        assert_int_equal(strstr(text, row) != NULL, plan.broken != NOT_BROKEN);
    }
    for (int k = 0; k < BREAKAGES; k++) assert_int_equal(kinds[k], 2);
    free(text);
}

/* ---- labels ---- */

static bool is_utf8(const char *text)
{
    json_t *s = json_string(text); /* refuses what is not UTF-8 */
    json_decref(s);
    return s != NULL;
}

static void check_lyrics(const char *path, const char *language, int *bengali)
{
    int64_t n;
    char *text = slurp(path, &n);
    if (!text) fail_msg("%s is not there", path);
    assert_true(n > 100 && is_utf8(text));
    assert_true(strncmp(text, "[Verse]\n", 8) == 0 && strstr(text, "\n[Chorus]\n"));
    /* U+0980 to U+09FF is E0 A6 xx and E0 A7 xx; Devanagari is E0 A4 and E0 A5 */
    bool bn = strstr(text, "\xe0\xa6") != NULL, hi = strstr(text, "\xe0\xa4") != NULL;
    assert_int_equal(bn, strcmp(language, "bn") == 0);
    assert_int_equal(hi, strcmp(language, "hi") == 0);
    *bengali += bn;
    free(text);
}

static void test_labels(void **state)
{
    (void)state;
    const char *out = fresh("synth-labels");
    tt_synth_params params = params_of(out, "csv", 60);
    tt_status status = tt_synth(&world, &params);
    assert_ok(status);
    if (world.rank != 0) return;
    char path[2048], line[512];
    int rows = 0, sung = 0, bengali = 0;
    snprintf(path, sizeof path, "%s/manifest.csv", out);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "path,id,genre,language,lyrics_path,split\n");
    for (; fgets(line, sizeof line, f); rows++) {
        char *field[6], *rest = line;
        for (int k = 0; k < 6; k++) assert_non_null(field[k] = strsep(&rest, ",\n"));
        assert_true(strcmp(field[5], "train") == 0 || strcmp(field[5], "validation") == 0 ||
                    strcmp(field[5], "test") == 0);
        assert_int_equal(*field[3] != '\0', *field[4] != '\0');
        snprintf(path, sizeof path, "%s/%s", out, field[0]);
        assert_int_equal(access(path, R_OK), 0);
        if (!*field[3]) continue;
        sung++;
        snprintf(path, sizeof path, "%s/%s", out, field[4]);
        check_lyrics(path, field[3], &bengali);
    }
    fclose(f);
    assert_int_equal(rows, 60);
    assert_true(sung > 20 && sung < 55 && bengali >= 2);
}

/* Every pattern of every style has its sixteen steps. */
static void test_styles(void **state)
{
    (void)state;
    for (int i = 0; i < STYLES; i++) {
        const synth_style *s = synth_style_of(i);
        for (int c = 0; c < CHOICES; c++) {
            assert_int_equal(strlen(s->chords[c]), 16);
            assert_int_equal(strlen(s->bass[c]), 16);
            for (int d = 0; d < DRUMS; d++) assert_true(strlen(s->groove[c].voice[d]) % 16 == 0);
            assert_true(s->progression[c].degree[0] >= 0 && s->progression[c].degree[8] <= 0);
        }
        assert_true(s->neighbour[0] != i && s->neighbour[1] != i);
    }
}

/* ---- tar ---- */

/* Members come key by key: audio, cls, json, and txt if the track is sung. */
static int check_shard(const char *path)
{
    struct archive *tar = archive_read_new();
    archive_read_support_format_tar(tar);
    assert_int_equal(archive_read_open_filename(tar, path, 10240), ARCHIVE_OK);
    struct archive_entry *e;
    int keys = 0;
    char key[64] = "", data[8192];
    while (archive_read_next_header(tar, &e) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(e), *dot = strchr(name, '.');
        assert_non_null(dot);
        assert_int_equal(archive_entry_mtime(e), 1000000000);
        assert_int_equal(archive_entry_uid(e), 0);
        bool same = strlen(key) == (size_t)(dot - name) && strncmp(key, name, strlen(key)) == 0;
        if (!same) snprintf(key, sizeof key, "%.*s", (int)(dot - name), name), keys++;
        if (strcmp(dot, ".json") != 0) continue;
        la_ssize_t n = archive_read_data(tar, data, sizeof data);
        json_t *labels = json_loadb(data, (size_t)n, 0, NULL);
        assert_non_null(labels);
        assert_string_equal(json_string_value(json_object_get(labels, "id")), key);
        assert_true(*json_string_value(json_object_get(labels, "genre")) != '\0');
        assert_non_null(json_object_get(labels, "language"));
        assert_non_null(json_object_get(labels, "split"));
        json_decref(labels);
    }
    archive_read_free(tar);
    return keys;
}

static void test_tar(void **state)
{
    (void)state;
    const char *out = fresh("synth-tar");
    tt_synth_params params = params_of(out, "tar", 34);
    tt_status status = tt_synth(&world, &params);
    assert_ok(status);
    if (world.rank != 0) return;
    int keys = 0;
    for (int i = 0; i < 3; i++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/shard-%04d.tar", out, i);
        keys += check_shard(path);
    }
    assert_int_equal(keys, 34);
}

/* ---- refusals ---- */

static void refuse(tt_synth_params params, tt_status expected, const char *says)
{
    tt_status status = tt_synth(&world, &params);
    assert_int_equal(status, expected);
    if (!strstr(tt_message(), says)) fail_msg("'%s' does not say '%s'", tt_message(), says);
    assert_null(strchr(tt_message(), '\n'));
}

static void test_refusals(void **state)
{
    (void)state;
    const char *out = fresh("synth-refused");
    tt_synth_params good = params_of(out, "folder", 4), bad = good;
    bad.tracks = 0, refuse(bad, TT_ERR_USAGE, "--tracks"), bad = good;
    bad.format = "zip", refuse(bad, TT_ERR_USAGE, "zip"), bad = good;
    bad.broken = 1.5, refuse(bad, TT_ERR_USAGE, "--broken"), bad = good;
    bad.broken = NAN, refuse(bad, TT_ERR_USAGE, "--broken"), bad = good;
    bad.seconds = 0, refuse(bad, TT_ERR_USAGE, "--seconds"), bad = good;
    bad.out = NULL, refuse(bad, TT_ERR_USAGE, "--out"), bad = good;
    bad.out = "/dev/null/corpus", refuse(bad, TT_ERR_IO, "/dev/null"), bad = good;
    assert_ok(tt_synth(&world, &good));
    bad.seed = 6, refuse(bad, TT_ERR_USAGE, "other parameters");
    const char *other = fresh("synth-occupied");
    if (world.rank == 0) {
        char path[2048];
        mkdir(other, 0777);
        snprintf(path, sizeof path, "%s/mine.txt", other);
        fclose(fopen(path, "wb"));
    }
    MPI_Barrier(world.mpi);
    bad = good, bad.out = other, refuse(bad, TT_ERR_USAGE, "mine.txt");
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_same_folder), cmocka_unit_test(test_same_csv), cmocka_unit_test(test_same_tar),
    cmocka_unit_test(test_resume),      cmocka_unit_test(test_formats),  cmocka_unit_test(test_broken),
    cmocka_unit_test(test_labels),      cmocka_unit_test(test_styles),   cmocka_unit_test(test_tar),
    cmocka_unit_test(test_refusals),
};
TT_TEST_MAIN(cases)
