/* Pictures and tables of a run. */
#ifndef TUTTI_REPORT_H
#define TUTTI_REPORT_H

#include "tutti/store.h"

/** Files of a run that the report draws from. */
typedef struct tt_report_inputs {
    const char *manifest, *features, *model, *latents, *clusters, *embedding, *metrics;
} tt_report_inputs;

/** `tutti report`: pictures into the folder `results` (made if missing; each as NAME.part, then renamed), and
 * scores.txt, the table of tt_scores_print():
 *
 *   training_curves.png                   loss by epoch
 *   latent_by_CLASS.png                   the latent space's first two components; CLASS is genre, language
 * (of several), cluster (of k-means), agglomerative or dbscan TRUTH_by_CLUSTERING.png               how each
 * genre or language spreads over the clusters, noise among them dendrogram.png                        the top
 * of the tree and where it was cut k_distance.png, choosing_k.png        how eps and k were chosen, where
 * they were silhouettes.png, scores.png           clusters of the latent space; every method against the
 * truth mel_examples.png                      one clip per genre
 *
 * Rows are clips, or tracks where those were clustered, which stand at the mean of their clips. Files that
 * are missing (or NULL) cost the pictures that need them, with a log line; a picture of an earlier run that
 * has become wrong is removed. gnuplot draws; without it TT_ERR_IO says how to get it. Every rank reads its
 * own rows, rank 0 draws; pictures of more than 20,000 points show a seeded sample and say so. Collective.
 * @return TT_OK, TT_ERR_IO, TT_ERR_INPUT or TT_ERR_MEMORY, the same on every rank */
tt_status tt_report(const tt_comm *comm, const tt_provenance *provenance, const tt_report_inputs *in,
                    const char *results);

#endif
