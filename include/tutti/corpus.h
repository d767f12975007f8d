/* A corpus: where its tracks are and what is known of them; and the manifest that keeps it. */
#ifndef TUTTI_CORPUS_H
#define TUTTI_CORPUS_H

#include "tutti/comm.h"
#include "tutti/store.h"

/** Settings `corpus:`. */
typedef struct tt_corpus_params {
    char *path;   /**< folder, CSV manifest (or the folder of a `manifest.csv`), or shards
                     ("shard-{0000..0127}.tar", a glob of .tar files, one .tar, a folder of them, or several of
                     these separated by commas) */
    char *format; /**< auto | folder | csv | tar. auto takes a folder with a `manifest.csv` at its top for
                     CSV, and one with .tar files at its top and no audio at any depth for shards */
} tt_corpus_params;

/** What became of a track or a clip: the closed list behind every `status` and `/failures/code`. Values are
 *  stored in files: append only. Codes up to TT_CLIP_SOFT keep the row and mark it; above, the row is
 * invalid. */
typedef enum tt_track_status {
    TT_TRACK_OK = 0,
    TT_TRACK_TRUNCATED = 1, /**< ends before its header says; clips before the cut are kept */
    TT_TRACK_SILENT = 2,    /**< decoded, nothing but (near) zeros: features are finite, the row is marked */
    TT_TRACK_CLIPPED = 3,   /**< many samples at full scale */
    TT_TRACK_TIMEOUT = 4,   /**< took longer than audio.time_limit; clips got before are kept */
    TT_CLIP_SOFT = 15,      /**< not a status: the last soft code */
    TT_TRACK_NO_AUDIO = 16, /**< the manifest names no audio: counted, not failed */
    TT_TRACK_MISSING = 17,  /**< no such file */
    TT_TRACK_EMPTY = 18,    /**< zero bytes or zero samples */
    TT_TRACK_UNREADABLE = 19, /**< no decoder knows it, or permission */
    TT_TRACK_TOO_SHORT = 20,  /**< shorter than one clip can be made of */
    TT_TRACK_NON_FINITE = 21, /**< Inf or NaN samples */
    TT_TRACK_DAMAGED = 22,    /**< decoding failed within; no whole clip was got */
    TT_TRACK_TOO_SLOW = 23,   /**< took longer than audio.time_limit; no whole clip was got */
} tt_track_status;

/** Name of a status, "truncated"; never NULL. */
const char *tt_track_status_name(int status);

/** Whether rows of this status hold features. */
bool tt_track_status_valid(int status);

/** One track. Texts are owned, never NULL ("" is unknown), UTF-8. */
typedef struct tt_track {
    char *id; /**< unique: the path without extension, or the manifest's id */
    char *
        path; /**< file, absolute or relative to the working directory; member name in a shard; "" no audio */
    char *shard;      /**< tar file that holds it, "" for plain files */
    int64_t offset;   /**< of the audio's first byte in the shard, 0 for plain files */
    int64_t bytes;    /**< of the audio, 0 if there is none */
    int64_t modified; /**< mtime of the file or shard, nanoseconds since 1970 */
    char *genre, *language, *split;
    char *lyrics;    /**< the text itself, which may be empty */
    bool has_lyrics; /**< a text of lyrics was given and could be read */
    double seconds;  /**< from here on: filled by tt_scan(), 0 before */
    int32_t sample_rate;
    int32_t channels;
    char format[16]; /**< "wav", "ogg-vorbis", ... */
    int32_t status;  /**< tt_track_status */
} tt_track;

/** This rank's tracks: rows [first, first + n) of `total`, in one order that does not depend on the rank
 * count. */
typedef struct tt_tracks {
    tt_track *v;
    int64_t n, first, total;
} tt_tracks;

