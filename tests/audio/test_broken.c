/* Broken files, each with what becomes of it: the run goes on, and what there was is kept. */
#include "sounds.h"

static void test_no_sound_at_all(void **state)
{
    (void)state;
    static const char text[] = "All the lyrics of this song, in a file that says it is music.\n";
    unsigned char noise[100000];
    uint32_t word = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)((word = word * 1664525 + 1013904223) >> 24);
    const struct {
        const char *name;
        const void *bytes;
        int64_t n;
        tt_track_status status;
    } cases[] = {
        {"empty.wav", "", 0, TT_TRACK_EMPTY},
        {"one.mp3", "I", 1, TT_TRACK_UNREADABLE},
        {"text.mp3", text, sizeof text, TT_TRACK_UNREADABLE},
        {"noise.flac", noise, sizeof noise, TT_TRACK_UNREADABLE},
        {"riff.wav", "RIFF\xff\xff\xff\xffWAVE", 12, TT_TRACK_UNREADABLE},
        {"id3.mp3", "ID3\3\0\0\x7f\x7f\x7f\x7f", 10, TT_TRACK_UNREADABLE},
        {"ogg.ogg", "OggS\0\2", 6, TT_TRACK_UNREADABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = mine(cases[i].name), *name = cases[i].name;
        write_bytes(path, cases[i].bytes, cases[i].n);
        outcome o = outcome_of(path);
        assert_status(o.probe, cases[i].status);
        assert_status(o.worst, cases[i].status);
        assert_true(o.got == 0 && o.seconds == 0);
        unlink(path);
    }
}

static void test_no_file_at_all(void **state)
{
    (void)state;
    const char *name = "missing.wav", *path = mine(name);
    assert_status(outcome_of(path).worst, TT_TRACK_MISSING);
    name = "folder.wav";
    path = mine(name);
    mkdir(path, 0777);
    assert_status(outcome_of(path).worst, TT_TRACK_UNREADABLE);
    rmdir(path);
    name = "pipe.wav";
    path = mine(name);
    mkfifo(path, 0666);
    assert_status(outcome_of(path).worst, TT_TRACK_UNREADABLE);
    unlink(path);
    name = "dangling.wav";
    path = mine(name);
    assert_int_equal(symlink("nowhere.wav", path), 0);
    assert_status(outcome_of(path).worst, TT_TRACK_MISSING);
    unlink(path);
    name = "no path";
    tt_track t = {.id = "t", .path = "", .shard = ""};
    tt_audio_info info;
    tt_track_status status;
    assert_ok(tt_audio_probe(&t, &info, &status));
    assert_status(status, TT_TRACK_NO_AUDIO);
}

/* Every format, cut in its middle: marked, and the half that is there is given. Cut within the first bytes it
 * is unreadable or gives nothing. */
