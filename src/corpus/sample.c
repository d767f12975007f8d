/* The samples of one tar shard: members that share a key are one track. */
#include "formats.h"
#include "shard.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Members [begin, end) of a shard. */
typedef struct span {
    int64_t begin, end;
} span;

static int64_t stem_of(const member *m)
{
    return strrchr(m->name, '.') - m->name;
}

static bool is_lyrics(const member *m)
{
    return strcasecmp(m->name + m->key, ".lyrics.txt") == 0;
}

bool member_is_shared(const member *m)
{
    return m->part != AUDIO && (stem_of(m) == m->key || is_lyrics(m));
}

int member_compare_stems(const member *a, const member *b)
{
    int64_t x = stem_of(a), y = stem_of(b);
    int c = memcmp(a->name, b->name, (size_t)(x < y ? x : y));
    return c != 0 ? c : (x > y) - (x < y);
}

static bool same_key(const member *a, const member *b)
{
    return a->key == b->key && memcmp(a->name, b->name, (size_t)a->key) == 0;
}

/* A text of the labels; a number is taken as its digits, for ids and classes are often numbers. */
static tt_status json_label(const shard *s, const member *m, const json_t *labels, const char *key,
                            int64_t most, char **out)
{
    const json_t *value = json_object_get(labels, key);
    if (json_is_integer(value)) {
        free(*out);
        return tt_format(out, "%lld", (long long)json_integer_value(value));
    }
    if (!json_is_string(value)) return TT_OK;
    size_t n = json_string_length(value);
    if ((int64_t)n > most) {
        tt_warn("shard %s: %s: `%s` is longer than %lld bytes, left out", s->path, m->name, key,
                (long long)most);
        return TT_OK;
    }
    return set_text(out, json_string_value(value), (int64_t)n);
}

static tt_status take_labels(const shard *s, const member *m, tt_track *t, bool unique)
{
    json_error_t error;
    json_t *labels = json_loads(m->text, 0, &error);
    if (!json_is_object(labels))
        tt_warn("shard %s: %s: is not a JSON object of labels: %s", s->path, m->name,
                labels ? "it is of another type" : error.text);
    tt_status status = unique ? json_label(s, m, labels, "id", LABEL_MAX, &t->id) : TT_OK;
    if (status == TT_OK) status = json_label(s, m, labels, "genre", LABEL_MAX, &t->genre);
    if (status == TT_OK) status = json_label(s, m, labels, "language", LABEL_MAX, &t->language);
    if (status == TT_OK) status = json_label(s, m, labels, "split", LABEL_MAX, &t->split);
    if (status == TT_OK && !t->lyrics) status = json_label(s, m, labels, "lyrics", LYRICS_MAX, &t->lyrics);
    json_decref(labels);
    return status;
}

static tt_status take_genre(const member *m, tt_track *t)
{
    const char *text = m->text + strspn(m->text, " \t\r\n");
    size_t n = strcspn(text, "\r\n");
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) n--;
    return n > 0 && n <= LABEL_MAX ? set_text(&t->genre, text, (int64_t)n) : TT_OK;
}

/* Of several texts: x.lyrics.txt before that of the audio's own name, and that before any other. */
static const member *better_text(const member *best, const member *m, const member *audio)
{
    int rank[2] = {0, 0};
    const member *const texts[] = {best, m};
    for (int i = 0; i < 2; i++) {
        if (!texts[i]) continue;
        bool own = audio && member_compare_stems(texts[i], audio) == 0;
        rank[i] = is_lyrics(texts[i]) ? 3 : own ? 2 : 1;
    }
    return rank[1] > rank[0] ? m : best;
}

/* A track as two spans of members tell it, the second with the last word: a genre from the folder, then from
 * .cls, then from .json. `audio` is NULL if there is none; a JSON id is taken if no other audio could claim
 * it. */
