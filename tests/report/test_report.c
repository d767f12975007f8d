/* The pictures of a small made-up run: that they are there, whole, and that no label becomes a command. */
#include "test.h"

#include "tutti/memory.h"
#include "tutti/metrics.h"
#include "tutti/report.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRACKS = 40, CLIPS = 8, ROWS = TRACKS * CLIPS, MELS = 16, FRAMES = 12, WIDTH = 48, EPOCHS = 5 };

static const char *const genres[] = {"folk_rock", "rock 'n' roll", "`touch pwned`",
                                     "100% \"d\" system(\"x\")",
                                     "\xe0\xa6\xac\xe0\xa6\xbe\xe0\xa6\x89\xe0\xa6\xb2"};

/* Write one column of `rows` rows, all by rank 0. */
static void put(tt_store *store, const tt_column *c, const void *data)
{
    if (world.rank == 0) assert_ok(tt_store_write(store, c->name, 0, c->dims[0], data));
}

static void write_file(const char *path, const tt_column *columns, int n, const void *const *data)
{
    tt_provenance p = {"test", "f", "features:\n  fmax: 11025\n  hop_length: 512\n", "", 1};
    tt_store *store;
    if (world.rank == 0) unlink(path);
    assert_ok(tt_store_create(&world, path, &p, columns, n, &store));
    for (int i = 0; i < n; i++) put(store, &columns[i], data[i]);
    tt_phases phases = {0};
    assert_ok(tt_store_publish(store, &phases, TT_OK));
}

/* Three clusterings of the rows, or of as many tracks, with how eps and k were chosen; without clusters all
 * is noise and nothing was chosen. */
static void write_clusters(const char *path, int clusters, const int32_t *label, double linkage[ROWS - 1][4])
{
    enum { CURVE = 50 };
    int64_t n = clusters > 0 ? 1 : 0;
    static const int32_t tried[] = {2, 3, 4, 5, 6};
    static const double score[] = {0.2, 0.3, 0.5, 0.4, 0.1}, inertia[] = {90, 50, 20, 15, 12};
    static double curve[CURVE], centroids[32];
    static int32_t noisy[ROWS];
    for (int i = 0; i < CURVE; i++) curve[i] = i < 40 ? i : 40 + (i - 40) * 20;
    for (int i = 0; i < ROWS; i++) noisy[i] = i % 9 == 0 ? -1 : label[i];
    write_file(
        path,
        (tt_column[]){{"/kmeans/label", TT_I32, 1, {ROWS}, 0, 0},
                      {"/agglomerative/label", TT_I32, 1, {ROWS}, 0, 0},
                      {"/dbscan/label", TT_I32, 1, {ROWS}, 0, 0},
                      {"/agglomerative/linkage", TT_F64, 2, {n * (ROWS - 1), 4}, 0, 0},
                      {"/kmeans/centroids", TT_F64, 2, {clusters, 2}, 0, 0},
                      {"/kmeans/k_tried", TT_I32, 1, {5 * n}, 0, 0},
                      {"/kmeans/k_inertia", TT_F64, 1, {5 * n}, 0, 0},
                      {"/kmeans/k_silhouette", TT_F64, 1, {5 * n}, 0, 0},
                      {"/dbscan/eps", TT_F64, 1, {n}, 0, 0},
                      {"/dbscan/k_distance", TT_F64, 1, {CURVE * n}, 0, 0}},
        10,
        (const void *[]){label, label, noisy, linkage, centroids, tried, inertia, score, &curve[40], curve});
}

