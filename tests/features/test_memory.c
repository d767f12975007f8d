/* What a rank needs does not grow with the corpus or the length of a track. */
#include "test.h"

#include "tutti/features.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RATE = 8000, TRACKS = 10000, FEW = 200, HOURS = 3 };

static const tt_features_params features = {.n_fft = 256,
                                            .hop_length = 256,
                                            .n_mels = 16,
                                            .n_mfcc = 8,
                                            .fmax = 4000,
                                            .mel_scale = "slaney",
                                            .top_db = 80};

static const double margin = 4; /* MB */

static const tt_provenance provenance = {
    .stage = "extract", .fingerprint = "memory", .config = "", .inputs = "", .seed = 1};

/** Megabytes at the peak so far. */
static double peak(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/** Silence that takes no room on the disk: 16 bits, mono. */
static void write_quiet(const char *path, int64_t frames)
{
    unsigned char head[44] = "RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0....\0\0\0\0\x02\0\x10\0data....";
    uint32_t bytes = (uint32_t)(2 * frames), all = bytes + 36, rate = RATE, per_second = 2 * RATE;
    memcpy(head + 4, &all, 4);
    memcpy(head + 24, &rate, 4);
    memcpy(head + 28, &per_second, 4);
    memcpy(head + 40, &bytes, 4);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(head, 1, sizeof head, file);
    fclose(file);
    assert_int_equal(truncate(path, 44 + (off_t)bytes), 0);
}

/** A corpus of n rows that share one file. */
static void write_table(const char *path, const char *sound, int n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "path,id,genre\n");
    for (int i = 0; i < n; i++) fprintf(file, "%s,track-%d,quiet\n", sound, i);
    fclose(file);
}

/** Scan and extract; MB at the peak after each. */
static void run(const char *name, double seconds, int tracks, double clip, double peaks[2])
{
    char sound[1024], table[1024], manifest[1024], output[1024];
    snprintf(sound, sizeof sound, "%s.wav", scratch(name));
    snprintf(table, sizeof table, "%s.csv", scratch(name));
    snprintf(manifest, sizeof manifest, "%s.manifest.h5", scratch(name));
    snprintf(output, sizeof output, "%s.h5", scratch(name));
    if (world.rank == 0) {
        write_quiet(sound, (int64_t)(seconds * RATE));
        write_table(table, sound, tracks);
    }
    MPI_Barrier(world.mpi);
    tt_corpus_params corpus = {.path = table, .format = "csv"};
    tt_audio_params audio = {.sample_rate = RATE, .clip_seconds = clip, .clip_hop = clip};
    assert_ok(tt_scan(&world, &corpus, &provenance, manifest));
    peaks[0] = peak();
    assert_ok(tt_extract(&world, &audio, &features, 1.0, &provenance, manifest, output));
    peaks[1] = peak();
    MPI_Barrier(world.mpi);
    const char *const files[] = {sound, table, manifest, output};
    for (int i = 0; i < 4 && world.rank == 0; i++) unlink(files[i]);
}

/** Ten thousand tracks need no more than two hundred, but for a few bytes a track. */
static void many_tracks_need_no_more(void **state)
{
    (void)state;
    if (world.size > 2) skip(); /* two ranks show all that more would, in less time */
    double few[2], many[2];
    run("few", 0.1, FEW, 0.1, few);
    run("many", 0.1, TRACKS, 0.1, many);
    double before = many[0] > few[1] ? many[0] : few[1];
    if (many[1] > before + margin)
        fail_msg("%d tracks: %.1f MB to scan, %.1f MB to extract; %d tracks: %.1f, %.1f MB", TRACKS, many[0],
                 many[1], FEW, few[0], few[1]);
    assert_true(many[1] < 200);
}

/** Nor does a long track; last, for the peak never falls. */
static void a_long_track_needs_no_more(void **state)
{
    (void)state;
    if (world.size > 2) skip();
    double peaks[2], before = peak();
    run("long", 3600.0 * HOURS, 1, 3, peaks);
    if (peaks[1] > before + margin)
        fail_msg("%.1f MB at the peak of %d hours, %.1f MB before", peaks[1], HOURS, before);
    assert_true(peaks[1] < 200);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(many_tracks_need_no_more),
    cmocka_unit_test(a_long_track_needs_no_more),
};
TT_TEST_MAIN(cases)
