/* The three ways to write a corpus down. */
#ifndef TUTTI_CORPUS_FORMATS_H
#define TUTTI_CORPUS_FORMATS_H

#include "tracks.h"

/** Each lists the corpus at `path` into tracks dealt by tt_partition(total, 1, ...). Collective; the same
 * status on every rank; *out is empty unless TT_OK. */
tt_status list_folder(const tt_comm *comm, const char *path, tt_tracks *out);
tt_status list_csv(const tt_comm *comm, const char *path, tt_tracks *out);
tt_status list_shards(const tt_comm *comm, const char *pattern, tt_tracks *out);

/** Whether there are .tar files in a folder, not below it. Not collective. */
bool folder_has_shards(const char *path);

/** The shards of a pattern, or of a folder, sorted, each once, NUL-terminated in *names [*n bytes]; the same
 * on every rank. What does not exist is left out, with one warning if `tell`. free(). Collective. */
tt_status expand_shards(const tt_comm *comm, const char *pattern, bool tell, char **names, int64_t *n);

/** The tracks of one shard. A shard that is damaged gives those before the damage, with a warning. Not
 * collective.
 *  @return TT_OK, TT_ERR_INPUT (compressed) or TT_ERR_MEMORY */
tt_status read_shard(const char *path, track_list *list);

/** A CSV file, record by record (RFC 4180). */
typedef struct csv csv;

/** One record: fields[i] is NUL-terminated, valid until the next. */
typedef struct csv_record {
    char **fields;
    int64_t n;
    int64_t line; /**< where it begins, from 1 */
} csv_record;

tt_status csv_open(const char *path, csv **out);

/** The next record, blank lines skipped; *more is false at the end. @return TT_OK, TT_ERR_INPUT naming file
 * and line, TT_ERR_IO or TT_ERR_MEMORY */
tt_status csv_next(csv *file, csv_record *record, bool *more);

void csv_close(csv *file);

#endif
