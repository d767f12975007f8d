/* seeds audio|tar|csv|config DIR: small well-formed inputs for a fuzz target to start from. */
#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <sndfile.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *path, const char *why)
{
    fprintf(stderr, "seeds: %s: %s\n", path, why);
    exit(1);
}

static void put(const char *dir, const char *name, const void *data, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) fail(path, "cannot write");
}

static void put_sound(const char *dir, int k, int format, int rate, int channels)
{
    enum { FRAMES = 4000 };
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", dir, k);
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) fail(path, sf_strerror(NULL));
    float x[2];
    for (int i = 0; i < FRAMES; i++) {
        x[0] = 0.4F * (float)sin(0.05 * i);
        x[1] = 0.3F * (float)sin(0.0003 * i * i);
        sf_writef_float(f, x, 1);
    }
    sf_close(f);
}

static void make_audio(const char *dir)
{
    static const struct {
        int format, rate, channels;
    } sounds[] = {
        {SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1},           {SF_FORMAT_WAVEX | SF_FORMAT_FLOAT, 44100, 2},
        {SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 8000, 1},        {SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 8000, 2},
        {SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1},           {SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1},
        {SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 22050, 1},         {SF_FORMAT_AU | SF_FORMAT_G721_32, 8000, 1},
        {SF_FORMAT_CAF | SF_FORMAT_ALAC_16, 8000, 1},          {SF_FORMAT_CAF | SF_FORMAT_PCM_16, 8000, 2},
        {SF_FORMAT_W64 | SF_FORMAT_PCM_U8, 8000, 1},           {SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 8000, 1},
        {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2},         {SF_FORMAT_FLAC | SF_FORMAT_PCM_S8, 8000, 1},
        {SF_FORMAT_OGG | SF_FORMAT_VORBIS, 22050, 1},          {SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 2},
        {SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 1},
    };
    for (int k = 0; k < (int)(sizeof sounds / sizeof *sounds); k++)
        put_sound(dir, k, sounds[k].format, sounds[k].rate, sounds[k].channels);
}

static void add_member(struct archive *a, const char *name, const char *text)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)strlen(text));
    archive_write_header(a, e);
    archive_write_data(a, text, strlen(text));
    archive_entry_free(e);
}

static void make_tar(const char *dir)
{
    static const char *const dialects[] = {"ustar", "pax", "gnutar"};
    char path[4096], name[300];
    memset(name, 'n', sizeof name);
    snprintf(name + 90, sizeof name - 90, "/and.wav");
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s/%s", dir, dialects[k]);
        struct archive *a = archive_write_new();
        if (archive_write_set_format_by_name(a, dialects[k]) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
            archive_write_open_filename(a, path) != ARCHIVE_OK)
            fail(path, archive_error_string(a));
        add_member(a, "./jazz/a.wav", "sound");
        add_member(a, "./jazz/a.txt", "words");
        add_member(a, "b.json",
                   "{\"id\": \"b\", \"genre\": 5, \"language\": \"bn\", \"lyrics\": \"la\", \"x\": [1]}");
        add_member(a, "b.flac", "more sound");
        add_member(a, "b.cls", "17\n");
        add_member(a, name, "sound of a long name");
        archive_write_close(a);
        archive_write_free(a);
    }
}

static void make_csv(const char *dir)
{
    static const char *const texts[] = {
        "path,id,genre,language,lyrics,split\na.wav,x,rock,en,la la,train\nb.wav,y,\"a "
        "\"\"b\"\"\",,\"two\nlines\",\n",
        "\xEF\xBB\xBF"
        "Path,GENRE\r\na.wav,rock\r\n\r\nb.wav,pop\r\n",
        "id,lyrics_path,path\nx,words.txt,\ny,nowhere.txt,/a.b/c.mp3\n",
        "path;genre\na.wav;rock\n",
    };
    for (int k = 0; k < 4; k++) put(dir, (char[]){(char)('0' + k), '\0'}, texts[k], strlen(texts[k]));
}

static void make_config(const char *dir)
{
    static const char file[] =
        "seed: 3\naudio: {clip_seconds: 2, clips_per_track: all}\nmodel:\n  hidden_dims: [7, 8]\n"
        "train: {precision: f32}\ncorpus:\n  path: 'x: y'\n";
    static const char sets[] =
        "seed: 1\n\0model.latent_dim=16\0train.reproducible=false\0audio.clip_hop=1e-1";
    put(dir, "file", file, sizeof file - 1);
    put(dir, "sets", sets, sizeof sets);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(const char *dir);
    } targets[] = {{"audio", make_audio}, {"tar", make_tar}, {"csv", make_csv}, {"config", make_config}};
    for (int k = 0; argc == 3 && k < 4; k++) {
        if (strcmp(argv[1], targets[k].name) != 0) continue;
        targets[k].make(argv[2]);
        return 0;
    }
    fprintf(stderr, "usage: seeds audio|tar|csv|config DIR\n");
    return 2;
}
