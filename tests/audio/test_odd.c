/* Odd files of real life: streams one after another, wrong lengths, tags, and things in the file system that
 * are no files. */
#include "sounds.h"

#include "../corpus/corpora.h"

#include <linux/capability.h>
#include <sys/syscall.h>

/** Bytes, grown by appending. */
typedef struct bytes {
    unsigned char *data;
    int64_t n;
} bytes;

static void append(bytes *to, const void *data, int64_t n)
{
    to->data = realloc(to->data, (size_t)(to->n + n + 1));
    assert_non_null(to->data);
    memcpy(to->data + to->n, data, (size_t)n);
    to->n += n;
}

static void append_sound(bytes *to, int format, int rate)
{
    int64_t n;
    unsigned char *sound = sound_bytes_at(format, rate, &n);
    append(to, sound, n);
    free(sound);
}

static void append_noise(bytes *to, int64_t n)
{
    uint32_t word = 3;
    unsigned char *noise = calloc(1, (size_t)n + 1);
    assert_non_null(noise);
    for (int64_t i = 0; i < n; i++) {
        word = word * 1664525 + 1013904223;
        noise[i] = (unsigned char)(word >> 24);
    }
    append(to, noise, n);
    free(noise);
}

static outcome outcome_of_bytes(const char *name, bytes *b)
{
    const char *path = mine(name);
    write_bytes(path, b->data, b->n);
    outcome o = outcome_of(path);
    unlink(path);
    free(b->data);
    *b = (bytes){0};
    return o;
}

static void assert_said(const outcome *o, const char *says)
{
    if (!strstr(o->said, says) || strchr(o->said, '\n')) fail_msg("said: %s\nexpected: %s", o->said, says);
}

enum { FLAC = SF_FORMAT_FLAC | SF_FORMAT_PCM_16, MP3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III };

/* A FLAC stream whose encoder could not seek back does not know its length. */
static void forget_length(unsigned char *flac)
{
    flac[21] &= 0xf0;
    memset(flac + 22, 0, 4);
}

/* Where the frames begin: behind the last block of metadata. */
static int64_t flac_frames(const unsigned char *flac)
{
    int64_t at = 4;
    for (bool last = false; !last; at += 4 + (flac[at + 1] << 16 | flac[at + 2] << 8 | flac[at + 3]))
        last = flac[at] & 0x80;
    return at;
}

/* Two FLAC streams, with and without what the second says of itself, with and without what the first says of
 * its length: the first is kept, and what follows is told. */
static void test_flac_after_flac(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int rate;
        bool known, bare;
        const char *says;
    } cases[] = {
        {"two streams", 44100, true, false, "the sample rate changes within the stream after 3.00 s"},
        {"two streams of a rate", 22050, true, false,
         "another stream follows, which is not decoded, after 3.00 s"},
        {"two streams of unknown length", 44100, false, false,
         "the sample rate changes within the stream after 3."},
        {"the rate changes", 48000, false, true, "the sample rate changes within the stream after 3."},
        {"the rate falls", 8000, false, true, "the sample rate changes within the stream after 3."},
    };
    for (size_t i = (size_t)world.rank; i < sizeof cases / sizeof *cases; i += (size_t)world.size) {
        const char *name = cases[i].name;
        bytes b = {0}, second = {0};
        append_sound(&b, FLAC, RATE);
        append_sound(&second, FLAC, cases[i].rate);
        if (!cases[i].known) forget_length(b.data);
        int64_t from = cases[i].bare ? flac_frames(second.data) : 0;
        append(&b, second.data + from, second.n - from);
        free(second.data);
        outcome o = outcome_of_bytes("twice.flac", &b);
        assert_status(o.worst, TT_TRACK_TRUNCATED);
        assert_said(&o, cases[i].says);
        if (o.got < FRAMES || o.got > FRAMES + 4608) fail_msg("%s: %lld samples", name, (long long)o.got);
    }
}

/* What looks like a frame header by chance, or says the rate by other means, does not end a stream. */
static void test_flac_of_any_rate(void **state)
{
    (void)state;
    static const int rates[] = {8000, 11025, 12000, 16000, 22050, 37800, 44100, 48000, 96000, 192000, 655350};
    for (size_t i = (size_t)world.rank; i < sizeof rates / sizeof *rates; i += (size_t)world.size) {
        const char *name = "rates.flac";
        bytes b = {0};
        append_sound(&b, FLAC, rates[i]);
        append(&b, "TAG", 3);
        append_noise(&b, 125);
        outcome o = outcome_of_bytes(name, &b);
        assert_status(o.worst, TT_TRACK_OK);
        assert_near((double)o.got, FRAMES, 1);
    }
}

