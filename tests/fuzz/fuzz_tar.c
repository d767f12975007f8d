/* The tar reader: any bytes as a shard. A tar header has a checksum, which changed bytes would break: most
 * inputs get right ones, so that what is behind them is reached. */
#include "fuzz.h"

#include "tutti/corpus.h"

enum { BLOCK = 512, SUM_AT = 148, SUM_BYTES = 8, MAGIC_AT = 257 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed);

static void sign_header(uint8_t *header)
{
    unsigned sum = 0;
    memset(header + SUM_AT, ' ', SUM_BYTES);
    for (int i = 0; i < BLOCK; i++) sum += header[i];
    snprintf((char *)header + SUM_AT, SUM_BYTES, "%06o", sum);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed)
{
    n = LLVMFuzzerMutate(data, n, most);
    for (size_t at = 0; seed % 8 && at + BLOCK <= n; at += BLOCK)
        if (memcmp(data + at + MAGIC_AT, "ustar", 5) == 0) sign_header(data + at);
    return n;
}

static void check_track(const tt_track *t, const char *shard, int64_t bytes)
{
    must(t->id[0] && t->lyrics && t->genre && strcmp(t->shard, shard) == 0);
    must(t->status == TT_TRACK_OK || t->status == TT_TRACK_NO_AUDIO);
    must((t->path[0] != '\0') == (t->status == TT_TRACK_OK));
    must(t->bytes >= 0 && t->offset >= 0 && t->offset <= bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tt_comm self = alone();
    const char *path = as_file(data, n);
    tt_corpus_params params = {(char *)path, "tar"};
    tt_tracks tracks;
    tt_status s = tt_corpus_list(&self, &params, &tracks);
    must(s == TT_OK || s == TT_ERR_INPUT);
    for (int64_t i = 0; s == TT_OK && i < tracks.n; i++) {
        check_track(&tracks.v[i], path, (int64_t)n);
        must(i == 0 || strcmp(tracks.v[i - 1].id, tracks.v[i].id) < 0);
    }
    tt_tracks_free(&tracks);
    return 0;
}
