#include "synth/output.h"

#include "tutti/signal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const time_t member_time = 1000000000; /* any moment, the same for every member */

static tt_status add_member(struct archive *tar, const synth_corpus *corpus, const synth_plan *plan,
                            const char *extension, const void *data, int64_t n)
{
    char name[NAME_MAX_BYTES];
    synth_name_file(corpus, plan, extension, name);
    struct archive_entry *entry = archive_entry_new();
    if (!entry) return tt_fail(TT_ERR_MEMORY, "no memory for a tar member");
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, member_time, 0);
    archive_entry_set_size(entry, n);
    bool written = archive_write_header(tar, entry) == ARCHIVE_OK;
    if (written && n > 0) written = archive_write_data(tar, data, (size_t)n) == n;
    archive_entry_free(entry);
    return written ? TT_OK : tt_fail(TT_ERR_IO, "%s: %s", name, archive_error_string(tar));
}

/* A WebDataset sample: members of one key, in alphabetical order but for the audio, which comes first. */
static tt_status add_track(struct archive *tar, const synth_corpus *corpus, const synth_plan *plan,
                           const synth_track *track)
{
    char json[256];
    int n = snprintf(json, sizeof json,
                     "{\"id\": \"%s\", \"genre\": \"%s\", \"language\": \"%s\", \"split\": \"%s\"}\n",
                     plan->id, plan->genre, plan->language_name, plan->split);
    TT_TRY(add_member(tar, corpus, plan, plan->extension, track->audio.data, track->audio.n));
    TT_TRY(add_member(tar, corpus, plan, "cls", plan->genre, (int64_t)strlen(plan->genre)));
    TT_TRY(add_member(tar, corpus, plan, "json", json, n));
    if (!*track->lyrics) return TT_OK;
    return add_member(tar, corpus, plan, "txt", track->lyrics, (int64_t)strlen(track->lyrics));
}

static tt_status fill(struct archive *tar, const synth_corpus *corpus, int64_t shard, synth_studio *studio,
                      synth_track *track, int64_t *seconds)
{
    int64_t first = shard * corpus->shard_tracks, end = first + corpus->shard_tracks;
    for (int64_t i = first; i < end && i < corpus->tracks; i++) {
        TT_TRY(tt_stop_status());
        synth_plan plan = synth_plan_track(corpus, i);
        TT_TRY(synth_track_make(studio, &plan, track));
        TT_TRY(add_track(tar, corpus, &plan, track));
        *seconds += plan.frames / plan.sample_rate;
    }
    return TT_OK;
}

static tt_status write_shard(const synth_corpus *corpus, int64_t shard, const char *partial,
                             synth_studio *studio, synth_track *track, int64_t *seconds)
{
    struct archive *tar = archive_write_new();
    if (!tar) return tt_fail(TT_ERR_MEMORY, "no memory for a tar file");
    tt_status status = TT_OK;
    bool opened = archive_write_set_format_ustar(tar) == ARCHIVE_OK &&
                  archive_write_open_filename(tar, partial) == ARCHIVE_OK;
    if (!opened) status = tt_fail(TT_ERR_IO, "cannot create %s: %s", partial, archive_error_string(tar));
    if (status == TT_OK) status = fill(tar, corpus, shard, studio, track, seconds);
    if (status == TT_ERR_IO) status = tt_fail_because(TT_ERR_IO, "cannot write %s", partial);
    if (archive_write_close(tar) != ARCHIVE_OK && status == TT_OK)
        status = tt_fail(TT_ERR_IO, "cannot write %s: %s", partial, archive_error_string(tar));
    archive_write_free(tar);
    return status;
}

tt_status synth_shard_write(const synth_corpus *corpus, int64_t shard, synth_studio *studio,
                            synth_track *track, bool *skipped, int64_t *seconds)
{
    char name[NAME_MAX_BYTES], *partial = NULL, *path = NULL;
    synth_name_shard(corpus, shard, name);
    tt_status status = synth_path(corpus, name, true, &partial);
    if (status == TT_OK) status = synth_path(corpus, name, false, &path);
    *skipped = status == TT_OK && synth_exists(path);
    if (status == TT_OK && !*skipped) {
        status = write_shard(corpus, shard, partial, studio, track, seconds);
        if (status == TT_OK)
            status = synth_file_publish(partial, path);
        else
            unlink(partial);
    }
    free(partial);
    free(path);
    return status;
}
