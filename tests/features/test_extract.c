/* The extraction stage on a small corpus of sound and broken files: rows do not show the ranks, failures are
 * listed. */
#include "test.h"

#include "tutti/features.h"
#include "tutti/memory.h"
#include "tutti/signal.h"

#include <math.h>
#include <signal.h>
#include <sndfile.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tt_features_params features = {.n_fft = 512,
                                            .hop_length = 256,
                                            .n_mels = 32,
                                            .n_mfcc = 13,
                                            .fmax = 4000,
                                            .mel_scale = "slaney",
                                            .top_db = 80};
static const tt_audio_params audio = {.sample_rate = 8000, .clip_seconds = 1, .clip_hop = 0.75};
enum { MELS = 32, FRAMES = 32 };

static const tt_provenance provenance = {
    .stage = "extract", .fingerprint = "test", .config = "", .inputs = "", .seed = 1};

/** A tone with a beat of its own; silent for pitch 0. */
static void write_sound(const char *folder, const char *name, int format, int rate, int channels,
                        double seconds, double pitch)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    assert_non_null(file);
    int64_t n = (int64_t)(seconds * rate);
    float frame[2];
    for (int64_t i = 0; i < n; i++) {
        double t = (double)i / rate;
        frame[0] = frame[1] =
            pitch > 0 ? (float)(0.4 * sin(6.2831853 * pitch * t) * (1 + 0.5 * sin(9 * t))) : 0;
        sf_writef_float(file, frame, 1);
    }
    sf_close(file);
}

static void write_bytes(const char *folder, const char *name, const char *text)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void cut_in_half(const char *folder, const char *name)
{
    char path[2048];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
}

enum { TRACKS = 11, FAILED = 3, MARKED = 2 };

/** Sorted by id: what each file is for is in its name. */
static void write_corpus(const char *root)
{
    const int wav = SF_FORMAT_WAV | SF_FORMAT_PCM_16, flac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    char folder[1100];
    mkdir(root, 0777);
    snprintf(folder, sizeof folder, "%s/rock", root);
    mkdir(folder, 0777);
    write_sound(folder, "a-long.wav", wav, 8000, 1, 7.5, 220);
    write_sound(folder, "b-one-padded.wav", wav, 8000, 1, 0.6, 330);
    write_sound(folder, "c-too-short.wav", wav, 8000, 1, 0.3, 330);
    write_bytes(folder, "d-empty.wav", "");
    write_sound(folder, "e-stereo.flac", flac, 44100, 2, 4, 440);
    write_bytes(folder, "f-text.mp3", "this is not music\n");
    write_sound(folder, "g-silent.wav", wav, 8000, 1, 3, 0);
    write_sound(folder, "h-truncated.flac", flac, 8000, 1, 6, 550);
    cut_in_half(folder, "h-truncated.flac");
    write_sound(folder, "i-short.wav", wav, 16000, 1, 1.9, 700);
    write_sound(folder, "j-vanishing.wav", wav, 8000, 1, 2.5, 800);
    write_sound(folder, "k-in-pieces.flac", flac, 8000, 1, 150, 900);
}

static const char *corpus_root(void)
{
    return scratch("corpus");
}

/** Write the corpus and scan it once. */
static int set_up(void **state)
{
    (void)state;
    char root[1024], manifest[1024];
    snprintf(root, sizeof root, "%s", corpus_root());
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    if (world.rank == 0) write_corpus(root);
    MPI_Barrier(world.mpi);
    tt_corpus_params corpus = {.path = root, .format = "folder"};
    tt_provenance origin = provenance;
    origin.stage = "scan";
    assert_ok(tt_scan(&world, &corpus, &origin, manifest));
    return 0;
}

