/* Lists of tracks that grow, travel and get dealt. */
#ifndef TUTTI_CORPUS_TRACKS_H
#define TUTTI_CORPUS_TRACKS_H

#include "tutti/corpus.h"

enum {
    LABEL_MAX = 4096, /**< bytes of an id, a path or a label: columns are as wide as their longest value */
    LYRICS_MAX = 1 << 26, /**< bytes of one text; what is longer is cut there, with a warning */
};

/** A list of tracks on one rank. */
typedef struct track_list {
    tt_track *v;
    int64_t n, room;
} track_list;

/** Append a track that owns nothing yet, its texts NULL; NULL if out of memory. */
tt_track *list_add(track_list *list);

/** Set a text of a track, freeing what was there; n bytes, NULs within left out. NULL text is "". */
tt_status set_text(char **field, const char *text, int64_t n);

/** Give every text that is still NULL an empty one, and note whether there were lyrics; once. */
tt_status track_complete(tt_track *track);

/** Make labels and lyrics UTF-8: bytes that are not become '?'. Paths and ids stay as they are. @return
 * whether there were any */
bool track_make_utf8(tt_track *track);

void track_clear(tt_track *track);
void list_free(track_list *list);

/** Sort by id, as bytes. */
void list_sort(track_list *list);

/** Send each track to the rank dest[i]; the list becomes what arrived, in the order of the ranks that sent
 * it. Collective; `status` is this rank's own so far. */
tt_status list_exchange(const tt_comm *comm, track_list *list, const int *dest, tt_status status);

/** Sort over all ranks by id and deal by tt_partition(total, 1, ...). An id that occurs twice is
 * TT_ERR_INPUT. Collective. */
tt_status list_deal(const tt_comm *comm, track_list *list, tt_status status, tt_tracks *out);

/** Which tracks have an id that another track has too, on whatever rank: (*repeated) [list->n], free(). Each
 * id is hashed (128 bits), and equal hashes meet on one rank. Collective; `status` is this rank's own so far.
 */
tt_status find_repeated_ids(const tt_comm *comm, const track_list *list, tt_status status, bool **repeated);

/** Concatenate every rank's n bytes on every rank, in rank order; free(). Collective. */
tt_status gather_bytes(const tt_comm *comm, const void *data, int64_t n, char **out, int64_t *out_n);

/** Texts grow in one buffer: what is packed, sent or parsed. */
typedef struct buffer {
    char *data;
    int64_t n, room;
} buffer;

tt_status buffer_add(buffer *b, const void *data, int64_t n);

/** Texts in data [n bytes], each with its NUL: how many; pointers to them, sorted as bytes, free(). */
int64_t texts_count(const char *data, int64_t n);
tt_status texts_sort(const char *data, int64_t n, const char ***out, int64_t *count);

/** Sort the texts of a buffer and keep each once. */
tt_status texts_tidy(buffer *b);

/** Make the NULs of a text [n], which has room for one more byte, blanks, and end it with one: a word does
 * not go on behind a NUL. */
void blank_nuls(char *text, int64_t n);

/** Read a text file of lyrics into *text (NULs become blanks, LYRICS_MAX kept). A file that cannot be read is
 * warned of and gives NULL. @return TT_OK or TT_ERR_MEMORY */
tt_status read_lyrics(const char *path, char **text);

/** Stat the audio of a plain file: bytes and modified; zeros if it is not there. */
void stat_audio(tt_track *track);

/** Whether a text ends so, upper and lower case alike. */
bool has_ending(const char *text, const char *end);

/** Bytes of `name` before its extension, if that is one of audio that can be read; -1 otherwise. */
int64_t audio_stem(const char *name);

/** Give the tracks [first, n) of one folder or shard their ids: where `channels` is 1 (it becomes 0) the id
 * is a path to audio, which loses its extension unless others would then be called the same. They come out
 * sorted by id. */
void name_tracks(track_list *list, int64_t first);

#endif