/** List a corpus without opening audio, lyrics included. Tracks are dealt by tt_partition(total, 1, ...):
 * sorted by id (as bytes) from folders and shards, in the order of the rows from a CSV manifest.
 *
 * Folders: genre/track.ext to any depth, links followed, hidden files skipped; track.txt beside it is its
 * lyrics. The id is the path without its extension, unless another track would then be called the same.
 *
 * CSV (RFC 4180): columns path, id, genre, language, lyrics or lyrics_path, split in any order and case,
 * others ignored; paths are relative to its own folder; an empty path is a track without audio; without an id
 * it is as for folders, or the row's number.
 *
 * Shards, after WebDataset: members that share a key, the path up to the first dot of the name, are one
 * sample: audio, .json (genre, language, lyrics, split, id), .lyrics.txt or .txt (lyrics), .cls (genre, a
 * word or a number). The id is the key. Two rules are for folders of music that were packed as they are: an
 * extension holds no white space ("01. Song.mp3" has the key "01. Song"); and of several audio members of one
 * key each is a track, with the members of its own stem (up to the last dot) and those called KEY.json,
 * KEY.cls, KEY.txt, KEY.lyrics.txt. Where a key is in several shards, the ids begin with the shard's name.
 * Patterns: {0000..0127}, {0..20..2}, {a,b}, globs, folders of .tar files, separated by commas; what is not
 * there is left out, with a warning that names it. A damaged shard gives what stands before the damage, with
 * a warning; hard links are what they link to, symbolic links and sparse members are left out with one.
 *
 * A track has lyrics where there is a file of them that can be read, a JSON text, or a field of a CSV that is
 * not empty, though the file or the text may be: an instrumental that says so is not one of unknown lyrics.
 *
 * Labels and lyrics come out as UTF-8, other bytes as '?'; a NUL in lyrics is a blank; lyrics beyond 64 MB
 * are cut there, with a warning. Collective. @return TT_OK, TT_ERR_INPUT (no tracks; an id twice; a CSV that
 * cannot be read, with its line; a compressed shard), TT_ERR_IO, TT_ERR_CONFIG (format; a URL) or
 * TT_ERR_MEMORY, the same on every rank. Free with tt_tracks_free(). */
tt_status tt_corpus_list(const tt_comm *comm, const tt_corpus_params *params, tt_tracks *out);

void tt_tracks_free(tt_tracks *tracks);

/** Hash over all tracks' identity, labels, lyrics, sizes and modification times (of shards: their names,
 * sizes and times): changes when the corpus does. The same on every rank and for every rank count; no audio
 * is opened. Collective. */
tt_status tt_corpus_fingerprint(const tt_comm *comm, const tt_corpus_params *params,
                                char *hash /* [TT_HASH_TEXT] */);

/** Write manifest.h5:
 * /track/{id,path,shard,offset,bytes,modified,seconds,sample_rate,channels,format,genre,language,
 *  lyrics,split,status}. /track/lyrics is int64 [tracks, 2], (offset, bytes) into /lyrics/text, uint8, and
 * (-1, 0) where a track has none. Text columns are as wide as their longest value, and say so in their
 * attribute `bytes`. Collective. */
tt_status tt_manifest_write(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                            const tt_tracks *tracks, const tt_phases *phases);

/** Read rows [first, first + count) of a manifest; lyrics only if asked (none otherwise). Not collective. */
tt_status tt_manifest_read(tt_store *manifest, int64_t first, int64_t count, bool lyrics, tt_tracks *out);

/** Number of tracks in an open manifest. Collective. */
tt_status tt_manifest_tracks(tt_store *manifest, int64_t *tracks);

/** The sorted distinct values of a text column (genre, language) over all rows, "" excluded; the same on
 * every rank. Free as one block with free(). Collective. */
tt_status tt_manifest_labels(const tt_comm *comm, tt_store *manifest, const char *column, char ***labels,
                             int *n);

/** Rows and the classes that they are of. */
typedef struct tt_classes {
    int64_t rows;   /**< over all ranks */
    int32_t *label; /**< of this rank's rows under tt_partition(rows, TT_BLOCK_ROWS, ...), into name; -1:
                       unknown; owned */
    int n;          /**< classes */
    char **name;    /**< [n] sorted, the same on every rank; one block, owned */
} tt_classes;

void tt_classes_free(tt_classes *classes);

#endif