static void *read_all(tt_store *store, const char *name, size_t *bytes)
{
    tt_column column;
    bool found;
    assert_ok(tt_store_column(store, name, &column, &found));
    assert_true(found);
    size_t size = column.type == TT_TEXT                           ? (size_t)column.text_bytes
                  : column.type == TT_F32 || column.type == TT_I32 ? 4
                  : column.type == TT_F16                          ? 2
                                                                   : 8;
    for (int d = 0; d < column.n_dims; d++) size *= (size_t)column.dims[d];
    void *data;
    assert_ok(tt_alloc((int64_t)size, 1, "rows", &data));
    assert_ok(tt_store_read(store, name, 0, column.dims[0], column.type, data));
    *bytes = size;
    return data;
}

static void assert_same_file(const char *one, const char *other)
{
    tt_store *a, *b;
    char **names, **others;
    int n_names, n_others;
    assert_ok(tt_store_open(&world, one, &a));
    assert_ok(tt_store_open(&world, other, &b));
    assert_ok(tt_store_list(a, &names, &n_names));
    assert_ok(tt_store_list(b, &others, &n_others));
    assert_int_equal(n_names, n_others);
    for (int i = 0; i < n_names; i++) {
        size_t n, m;
        assert_string_equal(names[i], others[i]);
        void *x = read_all(a, names[i], &n), *y = read_all(b, names[i], &m);
        assert_int_equal(n, m);
        if (memcmp(x, y, n) != 0) fail_msg("%s differs between %s and %s", names[i], one, other);
        free(x);
        free(y);
    }
    free(names);
    free(others);
    tt_store_close(a);
    tt_store_close(b);
}

/** Extract on one rank alone, in its own communicator. */
static void extract_alone(double max_failures, const char *manifest, const char *output)
{
    if (world.rank == 0) {
        tt_comm alone = tt_comm_wrap(MPI_COMM_SELF);
        assert_ok(tt_extract(&alone, &audio, &features, max_failures, &provenance, manifest, output));
    }
    MPI_Barrier(world.mpi);
}

static void rows_do_not_show_the_ranks(void **state)
{
    (void)state;
    char manifest[1024], all[1024], one[1024];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(all, sizeof all, "%s", scratch("all.h5"));
    snprintf(one, sizeof one, "%s", scratch("one.h5"));
    assert_ok(tt_extract(&world, &audio, &features, 1.0, &provenance, manifest, all));
    extract_alone(1.0, manifest, one);
    assert_same_file(all, one);
}

/** Rows of one track: where they are, what they say. */
static void rows_say_what_they_are(void **state)
{
    (void)state;
    tt_store *store;
    assert_ok(tt_store_open(&world, scratch("all.h5"), &store));
    size_t bytes;
    int64_t *track = read_all(store, "/clip/track", &bytes);
    int64_t n = (int64_t)(bytes / sizeof *track);
    double *start = read_all(store, "/clip/start", &bytes);
    int32_t *status = read_all(store, "/clip/status", &bytes);
    float *mel = read_all(store, "/mel", &bytes);
    float *row = read_all(store, "/audio", &bytes);
    int64_t columns = (int64_t)(bytes / sizeof *row) / n;
    int64_t of_track[TRACKS] = {0}, valid[TRACKS] = {0};
    for (int64_t i = 0; i < n; i++) {
        assert_true(i == 0 || track[i] >= track[i - 1]);
        assert_near(start[i], 0.75 * (double)of_track[track[i]], 1e-9);
        of_track[track[i]]++;
        valid[track[i]] += tt_track_status_valid(status[i]);
        float largest = -1000;
        for (int64_t j = 0; j < MELS * FRAMES; j++) {
            assert_true(isfinite(mel[i * MELS * FRAMES + j]));
            largest = fmaxf(largest, mel[i * MELS * FRAMES + j]);
        }
        for (int64_t j = 0; j < columns; j++) assert_true(isfinite(row[i * columns + j]));
        assert_near(largest, 0, 0);
    }
    static const int64_t clips[TRACKS] = {9, 1, 0, 0, 5, 0, 3, -1, 2, 3, 199};
    for (int t = 0; t < TRACKS; t++)
        if (clips[t] >= 0) {
            assert_int_equal(of_track[t], clips[t]);
            assert_int_equal(valid[t], clips[t]);
        }
    /* the clips before the cut are kept, and only those */
    assert_true(of_track[7] == 7 && valid[7] > 0 && valid[7] < 7);
    char **names;
    int n_names;
    assert_ok(tt_store_get_names(store, "/audio", "names", &names, &n_names));
    assert_int_equal(n_names, columns);
    assert_string_equal(names[0], "zero_crossing_rate_mean");
    free(names);
    float *tempo = read_all(store, "/track/tempo", &bytes);
    assert_int_equal(bytes / sizeof *tempo, TRACKS);
    for (int t = 0; t < TRACKS; t++) {
        /* silence has none; else a lag's: 60 x frames per second / lag */
        bool sounds = valid[t] > 0 && clips[t] != 3;
        if (clips[t] != 3) assert_int_equal(tempo[t] > 0, sounds);
        if (tempo[t] > 0) {
            double lag = 60 * 8000.0 / 256 / (double)tempo[t];
            assert_near(lag, rint(lag), 1e-3);
            assert_true(tempo[t] < 320);
        }
    }
    assert_near(tempo[6], 0, 0);
    free(tempo);
    void *owned[] = {track, start, status, mel, row};
    for (int i = 0; i < 5; i++) free(owned[i]);
    tt_store_close(store);
}

