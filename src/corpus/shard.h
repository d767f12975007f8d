/* The members of one tar shard, and the tracks that they make. */
#ifndef TUTTI_CORPUS_SHARD_H
#define TUTTI_CORPUS_SHARD_H

#include "tracks.h"

/* What a member is to its track. */
typedef enum part { AUDIO, LABELS, TEXT, GENRE, OTHER } part;

/* A member that belongs to a track. WebDataset's key of a sample is the path up to the first dot of its last
 * component, the rest is the extension; here an extension holds no white space, so that "01. Song.mp3" and
 * "Mr. Blue.txt" keep their titles. */
typedef struct member {
    char *name;  /* "a/b.lyrics.txt", without "./"; owned */
    int64_t key; /* bytes of name before the extension: "a/b" */
    part part;
    int64_t offset, bytes; /* of audio */
    int64_t order;         /* of its occurrence: of two with one name, the later counts */
    char *text;            /* of what is not audio; owned */
    char *link;            /* the name of the member that it is a hard link to, or NULL; owned */
} member;

typedef struct shard {
    const char *path;
    int64_t bytes, modified;
    member *v;
    int64_t n, room;
} shard;

/* Whether a member speaks for the whole sample, of which it is not the audio: x.json, x.cls, x.txt,
 * x.lyrics.txt. */
bool member_is_shared(const member *m);

/* Order by path up to the last dot. */
int member_compare_stems(const member *a, const member *b);

/* Read the headers of a tar file, and the texts; audio is left where it is. Hard links become what they link
 * to. What cannot be used is left out, with one warning per reason; a file that is damaged gives what stands
 * before the damage. Members come out sorted by key, then those of the whole sample first, then by stem and
 * name, each name once. Not collective. @return TT_OK, TT_ERR_INPUT (compressed) or TT_ERR_MEMORY;
 * shard_free() after either */
tt_status shard_read(const char *path, shard *out);

void shard_free(shard *s);

#endif
