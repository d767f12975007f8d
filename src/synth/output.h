/* Where the files of a corpus go, and how they get there: under a hidden name first, then by one rename. */
#ifndef TUTTI_SYNTH_OUTPUT_H
#define TUTTI_SYNTH_OUTPUT_H

#include "synth/track.h"

enum { NAME_MAX_BYTES = 128 };

/** Name of a track's file below the corpus folder ("rock/000012.flac", "audio/000/000012.flac"); in a tar
 * layout that of its member. @param extension  "txt" for the lyrics, else the audio's */
void synth_name_file(const synth_corpus *corpus, const synth_plan *plan, const char *extension,
                     char name[NAME_MAX_BYTES]);

/** Name of a shard, "shard-0003.tar". */
void synth_name_shard(const synth_corpus *corpus, int64_t shard, char name[NAME_MAX_BYTES]);

int64_t synth_shards(const synth_corpus *corpus);

/** out/name, or out/DIR/.BASE.part for a file that is being written. Free with free(). */
tt_status synth_path(const synth_corpus *corpus, const char *name, bool partial, char **path);

/** Whether a file is there. */
bool synth_exists(const char *path);

/** Write n bytes as the file `name`. @return TT_OK, TT_ERR_IO or TT_ERR_MEMORY. Not collective. */
tt_status synth_file_write(const synth_corpus *corpus, const char *name, const void *data, int64_t n);

/** Rename a finished partial file to its name. */
tt_status synth_file_publish(const char *partial, const char *path);

/** Make the folders, and refuse one that holds anything but this corpus. Call from one rank.
 *  @return TT_OK, TT_ERR_USAGE (something else is there), TT_ERR_IO, TT_ERR_MEMORY */
tt_status synth_output_prepare(const synth_corpus *corpus);

/** Write manifest.csv (csv layout) and broken.csv (where tracks are broken on purpose). Call from one rank.
 */
tt_status synth_output_lists(const synth_corpus *corpus);

/** Write one shard unless it is there; *skipped says so. @return TT_OK, TT_STOPPED, TT_ERR_IO, ... Not
 * collective. */
tt_status synth_shard_write(const synth_corpus *corpus, int64_t shard, synth_studio *studio,
                            synth_track *track, bool *skipped, int64_t *seconds);

#endif