static void test_cut_short(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int format;
    } cases[] = {
        {"cut.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
        {"cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
        {"cut.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        {"cut.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
        {"cut.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
        {"cut.au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
        {"cut.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16},
        {"cut.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16},
        {"cut.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16},
        {"cut.wavex", SF_FORMAT_WAVEX | SF_FORMAT_FLOAT},
        {"cut.adpcm", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name, *path = mine(name);
        int64_t n;
        unsigned char *bytes = sound_bytes(cases[i].format, &n);
        write_bytes(path, bytes, n);
        outcome whole = outcome_of(path);
        assert_status(whole.worst, TT_TRACK_OK);
        write_bytes(path, bytes, n / 2);
        outcome half = outcome_of(path);
        assert_status(half.worst, TT_TRACK_TRUNCATED);
        assert_true(half.probe <= TT_TRACK_TRUNCATED);
        if (half.got < FRAMES / 8 || half.got > FRAMES * 3 / 4)
            fail_msg("%s: %lld samples of %d", name, (long long)half.got, FRAMES);
        for (int64_t cut = 0; cut < 200; cut += 3) { /* whatever comes of it, it ends and says so */
            write_bytes(path, bytes, cut);
            outcome o = outcome_of(path);
            if (o.worst == TT_TRACK_OK || o.got >= FRAMES)
                fail_msg("%s cut at %lld: %s, %lld samples", name, (long long)cut,
                         tt_track_status_name((int)o.worst), (long long)o.got);
        }
        free(bytes);
        unlink(path);
    }
}

static void put(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

/* The 44 bytes before the samples of a WAV, changed one by one. */
static void test_wav_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int at;
        uint32_t value;
        tt_track_status status;
        int64_t got; /* -1: any */
    } cases[] = {
        {"claims more", 40, 2 * FRAMES + 2000, TT_TRACK_TRUNCATED, FRAMES},
        {"claims 1 GB", 40, 1 << 30, TT_TRACK_TRUNCATED, FRAMES},
        {"stream of unknown length", 40, 0xFFFFFFFF, TT_TRACK_OK, FRAMES},
        {"stream, as sox writes it", 40, 0x7FFFF000 - 36, TT_TRACK_OK, FRAMES},
        {"claims less", 40, 2 * 1000, TT_TRACK_TRUNCATED, 1000},
        {"claims a little less", 40, 2 * FRAMES - 1000, TT_TRACK_OK, FRAMES - 500},
        {"no samples, properly closed", 40, 0, TT_TRACK_EMPTY, 0},
        {"1e9 Hz", 24, 1000000000, TT_TRACK_UNREADABLE, 0},
        {"0 Hz", 24, 0, TT_TRACK_UNREADABLE, 0},
        {"-1 Hz", 24, 0xFFFFFFFF, TT_TRACK_UNREADABLE, 0},
        {"0 channels", 22, 0x56220000, TT_TRACK_UNREADABLE, 0},
        {"65535 channels", 22, 0x5622FFFF, TT_TRACK_UNREADABLE, 0},
        {"unknown codec", 20, 0x00017777, TT_TRACK_UNREADABLE, 0},
        {"fmt chunk of 4 GB", 16, 0xFFFFFFFF, TT_TRACK_UNREADABLE, 0},
    };
    int64_t n;
    unsigned char *bytes = sound_bytes(SF_FORMAT_WAV | SF_FORMAT_PCM_16, &n), kept[48];
    memcpy(kept, bytes, sizeof kept);
    assert_memory_equal(bytes + 36, "data", 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name, *path = mine("header.wav");
        put(bytes + cases[i].at, cases[i].value);
        if (cases[i].at == 22) { /* these four bytes hold the channels and half of the rate */
            memcpy(bytes + 24, kept + 24, 4);
        }
        write_bytes(path, bytes, n);
        outcome o = outcome_of(path);
        assert_status(o.worst, cases[i].status);
        if (cases[i].got >= 0) assert_int_equal(o.got, cases[i].got);
        memcpy(bytes, kept, sizeof kept);
        unlink(path);
    }
    const char *name = "a stream that was never closed", *path = mine("open.wav");
    put(bytes + 4, 36); /* as Python's wave writes it to a pipe */
    put(bytes + 40, 0);
    write_bytes(path, bytes, n);
    outcome o = outcome_of(path);
    assert_status(o.worst, TT_TRACK_OK);
    assert_int_equal(o.got, FRAMES);
    assert_near(o.seconds, 3, 1e-9);
    unlink(path);
    free(bytes);
}

/* NaN and Inf: given as 0, and reported by the one read that they are in. */
static void test_non_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 3e38F};
    const char *path = mine("nan.wav"), *name = "nan.wav";
    for (int k = 0; k < 4; k++) {
        SF_INFO info = {.samplerate = 44100, .channels = 2, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
        SNDFILE *f = sf_open(path, SFM_WRITE, &info);
        for (int64_t i = 0; i < 3 * 44100; i++) {
            float x[2] = {0.25F, i == 60000 ? bad[k] : 0.25F};
            sf_writef_float(f, x, 1);
        }
        sf_close(f);
        tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
        tt_track_status status;
        tt_audio *a;
        assert_ok(tt_audio_open(&t, RATE, &a, &status));
        for (int second = 0; second < 3; second++) {
            float x[RATE];
            int64_t got;
            status = TT_TRACK_OK;
            assert_ok(tt_audio_read(a, x, RATE, &got, &status));
            assert_status(status, second == 1 ? TT_TRACK_NON_FINITE : TT_TRACK_OK);
            for (int64_t i = 0; i < got; i++) assert_true(fabsf(x[i]) < 0.5F);
        }
        tt_audio_close(a);
    }
    unlink(path);
}

/* Flip bytes all over a file of every codec: whatever comes, it is finite, bounded and ends. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    static const int formats[] = {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                                  SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, SF_FORMAT_CAF | SF_FORMAT_PCM_16,
                                  SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        const char *path = mine("flipped");
        int64_t n;
        unsigned char *bytes = sound_bytes(formats[k], &n);
        uint32_t word = 7;
        for (int trial = 0; trial < 12; trial++) {
            unsigned char *copy = malloc((size_t)n);
            memcpy(copy, bytes, (size_t)n);
            for (int flips = 0; flips < 1 << (trial % 6); flips++) {
                word = word * 1664525 + 1013904223;
                int64_t range = trial < 6 ? 200 : n;
                copy[(word >> 4) % (uint32_t)range] ^= (unsigned char)(1U << (word >> 29));
            }
            write_bytes(path, copy, n);
            outcome o = outcome_of(path);
            assert_true(o.finite);
            assert_true(o.got < 256 * n && o.seconds < 256.0 * (double)n);
            free(copy);
        }
        free(bytes);
        unlink(path);
    }
}

/* The decoders' own remarks do not reach the log. */
static void test_decoders_are_quiet(void **state)
{
    (void)state;
    const char *path = mine("quiet.mp3"), *log = mine("stderr");
    int64_t n;
    unsigned char *bytes = sound_bytes(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, &n);
    memset(bytes + n / 2, 0x55, 3000);
    write_bytes(path, bytes, n * 3 / 4);
    fflush(stderr);
    int before = dup(STDERR_FILENO);
    FILE *to = fopen(log, "w");
    dup2(fileno(to), STDERR_FILENO);
    outcome_of(path);
    fflush(stderr);
    long written = lseek(fileno(to), 0, SEEK_END);
    dup2(before, STDERR_FILENO);
    close(before);
    fclose(to);
    unlink(log);
    unlink(path);
    free(bytes);
    assert_int_equal(written, 0);
}

/* A CAF that was written to a pipe says -1 bytes. */
static void test_open_caf(void **state)
{
    (void)state;
    const char *path = mine("open.caf"), *name = "open.caf";
    int64_t n;
    unsigned char *bytes = sound_bytes(SF_FORMAT_CAF | SF_FORMAT_PCM_16, &n);
    unsigned char *data = memmem(bytes, (size_t)n, "data", 4);
    assert_non_null(data);
    memset(data + 4, 0xff, 8);
    write_bytes(path, bytes, n);
    outcome o = outcome_of(path);
    assert_status(o.worst, TT_TRACK_OK);
    assert_near((double)o.got, FRAMES, 0);
    unlink(path);
    free(bytes);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_no_sound_at_all),    cmocka_unit_test(test_no_file_at_all),
    cmocka_unit_test(test_cut_short),          cmocka_unit_test(test_wav_headers),
    cmocka_unit_test(test_non_finite),         cmocka_unit_test(test_flipped_bytes),
    cmocka_unit_test(test_decoders_are_quiet), cmocka_unit_test(test_open_caf),
};
TT_TEST_MAIN(cases)