static tt_status describe(const shard *s, const span from[2], const member *audio, bool alone, tt_track *t)
{
    const member *any = audio ? audio : &s->v[from[1].begin], *text = NULL;
    const char *slash = memchr(any->name, '/', (size_t)any->key);
    TT_TRY(set_text(&t->genre, any->name, slash ? slash - any->name : 0));
    for (int k = 0; k < 2; k++)
        for (int64_t i = from[k].begin; i < from[k].end; i++) {
            const member *m = &s->v[i];
            if (m->part == TEXT) text = better_text(text, m, audio);
            if (m->part == GENRE) TT_TRY(take_genre(m, t));
        }
    if (text) TT_TRY(set_text(&t->lyrics, text->text, (int64_t)strlen(text->text)));
    for (int k = 0; k < 2; k++)
        for (int64_t i = from[k].begin; i < from[k].end; i++)
            if (s->v[i].part == LABELS) TT_TRY(take_labels(s, &s->v[i], t, alone));
    return TT_OK;
}

/* Append the track of `audio`, or of labels alone. Its id: what a JSON says, the key where the sample has one
 * audio, and otherwise the path, for name_tracks() to cut. */
static tt_status add_track(const shard *s, const span from[2], const member *audio, bool alone,
                           track_list *list)
{
    tt_track *t = list_add(list);
    if (!t) return TT_ERR_MEMORY;
    const member *any = audio ? audio : &s->v[from[1].begin];
    TT_TRY(set_text(&t->shard, s->path, (int64_t)strlen(s->path)));
    t->modified = s->modified;
    t->status = audio ? TT_TRACK_OK : TT_TRACK_NO_AUDIO;
    if (audio) {
        t->offset = audio->offset;
        t->bytes = audio->bytes;
        TT_TRY(set_text(&t->path, audio->name, (int64_t)strlen(audio->name)));
    }
    TT_TRY(describe(s, from, audio, alone, t));
    if (!t->id || !t->id[0]) {
        t->channels = !alone;
        TT_TRY(set_text(&t->id, any->name, alone ? any->key : (int64_t)strlen(any->name)));
    }
    TT_TRY(track_complete(t));
    track_make_utf8(t);
    return TT_OK;
}

/* The members of one key, of which those of the whole sample come first. One audio has them all; of several,
 * each has those of the sample and those of its own stem. Labels without audio are a track too; a text alone
 * is a README. */
static tt_status add_sample(const shard *s, span sample, track_list *list)
{
    int64_t n_audio = 0, n_labels = 0, shared = sample.begin;
    for (int64_t i = sample.begin; i < sample.end; i++) {
        n_audio += s->v[i].part == AUDIO;
        n_labels += s->v[i].part == LABELS;
        shared += member_is_shared(&s->v[i]);
    }
    if (n_audio == 0 && n_labels == 0) return TT_OK;
    if (n_audio == 0)
        return add_track(s, (span[2]){{shared, sample.end}, {sample.begin, shared}}, NULL, true, list);
    for (int64_t i = shared, end; i < sample.end; i = end) {
        for (end = i + 1; end < sample.end && member_compare_stems(&s->v[i], &s->v[end]) == 0;) end++;
        span one[2] = {{shared, sample.end}, {sample.begin, shared}};
        span several[2] = {{sample.begin, shared}, {i, end}};
        for (int64_t k = i; k < end; k++)
            if (s->v[k].part == AUDIO)
                TT_TRY(add_track(s, n_audio == 1 ? one : several, &s->v[k], n_audio == 1, list));
    }
    return TT_OK;
}

static tt_status add_samples(const shard *s, track_list *list)
{
    int64_t first = list->n;
    for (int64_t i = 0, end; i < s->n; i = end) {
        for (end = i + 1; end < s->n && same_key(&s->v[i], &s->v[end]);) end++;
        TT_TRY(add_sample(s, (span){i, end}, list));
    }
    if (list->n == first && s->n > 0) tt_warn("shard %s: holds neither audio nor labels", s->path);
    name_tracks(list, first);
    return TT_OK;
}

tt_status read_shard(const char *path, track_list *list)
{
    shard s;
    tt_status status = shard_read(path, &s);
    if (status == TT_OK) status = add_samples(&s, list);
    shard_free(&s);
    return status;
}