/* A run with `n_genres` genres (0: none known) and `clusters` clusters (0: all noise). */
static void write_run(char path[7][1024], int n_genres, int clusters)
{
    static const char *const file[] = {"manifest.h5", "features.h5",  "model.h5",    "latents.h5",
                                       "clusters.h5", "embedding.h5", "metrics.json"};
    for (int i = 0; i < 7; i++) snprintf(path[i], 1024, "%s", scratch(file[i]));
    static char genre[TRACKS][WIDTH], language[TRACKS][WIDTH];
    static int64_t track[ROWS];
    static int32_t status[ROWS], label[ROWS], track_status[TRACKS];
    static float xy[ROWS][2], mel[ROWS][MELS][FRAMES];
    static unsigned char valid[ROWS];
    static double history[4][EPOCHS], linkage[ROWS - 1][4];
    memset(genre, 0, sizeof genre);
    for (int t = 0; t < TRACKS; t++) {
        if (n_genres > 0) snprintf(genre[t], WIDTH, "%s", genres[t % n_genres]);
        snprintf(language[t], WIDTH, "%s", t % 2 ? "bn" : "en");
    }
    for (int i = 0; i < ROWS; i++) {
        track[i] = i / CLIPS;
        label[i] = clusters > 0 ? (int32_t)(track[i] % clusters) : -1;
        xy[i][0] = (float)(i % 17) + (float)(track[i] % 5) * 4;
        xy[i][1] = (float)(i % 13);
        valid[i] = i % 50 != 7;
        for (int k = 0; k < MELS * FRAMES; k++) mel[i][k / FRAMES][k % FRAMES] = (float)(-(i + k) % 80);
    }
    for (int i = 0; i < ROWS - 1; i++) { /* leaves in pairs, those in pairs, and so on */
        linkage[i][2] = i + 1;
        linkage[i][3] = 0;
        for (int side = 0; side < 2; side++) {
            int node = 2 * i + side;
            linkage[i][side] = node;
            linkage[i][3] += node < ROWS ? 1 : linkage[node - ROWS][3];
        }
    }
    for (int e = 0; e < EPOCHS; e++) {
        history[0][e] = e + 1;
        history[1][e] = 90.0 / (e + 1);
        history[2][e] = 80.0 / (e + 1);
        history[3][e] = 10.0 / (e + 1);
    }
    write_file(path[0],
               (tt_column[]){{"/track/genre", TT_TEXT, 1, {TRACKS}, WIDTH, 0},
                             {"/track/language", TT_TEXT, 1, {TRACKS}, WIDTH, 0},
                             {"/track/status", TT_I32, 1, {TRACKS}, 0, 0}},
               3, (const void *[]){genre, language, track_status});
    write_file(path[1],
               (tt_column[]){{"/clip/track", TT_I64, 1, {ROWS}, 0, 0},
                             {"/clip/status", TT_I32, 1, {ROWS}, 0, 0},
                             {"/mel", TT_F32, 3, {ROWS, MELS, FRAMES}, 0, 0}},
               3, (const void *[]){track, status, mel});
    write_file(path[2],
               (tt_column[]){{"/history/epoch", TT_F64, 1, {EPOCHS}, 0, 0},
                             {"/history/loss", TT_F64, 1, {EPOCHS}, 0, 0},
                             {"/history/reconstruction", TT_F64, 1, {EPOCHS}, 0, 0},
                             {"/history/kl", TT_F64, 1, {EPOCHS}, 0, 0}},
               4, (const void *[]){history[0], history[1], history[2], history[3]});
    write_file(path[3],
               (tt_column[]){{"/clip/track", TT_I64, 1, {ROWS}, 0, 0}, {"/mu", TT_F32, 2, {ROWS, 2}, 0, 0}},
               2, (const void *[]){track, xy});
    write_clusters(path[4], clusters, label, linkage);
    write_file(path[5],
               (tt_column[]){{"/pca", TT_F32, 2, {ROWS, 2}, 0, 0}, {"/valid", TT_U8, 1, {ROWS}, 0, 0}}, 2,
               (const void *[]){xy, valid});
}

static void score_run(char path[7][1024])
{
    char input[1100], labels[1100];
    tt_provenance p = {"evaluate", "f", "", "", 1};
    int32_t *genre;
    int64_t rows;
    snprintf(input, sizeof input, "%s:/mu", path[3]);
    snprintf(labels, sizeof labels, "%s:/kmeans/label", path[4]);
    assert_ok(tt_truth_from_manifest(&world, path[0], path[3], "genre", &genre, &rows));
    assert_int_equal(rows, ROWS);
    tt_evaluate_job job = {"kmeans", "latent", input, labels, false};
    tt_truth truth = {.name = "genre", .label = genre, .rows = rows};
    const tt_evaluate_params params = {"euclidean", "drop", 0};
    fflush(stdout);
    assert_ok(tt_evaluate(&world, &params, &p, &job, 1, &truth, 1, path[6]));
    free(genre);
}

