/* The tempo of each track, from the tempograms of its clips. */
#include "features/extract.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 }; /* floats read at once, or one row */

/** Hold row `row`, and some behind it: those of the next tracks. */
static tt_status hold(beats *b, const extractor *e, int64_t row)
{
    int64_t lags = tt_analyzer_lags(e->analyzer), most = lags < PIECE ? PIECE / lags : 1;
    if (!b->rows) {
        TT_TRY(tt_alloc(most * lags, sizeof *b->rows, "tempograms", &b->rows));
        TT_TRY(tt_alloc(lags, sizeof *b->sum, "tempograms", &b->sum));
    }
    if (row >= b->first && row < b->first + b->n) return TT_OK;
    b->first = row;
    b->n = e->plan.all.clips - row < most ? e->plan.all.clips - row : most;
    return tt_store_read(e->store, "/clip/tempogram", row, b->n, TT_F32, b->rows);
}

tt_status beats_tempo(beats *b, const extractor *e, int64_t first, int64_t n, const int32_t *status,
                      float *tempo)
{
    int64_t lags = tt_analyzer_lags(e->analyzer), valid = 0;
    *tempo = 0;
    if (b->sum) memset(b->sum, 0, (size_t)lags * sizeof *b->sum);
    for (int64_t i = 0; i < n; i++) {
        if (!tt_track_status_valid(status[i])) continue;
        TT_TRY(hold(b, e, first + i));
        const float *row = b->rows + (first + i - b->first) * lags;
        for (int64_t lag = 0; lag < lags; lag++) b->sum[lag] += (double)row[lag];
        valid++;
    }
    if (valid == 0) return TT_OK;
    for (int64_t lag = 0; lag < lags; lag++) b->sum[lag] /= (double)valid;
    *tempo = tt_tempo(b->sum, lags, (double)e->audio->sample_rate / e->features->hop_length);
    return TT_OK;
}

void beats_free(beats *b)
{
    free(b->rows);
    free(b->sum);
}