static void failures_are_listed(void **state)
{
    (void)state;
    tt_store *store;
    assert_ok(tt_store_open(&world, scratch("all.h5"), &store));
    size_t bytes;
    int32_t *code = read_all(store, "/failures/code", &bytes);
    assert_int_equal(bytes / sizeof *code, FAILED + MARKED);
    static const int32_t codes[] = {TT_TRACK_TOO_SHORT, TT_TRACK_EMPTY, TT_TRACK_UNREADABLE, TT_TRACK_SILENT,
                                    TT_TRACK_TRUNCATED};
    static const char *const files[] = {"c-too-short.wav", "d-empty.wav", "f-text.mp3", "g-silent.wav",
                                        "h-truncated.flac"};
    char *path = read_all(store, "/failures/path", &bytes);
    size_t width = bytes / (FAILED + MARKED);
    char *message = read_all(store, "/failures/message", &bytes);
    size_t long_ = bytes / (FAILED + MARKED);
    for (size_t i = 0; i < FAILED + MARKED; i++) {
        assert_int_equal(code[i], codes[i]);
        assert_non_null(strstr(path + i * width, files[i]));
        assert_true(strlen(message + i * long_) > 0);
    }
    free(code);
    free(path);
    free(message);
    tt_store_close(store);
}

static bool has(tt_store *store, const char *name, tt_column *column)
{
    bool found;
    assert_ok(tt_store_column(store, name, column, &found));
    return found;
}

/** Tempo of a track is that of the mean of its clips' tempograms, whoever owned them. */
static void tempo_is_of_the_mean(void **state)
{
    (void)state;
    tt_store *store;
    assert_ok(tt_store_open(&world, scratch("all.h5"), &store));
    size_t bytes;
    float *tempogram = read_all(store, "/clip/tempogram", &bytes),
          *tempo = read_all(store, "/track/tempo", &bytes);
    enum { LAGS = 250, CLIPS = 9 }; /* of the first track */
    double mean[LAGS] = {0};
    for (int i = 0; i < CLIPS * LAGS; i++) mean[i % LAGS] += (double)tempogram[i] / CLIPS;
    assert_near(mean[0], 1, 1e-5);
    assert_near(tempo[0], tt_tempo(mean, LAGS, 8000.0 / 256), 1e-3);
    free(tempogram);
    free(tempo);
    tt_store_close(store);
}