static bool is_png(const char *folder, const char *name)
{
    char path[1200];
    unsigned char head[8] = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    size_t n = fread(head, 1, 8, file);
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    fclose(file);
    return n == 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0 && bytes > 8000;
}

static void report(char path[7][1024], const char *folder)
{
    tt_provenance p = {"report", "f", "", "", 1};
    tt_report_inputs in = {path[0], path[1], path[2], path[3], path[4], path[5], path[6]};
    assert_ok(tt_report(&world, &p, &in, folder));
    MPI_Barrier(world.mpi);
}

/* All pictures, and the letters of the runs below that have them. */
static const struct {
    const char *name, *runs;
} pictures[] = {
    {"training_curves.png", "an"},
    {"mel_examples.png", "an"},
    {"latent_by_genre.png", "an"},
    {"latent_by_language.png", "anT"},
    {"latent_by_cluster.png", "aT"},
    {"latent_by_agglomerative.png", "a"},
    {"latent_by_dbscan.png", "a"},
    {"genre_by_cluster.png", "a"},
    {"genre_by_agglomerative.png", "a"},
    {"genre_by_dbscan.png", "a"},
    {"language_by_cluster.png", "aT"},
    {"language_by_agglomerative.png", "a"},
    {"language_by_dbscan.png", "a"},
    {"dendrogram.png", "a"},
    {"k_distance.png", "a"},
    {"choosing_k.png", "a"},
    {"silhouettes.png", "a"},
    {"scores.png", "a"},
};

/* What is drawn of a run, and nothing else. */
static void check_pictures(const char *folder, char run)
{
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        if (is_png(folder, pictures[i].name) != (strchr(pictures[i].runs, run) != NULL))
            fail_msg("run %c: %s is %s", run, pictures[i].name,
                     is_png(folder, pictures[i].name) ? "there" : "not there or no PNG");
}

static void test_pictures(void **state)
{
    (void)state;
    char path[7][1024], folder[1024];
    snprintf(folder, sizeof folder, "%s", scratch("results"));
    write_run(path, 5, 4);
    score_run(path);
    report(path, folder);
    check_pictures(folder, 'a');
    assert_int_equal(access("pwned", F_OK), -1);
    write_run(path, 1, 0); /* noise alone has no clusters to draw, no silhouettes, and what was drawn goes */
    score_run(path);
    report(path, folder);
    check_pictures(folder, 'n');
}

/* Clusters of tracks, which stand in the middle of their clips. */
static void test_tracks(void **state)
{
    (void)state;
    char path[7][1024];
    static int32_t label[TRACKS];
    static int64_t track[TRACKS];
    const char *folder = scratch("results_tracks");
    write_run(path, 0, 3);
    for (int t = 0; t < TRACKS; t++) {
        label[t] = t % 3;
        track[t] = t;
    }
    write_file(path[4],
               (tt_column[]){{"/kmeans/label", TT_I32, 1, {TRACKS}, 0, 0},
                             {"/clip/track", TT_I64, 1, {TRACKS}, 0, 0}},
               2, (const void *[]){label, track});
    if (world.rank == 0) { /* and no genres, scores or model: the rest is drawn */
        unlink(path[2]);
        unlink(path[6]);
    }
    MPI_Barrier(world.mpi);
    report(path, folder);
    check_pictures(folder, 'T');
}

static void test_no_gnuplot(void **state)
{
    (void)state;
    char path[7][1024], *search = strdup(getenv("PATH"));
    tt_provenance p = {"report", "f", "", "", 1};
    write_run(path, 2, 2);
    tt_report_inputs in = {.model = path[2]};
    setenv("PATH", "/nowhere", 1);
    tt_status s = tt_report(&world, &p, &in, scratch("results_none"));
    setenv("PATH", search, 1);
    free(search);
    assert_int_equal(s, TT_ERR_IO);
    assert_non_null(strstr(tt_message(), "gnuplot-nox"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_pictures),
    cmocka_unit_test(test_tracks),
    cmocka_unit_test(test_no_gnuplot),
};
TT_TEST_MAIN(cases)
