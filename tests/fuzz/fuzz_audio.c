/* The audio reader: any bytes as a file, probed, decoded to the end, and from the middle. */
#include "fuzz.h"

#include "tutti/audio.h"

#include <math.h>

enum { RATE = 22050, BLOCK = 8192 };

static const double seconds_max = 3600; /* of one input, lest a few bytes of silence take the day */

static void read_all(tt_audio *audio, double announced)
{
    static float x[BLOCK];
    int64_t got = BLOCK, total = 0;
    while (got == BLOCK && (double)total < seconds_max * RATE) {
        tt_track_status now = TT_TRACK_OK;
        must(tt_audio_read(audio, x, BLOCK, &got, &now) == TT_OK);
        must(got >= 0 && got <= BLOCK);
        for (int64_t i = 0; i < got; i++) must(isfinite(x[i]));
        must(now == TT_TRACK_OK || tt_message()[0]);
        total += got;
    }
    must(announced > 0);
}

/* Read on from the middle. */
static void read_middle(const tt_track *t)
{
    tt_audio *audio;
    tt_track_status opened, now = TT_TRACK_OK;
    must(tt_audio_open(t, RATE, &audio, &opened) == TT_OK);
    if (!audio) return;
    double middle = t->seconds < seconds_max ? t->seconds / 2 : seconds_max / 2;
    bool there = false;
    tt_status s = TT_OK;
    while (s == TT_OK && !there) s = tt_audio_seek(audio, (int64_t)(middle * RATE), &there);
    must(s == TT_OK || s == TT_ERR_INPUT);
    static float x[BLOCK];
    int64_t got;
    if (s == TT_OK) must(tt_audio_read(audio, x, BLOCK, &got, &now) == TT_OK);
    tt_audio_close(audio);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tt_track t = {.id = "t", .path = (char *)as_file(data, n), .shard = ""};
    tt_audio_info info;
    tt_track_status probed, opened;
    must(tt_audio_probe(&t, &info, &probed) == TT_OK);
    must(info.seconds >= 0 && info.seconds < 1e9 && info.frames >= 0);
    must(info.seconds > 0 || probed > TT_CLIP_SOFT);
    t.seconds = info.seconds;
    tt_audio *audio;
    must(tt_audio_open(&t, RATE, &audio, &opened) == TT_OK);
    must((audio != NULL) == (opened <= TT_CLIP_SOFT));
    if (audio && info.seconds > 0) read_all(audio, info.seconds);
    tt_audio_close(audio);
    if (info.seconds > 0) read_middle(&t);
    return 0;
}