/** features.set leaves out what it does not name, and a mel of half floats is the same mel. */
static void sets_and_half_floats(void **state)
{
    (void)state;
    char manifest[1024], output[1024], whole[1024];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("mel.h5"));
    snprintf(whole, sizeof whole, "%s", scratch("all.h5"));
    tt_features_params p = features;
    p.set = "[mel]";
    p.mel_dtype = "f16";
    assert_ok(tt_extract(&world, &audio, &p, 1.0, &provenance, manifest, output));
    tt_store *store, *all;
    tt_column mel, none;
    assert_ok(tt_store_open(&world, output, &store));
    assert_ok(tt_store_open(&world, whole, &all));
    assert_true(has(store, "/mel", &mel));
    assert_int_equal(mel.type, TT_F16);
    assert_false(has(store, "/audio", &none) || has(store, "/clip/tempogram", &none) ||
                 has(store, "/track/tempo", &none));
    size_t bytes;
    float *wanted = read_all(all, "/mel", &bytes), *got;
    assert_ok(tt_alloc((int64_t)bytes, 1, "mel", &got));
    assert_ok(tt_store_read(store, "/mel", 0, mel.dims[0], TT_F32, got));
    /* half a step of a half float above -128 is 0.03 dB; the transform differs too, below 0.01 dB */
    for (size_t i = 0; i < bytes / sizeof *got; i++) assert_near(got[i], wanted[i], 0.045);
    free(wanted);
    free(got);
    tt_store_close(store);
    tt_store_close(all);
    p.set = "[tempo, rms]";
    snprintf(output, sizeof output, "%s", scratch("tempo.h5"));
    assert_ok(tt_extract(&world, &audio, &p, 1.0, &provenance, manifest, output));
    assert_ok(tt_store_open(&world, output, &store));
    assert_false(has(store, "/mel", &none));
    assert_true(has(store, "/audio", &none) && none.dims[1] == 7);
    assert_true(has(store, "/track/tempo", &none));
    tt_store_close(store);
}

static void move(const char *from, const char *to)
{
    if (world.rank == 0) assert_int_equal(rename(from, to), 0);
    MPI_Barrier(world.mpi);
}

/** A track that is gone since the scan fails a run that allows none; when it is back the same run goes on,
 * and ends as if it had never been away. */
static void what_is_back_is_read(void **state)
{
    (void)state;
    char manifest[1024], output[1024], all[1024], path[1100], away[1024];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("back.h5"));
    snprintf(all, sizeof all, "%s", scratch("all.h5"));
    snprintf(away, sizeof away, "%s", scratch("away"));
    snprintf(path, sizeof path, "%s/rock/j-vanishing.wav", corpus_root());
    const double scanned = (FAILED + 0.1) / TRACKS; /* what failed in the scan already */
    move(path, away);
    assert_int_equal(tt_extract(&world, &audio, &features, scanned, &provenance, manifest, output),
                     TT_ERR_INPUT);
    assert_int_equal(access(output, F_OK), -1);
    move(away, path);
    assert_ok(tt_extract(&world, &audio, &features, scanned, &provenance, manifest, output));
    assert_same_file(output, all);
}

/** A track that is gone since the scan fails a run that allows none; its work is kept, and the next run,
 * which allows it, ends in the bits of one that never stopped. */
static void a_stopped_run_goes_on(void **state)
{
    (void)state;
    char manifest[1024], output[1024], alone[1024], path[1100];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("again.h5"));
    snprintf(alone, sizeof alone, "%s", scratch("again-alone.h5"));
    snprintf(path, sizeof path, "%s/rock/j-vanishing.wav", corpus_root());
    if (world.rank == 0) assert_int_equal(unlink(path), 0);
    MPI_Barrier(world.mpi);
    tt_status s = tt_extract(&world, &audio, &features, 0.1 * FAILED + 0.001, &provenance, manifest, output);
    assert_int_equal(s, TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "max_failures"));
    assert_int_equal(access(output, F_OK), -1);
    assert_int_equal(tt_extract(&world, &audio, &features, 0.1, &provenance, manifest, output), TT_ERR_INPUT);
    assert_ok(tt_extract(&world, &audio, &features, 1.0, &provenance, manifest, output));
    extract_alone(1.0, manifest, alone);
    assert_same_file(output, alone);
}

