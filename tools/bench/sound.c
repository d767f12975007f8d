/* What measuring extraction needs of libsndfile alone.
 *
 *   sound decode FILE...                            read each file in blocks; print seconds of sound, wall,
 * processor sound encode SECONDS RATE CHANNELS OUT FILE...  write OUT (its ending says how) from those FILEs
 * that have this rate and number of channels, over and over */
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 65536, CHANNELS = 8 };

static float block[BLOCK];

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Frames in whole blocks; their number. */
static sf_count_t next(SNDFILE *f, const SF_INFO *info)
{
    return sf_readf_float(f, block, BLOCK / info->channels);
}

static int decode(int n, char **file)
{
    double sound = 0, wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
        SF_INFO info = {0};
        SNDFILE *f = sf_open(file[i], SFM_READ, &info);
        if (!f || info.channels > CHANNELS) return fprintf(stderr, "%s: %s\n", file[i], sf_strerror(f)), 1;
        for (sf_count_t got; (got = next(f, &info)) > 0;) sound += (double)got / info.samplerate;
        sf_close(f);
    }
    printf("%.6f %.6f %.6f\n", sound, seconds_of(CLOCK_MONOTONIC) - wall,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}

static int format_of(const char *path)
{
    static const struct {
        const char *ending;
        int format;
    } table[] = {{".wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                 {".flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                 {".ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
                 {".opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
                 {".mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof table / sizeof *table; i++)
        if (strcmp(dot, table[i].ending) == 0) return table[i].format;
    return 0;
}

/* One more file into `out`; frames still wanted. */
static sf_count_t append(SNDFILE *out, const SF_INFO *want, const char *path, sf_count_t left)
{
    SF_INFO info = {0};
    SNDFILE *in = sf_open(path, SFM_READ, &info);
    if (in && info.samplerate == want->samplerate && info.channels == want->channels)
        for (sf_count_t got; left > 0 && (got = next(in, &info)) > 0; left -= got)
            sf_writef_float(out, block, got < left ? got : left);
    if (in) sf_close(in);
    return left;
}

static int encode(char **argument, int n, char **file)
{
    SF_INFO want = {.samplerate = atoi(argument[1]), .channels = atoi(argument[2])};
    want.format = format_of(argument[3]);
    sf_count_t left = (sf_count_t)(atof(argument[0]) * want.samplerate), before = left + 1;
    SNDFILE *out = sf_open(argument[3], SFM_WRITE, &want);
    if (!out) return fprintf(stderr, "%s: %s\n", argument[3], sf_strerror(NULL)), 1;
    while (left > 0 && left < before) {
        before = left;
        for (int i = 0; i < n && left > 0; i++) left = append(out, &want, file[i], left);
    }
    sf_close(out);
    if (left > 0) return fprintf(stderr, "%s: no file of this kind to make it from\n", argument[3]), 1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "decode") == 0) return decode(argc - 2, argv + 2);
    if (argc > 6 && strcmp(argv[1], "encode") == 0) return encode(argv + 2, argc - 6, argv + 6);
    fputs("usage: sound decode FILE... | sound encode SECONDS RATE CHANNELS OUT FILE...\n", stderr);
    return 2;
}
