/* The stage that turns lyrics into numbers. */
#ifndef TUTTI_LYRICS_H
#define TUTTI_LYRICS_H

#include "tutti/text.h"

/** `tutti lyrics`: lyrics.h5 from manifest.h5. Rows are tracks, in the manifest's order:
 *  /terms, /df, /idf [terms] in the order of code points; /tfidf/{data,indices,indptr}, rows of length 1 as
 * scikit-learn's TfidfVectorizer gives; /track/words, the number of words after stop words; /track/language,
 * the label or a guess, and /track/language_guessed; /valid, 1 where a row of TF-IDF is not empty.
 * Where there is anything to embed: /embedding [tracks, L], the rows along the L largest singular vectors
 * (zeros where /valid is 0), L = min(lyrics.embedding_dims, what the texts have); /loadings [terms, L],
 * /singular_values, /explained_variance and /explained_variance_ratio [L] as scikit-learn's TruncatedSVD
 * tells them. With lyrics.embedding_file /embedding comes from there, and /valid marks the tracks that have a
 * row in it. Collective. @return TT_OK, TT_STOPPED, or the status of what failed, the same on every rank */
tt_status tt_lyrics(const tt_comm *comm, const tt_lyrics_params *params, const tt_provenance *provenance,
                    const char *manifest, const char *output);

enum { TT_LYRICS_FILES = 2 };

/** The files that settings name, "FILE" or "FILE.h5:/x": what is in them decides the result too. Not
 * collective.
 *  @param[out] file  pointers into params
 *  @return how many there are */
int tt_lyrics_files(const tt_lyrics_params *params, const char *file[TT_LYRICS_FILES]);

#endif