static void nothing_to_extract_is_an_error(void **state)
{
    (void)state;
    char manifest[1024], output[1024];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("nothing.h5"));
    tt_audio_params too_long = audio;
    too_long.clip_seconds = 400;
    assert_int_equal(tt_extract(&world, &too_long, &features, 1.0, &provenance, manifest, output),
                     TT_ERR_INPUT);
    assert_non_null(strstr(tt_message(), "manifest.h5"));
    tt_features_params wrong = features;
    wrong.n_mels = 0;
    assert_int_equal(tt_extract(&world, &audio, &wrong, 1.0, &provenance, manifest, output), TT_ERR_CONFIG);
}

/** One bad sample, after 1.1 s: it costs the two clips that hold it, and the track has not failed. */
static void a_bad_sample_costs_its_clips(void **state)
{
    (void)state;
    char root[1024], path[1100], manifest[1024], output[1024];
    snprintf(root, sizeof root, "%s", scratch("bad"));
    snprintf(path, sizeof path, "%s/bad.wav", root);
    snprintf(manifest, sizeof manifest, "%s", scratch("bad-manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("bad.h5"));
    if (world.rank == 0) {
        enum { HEADER = 80 }; /* of libsndfile, for floats; exact enough here */
        const float nan = NAN;
        mkdir(root, 0777);
        write_sound(root, "bad.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 1, 6, 300);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, HEADER + 8800 * 4, SEEK_SET), 0);
        assert_int_equal(fwrite(&nan, sizeof nan, 1, file), 1);
        fclose(file);
    }
    MPI_Barrier(world.mpi);
    tt_corpus_params corpus = {.path = root, .format = "folder"};
    tt_audio_params overlapping = audio;
    overlapping.clip_hop = 0.5;
    assert_ok(tt_scan(&world, &corpus, &provenance, manifest));
    assert_ok(tt_extract(&world, &overlapping, &features, 0, &provenance, manifest, output));
    tt_store *store;
    size_t bytes;
    assert_ok(tt_store_open(&world, output, &store));
    int32_t *clip = read_all(store, "/clip/status", &bytes),
            *track = read_all(store, "/track/status", &bytes);
    for (int i = 0; i < 11; i++)
        assert_int_equal(clip[i], i == 1 || i == 2 ? TT_TRACK_NON_FINITE : TT_TRACK_OK);
    assert_int_equal(track[0], TT_TRACK_TRUNCATED);
    free(clip);
    free(track);
    tt_store_close(store);
}

/** Last, since a signal cannot be taken back. */
static void a_signal_stops_it(void **state)
{
    (void)state;
    char manifest[1024], output[1024];
    snprintf(manifest, sizeof manifest, "%s", scratch("manifest.h5"));
    snprintf(output, sizeof output, "%s", scratch("stopped.h5"));
    tt_signals_catch();
    if (world.rank == world.size - 1) raise(SIGTERM);
    assert_int_equal(tt_extract(&world, &audio, &features, 1.0, &provenance, manifest, output), TT_STOPPED);
    assert_int_equal(access(output, F_OK), -1);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(rows_do_not_show_the_ranks),   cmocka_unit_test(rows_say_what_they_are),
    cmocka_unit_test(failures_are_listed),          cmocka_unit_test(tempo_is_of_the_mean),
    cmocka_unit_test(sets_and_half_floats),         cmocka_unit_test(what_is_back_is_read),
    cmocka_unit_test(a_stopped_run_goes_on),        cmocka_unit_test(nothing_to_extract_is_an_error),
    cmocka_unit_test(a_bad_sample_costs_its_clips), cmocka_unit_test(a_signal_stops_it),
};

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    world = tt_comm_wrap(MPI_COMM_WORLD);
    tt_log_setup(TT_LOG_ERROR, world.rank);
    int failed = cmocka_run_group_tests(cases, set_up, NULL);
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    MPI_Finalize();
    return failed != 0;
}