/* A chain of Ogg streams, as a recorded broadcast is: the first is kept; the scan says so already. */
static void test_ogg_chain(void **state)
{
    (void)state;
    static const int codecs[] = {SF_FORMAT_VORBIS, SF_FORMAT_OPUS};
    for (int k = world.rank; k < 4; k += world.size) {
        const char *name = "chain.ogg";
        bytes b = {0};
        append_sound(&b, SF_FORMAT_OGG | codecs[k % 2], k % 2 ? 48000 : 22050);
        append_sound(&b, SF_FORMAT_OGG | codecs[k / 2], k / 2 ? 24000 : 44100);
        outcome o = outcome_of_bytes(name, &b);
        assert_status(o.probe, TT_TRACK_TRUNCATED);
        assert_status(o.worst, TT_TRACK_TRUNCATED);
        assert_said(&o, "it is a chain of streams, of which the first is decoded after 3.00 s");
        assert_near((double)o.got, FRAMES, 5000);
    }
}

/* A WAV of more than 4 GB, whose size has wrapped around in the header; nearly all of it a hole in the file.
 */
static void test_wav_of_more_than_4_gb(void **state)
{
    (void)state;
    const char *path = mine("large.wav");
    static const int64_t frames = (INT64_C(5) << 30) / 16;
    SF_INFO info = {.samplerate = 192000, .channels = 8, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    assert_non_null(f);
    sf_close(f);
    FILE *out = fopen(path, "r+b");
    assert_non_null(out);
    fseek(out, 0, SEEK_END);
    int64_t header = ftell(out);
    uint32_t size = (uint32_t)(frames * 16);
    fseek(out, (long)header - 4, SEEK_SET);
    fwrite(&size, 4, 1, out);
    fclose(out);
    assert_int_equal(truncate(path, header + frames * 16), 0);
    tt_track t = {.id = "t", .path = (char *)path, .shard = ""};
    tt_track_status status;
    tt_audio_info got;
    assert_ok(tt_audio_probe(&t, &got, &status));
    assert_int_equal(status, TT_TRACK_TRUNCATED);
    assert_non_null(strstr(tt_message(), "it is longer than the 4 GB that a WAV can count"));
    assert_int_equal(got.frames, UINT32_MAX / 16);
    assert_int_equal(got.channels, 8);
    unlink(path);
}

static void append_id3(bytes *to, int64_t n)
{
    unsigned char head[10] = "ID3\3\0\0";
    for (int i = 0; i < 4; i++) head[6 + i] = (unsigned char)(n >> 7 * (3 - i) & 0x7f);
    append(to, head, 10);
}

/* Make an encoder's word on the length unreadable: what is left is a stream of frames of any size. */
static void forget_frames(unsigned char *mp3, int64_t n)
{
    unsigned char *word = memmem(mp3, (size_t)n, "Info", 4);
    if (!word) word = memmem(mp3, (size_t)n, "Xing", 4);
    assert_non_null(word);
    memcpy(word, "none", 4);
}

/* Tags with covers before the music, tags behind it, other bytes around it; with and without the encoder's
 * word on its length, for which the decoder would take the tag for music too. */
static void test_mp3(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t garbage, zeros, id3, second_id3, tail;
        bool told;
    } cases[] = {
        {"tag of a megabyte", 0, 0, 1 << 20, 0, 0, true},
        {"tag, length not told", 0, 0, 1 << 20, 0, 0, false},
        {"two tags", 0, 0, 300000, 5000, 0, true},
        {"length not told", 0, 0, 0, 0, 0, false},
        {"bytes before it", 5000, 0, 0, 0, 0, true},
        {"bytes before it, length not told", 777, 0, 0, 0, 0, false},
        {"zeros before it", 0, 3000, 0, 0, 0, true},
        {"a tag, and zeros", 0, 2000, 5000, 0, 0, true},
        {"tags behind it", 0, 0, 0, 0, 128, true},
    };
    for (size_t i = (size_t)world.rank; i < sizeof cases / sizeof *cases; i += (size_t)world.size) {
        const char *name = cases[i].name;
        bytes b = {0};
        if (cases[i].id3) append_id3(&b, cases[i].id3);
        append_noise(&b, cases[i].id3 + cases[i].garbage);
        if (cases[i].second_id3) append_id3(&b, cases[i].second_id3);
        append_noise(&b, cases[i].second_id3);
        for (int64_t k = 0; k < cases[i].zeros; k++) append(&b, "", 1);
        int64_t begin = b.n;
        append_sound(&b, MP3, RATE);
        if (!cases[i].told) forget_frames(b.data + begin, b.n - begin);
        if (cases[i].tail) append(&b, "TAG", 3);
        append_noise(&b, cases[i].tail);
        outcome o = outcome_of_bytes("odd.mp3", &b);
        assert_status(o.probe, TT_TRACK_OK);
        assert_status(o.worst, TT_TRACK_OK);
        if (fabs(o.seconds - 3) > 0.11 || labs(o.got - FRAMES) > 2400)
            fail_msg("%s: %g s, %lld samples", name, o.seconds, (long long)o.got);
    }
}

