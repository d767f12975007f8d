/* The CSV reader: any bytes as a corpus manifest. */
#include "fuzz.h"

#include "tutti/corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tt_comm self = alone();
    tt_corpus_params params = {(char *)as_file(data, n), "csv"};
    tt_tracks tracks;
    tt_status s = tt_corpus_list(&self, &params, &tracks);
    must(s == TT_OK || s == TT_ERR_INPUT);
    must(s == TT_OK || strncmp(tt_message(), "corpus ", 7) == 0 || strstr(tt_message(), params.path));
    for (int64_t i = 0; i < tracks.n; i++) {
        const tt_track *t = &tracks.v[i];
        must(t->id[0] && t->lyrics && t->genre && t->language && t->split && !t->shard[0]);
        must((t->path[0] != '\0') == (t->status == TT_TRACK_OK));
    }
    tt_tracks_free(&tracks);
    return 0;
}
