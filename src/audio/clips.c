#include "tutti/audio.h"

#include <math.h>

static const double slack = 1e-6; /* of a sample: what seconds, as frames / rate, may have lost in rounding */

int64_t tt_clip_samples(const tt_audio_params *params)
{
    int64_t n = llround(params->clip_seconds * params->sample_rate);
    return n < 1 ? 1 : n;
}

int64_t tt_hop_samples(const tt_audio_params *params)
{
    int64_t n = llround(params->clip_hop * params->sample_rate);
    return n < 1 ? 1 : n;
}

int64_t tt_clips_of(const tt_audio_params *params, double seconds)
{
    if (!(seconds > 0 && seconds < 1e9)) return 0;
    int64_t samples = (int64_t)floor(seconds * params->sample_rate + slack);
    int64_t clip = tt_clip_samples(params), hop = tt_hop_samples(params);
    int64_t n = samples >= clip ? (samples - clip) / hop + 1 : 2 * samples >= clip;
    return params->clips_per_track > 0 && n > params->clips_per_track ? params->clips_per_track : n;
}