/* Of files put one behind the other the first is decoded, as its header counts, and the rest is not
 * forgotten; what is no audio may stand there. */
static void test_mp3_joined(void **state)
{
    (void)state;
    for (int joined = 0; joined < 2; joined++) {
        const char *name = joined ? "joined" : "noise behind it";
        bytes b = {0};
        append_sound(&b, MP3, RATE);
        int64_t one = b.n;
        while (joined && b.n < one + 200000) append_sound(&b, MP3, RATE);
        if (!joined) append_noise(&b, 200000);
        outcome o = outcome_of_bytes("joined.mp3", &b);
        assert_status(o.probe, joined ? TT_TRACK_TRUNCATED : TT_TRACK_OK);
        assert_true(fabs(o.seconds - 3) < 0.11);
        if (joined) assert_said(&o, "does not count");
    }
}

/* Names of any script, of any bytes, and as long as they may be. */
static void test_names(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'n', 255);
    memcpy(longest + 251, ".wav", 5);
    const char *const names[] = {"\xE0\xA6\x97\xE0\xA6\xBE\xE0\xA6\xA8 \xE0\xA7\xA7.wav",
                                 "\xD8\xA3\xD8\xBA\xD9\x86\xD9\x8A\xD8\xA9.wav",
                                 "\xF0\x9F\x8E\xB5.wav",
                                 "line\nfeed\t.wav",
                                 "bad \xff\xfe\x80.wav",
                                 "-rf *.wav",
                                 "a'b\"c`$(d).wav",
                                 longest};
    char *dir = fresh_folder("names"), path[4400];
    int64_t n;
    unsigned char *sound = sound_bytes(SF_FORMAT_WAV | SF_FORMAT_PCM_16, &n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (world.rank == 0) put_file(dir, names[i], sound, (size_t)n);
    MPI_Barrier(world.mpi);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        outcome o = outcome_of(path);
        assert_int_equal(o.worst, TT_TRACK_OK);
        assert_int_equal(o.got, FRAMES);
    }
    free(sound);
    free(dir);
}

static void make_zero_link(const char *path)
{
    assert_int_equal(symlink("/dev/zero", path), 0);
}

static void make_loop(const char *path)
{
    assert_int_equal(symlink(strrchr(path, '/') + 1, path), 0);
}

static void make_pipe(const char *path)
{
    assert_int_equal(mkfifo(path, 0666), 0);
}

static void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0777), 0);
}

static void make_secret(const char *path)
{
    write_bytes(path, "secret", 6);
    assert_int_equal(chmod(path, 0), 0);
}

/** Take from root, or give back, what lets it read what nobody may; the owner's way through folders stays. */
static void set_override(bool on)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    const uint32_t override = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
    assert_int_equal(syscall(SYS_capget, &head, data), 0);
    data[0].effective =
        on ? data[0].effective | (override & data[0].permitted) : data[0].effective & ~override;
    assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void make_below_a_file(const char *path)
{
    write_bytes(path, "file", 4);
}

/* What is no file is told so at once: nobody waits for a pipe, or reads zeros for ever. */
static void test_no_files(void **state)
{
    (void)state;
    static const struct {
        const char *name, *below;
        void (*make)(const char *path);
        tt_track_status status;
        const char *says;
    } cases[] = {
        {"zero.wav", "", make_zero_link, TT_TRACK_UNREADABLE, "is not a file"},
        {"loop.wav", "", make_loop, TT_TRACK_UNREADABLE, "Too many levels of symbolic links"},
        {"pipe.wav", "", make_pipe, TT_TRACK_UNREADABLE, "is not a file"},
        {"folder.wav", "", make_folder, TT_TRACK_UNREADABLE, "is not a file"},
        {"secret.wav", "", make_secret, TT_TRACK_UNREADABLE, "Permission denied"},
        {"file.wav", "/x.wav", make_below_a_file, TT_TRACK_MISSING, "Not a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[1100];
        const char *name = cases[i].name, *made = mine(name);
        snprintf(path, sizeof path, "%s%s", made, cases[i].below);
        cases[i].make(made);
        bool secret = cases[i].make == make_secret;
        if (secret) set_override(false);
        outcome o = outcome_of(path);
        if (secret) set_override(true);
        assert_status(o.probe, cases[i].status);
        assert_status(o.worst, cases[i].status);
        assert_said(&o, cases[i].says);
        assert_int_equal(o.got, 0);
        remove(made);
    }
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_flac_after_flac),
    cmocka_unit_test(test_flac_of_any_rate),
    cmocka_unit_test(test_ogg_chain),
    cmocka_unit_test(test_wav_of_more_than_4_gb),
    cmocka_unit_test(test_mp3),
    cmocka_unit_test(test_mp3_joined),
    cmocka_unit_test(test_names),
    cmocka_unit_test(test_no_files),
};
TT_TEST_MAIN(cases)
